//! Sessions and cookies that several connectors share, that end, and that are renewed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use qix_transport::{Auth, CloudSession, Connect, OAuth, ProxySession, WsConnect};

use crate::{
    support::within,
    web::{Web, answer, web},
};

fn session() -> Auth {
    Auth::new(ProxySession::new(Auth::bearer("jwt")))
}

fn connector(server: &Web, path: &str, auth: &Auth) -> WsConnect {
    WsConnect::builder(server.endpoint(path)).auth(auth.clone()).build().unwrap()
}

#[tokio::test]
async fn each_virtual_proxy_has_a_session_of_its_own() {
    let proxy = web(|asked, _| {
        let name = asked.line().split('/').nth(1).unwrap();
        let cookie = format!("X-Qlik-Session-{name}=of-{name}");
        if !asked.is_upgrade() {
            let headers = format!("Set-Cookie: {cookie}\r\nqlik-csrf-token: of-{name}\r\n");
            return answer("204 No Content", &headers, "");
        }
        let well = asked.is(&format!("GET /{name}/app/x?qlik-csrf-token=of-{name} "))
            && asked.header("Cookie") == Some(&cookie);
        if well { asked.switched("") } else { answer("403 Forbidden", "", "") }
    })
    .await;
    let auth = session();
    let (one, two) = (connector(&proxy, "/one/app/x", &auth), connector(&proxy, "/two/app/x", &auth));
    for _ in 0..2 {
        within(one.connect()).await.unwrap();
        within(two.connect()).await.unwrap();
    }
    assert_eq!((proxy.upgrades(), proxy.lines().len()), (4, 6));
}

#[tokio::test]
async fn virtual_proxy_may_be_called_app() {
    let proxy = web(|asked, _| {
        if asked.is_upgrade() {
            asked.switched("")
        } else {
            answer("204 No Content", "Set-Cookie: a=1\r\n", "")
        }
    })
    .await;
    within(connector(&proxy, "/app/app/x", &session()).connect()).await.unwrap();
    assert_eq!(proxy.lines(), ["GET /app/qps/csrftoken", "GET /app/app/x"]);
}

/// A proxy that numbers its sessions, repeats their cookie in the 101, and has ended the first so many.
async fn numbering() -> (Web, Arc<AtomicUsize>) {
    let (sessions, ended) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let over = Arc::clone(&ended);
    let proxy = web(move |asked, _| {
        if !asked.is_upgrade() {
            let cookie = format!("Set-Cookie: X-Qlik-Session={}\r\n", sessions.fetch_add(1, SeqCst) + 1);
            return answer("204 No Content", &format!("{cookie}qlik-csrf-token: c\r\n"), "");
        }
        let cookie = asked.header("Cookie").unwrap();
        let number: usize = cookie.strip_prefix("X-Qlik-Session=").unwrap().parse().unwrap();
        if number > over.load(SeqCst) {
            asked.switched(&format!("Set-Cookie: {cookie}\r\n"))
        } else {
            answer("401 Unauthorized", "", "")
        }
    })
    .await;
    (proxy, ended)
}

#[tokio::test]
async fn cookie_of_an_old_101_does_not_displace_a_new_session() {
    let (proxy, ended) = numbering().await;
    let auth = session();
    let (one, two) = (connector(&proxy, "/app/x", &auth), connector(&proxy, "/app/x", &auth));
    within(one.connect()).await.unwrap();
    within(two.connect()).await.unwrap();
    ended.store(1, SeqCst);
    within(two.connect()).await.unwrap();
    within(one.connect()).await.unwrap();
    let logins = proxy.lines().iter().filter(|line| line.contains("csrftoken")).count();
    assert_eq!((logins, proxy.upgrades()), (2, 5));
}

#[tokio::test]
async fn session_cookie_renewed_with_the_csrf_token_is_kept() {
    let serial = AtomicUsize::new(0);
    let tenant = web(move |asked, _| {
        let sid = |n: usize| format!("eas.sid={n}");
        let set = |n: usize| format!("Set-Cookie: {}\r\n", sid(n));
        let now = serial.load(SeqCst);
        if asked.is("POST /login/jwt-session ") {
            return answer("200 OK", &set(now), "");
        }
        if asked.header("Cookie") != Some(&sid(now)) {
            return answer("401 Unauthorized", "", "");
        }
        if asked.is_upgrade() {
            return asked.switched("");
        }
        serial.store(now + 1, SeqCst);
        answer("204 No Content", &format!("{}qlik-csrf-token: c\r\n", set(now + 1)), "")
    })
    .await;
    let auth = Auth::new(CloudSession::new(Auth::bearer("jwt")));
    for _ in 0..3 {
        tenant.connect(auth.clone()).await.unwrap();
    }
    let logins = tenant.lines().iter().filter(|line| line.contains("jwt-session")).count();
    assert_eq!(logins, 1, "{:?}", tenant.lines());
}

#[tokio::test]
async fn stale_cookie_of_a_101_costs_one_more_try_and_not_the_connection() {
    for status in ["401 Unauthorized", "403 Forbidden", "302 Found"] {
        let server = web(move |asked, _| match asked.header("Cookie") {
            Some(_) => answer(status, "", ""),
            None => asked.switched("Set-Cookie: X-Qlik-Session=1\r\n"),
        })
        .await;
        let connect = server.builder(Auth::header("hdr-usr", "ada")).build().unwrap();
        within(connect.connect()).await.unwrap();
        within(connect.connect()).await.unwrap();
        assert_eq!(server.upgrades(), 3);
    }
}

#[tokio::test]
async fn try_without_the_cookies_of_a_101_leaves_the_credentials_their_repair() {
    let tokens = AtomicUsize::new(0);
    let tenant = web(move |asked, before| {
        if asked.is("POST /oauth/token ") {
            let body = format!(r#"{{"access_token":"{}"}}"#, tokens.fetch_add(1, SeqCst));
            return answer("200 OK", "", &body);
        }
        // Both the cookie and the first token have ended since.
        let good = match asked.header("Authorization") {
            Some("Bearer 0") => before == 1,
            _ => asked.header("Cookie").is_none(),
        };
        if good { asked.switched("Set-Cookie: a=1\r\n") } else { answer("401 Unauthorized", "", "") }
    })
    .await;
    let auth = Auth::bearer_from(OAuth::client_credentials("client", "secret"));
    let connect = tenant.builder(auth).build().unwrap();
    within(connect.connect()).await.unwrap();
    within(connect.connect()).await.unwrap();
    assert_eq!(tenant.upgrades(), 4);
}

#[tokio::test]
async fn cookie_given_as_a_header_goes_with_those_of_the_101() {
    let server = web(|asked, _| asked.switched("Set-Cookie: AWSALB=1\r\n")).await;
    let auth = Auth::header("Cookie", "X-Qlik-Session=abc; b=2").and(Auth::cookie("c", "3"));
    assert_eq!(auth.headers().unwrap()["cookie"], "X-Qlik-Session=abc; b=2; c=3");
    let connect = server.builder(auth).build().unwrap();
    within(connect.connect()).await.unwrap();
    within(connect.connect()).await.unwrap();
    let asked = server.asked();
    let cookies: Vec<_> = asked.iter().map(|asked| asked.header("Cookie").unwrap()).collect();
    let given = "X-Qlik-Session=abc; b=2; c=3";
    assert_eq!(cookies, [given, &format!("{given}; AWSALB=1")]);
}
