//! Which TLS settings the servers get that give credentials.

use qix_transport::{
    Auth, ClientIdentity, Connect, ConnectError, Endpoint, OAuth, ProxySession, QlikUser, TlsSettings,
    WsConnect,
};

use crate::{
    site::{Site, acceptor, open_acceptor},
    support::within,
    web::{Asked, Web, answer, web, web_tls},
};

fn token(_: &Asked, _: usize) -> String {
    answer("200 OK", "", r#"{"access_token":"t","expires_in":60}"#)
}

fn identity(site: &Site) -> ClientIdentity {
    let (cert, key) = site.client();
    ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap()
}

/// A token endpoint on another host than the engine, which has the address and not the name.
async fn identity_provider(site: &Site, wants_certificate: bool) -> Web {
    let (cert, key) = site.issue("localhost", |_| ());
    let acceptor = if wants_certificate {
        acceptor(&cert, &key, site.ca.der())
    } else {
        open_acceptor(&cert, &key, rustls::ALL_VERSIONS)
    };
    web_tls(acceptor, token).await
}

async fn engine(site: &Site, name: &str) -> Web {
    web_tls(site.acceptor(site.issue(name, |_| ())), |asked, _| asked.switched("")).await
}

fn oauth(tokens: &Web) -> Auth {
    let url = Endpoint::parse(&format!("https://localhost:{}/oauth/token", tokens.port)).unwrap();
    Auth::bearer_from(OAuth::client_credentials("client", "s3cret").token_url(url))
}

async fn connect(engine: &Web, auth: Auth, tls: TlsSettings) -> Result<(), ConnectError> {
    let endpoint = Endpoint::parse(&format!("wss://127.0.0.1:{}/app/x", engine.port)).unwrap();
    let connect = WsConnect::builder(endpoint).auth(auth).tls(tls).build().unwrap();
    within(connect.connect()).await.map(drop)
}

#[tokio::test]
async fn certificate_for_the_engine_is_not_shown_to_a_token_endpoint_elsewhere() {
    let site = Site::new();
    let (tokens, engine) = (identity_provider(&site, true).await, engine(&site, "127.0.0.1").await);
    let user = QlikUser::new("A", "b");
    let auth = Auth::client_cert(identity(&site), user).and(oauth(&tokens));
    let error = connect(&engine, auth, site.trusted()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Auth { .. }), "{error:?}");
    assert_eq!((tokens.lines().len(), engine.upgrades()), (0, 0));
}

#[tokio::test]
async fn name_expected_of_the_engine_is_not_expected_of_a_token_endpoint_elsewhere() {
    let site = Site::new();
    let (tokens, engine) = (identity_provider(&site, false).await, engine(&site, "sense.internal").await);
    let tls = site.trusted().identity(identity(&site)).server_name("sense.internal");
    connect(&engine, oauth(&tokens), tls).await.unwrap();
    assert_eq!((tokens.lines().len(), engine.upgrades()), (1, 1));
}

#[tokio::test]
async fn whatever_certificate_is_taken_of_the_engine_is_not_taken_of_a_token_endpoint_elsewhere() {
    let (site, other) = (Site::new(), Site::new());
    let (tokens, engine) = (identity_provider(&other, false).await, engine(&site, "127.0.0.1").await);
    let tls = site.trusted().identity(identity(&site)).danger_accept_any_server_certificate();
    let error = connect(&engine, oauth(&tokens), tls).await.unwrap_err();
    assert!(matches!(error, ConnectError::Auth { .. }), "{error:?}");
    assert_eq!((tokens.lines().len(), engine.upgrades()), (0, 0));
}

#[tokio::test]
async fn token_endpoint_may_be_encrypted_where_the_engine_is_not() {
    let site = Site::new();
    let tokens = identity_provider(&site, false).await;
    let engine = web(|asked, _| asked.switched("")).await;
    let connect = engine.builder(oauth(&tokens)).tls(site.trusted()).build().unwrap();
    within(connect.connect()).await.unwrap();
    assert_eq!((tokens.lines().len(), engine.upgrades()), (1, 1));
}

#[tokio::test]
async fn certificate_inside_a_session_is_shown_to_proxy_and_engine() {
    let site = Site::new();
    let proxy = web_tls(site.acceptor(site.issue("127.0.0.1", |_| ())), |asked, _| {
        if asked.is_upgrade() {
            return asked.switched("");
        }
        answer("204 No Content", "Set-Cookie: X-Qlik-Session=1\r\n", "")
    })
    .await;
    let auth = Auth::new(ProxySession::new(Auth::client_cert(identity(&site), QlikUser::new("A", "b"))));
    connect(&proxy, auth, site.trusted()).await.unwrap();
    assert_eq!((proxy.lines().len(), proxy.upgrades()), (2, 1));
}
