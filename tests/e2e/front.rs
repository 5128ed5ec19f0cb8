//! What FakeEngine serves over HTTP, and what it demands of a browser or of a proxy before one.

use std::net::SocketAddr;

use futures_util::future::join_all;
use qix_client::{
    Session,
    protocol::Handle,
    transport::{Endpoint, Headers, WsConnect},
};
use qix_tests::{
    FakeEngine,
    fake_engine::{Front, Login},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

const USER: &str = r"ACME\ada";
const PASSWORD: &str = "s3cret+ &";

/// An engine with pages, behind a login if there is a virtual proxy.
async fn site(prefix: Option<&str>) -> (FakeEngine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<p>Grüße</p>").unwrap();
    let mut front = Front::default();
    front.pages = Some(folder.path().to_owned());
    front.login = prefix.map(|prefix| Login::new(prefix, USER, PASSWORD));
    (engine_with(|config| config.front = Some(front)).await, folder)
}

/// An answer of HTTP.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The cookie that is set, as a browser would send it.
    fn cookie(&self) -> String {
        self.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn ask(engine: &FakeEngine, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    ask_at(engine.addr(), &engine.addr().to_string(), line, headers, body).await
}

async fn ask_at(at: SocketAddr, host: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    // Whoever hung up now would not want the answer.
    let mut stream = bounded(TcpStream::connect(at)).await.unwrap();
    bounded(stream.write_all(format!("{request}\r\n{body}").as_bytes())).await.unwrap();
    let mut answer = Vec::new();
    bounded(stream.read_to_end(&mut answer)).await.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
/// User and password as a browser writes them.
const FILLED: &str = "username=ACME%5Cada&pwd=s3cret%2B+%26";

/// Goes the way of a browser from the page over the form; returns the path of the form.
async fn form(engine: &FakeEngine, path: &str) -> String {
    let sent = ask(engine, &format!("GET {path}"), &[], "").await;
    assert_eq!(sent.status, 302, "{}", sent.head);
    let to =
        sent.header("location").unwrap().strip_prefix(&engine.origin("127.0.0.1")).expect("its own origin");
    assert!(to.contains("/internal_forms_authentication/?targetId="), "{to}");
    to.to_owned()
}

async fn log_in(engine: &FakeEngine, path: &str) -> Answer {
    let form = form(engine, path).await;
    ask(engine, &format!("POST {form}"), &[FORM, ("Origin", &engine.origin("127.0.0.1"))], FILLED).await
}

/// A connector with these headers, to a path with this query.
fn browser(engine: &FakeEngine, path: &str, headers: &[(&str, &str)]) -> WsConnect {
    let endpoint = Endpoint::parse(&format!("{}{path}", engine.base_url())).unwrap();
    let headers = headers.iter().fold(Headers::new(), |all, (name, value)| all.header(name, value).unwrap());
    WsConnect::builder(endpoint).headers(headers).build().unwrap()
}

/// The status and text with which an upgrade is refused.
async fn turned_away(connector: &WsConnect) -> (u16, String) {
    let error = refused(connector).await;
    let refusal = cause(&error).refusal().expect("the upgrade is refused");
    (refusal.status.as_u16(), String::from_utf8_lossy(&refusal.body).into_owned())
}

#[tokio::test]
async fn pages_and_sockets_come_from_one_port() {
    let (engine, _folder) = site(None).await;
    for path in ["/", "/index.html", "/?a=b"] {
        let page = ask(&engine, &format!("GET {path}"), &[], "").await;
        assert_eq!((page.status, page.body.as_str()), (200, "<p>Grüße</p>"), "{path}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(ask(&engine, "HEAD /", &[], "").await.body, "");
    assert_eq!(ask(&engine, "GET /missing.js", &[], "").await.status, 404);
    assert_eq!(ask(&engine, "GET /%2e%2e/Cargo.toml", &[], "").await.status, 404);
    assert_eq!(ask(&engine, "DELETE /", &[], "").await.status, 405);
    let session = session(&engine.url("Sales.qvf")).await;
    assert_eq!(evaluate(&sales(&session).await, "1+1").await.unwrap(), "2");
    let seen: Vec<_> = engine.exchanges().into_iter().map(|seen| (seen.method, seen.status)).collect();
    assert_eq!(seen[0], ("GET".to_owned(), 200));
    assert_eq!(seen.last(), Some(&("GET".to_owned(), 101)));
}

#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let (engine, _folder) = site(None).await;
    let at = engine.addr();
    let own = ask_at(at, &format!("localhost:{}", at.port()), "GET /", &[], "").await;
    assert_eq!(own.status, 200);
    for host in ["localhost", "sense.example", &format!("sense.example:{}", at.port()), "127.0.0.1:1"] {
        let refused = ask_at(at, host, "GET /", &[], "").await;
        assert_eq!(refused.status, 400, "{host}: {}", refused.body);
    }
}

#[tokio::test]
async fn the_login_leads_over_the_form_back_to_the_page() {
    let (engine, _folder) = site(Some("vp")).await;
    let entered = log_in(&engine, "/vp/?a=1").await;
    assert_eq!(entered.status, 302);
    assert_eq!(entered.header("location"), Some(format!("{}/vp/?a=1", engine.origin("127.0.0.1")).as_str()));
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.starts_with("X-Qlik-Session-vp="), "{cookie}");
    assert!(cookie.ends_with("; Path=/vp/; HttpOnly; Secure; SameSite=None; Domain=127.0.0.1"), "{cookie}");
    let cookie = ("Cookie", &*entered.cookie());
    assert_eq!(ask(&engine, "GET /vp/", &[cookie], "").await.status, 200);
    let user = ask(&engine, "GET /vp/qps/user", &[cookie], "").await.json();
    assert_eq!((&user["userDirectory"], &user["userId"]), (&json!("ACME"), &json!("ada")));
    // Nothing of this outside of the prefix.
    assert_eq!(ask(&engine, "GET /", &[cookie], "").await.status, 404);
    assert_eq!(ask(&engine, "GET /vpx/", &[cookie], "").await.status, 404);
}

#[tokio::test]
async fn a_wrong_password_another_origin_and_no_form_are_no_login() {
    let (engine, _folder) = site(Some("")).await;
    let form = form(&engine, "/").await;
    let post = format!("POST {form}");
    let wrong = ask(&engine, &post, &[FORM], "username=ACME%5Cada&pwd=other").await;
    assert_eq!(wrong.status, 200);
    assert!(wrong.body.contains("is wrong") && wrong.header("set-cookie").is_none());
    let foreign = ask(&engine, &post, &[FORM, ("Origin", "https://evil.example")], FILLED).await;
    assert_eq!(foreign.status, 403);
    // The right host under another scheme is another origin.
    let secure = engine.origin("127.0.0.1").replace("http:", "https:");
    assert_eq!(ask(&engine, &post, &[FORM, ("Origin", &secure)], FILLED).await.status, 403);
    assert_eq!(ask(&engine, &post, &[], FILLED).await.status, 400);
    assert_eq!(
        ask(&engine, "POST /internal_forms_authentication/?targetId=x", &[FORM], FILLED).await.status,
        400
    );
    let long = "x".repeat(20_000);
    assert_eq!(ask(&engine, &post, &[FORM], &long).await.status, 400);
    assert_eq!(ask(&engine, &post, &[FORM], FILLED).await.status, 302);
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_where_to_and_logging_out_ends_the_session() {
    let (engine, _folder) = site(Some("vp")).await;
    let nobody = ask(&engine, "GET /vp/qps/user", &[], "").await.json();
    assert_eq!(nobody["session"], "inactive");
    assert!(nobody["loginUri"].as_str().unwrap().starts_with(&engine.origin("127.0.0.1")));
    assert_eq!(ask(&engine, "POST /vp/api/v1/temp-contents", &[], "x").await.status, 403);
    let cookie = log_in(&engine, "/vp/").await.cookie();
    let out = ask(&engine, "DELETE /vp/qps/user", &[("Cookie", &cookie)], "").await;
    assert!(out.header("set-cookie").unwrap().contains("Expires=Thu, 01 Jan 1970"));
    assert_eq!(ask(&engine, "GET /vp/", &[("Cookie", &cookie)], "").await.status, 302);
    assert_eq!(ask(&engine, "GET /vp/", &[("Cookie", "X-Qlik-Session-vp=guessed")], "").await.status, 302);
}

#[tokio::test]
async fn a_socket_needs_cookie_origin_and_the_token_in_the_query() {
    let (engine, _folder) = site(Some("vp")).await;
    let cookie = log_in(&engine, "/vp/").await.cookie();
    let answer = ask(&engine, "GET /vp/qps/csrftoken", &[("Cookie", &cookie)], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let token = answer.header("qlik-csrf-token").unwrap();
    let origin = engine.origin("127.0.0.1");
    let path = format!("/vp/app/Sales.qvf?qlik-csrf-token={token}");
    let (cookie, own) = (("cookie", &*cookie), ("origin", &*origin));
    let other = engine.origin("localhost");
    for (path, headers, reason) in [
        (&*path, vec![own], "No session"),
        (&path, vec![cookie], "The origin is not"),
        (&path, vec![cookie, ("origin", &other)], "The origin is not"),
        ("/vp/app/Sales.qvf", vec![cookie, own], "The CSRF token"),
        ("/vp/app/Sales.qvf", vec![cookie, own, ("qlik-csrf-token", token)], "The CSRF token"),
    ] {
        let (status, text) = turned_away(&browser(&engine, path, &headers)).await;
        assert_eq!(status, 403, "{reason}");
        assert!(text.contains(reason), "{text}");
    }
    // Whatever the client says of itself, the virtual proxy says who it is.
    let liar = ("x-qlik-user", "UserDirectory=ACME; UserId=admin");
    let session = bounded(Session::connect(&browser(&engine, &path, &[cookie, own, liar]))).await.unwrap();
    let user = session.call::<Value>(Handle::GLOBAL, "GetAuthenticatedUser", &json!([]));
    assert_eq!(bounded(user.into_future()).await.unwrap()["qReturn"], "UserDirectory=ACME; UserId=ada");
}

#[tokio::test]
async fn bodies_come_in_any_size_with_length_or_chunked() {
    let (engine, _folder) = site(None).await;
    let known = ask(&engine, "GET /tempcontent/100000.bin?piece=999", &[], "").await;
    assert_eq!(known.header("content-length"), Some("100000"));
    let chunked = ask(&engine, "GET /tempcontent/10.bin?piece=4&length=no", &[], "").await;
    assert_eq!(chunked.header("transfer-encoding"), Some("chunked"));
    assert_eq!(
        chunked.body,
        "4\r\n\0\u{1}\u{2}\u{3}\r\n4\r\n\u{4}\u{5}\u{6}\u{7}\r\n2\r\n\u{8}\t\r\n0\r\n\r\n"
    );
    assert_eq!(ask(&engine, "GET /tempcontent/0.bin", &[], "").await.body, "");
    assert_eq!(ask(&engine, "GET /tempcontent/x.bin", &[], "").await.status, 404);
    let sent = ask(&engine, "POST /api/v1/temp-contents", &[], &"y".repeat(70_000)).await;
    assert_eq!((sent.status, &sent.json()["bytes"]), (201, &json!(70_000)));
    let endless = ask(&engine, "GET /redirects/endless", &[], "").await;
    assert_eq!(
        endless.header("location"),
        Some(format!("{}/redirects/endless", engine.origin("127.0.0.1")).as_str())
    );
}

#[tokio::test]
async fn requests_share_a_connection_and_connections_are_many() {
    let (engine, _folder) = site(None).await;
    let two = format!(
        "GET / HTTP/1.1\r\nHost: {0}\r\n\r\nGET /healthcheck HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n\r\n",
        engine.addr()
    );
    let answers = join_all((0..50).map(|_| exchange(engine.addr(), two.as_bytes()))).await;
    for answer in answers {
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    }
}

#[tokio::test]
async fn page_that_opens_six_sockets_at_once_gets_them_through_the_recorder() {
    let (engine, _folder) = site(None).await;
    let recorder = Recorder::start(&engine).await;
    let host = recorder.address.to_string();
    let page = async {
        let page = bounded(ask_at(recorder.address, &host, "GET /", &[], "")).await;
        assert_eq!((page.status, &*page.body), (200, "<p>Grüße</p>"));
    };
    let sockets = (0..6).map(|_| async {
        let session = session(&recorder.url("Sales.qvf")).await;
        let doc = sales(&session).await;
        assert_eq!(evaluate(&doc, "Sum(Sales)").await.unwrap(), "22896");
        bounded(session.close()).await;
    });
    tokio::join!(page, join_all(sockets));
    let (sealed, _dir) = recorder.seal().await;
    assert_eq!((sealed.connections, sealed.exchanges, sealed.refused), (6, 1, 0));
}

#[tokio::test]
async fn redirect_without_an_end_is_the_browsers_to_follow_and_leads_back_to_the_recorder() {
    let (engine, _folder) = site(None).await;
    let recorder = Recorder::start(&engine).await;
    let host = recorder.address.to_string();
    for asked in 1..=3 {
        let answer = bounded(ask_at(recorder.address, &host, "GET /redirects/endless", &[], "")).await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("location"), Some(format!("http://{host}/redirects/endless").as_str()));
        assert_eq!(engine.exchanges().len(), asked, "nobody but the browser follows");
    }
    let (sealed, _dir) = recorder.seal().await;
    assert_eq!(sealed.exchanges, 3);
}
