//! Rules of questions to an upstream, which is the replay of another recording.

use futures_util::FutureExt;
use qix_transport::{Connect, Endpoint, Message, SocketExt, WsConnect};
use tokio::{sync::oneshot, task::JoinHandle};

use super::*;
use crate::replay::{
    OnMiss, ReplayConnect, ReplayServer, ReplaySettings, ReplaySocket, ReplaySummary, Tapes, tests::tapes,
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

fn replay(script: &str, engine: &Engine) -> ReplayConnect {
    let url = engine.url.clone();
    let upstream = Upstream::new(move |path| {
        let endpoint = Endpoint::parse(&url).unwrap().with_path(path).unwrap();
        WsConnect::builder(endpoint).build().map_err(|error| error.to_string())
    });
    ReplayConnect::new(tapes(script).0, &ReplaySettings::default().on_miss(OnMiss::Upstream(upstream)))
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
