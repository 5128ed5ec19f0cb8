//! `record --metrics`.

use std::net::SocketAddr;

use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

/// Asks once, and returns status, head and body.
pub(crate) async fn get(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = bounded(TcpStream::connect(address)).await.unwrap();
    bounded(stream.write_all(request.as_bytes())).await.unwrap();
    let mut answer = String::new();
    bounded(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
}

/// Starts a recorder with metrics on a free port.
pub(crate) async fn start(upstream: &str, out: &str) -> (Server, SocketAddr) {
    let args = ["record", "--upstream", upstream, "--listen", "127.0.0.1:0", "--out", out];
    let mut server = Server::start(&[&args[..], &["--metrics", "127.0.0.1:0"]].concat()).await;
    let line = server.next_line().await;
    let address = line.strip_prefix("metrics at http://").unwrap().strip_suffix("/metrics").unwrap();
    (server, address.parse().unwrap())
}

/// Asks until a line is there.
pub(crate) async fn wait_for(address: SocketAddr, line: &str) -> String {
    bounded(async {
        loop {
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let (status, _, body) = get(address, request).await;
            assert_eq!(status, 200);
            if body.lines().any(|found| found == line) {
                return body;
            }
        }
    })
    .await
}

#[tokio::test]
async fn metrics_count_connections_bytes_and_calls_by_method_and_code() {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let (server, address) = start(&engine.base_url(), path.to_str().unwrap()).await;
    let mut client = RawClient::connect(server.address).await;
    client.call(1, -1, "OpenDoc", json!(["Sales.qvf"])).await;
    client.call(2, 1, "GetAppLayout", json!([])).await;
    client.call(3, 1, "NoSuchMethod", json!([])).await;
    let body = wait_for(address, "qix_proxy_calls_total{method=\"other\"} 1").await;
    for line in [
        "# TYPE qix_proxy_call_duration_seconds histogram",
        "qix_proxy_calls_total{method=\"OpenDoc\"} 1",
        "qix_proxy_calls_total{method=\"GetAppLayout\"} 1",
        "qix_proxy_call_duration_seconds_count{method=\"OpenDoc\"} 1",
        "qix_proxy_call_duration_seconds_bucket{method=\"OpenDoc\",le=\"+Inf\"} 1",
        "qix_proxy_call_failures_total{place=\"call\",code=\"-32601\",name=\"JSON_RPC_METHOD_NOT_FOUND\"} 1",
        "qix_proxy_connections_open 1",
        "qix_proxy_connections_total 1",
        "qix_proxy_messages_total{from=\"client\"} 3",
        "qix_proxy_missing_messages_total 0",
        "qix_proxy_recording_files_total 1",
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
    client.close().await;
    wait_for(address, "qix_proxy_connections_open 0").await;
    assert_eq!(server.terminate().await.code, 0);
}

#[tokio::test]
async fn metrics_asked_for_by_another_host_name_or_origin_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let (_server, address) = start("ws://127.0.0.1:1", path.to_str().unwrap()).await;
    for (request, expected) in [
        ("GET /metrics HTTP/1.1\r\nHost: evil.example", 421),
        ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example:80", 421),
        ("GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost", 421),
        ("GET /metrics HTTP/1.0", 421),
        ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example", 403),
        ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: null", 403),
        ("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0", 405),
        ("OPTIONS /metrics HTTP/1.1\r\nHost: localhost", 405),
        ("GET /else HTTP/1.1\r\nHost: localhost", 404),
        ("GET / HTTP/1.1\r\nHost: localhost", 200),
        ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1", 200),
    ] {
        let (status, head, body) = get(address, &format!("{request}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(status, expected, "{request}: {body}");
        assert!(!head.contains("access-control"), "{head}");
        assert_eq!(body.contains("qix_proxy_"), expected == 200 && request.contains("/metrics"), "{body}");
        assert!(body.ends_with('\n'), "{body:?}");
    }
}
