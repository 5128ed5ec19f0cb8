//! Greetings, refusals, noise, faults, ends, TLS.

use std::sync::Arc;

use futures_util::SinkExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::super::{FakeEngine, FakeEngineConfig, Greeting, Refusal};
use super::client::{Client, engine, within};
use crate::certs::{CertOptions, Certs};

#[tokio::test]
async fn greetings_of_every_deployment() {
    let user = json!({"userId": "ada", "userDirectory": "ACME", "mustAuthenticate": false});
    let proxy = FakeEngineConfig {
        greeting: Greeting::AfterFirstRequest,
        authentication_information: Some(user.clone()),
        ..FakeEngineConfig::default()
    };
    let proxied = engine(proxy).await;
    let mut client = Client::connect(&proxied, "/app/x").await;
    client.request(-1, "OSName", json!([])).await;
    let first = client.read().await;
    assert_eq!((&first["method"], &first["params"]), (&json!("OnAuthenticationInformation"), &user));
    assert_eq!(client.read().await["method"], "OnConnected");
    assert_eq!(client.read().await["id"], 1);
    client.call(-1, "OSName", json!([])).await;

    let silent = engine(FakeEngineConfig { greeting: Greeting::Never, ..FakeEngineConfig::default() }).await;
    Client::connect(&silent, "/app/x").await.call(-1, "OSName", json!([])).await;

    let state = Some("SESSION_ERROR_NO_LICENSE".to_owned());
    let refusing = engine(FakeEngineConfig { session_error: state, ..FakeEngineConfig::default() }).await;
    let mut client = Client::connect(&refusing, "/app/x").await;
    assert_eq!(client.read().await["params"]["qSessionState"], "SESSION_ERROR_NO_LICENSE");
    assert_eq!(client.end().await, Some((1000, String::new())));
}

#[tokio::test]
async fn refused_upgrades() {
    let engine =
        engine(FakeEngineConfig { bearer: Some("secret".into()), ..FakeEngineConfig::default() }).await;
    let Err(Error::Http(answer)) = Client::try_connect(&engine, "/app/x", &[]).await else {
        panic!("let in")
    };
    assert_eq!(answer.status(), 401);
    let ok = Client::try_connect(&engine, "/app/x", &[("Authorization", "Bearer secret")]).await;
    assert!(ok.is_ok());
    assert_eq!(engine.upgrades()[0].target, "/app/x");
    let body = json!({"errors": [{"code": "CSRF-TOKEN-2"}]});
    for refusal in [
        Refusal::json(403, &body),
        Refusal { status: 302, headers: vec![("Location".into(), "/login".into())], body: String::new() },
    ] {
        let config = FakeEngineConfig { refusal: Some(refusal.clone()), ..FakeEngineConfig::default() };
        let engine = super::client::engine(config).await;
        let Err(Error::Http(answer)) = Client::try_connect(&engine, "/app/x", &[]).await else {
            panic!("let in")
        };
        assert_eq!(answer.status(), refusal.status);
        assert!(
            refusal.headers.iter().all(|(name, value)| answer.headers()[name.as_str()] == value.as_str())
        );
    }
}

