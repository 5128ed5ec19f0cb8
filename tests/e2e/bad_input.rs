//! Input that no client or engine should send, sent to the recorder's and the replay's ports.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use qix_client::{
    ErrorKind,
    transport::{ConnectError, Endpoint, Limits, WsConnect},
};
use qix_proxy::record::{EntryKind, FrameText, Side};
use qix_tests::fake_engine::Refusal;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, client_async,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::support::*;

const OPEN: &str = r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"OpenDoc","params":["Sales.qvf"]}"#;

/// A recording of one client that opens the app and evaluates `1+1`.
async fn small() -> Recording {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    two(&recorder.url("Sales.qvf")).await;
    recorder.finish().await
}

/// Opens the app and evaluates `1+1`.
async fn two(url: &str) {
    let session = session(url).await;
    assert_eq!(evaluate(&sales(&session).await, "1+1").await.unwrap(), "2");
    bounded(session.close()).await;
}

/// A client that can send any message.
async fn any(url: &str) -> WebSocketStream<TcpStream> {
    let endpoint = Endpoint::parse(url).unwrap();
    let stream = bounded(TcpStream::connect((endpoint.host(), endpoint.port()))).await.unwrap();
    bounded(client_async(url, stream)).await.unwrap().0
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Value {
    match bounded(socket.next()).await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn garbage_and_plain_http_are_turned_away_and_others_go_on() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let replay = small().await.replay().await;
    for (address, url, is_replay) in [
        (recorder.address, recorder.url("Sales.qvf"), false),
        (replay.address, replay.url("Sales.qvf"), true),
    ] {
        let bystander = session(&url).await;
        let doc = sales(&bystander).await;
        for garbage in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            b"\x00\xff\x00\xff\r\n\r\n",
            b"{\"jsonrpc\":\"2.0\"}\r\n\r\n",
            b"GET",
            b"",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let answer = exchange(address, garbage).await;
            assert!(!answer.starts_with("HTTP/1.1 101"), "{garbage:?}: {answer}");
        }
        for request in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST /app/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
        ] {
            let answer = exchange(address, request.as_bytes()).await;
            if is_replay {
                let says = "replays recorded WebSocket traffic";
                assert!(answer.starts_with("HTTP/1.1 501 ") && answer.contains(says), "{answer}");
            } else {
                // It is passed on to an engine that speaks WebSocket only, unless the client has left before.
                assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 502 "), "{answer}");
            }
        }
        assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
        bounded(bystander.close()).await;
    }
    assert_eq!(recorder.finish().await.sealed.connections, 1);
    assert_eq!(replay.finish_without_miss().await.connections, 1);
}

