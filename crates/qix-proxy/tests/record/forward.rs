//! Forward mode: hosts that the recorder stands in for, and all others.

use std::{net::SocketAddr, sync::Arc};

use qix_proxy::{
    Authority, AuthoritySettings, ConfigError, Forwarding, Proxy as Recorder, ProxyError, record::Redaction,
};
use qix_tests::{
    FakeEngine, FakeEngineConfig,
    certs::{CertOptions, Certs},
};
use qix_transport::{Auth, Connect, Endpoint, Proxies, Proxy, TlsSettings, WsConnect};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{listen::ask, support::*};

/// An authority in a folder of its own.
struct Ca {
    authority: Arc<Authority>,
    _dir: TempDir,
}

impl Ca {
    fn new(constraints: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = constraints
            .iter()
            .fold(AuthoritySettings::default(), |settings, host| settings.name_constraint(*host));
        let authority = Arc::new(Authority::create(dir.path(), &settings).unwrap());
        Self { authority, _dir: dir }
    }

    fn forwarding(&self, hosts: &[&str]) -> Forwarding {
        let start = Forwarding::new(Arc::clone(&self.authority));
        hosts.iter().fold(start, |forwarding, host| forwarding.intercept(host).unwrap())
    }

    fn trusted(&self) -> TlsSettings {
        TlsSettings::default().ca_file(self.authority.certificate_path()).unwrap()
    }

    async fn rig(&self, hosts: &[&str]) -> Rig {
        Rig::built(|config| config.listen(([127, 0, 0, 1], 0)).forward(self.forwarding(hosts))).await
    }
}

async fn engine(certs: &Certs) -> FakeEngine {
    let mut config = FakeEngineConfig::default();
    config.tls = Some(certs.acceptor(false).unwrap());
    FakeEngine::start(config).await.unwrap()
}

fn client(engine: &FakeEngine, rig: &Rig, tls: TlsSettings) -> WsConnect {
    let url = format!("wss://localhost:{}/app/engineData?x=1", engine.port());
    let proxy = Proxy::parse(&format!("http://{}", rig.address)).unwrap();
    let connect = WsConnect::builder(Endpoint::parse(&url).unwrap());
    connect.tls(tls).proxies(Proxies::all(proxy)).header("Origin", "https://portal.example").build().unwrap()
}

async fn connected(rig: &Rig, to: SocketAddr) -> Raw {
    let mut client = Raw(TcpStream::connect(rig.address).await.unwrap());
    client
        .write(format!("CONNECT {to} HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n").as_bytes())
        .await;
    assert_eq!(client.head().await, "HTTP/1.1 200 Connection established\r\n\r\n");
    client
}

/// Says something to the proxy and returns all that it answers.
async fn said(rig: &Rig, request: &str) -> String {
    let mut client = Raw(TcpStream::connect(rig.address).await.unwrap());
    client.write(request.as_bytes()).await;
    String::from_utf8(client.rest().await).unwrap()
}

#[tokio::test]
async fn intercepted_host_is_recorded_for_clients_that_trust_the_authority() {
    let (ca, certs) = (Ca::new(&["localhost"]), Certs::generate(CertOptions::default()).unwrap());
    let engine = engine(&certs).await;
    let trust = TlsSettings::default().ca_pem(certs.root.as_bytes()).unwrap();
    let rig = Rig::built(|config| {
        config.listen(([127, 0, 0, 1], 0)).forward(ca.forwarding(&["local*"])).tls(trust)
    })
    .await;
    ask(&client(&engine, &rig, ca.trusted())).await;
    let upgrade = engine.upgrades().pop().unwrap();
    let recording = rig.finish().await;
    assert_eq!(recording.lines[0]["upstream"], "local*");
    let open = recording.kind("open")[0];
    assert_eq!(open["url"], "/app/engineData?x=1");
    let host = serde_json::json!(["host", format!("localhost:{}", engine.port())]);
    assert!(open["request"].as_array().unwrap().contains(&host), "{open}");
    assert_eq!(recording.frames(1).len(), 3);
    assert!(recording.closing(1).clean);
    let origin = upgrade.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("origin")).unwrap();
    assert_eq!(origin.1, "https://portal.example", "the origin of a page is not the recorder's to change");
}

#[tokio::test]
async fn other_hosts_are_tunnelled_byte_for_byte_and_not_recorded() {
    let ca = Ca::new(&["qlikcloud.com"]);
    let rig = ca.rig(&["*.qlikcloud.com"]).await;
    let (servers, address) = listener().await;
    let mut client = connected(&rig, address).await;
    let mut server = next(&servers).await;
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    tokio::join!(client.write(&bytes), server.expect(&bytes));
    client.0.shutdown().await.unwrap();
    assert!(server.rest().await.is_empty(), "one end of the tunnel has ended, and nothing was added");
    tokio::join!(server.write(&bytes), client.expect(&bytes));
    drop(server);
    assert!(client.rest().await.is_empty());
    let recording = rig.finish().await;
    assert_eq!((recording.sealed.connections, recording.lines.len()), (0, 2));
}

