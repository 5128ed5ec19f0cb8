//! Rules of questions to an upstream, which is the replay of another recording.

use futures_util::FutureExt;
use qix_transport::{Connect, Endpoint, Message, SocketExt, WsConnect};
use tokio::{sync::oneshot, task::JoinHandle};

use super::*;
use crate::replay::{
    OnMiss, ReplayConnect, ReplayServer, ReplaySettings, ReplaySocket, ReplaySummary, ReplayTest, Tapes,
    tests::{recording, tapes},
};

const OPENS: &str = r#"
    1+ /app/x
    1> {"id":1,"handle":-1,"method":"OpenDoc","params":["x"]}
    1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
    1> {"id":2,"handle":1,"method":"GetObject","params":["LB"]}
    1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}
"#;
const OLD: &str = r#"
    1> {"id":4,"handle":2,"method":"GetLayout","params":[]}
    1< {"id":4,"result":{"qLayout":"old"}}
"#;
const SELECTS: &str = r#"
    1> {"id":3,"handle":2,"method":"SelectListObjectValues","params":["/qListObjectDef",[1],true]}
    1< {"id":3,"result":{"qSuccess":true}}
    1> {"id":4,"handle":2,"method":"GetLayout","params":[]}
    1< {"id":4,"result":{"qLayout":"new"}}
"#;
const REFUSES: &str = r#"
    1> {"id":3,"handle":2,"method":"SelectListObjectValues","params":["/qListObjectDef",[1],true]}
    1< {"id":3,"error":{"code":2,"parameter":"","message":"no"}}
    1> {"id":4,"handle":2,"method":"GetLayout","params":[]}
    1< {"id":4,"result":{"qLayout":"asked"}}
"#;

struct Engine {
    url: String,
    _stop: oneshot::Sender<()>,
    _running: JoinHandle<ReplaySummary>,
}

async fn engine(script: &str) -> Engine {
    let tapes: Tapes = Arc::into_inner(tapes(script).0).unwrap();
    let server = ReplayServer::bind(tapes, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(server.run(async { _ = stopped.await }, |_| {}));
    Engine { url, _stop: stop, _running: running }
}

/// Settings by which the engine is asked, and the paths with which it was.
fn asking(engine: &Engine) -> (ReplaySettings, Arc<Mutex<Vec<String>>>) {
    let (url, paths) = (engine.url.clone(), Arc::<Mutex<Vec<String>>>::default());
    let asked = paths.clone();
    let upstream = Upstream::new(move |path| {
        asked.lock().unwrap().push(path.to_owned());
        let endpoint = Endpoint::parse(&url).unwrap().with_path(path).unwrap();
        WsConnect::builder(endpoint).build().map_err(|error| error.to_string())
    });
    (ReplaySettings::default().on_miss(OnMiss::Upstream(upstream)), paths)
}

fn replay(script: &str, engine: &Engine) -> ReplayConnect {
    ReplayConnect::new(tapes(script).0, &asking(engine).0)
}

async fn receive(socket: &mut ReplaySocket) -> String {
    let received = timeout(Duration::from_secs(10), socket.receive()).await.unwrap();
    let Ok(Message::Text(text)) = received else { panic!("{received:?}") };
    String::from_utf8(text.to_vec()).unwrap()
}

async fn ask(socket: &mut ReplaySocket, texts: &[&str]) -> Vec<String> {
    for text in texts {
        socket.send_text((*text).to_owned()).await.unwrap();
    }
    let mut heard = Vec::new();
    for _ in texts {
        heard.push(receive(socket).await);
    }
    heard
}

const OPEN: [&str; 2] = [
    r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["x"]}"#,
    r#"{"id":2,"handle":1,"method":"GetObject","params":["LB"]}"#,
];
const SELECT: &str =
    r#"{"id":3,"handle":2,"method":"SelectListObjectValues","params":["/qListObjectDef",[1],true]}"#;
const LAYOUT: &str = r#"{"id":4,"handle":2,"method":"GetLayout","params":[]}"#;

