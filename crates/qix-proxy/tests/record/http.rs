//! Plain HTTP through the recorder: what reaches the other side, and how it ends when it does not.

use std::time::Duration;

use qix_transport::Auth;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::*;

/// Connects to the proxy and writes.
pub(crate) async fn send(rig: &Rig, text: &str) -> Raw {
    let mut client = Raw(TcpStream::connect(rig.address).await.unwrap());
    client.write(text.as_bytes()).await;
    client
}

/// Reads an answer that has a length, or none.
pub(crate) async fn whole(client: &mut Raw) -> (String, String) {
    let head = client.head().await;
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    bounded(client.0.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// Makes the upstream answer one request on a connection of its own; returns the connection and the request's head.
pub(crate) async fn serve(origins: &TcpListener, answer: &str) -> (Raw, String) {
    let mut origin = next(origins).await;
    let head = origin.head().await;
    origin.write(answer.as_bytes()).await;
    (origin, head)
}

pub(crate) fn ok(body: &str, headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

const GET: &str = "GET /hub?x=%2F HTTP/1.1\r\nHost: localhost:9077\r\nUser-Agent: test\r\n\r\n";

#[tokio::test]
async fn requests_on_one_connection_take_one_connection_upstream() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let client = async {
        let mut client = send(&rig, GET).await;
        for number in 1..4 {
            let (head, body) = whole(&mut client).await;
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && header(&head, "x-number").is_some(), "{head}");
            assert_eq!(body, format!("body {number}"));
            client.write(GET.as_bytes()).await;
        }
        client
    };
    let origin = async {
        let mut origin = next(&origins).await;
        for number in 1..4 {
            let head = origin.head().await;
            assert!(head.starts_with("GET /hub?x=%2F HTTP/1.1\r\n"), "{head}");
            assert_eq!(header(&head, "host"), Some(&*address.to_string()));
            origin.write(ok(&format!("body {number}"), "X-Number: 1\r\n").as_bytes()).await;
        }
        origin
    };
    let _both = tokio::join!(client, origin);
    let recording = rig.cut().await;
    assert_eq!(recording.sealed.connections, 0);
    let http = recording.kind("http");
    assert_eq!(http[0]["method"], "GET");
    assert_eq!(http[0]["url"], "/hub?x=%2F");
    assert_eq!(http[0]["status"], 200);
    assert_eq!(http[2]["response_body"], serde_json::json!({"bytes": 6, "text": "body 3"}));
    assert!(http[0].get("conn").is_none() && http[0].get("request_body").is_none());
    assert!(http[0]["wait"].as_u64() <= http[0]["took"].as_u64());
}

#[tokio::test]
async fn bodies_stream_both_ways_while_they_come() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let mut client = send(
        &rig,
        "POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nTE: trailers\r\n\r\n3\r\none\r\n",
    )
    .await;
    let mut origin = next(&origins).await;
    let head = origin.head().await;
    assert_eq!(header(&head, "transfer-encoding"), Some("chunked"), "{head}");
    assert_eq!(header(&head, "trailer"), Some("X-Sum"));
    origin.expect(b"3\r\none\r\n").await;
    client.write(b"3\r\ntwo\r\n").await;
    origin.expect(b"3\r\ntwo\r\n").await;
    origin
        .write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n4\r\ndown\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client.expect(b"4\r\ndown\r\n").await;
    client.write(b"0\r\nX-Sum: 6\r\n\r\n").await;
    origin.expect(b"0\r\nX-Sum: 6\r\n\r\n").await;
    origin.write(b"0\r\nX-End: yes\r\n\r\n").await;
    client.expect(b"0\r\nX-End: yes\r\n\r\n").await;
    let recording = rig.cut().await;
    let http = recording.kind("http")[0];
    assert_eq!(http["request_body"], serde_json::json!({"bytes": 6, "text": "onetwo"}));
    assert_eq!(http["response_body"], serde_json::json!({"bytes": 4, "text": "down"}));
}

