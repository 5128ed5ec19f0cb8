//! Rules of live sessions, on sockets inside the process and a clock of the test's own.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use qix_transport::{CloseCode, Closed, ClosedBy, Connect, Message, SocketExt};
use tokio::time::{Instant, advance};

use super::{Greeting, ReplayConnect, ReplaySettings, ReplaySocket, tests::tapes};

fn replay(script: &str) -> ReplayConnect {
    replay_with(script, &ReplaySettings::default())
}

fn replay_with(script: &str, settings: &ReplaySettings) -> ReplayConnect {
    ReplayConnect::new(tapes(script).0, settings)
}

async fn socket(replay: &ReplayConnect, path: &str) -> ReplaySocket {
    replay.clone().path(path).connect().await.unwrap()
}

/// All that has come by now.
fn heard(socket: &mut ReplaySocket) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(received) = socket.receive().now_or_never() {
        match received {
            Ok(Message::Text(text)) => heard.push(String::from_utf8(text.to_vec()).unwrap()),
            Ok(other) => panic!("{other:?}"),
            Err(closed) => {
                heard.push(format!("{:?} {} {}", closed.by, closed.code.get(), closed.reason));
                break;
            }
        }
    }
    heard
}

async fn ask(socket: &mut ReplaySocket, text: &str) -> Vec<String> {
    socket.send_text(text.to_owned()).await.unwrap();
    heard(socket)
}

const CREATED: &str = r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#;
const ATTACHED: &str = r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_ATTACHED"}}"#;

/// One recorded socket that opens an app and a session object in it.
const APP: &str = r#"
    1+ /app/x
    1< {"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}
    1> {"id":1,"handle":-1,"method":"OpenDoc","params":["x"]}
    1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"x"}},"change":[1]}
    1> {"id":2,"handle":1,"method":"CreateSessionObject","params":[{"qInfo":{"qId":"so"}}]}
    1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2,"qGenericId":"so"}},"change":[2]}
    1> {"id":3,"handle":1,"method":"GetObject","params":["LB"]}
    1< {"id":3,"result":{"qReturn":{"qType":"GenericObject","qHandle":3,"qGenericId":"LB"}},"change":[3]}
    1> {"id":4,"handle":2,"method":"GetLayout","params":[]}
    1< {"id":4,"result":{"qLayout":{"n":1}}}
    1> {"id":5,"handle":3,"method":"Select","params":[]}
    1< {"id":5,"result":{"qSuccess":true},"change":[2,3]}
"#;

const OPEN: &str = r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["x"]}"#;
const CREATE: &str =
    r#"{"id":2,"handle":1,"method":"CreateSessionObject","params":[{"qInfo":{"qId":"so"}}]}"#;
const GET_LB: &str = r#"{"id":3,"handle":1,"method":"GetObject","params":["LB"]}"#;
const ACTIVE: &str = r#"{"id":7,"handle":-1,"method":"GetActiveDoc","params":[]}"#;

#[tokio::test]
async fn sockets_with_one_identity_share_a_session_and_others_do_not() {
    let replay = replay(APP);
    let path = "/app/x/identity/random-7";
    let mut first = socket(&replay, path).await;
    assert_eq!(heard(&mut first), [CREATED]);
    assert_eq!(heard(&mut socket(&replay, path).await), [ATTACHED]);
    assert_eq!(heard(&mut socket(&replay, "/app/x/identity/other").await), [CREATED]);
    // Two tests on one URL.
    let mut one = socket(&replay, "/app/x").await;
    let mut two = socket(&replay, "/app/x").await;
    assert_eq!((heard(&mut one), heard(&mut two)), (vec![CREATED.to_owned()], vec![CREATED.to_owned()]));
    // Without a time to live, a session ends with its last socket.
    drop(first);
    assert_eq!(heard(&mut socket(&replay, path).await), [CREATED]);
}

