//! Rules of replay, each on a recording of a few lines.

use std::sync::Arc;

use super::{LoadError, LoadReport, Miss, Outgoing, Player, ReplayMatcher, ReplaySettings, Tapes};
use crate::record::RecordingReader;

/// A recording as its lines: `1> text` is said by the client of connection 1, `1< text` to it.
fn tapes(script: &str) -> (Arc<Tapes>, LoadReport) {
    try_tapes(script).unwrap()
}

fn try_tapes(script: &str) -> Result<(Arc<Tapes>, LoadReport), LoadError> {
    let mut text = String::from("{\"qixrec\":[1,0]}\n");
    for (index, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let (conn, rest) = line.split_at(1);
        let entry = match rest.split_at(1) {
            ("+", path) => format!(r#""kind":"open","url":"{}","status":101"#, path.trim()),
            ("x", code) => {
                format!(r#""kind":"close","by":"engine","code":{},"reason":"why","clean":true"#, code.trim())
            }
            ("!", _) => r#""kind":"close","by":"engine","clean":false"#.to_owned(),
            (">", frame) => format!(r#""kind":"frame","from":"client","json":{}"#, frame.trim()),
            ("<", frame) => format!(r#""kind":"frame","from":"engine","json":{}"#, frame.trim()),
            other => panic!("{other:?}"),
        };
        text += &format!("{{\"seq\":{},\"t\":0,\"conn\":{conn},{entry}}}\n", index + 1);
    }
    let (tapes, report) = Tapes::load(RecordingReader::new(text.as_bytes(), "test").unwrap())?;
    Ok((Arc::new(tapes), report))
}

fn player(script: &str) -> Player {
    play(&tapes(script).0, 0)
}

fn play(tapes: &Arc<Tapes>, tape: usize) -> Player {
    let matcher = ReplayMatcher::new(tapes.clone(), &ReplaySettings::default());
    Player::new(matcher, Arc::default(), tape)
}

/// What a player does, in words.
fn said(outgoing: Vec<Outgoing>) -> Vec<String> {
    let describe = |outgoing| match outgoing {
        Outgoing::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Outgoing::Close(code, reason) => format!("close {code:?} {reason}"),
        Outgoing::Missed(miss) => format!("missed {miss}"),
        Outgoing::Unanswered(key) => format!("unanswered {key}"),
        other => format!("{other:?}"),
    };
    outgoing.into_iter().map(describe).collect()
}

fn hears(player: &mut Player, text: &str) -> Vec<String> {
    said(player.handle_text(text.as_bytes()))
}

const OPEN: &str = r#"
    1+ /app/x
    1< {"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}
    1> {"jsonrpc":"2.0","id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}
    1< {"jsonrpc":"2.0","id":1,"result":{"qReturn":{"qType":"Doc","qHandle":5}},"change":[5]}
    1> {"jsonrpc":"2.0","id":2,"handle":5,"method":"GetObject","params":["a"]}
    1> {"jsonrpc":"2.0","id":3,"handle":5,"method":"GetObject","params":["b"]}
    1< {"jsonrpc":"2.0","id":3,"result":{"qReturn":{"qType":"GenericObject","qHandle":8}},"change":[8]}
    1< {"jsonrpc":"2.0","id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":7}},"change":[7]}
    1> {"jsonrpc":"2.0","id":4,"handle":7,"method":"GetLayout","params":[]}
    1< {"jsonrpc":"2.0","id":4,"result":{"qLayout":{"n":1e+300}},"change":[8]}
"#;

#[test]
fn greeting_is_said_first() {
    let opening = player(OPEN).open();
    assert_eq!(
        said(opening),
        [r#"{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#]
    );
}

#[test]
fn ids_and_handles_are_those_of_the_live_connection_in_any_order() {
    let mut player = player(OPEN);
    assert_eq!(
        hears(&mut player, r#"{"method":"OpenDoc","handle":-1,"params":["Sales"],"id":70}"#),
        [r#"{"jsonrpc":"2.0","id":70,"result":{"qReturn":{"qType":"Doc","qHandle":1}},"change":[1]}"#]
    );
    // Recorded second, asked first.
    assert_eq!(
        hears(&mut player, r#"{"method":"GetObject","handle":1,"params":["b"],"id":"s"}"#),
        [
            r#"{"jsonrpc":"2.0","id":"s","result":{"qReturn":{"qType":"GenericObject","qHandle":2}},"change":[2]}"#
        ]
    );
    hears(&mut player, r#"{"method":"GetObject","handle":1,"params":["a"],"id":72}"#);
    assert_eq!(
        hears(&mut player, r#"{"method":"GetLayout","handle":3,"params":[],"id":73}"#),
        [r#"{"jsonrpc":"2.0","id":73,"result":{"qLayout":{"n":1e+300}},"change":[2]}"#]
    );
}

#[test]
fn delta_is_answered_when_asked_for_with_a_patch_of_the_whole() {
    let mut player = player(OPEN);
    assert_eq!(
        hears(&mut player, r#"{"method":"OpenDoc","handle":-1,"params":["Sales"],"id":1,"delta":true}"#),
        [
            r#"{"jsonrpc":"2.0","id":1,"delta":true,"result":{"qReturn":[{"op":"add","path":"/","value":{"qType":"Doc","qHandle":1}}]},"change":[1]}"#
        ]
    );
}

#[test]
fn recorded_deltas_serve_a_client_that_asks_for_none() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"M","params":[],"delta":true}
        1< {"id":1,"delta":true,"result":{"q":[{"op":"add","path":"/","value":{"a":1,"b":1.50}}]}}
        1> {"id":2,"handle":-1,"method":"M","params":[],"delta":true}
        1< {"id":2,"delta":true,"result":{"q":[{"op":"replace","path":"/a","value":2}]}}
        "#,
    );
    assert_eq!(
        hears(&mut player, r#"{"id":1,"method":"M"}"#),
        [r#"{"jsonrpc":"2.0","id":1,"result":{"q":{"a":1,"b":1.50}}}"#]
    );
    assert_eq!(
        hears(&mut player, r#"{"id":2,"method":"M"}"#),
        [r#"{"jsonrpc":"2.0","id":2,"result":{"q":{"a":2,"b":1.50}}}"#]
    );
}

#[test]
fn repeats_come_in_recorded_order_and_the_last_one_sticks() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"method":"M"}
        1< {"id":1,"result":{"q":1}}
        1> {"id":2,"method":"M"}
        1< {"id":2,"result":{"q":2}}
        1< {"method":"OnNews"}
        "#,
    );
    let mut ask = || hears(&mut player, r#"{"id":9,"method":"M"}"#);
    assert_eq!(ask(), [r#"{"jsonrpc":"2.0","id":9,"result":{"q":1}}"#]);
    assert_eq!(ask(), [r#"{"jsonrpc":"2.0","id":9,"result":{"q":2}}"#, r#"{"method":"OnNews"}"#]);
    // What followed the call is not said again.
    assert_eq!(ask(), [r#"{"jsonrpc":"2.0","id":9,"result":{"q":2}}"#]);
}

#[test]
fn repeated_and_missing_ids_pair_with_the_oldest_outstanding_request() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":0,"method":"A"}
        1> {"id":0,"method":"B"}
        1< {"id":0,"result":{"q":"a"}}
        1< {"id":0,"result":{"q":"b"}}
        1> {"method":"C"}
        1< {"id":0,"result":{"q":"c"}}
        "#,
    );
    assert_eq!(
        hears(&mut player, r#"{"id":5,"method":"B"}"#),
        [r#"{"jsonrpc":"2.0","id":5,"result":{"q":"b"}}"#]
    );
    assert_eq!(
        hears(&mut player, r#"{"id":6,"method":"A"}"#),
        [r#"{"jsonrpc":"2.0","id":6,"result":{"q":"a"}}"#]
    );
    // A client that sends no id gets the id that the engine gave it.
    assert_eq!(hears(&mut player, r#"{"method":"C"}"#), [r#"{"jsonrpc":"2.0","id":0,"result":{"q":"c"}}"#]);
}

#[test]
fn miss_names_the_nearest_recorded_call_and_the_difference() {
    let mut player = player(OPEN);
    hears(&mut player, r#"{"method":"OpenDoc","handle":-1,"params":["Sales"],"id":1}"#);
    let outgoing = player.handle_text(br#"{"method":"GetObject","handle":1,"params":["bb"],"id":2}"#);
    let [Outgoing::Text(text), Outgoing::Missed(Miss { nearest: Some(nearest), .. })] = &*outgoing else {
        panic!("{outgoing:?}")
    };
    assert_eq!(nearest.to_string(), r#"GetObject("b") on OpenDoc("Sales")"#);
    let error: serde_json::Value = serde_json::from_slice(text).unwrap();
    assert_eq!(error["error"]["code"], -32099);
    assert_eq!(
        error["error"]["parameter"],
        r#"GetObject("bb") on OpenDoc("Sales"); nearest recorded call: GetObject("b") on OpenDoc("Sales"), with "b" instead of "bb" at /qId"#
    );
    let other = hears(&mut player, r#"{"method":"Nonsense","handle":9,"id":3}"#);
    assert!(other[1].ends_with("nothing like it was recorded"), "{other:?}");
}

#[test]
fn errors_and_unknown_members_come_back_as_recorded() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"method":"M"}
        1< {"id":1,"error":{"code":15,"parameter":"","message":"aborted","x":1.0},"change":[-1],"more":[1e2]}
        1> {"id":2,"method":"N"}
        1< {"id":2,"result":null}
        "#,
    );
    assert_eq!(
        hears(&mut player, r#"{"id":4,"method":"M","delta":true}"#),
        [
            r#"{"jsonrpc":"2.0","id":4,"error":{"code":15,"parameter":"","message":"aborted","x":1.0},"change":[-1],"more":[1e2]}"#
        ]
    );
    assert_eq!(hears(&mut player, r#"{"id":4,"method":"N"}"#), [r#"{"jsonrpc":"2.0","id":4,"result":null}"#]);
}

#[test]
fn close_and_cut_follow_the_call_before_them() {
    let mut closing = player("1+ /\n1> {\"id\":1,\"method\":\"M\"}\n1x 4204");
    assert_eq!(
        hears(&mut closing, r#"{"id":1,"method":"M"}"#),
        ["close Some(4204) why", "unanswered M() on Global"]
    );
    let mut cut = player("1+ /\n1> {\"id\":1,\"method\":\"M\"}\n1< {\"id\":1,\"result\":{}}\n1!");
    assert_eq!(
        hears(&mut cut, r#"{"id":1,"method":"M"}"#),
        [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "Drop"]
    );
}

#[test]
fn lists_reach_the_other_sockets_of_the_session_with_their_own_handles() {
    let script = r#"
        1+ /app/x/identity/i
        1> {"id":1,"method":"OpenDoc","params":["Sales"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        2+ /app/x/identity/i
        2> {"id":1,"method":"Select"}
        1< {"change":[1]}
        2< {"id":1,"result":{}}
    "#;
    let (tapes, _) = tapes(script);
    let (mut first, mut second) = (play(&tapes, 0), play(&tapes, 1));
    hears(&mut first, r#"{"id":1,"method":"OpenDoc","params":["Sales"]}"#);
    let outgoing = second.handle_text(br#"{"id":1,"method":"Select"}"#);
    let [Outgoing::Elsewhere(push), Outgoing::Text(_)] = &*outgoing else { panic!("{outgoing:?}") };
    assert_eq!(push.tape(), 0);
    assert_eq!(said(first.hear(*push)), [r#"{"jsonrpc":"2.0","change":[1]}"#]);
}

#[test]
fn closed_objects_get_new_handles_when_they_are_opened_again() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"method":"Get","params":["a"]}
        1< {"id":1,"result":{"qReturn":{"qType":"X","qHandle":3}}}
        1> {"id":2,"method":"Destroy","params":["a"]}
        1< {"id":2,"result":{},"close":[3]}
        "#,
    );
    let get = r#"{"id":1,"method":"Get","params":["a"]}"#;
    assert!(hears(&mut player, get)[0].contains(r#""qHandle":1"#));
    assert!(
        hears(&mut player, r#"{"id":2,"method":"Destroy","params":["a"]}"#)[0].contains(r#""close":[1]"#)
    );
    assert!(hears(&mut player, get)[0].contains(r#""qHandle":2"#));
}

#[test]
fn clients_that_guess_handles_get_what_was_recorded() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"handle":1,"method":"GetObject","params":["a"]}
        1< {"id":1,"result":{"qReturn":{"qType":"X","qHandle":2}}}
        "#,
    );
    let answer = hears(&mut player, r#"{"id":1,"handle":1,"method":"GetObject","params":["a"]}"#);
    assert!(answer[0].contains(r#""qType":"X""#), "{answer:?}");
}

#[test]
fn requests_pipelined_on_a_guessed_handle_find_what_was_recorded() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"method":"OpenDoc","params":["a"]}
        1> {"id":2,"handle":1,"method":"GetObject","params":["x"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        1< {"id":2,"result":{"qReturn":{"qType":"X","qHandle":2}}}
        "#,
    );
    hears(&mut player, r#"{"id":1,"method":"OpenDoc","params":["a"]}"#);
    let answer = hears(&mut player, r#"{"id":2,"handle":1,"method":"GetObject","params":["x"]}"#);
    assert!(answer[0].contains(r#""qType":"X""#), "{answer:?}");
}

#[test]
fn last_answer_sticks_even_if_a_later_call_got_none() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"method":"M"}
        1< {"id":1,"result":{"q":1}}
        1> {"id":2,"method":"M"}
        "#,
    );
    let mut ask = || hears(&mut player, r#"{"id":9,"method":"M"}"#);
    assert_eq!(ask(), [r#"{"jsonrpc":"2.0","id":9,"result":{"q":1}}"#]);
    assert!(ask()[0].contains("recorded without its answer"));
    assert_eq!(ask(), [r#"{"jsonrpc":"2.0","id":9,"result":{"q":1}}"#]);
}

#[test]
fn request_that_cannot_be_read_is_answered_if_it_has_an_id() {
    let mut player = player(OPEN);
    let answer = hears(&mut player, r#"{"id":7,"handle":"1","method":"M"}"#);
    assert!(answer[0].starts_with(r#"{"jsonrpc":"2.0","id":7,"error""#), "{answer:?}");
}

#[test]
fn text_that_is_no_request_is_matched_as_it_is() {
    let mut player = player("1+ /\n1> [1]\n1< {\"error\":{\"code\":-32700}}");
    assert_eq!(hears(&mut player, "[1]"), [r#"{"error":{"code":-32700}}"#]);
    assert!(hears(&mut player, "[2]")[0].starts_with("missed text that is no request"));
}

#[test]
fn recording_without_connections_is_refused() {
    assert!(matches!(try_tapes(""), Err(LoadError::NoConnection)));
}

#[test]
fn corrupt_delta_is_reported_and_the_rest_is_replayed() {
    let (tapes, report) = tapes(
        r#"
        1+ /
        1> {"id":1,"method":"M","delta":true}
        1< {"id":1,"delta":true,"result":{"q":[{"op":"remove","path":"/0"}]}}
        1> {"id":2,"method":"N"}
        1< {"id":2,"result":{}}
        "#,
    );
    assert_eq!(
        report.left_out,
        [
            "entry 3: delta patch 0 of q cannot be applied: no value to change: none was sent, or it was dropped"
        ]
    );
    assert_eq!(report.unanswered, 1);
    assert_eq!(hears(&mut play(&tapes, 0), r#"{"id":1,"method":"N"}"#).len(), 1);
}

#[test]
fn call_found_on_another_tape_brings_what_followed_it_there() {
    let script = r#"
        1+ /a
        1> {"id":1,"method":"M"}
        1< {"id":1,"result":{}}
        2+ /b
        2> {"id":1,"method":"N"}
        2< {"id":1,"result":{}}
        2< {"method":"OnNews"}
    "#;
    let mut first = play(&tapes(script).0, 0);
    assert_eq!(
        hears(&mut first, r#"{"id":5,"method":"N"}"#),
        [r#"{"jsonrpc":"2.0","id":5,"result":{}}"#, r#"{"method":"OnNews"}"#]
    );
}

#[test]
fn request_with_another_password_finds_its_answer_whatever_the_recording_has() {
    for recorded in ["***", "the real one"] {
        let script = format!(
            r#"
            1+ /
            1> {{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales","ada","{recorded}"]}}
            1< {{"id":1,"result":{{"qReturn":{{"qType":"Doc","qHandle":5}}}}}}
            "#
        );
        let mut player = player(&script);
        assert_eq!(
            hears(
                &mut player,
                r#"{"id":4,"handle":-1,"method":"OpenDoc","params":{"qDocName":"Sales","qUserName":"bob","qPassword":"other"}}"#
            ),
            [r#"{"jsonrpc":"2.0","id":4,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}"#]
        );
        let miss = hears(
            &mut player,
            r#"{"id":5,"handle":-1,"method":"OpenDoc","params":["Other","bob","s3cret"]}"#,
        );
        assert!(miss[1].starts_with("missed ") && !miss.concat().contains("s3cret"), "{miss:?}");
    }
}

#[test]
fn what_was_replaced_by_rules_that_the_replay_does_not_know_does_not_matter() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"Mine","params":["a",{"pin":"***","b":1}]}
        1< {"id":1,"result":{"q":1}}
        1> {"id":2,"handle":-1,"method":"Mine","params":["***",{"b":2}]}
        1< {"id":2,"result":{"q":2}}
        "#,
    );
    assert_eq!(
        hears(&mut player, r#"{"id":1,"method":"Mine","params":["***",{"b":2}]}"#),
        [r#"{"jsonrpc":"2.0","id":1,"result":{"q":2}}"#]
    );
    assert_eq!(
        hears(&mut player, r#"{"id":2,"method":"Mine","params":["x",{"b":2}]}"#),
        [r#"{"jsonrpc":"2.0","id":2,"result":{"q":2}}"#]
    );
    assert!(
        hears(&mut player, r#"{"id":3,"method":"Mine","params":["x",{"b":3}]}"#)[1].starts_with("missed")
    );
}
