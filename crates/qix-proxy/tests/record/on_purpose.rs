//! Faults on purpose, over real sockets: in front of a live engine, in the replay of what was recorded there, and in the replay of a
//! recording that was made without them.

use std::{io, net::SocketAddr};

use futures_util::{SinkExt, StreamExt};
use qix_proxy::{
    FrontTls, ListenOn,
    faults::{FaultRule, FaultRules},
    record::RecordingReader,
    replay::{ReplayConnect, ReplayServer, ReplaySettings, ReplaySummary, Tapes},
};
use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use qix_transport::{self as transport, Connect, Endpoint, SocketExt, TlsSettings, WsConnect};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{Duration, Instant},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, error::ProtocolError},
};

use crate::support::*;

const SEED: u64 = 42;

fn rules(lines: &[&str]) -> FaultRules {
    FaultRules::new(lines.iter().map(|line| line.parse::<FaultRule>().unwrap()).collect(), SEED).unwrap()
}

type Client = WebSocketStream<TcpStream>;

async fn connect(address: SocketAddr) -> Result<Client, Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    Ok(bounded(client_async(format!("ws://{address}/app/Sales.qvf/ttl/0"), stream)).await?.0)
}

/// Asks three things, says goodbye once the last is answered, and returns what happened. The last two are asked at once if the first
/// of them will not be answered in time.
async fn experience(address: SocketAddr, lines: &[&str]) -> Vec<String> {
    let at_once =
        lines.iter().any(|line| ["drop", "reorder", "truncate"].iter().any(|word| line.contains(word)));
    let mut client = match connect(address).await {
        Ok(client) => client,
        Err(Error::Http(answer)) => return vec![format!("refused with {}", answer.status().as_u16())],
        Err(error) => panic!("{error}"),
    };
    let calls = [(1, "EngineVersion", "[]"), (2, "OpenDoc", r#"["Sales.qvf"]"#), (3, "ProductVersion", "[]")];
    let [first, second, third] = calls.map(|(id, method, params)| {
        Message::text(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"handle":-1,"method":"{method}","params":{params}}}"#
        ))
    });
    let mut others = std::collections::VecDeque::from([second, third]);
    client.send(first).await.unwrap();
    let mut seen = Vec::new();
    loop {
        match bounded(client.next()).await {
            Some(Ok(Message::Text(text))) => match serde_json::from_str::<Value>(&text) {
                Ok(value) if value["method"] == "OnConnected" => {}
                Ok(value) => {
                    seen.push(shown(&value));
                    for _ in 0..if at_once { 2 } else { 1 } {
                        if value["method"].is_null()
                            && let Some(text) = others.pop_front()
                        {
                            client.send(text).await.unwrap();
                        }
                    }
                    if value["id"] == 3 {
                        client.close(None).await.unwrap();
                    }
                }
                Err(_) => seen.push("no JSON".to_owned()),
            },
            Some(Ok(Message::Close(Some(frame)))) => {
                if u16::from(frame.code) != 1000 {
                    seen.push(format!("closed with {} {}", u16::from(frame.code), frame.reason));
                }
            }
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                seen.push("gone".to_owned());
            }
            Some(Err(Error::Io(error))) if error.kind() == io::ErrorKind::ConnectionReset => {
                seen.push("gone".to_owned());
            }
            None | Some(Err(Error::ConnectionClosed)) => return seen,
            Some(Err(error)) => panic!("{error}"),
            Some(Ok(_)) => {}
        }
        if seen.last().is_some_and(|last| last == "gone") {
            return seen;
        }
    }
}

/// Writes what is the same whoever says it.
fn shown(value: &Value) -> String {
    let id = &value["id"];
    match (&value["error"], &value["method"]) {
        (Value::Object(error), _) => format!("{id}: error {} {}", error["code"], error["message"]),
        (_, Value::String(method)) => format!("{method} {}", value["params"]["severity"]),
        _ => format!("{id}: {}", value["result"]),
    }
}

async fn recorded(engine: &FakeEngine, lines: &[&str]) -> (Vec<String>, Recording, tempfile::NamedTempFile) {
    let faults = Some(lines).filter(|lines| !lines.is_empty()).map(rules);
    let rig = Rig::with(&engine.base_url(), |mut config| {
        config.faults = faults;
        config
    })
    .await;
    let seen = experience(rig.address, lines).await;
    let recording = rig.finish().await;
    let file = tempfile::Builder::new().suffix(".qixrec").tempfile().unwrap();
    std::fs::write(file.path(), &recording.text).unwrap();
    (seen, recording, file)
}

struct Replay {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<(ReplaySummary, usize)>,
}

