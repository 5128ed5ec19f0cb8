//! What is sent on the upgrade for each method of authentication that has no exchange of its own, or one of the application's.
//!
//! Those with an exchange built in are in `auth`, tickets of the proxy service in `qps`, client certificates in `tls`.

use bytes::Bytes;
use http::{Method, Request};
use qix_transport::{
    Attempt, Auth, AuthError, AuthFuture, Connect, Credentials, Endpoint, EndpointError, Proof, Token,
    TokenSource, WsConnect,
};
use serde_json::json;

use crate::{
    support::within,
    web::{Asked, Web, answer, web},
};

/// A server that lets in whom `good` lets in, and refuses others with 401.
async fn guarded(good: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Web {
    web(move |asked, _| if good(asked) { asked.switched("") } else { answer("401 Unauthorized", "", "") })
        .await
}

/// Connects twice: with what should be let in, and without anything, which should not.
async fn check(server: &Web, endpoint: Endpoint, auth: Auth) {
    within(WsConnect::builder(endpoint.clone()).auth(auth).build().unwrap().connect()).await.unwrap();
    let error = within(WsConnect::builder(endpoint).build().unwrap().connect()).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, 401, "{error:?}");
    assert_eq!(server.upgrades(), 2);
}

#[tokio::test]
async fn none_sends_nothing_that_says_who_one_is() {
    let server = web(|asked, _| asked.switched("")).await;
    server.connect(Auth::none()).await.unwrap();
    let head = server.asked().remove(0).head.to_ascii_lowercase();
    let names: Vec<_> = head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    let mut names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["connection", "host", "sec-websocket-key", "sec-websocket-version", "upgrade", "user-agent"]
    );
    assert!(head.starts_with("get /app/enginedata http/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn api_key_is_a_bearer_token() {
    let server = guarded(|asked| asked.header("Authorization") == Some("Bearer eyJhbGci.my-key")).await;
    check(&server, server.endpoint("/app/ID"), Auth::bearer("eyJhbGci.my-key")).await;
}

#[tokio::test]
async fn jwt_of_a_virtual_proxy_before_november_2024_is_a_bearer_token_on_the_upgrade() {
    let server = guarded(|asked| {
        asked.is("GET /jwt/app/ID ") && asked.header("Authorization") == Some("Bearer a.b.c")
    })
    .await;
    check(&server, server.endpoint("/jwt/app/ID"), Auth::bearer("a.b.c")).await;
}

#[tokio::test]
async fn jwt_of_an_engine_alone_is_a_bearer_token_and_refused_ones_say_so() {
    let server = guarded(|asked| asked.header("Authorization") == Some("Bearer a.b.c")).await;
    check(&server, server.endpoint("/app/any"), Auth::bearer("a.b.c")).await;
    let error = server.connect(Auth::bearer("expired")).await.unwrap_err();
    assert!(error.hint().unwrap().contains("has not expired"), "{error:?}");
}

#[tokio::test]
async fn header_auth_sends_a_user_with_static_directory_or_with_domain_under_any_name() {
    for (name, shown, value) in
        [("hdr-usr", "Hdr-Usr", "ada"), ("X-Qlik-User", "X-Qlik-User", r"acme\ada"), ("uid", "Uid", "jürgen")]
    {
        let server = guarded(move |asked| asked.is("GET /hdr/") && asked.header(shown) == Some(value)).await;
        check(&server, server.endpoint("/hdr/app/ID"), Auth::header(name, value)).await;
    }
}

#[tokio::test]
async fn session_key_of_ones_own_is_a_header() {
    let server = guarded(|asked| asked.header("X-Qlik-Session") == Some("my session 1")).await;
    check(&server, server.endpoint("/app/any"), Auth::header("X-Qlik-Session", "my session 1")).await;
}

#[tokio::test]
async fn ticket_handed_in_is_a_query_parameter_in_the_place_of_one_in_the_url_in_either_spelling() {
    let server = guarded(|asked| asked.is("GET /vp/app/ID?x=1&qlikTicket=n%2Bw ")).await;
    let endpoint = server.endpoint("/vp/app/ID?QlikTicket=old&x=1");
    check(&server, endpoint, Auth::ticket("n+w")).await;
}

#[tokio::test]
async fn session_cookie_of_a_proxy_has_the_name_configured_there() {
    let server = guarded(|asked| asked.header("Cookie") == Some("X-Qlik-Session-sales=0b0c4ba1-2a3f")).await;
    check(&server, server.endpoint("/sales/app/ID"), Auth::cookie("X-Qlik-Session-sales", "0b0c4ba1-2a3f"))
        .await;
}

#[tokio::test]
async fn session_of_a_browser_with_the_cloud_is_four_cookies_two_parameters_and_an_origin() {
    let server = guarded(|asked| {
        asked.is("GET /app/ID?qlik-web-integration-id=w&qlik-csrf-token=c%2Fd ")
            && asked.header("Cookie") == Some("eas.sid=1; eas.sid.sig=2; _csrfToken=3; _csrfToken.sig=4")
            && asked.header("Origin") == Some("https://portal.example.com")
    })
    .await;
    let auth = Auth::cookie("eas.sid", "1")
        .and(Auth::cookie("eas.sid.sig", "2"))
        .and(Auth::cookie("_csrfToken", "3"))
        .and(Auth::cookie("_csrfToken.sig", "4"))
        .and(Auth::header("Origin", "https://portal.example.com"))
        .and(Auth::query("qlik-csrf-token", "c/d"));
    check(&server, server.endpoint("/app/ID?qlik-web-integration-id=w"), auth).await;
}

#[tokio::test]
async fn interactive_login_is_reported_and_the_cookie_it_gives_can_be_handed_in() {
    for location in [
        "/internal_windows_authentication/?targetId=1",
        "https://h/form/?targetId=1",
        "https://idp.example.com/saml2/sso?x=1",
        "https://idp.example.com/oauth2/authorize?x=1",
    ] {
        let server = web(move |asked, _| match asked.header("Cookie") {
            Some("X-Qlik-Session=after-login") => asked.switched(""),
            _ => answer("302 Found", &format!("Location: {location}\r\n"), ""),
        })
        .await;
        let error = server.connect(Auth::none()).await.unwrap_err();
        assert!(error.refusal().unwrap().redirect().unwrap().contains(location), "{error}");
        assert!(error.hint().unwrap().contains("login page"), "{error:?}");
        server.connect(Auth::cookie("X-Qlik-Session", "after-login")).await.unwrap();
    }
}

#[tokio::test]
async fn token_from_a_login_in_a_browser_is_a_query_parameter() {
    let server = guarded(|asked| {
        asked.is("GET /app/ID?accessToken=a.b%2Fc ") && asked.header("Authorization").is_none()
    })
    .await;
    check(&server, server.endpoint("/app/ID"), Auth::query("accessToken", "a.b/c")).await;
    let built = Endpoint::cloud(&format!("http://127.0.0.1:{}", server.port)).app("ID").access_token("a.b/c");
    within(WsConnect::builder(built.build().unwrap()).build().unwrap().connect()).await.unwrap();
}

#[tokio::test]
async fn query_parameter_without_a_name_is_refused_before_anything_is_sent() {
    let server = web(|asked, _| asked.switched("")).await;
    let error = server.connect(Auth::query("", "s3cret")).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<AuthError>();
    assert!(matches!(source, Some(AuthError::Url(EndpointError::Parameter))), "{error:?}");
    assert!(!format!("{error:?}").contains("s3cret"));
    assert!(server.asked().is_empty());
}

/// Asks a tenant for a token, as an application does whose way to one is not among those built in.
async fn ask(attempt: Attempt<'_>, path: &str, body: serde_json::Value) -> Result<String, AuthError> {
    let request = Request::builder().method(Method::POST).header("content-type", "application/json");
    let request = request.body(Bytes::from(body.to_string())).unwrap();
    let to = attempt.endpoint().with_path(path)?;
    let found = attempt.send("the token endpoint", &to, request).await?;
    let found: serde_json::Value = serde_json::from_slice(found.body()).unwrap();
    Ok(found["access_token"].as_str().unwrap().to_owned())
}

/// The token of a page's user, exchanged for a short-lived one for each socket.
struct Exchange;

impl Credentials for Exchange {
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(async move {
            let body = json!({
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": "of-the-page",
                "purpose": "websocket",
            });
            Ok(Proof::new().query("accessToken", ask(attempt, "/oauth/token", body).await?))
        })
    }
}