#[tokio::test(start_paused = true)]
async fn session_lives_for_its_ttl_and_a_new_socket_stops_the_clock() {
    let replay = replay(APP);
    let path = "/app/x/ttl/10";
    let state = async |path| heard(&mut socket(&replay, path).await).remove(0);
    assert_eq!(state(path).await, CREATED);
    advance(Duration::from_secs(9)).await;
    assert_eq!(state(path).await, ATTACHED);
    advance(Duration::from_secs(9)).await;
    // The latest socket decides how long.
    assert_eq!(state("/app/x/ttl/20").await, ATTACHED);
    advance(Duration::from_secs(19)).await;
    assert_eq!(state(path).await, ATTACHED);
    advance(Duration::from_secs(10)).await;
    assert_eq!(state(path).await, CREATED);
}

#[tokio::test]
async fn second_socket_attaches_without_identity_if_the_recorded_one_did() {
    let both = replay(&format!(
        "{APP}\n2+ /app/x\n2< {ATTACHED}\n2> {{\"id\":1,\"method\":\"B\"}}\n2< {{\"id\":1,\"result\":{{}}}}"
    ));
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(socket(&both, "/app/x").await);
    }
    let states: Vec<Vec<String>> = sockets.iter_mut().map(heard).collect();
    assert_eq!(states.concat(), [CREATED, ATTACHED, CREATED, ATTACHED]);
}

#[tokio::test]
async fn sessions_play_the_recorded_ones_in_turn_and_sockets_their_connections() {
    let script = r#"
        1+ /app/a
        1> {"id":1,"method":"M"}
        1< {"id":1,"result":{"q":"a1"}}
        2+ /app/b/identity/z
        2> {"id":1,"method":"M"}
        2< {"id":1,"result":{"q":"b"}}
        3+ /app/a
        3> {"id":1,"method":"M"}
        3< {"id":1,"result":{"q":"a2"}}
    "#;
    let replay = replay(script);
    for (path, expected) in [
        ("/app/a", "a1"),
        ("/app/a", "a2"),
        ("/app/b/identity/9/ttl/5", "b"),
        ("/app/a", "a1"),
        ("/vp/app/b", "b"),
    ] {
        let mut socket = socket(&replay, path).await;
        let answer = ask(&mut socket, r#"{"id":1,"method":"M"}"#).await;
        assert_eq!(
            answer,
            [format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"q":"{expected}"}}}}"#)],
            "{path}"
        );
    }
}

