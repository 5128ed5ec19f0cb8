//! Recording inside a program, without a proxy.

use qix_proxy::record::{
    EntryKind, FrameText, RecordConnect, Recorder, RecorderConfig, RecordingReader, Side,
};
use qix_transport::{
    CloseCode, Connect, Endpoint, MemoryAcceptor, MemoryConnect, MemorySocket, Message, SocketExt, WsConnect,
};
use tempfile::TempDir;

use crate::support::*;

struct Inside {
    connect: RecordConnect<MemoryConnect>,
    engines: MemoryAcceptor,
    recorder: Recorder,
    _dir: TempDir,
}

type Socket = <RecordConnect<MemoryConnect> as Connect>::Socket;

impl Inside {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(dir.path().join("x.qixrec"), RecorderConfig::default()).unwrap();
        let (connect, engines) = MemoryConnect::new();
        let connect = RecordConnect::new(connect, recorder.clone()).url("/app/x?qlikTicket=s3cret");
        Self { connect, engines, recorder, _dir: dir }
    }

    async fn open(&mut self) -> (Socket, MemorySocket) {
        (bounded(self.connect.connect()).await.unwrap(), bounded(self.engines.accept()).await.unwrap())
    }

    async fn finish(self) -> Vec<EntryKind> {
        let path = self.recorder.path().to_owned();
        bounded(self.recorder.seal()).await;
        RecordingReader::open(path).unwrap().map(|entry| entry.unwrap().kind).collect()
    }
}

#[tokio::test]
async fn texts_and_binaries_are_recorded_in_their_order() {
    let mut inside = Inside::new();
    let (mut client, mut engine) = inside.open().await;
    client.send_text("one").await.unwrap();
    engine.receive().await.unwrap();
    engine.send_text("two").await.unwrap();
    engine.send_binary(b"\xff".as_slice().into()).unwrap();
    engine.flush().await.unwrap();
    assert_eq!(client.receive().await.unwrap(), Message::Text("two".into()));
    assert_eq!(client.receive().await.unwrap(), Message::Binary(b"\xff".as_slice().into()));
    let password = r#"{"method":"OpenDoc","params":["a","s3cret","s3cret"]}"#;
    client.send_text(password).await.unwrap();
    assert_eq!(engine.receive().await.unwrap(), Message::Text(password.into()), "sent as it is");
    drop(client);

    let kinds = inside.finish().await;
    let EntryKind::Open(opening) = &kinds[0] else { panic!("{kinds:?}") };
    assert_eq!((opening.status, &*opening.url), (101, "/app/x?qlikTicket=***"));
    let frames: Vec<_> = kinds[1..4]
        .iter()
        .map(|kind| match kind {
            EntryKind::Frame { from, text } => (*from, text.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let text = |text: &'static str| FrameText::Text(text.into());
    let binary = FrameText::Binary(b"\xff".as_slice().into());
    assert_eq!(frames, [(Side::Client, text("one")), (Side::Engine, text("two")), (Side::Engine, binary)]);
    assert!(!format!("{kinds:?}").contains("s3cret"));
    let EntryKind::Close(closing) = &kinds[5] else { panic!("{kinds:?}") };
    assert_eq!((closing.by, closing.clean), (Some(Side::Client), false));
}

#[tokio::test]
async fn closes_are_recorded_with_code_reason_and_whose_they_were() {
    let mut inside = Inside::new();
    let (mut client, mut engine) = inside.open().await;
    let (closed, _) = tokio::join!(engine.close(CloseCode::new(4204), "no app"), client.receive());
    assert_eq!(closed.code.get(), 4204);
    let (mut client, mut engine) = inside.open().await;
    tokio::join!(client.close(CloseCode::GOING_AWAY, "bye"), async { engine.receive().await.unwrap_err() });
    let (mut client, engine) = inside.open().await;
    drop(engine);
    assert_eq!(client.receive().await.unwrap_err().code, CloseCode::ABNORMAL);
    // Whoever does not wait for the answer has said goodbye all the same.
    let (mut client, _engine) = inside.open().await;
    let unanswered =
        tokio::time::timeout(std::time::Duration::ZERO, client.close(CloseCode::NORMAL, "")).await;
    assert!(unanswered.is_err());
    drop(client);

    let kinds = inside.finish().await;
    let closings: Vec<_> = kinds
        .into_iter()
        .filter_map(|kind| match kind {
            EntryKind::Close(closing) => {
                Some((closing.by.unwrap(), closing.code, closing.reason.to_string(), closing.clean))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        closings,
        [
            (Side::Engine, Some(4204), "no app".to_owned(), true),
            (Side::Client, Some(1001), "bye".to_owned(), true),
            (Side::Engine, None, String::new(), false),
            (Side::Client, Some(1000), String::new(), true),
        ]
    );
}

#[tokio::test]
async fn connections_that_do_not_come_about_are_recorded() {
    let (engines, address) = listener().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let recorder = Recorder::create(&path, RecorderConfig::default()).unwrap();
    let endpoint = Endpoint::parse(&format!("ws://{address}/app/x")).unwrap();
    let connect = RecordConnect::new(WsConnect::builder(endpoint).build().unwrap(), recorder.clone());
    let engine = async {
        let mut engine = next(&engines).await;
        engine.head().await;
        engine.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: 1\r\n\r\nno").await;
        engine
    };
    let (refused, _engine) = tokio::join!(connect.connect(), engine);
    refused.unwrap_err();
    drop(engines);
    bounded(connect.connect()).await.unwrap_err();
    assert_eq!(bounded(recorder.seal()).await.refused, 2);
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[1]["status"], &lines[1]["body"]), (&403.into(), &"no".into()));
    assert_eq!(lines[1]["response"][1], serde_json::json!(["x-why", "1"]));
    assert_eq!(lines[2]["status"], 502);
    assert!(lines[2]["error"].as_str().unwrap().contains("cannot open a connection"), "{text}");
}

#[tokio::test]
async fn full_queue_makes_the_program_wait_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let mut config = RecorderConfig::default();
    config.queue = 1;
    let recorder = Recorder::create(&path, config).unwrap();
    let (connect, mut engines) = MemoryConnect::new();
    let connect = RecordConnect::new(connect, recorder.clone());
    let mut client = connect.connect().await.unwrap();
    let mut engine = engines.accept().await.unwrap();
    let echo = tokio::spawn(async move {
        while let Ok(Message::Text(text)) = engine.receive().await {
            engine.send_text(text).await.unwrap();
        }
    });
    for number in 0..200 {
        let text = format!("{number}:{}", "x".repeat(5000));
        bounded(client.send_text(text.clone())).await.unwrap();
        assert_eq!(bounded(client.receive()).await.unwrap(), Message::Text(text.into()));
    }
    bounded(client.close(CloseCode::NORMAL, "")).await;
    bounded(echo).await.unwrap();
    assert_eq!(bounded(recorder.seal()).await.frames, 400);
}