#[tokio::test]
async fn token_of_a_page_is_exchanged_for_that_of_a_socket_by_credentials_of_the_application() {
    let tenant = web(|asked, before| match asked.is("POST /oauth/token ") {
        true => answer("200 OK", "", &format!(r#"{{"access_token":"short-{before}"}}"#)),
        false => asked.switched(""),
    })
    .await;
    let auth = Auth::new(Exchange);
    for _ in 0..2 {
        tenant.connect(auth.clone()).await.unwrap();
    }
    assert_eq!(tenant.asked()[0].json()["purpose"], "websocket");
    assert_eq!(
        tenant.lines(),
        [
            "POST /oauth/token",
            "GET /app/engineData?accessToken=short-0",
            "POST /oauth/token",
            "GET /app/engineData?accessToken=short-2"
        ]
    );
}

/// Nobody in particular, who looks at an app that a tenant has published.
struct Anonymous;

impl TokenSource for Anonymous {
    fn token<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Token, AuthError>> {
        Box::pin(async move {
            let body = json!({
                "eac": "access-code",
                "client_id": "client",
                "grant_type": "urn:qlik:oauth:anonymous-embed",
                "tracking_code": "1",
            });
            Ok(Token::new(ask(attempt, "/oauth/token/anonymous-embed", body).await?))
        })
    }
}

#[tokio::test]
async fn anonymous_embed_is_a_token_source_of_the_application() {
    let tenant = web(|asked, _| {
        match (asked.is("POST /oauth/token/anonymous-embed "), asked.header("Authorization")) {
            (true, _) => answer("200 OK", "", r#"{"access_token":"anonymous"}"#),
            (false, Some("Bearer anonymous")) => asked.switched(""),
            _ => answer("401 Unauthorized", "", ""),
        }
    })
    .await;
    tenant.connect(Auth::bearer_from(Anonymous)).await.unwrap();
    assert_eq!(tenant.asked()[0].json()["eac"], "access-code");
}
