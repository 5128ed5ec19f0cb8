//! Recorded exchanges on the port of a replay.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::{PageFault, PageMiss};
use crate::{
    record::RecordingReader,
    replay::{ReplayServer, ReplaySummary, Tapes},
};

const HOST: &str = "127.0.0.1:9077";

/// A replay of entries that are written here.
struct Replay {
    address: SocketAddr,
    misses: Arc<Mutex<Vec<PageMiss>>>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<ReplaySummary>,
}

/// An answer of HTTP.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }
}

/// An `http` entry with usual headers.
fn http(method: &str, url: &str, status: u16, body: &str) -> Value {
    json!({"kind": "http", "method": method, "url": url, "status": status, "request": [["host", HOST]],
           "response": [["content-type", "text/plain"]], "took": 1,
           "response_body": {"bytes": body.len(), "text": body}})
}

fn with(mut entry: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        entry[name] = value.clone();
    }
    entry
}

fn open(url: &str) -> Value {
    json!({"kind": "open", "conn": 1, "url": url, "status": 101, "request": [["host", HOST]], "response": []})
}

fn tapes(upstream: &str, entries: Vec<Value>) -> Tapes {
    let mut text =
        json!({"qixrec": [1, 1], "started": "2026-01-02T03:04:05Z", "tool": "t", "upstream": upstream})
            .to_string()
            + "\n";
    for (seq, entry) in entries.into_iter().enumerate() {
        // The order of members is part of the format.
        let entry = entry.as_object().unwrap();
        let conn = entry.get("conn").map(|conn| format!(r#","conn":{conn}"#)).unwrap_or_default();
        text += &format!(r#"{{"seq":{},"t":{seq}{conn},"kind":{}"#, seq + 1, entry["kind"]);
        for (name, value) in entry.iter().filter(|(name, _)| !matches!(&***name, "kind" | "conn")) {
            text += &format!(",{}:{value}", json!(name));
        }
        text += "}\n";
    }
    let reader = RecordingReader::new(std::io::Cursor::new(text), "test").unwrap();
    Tapes::load(reader).unwrap().0
}

impl Replay {
    async fn of(upstream: &str, entries: Vec<Value>) -> Self {
        Self::with(tapes(upstream, entries), &[]).await
    }

    async fn with(tapes: Tapes, allowed: &[&str]) -> Self {
        let misses = Arc::<Mutex<Vec<PageMiss>>>::default();
        let told = misses.clone();
        let server = ReplayServer::bind(tapes, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let server = server
            .allowed_origins(allowed.iter().map(|origin| (*origin).to_owned()).collect())
            .on_page_miss(move |miss| told.lock().unwrap().push(miss));
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async { _ = stopped.await }, |_| {}));
        Self { address, misses, stop, running }
    }

    async fn ask(&self, line: &str, headers: &str, body: &str) -> Answer {
        let host = if headers.to_ascii_lowercase().contains("host: ") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let close = if headers.contains("Connection") { "" } else { "Connection: close\r\n" };
        let request = format!("{line} HTTP/1.1\r\n{host}{close}{length}{headers}\r\n{body}");
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut text = Vec::new();
            // Who was refused an upgrade is not hung up on.
            while !text.windows(4).any(|end| end == b"\r\n\r\n") {
                if stream.read_buf(&mut text).await.unwrap() == 0 {
                    break;
                }
            }
            if !close.is_empty() {
                stream.read_to_end(&mut text).await.unwrap();
            }
            text
        };
        let text = tokio::time::timeout(Duration::from_secs(30), exchange).await.unwrap();
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, target: &str) -> String {
        self.ask(&format!("GET {target}"), "", "").await.body
    }

    async fn upgrade(&self, target: &str, headers: &str) -> Answer {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        self.ask(&format!("GET {target}"), &format!("{upgrade}{headers}"), "").await
    }

    fn faults(&self) -> Vec<PageFault> {
        self.misses.lock().unwrap().iter().map(|miss| miss.fault.clone()).collect()
    }

    async fn finish(self) -> ReplaySummary {
        self.stop.send(()).unwrap();
        self.running.await.unwrap()
    }
}

const UPSTREAM: &str = "wss://sense.example.com/";

#[tokio::test]
async fn times_that_were_recorded_are_told_apart_and_others_make_no_difference() {
    let range = |from: &str| http("GET", &format!("/a?from={from}"), 200, from);
    let replay = Replay::of("", vec![range("1600000000000"), range("1700000000000")]).await;
    for from in ["1700000000000", "1600000000000", "1700000000000"] {
        assert_eq!(replay.get(&format!("/a?from={from}")).await, from);
    }
    assert_eq!(replay.get("/a?from=1750000000000").await, "1700000000000");
}

#[tokio::test]
async fn recorded_page_is_answered_with_its_headers_and_its_own_length() {
    let page = with(
        http("GET", "/hub/", 200, "<p>Grüße</p>"),
        json!({"response": [["content-type", "text/html"], ["content-length", "5"], ["content-encoding", "gzip"],
                            ["transfer-encoding", "chunked"], ["etag", "\"1\""], ["connection", "keep-alive"]],
               "response_body": {"bytes": 5, "decoded": "gzip", "text": "<p>Grüße</p>"}}),
    );
    let replay = Replay::of(UPSTREAM, vec![page]).await;
    let answer = replay.ask("GET /hub/", "", "").await;
    assert_eq!((answer.status, &*answer.body), (200, "<p>Grüße</p>"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(answer.headers("content-length"), ["14"]);
    for gone in ["content-encoding", "transfer-encoding"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    let summary = replay.finish().await;
    assert_eq!((summary.exchanges, summary.missed, summary.connections), (1, 0, 0));
}

#[tokio::test]
async fn compression_that_was_not_undone_is_kept() {
    let entry = with(
        http("GET", "/x", 200, ""),
        json!({"response": [["content-encoding", "br"]], "response_body": {"bytes": 3, "base64": "AQID"}}),
    );
    let replay = Replay::of(UPSTREAM, vec![entry]).await;
    let answer = replay.ask("GET /x", "", "").await;
    assert_eq!((answer.header("content-encoding"), &*answer.body), (Some("br"), "\u{1}\u{2}\u{3}"));
}

#[tokio::test]
async fn tokens_and_cache_busters_make_no_difference_and_other_parameters_do() {
    let entries =
        vec![http("GET", "/api?xrfkey=***&_=1&x=1", 200, "one"), http("GET", "/api?x=2&own=***", 200, "two")];
    let replay = Replay::of(UPSTREAM, entries).await;
    assert_eq!(replay.get("/api?x=1&Xrfkey=0123456789abcdef").await, "one");
    assert_eq!(replay.get("/api?x=1&_=1700000000000").await, "one");
    assert_eq!(
        replay.get("/api?x=2&own=whatever").await,
        "two",
        "masked by rules that nobody gave to the replay"
    );
    assert_eq!(replay.ask("GET /api?x=3", "", "").await.status, 404);
    assert_eq!(replay.faults(), [PageFault::Nearest("GET /api?x=2&own=***".to_owned())]);
    assert_eq!(replay.finish().await.missed, 1);
}

#[tokio::test]
async fn equal_requests_are_answered_in_recorded_order_and_the_last_answer_sticks() {
    let entries = ["one", "two"].map(|body| http("GET", "/state", 200, body));
    let replay = Replay::of(UPSTREAM, entries.to_vec()).await;
    for expected in ["one", "two", "two"] {
        assert_eq!(replay.get("/state").await, expected);
    }
}

#[tokio::test]
async fn whether_a_client_has_logged_in_decides_before_the_order_does() {
    let form = http("GET", "/hub", 302, "");
    let page =
        with(http("GET", "/hub", 200, "page"), json!({"request": [["host", HOST], ["cookie", "***"]]}));
    let replay = Replay::of(UPSTREAM, vec![form, page]).await;
    for _ in 0..2 {
        assert_eq!(replay.ask("GET /hub", "", "").await.status, 302);
        assert_eq!(replay.ask("GET /hub", "Cookie: qix-replay=replayed\r\n", "").await.body, "page");
    }
}

#[tokio::test]
async fn bodies_choose_among_equal_requests_and_another_body_is_a_miss() {
    let posted = |sent: Value, body: &str| {
        with(
            http("POST", "/query", 200, body),
            json!({"request": [["host", HOST], ["content-type", "application/json"]],
                   "request_body": {"bytes": 9, "json": sent}}),
        )
    };
    let entries = vec![
        posted(json!({"q": 1, "password": "***"}), "one"),
        posted(json!({"q": 2, "back": format!("http://{HOST}/a")}), "two"),
    ];
    let replay = Replay::of(UPSTREAM, entries).await;
    let kind = "Content-Type: application/json\r\n";
    let two = format!(r#"{{"back":"http://{}/a","q":2}}"#, replay.address);
    for (sent, expected) in [(two.as_str(), "two"), (r#"{ "password": "other", "q": 1 }"#, "one")] {
        assert_eq!(replay.ask("POST /query", kind, sent).await.body, expected);
    }
    assert_eq!(replay.ask("POST /query", kind, r#"{"q":3}"#).await.status, 404);
    assert_eq!(replay.ask("POST /query", "", "").await.status, 404);
    assert_eq!(replay.faults(), [PageFault::OtherBody, PageFault::OtherBody]);
}

#[tokio::test]
async fn answer_for_a_cache_is_for_clients_that_have_the_same_in_theirs() {
    let unchanged = with(
        http("GET", "/app.js", 304, ""),
        json!({"request": [["host", HOST], ["if-none-match", "\"1\""]], "response_body": {"bytes": 0}}),
    );
    let only = with(unchanged.clone(), json!({"url": "/only.js"}));
    let replay = Replay::of(UPSTREAM, vec![unchanged, http("GET", "/app.js", 200, "code"), only]).await;
    assert_eq!(replay.get("/app.js").await, "code");
    assert_eq!(replay.ask("GET /app.js", "If-None-Match: \"2\"\r\n", "").await.body, "code");
    let answer = replay.ask("GET /app.js", "If-None-Match: \"1\"\r\n", "").await;
    assert_eq!((answer.status, &*answer.body), (304, ""));
    assert_eq!(replay.ask("GET /app.js", "Range: bytes=0-1\r\n", "").await.status, 200, "the whole of it");
    assert_eq!(replay.ask("GET /only.js", "", "").await.status, 501);
    assert_eq!(replay.faults(), [PageFault::Partial]);
}

#[tokio::test]
async fn head_is_answered_from_get_and_uses_nothing_up() {
    let entries = ["one", "three"].map(|body| http("GET", "/x", 200, body));
    let replay = Replay::of(UPSTREAM, entries.to_vec()).await;
    for _ in 0..2 {
        let answer = replay.ask("HEAD /x", "", "").await;
        assert_eq!((answer.status, answer.header("content-length"), &*answer.body), (200, Some("3"), ""));
    }
    assert_eq!(replay.get("/x").await, "one");
}

#[tokio::test]
async fn what_names_the_upstream_names_the_replay_and_a_masked_cookie_is_one_all_the_same() {
    let login = with(
        http("POST", "/vp/login", 302, ""),
        json!({"response": [["location", "https://sense.example.com/vp/hub?qlikTicket=***"], ["set-cookie", "***"],
                            ["set-cookie", "theme=dark; Domain=sense.example.com; Path=/; Secure; SameSite=None"],
                            ["access-control-allow-origin", "https://sense.example.com"],
                            ["strict-transport-security", "max-age=9"]],
               "response_body": {"bytes": 0}}),
    );
    let logout = with(login.clone(), json!({"method": "DELETE", "url": "/vp/qps/user"}));
    let replay = Replay::of(UPSTREAM, vec![login, logout]).await;
    let answer = replay.ask("POST /vp/login", "", "").await;
    let ours = format!("http://{}", replay.address);
    assert_eq!(answer.header("location"), Some(&*format!("{ours}/vp/hub?qlikTicket=***")));
    assert_eq!(
        answer.headers("set-cookie"),
        ["theme=dark; Path=/; SameSite=Lax", "qix-replay=replayed; Path=/; HttpOnly; SameSite=Lax"]
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some(&*ours));
    assert_eq!(answer.header("strict-transport-security"), None);
    let answer = replay.ask("DELETE /vp/qps/user", "", "").await;
    assert!(answer.headers("set-cookie")[1].contains("Max-Age=0"), "{answer:?}");
}

#[tokio::test]
async fn hosts_of_a_forward_proxy_are_told_apart_and_lead_to_one_another_by_the_replay() {
    let at = |host: &str, body: &str, location: &str| {
        with(
            http("GET", "/", 200, body),
            json!({"request": [["host", host]], "response": [["location", location]]}),
        )
    };
    let entries = vec![
        at("tenant.example", "tenant", "https://login.example/?back=https%3A%2F%2Ftenant.example%2F"),
        at("login.example", "login", "https://tenant.example/?code=***"),
    ];
    let replay =
        Replay::with(tapes("*.example", entries), &["https://tenant.example", "https://login.example"]).await;
    let answer = replay.ask("GET /", "Host: login.example\r\n", "").await;
    assert_eq!(answer.body, "login");
    let answer = replay.ask("GET http://tenant.example/", "Host: tenant.example\r\n", "").await;
    assert_eq!(answer.body, "tenant");
    let answer = replay.ask("GET /", "", "").await;
    assert!(
        answer.header("location").unwrap().starts_with(&format!("http://{}/?", replay.address)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn pages_of_other_origins_are_let_in_as_recorded_and_their_browsers_may_ask_first() {
    let entry = with(
        http("GET", "/api/x", 200, "{}"),
        json!({"request": [["host", HOST], ["origin", "http://localhost:3000"]],
               "response": [["access-control-allow-origin", "http://localhost:3000"],
                            ["access-control-allow-credentials", "true"]]}),
    );
    let replay = Replay::of(UPSTREAM, vec![entry, http("GET", "/closed", 200, "")]).await;
    let origin = "Origin: http://localhost:8080\r\n";
    let answer = replay.ask("GET /api/x", origin, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:8080"));
    let asks =
        format!("{origin}Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a\r\n");
    let answer = replay.ask("OPTIONS /api/x?new", &asks, "").await;
    assert_eq!(answer.status, 204);
    for (name, value) in
        [("origin", "http://localhost:8080"), ("methods", "PUT"), ("headers", "x-a"), ("credentials", "true")]
    {
        assert_eq!(answer.header(&format!("access-control-allow-{name}")), Some(value));
    }
    assert_eq!(replay.ask("OPTIONS /closed", &asks, "").await.status, 404);
}

#[tokio::test]
async fn pages_of_other_sites_cannot_read_a_recording() {
    let entries = vec![http("GET", "/x", 200, "data"), open("/app/x")];
    let replay = Replay::with(tapes(UPSTREAM, entries), &["https://intranet.example"]).await;
    for (headers, status) in [
        ("Origin: https://evil.example\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Host: evil.example\r\n", 421),
        ("Origin: https://intranet.example\r\n", 200),
        ("Host: intranet.example\r\n", 200),
        ("Origin: http://localhost:3000\r\n", 200),
    ] {
        assert_eq!(replay.ask("GET /x", headers, "").await.status, status, "{headers}");
    }
    assert_eq!(replay.upgrade("/app/x", "Origin: https://evil.example\r\n").await.status, 403);
    let rebound = "Host: evil.example\r\nOrigin: http://evil.example\r\n";
    assert_eq!(replay.upgrade("/app/x", rebound).await.status, 421);
    assert_eq!(replay.upgrade("/app/x", "Host: replay.internal\r\n").await.status, 101, "no page, no origin");
    assert_eq!(replay.finish().await.missed, 0);
}

#[tokio::test]
async fn refused_upgrades_are_refused_again_before_the_one_that_was_accepted() {
    let refused = |status: u16, body: &str| {
        json!({"kind": "refused", "url": "/app/x?qlik-csrf-token=***", "status": status, "request": [["host", HOST]],
               "response": [["location", "https://sense.example.com/form"]], "body": body})
    };
    let always = json!({"kind": "refused", "url": "/closed", "status": 403, "request": [], "response": [], "body": "no"});
    let entries = vec![
        refused(401, "who?"),
        refused(302, ""),
        open("/app/x?qlik-csrf-token=***"),
        refused(403, "late"),
        always,
    ];
    let replay = Replay::of(UPSTREAM, entries).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(replay.upgrade("/app/x?qlik-csrf-token=t", "").await.status);
    }
    assert_eq!(seen, [401, 302, 101, 403, 101]);
    for _ in 0..2 {
        assert_eq!(replay.upgrade("/closed", "").await.status, 403);
    }
    assert_eq!(replay.upgrade("/app/never", "").await.status, 101);
    assert_eq!(replay.ask("GET /app/x", "", "").await.status, 501, "an upgrade is no page");
    assert_eq!(replay.finish().await.missed, 0, "who has recorded no page misses none");
}

#[tokio::test]
async fn refusal_is_said_as_it_was() {
    let refused = json!({"kind": "refused", "url": "/app/x", "status": 302, "request": [["host", HOST]],
        "response": [["location", "https://sense.example.com/form"], ["content-length", "99"]], "body": "go there"});
    let replay = Replay::of(UPSTREAM, vec![refused, open("/app/x")]).await;
    let answer = replay.upgrade("/app/x", "").await;
    assert_eq!(answer.header("location"), Some(&*format!("http://{}/form", replay.address)));
    assert_eq!(answer.header("content-length"), Some("8"));
}

#[tokio::test]
async fn what_is_not_recorded_says_so_and_what_browsers_ask_by_themselves_is_no_miss() {
    let cut = with(
        http("GET", "/big.js", 200, ""),
        json!({"response_body": {"bytes": 9000, "cut": true, "text": "begin"}}),
    );
    let left = json!({"kind": "http", "method": "GET", "url": "/left", "request": [["host", HOST]], "response": [], "took": 1});
    let failed =
        with(left.clone(), json!({"url": "/failed", "status": 502, "error": "nothing listens there"}));
    let replay = Replay::of(UPSTREAM, vec![cut, left, failed]).await;
    for (target, status, says) in [
        (
            "/big.jsx?qlikTicket=s3cret",
            404,
            "GET /big.jsx?qlikTicket=***; nearest recorded request: GET /big.js",
        ),
        ("/big.js", 501, "without its body of 9000 bytes"),
        ("/left", 501, "it was recorded without an answer"),
        ("/failed", 502, "nothing listens there"),
        ("/favicon.ico", 404, "not recorded"),
        ("/.well-known/appspecific/com.chrome.devtools.json", 404, "not recorded"),
    ] {
        let answer = replay.ask(&format!("GET {target}"), "", "").await;
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.body.contains(says) && answer.body.lines().count() == 1, "{}", answer.body);
    }
    let told: Vec<_> = replay.misses.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "GET /big.jsx?qlikTicket=***; nearest recorded request: GET /big.js");
    let summary = replay.finish().await;
    assert_eq!((summary.exchanges, summary.missed), (1, 3));
}

#[tokio::test]
async fn recording_without_sockets_serves_its_pages_and_no_socket() {
    let replay = Replay::of(UPSTREAM, vec![http("GET", "/x", 200, "page")]).await;
    assert_eq!(replay.get("/x").await, "page");
    let answer = replay.upgrade("/app/x", "").await;
    assert_eq!(answer.status, 501);
    assert_eq!(replay.faults(), [PageFault::NoSocket]);
}

#[tokio::test]
async fn large_pages_come_whole_from_the_file_they_are_kept_in() {
    let body = "0123456789".repeat(100_000);
    let replay = Replay::of(UPSTREAM, vec![http("GET", "/big", 200, &body)]).await;
    let answer = replay.ask("GET /big", "", "").await;
    assert_eq!(answer.header("content-length"), Some("1000000"));
    assert!(answer.body == body);
}

#[test]
fn upstreams_are_read_as_headers_name_them() {
    use super::answer::Upstreams;

    for (upstream, by_host) in [
        ("wss://sense.example.com/", false),
        ("ws://engine:9076/, /a=wss://two.example/vp, /a/b=ws://three", false),
        ("/a=wss://two.example/vp", false),
        ("*.qlikcloud.com", true),
        ("tenant.example, *.other.example:8443", true),
        ("", true),
    ] {
        assert_eq!(Upstreams::new(upstream).by_host(), by_host, "{upstream}");
    }
}