async fn talk(engine: &FakeEngine, bytes: &[u8]) -> String {
    let mut tcp = within(TcpStream::connect(engine.addr())).await.unwrap();
    let _ = within(tcp.write_all(bytes)).await;
    let _ = within(tcp.shutdown()).await;
    let mut answer = Vec::new();
    let _ = within(tcp.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn noise_does_no_harm() {
    let engine = engine(FakeEngineConfig::default()).await;
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(100_000));
    for noise in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\0\0\0\0", b"", b"GET", long.as_bytes(), b"\r\n\r\n"]
    {
        assert_eq!(talk(&engine, noise).await, "");
    }
    assert!(
        talk(&engine, b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 200 OK")
    );
    assert!(talk(&engine, b"POST /x HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
    let upgrade = "GET /app/x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    assert!(talk(&engine, format!("{upgrade}\r\n").as_bytes()).await.starts_with("HTTP/1.1 400 "));
    // A first frame in the same packet as the upgrade, and one that breaks the rules of WebSocket.
    let full =
        format!("{upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    let mut bytes = full.into_bytes();
    bytes.extend([0xff; 64]);
    assert!(talk(&engine, &bytes).await.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    Client::open(&engine, "/app/Sales.qvf").await;
}

#[tokio::test]
async fn faults_on_demand() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    client.request(1, "Evaluate", json!(["Push()"])).await;
    let notice = client.read().await;
    assert_eq!(
        (&notice["method"], &notice["params"]["severity"]),
        (&json!("OnSessionTimedOut"), &json!("notice"))
    );
    assert_eq!(client.read_text().await, r#"{"jsonrpc":"2.0","change":[1]}"#);
    client.read().await;
    client.request(1, "Evaluate", json!(["Suspend()"])).await;
    assert_eq!(client.read_text().await, r#"{"jsonrpc":"2.0","suspend":[1]}"#);
    client.read().await;
    client.request(1, "Evaluate", json!(["Raw(<html>(no)</html>)"])).await;
    assert_eq!(client.read_text().await, "<html>(no)</html>");
    client.read().await;
    client.request(1, "Evaluate", json!(["Notify(OnNews)"])).await;
    assert_eq!(client.read().await, json!({"jsonrpc": "2.0", "method": "OnNews"}));
    client.read().await;
    client.request(1, "Evaluate", json!(["Orphan()"])).await;
    assert_eq!(client.read().await["id"], 987_654_321);
    client.read().await;
    assert_eq!(client.call(1, "Evaluate", json!(["NullResult()"])).await["result"], Value::Null);
    assert_eq!(client.code(1, "Evaluate", json!(["Error(7003)"])).await, 7003);
    client.request(1, "Evaluate", json!(["Binary()"])).await;
    let binary = within(futures_util::StreamExt::next(&mut client.socket)).await;
    assert!(matches!(binary, Some(Ok(Message::Binary(_)))));
    client.read().await;
    within(client.socket.send(Message::binary(vec![0xff, 0]))).await.unwrap();
    assert_eq!(client.read().await["error"]["code"], -32700);
}

#[tokio::test]
async fn every_way_to_end() {
    let engine = engine(FakeEngineConfig::default()).await;
    for (text, end) in [
        (
            "Close(4204)",
            Some((4204, r#"{"code":"QEP-104","traceId":"00000000000000000000000000000001"}"#.to_owned())),
        ),
        ("Close(1000,)", Some((1000, String::new()))),
        ("Close(4003,shutting down)", Some((4003, "shutting down".to_owned()))),
        ("Drop()", None),
    ] {
        let mut client = Client::open(&engine, "/app/Sales.qvf").await;
        client.request(1, "Evaluate", json!([text])).await;
        assert_eq!(client.end().await, end, "{text}");
    }
    let mut clients = [
        Client::open(&engine, "/app/Sales.qvf/identity/1").await,
        Client::open(&engine, "/app/Sales.qvf/identity/2").await,
    ];
    engine.push_notification("OnSessionTimedOut", json!({"severity": "fatal"}));
    engine.close_all(4001, "");
    for client in &mut clients {
        assert_eq!(client.read().await["method"], "OnSessionTimedOut");
        assert_eq!(client.end().await, Some((4001, String::new())));
    }
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    engine.push_raw("not json");
    assert_eq!(client.read_text().await, "not json");
    engine.abort_all();
    assert_eq!(client.end().await, None);
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    within(engine.shutdown()).await;
    assert_eq!(client.end().await, None);
}

#[tokio::test]
async fn a_client_that_closes_leaves_no_session_behind() {
    let engine = engine(FakeEngineConfig::default()).await;
    for _ in 0..3 {
        let mut client = Client::connect(&engine, "/app/x/ttl/0").await;
        assert_eq!(client.read().await["params"]["qSessionState"], "SESSION_CREATED");
        within(client.socket.close(None)).await.unwrap();
        client.end().await;
    }
    assert_eq!(engine.sessions(), 0);
}

/// Shakes hands over TLS and asks for a page; true if there was an answer.
async fn over_tls(engine: &FakeEngine, certs: &Certs, with_client: bool) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certs.root.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = if with_client {
        let chain = vec![CertificateDer::from_pem_slice(certs.client.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(certs.client_key.as_bytes()).unwrap();
        builder.with_client_auth_cert(chain, key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = within(TcpStream::connect(engine.addr())).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let Ok(mut tls) = within(connector.connect(name, tcp)).await else { return false };
    let _ = within(tls.write_all(b"GET /healthcheck HTTP/1.1\r\n\r\n")).await;
    let mut answer = Vec::new();
    let _ = within(tls.read_to_end(&mut answer)).await;
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test]
async fn tls_with_and_without_client_certificates() {
    let plain = CertOptions::default();
    for (options, demands, with_client, expected) in [
        (plain, false, false, true),
        (plain, true, true, true),
        (plain, true, false, false),
        (CertOptions { wrong_host: true, ..plain }, false, false, false),
        (CertOptions { expired: true, ..plain }, false, false, false),
        (CertOptions { other_server_ca: true, ..plain }, false, false, false),
        (CertOptions { other_client_ca: true, ..plain }, true, true, false),
    ] {
        let certs = Certs::generate(options).unwrap();
        let tls = Some(certs.acceptor(demands).unwrap());
        let engine = engine(FakeEngineConfig { tls, ..FakeEngineConfig::default() }).await;
        assert!(engine.base_url().starts_with("wss://"));
        assert_eq!(
            over_tls(&engine, &certs, with_client).await,
            expected,
            "{options:?} {demands} {with_client}"
        );
    }
}