#[tokio::test]
async fn client_that_waits_to_be_asked_for_its_body_is_asked() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let mut client =
        send(&rig, "PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            .await;
    let mut origin = next(&origins).await;
    let head = origin.head().await;
    assert_eq!((header(&head, "expect"), header(&head, "content-length")), (None, Some("4")));
    assert!(client.head().await.starts_with("HTTP/1.1 100 "));
    client.write(b"body").await;
    origin.expect(b"body").await;
    origin.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let (head, _) = whole(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    rig.cut().await;
}

#[tokio::test]
async fn answers_without_a_body_keep_the_connection_usable() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
        ("OPTIONS", "HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n"),
        ("DELETE", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("GET", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
    ];
    let client = async {
        let mut client = Raw(TcpStream::connect(rig.address).await.unwrap());
        for (method, answer) in cases {
            client.write(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
            let head = client.head().await;
            assert_eq!(head.lines().next(), answer.lines().next(), "{method}");
            if method == "HEAD" {
                assert_eq!(header(&head, "content-length"), Some("1234"));
            }
        }
    };
    let origin = async {
        let mut origin = next(&origins).await;
        for (method, answer) in cases {
            assert!(origin.head().await.starts_with(method));
            origin.write(answer.as_bytes()).await;
        }
    };
    tokio::join!(client, origin);
    assert_eq!(rig.cut().await.sealed.exchanges, 5);
}

#[tokio::test]
async fn old_clients_and_old_servers_are_understood() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let client = async { send(&rig, "GET / HTTP/1.0\r\n\r\n").await.rest().await };
    let origin = async {
        let (mut origin, head) = serve(&origins, "HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nto the end").await;
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        bounded(origin.0.shutdown()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(client, origin);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nto the end"), "{answer}");
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");
    rig.cut().await;
}

#[tokio::test]
async fn a_gigabyte_comes_through_in_little_memory() {
    const SIZE: u64 = 1 << 30;
    let (origins, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.max_body(1000)).await;
    let piece = vec![b'x'; 1 << 20];
    let before = resident();
    let mut client = send(&rig, GET).await;
    let origin = async {
        let mut origin = next(&origins).await;
        origin.head().await;
        origin.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes()).await;
        for _ in 0..SIZE >> 20 {
            origin.write(&piece).await;
        }
    };
    let reading = async {
        client.head().await;
        let (mut buffer, mut left, mut peak) = (vec![0; 1 << 20], SIZE, 0);
        while left > 0 {
            left -= bounded(client.0.read(&mut buffer)).await.unwrap() as u64;
            peak = peak.max(if left % 64 == 0 { resident() } else { 0 });
        }
        peak
    };
    let ((), peak) = tokio::join!(origin, reading);
    let recording = rig.finish().await;
    let body = &recording.kind("http")[0]["response_body"];
    assert_eq!((body["bytes"].as_u64(), &body["cut"]), (Some(SIZE), &true.into()));
    assert_eq!(body["text"].as_str().unwrap().len(), 1000);
    // Other tests of this process take some, too.
    assert!(peak.saturating_sub(before) < 256 << 20, "{} MiB more", peak.saturating_sub(before) >> 20);
}

/// Bytes of memory that this process has, where the system tells.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

#[tokio::test]
async fn browser_that_leaves_drops_its_request_upstream_before_and_in_the_answer() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"] {
        let mut client = send(&rig, GET).await;
        let mut origin = next(&origins).await;
        origin.head().await;
        origin.write(answer.as_bytes()).await;
        if !answer.is_empty() {
            client.head().await;
        }
        drop(client);
        assert_eq!(origin.rest().await, b"", "the connection is closed");
    }
    let recording = rig.finish().await;
    let http = recording.kind("http");
    assert!(http[0].get("status").is_none() && http[0]["error"].as_str().unwrap().contains("by the client"));
    assert_eq!(http[1]["status"], 200);
    assert_eq!(http[1]["response_body"]["text"], "begun");
    assert!(http[1]["error"].as_str().unwrap().contains("by the client"));
}

#[tokio::test]
async fn browser_that_leaves_within_its_body_never_completes_the_request_upstream() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let client = send(&rig, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nbegun").await;
    let mut origin = next(&origins).await;
    origin.head().await;
    origin.expect(b"begun").await;
    drop(client);
    assert_eq!(origin.rest().await, b"");
    let recording = rig.finish().await;
    assert_eq!(recording.kind("http")[0]["request_body"]["text"], "begun");
    assert!(recording.kind("http")[0]["error"].is_string());
}

#[tokio::test]
async fn upgrades_of_pages_have_their_cookies_too() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "Cookie: Qix-Host-sid=1\r\n").await;
        client.head().await
    };
    let origin = async {
        let more = "Set-Cookie: sid=2; Domain=127.0.0.1; Secure; SameSite=None\r\n";
        next(&origins).await.accept(more, b"").await
    };
    let (answer, asked) = tokio::join!(client, origin);
    assert_eq!(header(&asked, "cookie"), Some("__Host-sid=1"));
    assert_eq!(header(&answer, "set-cookie"), Some("sid=2; SameSite=Lax"));
    rig.cut().await;
}

