//! An engine behind TLS that wants a client certificate, and a client that knows nothing of it.

use futures_util::{SinkExt, StreamExt};
use qix_proxy::record::Side;
use qix_tests::{
    FakeEngine, FakeEngineConfig,
    certs::{CertOptions, Certs},
};
use qix_transport::{Auth, ClientIdentity, QlikUser};
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

async fn engine(certs: &Certs, demands_client: bool) -> FakeEngine {
    let mut config = FakeEngineConfig::default();
    config.tls = Some(certs.acceptor(demands_client).unwrap());
    FakeEngine::start(config).await.unwrap()
}

#[tokio::test]
async fn proxy_shows_the_certificate_for_its_client() {
    let certs = Certs::generate(CertOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    certs.write(folder.path()).unwrap();
    let engine = engine(&certs, true).await;

    let identity = ClientIdentity::from_pem_dir(folder.path()).unwrap();
    let auth = Auth::client_cert(identity, QlikUser::new("INTERNAL", "sa_engine"));
    let rig = Rig::with(&engine.base_url(), |config| config.auth(auth)).await;
    let stream = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    let url = format!("ws://{}/app/engineData", rig.address);
    let (mut client, _) = bounded(tokio_tungstenite::client_async(url, stream)).await.unwrap();
    let greeting = bounded(client.next()).await.unwrap().unwrap();
    assert!(greeting.to_text().unwrap().contains("OnConnected"), "{greeting}");
    let request = r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"EngineVersion","params":[]}"#;
    client.send(Message::text(request)).await.unwrap();
    let answer = bounded(client.next()).await.unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("\"id\":1"), "{answer}");
    client.close(None).await.unwrap();
    while bounded(client.next()).await.is_some() {}

    let recording = rig.finish().await;
    let senders: Vec<_> = recording.frames(1).iter().map(|(from, _)| *from).collect();
    assert_eq!(senders, [Side::Engine, Side::Client, Side::Engine]);
    assert!(recording.closing(1).clean);
    assert!(!recording.text.contains("sa_engine"));
}

#[tokio::test]
async fn certificate_that_is_not_trusted_is_a_sentence() {
    let certs = Certs::generate(CertOptions::default()).unwrap();
    let engine = engine(&certs, false).await;
    let other = Certs::generate(CertOptions::default()).unwrap();
    let trust = qix_transport::TlsSettings::default().ca_pem(other.root.as_bytes()).unwrap();
    let rig = Rig::with(&engine.base_url(), |config| config.tls(trust)).await;
    let mut client = Raw::ask(rig.address, "/app/x", "Connection: close\r\n").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("TLS with"), "{answer}");
    assert!(answer.contains("root.pem"), "{answer}");
    rig.finish().await;
}