impl Replay {
    async fn start(file: &std::path::Path, settings: &ReplaySettings) -> Self {
        let (tapes, _) = Tapes::open(file).unwrap();
        let places = [ListenOn::Tcp(([127, 0, 0, 1], 0).into())];
        let server = ReplayServer::bind_with(tapes, &places, settings).await.unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let mut misses = 0;
            let summary = server.run(async { _ = stopped.await }, |_| misses += 1).await;
            (summary, misses)
        });
        Self { address, stop, running }
    }

    async fn finish(self) -> (ReplaySummary, usize) {
        self.stop.send(()).unwrap();
        bounded(self.running).await.unwrap()
    }
}

/// Replays with rules, or without to a client that was recorded with these.
async fn replayed(
    file: &std::path::Path,
    lines: &[&str],
    recorded_with: &[&str],
) -> (Vec<String>, ReplaySummary) {
    let settings = ReplaySettings::default();
    let settings = if lines.is_empty() { settings } else { settings.faults(rules(lines)) };
    let replay = Replay::start(file, &settings).await;
    let seen = experience(replay.address, &[lines, recorded_with].concat()).await;
    let (summary, misses) = replay.finish().await;
    assert_eq!(misses, 0, "{lines:?}: {seen:?}");
    (seen, summary)
}

#[tokio::test]
async fn every_fault_is_the_same_live_and_replayed_and_in_the_replay_of_its_recording() {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await.unwrap();
    let (plain, _, plain_file) = recorded(&engine, &[]).await;
    let [version, doc, product] = &plain[..] else { panic!("{plain:?}") };
    assert!(doc.starts_with("2: ") && doc.contains("\"Doc\""), "{doc}");
    let trace =
        |seen: &[String]| seen.last().is_some_and(|last| last.contains(r#""code":"QEP-104","traceId":""#));
    for (rule, expected, calls) in [
        ("OpenDoc error=15", &[version, "2: error 15 \"Request aborted\"", product][..], 2),
        ("OpenDoc error=LOCERR_APP_NOT_FOUND", &[version, "2: error 1003 \"App not found\"", product], 2),
        ("OpenDoc drop=answer", &[version, product], 3),
        ("OpenDoc drop=request", &[version, product], 2),
        ("OpenDoc duplicate", &[version, doc, doc, product], 3),
        ("OpenDoc truncate=50%", &[version, "no JSON", product], 3),
        ("OpenDoc reorder", &[version, product, doc], 3),
        ("OpenDoc notify=OnSessionTimedOut", &[version, doc, "OnSessionTimedOut \"fatal\"", product], 3),
        ("OpenDoc notify=OnMy at=before", &[version, "OnMy null", doc, product], 3),
        ("OpenDoc close=4001 reason=idle", &[version, "closed with 4001 idle"], 2),
        ("OpenDoc close=1012 at=before", &[version, "closed with 1012 "], 3),
        ("OpenDoc close=4003 reason=bye at=after", &[version, doc, "closed with 4003 bye"], 3),
        (
            "OpenDoc close=4001 notify=OnSessionTimedOut",
            &[version, "OnSessionTimedOut \"fatal\"", "closed with 4001 "],
            2,
        ),
        ("OpenDoc abort", &[version, "gone"], 2),
        ("OpenDoc abort at=before", &[version, "gone"], 3),
        ("OpenDoc abort at=middle", &[version, "gone"], 3),
        ("OpenDoc abort at=after", &[version, doc, "gone"], 3),
        ("upgrade refuse=503", &["refused with 503"], 0),
        ("upgrade refuse=429 body=busy", &["refused with 429"], 0),
    ] {
        let (seen, recording, file) = recorded(&engine, &[rule]).await;
        // What comes behind an end may have been said before it, or not.
        assert_eq!(seen, expected, "{rule}, live");
        let notes = recording.kind("note");
        assert!(
            notes.len() == 1 && notes[0]["text"].as_str().unwrap().starts_with("fault 1 ("),
            "{rule}: {notes:?}"
        );
        let (mut again, summary) = if calls > 0 {
            replayed(file.path(), &[], &[rule]).await
        } else {
            // Only a refusal was recorded, and no connection, of which a replay needs one.
            (seen.clone(), ReplaySummary::default())
        };
        let mut as_recorded = seen.clone();
        if rule.contains("reorder") {
            // As fast as possible, answers do not overtake each other.
            again.sort();
            as_recorded.sort();
        }
        assert_eq!(again, as_recorded, "{rule}, in the replay of its recording");
        assert_eq!(summary.missed, 0);
        let (other, summary) = replayed(plain_file.path(), &[rule], &[]).await;
        assert_eq!(other, seen, "{rule}, in a replay");
        assert!(summary.answered <= calls && summary.missed == 0, "{rule}: {summary:?}");
    }
    // The body of a close is that of the cloud, and its trace that of the seed.
    let (seen, _, file) = recorded(&engine, &["OpenDoc close=4204 at=after"]).await;
    assert!(trace(&seen), "{seen:?}");
    assert_eq!(replayed(file.path(), &[], &[]).await.0, seen);
    assert_eq!(replayed(plain_file.path(), &["OpenDoc close=4204 at=after"], &[]).await.0, seen);
    engine.shutdown().await;
}

/// Reads to the end and returns how it came.
async fn end_of(address: SocketAddr) -> (usize, io::Result<usize>) {
    use tokio::io::AsyncReadExt;
    let mut client = Raw::ask(address, "/app/Sales.qvf/ttl/0", "").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    let text = br#"{"id":2,"handle":-1,"method":"OpenDoc","params":["Sales.qvf"]}"#;
    client.write(&frame(0x81, text, true)).await;
    let mut all = Vec::new();
    let end = bounded(client.0.read_to_end(&mut all)).await;
    (all.len(), end)
}

#[tokio::test]
async fn abort_resets_the_connection_and_a_half_frame_comes_before() {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await.unwrap();
    let (_, _, plain) = recorded(&engine, &[]).await;
    let mut lengths = Vec::new();
    for rule in ["OpenDoc abort", "OpenDoc abort at=middle", "OpenDoc abort at=after"] {
        let rig = Rig::with(&engine.base_url(), |mut config| {
            config.faults = Some(rules(&[rule]));
            config
        })
        .await;
        let (live, end) = end_of(rig.address).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset, "{rule}");
        assert!(!rig.finish().await.closing(1).clean);
        let replay = Replay::start(plain.path(), &ReplaySettings::default().faults(rules(&[rule]))).await;
        let (length, end) = end_of(replay.address).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset, "{rule}, replayed");
        replay.finish().await;
        assert!(length.abs_diff(live) < 30, "{rule}: {length} and {live} bytes");
        lengths.push(live);
    }
    assert!(lengths[0] < lengths[1] && lengths[1] < lengths[2], "{lengths:?}");
    engine.shutdown().await;
}