#[tokio::test]
async fn plain_websockets_are_recorded_in_a_tunnel_and_by_whole_urls() {
    let ca = Ca::new(&[]);
    let (engines, address) = listener().await;
    let rig = Rig::built(|config| {
        let config = config.listen(([127, 0, 0, 1], 0)).forward(ca.forwarding(&["127.0.0.1"]));
        let mut config = config.auth(Auth::bearer("injected"));
        config.redaction = Redaction::off();
        config
    })
    .await;
    let mut tunnelled = connected(&rig, address).await;
    tunnelled.write(request("/app/a", "").as_bytes()).await;
    let mut engine = next(&engines).await;
    let head = engine.accept("", b"").await;
    assert!(head.starts_with("GET /app/a HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "authorization"), Some("Bearer injected"));
    assert!(tunnelled.head().await.starts_with("HTTP/1.1 101 "));
    drop((tunnelled, engine));

    let mut direct = Raw(TcpStream::connect(rig.address).await.unwrap());
    let whole = request(&format!("http://{address}/app/b"), "Proxy-Authorization: Basic c2VjcmV0\r\n");
    direct.write(whole.as_bytes()).await;
    let mut engine = next(&engines).await;
    let head = engine.accept("", &frame(0x81, b"hello", false)).await;
    assert!(head.starts_with("GET /app/b HTTP/1.1\r\n") && !head.contains("c2VjcmV0"), "{head}");
    assert_eq!(header(&head, "host"), Some(&*address.to_string()));
    assert!(direct.head().await.starts_with("HTTP/1.1 101 "));
    direct.expect(&frame(0x81, b"hello", false)).await;
    drop((direct, engine));
    let recording = rig.finish().await;
    assert_eq!(recording.kind("open").len(), 2);
    assert!(!recording.text.contains("c2VjcmV0") && !recording.text.contains("proxy-authorization"));
}

#[tokio::test]
async fn whole_urls_of_other_hosts_are_passed_on_without_what_was_for_the_proxy() {
    let ca = Ca::new(&["qlikcloud.com"]);
    let forwarding = ca.forwarding(&["*.qlikcloud.com"]);
    let rig = Rig::built(|config| {
        config.listen(([127, 0, 0, 1], 0)).forward(forwarding).auth(Auth::bearer("injected"))
    })
    .await;
    let (servers, address) = listener().await;
    let mut client = Raw(TcpStream::connect(rig.address).await.unwrap());
    let request = format!(
        "POST http://{address}/form?x HTTP/1.1\r\nHost: {address}\r\nProxy-Authorization: Basic c2VjcmV0\r\nContent-Length: 3\r\n\r\nabc"
    );
    client.write(request.as_bytes()).await;
    let mut server = next(&servers).await;
    let expected = format!(
        "POST /form?x HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    );
    server.expect(expected.as_bytes()).await;
    server.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    drop(server);
    assert!(client.rest().await.starts_with(b"HTTP/1.1 204 "));
    assert_eq!(rig.finish().await.lines.len(), 2);
}

#[tokio::test]
async fn host_outside_the_name_constraints_is_refused_in_one_sentence() {
    let ca = Ca::new(&["qlikcloud.com"]);
    let config = Recorder::builder("never.qixrec").forward(ca.forwarding(&["bank.example"]));
    match config.bind().await.unwrap_err() {
        ProxyError::Config(ConfigError::Authority(error)) => {
            assert!(error.to_string().contains("bank.example is none of these"), "{error}");
        }
        other => panic!("{other}"),
    }
    // Of a pattern nobody knows before.
    let rig = ca.rig(&["*"]).await;
    let answer = said(&rig, "CONNECT bank.example:443 HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("qlikcloud.com only"), "{answer}");
    rig.finish().await;
}

#[tokio::test]
async fn forward_proxy_without_hosts_or_with_an_upstream_is_refused() {
    let ca = Ca::new(&[]);
    let none = Recorder::builder("never.qixrec").forward(ca.forwarding(&[]));
    assert!(matches!(none.bind().await, Err(ProxyError::Config(ConfigError::NoIntercept))));
    let both = Recorder::builder("never.qixrec").forward(ca.forwarding(&["x"]));
    let both = both.upstream(Endpoint::parse("ws://engine").unwrap());
    assert!(matches!(both.bind().await, Err(ProxyError::Config(ConfigError::TwoModes))));
}

#[tokio::test]
async fn client_that_does_not_trust_the_authority_disturbs_nobody() {
    let (ca, certs) = (Ca::new(&[]), Certs::generate(CertOptions::default()).unwrap());
    let engine = engine(&certs).await;
    let trust = TlsSettings::default().ca_pem(certs.root.as_bytes()).unwrap();
    let rig = Rig::built(|config| {
        config.listen(([127, 0, 0, 1], 0)).forward(ca.forwarding(&["localhost"])).tls(trust.clone())
    })
    .await;
    let error = bounded(client(&engine, &rig, trust).connect()).await.unwrap_err();
    assert!(error.to_string().contains("TLS with"), "{error}");
    ask(&client(&engine, &rig, ca.trusted())).await;
    assert_eq!(rig.finish().await.sealed.connections, 1);
}

#[tokio::test]
async fn upstream_that_cannot_be_trusted_or_reached_is_a_sentence_and_an_entry() {
    let (ca, certs) = (Ca::new(&[]), Certs::generate(CertOptions::default()).unwrap());
    let engine = engine(&certs).await;
    let other = Certs::generate(CertOptions::default()).unwrap();
    let trust = TlsSettings::default().ca_pem(other.root.as_bytes()).unwrap();
    let rig = Rig::built(|config| {
        config.listen(([127, 0, 0, 1], 0)).forward(ca.forwarding(&["localhost", "127.0.0.1"])).tls(trust)
    })
    .await;
    let error = bounded(client(&engine, &rig, ca.trusted()).connect()).await.unwrap_err();
    assert!(error.to_string().contains("502"), "{error}");
    let (gone, address) = listener().await;
    drop(gone);
    let mut plain = connected(&rig, address).await;
    plain.write(request("/app/x", "Connection: close\r\n").as_bytes()).await;
    assert!(plain.head().await.starts_with("HTTP/1.1 502 "));
    drop(plain);
    let recording = rig.finish().await;
    let refused = recording.kind("refused");
    assert_eq!(refused.len(), 2);
    assert!(refused[0]["error"].as_str().unwrap().contains("TLS with"), "{refused:?}");
}

#[tokio::test]
async fn what_must_not_or_cannot_be_reached_is_refused_in_one_sentence() {
    let ca = Ca::new(&[]);
    let rig = ca.rig(&["localhost", "*.example"]).await;
    let own = rig.address;
    let (gone, nobody) = listener().await;
    drop(gone);
    for (request, status, says) in [
        (format!("CONNECT {own} HTTP/1.1\r\n\r\n"), 403, "the proxy itself"),
        (format!("CONNECT localhost:{} HTTP/1.1\r\n\r\n", own.port()), 403, "the proxy itself"),
        (format!("GET http://{own}/ HTTP/1.1\r\n\r\n"), 403, "the proxy itself"),
        (format!("CONNECT {nobody} HTTP/1.1\r\n\r\n"), 502, "refused"),
        ("GET /hub HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400, "this is a forward proxy"),
        ("GET https://x.example/ HTTP/1.1\r\n\r\n".to_owned(), 400, "takes CONNECT"),
        ("\x16\x03\x01\r\n\r\n".to_owned(), 400, "no HTTP"),
    ] {
        let answer = said(&rig, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(says), "{request}: {answer}");
    }
    assert_eq!(rig.finish().await.lines.len(), 2);
}

#[tokio::test]
async fn plain_http_over_one_connection_cannot_reach_a_host_by_the_name_of_another() {
    let ca = Ca::new(&[]);
    let rig = ca.rig(&["127.0.0.1"]).await;
    let (engines, address) = listener().await;
    let mut client = Raw(TcpStream::connect(rig.address).await.unwrap());
    // Two at once: the second is not for the first one's host, and is never sent there.
    let first = request(&format!("http://{address}/app/a"), "");
    let second = request("http://other.example/app/b", "");
    client.write([first, second].concat().as_bytes()).await;
    let mut engine = next(&engines).await;
    assert!(engine.head().await.starts_with("GET /app/a "));
    engine.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    let answers = String::from_utf8(client.rest().await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    assert!(!String::from_utf8_lossy(&engine.rest().await).contains("/app/b"));
    rig.finish().await;
}

#[tokio::test]
async fn tunnels_end_when_the_proxy_is_to_stop() {
    let ca = Ca::new(&["qlikcloud.com"]);
    let rig = ca.rig(&["*.qlikcloud.com"]).await;
    let (servers, address) = listener().await;
    let mut client = connected(&rig, address).await;
    let server = next(&servers).await;
    let mut idle = Raw(TcpStream::connect(rig.address).await.unwrap());
    rig.finish().await;
    assert!(client.rest().await.is_empty() && idle.rest().await.is_empty());
    drop(server);
}
