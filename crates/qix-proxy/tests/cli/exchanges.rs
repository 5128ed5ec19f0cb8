//! Plain HTTP in what is shown, logged and counted.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    metrics::{get, wait_for},
    support::*,
};

/// Answers each request on a connection of its own.
async fn origin() -> (tokio::task::JoinHandle<()>, String) {
    let origins = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", origins.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        for answer in ["200 OK\r\nContent-Length: 5\r\n\r\nhello", "404 Nope\r\nContent-Length: 0\r\n\r\n"] {
            let (mut stream, _) = origins.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
        }
    });
    (serving, url)
}

#[tokio::test]
async fn plain_http_is_shown_logged_and_counted_by_path_status_and_time_without_its_query() {
    let (serving, upstream) = origin().await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("x.qixrec");
    let args = ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out.to_str().unwrap()];
    let watching = ["--live", "always", "--metrics", "127.0.0.1:0", "--log-format", "json", "--log"];
    let mut server = Server::start(&[&args[..], &watching, &["warn,qix_proxy::calls=info"]].concat()).await;
    let line = server.next_line().await;
    let metrics = line.strip_prefix("metrics at http://").unwrap().strip_suffix("/metrics").unwrap();
    let metrics = metrics.parse().unwrap();
    for path in ["/hub/a.js?qlikTicket=s3cret&secretly=1", "/missing"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut stream = bounded(tokio::net::TcpStream::connect(server.address)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        bounded(stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
    bounded(serving).await.unwrap();
    let body = wait_for(metrics, "qix_proxy_http_exchanges_total{method=\"GET\",status=\"4xx\"} 1").await;
    for line in [
        "qix_proxy_http_exchanges_total{method=\"GET\",status=\"2xx\"} 1",
        "qix_proxy_http_duration_seconds_count{method=\"GET\"} 2",
        "qix_proxy_http_bytes_total{from=\"engine\"} 5",
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
    let (status, ..) = get(metrics, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status, 200);
    let ended = server.terminate().await;
    let shown: Vec<_> =
        ended.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(shown[0][1..4], ["GET", "200", "/hub/a.js"], "{}", ended.stdout);
    assert_eq!(shown[0][5..], ["ms", "5", "B"], "{}", ended.stdout);
    assert_eq!(shown[1][1..4], ["GET", "404", "/missing"], "{}", ended.stdout);
    assert_eq!(shown[1][6..], ["0", "B", "✗", "404", "Not", "Found"], "{}", ended.stdout);
    let logged: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["target"] == "qix_proxy::calls")
        .collect();
    assert_eq!(logged.len(), 2, "{}", ended.stderr);
    let fields = |event: &Value| {
        ["message", "method", "path", "status", "bytes", "error"].map(|name| event[name].clone())
    };
    assert_eq!(
        fields(&logged[0]),
        [json!("exchange"), json!("GET"), json!("/hub/a.js"), json!(200), json!(5), Value::Null]
    );
    assert_eq!(logged[1]["error"], "404 Not Found");
    assert!(logged[0]["latency_ms"].is_f64());
    let all = ended.stdout + &ended.stderr;
    assert!(!all.contains("s3cret") && !all.contains("secretly") && !all.contains('\u{1b}'), "{all}");
}