#[tokio::test]
async fn abort_resets_the_connection_below_tls_too() {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await.unwrap();
    let (_, _, plain) = recorded(&engine, &[]).await;
    for rule in ["OpenDoc abort", "OpenDoc abort at=after"] {
        let faults = rules(&[rule]);
        let rig = Rig::with(&engine.base_url(), |mut config| {
            config.faults = Some(faults.clone());
            config.front_tls(FrontTls::self_signed())
        })
        .await;
        let (tapes, _) = Tapes::open(plain.path()).unwrap();
        let places = [ListenOn::Tcp(([127, 0, 0, 1], 0).into())];
        let settings = ReplaySettings::default().faults(rules(&[rule]));
        let server = ReplayServer::bind_with(tapes, &places, &settings).await.unwrap();
        let server = server.front_tls(&FrontTls::self_signed()).unwrap();
        let (address, pin) = (server.local_addr().unwrap(), server.fingerprint().unwrap().to_owned());
        let replay = tokio::spawn(server.run(std::future::pending(), |_| {}));
        for (address, pin) in [(rig.address, rig.fingerprint.clone().unwrap()), (address, pin)] {
            let url = format!("wss://localhost:{}/app/Sales.qvf/ttl/0", address.port());
            let tls = TlsSettings::default().pin_certificate(&pin).unwrap();
            let connect = WsConnect::builder(Endpoint::parse(&url).unwrap()).tls(tls).build().unwrap();
            let mut socket = bounded(connect.connect()).await.unwrap();
            let open = r#"{"id":2,"handle":-1,"method":"OpenDoc","params":["Sales.qvf"]}"#;
            bounded(socket.send_text(open)).await.unwrap();
            let end = loop {
                if let Err(end) = bounded(socket.receive()).await {
                    break format!("{end:?}");
                }
            };
            assert!(end.contains("ConnectionReset"), "{rule}: {end}");
        }
        replay.abort();
        rig.cut().await;
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn delayed_answer_comes_late_and_others_overtake_it() {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await.unwrap();
    let (_, _, plain) = recorded(&engine, &[]).await;
    let rule = "EngineVersion delay=150ms";
    let rig = Rig::with(&engine.base_url(), |mut config| {
        config.faults = Some(rules(&[rule]));
        config
    })
    .await;
    let replay = Replay::start(plain.path(), &ReplaySettings::default().faults(rules(&[rule]))).await;
    for address in [rig.address, replay.address] {
        let mut client = connect(address).await.unwrap();
        let begun = Instant::now();
        for (id, method) in [(1, "EngineVersion"), (2, "ProductVersion")] {
            let text = format!(r#"{{"id":{id},"handle":-1,"method":"{method}","params":[]}}"#);
            client.send(Message::text(text)).await.unwrap();
        }
        let mut ids = Vec::new();
        while ids.len() < 2 {
            let Message::Text(text) = bounded(client.next()).await.unwrap().unwrap() else { continue };
            let value: Value = serde_json::from_str(&text).unwrap();
            ids.extend(value["id"].as_u64());
        }
        assert_eq!(ids, [2, 1]);
        assert!(begun.elapsed() >= Duration::from_millis(150));
    }
    rig.cut().await;
    replay.finish().await;
    engine.shutdown().await;
}

#[tokio::test]
async fn every_second_upgrade_is_refused_and_the_recording_shows_each() {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await.unwrap();
    let rig = Rig::with(&engine.base_url(), |mut config| {
        config.faults = Some(rules(&[r#"upgrade every=2 refuse=503 headers={"Retry-After":"5"} body=busy"#]));
        config
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let mut client = Raw::ask(rig.address, "/app/x", "").await;
        let head = client.head().await;
        if header(&head, "retry-after").is_some() {
            assert_eq!(header(&head, "retry-after"), Some("5"));
            client.expect(b"busy").await;
        }
        statuses.push(head[9..12].to_owned());
    }
    assert_eq!(statuses, ["101", "503", "101", "503"]);
    let recording = rig.finish().await;
    let refused = recording.kind("refused");
    assert_eq!(refused.len(), 2);
    assert_eq!((&refused[0]["status"], &refused[0]["body"]), (&503.into(), &"busy".into()));
    assert_eq!(recording.kind("note").len(), 2);
    engine.shutdown().await;
}

#[tokio::test]
async fn nothing_grows_while_a_side_does_not_read() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |mut config| {
        config.faults = Some(rules(&["Never error=15", "Fail error=15"]));
        config
    })
    .await;
    // From the engine to a client that does not read, and back.
    for masked in [true, false] {
        let (mut client, mut engine) = narrow(open(&rig, &engines).await);
        let (from, _to) = if masked { (&mut client, &mut engine) } else { (&mut engine, &mut client) };
        let message = frame(0x82, &[7; 64 << 10], masked);
        let written = flood(from, &message).await;
        assert!(written < MOST, "{written} bytes are somewhere");
    }
    // Errors that nobody reads stop their requests.
    let (mut client, _engine) = narrow(open(&rig, &engines).await);
    let request = frame(0x81, br#"{"id":1,"handle":-1,"method":"Fail","params":[]}"#, true);
    let written = flood(&mut client, &request.repeat(1000)).await;
    assert!(written < MOST, "{written} bytes of requests were taken");
    rig.cut().await;
}

/// Far more than the proxy keeps, and what narrow sockets hold.
const MOST: usize = 16 << 20;

/// Lets the ends of a connection hold little, so that they are full soon.
fn narrow((client, engine): (Raw, Raw)) -> (Raw, Raw) {
    for end in [&client, &engine] {
        socket2::SockRef::from(&end.0).set_recv_buffer_size(16 << 10).unwrap();
    }
    (client, engine)
}

async fn flood(from: &mut Raw, message: &[u8]) -> usize {
    use tokio::io::AsyncWriteExt;
    let mut written = 0;
    while written < 2 * MOST {
        let write = from.0.write(&message[written % message.len()..]);
        match tokio::time::timeout(Duration::from_millis(200), write).await {
            Ok(more) => written += more.unwrap(),
            Err(_) => break,
        }
    }
    written
}

#[tokio::test]
async fn what_is_not_struck_goes_through_with_fragments_pings_and_goodbyes() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |mut config| {
        config.faults = Some(rules(&["Never error=15"]));
        config
    })
    .await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    client.write(&frame(0x01, b"{\"a\"", true)).await;
    client.write(&frame(0x89, b"ping", true)).await;
    client.write(&frame(0x80, b":1}", true)).await;
    client.expect(&frame(0x8a, b"ping", false)).await;
    engine.write(&frame(0x81, "é no JSON".as_bytes(), false)).await;
    engine.write(&frame(0x82, &[1, 2, 255], false)).await;
    client.expect(&frame(0x81, "é no JSON".as_bytes(), false)).await;
    client.expect(&frame(0x82, &[1, 2, 255], false)).await;
    engine.write(&frame(0x88, b"\x10\x6cgone", false)).await;
    client.expect(&frame(0x88, b"\x10\x6cgone", false)).await;
    client.write(&frame(0x88, b"\x10\x6c", true)).await;
    drop(client);
    // The engine reads its message and the answer to its goodbye, both masked.
    let rest = engine.rest().await;
    assert_eq!(rest.len(), 2 + 4 + 7 + 2 + 4 + 6, "{rest:?}");
    drop(engine);
    let recording = rig.finish().await;
    assert_eq!(recording.frames(1).len(), 3);
    let closing = recording.closing(1);
    assert_eq!((closing.code, &*closing.reason, closing.clean), (Some(4204), "gone", true));
    assert!(recording.kind("note").is_empty());
}

/// Three calls on one connection, and the last of them writes.
const SCRIPT: &str = r#"{"qixrec":[1,1]}
{"seq":1,"t":0,"conn":1,"kind":"open","url":"/app/x","status":101}
{"seq":2,"t":1,"conn":1,"kind":"frame","from":"client","json":{"id":1,"handle":-1,"method":"EngineVersion","params":[]}}
{"seq":3,"t":2,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{"qVersion":1}}}
"#;

fn in_program(lines: &[&str]) -> ReplayConnect {
    let reader = RecordingReader::new(SCRIPT.as_bytes(), "test").unwrap();
    let tapes = Tapes::load(reader).unwrap().0;
    ReplayConnect::new(tapes.into(), &ReplaySettings::default().faults(rules(lines)))
}

const CALL: &str = r#"{"id":7,"handle":-1,"method":"EngineVersion","params":[]}"#;

#[tokio::test(start_paused = true)]
async fn delays_inside_a_program_follow_its_clock() {
    let replay = in_program(&["EngineVersion delay=1h..3h"]);
    let mut waited = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        let mut socket = replay.connect().await.unwrap();
        socket.send_text(CALL).await.unwrap();
        assert_eq!(
            socket.receive().await.unwrap(),
            transport::Message::Text(r#"{"jsonrpc":"2.0","id":7,"result":{"qVersion":1}}"#.into())
        );
        waited.push(begun.elapsed());
    }
    let hours = |time: &Duration| time.as_secs() / 3600;
    assert!(waited.iter().all(|time| (1..=3).contains(&hours(time))) && waited[0] != waited[1], "{waited:?}");
    assert_eq!(replay.summary().answered, 2);
}

#[tokio::test(start_paused = true)]
async fn answer_that_waits_for_later_ones_comes_after_a_while_if_there_are_none() {
    let replay = in_program(&["EngineVersion reorder=3"]);
    let mut socket = replay.connect().await.unwrap();
    let begun = Instant::now();
    socket.send_text(CALL).await.unwrap();
    assert!(matches!(socket.receive().await.unwrap(), transport::Message::Text(_)));
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_before_a_fault_is_said_before_it() {
    for rule in
        ["EngineVersion nth=2 close=4003", "EngineVersion nth=2 error=15", "EngineVersion nth=2 abort"]
    {
        let mut socket = in_program(&[rule]).connect().await.unwrap();
        // Both are there before anything is said.
        socket.send_text(CALL).await.unwrap();
        socket.send_text(CALL).await.unwrap();
        let first = socket.receive().await;
        let Ok(transport::Message::Text(text)) = first else { panic!("{rule}: {first:?}") };
        assert!(text.windows(8).any(|part| part == b"qVersion"), "{rule}: {text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ends_and_refusals_inside_a_program_are_those_of_a_socket() {
    let replay = in_program(&[
        "EngineVersion nth=1 error=15",
        "EngineVersion nth=2 close=4003",
        "upgrade every=2 refuse=503",
    ]);
    let mut socket = replay.connect().await.unwrap();
    socket.send_text(CALL).await.unwrap();
    let transport::Message::Text(text) = socket.receive().await.unwrap() else { panic!() };
    assert!(text.windows(9).any(|part| part == b"\"code\":15"));
    socket.send_text(CALL).await.unwrap();
    assert_eq!(socket.receive().await.unwrap_err().code.get(), 4003);
    assert_eq!(replay.connect().await.unwrap_err().refusal().unwrap().status, 503);
    let mut broken = in_program(&["* abort"]).connect().await.unwrap();
    broken.send_text(CALL).await.unwrap();
    assert!(broken.receive().await.unwrap_err().error.is_some());
    // What was answered by a rule was not answered from the recording, and is not missing there.
    let summary = replay.summary();
    assert_eq!((summary.answered, summary.missed), (0, 0));
    assert_eq!(replay.tapes().unused().len(), 1);
}
