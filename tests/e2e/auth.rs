//! Credentials and certificates, directly and through a recorder.

use qix_client::{
    ErrorKind, Session,
    transport::{Auth, ClientIdentity, ConnectError, Endpoint, QlikUser, Stage, TlsSettings, WsConnect},
};
use qix_tests::{
    FakeEngine,
    certs::{CertOptions, Certs},
};

use crate::support::*;

const TOKEN: &str = "t0ken.of-nobody";

/// An engine behind TLS that may demand client certificates, and its certificates.
async fn site(options: CertOptions, demands_client: bool) -> (FakeEngine, Certs) {
    let certs = Certs::generate(options).unwrap();
    let acceptor = certs.acceptor(demands_client).unwrap();
    (engine_with(|config| config.tls = Some(acceptor)).await, certs)
}

fn over_tls(engine: &FakeEngine, tls: TlsSettings, auth: Auth) -> WsConnect {
    let endpoint = Endpoint::parse(&engine.url("Sales.qvf")).unwrap();
    WsConnect::builder(endpoint).tls(tls).auth(auth).build().unwrap()
}

fn trusting(certs: &Certs) -> TlsSettings {
    TlsSettings::default().ca_pem(certs.root.as_bytes()).unwrap()
}

/// The site's client certificate, from a folder as the QMC exports it.
fn certificate(certs: &Certs) -> Auth {
    let dir = tempfile::tempdir().unwrap();
    certs.write(dir.path()).unwrap();
    Auth::client_cert(
        ClientIdentity::from_pem_dir(dir.path()).unwrap(),
        QlikUser::new("INTERNAL", "sa_engine"),
    )
}

