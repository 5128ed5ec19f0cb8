//! Where clients come in: several addresses, Unix sockets, TLS.

use std::time::Duration;

use qix_proxy::{FrontTls, ListenOn};
use qix_tests::{
    FakeEngine, FakeEngineConfig,
    certs::{CertOptions, Certs},
};
use qix_transport::{Connect, Endpoint, Message, SocketExt, TlsSettings, WsConnect};

use crate::support::*;

const VERSION: &str = r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"EngineVersion","params":[]}"#;

/// Asks an engine at `url` for its version.
pub(crate) async fn ask(connect: &WsConnect) {
    let mut socket = bounded(connect.connect()).await.unwrap();
    let greeting = bounded(socket.receive()).await.unwrap();
    assert!(matches!(&greeting, Message::Text(text) if text.windows(11).any(|word| word == b"OnConnected")));
    bounded(socket.send_text(VERSION)).await.unwrap();
    let answer = bounded(socket.receive()).await.unwrap();
    assert!(matches!(&answer, Message::Text(text) if text.windows(6).any(|word| word == b"\"id\":1")));
    bounded(socket.close(qix_transport::CloseCode::NORMAL, "")).await;
}

async fn engine() -> FakeEngine {
    FakeEngine::start(FakeEngineConfig::default()).await.unwrap()
}

fn over_tls(rig: &Rig, tls: TlsSettings) -> WsConnect {
    let url = format!("wss://localhost:{}/app/engineData", rig.address.port());
    WsConnect::builder(Endpoint::parse(&url).unwrap()).tls(tls).build().unwrap()
}

#[tokio::test]
async fn all_addresses_lead_to_one_recording() {
    let engine = engine().await;
    let rig = Rig::with(&engine.base_url(), |config| config.listen(([127, 0, 0, 1], 0))).await;
    assert_eq!(rig.places.len(), 2);
    for place in &rig.places {
        let url = format!("ws://{}/app/engineData", place.tcp().unwrap());
        ask(&WsConnect::builder(Endpoint::parse(&url).unwrap()).build().unwrap()).await;
    }
    let recording = rig.finish().await;
    assert_eq!(recording.sealed.connections, 2);
}

#[cfg(unix)]
#[tokio::test]
async fn unix_socket_is_another_way_in_and_is_gone_in_the_end() {
    use tokio::net::UnixStream;

    let engine = engine().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let rig = Rig::with(&engine.base_url(), |config| config.listen_on(ListenOn::Unix(path.clone()))).await;
    let stream = bounded(UnixStream::connect(&path)).await.unwrap();
    let (mut client, _) =
        bounded(tokio_tungstenite::client_async("ws://localhost/app/engineData", stream)).await.unwrap();
    let greeting = bounded(futures_util::StreamExt::next(&mut client)).await.unwrap().unwrap();
    assert!(greeting.to_text().unwrap().contains("OnConnected"));
    client.close(None).await.unwrap();
    while bounded(futures_util::StreamExt::next(&mut client)).await.is_some() {}
    drop(client);
    let recording = rig.finish().await;
    assert_eq!(recording.frames(1).len(), 1);
    assert!(!path.exists());
}

#[tokio::test]
async fn certificate_made_on_the_spot_is_known_by_its_fingerprint() {
    let engine = engine().await;
    let rig = Rig::with(&engine.base_url(), |config| config.front_tls(FrontTls::self_signed())).await;
    let pin = rig.fingerprint.clone().unwrap();
    ask(&over_tls(&rig, TlsSettings::default().pin_certificate(&pin).unwrap())).await;
    let other = TlsSettings::default().pin_certificate(&"00".repeat(32)).unwrap();
    assert!(bounded(over_tls(&rig, other).connect()).await.is_err());
    let recording = rig.finish().await;
    assert_eq!(recording.frames(1).len(), 3);
    assert!(recording.closing(1).clean);
}

#[tokio::test]
async fn given_certificate_is_shown_to_clients() {
    let engine = engine().await;
    let (certs, dir) = (Certs::generate(CertOptions::default()).unwrap(), tempfile::tempdir().unwrap());
    certs.write(dir.path()).unwrap();
    let [certificate, key] = ["server.pem", "server_key.pem"].map(|name| dir.path().join(name));
    let tls = FrontTls::from_pem_files(certificate, key).unwrap();
    let rig = Rig::with(&engine.base_url(), |config| config.front_tls(tls)).await;
    assert_eq!(rig.fingerprint, None);
    ask(&over_tls(&rig, TlsSettings::default().ca_pem(certs.root.as_bytes()).unwrap())).await;
    rig.finish().await;
}

#[tokio::test]
async fn plain_http_at_a_port_of_tls_is_sent_there_or_told() {
    let rig = Rig::with("ws://127.0.0.1:1", |config| config.front_tls(FrontTls::self_signed())).await;
    let answer = async |request: &str| {
        let mut client = Raw(tokio::net::TcpStream::connect(rig.address).await.unwrap());
        client.write(request.as_bytes()).await;
        String::from_utf8(client.rest().await).unwrap()
    };
    let page = answer("GET /hub?x=1 HTTP/1.1\r\nHost: recorder:9077\r\n\r\n").await;
    assert!(page.starts_with("HTTP/1.1 307 "), "{page}");
    assert_eq!(header(&page, "location"), Some("https://recorder:9077/hub?x=1"));
    for other in [
        "POST /hub HTTP/1.1\r\nHost: recorder\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        request("/app/x", ""),
    ] {
        let answer = answer(&other).await;
        assert!(answer.starts_with("HTTP/1.") && answer.contains(" 400 "), "{answer}");
        assert!(answer.contains("this port speaks TLS"), "{answer}");
    }
    rig.finish().await;
}

#[tokio::test]
async fn client_that_does_not_finish_the_handshake_is_hung_up_on() {
    let rig = Rig::with("ws://127.0.0.1:1", |config| {
        config.front_tls(FrontTls::self_signed()).header_timeout(Duration::from_millis(20))
    })
    .await;
    for said in [&b""[..], b"\x16", b"\x16\x03\x01\x00\x05\x01"] {
        let mut client = Raw(tokio::net::TcpStream::connect(rig.address).await.unwrap());
        client.write(said).await;
        // Perhaps an alert, and then the end.
        assert!(client.rest().await.len() < 10);
    }
    rig.finish().await;
}