#[tokio::test]
async fn kept_connection_that_has_died_is_replaced_for_what_may_be_sent_twice() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let mut client = send(&rig, GET).await;
    let (origin, _) = serve(&origins, &ok("1", "")).await;
    assert_eq!(whole(&mut client).await.1, "1");
    // It takes the next request, and dies.
    client.write(GET.as_bytes()).await;
    let mut origin = origin;
    origin.head().await;
    drop(origin);
    let (mut origin, _) = serve(&origins, &ok("2", "")).await;
    assert_eq!(whole(&mut client).await.1, "2");
    client.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx").await;
    origin.head().await;
    drop(origin);
    let (head, body) = whole(&mut client).await;
    assert!(
        head.starts_with("HTTP/1.1 502 ") && body.contains("not answer"),
        "a post may have had its effect: {head}"
    );
    rig.cut().await;
}

#[tokio::test]
async fn connection_that_was_closed_while_nobody_asked_is_replaced_for_everything() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let mut client = send(&rig, GET).await;
    let (origin, _) = serve(&origins, &ok("1", "Connection: close\r\n")).await;
    let (head, _) = whole(&mut client).await;
    assert_eq!(header(&head, "connection"), None, "that is the upstream's business: {head}");
    drop(origin);
    client.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx").await;
    let (mut origin, _) = serve(&origins, &ok("2", "")).await;
    origin.expect(b"x").await;
    assert_eq!(whole(&mut client).await.1, "2");
    rig.cut().await;
}

#[tokio::test]
async fn a_thousand_connections_are_kept_alive_at_once() {
    let count = files_allowed();
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let origin = tokio::spawn(async move {
        let mut serving = Vec::new();
        for _ in 0..count {
            let mut origin = next(&origins).await;
            serving.push(tokio::spawn(async move {
                for _ in 0..2 {
                    origin.head().await;
                    origin.write(ok("here", "").as_bytes()).await;
                }
                origin
            }));
        }
        for one in serving {
            one.await.unwrap();
        }
    });
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(send(&rig, GET).await);
    }
    for round in 0..2 {
        for client in &mut clients {
            assert_eq!(whole(client).await.1, "here");
            if round == 0 {
                client.write(GET.as_bytes()).await;
            }
        }
    }
    origin.await.unwrap();
    assert_eq!(rig.cut().await.sealed.exchanges, 2 * count as u64);
}

/// Returns how many connections this process may have four ends of, up to 1,000.
fn files_allowed() -> usize {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};

        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).unwrap();
        limit.current.map_or(1000, |limit| (limit as usize).saturating_sub(500) / 4).clamp(50, 1000)
    }
    #[cfg(not(target_os = "linux"))]
    50
}

