//! Every way to prove who one is, against servers that check it.

use std::time::Duration;

use futures_util::future::join_all;
use qix_transport::{
    Attempt, Auth, AuthError, AuthFuture, CloudSession, Connect, ConnectError, Credentials, Limits, OAuth,
    Proof, ProxySession, Refusal, Stage, Token, TokenSource,
};
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    support::{builder, read_head, server, within},
    web::{Asked, Web, answer, web},
};

fn token(name: impl std::fmt::Display) -> String {
    let body = format!(r#"{{"access_token":"{name}","token_type":"bearer","expires_in":21600}}"#);
    answer("200 OK", "Content-Type: application/json\r\n", &body)
}

/// A tenant that gives tokens `t0`, `t1`… and takes an upgrade with one that `good` takes.
async fn tenant(good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Web {
    let tokens = std::sync::atomic::AtomicUsize::new(0);
    web(move |asked, _| {
        if asked.is("POST /oauth/token ") {
            return token(format_args!("t{}", tokens.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
        }
        let token = asked.header("Authorization").and_then(|value| value.strip_prefix("Bearer "));
        if token.is_some_and(&good) { asked.switched("") } else { answer("401 Unauthorized", "", "no") }
    })
    .await
}

fn oauth() -> OAuth {
    OAuth::client_credentials("my-client", "my-secret")
}

#[tokio::test]
async fn oauth_client_credentials_are_exchanged_for_a_bearer_token() {
    let tenant = tenant(|token| token == "t0").await;
    tenant.connect(Auth::bearer_from(oauth())).await.unwrap();
    let asked = tenant.asked();
    assert_eq!(tenant.lines(), ["POST /oauth/token", "GET /app/engineData"]);
    assert_eq!(asked[0].header("Content-Type"), Some("application/json"));
    assert_eq!(
        asked[0].json(),
        json!({"client_id":"my-client","client_secret":"my-secret","grant_type":"client_credentials","scope":"user_default"})
    );
}

#[tokio::test]
async fn oauth_impersonation_names_the_user_by_subject_or_id() {
    for (oauth, field) in [
        (OAuth::impersonate_subject("c", "s", "auth0|ada").scope("user_default offline_access"), "subject"),
        (OAuth::impersonate_user_id("c", "s", "auth0|ada").scope("user_default offline_access"), "userId"),
    ] {
        let tenant = tenant(|_| true).await;
        tenant.connect(Auth::bearer_from(oauth)).await.unwrap();
        assert_eq!(
            tenant.asked()[0].json(),
            json!({
                "client_id":"c","client_secret":"s","grant_type":"urn:qlik:oauth:user-impersonation",
                "scope":"user_default offline_access","user_lookup":{"field":field,"value":"auth0|ada"}
            })
        );
    }
}

#[tokio::test]
async fn oauth_token_url_may_be_another() {
    let (tokens, engine) = (tenant(|_| false).await, tenant(|token| token == "t0").await);
    let oauth = oauth().token_url(tokens.endpoint("/oauth/token"));
    engine.connect(Auth::bearer_from(oauth)).await.unwrap();
    assert_eq!((tokens.lines().len(), engine.lines().len()), (1, 1));
}

#[tokio::test]
async fn many_attempts_share_one_token_request() {
    let tenant = tenant(|token| token == "t0").await;
    let auth = Auth::bearer_from(oauth());
    let sockets = join_all((0..20).map(|_| tenant.connect(auth.clone()))).await;
    assert!(sockets.into_iter().all(|socket| socket.is_ok()));
    assert_eq!((tenant.lines().len(), tenant.upgrades()), (21, 20));
}

#[tokio::test]
async fn token_refused_with_401_is_renewed_and_tried_once_more() {
    let tenant = tenant(|token| token == "t1").await;
    tenant.connect(Auth::bearer_from(oauth())).await.unwrap();
    assert_eq!((tenant.lines().len(), tenant.upgrades()), (4, 2));
}

#[tokio::test]
async fn many_refusals_of_one_token_renew_it_once() {
    let tenant = tenant(|token| token != "t0").await;
    let auth = Auth::bearer_from(oauth());
    let sockets = join_all((0..20).map(|_| tenant.connect(auth.clone()))).await;
    assert!(sockets.into_iter().all(|socket| socket.is_ok()));
    let tokens = tenant.lines().iter().filter(|line| line.contains("token")).count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn there_is_a_second_try_and_no_third() {
    let tenant = tenant(|_| false).await;
    let error = tenant.connect(Auth::bearer_from(oauth())).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, 401);
    assert_eq!(tenant.upgrades(), 2);
}

#[tokio::test]
async fn credentials_that_cannot_be_repaired_are_tried_once() {
    let tenant = tenant(|_| false).await;
    tenant.connect(Auth::bearer("fixed")).await.unwrap_err();
    assert_eq!(tenant.upgrades(), 1);
}

#[tokio::test]
async fn status_403_without_csrf_code_does_not_renew_a_token() {
    let tenant = web(|asked, _| match asked.is_upgrade() {
        true => answer("403 Forbidden", "", "no access to this app"),
        false => token("t"),
    })
    .await;
    let error = tenant.connect(Auth::bearer_from(oauth())).await.unwrap_err();
    assert!(error.hint().unwrap().contains("permissions"));
    assert_eq!(tenant.upgrades(), 1);
}

/// Tokens of the application's own.
struct Vault;

impl TokenSource for Vault {
    fn token<'a>(&'a self, _: Attempt<'a>) -> AuthFuture<'a, Result<Token, AuthError>> {
        Box::pin(async { Ok(Token::new("from-vault").lifetime(Duration::from_secs(60))) })
    }
}

#[tokio::test]
async fn tokens_may_come_from_the_application() {
    let tenant = tenant(|token| token == "from-vault").await;
    tenant.connect(Auth::bearer_from(Vault)).await.unwrap();
}

/// Credentials of the application's own, which have something better once.
struct Own;

impl Credentials for Own {
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(async move {
            let found = http::Request::new(bytes::Bytes::new());
            let found = attempt.send("the vault", &attempt.endpoint().with_path("/vault")?, found).await?;
            Ok(Proof::new().header("X-Own", std::str::from_utf8(found.body()).unwrap())?)
        })
    }

    fn repair<'a>(&'a self, used: &'a Proof, refusal: &'a Refusal) -> AuthFuture<'a, bool> {
        Box::pin(async move { used.headers()["x-own"] == "0" && refusal.status == 418 })
    }
}

#[tokio::test]
async fn credentials_of_the_application_can_ask_and_repair() {
    let server = web(|asked, before| match asked.header("X-Own") {
        None => answer("200 OK", "", &before.to_string()),
        Some("2") => asked.switched(""),
        Some(_) => answer("418 I'm a teapot", "", ""),
    })
    .await;
    server.connect(Auth::new(Own)).await.unwrap();
    assert_eq!(server.lines(), ["GET /vault", "GET /app/engineData", "GET /vault", "GET /app/engineData"]);
}

#[tokio::test]
async fn failure_to_get_a_token_says_from_whom_and_what_to_do() {
    let tenant = web(|_, _| answer("401 Unauthorized", "", r#"{"error":"invalid_client"}"#)).await;
    let error = tenant.connect(Auth::bearer_from(oauth())).await.unwrap_err();
    assert_eq!((error.stage(), tenant.upgrades()), (Stage::Auth, 0));
    let ConnectError::Auth { source, .. } = &error else { panic!("{error:?}") };
    let expected =
        "the OAuth token endpoint at 127.0.0.1:PORT answered with 401 Unauthorized (invalid_client)";
    assert_eq!(source.to_string(), expected.replace("PORT", &tenant.port.to_string()));
    assert!(error.hint().unwrap().contains("client secret"));
}

#[tokio::test]
async fn redirect_of_a_token_request_is_reported_and_not_followed() {
    let tenant = web(|_, _| answer("302 Found", "Location: https://h/login?code=s3cret&x=1\r\n", "")).await;
    let error = tenant.connect(Auth::bearer_from(oauth())).await.unwrap_err();
    let ConnectError::Auth { source, .. } = &error else { panic!("{error:?}") };
    assert!(
        source.to_string().ends_with("302 Found, a redirect to https://h/login?code=***&x=1"),
        "{source}"
    );
    assert_eq!(tenant.lines().len(), 1);
}

#[tokio::test]
async fn token_answers_without_a_token_or_beyond_the_limit_are_refused() {
    for (body, what) in
        [("{}".to_owned(), "holds no access_token"), ("x".repeat(300_000), "is larger than 256 KiB")]
    {
        let tenant = web(move |_, _| answer("200 OK", "", &body)).await;
        let error = tenant.connect(Auth::bearer_from(oauth())).await.unwrap_err();
        let ConnectError::Auth { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().ends_with(what), "{source}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn token_endpoint_that_never_answers_runs_into_the_connect_deadline() {
    let (asked, was_asked) = oneshot::channel();
    let (port, task) = server(|mut stream| async move {
        read_head(&mut stream).await;
        asked.send(()).unwrap();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await;
    })
    .await;
    let limits = Limits::default().connect_timeout(Duration::from_secs(9));
    let connect = builder(port).auth(Auth::bearer_from(oauth())).limits(limits).build().unwrap();
    let attempt = tokio::spawn(async move { connect.connect().await.map(drop) });
    within(was_asked).await.unwrap();
    tokio::time::pause();
    let error = within(attempt).await.unwrap().unwrap_err();
    tokio::time::resume();
    assert_eq!(error.stage(), Stage::Auth, "{error:?}");
    within(task).await.unwrap();
}

#[tokio::test]
async fn lifetime_of_a_token_may_be_text_a_fraction_or_nonsense() {
    for lifetime in ["\"3600\"", "3600.0", "null", "-1", "\"soon\"", "1e300"] {
        let body = format!(r#"{{"access_token":"t","expires_in":{lifetime}}}"#);
        let tenant = web(move |asked, _| match asked.header("Authorization") {
            Some("Bearer t") => asked.switched(""),
            _ => answer("200 OK", "", &body),
        })
        .await;
        tenant.connect(Auth::bearer_from(oauth())).await.unwrap();
    }
}

/// A tenant with JWT sessions. The `n`th CSRF token is `csrf-n`, and `good` says which tokens the socket takes.
async fn cloud(
    good: impl Fn(&str) -> bool + Send + Sync + 'static,
    alive: impl Fn(&str, usize) -> bool + Send + Sync + 'static,
) -> Web {
    web(move |asked, before| {
        let cookie = asked.header("Cookie").unwrap_or_default();
        if asked.is("POST /login/jwt-session ") {
            assert_eq!(asked.header("Authorization"), Some("Bearer my-jwt"));
            assert_eq!(asked.header("Qlik-Web-Integration-Id"), Some("integration"));
            let cookies = format!(
                "Set-Cookie: eas.sid=sid{before}; path=/; secure; httponly\r\nSet-Cookie: eas.sid.sig=b; path=/\r\n\
                 Set-Cookie: _csrfToken=c\r\nSet-Cookie: _csrfToken.sig=d\r\n"
            );
            return answer("200 OK", &cookies, "{}");
        }
        if !alive(cookie, before) {
            return answer("401 Unauthorized", "", "");
        }
        if asked.is("GET /api/v1/csrf-token?qlik-web-integration-id=integration ") {
            return format!("HTTP/1.1 204 No Content\r\nqlik-csrf-token: csrf-{before}\r\n\r\n");
        }
        let (_, token) = asked.line().split_once("&qlik-csrf-token=").unwrap();
        let token = token.strip_suffix(" HTTP/1.1").unwrap();
        let well = asked.is("GET /app/engineData?qlik-web-integration-id=integration&")
            && asked.header("Origin") == Some("https://portal.example.com")
            && asked.header("Authorization").is_none()
            && cookie.ends_with("; eas.sid.sig=b; _csrfToken=c; _csrfToken.sig=d");
        if well && good(token) {
            asked.switched("")
        } else {
            answer("403 Forbidden", "", r#"{"errors":[{"code":"CSRF-TOKEN-2"}]}"#)
        }
    })
    .await
}

fn cloud_session() -> Auth {
    Auth::new(
        CloudSession::new(Auth::bearer("my-jwt"))
            .web_integration("integration")
            .origin("https://portal.example.com"),
    )
}

#[tokio::test]
async fn jwt_session_of_the_cloud_is_kept_and_its_csrf_token_fetched_for_each_socket() {
    let tenant = cloud(|_| true, |_, _| true).await;
    let auth = cloud_session();
    tenant.connect(auth.clone()).await.unwrap();
    tenant.connect(auth).await.unwrap();
    let integration = "qlik-web-integration-id=integration";
    assert_eq!(
        tenant.lines(),
        [
            "POST /login/jwt-session".to_owned(),
            format!("GET /api/v1/csrf-token?{integration}"),
            format!("GET /app/engineData?{integration}&qlik-csrf-token=csrf-1"),
            format!("GET /api/v1/csrf-token?{integration}"),
            format!("GET /app/engineData?{integration}&qlik-csrf-token=csrf-3"),
        ]
    );
}

#[tokio::test]
async fn stale_csrf_token_of_the_cloud_is_fetched_anew_once() {
    let tenant = cloud(|token| token == "csrf-3", |_, _| true).await;
    tenant.connect(cloud_session()).await.unwrap();
    assert_eq!((tenant.lines().len(), tenant.upgrades()), (5, 2));

    let tenant = cloud(|_| false, |_, _| true).await;
    let error = tenant.connect(cloud_session()).await.unwrap_err();
    assert!(error.hint().unwrap().contains("CSRF"));
    assert_eq!(tenant.upgrades(), 2);
}

#[tokio::test]
async fn session_of_the_cloud_that_has_ended_is_begun_anew() {
    // The first session lives for one socket.
    let tenant = cloud(|_| true, |cookie, before| before < 3 || cookie.contains("sid4;")).await;
    let auth = cloud_session();
    tenant.connect(auth.clone()).await.unwrap();
    tenant.connect(auth).await.unwrap();
    assert_eq!(tenant.lines().iter().filter(|line| line.contains("login")).count(), 2);
    assert_eq!(tenant.upgrades(), 2);
}

/// Whether an upgrade has all that a proxy of November 2024 wants, with the session `session`.
fn is_proof(asked: &Asked, session: &str) -> bool {
    let host = asked.header("Host").unwrap();
    asked.is(&format!("GET /jwt/app/engineData?qlik-csrf-token=csrf-{session} "))
        && asked.header("Cookie") == Some(&format!("X-Qlik-Session-jwt={session}"))
        && asked.header("Origin") == Some(&format!("http://{host}"))
        && asked.header("Authorization").is_none()
}

/// A proxy with a virtual proxy `jwt`. It takes sessions that `good` takes; their names are the number of the request.
async fn proxy(good: impl Fn(&str, usize) -> bool + Send + Sync + 'static) -> Web {
    web(move |asked, before| {
        if asked.is("GET /jwt/qps/csrftoken ") && asked.header("Authorization") == Some("Bearer my-jwt") {
            let cookie = format!("Set-Cookie: X-Qlik-Session-jwt={before}; Path=/; HttpOnly; Secure\r\n");
            return format!("HTTP/1.1 204 No Content\r\nqlik-csrf-token: csrf-{before}\r\n{cookie}\r\n");
        }
        let session = asked.header("Cookie").and_then(|cookie| cookie.rsplit('=').next()).unwrap_or_default();
        if is_proof(asked, session) && good(session, before) {
            asked.switched("")
        } else {
            answer("403 Forbidden", "", "")
        }
    })
    .await
}

async fn connect_jwt(proxy: &Web, auth: Auth) -> Result<(), ConnectError> {
    let connect = qix_transport::WsConnect::builder(proxy.endpoint("/jwt/app/engineData")).auth(auth);
    within(connect.build().unwrap().connect()).await.map(drop)
}

#[tokio::test]
async fn proxy_of_november_2024_gets_cookie_csrf_token_and_origin_without_authorization() {
    let proxy = proxy(|_, _| true).await;
    let auth = Auth::new(ProxySession::new(Auth::bearer("my-jwt")));
    connect_jwt(&proxy, auth.clone()).await.unwrap();
    connect_jwt(&proxy, auth).await.unwrap();
    // One session serves both sockets.
    assert_eq!(proxy.lines().len(), 3);
    // The old way is what such a proxy refuses.
    connect_jwt(&proxy, Auth::bearer("my-jwt")).await.unwrap_err();
}

#[tokio::test]
async fn proxy_session_that_has_ended_is_begun_anew_once() {
    let first = proxy(|session, before| before < 2 || session == "3").await;
    let auth = Auth::new(ProxySession::new(Auth::bearer("my-jwt")));
    connect_jwt(&first, auth.clone()).await.unwrap();
    connect_jwt(&first, auth).await.unwrap();
    assert_eq!((first.lines().len(), first.upgrades()), (5, 3));

    let never = proxy(|_, _| false).await;
    let auth = Auth::new(ProxySession::new(Auth::bearer("my-jwt")));
    connect_jwt(&never, auth).await.unwrap_err();
    assert_eq!(never.upgrades(), 1, "a new session that is refused is not to blame");
}

#[tokio::test]
async fn ticket_is_made_a_session_by_a_plain_request() {
    let proxy = web(|asked, _| {
        if asked.is("GET /qps/csrftoken?qlikTicket=once ") {
            // A build from before the token.
            return answer("404 Not Found", "Set-Cookie: X-Qlik-Session=1; Path=/\r\n", "<html>");
        }
        let well = asked.is("GET /app/engineData ") && asked.header("Cookie") == Some("X-Qlik-Session=1");
        if well { asked.switched("") } else { answer("403 Forbidden", "", "") }
    })
    .await;
    let auth = Auth::new(ProxySession::new(Auth::ticket("once")));
    proxy.connect(auth.clone()).await.unwrap();
    proxy.connect(auth).await.unwrap();
    assert_eq!(proxy.lines().len(), 3);
}

#[tokio::test]
async fn refused_login_repairs_its_own_token_once() {
    let proxy = web(|asked, _| match asked.header("Authorization") {
        Some("Bearer t0") => answer("401 Unauthorized", "", ""),
        Some("Bearer t2") => answer("200 OK", "Set-Cookie: X-Qlik-Session=1\r\n", ""),
        _ => asked.switched(""),
    })
    .await;
    let tokens = web(|_, before| token(format_args!("t{}", 2 * before))).await;
    let login = Auth::bearer_from(oauth().token_url(tokens.endpoint("/oauth/token")));
    proxy.connect(Auth::new(ProxySession::new(login))).await.unwrap();
    assert_eq!((proxy.lines().len(), tokens.lines().len()), (3, 2));
}

#[tokio::test]
async fn header_ticket_and_cookie_are_sent_as_given() {
    let server = web(|asked, _| asked.switched("")).await;
    let auth = Auth::header("hdr-usr", r"acme\ada")
        .and(Auth::ticket("a/b+c="))
        .and(Auth::cookie("X-Qlik-Session-acme", "1-2"));
    server.connect(auth).await.unwrap();
    let asked = &server.asked()[0];
    assert_eq!(asked.line(), "GET /app/engineData?qlikTicket=a%2Fb%2Bc%3D HTTP/1.1");
    assert_eq!(asked.header("Hdr-Usr"), Some(r"acme\ada"));
    assert_eq!(asked.header("Cookie"), Some("X-Qlik-Session-acme=1-2"));
}

#[tokio::test]
async fn two_chained_credentials_are_both_asked_and_either_may_repair() {
    let server = web(|asked, before| {
        if asked.is("POST /oauth/token ") {
            return token(format_args!("t{before}"));
        }
        let well =
            asked.header("Authorization") == Some("Bearer t2") && asked.header("Hdr-Usr") == Some("ada");
        if well { asked.switched("") } else { answer("401 Unauthorized", "", "") }
    })
    .await;
    server.connect(Auth::header("hdr-usr", "ada").and(Auth::bearer_from(oauth()))).await.unwrap();
    assert_eq!(server.upgrades(), 2);
}

#[tokio::test]
async fn cookies_of_the_101_go_with_the_next_attempt_until_refused() {
    let server = web(|asked, before| match before {
        2 => answer("401 Unauthorized", "", "the session of the 101 has ended"),
        _ => asked.switched("Set-Cookie: AWSALB=x; Path=/\r\nSet-Cookie: X-Qlik-Session=2; HttpOnly\r\n"),
    })
    .await;
    let connect = server.builder(Auth::cookie("X-Qlik-Session", "1")).build().unwrap();
    for _ in 0..3 {
        within(connect.connect()).await.unwrap();
    }
    let asked = server.asked();
    let cookies: Vec<_> = asked.iter().map(|asked| asked.header("Cookie").unwrap()).collect();
    let kept = "X-Qlik-Session=2; AWSALB=x";
    assert_eq!(cookies, ["X-Qlik-Session=1", kept, kept, "X-Qlik-Session=1"]);
}

#[tokio::test]
async fn every_refusal_of_an_upgrade_has_its_hint() {
    for (status, headers, body, hint) in [
        ("400 Bad Request", "", "", "linked to this proxy node"),
        ("401 Unauthorized", "", "", "credentials were not accepted"),
        ("403 Forbidden", "", "Origin not allowed", "host allow list"),
        ("403 Forbidden", "", r#"{"errors":[{"code":"CSRF-TOKEN-2"}]}"#, "CSRF token is missing or stale"),
        ("301 Moved Permanently", "Location: https://h/app/engineData\r\n", "", "virtual proxy's prefix"),
        ("302 Found", "Location: /internal_windows_authentication/?targetId=1\r\n", "", "login page"),
        ("302 Found", "Location: https://h/form/?targetId=1\r\n", "", "login page"),
        ("302 Found", "Location: https://idp.example.com/oauth2/authorize?x=1\r\n", "", "login page"),
        ("404 Not Found", "", "", "prefix"),
        ("503 Service Unavailable", "", "", "not ready"),
    ] {
        let server = web(move |_, _| answer(status, headers, body)).await;
        let error = server.connect(Auth::none()).await.unwrap_err();
        let shown = error.hint().unwrap();
        assert!(shown.contains(hint), "{status}: {shown}");
        assert_eq!(shown.lines().count(), 1);
    }
}
