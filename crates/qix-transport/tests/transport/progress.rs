//! What a connection that is watched tells of its stages.

use std::sync::Mutex;

use qix_transport::{
    Auth, ClientIdentity, Connect, ConnectError, Endpoint, OAuth, Progress, Proxies, Proxy,
    ServerCertificates, TlsSettings, WsConnect,
};
use rcgen::date_time_ymd;
use rustls::version::{TLS12, TLS13};
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    proxies::http_proxy,
    site::{Site, serve},
    support::{read_head, server, switched, within, write},
    web::{answer, web},
};

/// Connects and returns what was told, in words, and the certificates.
async fn watched(connect: WsConnect) -> (Result<(), ConnectError>, Vec<String>, Option<ServerCertificates>) {
    let told = Mutex::new(Vec::new());
    let watcher = |progress| told.lock().unwrap().push(progress);
    let outcome = within(connect.connect_watched(&watcher)).await.map(drop);
    let mut certificates = None;
    let words = told.into_inner().unwrap().into_iter().map(|progress| match progress {
        Progress::Credentials { sent } => format!("credentials {}", sent.join(" ")),
        Progress::Resolved { addresses, .. } => {
            assert!(!addresses.is_empty());
            "resolved".to_owned()
        }
        Progress::Connected { address } => {
            assert!(address.ip().is_loopback());
            "connected".to_owned()
        }
        Progress::Tunnelled { target, .. } => format!("tunnelled to {target}"),
        Progress::Certificates(found) => {
            certificates = Some(found);
            "certificates".to_owned()
        }
        Progress::Encrypted { version, .. } => version.to_owned(),
        Progress::Upgraded { server } => format!("upgraded by {server:?}"),
        Progress::Again { status } => format!("again after {status}"),
        other => panic!("{other:?}"),
    });
    let words = words.collect();
    (outcome, words, certificates)
}

fn to(port: u16, tls: TlsSettings) -> WsConnect {
    WsConnect::builder(Endpoint::parse(&format!("wss://localhost:{port}/")).unwrap())
        .tls(tls)
        .build()
        .unwrap()
}

#[tokio::test]
async fn stages_are_told_in_their_order() {
    let (port, task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        write(&mut stream, switched(&head, "Server: Engine\r\n").as_bytes()).await;
    })
    .await;
    let connect = WsConnect::builder(Endpoint::parse(&format!("ws://127.0.0.1:{port}/")).unwrap())
        .auth(Auth::header("hdr-usr", "s3cret").and(Auth::ticket("s3cret")).and(Auth::cookie("c", "s3cret")));
    let (outcome, told, _) = watched(connect.build().unwrap()).await;
    outcome.unwrap();
    within(task).await.unwrap();
    let credentials = "credentials header hdr-usr query qlikTicket cookie c";
    assert_eq!(told, [credentials, "resolved", "connected", r#"upgraded by Some("Engine")"#]);
}

#[tokio::test]
async fn certificates_are_told_whether_they_are_accepted_or_not() {
    let site = Site::new();
    let (port, _task) = site.serve("localhost", |_| ()).await;
    let (outcome, told, certificates) = watched(to(port, site.trusted())).await;
    outcome.unwrap();
    assert_eq!(
        told,
        ["credentials ", "resolved", "connected", "certificates", "TLS 1.3", "upgraded by None"]
    );
    let certificates = certificates.unwrap();
    assert_eq!(certificates.chain[0].names().collect::<Vec<_>>(), ["localhost"]);
    assert!(!certificates.wants_client_certificate && !certificates.client_certificate_shown);

    for version in [&TLS12, &TLS13] {
        let (cert, key) = site.issue("localhost", |params| params.not_after = date_time_ymd(2002, 1, 1));
        let (port, _task) = serve(&cert, &key, &[version]).await;
        let (outcome, told, certificates) = watched(to(port, site.trusted())).await;
        assert!(matches!(outcome, Err(ConnectError::Tls { .. })), "{outcome:?}");
        assert_eq!(told.last().unwrap(), "certificates");
        assert_eq!(certificates.unwrap().chain.len(), 1);
    }
}

#[tokio::test]
async fn wish_for_a_client_certificate_is_told_with_its_issuers() {
    let site = Site::new();
    for shown in [false, true] {
        let acceptor = site.acceptor(site.issue("localhost", |_| ()));
        let (port, _task) = server(move |stream| async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read_u8().await;
        })
        .await;
        let (cert, key) = site.client();
        let identity = ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        let tls = if shown { site.trusted().identity(identity) } else { site.trusted() };
        let (outcome, told, certificates) = watched(to(port, tls)).await;
        // With TLS 1.3 the refusal comes only after the handshake.
        assert!(outcome.is_err() && told.last().unwrap() == "TLS 1.3", "{told:?}");
        let certificates = certificates.unwrap();
        assert!(certificates.wants_client_certificate);
        assert_eq!(certificates.client_certificate_shown, shown);
        assert!(certificates.accepted_issuers[0].contains("CN=site-CA"), "{certificates:?}");
    }
}

#[tokio::test]
async fn watched_handshake_does_not_resume_an_earlier_one() {
    let site = Site::new();
    let acceptor = site.acceptor(site.issue("localhost", |_| ()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let _server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let head = read_head(&mut stream).await;
            write(&mut stream, switched(&head, "").as_bytes()).await;
        }
    });
    let (cert, key) = site.client();
    let identity = ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let connect = to(port, site.trusted().identity(identity));
    for _ in 0..3 {
        let (outcome, _, certificates) = watched(connect.clone()).await;
        outcome.unwrap();
        assert_eq!(certificates.unwrap().chain.len(), 1);
        within(connect.connect()).await.unwrap();
    }
}

#[tokio::test]
async fn tunnel_is_told_between_tcp_and_the_upgrade() {
    let (engine, _task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        write(&mut stream, switched(&head, "").as_bytes()).await;
    })
    .await;
    let (port, _task) = http_proxy(engine, None).await;
    let proxies = Proxies::all(Proxy::parse(&format!("http://127.0.0.1:{port}")).unwrap());
    let connect = WsConnect::builder(Endpoint::parse("ws://engine.invalid/").unwrap()).proxies(proxies);
    let (outcome, told, _) = watched(connect.build().unwrap()).await;
    outcome.unwrap();
    assert_eq!(told[1..4], ["resolved", "connected", "tunnelled to engine.invalid:80"]);
}

#[tokio::test]
async fn second_attempt_with_other_credentials_is_told_and_token_requests_are_not() {
    let tenant = web(|asked, index| {
        if !asked.is_upgrade() {
            return answer("200 OK", "", r#"{"access_token":"t"}"#);
        }
        if index < 2 { answer("401 Unauthorized", "", "") } else { asked.switched("") }
    })
    .await;
    let endpoint = Endpoint::parse(&format!("ws://127.0.0.1:{}/", tenant.port)).unwrap();
    let auth = Auth::bearer_from(OAuth::client_credentials("c", "s"));
    let (outcome, told, _) = watched(WsConnect::builder(endpoint).auth(auth).build().unwrap()).await;
    outcome.unwrap();
    let round = ["credentials header authorization", "resolved", "connected"];
    assert_eq!(told[..3], round);
    assert_eq!(told[3], "again after 401 Unauthorized");
    assert_eq!(told[4..7], round);
    assert_eq!(told.len(), 8);
}