#[tokio::test]
async fn upstream_that_says_nothing_or_stops_is_given_up() {
    let (origins, address) = listener().await;
    let limit = Duration::from_millis(50);
    let rig = Rig::with(&format!("ws://{address}"), |config| config.http_timeout(limit)).await;
    let mut client = send(&rig, GET).await;
    let mut silent = next(&origins).await;
    let (head, body) = whole(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 504 ") && body.contains("did not answer within 50ms"), "{head}{body}");
    silent.rest().await;
    client.write(GET.as_bytes()).await;
    let (_origin, _) = serve(&origins, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nstop").await;
    client.head().await;
    assert_eq!(client.rest().await, b"stop", "then the connection is cut");
    let recording = rig.finish().await;
    let http = recording.kind("http");
    assert_eq!(http[0]["status"], 504);
    assert!(http[1]["error"].as_str().unwrap().contains("no more of the body came"), "{}", http[1]);
}

#[tokio::test]
async fn answers_that_could_be_read_in_two_ways_are_not_passed_on() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "",
    ] {
        let mut client = send(&rig, GET).await;
        serve(&origins, answer).await;
        let (head, body) = whole(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{answer:?}: {head}");
        assert_eq!(body.lines().count(), 1, "{body}");
    }
    let recording = rig.cut().await;
    assert!(recording.kind("http").iter().all(|line| line["status"] == 502 && line["error"].is_string()));
}

#[tokio::test]
async fn credentials_are_injected_and_repaired_once_if_the_request_can_be_repeated() {
    use crate::behind::Numbered;

    let (origins, address) = listener().await;
    let rig =
        Rig::with(&format!("ws://{address}"), |config| config.auth(Auth::new(Numbered::default()))).await;
    let client = async {
        let mut client =
            send(&rig, "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").await;
        let first = whole(&mut client).await;
        let large = "x".repeat(70_000);
        client
            .write(
                format!("POST /y HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n{large}")
                    .as_bytes(),
            )
            .await;
        (first, whole(&mut client).await)
    };
    let origin = async {
        let denied = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
        let (mut origin, head) = serve(&origins, "").await;
        assert_eq!(header(&head, "x-key"), Some("s3cret-1"));
        origin.expect(b"body").await;
        origin.write(denied.as_bytes()).await;
        let (mut origin, head) = serve(&origins, "").await;
        assert_eq!(header(&head, "x-key"), Some("s3cret-2"));
        origin.expect(b"body").await;
        origin.write(ok("welcome s3cret-2", "").as_bytes()).await;
        origin.head().await;
        origin.expect("x".repeat(70_000).as_bytes()).await;
        origin.write(denied.as_bytes()).await;
        origin
    };
    let (((first, text), (second, _)), _origin) = tokio::join!(client, origin);
    assert!(first.starts_with("HTTP/1.1 200 ") && text == "welcome s3cret-2", "{first}");
    assert!(second.starts_with("HTTP/1.1 401 "), "streamed: {second}");
    let recording = rig.cut().await;
    assert!(!recording.text.contains("s3cret"), "{}", recording.text);
    assert_eq!(recording.kind("http")[0]["response_body"]["text"], "welcome ***");
}

#[tokio::test]
async fn sockets_and_pages_share_a_port_and_draining_ends_idle_connections() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut socket, mut engine) = open(&rig, &origins).await;
    let mut client = send(&rig, GET).await;
    let (_origin, _) = serve(&origins, &ok("page", "")).await;
    assert_eq!(whole(&mut client).await.1, "page");
    client.write(request("/app/y", "").as_bytes()).await;
    // The same connection becomes a socket.
    let (mut other, _) = (Raw(_origin.0), ());
    other.accept("", b"").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.write(&frame(0x81, b"1", true)).await;
    other.expect(&frame(0x81, b"1", true)).await;
    socket.write(&frame(0x81, b"2", true)).await;
    engine.expect(&frame(0x81, b"2", true)).await;
    let mut idle = send(&rig, "GET /tunnel HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let (_third, _) = serve(&origins, &ok("", "")).await;
    whole(&mut idle).await;
    let tunnel = send(&rig, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n").await.head().await;
    assert!(tunnel.starts_with("HTTP/1.1 405 "), "{tunnel}");
    drop((socket, client, engine, other));
    let recording = rig.finish().await;
    assert_eq!(idle.rest().await, b"");
    assert_eq!((recording.sealed.connections, recording.sealed.exchanges), (2, 2));
    assert_eq!(recording.lines.last().unwrap()["exchanges"], 2);
}

#[tokio::test]
async fn body_of_a_get_in_chunks_is_not_lost() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let mut client = send(
        &rig,
        "GET /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
    )
    .await;
    let mut origin = next(&origins).await;
    let head = origin.head().await;
    assert_eq!(header(&head, "transfer-encoding"), Some("chunked"), "{head}");
    origin.expect(b"3\r\none\r\n0\r\n\r\n").await;
    origin.write(ok("found", "").as_bytes()).await;
    assert_eq!(whole(&mut client).await.1, "found");
    rig.cut().await;
}

#[tokio::test]
async fn answers_to_upgrades_that_could_be_read_in_two_ways_are_not_passed_on() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    for answer in [
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: gzip\r\n\r\nx",
    ] {
        let mut client = Raw::ask(rig.address, "/app/x", "").await;
        let (_origin, _) = serve(&origins, answer).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{answer}: {head}");
    }
    rig.cut().await;
}

#[tokio::test]
async fn upgrade_with_a_body_is_refused_because_its_bytes_would_be_taken_for_frames() {
    let (_origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let mut client = Raw::ask(rig.address, "/app/x", "Content-Length: 3\r\n").await;
    client.write(b"abc").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    assert_eq!(rig.cut().await.sealed.connections, 0);
}