#[tokio::test]
async fn upgrade_without_key_or_of_another_version_is_refused() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let replay = small().await.replay().await;
    let request = |more: &str| {
        format!("GET /app/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{more}\r\n")
    };
    for (more, status) in [
        ("Sec-WebSocket-Version: 13\r\n", 400),
        ("Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
    ] {
        for address in [recorder.address, replay.address] {
            let answer = exchange(address, request(more).as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }
    assert_eq!(recorder.finish().await.sealed.connections, 0);
    assert_eq!(replay.finish_without_miss().await.connections, 0);
    assert!(engine.upgrades().is_empty());
}

#[tokio::test]
async fn binary_messages_of_client_and_engine_are_recorded_and_replayed() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let evaluate = r#"{"id":2,"handle":1,"method":"Evaluate","params":["Binary()"]}"#;
    let talk = async |url: String| {
        let mut socket = any(&url).await;
        assert_eq!(next(&mut socket).await["method"], "OnConnected");
        bounded(socket.send(Message::binary(OPEN))).await.unwrap();
        assert_eq!(next(&mut socket).await["result"]["qReturn"]["qHandle"], 1);
        bounded(socket.send(Message::text(evaluate))).await.unwrap();
        match bounded(socket.next()).await {
            Some(Ok(Message::Binary(bytes))) => assert_eq!(bytes, b"\x00\x01binary"[..]),
            other => panic!("{other:?}"),
        }
        assert_eq!(next(&mut socket).await["result"]["qReturn"], "ok");
        bounded(socket.close(None)).await.unwrap();
    };
    talk(recorder.url("Sales.qvf")).await;
    let recording = recorder.finish().await;
    let client = recording.said(1, Side::Client);
    assert_eq!(client, [FrameText::Binary(OPEN.into()), FrameText::Text(evaluate.into())]);
    assert_eq!(recording.said(1, Side::Engine)[2], FrameText::Binary(b"\x00\x01binary"[..].into()));
    let replay = recording.replay().await;
    talk(replay.url("Sales.qvf")).await;
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn text_that_is_no_json_is_recorded_and_its_answer_replayed() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let talk = async |url: String| {
        let mut raw = Raw::greeted(&url).await;
        let mut answers = Vec::new();
        for text in ["this is no JSON – at all", "[1,2,3]", "{\"id\":1,", "null"] {
            raw.say(text).await;
            answers.push(raw.text().await);
        }
        answers.push(
            raw.ask(json!({"id": 5, "handle": -1, "method": "OSName", "params": []}))
                .await
                .to_string()
                .into(),
        );
        raw.bye().await;
        answers
    };
    let answers = talk(recorder.url("Sales.qvf")).await;
    let recording = recorder.finish().await;
    recording.assert_same_as(&engine.log());
    let replay = recording.replay().await;
    assert_eq!(talk(replay.url("Sales.qvf")).await, answers);
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn message_of_64_mebibytes_in_each_direction_is_recorded_and_replayed() {
    const SIZE: usize = 64 << 20;
    let question =
        format!(r#"{{"jsonrpc":"2.0","id":3,"handle":-1,"method":"M","params":["{}"]}}"#, "y".repeat(SIZE));
    let answer = format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{"qReturn":"{}"}}}}"#, "x".repeat(SIZE));
    let (question, answer) = (Bytes::from(question), Bytes::from(answer));
    // An engine without JSON, because this is about size.
    let listener = bounded(TcpListener::bind(ANY_PORT)).await.unwrap();
    let upstream = format!("ws://{}", listener.local_addr().unwrap());
    let (asked, reply) = (question.clone(), answer.clone());
    let engine = tokio::spawn(async move {
        let limit = Some(SIZE * 2);
        let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async_with_config(stream, Some(config)).await.unwrap();
        let heard = socket.next().await.unwrap().unwrap().into_data();
        assert!(heard == asked, "the engine has heard other {} bytes", heard.len());
        socket.send(Message::Text(reply.try_into().unwrap())).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let recorder = Recorder::with(&upstream, |config| config).await;
    let ask = async |address| {
        let mut raw = Raw::connect(&format!("ws://{address}/")).await;
        raw.say(question.clone()).await;
        let heard = raw.text().await;
        raw.bye().await;
        assert!(heard == answer, "the client has heard other {} bytes", heard.len());
    };
    ask(recorder.address).await;
    bounded(engine).await.unwrap();
    let (sealed, _dir) = recorder.seal().await;
    assert_eq!(sealed.frames, 2);
    let (replay, _) = Replay::open(&sealed.path).await;
    // No miss means that the question was recorded as it was asked.
    ask(replay.address).await;
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn message_over_the_recorders_limit_is_forwarded_and_only_its_size_recorded() {
    let engine = engine().await;
    let recorder = Recorder::with(&engine.base_url(), |config| config.max_message(10_000)).await;
    let session_ = session(&recorder.url("Sales.qvf")).await;
    let doc = sales(&session_).await;
    assert_eq!(evaluate(&doc, "Big(20000)").await.unwrap().len(), 20_000);
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
    bounded(session_.close()).await;
    let recording = recorder.finish().await;
    let engine_said = recording.said(1, Side::Engine);
    assert!(
        engine_said
            .iter()
            .any(|text| matches!(text, FrameText::Omitted(size) if (20_000..21_000).contains(size))),
        "{engine_said:?}"
    );
    let (replay, report) = Replay::open(&recording.path).await;
    assert_eq!((report.unanswered, report.left_out.len()), (1, 1), "{report:?}");
    two(&replay.url("Sales.qvf")).await;
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn client_that_vanishes_in_the_middle_of_a_frame_disturbs_nobody() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let replay = small().await.replay().await;
    for (address, url) in [
        (recorder.address, recorder.url("Sales.qvf/identity/calm")),
        (replay.address, replay.url("Sales.qvf")),
    ] {
        let bystander = session(&url).await;
        let doc = sales(&bystander).await;
        // Half a header, a header without payload, half a payload, a first fragment without its last.
        for part in [
            &b"\x81"[..],
            b"\x81\xfe\x01",
            b"\x81\xfe\x01\x00\x01\x02\x03\x04",
            b"\x81\x85\x00\x00\x00\x00ab",
            b"\x01\x82\x00\x00\x00\x00{\"",
        ] {
            let mut client = upgraded(address, "/app/Sales.qvf/identity/vanishing").await;
            bounded(client.write_all(part)).await.unwrap();
            drop(client);
            assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
        }
        bounded(bystander.close()).await;
    }
    let recording = recorder.finish().await;
    assert_eq!(recording.sealed.connections, 6);
    for conn in 2..=6 {
        let closing = recording.closing(conn);
        assert_eq!(
            (closing.by, closing.clean, closing.code),
            (Some(Side::Client), false, None),
            "{closing:?}"
        );
        assert!(recording.said(conn, Side::Client).is_empty());
    }
    let cuts: Vec<Value> = std::fs::read_to_string(&recording.path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|entry| entry["kind"] == "close" && entry["cut"].is_array())
        .map(|entry| entry["cut"][1].clone())
        .collect();
    assert!(!cuts.is_empty() && cuts.iter().all(|engine| engine == 0), "only clients broke off: {cuts:?}");
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn frame_that_breaks_the_rules_of_websocket_ends_only_its_connection() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let replay = small().await.replay().await;
    for (address, url) in [
        (recorder.address, recorder.url("Sales.qvf/identity/calm")),
        (replay.address, replay.url("Sales.qvf")),
    ] {
        let bystander = session(&url).await;
        let doc = sales(&bystander).await;
        // Not masked; reserved opcode; reserved bit; continuation of nothing; ping over 125 bytes; text that is not UTF-8.
        for frame in [
            &b"\x81\x02{}"[..],
            b"\x83\x80\x00\x00\x00\x00",
            b"\xc1\x80\x00\x00\x00\x00",
            b"\x80\x80\x00\x00\x00\x00",
            &[&b"\x89\xfe\x00\x7e"[..], &[0; 130]].concat(),
            b"\x81\x82\x00\x00\x00\x00\xff\xff",
        ] {
            let mut client = upgraded(address, "/app/Sales.qvf/identity/odd").await;
            bounded(client.write_all(frame)).await.unwrap();
            // The other side hangs up, with or without a close frame.
            let mut rest = Vec::new();
            _ = bounded(tokio::io::AsyncReadExt::read_to_end(&mut client, &mut rest)).await;
            assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
        }
        bounded(bystander.close()).await;
    }
    assert_eq!(recorder.finish().await.sealed.connections, 7);
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn refusal_of_the_upstream_reaches_the_client_with_status_headers_and_body() {
    let login = "https://login.example.com/?state=s3cret";
    let redirect = Refusal {
        status: 302,
        headers: vec![("Location".to_owned(), login.to_owned())],
        body: "moved to the login page".to_owned(),
    };
    let denied = json!({"errors": [{"code": "HTTP-403", "title": "Access was denied"}]});
    let unknown = json!({"errors": [{"code": "AUTH-1", "title": "Unauthorized"}]});
    for (refusal, hint) in [
        (Refusal::json(401, &unknown), "credentials"),
        (Refusal::json(403, &denied), "access was denied"),
        (redirect, "login page"),
    ] {
        let expected = refusal.clone();
        let engine = engine_with(|config| config.refusal = Some(refusal)).await;
        let recorder = Recorder::start(&engine).await;
        let direct = refused(&connector(&engine.url("Sales.qvf"))).await;
        let error = refused(&connector(&recorder.url("Sales.qvf"))).await;
        assert_eq!(error.kind(), ErrorKind::Connect);
        for error in [&direct, &error] {
            let cause = cause(error);
            assert!(matches!(cause, ConnectError::Upgrade { .. }), "{cause:?}");
            let refusal = cause.refusal().unwrap();
            assert_eq!(
                (refusal.status.as_u16(), &refusal.body[..]),
                (expected.status, expected.body.as_bytes())
            );
            for (name, value) in &expected.headers {
                assert_eq!(refusal.headers[name.as_str()], value.as_str());
            }
            assert!(cause.hint().unwrap().contains(hint), "{:?}", cause.hint());
            assert!(!format!("{error:?} {cause:?} {cause}").contains("s3cret"));
        }
        let recording = recorder.finish().await;
        assert_eq!((recording.sealed.connections, recording.sealed.refused), (0, 1));
        let EntryKind::Refused(opening) = &recording.entries[0].kind else {
            panic!("{:?}", recording.entries)
        };
        assert_eq!((opening.status, opening.url.as_str()), (expected.status, "/app/Sales.qvf"));
        assert!(!std::fs::read_to_string(&recording.path).unwrap().contains("s3cret"));
    }
}

#[tokio::test]
async fn upstream_that_is_not_there_is_told_to_the_client_in_words() {
    let engine = engine().await;
    let url = engine.base_url();
    bounded(engine.shutdown()).await;
    let recorder = Recorder::with(&url, |config| config).await;
    let error = refused(&connector(&recorder.url("Sales.qvf"))).await;
    let refusal = cause(&error).refusal().unwrap();
    assert_eq!(refusal.status, 502);
    assert!(String::from_utf8_lossy(&refusal.body).contains("nothing listens there"), "{:?}", refusal.body);
    assert_eq!(recorder.finish().await.sealed.refused, 1);
}

#[tokio::test]
async fn message_over_the_clients_own_limit_ends_its_session_with_1009() {
    let engine = engine().await;
    let endpoint = Endpoint::parse(&engine.url("Sales.qvf")).unwrap();
    let limits = Limits::default().max_message(50_000).close_timeout(Duration::from_secs(30));
    let connector = WsConnect::builder(endpoint).limits(limits).build().unwrap();
    let session = bounded(qix_client::Session::connect(&connector)).await.unwrap();
    let doc = sales(&session).await;
    assert_eq!(evaluate(&doc, "Big(40000)").await.unwrap().len(), 40_000);
    let error = evaluate(&doc, "Big(60000)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.closing().unwrap().code.get(), 1009, "{error:?}");
}
