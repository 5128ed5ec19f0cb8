//! Certificates of both sides.

use std::{fs, time::Duration};

use qix_transport::{
    Auth, ClientIdentity, CloseCode, Connect, ConnectError, Dialer, Endpoint, Limits, QlikUser, SocketExt,
    Stage, TlsError, TlsSettings, WsConnect,
};
use rcgen::date_time_ymd;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::{io::AsyncReadExt, sync::oneshot};

use crate::{
    site::{Site, check_refused, connect},
    support::{header, read_head, server, switched, within, write},
};

#[tokio::test]
async fn client_certificate_and_x_qlik_user_arrive_over_mutual_tls() {
    let site = Site::new();
    let acceptor = site.acceptor(site.issue("localhost", |_| ()));
    let (port, task) = server(move |stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        let head = read_head(&mut stream).await;
        write(&mut stream, switched(&head, "").as_bytes()).await;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        // Ends with the close frame of the client.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        (head, shown)
    })
    .await;

    let (cert, key) = site.client();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("client.pem"), &cert).unwrap();
    fs::write(dir.path().join("client_key.pem"), &key).unwrap();
    fs::write(dir.path().join("root.pem"), site.ca.pem()).unwrap();
    let identity = ClientIdentity::from_pem_dir(dir.path()).unwrap();
    // The root that came with the certificates is trusted without more settings.
    let connect = WsConnect::builder(Endpoint::parse(&format!("wss://localhost:{port}/")).unwrap())
        .auth(Auth::client_cert(identity, QlikUser::new("ACME", "ada lovelace")))
        .limits(Limits::default().close_timeout(Duration::ZERO))
        .build()
        .unwrap();
    let mut socket = within(connect.connect()).await.unwrap();
    within(socket.close(CloseCode::NORMAL, "")).await;
    drop(socket);

    let (head, shown) = within(task).await.unwrap();
    assert_eq!(header(&head, "X-Qlik-User"), Some("UserDirectory=ACME; UserId=ada%20lovelace"));
    assert_eq!(shown, CertificateDer::from_pem_slice(cert.as_bytes()).unwrap());
}

#[tokio::test]
async fn missing_client_certificate_is_a_tls_error_although_it_comes_late() {
    let site = Site::new();
    let acceptor = site.acceptor(site.issue("localhost", |_| ()));
    let (port, task) = server(move |stream| async move {
        assert!(acceptor.accept(stream).await.is_err());
    })
    .await;
    check_refused(port, task, site.trusted(), "client certificate").await;
}

#[tokio::test]
async fn certificate_of_a_known_ca_is_accepted_and_closed_in_order() {
    let site = Site::new();
    let (port, task) = site.serve("localhost", |_| ()).await;
    let mut socket = connect(port, site.trusted()).await.unwrap();
    let closed = within(socket.close(CloseCode::NORMAL, "")).await;
    assert!(closed.error.is_none(), "{closed:?}");
    drop(socket);
    within(task).await.unwrap();
}

#[tokio::test]
async fn certificate_of_an_unknown_ca_is_refused() {
    // The second CA has the name of the trusted one, as after a site's certificates were made anew.
    for name in ["other-CA", "site-CA"] {
        let (port, task) = Site::named(name).serve("localhost", |_| ()).await;
        check_refused(port, task, Site::new().trusted(), "root.pem").await;
    }
}

#[tokio::test]
async fn expired_certificate_is_refused() {
    let site = Site::new();
    let (port, task) = site
        .serve("localhost", |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        })
        .await;
    check_refused(port, task, site.trusted(), "expired").await;
}

#[tokio::test]
async fn certificate_for_another_name_is_refused() {
    let site = Site::new();
    let (port, task) = site.serve("sense.internal", |_| ()).await;
    check_refused(port, task, site.trusted(), "server_name").await;
}

#[tokio::test]
async fn server_name_can_be_set_to_the_one_in_the_certificate() {
    let site = Site::new();
    let (port, task) = site.serve("sense.internal", |_| ()).await;
    connect(port, site.trusted().server_name("sense.internal")).await.unwrap();
    within(task).await.unwrap();
}

#[tokio::test]
async fn any_certificate_is_accepted_on_demand() {
    let (port, task) =
        Site::new().serve("sense.internal", |params| params.not_after = date_time_ymd(2002, 1, 1)).await;
    let tls = Site::new().trusted().danger_accept_any_server_certificate();
    connect(port, tls).await.unwrap();
    within(task).await.unwrap();
}

#[tokio::test]
async fn server_without_tls_is_told_apart() {
    let (port, task) = server(|mut stream| async move {
        let mut hello = [0; 64];
        stream.read_exact(&mut hello).await.unwrap();
        write(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    check_refused(port, task, Site::new().trusted(), "ws://").await;
}

#[tokio::test]
async fn silence_in_the_tls_handshake_runs_into_the_connect_deadline() {
    let (asked, was_asked) = oneshot::channel();
    let (port, task) = server(|mut stream| async move {
        stream.read_u8().await.unwrap();
        asked.send(()).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}")).unwrap();
    let dialer = Dialer::new(&Site::new().trusted(), &Limits::default()).unwrap();
    let attempt = tokio::spawn(async move { dialer.dial(&endpoint).await.map(drop) });
    within(was_asked).await.unwrap();
    tokio::time::pause();
    let error = within(attempt).await.unwrap().unwrap_err();
    tokio::time::resume();
    assert!(matches!(error, ConnectError::Timeout { stage: Stage::Tls, .. }), "{error:?}");
    within(task).await.unwrap();
}

#[tokio::test]
async fn plain_dialer_does_not_fall_back_to_plain_text() {
    let (port, task) = server(|mut stream| async move {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        rest
    })
    .await;
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}")).unwrap();
    let error = within(Dialer::plain(&Limits::default()).dial(&endpoint)).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
    assert!(within(task).await.unwrap().is_empty());
}

#[test]
fn debug_of_settings_shows_no_key() {
    let site = Site::new();
    let (cert, key) = site.client();
    let identity = ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let shown = format!("{:?}", site.trusted().identity(identity));
    assert!(shown.contains(r#"key: "***""#), "{shown}");
    assert!(matches!(TlsSettings::default().ca_pem(key.as_bytes()), Err(TlsError::BadRoots { .. })));
}