/// What the engine saw of a header in its latest upgrade.
fn seen(engine: &FakeEngine, name: &str) -> Option<String> {
    let upgrade = engine.upgrades().pop().expect("an upgrade was accepted");
    let found = upgrade.headers.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

async fn works(connector: &WsConnect) {
    let session = bounded(Session::connect(connector)).await.unwrap();
    assert_eq!(evaluate(&sales(&session).await, "1+1").await.unwrap(), "2");
    bounded(session.close()).await;
}

#[tokio::test]
async fn right_bearer_token_is_let_in_and_a_wrong_one_is_told_why_not() {
    let engine = engine_with(|config| config.bearer = Some(TOKEN.to_owned())).await;
    let endpoint = || Endpoint::parse(&engine.url("Sales.qvf")).unwrap();
    works(&WsConnect::builder(endpoint()).auth(Auth::bearer(TOKEN)).build().unwrap()).await;

    let wrong = WsConnect::builder(endpoint()).auth(Auth::bearer("s3cret")).build().unwrap();
    for connector in [wrong, connector(&engine.url("Sales.qvf"))] {
        let error = refused(&connector).await;
        assert_eq!(error.kind(), ErrorKind::Connect);
        let cause = cause(&error);
        let refusal = cause.refusal().unwrap();
        assert_eq!(refusal.status, 401);
        assert!(String::from_utf8_lossy(&refusal.body).contains("Invalid token"));
        assert!(cause.hint().unwrap().contains("credentials were not accepted"), "{:?}", cause.hint());
        assert!(!format!("{error:?} {error} {cause} {connector:?}").contains("s3cret"));
    }
    assert_eq!(engine.upgrades().len(), 1);
}

#[tokio::test]
async fn own_ca_is_trusted_and_the_client_shows_no_certificate_unless_told_to() {
    let (engine, certs) = site(CertOptions::default(), false).await;
    works(&over_tls(&engine, trusting(&certs), Auth::none())).await;
    assert_eq!(seen(&engine, "X-Qlik-User"), None);
}

#[tokio::test]
async fn client_certificate_and_user_reach_the_engine() {
    let (engine, certs) = site(CertOptions::default(), true).await;
    // The folder's root.pem is trusted without being named again.
    works(&over_tls(&engine, TlsSettings::default(), certificate(&certs))).await;
    let user = seen(&engine, "X-Qlik-User").unwrap();
    assert_eq!(user, "UserDirectory=INTERNAL; UserId=sa_engine");
}

#[tokio::test]
async fn missing_or_foreign_client_certificate_is_refused_with_what_to_do() {
    let (engine, certs) = site(CertOptions::default(), true).await;
    let (foreign_engine, foreign) =
        site(CertOptions { other_client_ca: true, ..CertOptions::default() }, true).await;
    for connector in [
        over_tls(&engine, trusting(&certs), Auth::none()),
        over_tls(&foreign_engine, trusting(&foreign), certificate(&foreign)),
    ] {
        let error = refused(&connector).await;
        let cause = cause(&error);
        assert!(matches!(cause, ConnectError::Tls { .. }), "{cause:?}");
        assert!(cause.hint().unwrap().contains("client certificate"), "{:?}", cause.hint());
    }
    assert!(engine.upgrades().is_empty() && foreign_engine.upgrades().is_empty());
}

#[tokio::test]
async fn server_certificate_that_does_not_fit_is_refused_with_what_to_do() {
    let fine = CertOptions::default();
    for (options, says) in [
        (CertOptions { other_server_ca: true, ..fine }, "root.pem"),
        (CertOptions { wrong_host: true, ..fine }, "another name"),
        (CertOptions { expired: true, ..fine }, "has expired"),
    ] {
        let (engine, certs) = site(options, false).await;
        let error = refused(&over_tls(&engine, trusting(&certs), Auth::none())).await;
        let cause = cause(&error);
        assert_eq!((error.kind(), cause.stage()), (ErrorKind::Connect, Stage::Tls), "{options:?}");
        assert!(cause.hint().unwrap().contains(says), "{options:?}: {:?}", cause.hint());
        // The setting for tests lets any of them through.
        let any = TlsSettings::default().danger_accept_any_server_certificate();
        works(&over_tls(&engine, any, Auth::none())).await;
    }
}

#[tokio::test]
async fn plain_client_of_a_tls_port_and_the_other_way_round_are_told_so() {
    let (engine, certs) = site(CertOptions::default(), false).await;
    let plain = refused(&connector(&engine.url("Sales.qvf").replace("wss:", "ws:"))).await;
    assert!(cause(&plain).hint().unwrap().contains("wss://"), "{:?}", cause(&plain));
    let open = crate::support::engine().await;
    let endpoint = Endpoint::parse(&open.url("Sales.qvf").replace("ws:", "wss:")).unwrap();
    let error = refused(&WsConnect::builder(endpoint).tls(trusting(&certs)).build().unwrap()).await;
    let cause = cause(&error);
    assert_eq!(cause.stage(), Stage::Tls, "{cause:?}");
}

#[tokio::test]
async fn recorder_logs_in_for_a_plain_client_and_keeps_the_secrets_out_of_the_file() {
    let (engine, certs) = site(CertOptions::default(), true).await;
    let auth = certificate(&certs);
    let recorder = Recorder::with(&engine.base_url(), |config| config.auth(auth)).await;
    works(&connector(&recorder.url("Sales.qvf"))).await;
    assert_eq!(seen(&engine, "X-Qlik-User").unwrap(), "UserDirectory=INTERNAL; UserId=sa_engine");
    let recording = recorder.finish().await;
    recording.assert_same_as(&engine.log());
    assert!(!std::fs::read_to_string(&recording.path).unwrap().contains("sa_engine"));

    let engine = engine_with(|config| config.bearer = Some(TOKEN.to_owned())).await;
    let recorder = Recorder::start(&engine).await;
    let endpoint = Endpoint::parse(&recorder.url("Sales.qvf")).unwrap();
    works(&WsConnect::builder(endpoint).auth(Auth::bearer(TOKEN)).build().unwrap()).await;
    let recording = recorder.finish().await;
    let text = std::fs::read_to_string(&recording.path).unwrap();
    assert!(!text.contains(TOKEN) && text.contains(r#"["authorization","***"]"#));
}