#[tokio::test]
async fn attached_socket_finds_app_and_objects_that_nobody_recorded_for_it() {
    let replay = replay(APP);
    let path = "/app/x/ttl/60";
    let mut first = socket(&replay, path).await;
    for text in [OPEN, CREATE] {
        ask(&mut first, text).await;
    }
    replay.handle().cut();
    assert_eq!(heard(&mut first).last().unwrap(), "Connection 1006 ");
    drop(first);
    let mut second = socket(&replay, path).await;
    assert_eq!(heard(&mut second), [ATTACHED]);
    let doc = r#"{"qType":"Doc","qHandle":1,"qGenericId":"x"}"#;
    assert_eq!(
        ask(&mut second, ACTIVE).await,
        [format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"qReturn":{doc}}}}}"#)]
    );
    // Created with one method, taken up with another, as enigma.js does; the layout is that of the created object.
    let get = r#"{"id":8,"handle":1,"method":"GetObject","params":["so"]}"#;
    assert!(ask(&mut second, get).await[0].contains(r#""qHandle":2,"qGenericId":"so""#));
    let layout = r#"{"id":9,"handle":2,"method":"GetLayout","params":[]}"#;
    assert_eq!(ask(&mut second, layout).await, [r#"{"jsonrpc":"2.0","id":9,"result":{"qLayout":{"n":1}}}"#]);
    // A second OpenDoc of the same app is answered as the recorded one.
    assert!(ask(&mut second, OPEN).await[0].contains(doc));
    assert!(replay.misses().is_empty());
}

#[tokio::test]
async fn session_created_anew_has_no_app_and_no_session_objects() {
    // The recorded client was attached when it came back, the live one is not.
    let script = format!(
        r#"{APP}
        1!
        2+ /app/x
        2< {ATTACHED}
        2> {{"id":1,"handle":-1,"method":"GetActiveDoc","params":[]}}
        2< {{"id":1,"result":{{"qReturn":{{"qType":"Doc","qHandle":1,"qGenericId":"x"}}}}}}
        2> {{"id":2,"handle":1,"method":"GetObject","params":["so"]}}
        2< {{"id":2,"result":{{"qReturn":{{"qType":"GenericObject","qHandle":2,"qGenericId":"so"}}}}}}
        2> {{"id":3,"handle":2,"method":"GetLayout","params":[]}}
        2< {{"id":3,"result":{{"qLayout":{{"n":2}}}}}}
        "#
    );
    let created = replay(&script);
    let mut live = socket(&created, "/app/x").await;
    assert_eq!(heard(&mut live), [CREATED]);
    assert!(ask(&mut live, ACTIVE).await[0].contains(r#""error":{"code":1007"#));
    ask(&mut live, OPEN).await;
    let get = r#"{"id":8,"handle":1,"method":"GetObject","params":["so"]}"#;
    assert_eq!(
        ask(&mut live, get).await,
        [r#"{"jsonrpc":"2.0","id":8,"result":{"qReturn":{"qType":null,"qHandle":null}}}"#]
    );
    // Attached, the same recording gives what was recorded.
    let attached = replay(&script);
    let path = "/app/x/ttl/9";
    let mut live = socket(&attached, path).await;
    for text in [OPEN, CREATE] {
        ask(&mut live, text).await;
    }
    drop(live);
    let mut live = socket(&attached, path).await;
    assert_eq!(heard(&mut live), [ATTACHED]);
    assert!(ask(&mut live, ACTIVE).await[0].contains(r#""qType":"Doc""#));
    assert!(ask(&mut live, get).await[0].contains(r#""qGenericId":"so""#));
    assert!(created.misses().is_empty() && attached.misses().is_empty());
}

#[tokio::test]
async fn recorded_cut_happens_once_in_a_session() {
    let replay = replay("1+ /app/x\n1> {\"id\":1,\"method\":\"M\"}\n1< {\"id\":1,\"result\":{}}\n1!");
    let ask_for_m = r#"{"id":1,"method":"M"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let mut first = socket(&replay, "/app/x/ttl/9").await;
    assert_eq!(ask(&mut first, ask_for_m).await, [answer, "Connection 1006 "]);
    let mut second = socket(&replay, "/app/x/ttl/9").await;
    assert_eq!(ask(&mut second, ask_for_m).await, [answer]);
}

#[tokio::test]
async fn handle_closes_and_cuts_live_sockets() {
    let replay = replay(APP);
    let (mut one, mut two) = (socket(&replay, "/app/x").await, socket(&replay, "/app/y").await);
    heard(&mut two);
    replay.handle().close(4003, "terminating");
    assert_eq!(heard(&mut one), [CREATED, "Peer 4003 terminating"]);
    let Closed { by, code, .. } = two.receive().await.unwrap_err();
    assert_eq!((by, code), (ClosedBy::Peer, CloseCode::new(4003)));
}

#[tokio::test]
async fn lists_reach_the_other_sockets_of_the_session_with_their_own_handles() {
    let replay = replay(
        r#"
        1+ /app/x/identity/i
        1> {"id":1,"method":"OpenDoc","params":["Sales"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        2+ /app/x/identity/i
        2> {"id":1,"method":"Select"}
        1< {"change":[1]}
        2< {"id":1,"result":{}}
        "#,
    );
    let (mut first, mut second) =
        (socket(&replay, "/app/x/identity/i").await, socket(&replay, "/app/x/identity/i").await);
    ask(&mut first, r#"{"id":1,"method":"OpenDoc","params":["Sales"]}"#).await;
    assert_eq!(
        ask(&mut second, r#"{"id":1,"method":"Select"}"#).await,
        [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#]
    );
    assert_eq!(heard(&mut first), [r#"{"jsonrpc":"2.0","change":[1]}"#]);
}

#[tokio::test]
async fn sockets_that_play_no_recorded_connection_hear_of_changes_to_what_they_have_open() {
    let replay = replay(APP);
    let path = "/app/x/identity/i";
    let (mut first, mut guest, mut idle) =
        (socket(&replay, path).await, socket(&replay, path).await, socket(&replay, path).await);
    for text in [OPEN, CREATE, GET_LB] {
        ask(&mut first, text).await;
    }
    for text in [OPEN, GET_LB] {
        ask(&mut guest, text).await;
    }
    ask(&mut first, r#"{"id":5,"handle":3,"method":"Select","params":[]}"#).await;
    // LB has handle 3 there and 2 here, the other object is not open here.
    assert_eq!(heard(&mut guest), [r#"{"jsonrpc":"2.0","change":[2]}"#]);
    assert_eq!(heard(&mut idle), [ATTACHED]);
}

#[tokio::test]
async fn greeting_is_said_as_asked_for() {
    for (greeting, count) in
        [(Greeting::Recorded, 1), (Greeting::None, 0), (Greeting::Connected, 1), (Greeting::Windows, 2)]
    {
        let replay = replay_with(APP, &ReplaySettings::default().greeting(greeting));
        let mut socket = socket(&replay, "/app/x").await;
        assert_eq!(heard(&mut socket).len(), count, "{greeting:?}");
        assert_eq!(ask(&mut socket, OPEN).await.len(), 1);
    }
}

#[tokio::test]
async fn greeting_that_came_after_the_first_request_comes_after_the_first_request_of_each_socket() {
    let replay = replay(
        r#"
        1+ /app/x/identity/i
        1> {"id":1,"method":"ProductVersion"}
        1< {"method":"OnAuthenticationInformation","params":{"mustAuthenticate":false}}
        1< {"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}
        1< {"id":1,"result":{"q":1}}
        "#,
    );
    let who = r#"{"method":"OnAuthenticationInformation","params":{"mustAuthenticate":false}}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"q":1}}"#;
    let mut sockets = Vec::new();
    for state in [CREATED, ATTACHED] {
        let mut socket = socket(&replay, "/app/x/identity/i").await;
        assert_eq!(heard(&mut socket).len(), 0);
        let request = r#"{"id":1,"method":"ProductVersion"}"#;
        assert_eq!(ask(&mut socket, request).await, [who, state, answer]);
        assert_eq!(ask(&mut socket, request).await, [answer]);
        sockets.push(socket);
    }
}

/// A slow call, a quick one that overtakes it, news in between, and one whose answer has no time of its own.
const PACE: &str = r#"
    1+ @0 /app/x
    1> @1000 {"id":1,"method":"Slow"}
    1> @1000 {"id":2,"method":"Quick"}
    1< @1010 {"id":2,"result":{"q":2}}
    1< @1030 {"method":"OnNews"}
    1< @1400 {"id":1,"result":{"q":1}}
"#;

async fn timed(replay: &ReplayConnect) -> Vec<(u128, String)> {
    let mut socket = socket(replay, "/app/x").await;
    let start = Instant::now();
    socket.send_text(r#"{"id":1,"method":"Slow"}"#).await.unwrap();
    socket.send_text(r#"{"id":2,"method":"Quick"}"#).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        let Message::Text(text) = socket.receive().await.unwrap() else { panic!() };
        all.push((start.elapsed().as_millis(), String::from_utf8(text.to_vec()).unwrap()));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn answers_come_at_the_recorded_pace_and_may_overtake_each_other() {
    let slow = r#"{"jsonrpc":"2.0","id":1,"result":{"q":1}}"#.to_owned();
    let quick = r#"{"jsonrpc":"2.0","id":2,"result":{"q":2}}"#.to_owned();
    let news = r#"{"method":"OnNews"}"#.to_owned();
    let said = timed(&replay(PACE)).await;
    assert_eq!(said, [(0, slow.clone()), (0, quick.clone()), (0, news.clone())]);
    for (speed, times) in [(1.0, [10, 30, 400]), (4.0, [3, 8, 100]), (0.5, [20, 60, 800])] {
        let said = timed(&replay_with(PACE, &ReplaySettings::default().speed(speed))).await;
        let expected: Vec<_> = times.into_iter().zip([&quick, &news, &slow].map(String::clone)).collect();
        // Timers have a grain of 1 ms.
        for ((at, text), (due, expected)) in said.iter().zip(&expected) {
            assert!(text == expected && at.abs_diff(*due) <= 1, "{speed}: {text} at {at}, not {due}");
        }
    }
    let all = timed(&replay(PACE).speed(f64::NAN)).await;
    assert_eq!(all[2].0, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_recording_has_no_time_for_takes_as_long_as_others_of_its_method() {
    let (tapes, _) = tapes(
        r#"
        1+ /
        1> @0 {"id":1,"method":"A"}
        1< @10 {"id":1,"result":{}}
        1> @20 {"id":2,"method":"A","params":[1]}
        1< @50 {"id":2,"result":{}}
        1> @60 {"id":3,"method":"A","params":[2]}
        1< @160 {"id":3,"result":{}}
        1> @200 {"id":4,"method":"B"}
        1< @201 {"id":4,"result":{}}
        "#,
    );
    let millis = |method| tapes.median_latency(method).as_millis();
    assert_eq!((millis("A"), millis("B"), millis("GetActiveDoc")), (30, 1, 30));
    let replay = ReplayConnect::new(Arc::clone(&tapes), &ReplaySettings::default().speed(1.0));
    let mut socket = socket(&replay, "/").await;
    let start = Instant::now();
    socket.send_text(ACTIVE).await.unwrap();
    socket.receive().await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 30);
}

#[tokio::test]
async fn each_client_is_answered_in_its_own_dialect() {
    let replay = replay(APP);
    let open = r#"{"qType":"Doc","qHandle":1,"qGenericId":"x"}"#;
    let plain = |id: &str| format!(r#"{{"jsonrpc":"2.0",{id}"result":{{"qReturn":{open}}},"change":[1]}}"#);
    for (client, request, id) in [
        (
            "enigma.js",
            r#"{"delta":false,"handle":-1,"method":"OpenDoc","params":["x"],"id":1,"jsonrpc":"2.0"}"#,
            r#""id":1,"#,
        ),
        (
            "@qlik/api",
            r#"{"jsonrpc":"2.0","handle":-1,"id":1,"delta":false,"method":"OpenDoc","params":["x","","","",false]}"#,
            r#""id":1,"#,
        ),
        (
            "qlik-sdk",
            r#"{"id":0,"handle":-1,"method":"OpenDoc","params":{"qDocName":"x"},"jsonrpc":"2.0"}"#,
            r#""id":0,"#,
        ),
        (
            "pyqlikengine",
            r#"{"handle":-1,"method":"OpenDoc","params":["x"],"outKey":-1,"id":0}"#,
            r#""id":0,"#,
        ),
        ("text as id", r#"{"id":"a-1","method":"OpenDoc","params":["x"]}"#, r#""id":"a-1","#),
        (
            "above 2^53",
            r#"{"id":90071992547409931234,"method":"OpenDoc","params":["x"]}"#,
            r#""id":90071992547409931234,"#,
        ),
        ("no id", r#"{"method":"OpenDoc","handle":-1,"params":{"qDocName":"x"}}"#, ""),
    ] {
        let mut socket = socket(&replay, "/app/x").await;
        heard(&mut socket);
        assert_eq!(ask(&mut socket, request).await, [plain(id)], "{client}");
    }
    let mut delta = socket(&replay, "/app/x").await;
    heard(&mut delta);
    assert_eq!(
        ask(&mut delta, r#"{"delta":true,"handle":-1,"method":"OpenDoc","params":["x"],"id":1}"#).await,
        [format!(
            r#"{{"jsonrpc":"2.0","id":1,"delta":true,"result":{{"qReturn":[{{"op":"add","path":"/","value":{open}}}]}},"change":[1]}}"#
        )]
    );
    // Repeated ids, and handles 1 and 2 without a look at the answers.
    let mut guessing = socket(&replay, "/app/x").await;
    heard(&mut guessing);
    for (request, handle) in [(OPEN, 1), (r#"{"id":0,"handle":1,"method":"GetObject","params":["LB"]}"#, 2)] {
        let answer = ask(&mut guessing, request).await;
        assert!(answer[0].contains(&format!(r#""qHandle":{handle}"#)), "{answer:?}");
    }
    let select = r#"{"id":0,"handle":2,"method":"Select","params":[]}"#;
    assert_eq!(
        ask(&mut guessing, select).await,
        [r#"{"jsonrpc":"2.0","id":0,"result":{"qSuccess":true},"change":[2]}"#]
    );
    assert!(replay.misses().is_empty());
}

#[tokio::test]
async fn socket_that_sat_beside_another_takes_its_place() {
    let replay = replay(
        r#"
        1+ /app/x/identity/i
        1> {"id":1,"method":"OpenDoc","params":["x"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        2+ /app/x/identity/i
        2> {"id":1,"method":"Select"}
        1< {"change":[1]}
        2< {"id":1,"result":{}}
        "#,
    );
    let path = "/app/x/identity/i";
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(socket(&replay, path).await);
    }
    let mut guest = sockets.pop().unwrap();
    drop(sockets.remove(0));
    ask(&mut guest, r#"{"id":1,"method":"OpenDoc","params":["x"]}"#).await;
    ask(&mut sockets[0], r#"{"id":1,"method":"Select"}"#).await;
    assert_eq!(heard(&mut guest), [r#"{"jsonrpc":"2.0","change":[1]}"#]);
}

#[tokio::test]
async fn object_that_a_push_has_closed_is_known_no_more() {
    let replay = replay(&format!(
        "{APP}\n1> {{\"id\":6,\"handle\":1,\"method\":\"Drop\"}}\n1< {{\"id\":6,\"result\":{{}}}}\n1< {{\"close\":[2]}}"
    ));
    let path = "/app/x/ttl/9";
    let mut first = socket(&replay, path).await;
    for text in [OPEN, CREATE, r#"{"id":6,"handle":1,"method":"Drop"}"#] {
        ask(&mut first, text).await;
    }
    let get = r#"{"id":8,"handle":1,"method":"GetObject","params":["so"]}"#;
    assert!(ask(&mut first, get).await[0].contains(r#""qHandle":null"#));
}

#[tokio::test]
async fn answers_and_misses_are_counted() {
    let replay = replay(APP);
    let mut socket = socket(&replay, "/app/x").await;
    ask(&mut socket, OPEN).await;
    let miss = ask(&mut socket, r#"{"id":2,"handle":1,"method":"GetObject","params":["other"]}"#).await;
    assert!(miss.last().unwrap().contains(r#""code":-32099"#), "{miss:?}");
    let summary = replay.handle().summary();
    assert_eq!((summary.connections, summary.answered, summary.missed), (1, 1, 1));
    assert_eq!(replay.misses().len(), 1);
}
