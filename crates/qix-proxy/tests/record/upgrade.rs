//! How upgrades come about, and how they do not.

use std::net::SocketAddr;

use crate::support::*;

#[tokio::test]
async fn path_headers_and_first_bytes_reach_the_other_side() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}/vp/"), |config| {
        config.headers(qix_transport::Headers::new().header("X-Added", "added value").unwrap())
    })
    .await;
    let greeting = frame(0x81, br#"{"method":"OnConnected"}"#, false);
    let client = async {
        let headers = "Origin: http://localhost:9077\r\nCookie: a=b\r\nUser-Agent: test\r\nX-Added: mine\r\n\
                       Sec-WebSocket-Protocol: one, two\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
        let mut client =
            Raw::ask(rig.address, "/app/a%2Fb/ttl/5?reloadUri=http%3A%2F%2Fh%2F&", headers).await;
        let head = client.head().await;
        client.expect(&greeting).await;
        client.write(&frame(0x81, b"1", true)).await;
        (client, head)
    };
    let engine = async {
        let mut engine = next(&engines).await;
        let more =
            "Sec-WebSocket-Protocol: two\r\nSet-Cookie: session=1\r\nSet-Cookie: other=2\r\nX-Trace: 7\r\n";
        let head = engine.accept(more, &greeting).await;
        engine.expect(&frame(0x81, b"1", true)).await;
        (engine, head)
    };
    let ((_client, answer), (_engine, asked)) = tokio::join!(client, engine);

    assert!(
        asked.starts_with("GET /vp/app/a%2Fb/ttl/5?reloadUri=http%3A%2F%2Fh%2F& HTTP/1.1\r\n"),
        "{asked}"
    );
    for (name, value) in [
        ("host", address.to_string()),
        ("origin", format!("http://{address}")),
        ("cookie", "a=b".to_owned()),
        ("user-agent", "test".to_owned()),
        ("x-added", "added value".to_owned()),
        ("sec-websocket-protocol", "one, two".to_owned()),
    ] {
        assert_eq!(header(&asked, name), Some(&*value), "{name}");
    }
    assert_ne!(header(&asked, "sec-websocket-key"), Some(KEY));
    for name in ["sec-websocket-extensions", "x-forwarded-for", "forwarded", "via"] {
        assert_eq!(header(&asked, name), None, "{name}");
    }
    assert!(asked.contains("\r\nUser-Agent: "), "spelt as the client does: {asked}");

    assert!(answer.starts_with("HTTP/1.1 101 "));
    assert_eq!(header(&answer, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(header(&answer, "sec-websocket-protocol"), Some("two"));
    assert_eq!(header(&answer, "x-trace"), Some("7"));
    assert_eq!(answer.matches("Set-Cookie: ").count(), 2, "{answer}");

    let recording = rig.cut().await;
    let open = recording.kind("open")[0];
    assert_eq!(open["url"], "/app/a%2Fb/ttl/5?reloadUri=http%3A%2F%2Fh%2F&");
    assert_eq!(open["status"], 101);
    assert_eq!(recording.frames(1).len(), 2);
}

#[tokio::test]
async fn refusals_are_mirrored_with_status_headers_and_body() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let large = "x".repeat(100_000);
    for (status, headers, body) in [
        ("401 Unauthorized", "WWW-Authenticate: Negotiate\r\n", "who are you?"),
        ("403 Forbidden", "X-Qlik: 1\r\n", ""),
        ("302 Found", "Location: https://h/form/?targetId=1\r\n", "<html>moved</html>"),
        ("503 Service Unavailable", "Retry-After: 5\r\n", &*large),
    ] {
        let client = async {
            let mut client = Raw::ask(rig.address, "/app/x", "").await;
            let head = client.head().await;
            client.expect(body.as_bytes()).await;
            head
        };
        let engine = async {
            let mut engine = next(&engines).await;
            engine.head().await;
            let length = body.len();
            engine
                .write(
                    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
                        .as_bytes(),
                )
                .await;
            engine
        };
        let (head, _engine) = tokio::join!(client, engine);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert!(head.contains(headers), "{head}");
    }
    let recording = rig.finish().await;
    let refused = recording.kind("refused");
    let statuses: Vec<_> = refused.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [401, 403, 302, 503]);
    assert_eq!(refused[0]["body"], "who are you?");
    assert_eq!(refused[3]["body"].as_str().unwrap().len(), 4096);
    assert!(refused[1].get("body").is_none() && refused[1].get("conn").is_none());
    assert_eq!((recording.sealed.refused, recording.sealed.connections), (4, 0));
}