#[tokio::test]
async fn what_is_asked_behind_an_unrecorded_change_is_not_answered_from_before_it() {
    let engine = engine(&format!("{OPENS}{SELECTS}")).await;
    let replay = replay(&format!("{OPENS}{OLD}"), &engine);
    let mut socket = replay.connect().await.unwrap();
    ask(&mut socket, &OPEN).await;
    // Both at once, as a client does that does not wait for the first.
    let heard = ask(&mut socket, &[SELECT, LAYOUT]).await;
    assert!(heard[0].contains("qSuccess") && heard[1].contains(r#""qLayout":"new""#), "{heard:?}");
}

#[tokio::test]
async fn change_that_the_upstream_refuses_leaves_the_recording_right() {
    let engine = engine(&format!("{OPENS}{REFUSES}")).await;
    let replay = replay(&format!("{OPENS}{OLD}"), &engine);
    let mut socket = replay.connect().await.unwrap();
    ask(&mut socket, &OPEN).await;
    let heard = ask(&mut socket, &[SELECT, LAYOUT]).await;
    assert!(heard[0].contains("error") && heard[1].contains(r#""qLayout":"asked""#), "{heard:?}");
    socket.send_text(LAYOUT).await.unwrap();
    let heard = socket.receive().now_or_never().unwrap().unwrap();
    assert!(matches!(heard, Message::Text(text) if text.ends_with(br#""qLayout":"old"}}"#)));
}

#[tokio::test]
async fn each_session_has_one_of_its_own_at_the_engine_whatever_the_client_calls_it() {
    let engine = engine(&format!("{OPENS}{SELECTS}")).await;
    let (settings, paths) = asking(&engine);
    let replay = ReplayConnect::new(tapes(OPENS).0, &settings);
    for path in ["/app/x?a=1", "/app/x/identity/me/ttl/60?a=1"] {
        let mut socket = replay.clone().path(path).connect().await.unwrap();
        ask(&mut socket, &[OPEN[0], OPEN[1], SELECT]).await;
    }
    let paths = paths.lock().unwrap();
    let identity =
        |path: &str| path.strip_prefix("/app/x/identity/").unwrap().strip_suffix("?a=1").unwrap().to_owned();
    let identities: Vec<String> = paths.iter().map(|path| identity(path)).collect();
    assert!(identities.len() == 2 && identities[0] != identities[1], "{identities:?}");
    assert!(identities.iter().all(|identity| !identity.contains("me") && !identity.contains('/')));
}

#[tokio::test]
async fn other_sockets_of_the_session_hear_what_the_engine_has_changed() {
    let engine = engine(&format!("{OPENS}{SELECTS}")).await;
    let replay = replay(&format!("{OPENS}{OLD}"), &engine).path("/app/x/identity/me");
    let (mut one, mut two) = (replay.connect().await.unwrap(), replay.connect().await.unwrap());
    for socket in [&mut one, &mut two] {
        ask(socket, &OPEN).await;
    }
    ask(&mut one, &[SELECT]).await;
    let heard = receive(&mut two).await;
    assert!(heard.ends_with(r#""change":[1,2]}"#) || heard.ends_with(r#""change":[2,1]}"#), "{heard}");
    let layout = ask(&mut two, &[LAYOUT]).await;
    assert!(layout[0].contains(r#""qLayout":"new""#), "{layout:?}");
}

#[tokio::test]
async fn object_that_the_engine_has_closed_is_open_no_more() {
    const CREATE: &str =
        r#"{"id":2,"handle":1,"method":"CreateSessionObject","params":[{"qInfo":{"qId":"so"}}]}"#;
    const DESTROY: &str = r#"{"id":3,"handle":1,"method":"DestroySessionObject","params":["so"]}"#;
    const GET: &str = r#"{"id":4,"handle":1,"method":"GetObject","params":["so"]}"#;
    let created = format!(
        r#"
        1+ /app/x
        1> {}
        1< {{"id":1,"result":{{"qReturn":{{"qType":"Doc","qHandle":1}}}}}}
        1> {CREATE}
        1< {{"id":2,"result":{{"qReturn":{{"qType":"GenericObject","qHandle":2,"qGenericId":"so"}}}}}}
        "#,
        OPEN[0]
    );
    let destroyed = format!(
        r#"
        1> {DESTROY}
        1< {{"id":3,"result":{{"qSuccess":true}},"close":[2]}}
        1> {GET}
        1< {{"id":4,"result":{{"qReturn":{{"qType":null,"qHandle":null}}}}}}
        "#
    );
    let engine = engine(&format!("{created}{destroyed}")).await;
    let mut socket = replay(&created, &engine).connect().await.unwrap();
    let heard = ask(&mut socket, &[OPEN[0], CREATE, GET]).await;
    assert!(heard[2].contains(r#""qHandle":2"#), "{heard:?}");
    let heard = ask(&mut socket, &[DESTROY]).await;
    assert!(heard[0].ends_with(r#""close":[2]}"#), "{heard:?}");
    let heard = ask(&mut socket, &[GET]).await;
    assert!(heard[0].contains(r#""qHandle":null"#), "{heard:?}");
}

#[tokio::test]
async fn report_of_a_test_has_only_what_the_engine_could_not_answer_either() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    std::fs::write(&path, recording(OPENS)).unwrap();
    let engine = engine(&format!("{OPENS}{SELECTS}")).await;
    let test = ReplayTest::open_with(&path, &asking(&engine).0).unwrap();
    let mut socket = test.connect().connect().await.unwrap();
    ask(&mut socket, &[OPEN[0], OPEN[1], SELECT]).await;
    assert_eq!(test.report(), None);
    ask(&mut socket, &[r#"{"id":5,"handle":-1,"method":"CancelRequest","params":[77]}"#]).await;
    let report = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || test.finish())).unwrap_err();
    let report = report.downcast_ref::<String>().unwrap();
    assert!(report.contains("CancelRequest") && !report.contains("SelectListObjectValues(["), "{report}");
    assert_eq!(report.lines().count(), 2, "{report}");
}

#[tokio::test]
async fn change_that_does_nothing_at_the_engine_is_no_way_to_an_answer() {
    const READ: &str = r#"{"id":5,"handle":2,"method":"GetProperties","params":[]}"#;
    let read = format!("\n1> {READ}\n1< {}", r#"{"id":5,"result":{"qProp":{}}}"#);
    // The value is not there.
    let engine = engine(&format!("{OPENS}{}{read}", SELECTS.replace("true}}", "false}}"))).await;
    let mut socket = replay(&format!("{OPENS}{SELECTS}"), &engine).connect().await.unwrap();
    let heard = ask(&mut socket, &[OPEN[0], OPEN[1], SELECT, READ]).await;
    let says =
        "upstream: SelectListObjectValues on OpenDoc(\\\"x\\\") / GetObject(\\\"LB\\\") does nothing there";
    assert!(heard[2].contains("true") && heard[3].contains(says), "{}", heard[3]);
    // It did nothing in the recording either.
    let script = format!("{OPENS}{}", SELECTS.replace("true}}", "false}}"));
    let mut socket = replay(&script, &engine).connect().await.unwrap();
    let heard = ask(&mut socket, &[OPEN[0], OPEN[1], SELECT, READ]).await;
    assert!(heard[3].contains("qProp"), "{heard:?}");
}
