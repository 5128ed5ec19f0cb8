//! Bodies of plain HTTP in the recording: what is kept, and that no secret is.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use qix_proxy::{
    record::{EntryKind, FileSettings, FrameText, RecordingReader, Redaction, check, repair},
    scrub,
};
use qix_transport::Headers;
use tokio::io::AsyncReadExt;

use crate::{
    http::{send, serve, whole},
    support::*,
};

/// Sends a body one way and one the other, and returns the recording.
async fn exchanged(
    rig: Rig,
    origins: &tokio::net::TcpListener,
    (asked, up): (&str, &[u8]),
    (answered, down): (&str, &[u8]),
) -> Recording {
    let client = async {
        let head =
            format!("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{asked}\r\n", up.len());
        let mut client = send(&rig, &head).await;
        client.write(up).await;
        client.head().await;
        client.expect(down).await;
    };
    let origin = async {
        let (mut origin, _) = serve(origins, "").await;
        bounded(origin.0.read_exact(&mut vec![0; up.len()])).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{answered}\r\n", down.len());
        origin.write(&[head.as_bytes(), down].concat()).await;
        origin
    };
    let ((), _origin) = tokio::join!(client, origin);
    rig.cut().await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn bodies_are_json_text_or_base64_and_cut_at_the_limit() {
    let (origins, address) = listener().await;
    for (up, down, expected) in [
        (
            &b"{\"a\": [1,2]}"[..],
            &b"\xff\x00"[..],
            [r#""bytes":12,"json":{"a": [1,2]}"#, r#""bytes":2,"base64":"/wA=""#],
        ),
        (b"{\n}", "a\"bé".as_bytes(), [r#""bytes":3,"text":"{\n}""#, r#""bytes":5,"text":"a\"bé""#]),
        (b"0123456789abcdefXYZ", b"", [r#""bytes":19,"cut":true,"text":"0123456789abcdef""#, ""]),
    ] {
        let rig = Rig::with(&format!("ws://{address}"), |config| config.max_body(16)).await;
        let recording = exchanged(rig, &origins, ("", up), ("", down)).await;
        let line = recording.text.lines().find(|line| line.contains(r#""kind":"http""#)).unwrap();
        assert!(line.contains(&format!("\"request_body\":{{{}}}", expected[0])), "{line}");
        match expected[1] {
            "" => assert!(!line.contains("response_body"), "{line}"),
            body => assert!(line.contains(&format!("\"response_body\":{{{body}}}")), "{line}"),
        }
    }
}

#[tokio::test]
async fn exchanges_are_read_back_and_survive_repair() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.qixrec");
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let down = gzip(b"{\"shown\":1}");
    let recording =
        exchanged(rig, &origins, ("X-A: b\r\n", b"up"), ("Content-Encoding: gzip\r\n", &down)).await;
    let cut = recording.text.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n{\"seq\"";
    std::fs::write(&path, cut).unwrap();
    let to = dir.path().join("b.qixrec");
    assert_eq!(repair(&path, &to).unwrap().exchanges, 1);
    assert!(check(&to).unwrap().is_whole());
    assert!(std::fs::read_to_string(&to).unwrap().contains(r#""frames":0,"exchanges":1}"#));
    let kinds: Vec<_> = RecordingReader::open(&to).unwrap().map(|entry| entry.unwrap().kind).collect();
    let EntryKind::Http(exchange) = &kinds[0] else { panic!("{kinds:?}") };
    assert_eq!((&*exchange.method, &*exchange.url, exchange.status), ("POST", "/x", Some(200)));
    assert!(exchange.request.contains(&("x-a".to_owned(), "b".to_owned())));
    assert_eq!(exchange.request_body.content, Some(FrameText::Text("up".into())));
    assert_eq!(exchange.response_body.content, Some(FrameText::Text("{\"shown\":1}".into())));
    assert_eq!(exchange.response_body.decoded.as_deref(), Some("gzip"));
    assert_eq!(exchange.response_body.bytes, down.len() as u64);
    assert!(exchange.wait.unwrap() <= exchange.took && exchange.error.is_none());
}

#[tokio::test]
async fn no_secret_in_a_body_is_recorded_and_all_of_them_are_found_later_where_nothing_was_redacted() {
    const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJUT1AtczNjcmV0In0.VE9QLXMzY3JldA";
    let form = "application/x-www-form-urlencoded";
    let login = r#"<form><input name="user" value="ada"><input type="hidden" name="csrf_token" value="TOP-s3cret"></form>"#;
    let cases: [(&str, Vec<u8>, &str, Vec<u8>); 6] = [
        (
            "application/json",
            br#"{"client_id":"a","client_secret":"TOP-s3cret"}"#.into(),
            "application/json",
            br#"{"access_token":"TOP-s3cret"}"#.into(),
        ),
        (form, b"user=ada&pwd=TOP-s3cret&x=1".into(), "text/html", login.into()),
        (
            form,
            b"RelayState=https%3A%2F%2Fh%2F%3FqlikTicket%3DTOP-s3cret&SAMLResponse=TOP-s3cret".into(),
            "text/plain",
            format!("see {JWT}").into(),
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nTOP-s3cret\r\n--b--\r\n".into(),
            "application/octet-stream",
            [&b"\xff\x00"[..], JWT.as_bytes(), b"\xfe"].concat(),
        ),
        (
            "application/json",
            br#"{"Ticket":"TOP-s3cret","cut":"#.into(),
            "application/json; charset=utf-8",
            gzip(br#"{"UserDirectory":"TOP-s3cret","Ticket":"TOP-s3cret"}"#),
        ),
        (
            "text/plain",
            b"Authorization: Bearer TOP-s3cret".into(),
            "text/html",
            b"we got TOP-s3cret-of-ours".into(),
        ),
    ];
    let (origins, address) = listener().await;
    let mut found_later = 0;
    for (asked, up, answered, down) in &cases {
        let zip = if down.starts_with(&[0x1f, 0x8b]) { "Content-Encoding: gzip\r\n" } else { "" };
        for redact in [true, false] {
            let rig = Rig::with(&format!("ws://{address}"), |config| {
                let config = config.headers(Headers::new().header("X-Own", "TOP-s3cret-of-ours").unwrap());
                if redact { config } else { config.redaction(Redaction::off()) }
            })
            .await;
            let recording = exchanged(
                rig,
                &origins,
                (&format!("Content-Type: {asked}\r\n"), up),
                (&format!("Content-Type: {answered}\r\n{zip}"), down),
            )
            .await;
            let dir = tempfile::tempdir().unwrap();
            let (path, copy) = (dir.path().join("a.qixrec"), dir.path().join("b.qixrec"));
            std::fs::write(&path, &recording.text).unwrap();
            let standard = Redaction::standard();
            let found = scrub::check(&path, &standard).unwrap().places;
            let line = recording.kind("http")[0].to_string();
            if redact {
                assert!(!is_leaked(&line), "{line}");
                assert_eq!(found, [], "{line}");
                assert!(!recording.kind("http")[0]["redacted"].as_array().unwrap().is_empty());
            } else {
                assert!(!line.contains("of-ours"), "our own secrets never get in: {line}");
                found_later += found.len();
                assert!(!found.is_empty(), "{line}");
                scrub::scrub(&path, &copy, &standard, None).unwrap();
                let text = std::fs::read_to_string(&copy).unwrap();
                assert!(!is_leaked(&text), "{text}");
                assert_eq!(scrub::check(&copy, &standard).unwrap().places, []);
            }
        }
    }
    assert!(found_later >= 11, "{found_later}");
}

/// Also where a body is base64.
fn is_leaked(text: &str) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let decoded = text.split('"').filter_map(|part| STANDARD.decode(part).ok());
    text.contains("s3cret")
        || text.contains("eyJzdWIi")
        || decoded.into_iter().any(|bytes| String::from_utf8_lossy(&bytes).contains("eyJzdWIi"))
}

#[tokio::test]
async fn exchanges_are_in_the_file_of_no_connection() {
    let (origins, address) = listener().await;
    let files = FileSettings::default().per_connection(true);
    let rig = Rig::with(&format!("ws://{address}"), |config| config.files(files)).await;
    let recording = exchanged(rig, &origins, ("", b""), ("", b"down")).await;
    assert_eq!((recording.kind("http").len(), recording.sealed.files), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_decoded_is_counted_and_not_kept() {
    let (origins, address) = listener().await;
    for (encoding, body) in [("br", &b"whatever"[..]), ("gzip", b"no gzip"), ("gzip, gzip", b"x")] {
        let recording = exchanged(
            Rig::new(address).await,
            &origins,
            ("", b""),
            (&format!("Content-Encoding: {encoding}\r\n"), body),
        )
        .await;
        let found = &recording.kind("http")[0]["response_body"];
        assert_eq!(*found, serde_json::json!({"bytes": body.len()}), "{encoding}");
    }
}

#[tokio::test]
async fn replay_ignores_exchanges() {
    use qix_proxy::replay::Tapes;

    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &origins).await;
    let mut page = send(&rig, "GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    serve(&origins, &crate::http::ok("{\"id\":1}", "")).await;
    whole(&mut page).await;
    client
        .write(&frame(0x81, b"{\"id\":1,\"handle\":-1,\"method\":\"EngineVersion\",\"params\":[]}", true))
        .await;
    engine.0.read_u8().await.unwrap();
    let recording = rig.cut().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.qixrec");
    std::fs::write(&path, &recording.text).unwrap();
    assert_eq!(recording.sealed.exchanges, 1);
    let (tapes, report) = Tapes::open(&path).unwrap();
    assert_eq!((tapes.connections(), report.left_out.len()), (1, 0), "{:?}", report.left_out);
}