#[tokio::test]
async fn login_in_several_requests_stays_on_one_upstream_connection() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "").await;
        for step in ["1", "2"] {
            assert!(client.head().await.starts_with("HTTP/1.1 401"));
            client.write(request("/app/x", &format!("Authorization: Negotiate {step}\r\n")).as_bytes()).await;
        }
        assert!(client.head().await.starts_with("HTTP/1.1 101"));
        client
    };
    let engine = async {
        let mut engine = next(&engines).await;
        for _ in 0..2 {
            engine.head().await;
            engine.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
        }
        let request = engine.accept("", b"").await;
        assert_eq!(header(&request, "authorization"), Some("Negotiate 2"));
        engine
    };
    let _both = tokio::join!(client, engine);
    rig.cut().await;
}

/// Returns what a client is told whose upgrade the upstream answers with `answer`.
async fn told(answer: impl Fn(&str) -> String) -> String {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "").await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{head}");
        let mut body = vec![0; header(&head, "content-length").unwrap().parse().unwrap()];
        bounded(tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut body)).await.unwrap();
        String::from_utf8(body).unwrap()
    };
    let engine = async {
        let mut engine = next(&engines).await;
        let request = engine.head().await;
        engine.write(answer(&request).as_bytes()).await;
    };
    let (body, ()) = tokio::join!(client, engine);
    let recording = rig.finish().await;
    let refused = recording.kind("refused")[0];
    assert_eq!(refused["status"], 502);
    assert_eq!(refused["error"], body.trim_end());
    body
}

#[tokio::test]
async fn upstreams_that_break_the_rules_are_told_from_engines() {
    let extension =
        told(|request| format!("{}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", switching(request)));
    assert!(extension.await.contains("permessage-deflate"));
    let accept = told(|_| {
        "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
            .to_owned()
    });
    assert!(accept.await.contains("Sec-WebSocket-Accept"));
    let garbage = told(|_| "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned()).await;
    assert!(garbage.contains("not answer the upgrade as an HTTP server"), "{garbage}");
    let silence = told(|_| String::new()).await;
    assert!(silence.contains("not answer the upgrade as an HTTP server"), "{silence}");
}

#[tokio::test]
async fn unreachable_upstream_is_a_sentence_and_the_proxy_goes_on() {
    let (engines, address) = listener().await;
    drop(engines);
    let rig = Rig::new(address).await;
    for _ in 0..2 {
        let mut client = Raw::ask(rig.address, "/app/x", "Connection: close\r\n").await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(answer.contains("text/plain") && answer.contains("nothing listens there"), "{answer}");
    }
    let engines = tokio::net::TcpListener::bind(address).await.unwrap();
    open(&rig, &engines).await;
    let recording = rig.cut().await;
    assert_eq!(recording.sealed.refused, 2);
    assert_eq!(recording.sealed.connections, 1);
}

async fn answer_to(rig: SocketAddr, bytes: &[u8]) -> String {
    let mut client = Raw(tokio::net::TcpStream::connect(rig).await.unwrap());
    client.write(bytes).await;
    String::from_utf8_lossy(&client.rest().await).into_owned()
}

#[tokio::test]
async fn broken_upgrades_are_answered_and_garbage_harms_nobody() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let old = request("/", "Connection: close\r\n").replace("Version: 13", "Version: 8");
    assert!(answer_to(rig.address, old.as_bytes()).await.starts_with("HTTP/1.1 426 "));
    let keyless = request("/", "Connection: close\r\n").replace("Sec-WebSocket-Key", "X-Key");
    assert!(answer_to(rig.address, keyless.as_bytes()).await.starts_with("HTTP/1.1 400 "));
    answer_to(rig.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
    answer_to(rig.address, &[0; 2000]).await;
    client.write(&frame(0x81, b"1", true)).await;
    engine.expect(&frame(0x81, b"1", true)).await;
    let recording = rig.cut().await;
    assert_eq!((recording.sealed.connections, recording.sealed.refused), (1, 0));
}
