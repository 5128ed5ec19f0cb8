//! Rules of replay, each on a recording of a few lines.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    LoadError, LoadReport, LoadSettings, Miss, Outgoing, Player, Repeat, ReplayMatcher, ReplaySettings, Said,
    Tapes, index::CallId, tape::Moment,
};
use crate::record::{RecordingReader, Redaction};

/// A recording as its lines: `1> text` is said by the client of connection 1, `1< text` to it; `@5` between the two says that it
/// was 5 ms after the recording began.
pub(super) fn tapes(script: &str) -> (Arc<Tapes>, LoadReport) {
    try_tapes(script).unwrap()
}

fn try_tapes(script: &str) -> Result<(Arc<Tapes>, LoadReport), LoadError> {
    let text = recording(script);
    let (tapes, report) = Tapes::load(RecordingReader::new(text.as_bytes(), "test").unwrap())?;
    Ok((Arc::new(tapes), report))
}

pub(super) fn recording(script: &str) -> String {
    let mut text = String::from("{\"qixrec\":[1,0]}\n");
    for (index, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let (conn, rest) = line.split_at(1);
        let (sign, mut rest) = rest.split_at(1);
        let mut t = 0;
        if let Some((millis, text)) = rest.trim().strip_prefix('@').map(|rest| rest.split_once(' ').unwrap())
        {
            (t, rest) = (millis.parse::<u64>().unwrap() * 1000, text);
        }
        let entry = match (sign, rest) {
            ("+", path) => format!(r#""kind":"open","url":"{}","status":101"#, path.trim()),
            ("x", code) => {
                format!(r#""kind":"close","by":"engine","code":{},"reason":"why","clean":true"#, code.trim())
            }
            ("!", _) => r#""kind":"close","by":"engine","clean":false"#.to_owned(),
            (">", frame) => format!(r#""kind":"frame","from":"client","json":{}"#, frame.trim()),
            ("<", frame) => format!(r#""kind":"frame","from":"engine","json":{}"#, frame.trim()),
            other => panic!("{other:?}"),
        };
        text += &format!("{{\"seq\":{},\"t\":{t},\"conn\":{conn},{entry}}}\n", index + 1);
    }
    text
}

fn player(script: &str) -> Player {
    play(&tapes(script).0, 0)
}

fn play(tapes: &Arc<Tapes>, tape: usize) -> Player {
    let matcher = ReplayMatcher::new(tapes.clone(), &ReplaySettings::default());
    Player::new(matcher, &Arc::default(), tape)
}

/// What a player does, in words.
fn said(outgoing: Vec<Outgoing>) -> Vec<String> {
    let describe = |outgoing| match outgoing {
        Outgoing::Answer(text) | Outgoing::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Outgoing::Close(code, reason) => format!("close {code:?} {reason}"),
        Outgoing::Missed(miss) => format!("missed {miss}"),
        Outgoing::Unanswered(key) => format!("unanswered {key}"),
        other => format!("{other:?}"),
    };
    outgoing.into_iter().map(describe).collect()
}

fn hears(player: &mut Player, text: &str) -> Vec<String> {
    said(does(player, text))
}

fn does(player: &mut Player, text: &str) -> Vec<Outgoing> {
    let mut out = Vec::new();
    player.handle_text(text.as_bytes(), &mut out);
    whats(out)
}

fn whats(out: Vec<Said>) -> Vec<Outgoing> {
    out.into_iter().map(|said| said.what).collect()
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
    let mut opening = Vec::new();
    player(OPEN).open(&mut opening);
    assert_eq!(
        said(whats(opening)),
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
    let outgoing = does(&mut player, r#"{"method":"GetObject","handle":1,"params":["bb"],"id":2}"#);
    let [Outgoing::Text(text), Outgoing::Missed(Miss { nearest: Some(nearest), .. })] = &*outgoing else {
        panic!("{outgoing:?}")
    };
    assert_eq!(nearest.to_string(), r#"GetObject("b") on OpenDoc("Sales")"#);
    let error: serde_json::Value = serde_json::from_slice(&text.to_vec()).unwrap();
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

/// A session that selects A and reads, then selects B and reads.
const SELECT: &str = r#"
    1+ /
    1> {"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}
    1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
    1> {"id":2,"handle":1,"method":"GetObject","params":["o"]}
    1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}
    1> {"id":3,"handle":2,"method":"SelectListObjectValues","params":["/q",[0],false]}
    1< {"id":3,"result":{"qSuccess":true}}
    1> {"id":4,"handle":2,"method":"GetLayout","params":[]}
    1< {"id":4,"result":{"q":"A1"}}
    1> {"id":5,"handle":2,"method":"GetLayout","params":[]}
    1< {"id":5,"result":{"q":"A2"}}
    1> {"id":6,"handle":2,"method":"SelectListObjectValues","params":["/q",[1],false]}
    1< {"id":6,"result":{"qSuccess":true}}
    1> {"id":7,"handle":2,"method":"GetLayout","params":[]}
    1< {"id":7,"result":{"q":"B"}}
"#;

/// Plays `SELECT`: its app and object are open.
fn selecting(settings: &ReplaySettings) -> (Player, Arc<Tapes>) {
    let (tapes, _) = tapes(SELECT);
    let mut player = Player::new(ReplayMatcher::new(tapes.clone(), settings), &Arc::default(), 0);
    hears(&mut player, r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}"#);
    hears(&mut player, r#"{"id":2,"handle":1,"method":"GetObject","params":["o"]}"#);
    (player, tapes)
}

fn select(player: &mut Player, value: u8) {
    let select =
        format!(r#"{{"id":3,"handle":2,"method":"SelectListObjectValues","params":["/q",[{value}],false]}}"#);
    assert!(hears(player, &select)[0].contains(r#""qSuccess":true"#));
}

fn layout(player: &mut Player) -> String {
    let said = hears(player, r#"{"id":4,"handle":2,"method":"GetLayout","params":[]}"#);
    match said[0].split_once(r#""q":""#) {
        Some((_, rest)) => rest.split('"').next().unwrap().to_owned(),
        None => said[1].clone(),
    }
}

#[test]
fn answer_of_the_state_that_the_live_session_is_in_wins() {
    let (mut player, _) = selecting(&ReplaySettings::default());
    select(&mut player, 1);
    assert_eq!(layout(&mut player), "B");
    // The last one sticks within a state, though others are left.
    assert_eq!(layout(&mut player), "B");
    select(&mut player, 0);
    assert_eq!([layout(&mut player), layout(&mut player), layout(&mut player)], ["A1", "A2", "A2"]);
    select(&mut player, 1);
    assert_eq!(layout(&mut player), "B");
}

#[test]
fn without_an_answer_of_its_state_a_request_gets_them_in_recorded_order() {
    let (mut player, _) = selecting(&ReplaySettings::default());
    let said = [layout(&mut player), layout(&mut player), layout(&mut player), layout(&mut player)];
    assert_eq!(said, ["A1", "A2", "B", "B"]);
}

#[test]
fn repeat_once_is_a_miss_that_says_how_often_and_after_what_it_was_recorded() {
    let (mut player, _) = selecting(&ReplaySettings::default().repeat(Repeat::Once));
    select(&mut player, 0);
    assert_eq!([layout(&mut player), layout(&mut player)], ["A1", "A2"]);
    let said = layout(&mut player);
    assert!(
        said.ends_with(
            r#"it was recorded only 2 times in this state, but after SelectListObjectValues("/q",[1],false) on OpenDoc("a") / GetObject("o")"#
        ),
        "{said}"
    );
    select(&mut player, 1);
    assert_eq!(layout(&mut player), "B");
    assert!(layout(&mut player).ends_with("; it was recorded 3 times, and has been answered as often"));
}

#[test]
fn repeat_cycle_begins_anew_within_the_state() {
    let (mut player, _) = selecting(&ReplaySettings::default().repeat(Repeat::Cycle));
    select(&mut player, 0);
    let said: Vec<String> = (0..5).map(|_| layout(&mut player)).collect();
    assert_eq!(said, ["A1", "A2", "A1", "A2", "A1"]);
}

#[test]
fn calls_that_nobody_made_are_listed_in_recorded_order_with_their_number() {
    let (mut player, tapes) = selecting(&ReplaySettings::default());
    select(&mut player, 1);
    layout(&mut player);
    let unused = tapes.unused_calls(|_| true, 9);
    let first: Vec<String> = unused.first.iter().map(|(key, times)| format!("{times} {key}")).collect();
    assert_eq!(
        first,
        [
            r#"1 SelectListObjectValues("/q",[0],false) on OpenDoc("a") / GetObject("o")"#,
            r#"2 GetLayout() on OpenDoc("a") / GetObject("o")"#
        ]
    );
    assert_eq!((unused.calls, tapes.unused_calls(|_| true, 1).first.len()), (3, 1));
}

#[test]
fn merged_connections_are_one_time_line() {
    let script = r#"
        1+ /a
        2+ /b
        1> {"id":1,"method":"M"}
        1< {"id":1,"result":{"q":1}}
        2> {"id":1,"method":"M"}
        2< {"id":1,"result":{"q":2}}
        1> {"id":2,"method":"M"}
        1< {"id":2,"result":{"q":3}}
    "#;
    let said = |merge: bool, tape: usize| {
        let settings = ReplaySettings::default().merge(merge);
        let mut player = Player::new(ReplayMatcher::new(tapes(script).0, &settings), &Arc::default(), tape);
        let mut ask = || hears(&mut player, r#"{"id":9,"method":"M"}"#)[0].clone();
        [ask(), ask(), ask()].map(|said| said.split(r#""q":"#).nth(1).unwrap()[..1].to_owned())
    };
    assert_eq!(said(true, 0), ["1", "2", "3"]);
    assert_eq!(said(true, 1), ["1", "2", "3"]);
    assert_eq!(said(false, 0), ["1", "3", "3"]);
    assert_eq!(said(false, 1), ["2", "2", "2"]);
}

#[test]
fn ids_that_the_live_client_makes_up_stand_for_the_recorded_ones() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        1> {"id":2,"handle":1,"method":"CreateSessionObject","params":[{"qInfo":{"qId":"rec-1","qType":"t"}}]}
        1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2,"qGenericId":"rec-1"},"qInfo":{"qId":"rec-1"}}}
        1> {"id":3,"handle":2,"method":"GetLayout","params":[]}
        1< {"id":3,"result":{"qLayout":{"qInfo":{"qId":"rec-1"},"text":"of rec-1"}}}
        1> {"id":4,"handle":1,"method":"DestroySessionObject","params":["rec-1"]}
        1< {"id":4,"result":{"qSuccess":true}}
        "#,
    );
    hears(&mut player, r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}"#);
    let created = hears(
        &mut player,
        r#"{"id":2,"handle":1,"method":"CreateSessionObject","params":[{"qInfo":{"qType":"t","qId":"live-9"}}]}"#,
    );
    assert_eq!(
        created,
        [
            r#"{"jsonrpc":"2.0","id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2,"qGenericId":"live-9"},"qInfo":{"qId":"live-9"}}}"#
        ]
    );
    assert_eq!(
        hears(&mut player, r#"{"id":3,"handle":2,"method":"GetLayout","params":[]}"#),
        [r#"{"jsonrpc":"2.0","id":3,"result":{"qLayout":{"qInfo":{"qId":"live-9"},"text":"of rec-1"}}}"#]
    );
    let destroy = r#"{"id":4,"handle":1,"method":"DestroySessionObject","params":["live-9"]}"#;
    assert!(hears(&mut player, destroy)[0].contains("qSuccess"));
    // An object that is there by its name is not exchanged for another.
    let other = r#"{"id":5,"handle":1,"method":"DestroySessionObject","params":["3f2504e0-4f89-41d3-9a0c-0305e82c3301"]}"#;
    assert!(hears(&mut player, other)[1].starts_with("missed"));
}

#[test]
fn session_objects_can_be_destroyed_though_the_recorded_client_has_not() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        1> {"id":2,"handle":1,"method":"CreateSessionObject","params":[{"qInfo":{"qType":"t"}}]}
        1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2,"qGenericId":"made up"}}}
        1> {"id":3,"handle":1,"method":"GetObject","params":["stays"]}
        1< {"id":3,"result":{"qReturn":{"qType":"GenericObject","qHandle":3,"qGenericId":"stays"}}}
        "#,
    );
    hears(&mut player, r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}"#);
    hears(
        &mut player,
        r#"{"id":2,"handle":1,"method":"CreateSessionObject","params":[{"qInfo":{"qType":"t"}}]}"#,
    );
    hears(&mut player, r#"{"id":3,"handle":1,"method":"GetObject","params":["stays"]}"#);
    let mut destroy = |id: &str| {
        let text = format!(r#"{{"id":4,"handle":1,"method":"DestroySessionObject","params":["{id}"]}}"#);
        hears(&mut player, &text)
    };
    assert_eq!(destroy("made up"), [r#"{"jsonrpc":"2.0","id":4,"result":{"qSuccess":true},"close":[2]}"#]);
    // Neither twice, nor what is no object of the session.
    assert!(destroy("made up")[1].starts_with("missed"));
    assert!(destroy("stays")[1].starts_with("missed"));
}

#[test]
fn ignored_values_do_not_count_and_others_do() {
    let script = r#"
        1+ /
        1> {"id":1,"method":"M","params":[{"at":{"x":1,"y":2}}]}
        1< {"id":1,"result":{"q":1}}
    "#;
    let recording = recording(script);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    std::fs::write(&path, recording).unwrap();
    let settings = LoadSettings::default().ignore("M:/at/x".parse().unwrap());
    let tapes = Arc::new(Tapes::open_set([&path], &settings).unwrap().0);
    let mut player = play(&tapes, 0);
    assert_eq!(
        hears(&mut player, r#"{"id":1,"method":"M","params":[{"at":{"x":7,"y":2}}]}"#),
        [r#"{"jsonrpc":"2.0","id":1,"result":{"q":1}}"#]
    );
    assert!(
        hears(&mut player, r#"{"id":1,"method":"M","params":[{"at":{"x":1,"y":3}}]}"#)[1]
            .starts_with("missed")
    );
}

#[test]
fn times_between_request_answer_and_pushes_are_those_of_the_recording() {
    let lines = [
        r#"{"seq":1,"t":0,"conn":1,"kind":"open","url":"/","status":101}"#,
        r#"{"seq":2,"t":100,"conn":1,"kind":"frame","from":"client","json":{"id":1,"method":"M"}}"#,
        r#"{"seq":3,"t":130,"conn":1,"kind":"frame","from":"engine","json":{"method":"OnNews"}}"#,
        r#"{"seq":4,"t":150,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{}}}"#,
        r#"{"seq":5,"t":157,"conn":1,"kind":"close","by":"engine","code":1000,"clean":true}"#,
    ];
    let text = format!("{{\"qixrec\":[1,0]}}\n{}\n", lines.join("\n"));
    let (tapes, _) = Tapes::load(RecordingReader::new(text.as_bytes(), "test").unwrap()).unwrap();
    let since = |moment| -> Vec<u128> {
        let pushes = tapes.pushes(CallId(0), moment, true).unwrap();
        pushes.iter().map(|push| push.since.as_micros()).collect()
    };
    assert_eq!(tapes.latency(CallId(0)).map(|latency| latency.as_micros()), Some(50));
    assert_eq!((since(Moment::Before), since(Moment::After)), (vec![30], vec![7]));
}

#[test]
fn patches_of_patches_are_materialised_and_whole_values_are_cut_out_of_the_file() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"method":"M","delta":true}
        1< {"id":1,"delta":true,"result":{"q":[{"op":"add","path":"/","value":{"a":1}}]}}
        1> {"id":2,"method":"M","delta":true}
        1< {"id":2,"delta":true,"result":{"q":[{"op":"replace","path":"/","value":{"a":2}}]}}
        1> {"id":3,"method":"M","delta":true}
        1< {"id":3,"delta":true,"result":{"q":[{"op":"add","path":"/b","value":3}]}}
        1> {"id":4,"method":"M","delta":true}
        1< {"id":4,"delta":true,"result":{"q":[{"op":"add","path":"/","value":1},{"op":"replace","path":"/","value":4}]}}
        1> {"id":5,"method":"M","delta":true}
        1< {"id":5,"delta":true,"result":{"q":[]}}
        "#,
    );
    let said: Vec<String> = (0..5).map(|_| hears(&mut player, r#"{"id":1,"method":"M"}"#).concat()).collect();
    let expected = [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":2,"b":3}"#, "4", "4"];
    assert_eq!(said, expected.map(|q| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"q":{q}}}}}"#)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn independent_calls_get_their_recorded_answers_in_any_order(
        order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let mut script = String::from("1+ /\n");
        for call in 0..40 {
            script += &format!("1> {{\"id\":{call},\"method\":\"M\",\"params\":[{call}]}}\n1< {{\"id\":{call},\"result\":{{\"q\":{call}}}}}\n");
        }
        let mut player = player(&script);
        for call in order {
            let said = hears(&mut player, &format!(r#"{{"method":"M","params":[ {call} ],"id":7}}"#));
            prop_assert_eq!(said, [format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"q":{call}}}}}"#)]);
        }
    }

    #[test]
    fn plain_compressed_and_several_files_say_the_same(
        frames in prop::collection::vec((1..4u64, 0..6usize, any::<bool>()), 1..60),
        cut in any::<prop::sample::Index>(),
    ) {
        // Requests and answers of three connections, in any order; answers of which no request is known are among them.
        let mut lines: Vec<String> = (1..4)
            .map(|conn| format!(r#""conn":{conn},"kind":"open","url":"/{conn}","status":101"#))
            .collect();
        for (at, (conn, what, asks)) in frames.iter().enumerate() {
            lines.push(if *asks {
                format!(r#""conn":{conn},"kind":"frame","from":"client","json":{{"id":{what},"method":"M","params":[{what}]}}"#)
            } else {
                format!(r#""conn":{conn},"kind":"frame","from":"engine","json":{{"id":{what},"result":{{"q":{at}}}}}"#)
            });
        }
        let header = r#"{"qixrec":[1,0],"started":"2026-01-02T03:04:05Z"}"#;
        let line = |(at, line): (usize, &String)| format!("{{\"seq\":{},\"t\":{at},{line}}}\n", at + 1);
        let all: Vec<String> = lines.iter().enumerate().map(line).collect();
        let part = |lines: &[String]| format!("{header}\n{}", lines.concat());
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let plain = write("plain", part(&all).as_bytes());
        let zipped = write("zipped", &zstd::bulk::compress(part(&all).as_bytes(), 1).unwrap());
        let cut = cut.index(all.len());
        let one = write("one", part(&all[..cut]).as_bytes());
        let two = write("two", part(&all[cut..]).as_bytes());
        let said = |paths: &[&std::path::PathBuf]| {
            let (tapes, report) = Tapes::open_parts(paths, &Redaction::standard()).unwrap();
            let tapes = Arc::new(tapes);
            let mut said = Vec::new();
            for tape in 0..3 {
                let mut player = play(&tapes, tape);
                for round in 0..3 {
                    for what in 0..6 {
                        let text = format!(r#"{{"id":{round},"method":"M","params":[{what}]}}"#);
                        said.extend(hears(&mut player, &text));
                    }
                }
            }
            (said, report, tapes.unused_calls(|_| true, 100))
        };
        let expected = said(&[&plain]);
        prop_assert_eq!(&said(&[&zipped]), &expected);
        prop_assert_eq!(&said(&[&two, &one]), &expected);
    }
}

#[test]
fn guessed_handle_finds_what_was_asked_of_the_object_that_got_it_and_of_no_other() {
    let script = r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"OpenDoc","params":["d"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        1> {"id":2,"handle":1,"method":"GetObject","params":["a"]}
        1> {"id":3,"handle":2,"method":"GetLayout","params":[]}
        1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}
        1< {"id":3,"result":{"q":"of a"}}
        1> {"id":4,"handle":1,"method":"GetObject","params":["b"]}
        1< {"id":4,"result":{"qReturn":{"qType":"GenericObject","qHandle":3}}}
    "#;
    for (id, finds) in [("a", true), ("b", false)] {
        let mut player = player(script);
        hears(&mut player, r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["d"]}"#);
        let object = format!(r#"{{"id":2,"handle":1,"method":"GetObject","params":["{id}"]}}"#);
        assert!(hears(&mut player, &object)[0].contains(r#""qHandle":2"#));
        let said = hears(&mut player, r#"{"id":3,"handle":2,"method":"GetLayout","params":[]}"#);
        assert_eq!(said[0].contains("of a"), finds, "{said:?}");
        assert_eq!(said.len() == 2 && said[1].starts_with("missed"), !finds, "{said:?}");
    }
}

#[test]
fn object_that_an_unknown_one_has_opened_gets_a_handle_of_its_own() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"handle":7,"method":"GetObject","params":["a"]}
        1< {"id":1,"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}
        1> {"id":2,"handle":2,"method":"GetLayout","params":[]}
        1< {"id":2,"result":{"q":"of a"}}
        1> {"id":3,"handle":-1,"method":"OpenDoc","params":["d"]}
        1< {"id":3,"result":{"qReturn":{"qType":"Doc","qHandle":8}}}
        1> {"id":4,"handle":8,"method":"GetObject","params":["b"]}
        1< {"id":4,"result":{"qReturn":{"qType":"GenericObject","qHandle":9}}}
        1> {"id":5,"handle":9,"method":"GetLayout","params":[]}
        1< {"id":5,"result":{"q":"of b"}}
        "#,
    );
    hears(&mut player, r#"{"id":3,"handle":-1,"method":"OpenDoc","params":["d"]}"#);
    let said = hears(&mut player, r#"{"id":4,"handle":1,"method":"GetObject","params":["b"]}"#);
    assert!(said[0].contains(r#""qHandle":2"#), "{said:?}");
    let said = hears(&mut player, r#"{"id":1,"handle":7,"method":"GetObject","params":["a"]}"#);
    assert!(said[0].contains(r#""qHandle":3"#), "{said:?}");
    let said = [2, 3].map(|handle| {
        hears(&mut player, &format!(r#"{{"id":2,"handle":{handle},"method":"GetLayout","params":[]}}"#))
            .remove(0)
    });
    assert!(said[0].contains("of b") && said[1].contains("of a"), "{said:?}");
}

#[test]
fn values_that_say_what_is_meant_are_not_taken_for_made_up_ones() {
    for (method, recorded, live) in [
        ("SelectValues", r#"[[{"qNumber":4006381333931}]]"#, r#"[[{"qNumber":4006381333948}]]"#),
        ("Select", r#"["2026-01-02T03:04:05"]"#, r#"["2026-01-02T03:04:06"]"#),
        (
            "CreateSessionObject",
            r#"[{"qDimension":{"qLibraryId":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}}]"#,
            r#"[{"qDimension":{"qLibraryId":"3f2504e0-4f89-41d3-9a0c-0305e82c3302"}}]"#,
        ),
    ] {
        let mut player = player(&format!(
            "1+ /\n1> {{\"id\":1,\"handle\":-1,\"method\":\"{method}\",\"params\":{recorded}}}\n1< {{\"id\":1,\"result\":{{\"q\":1}}}}"
        ));
        let said =
            hears(&mut player, &format!(r#"{{"id":1,"handle":-1,"method":"{method}","params":{live}}}"#));
        assert!(said.len() == 2 && said[1].starts_with("missed"), "{said:?}");
        let said =
            hears(&mut player, &format!(r#"{{"id":1,"handle":-1,"method":"{method}","params":{recorded}}}"#));
        assert!(said[0].contains(r#""q":1"#), "{said:?}");
    }
}

#[test]
fn call_with_a_made_up_id_that_was_made_too_often_is_said_to_be_so() {
    let (tapes, _) = tapes(
        r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"CreateX","params":[{"qInfo":{"qId":"a"}}]}
        1< {"id":1,"result":{}}
        "#,
    );
    let settings = ReplaySettings::default().repeat(Repeat::Once);
    let mut player = Player::new(ReplayMatcher::new(tapes, &settings), &Arc::default(), 0);
    let mut create = |id| {
        hears(
            &mut player,
            &format!(r#"{{"id":1,"handle":-1,"method":"CreateX","params":[{{"qInfo":{{"qId":"{id}"}}}}]}}"#),
        )
    };
    assert_eq!(create("b").len(), 1);
    let said = create("c");
    assert!(said[1].ends_with("it was recorded once, and has been answered as often"), "{said:?}");
}

#[test]
fn answer_of_the_state_is_found_among_very_many_of_others() {
    let select = |value: usize| {
        format!(
            "1> {{\"id\":1,\"handle\":-1,\"method\":\"SelectX\",\"params\":[{value}]}}\n1< {{\"id\":1,\"result\":{{}}}}\n"
        )
    };
    let read = |value: usize| {
        format!(
            "1> {{\"id\":1,\"handle\":-1,\"method\":\"GetLayout\",\"params\":[]}}\n1< {{\"id\":1,\"result\":{{\"q\":\"{value}\"}}}}\n"
        )
    };
    let mut script = "1+ /\n".to_owned();
    for value in 0..3 {
        script += &select(value);
        script += &read(value).repeat(if value == 1 { 1 } else { 11_000 });
    }
    let mut player = player(&script);
    hears(&mut player, r#"{"id":1,"handle":-1,"method":"SelectX","params":[1]}"#);
    let said = hears(&mut player, r#"{"id":1,"handle":-1,"method":"GetLayout","params":[]}"#);
    assert!(said[0].contains(r#""q":"1""#), "{said:?}");
}

#[test]
fn masks_of_different_requests_of_a_method_do_not_hide_each_other() {
    let mut player = player(
        r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"Mine","params":[{"pin":"***","user":"u"}]}
        1< {"id":1,"result":{"q":1}}
        1> {"id":2,"handle":-1,"method":"Mine","params":[{"pin":"***","user":"***"}]}
        1< {"id":2,"result":{"q":2}}
        "#,
    );
    let said = hears(&mut player, r#"{"id":1,"method":"Mine","params":[{"pin":"1","user":"u"}]}"#);
    assert_eq!(said, [r#"{"jsonrpc":"2.0","id":1,"result":{"q":1}}"#]);
    let said = hears(&mut player, r#"{"id":1,"method":"Mine","params":[{"pin":"1","user":"other"}]}"#);
    assert_eq!(said, [r#"{"jsonrpc":"2.0","id":1,"result":{"q":2}}"#]);
}

#[test]
fn edited_recording_with_other_line_ends_and_white_space_replays_as_before() {
    let plain = recording(OPEN);
    let spaced = plain.replace(r#""kind":"frame","#, r#" "kind" : "frame", "#);
    let as_text = plain.lines().map(|line| match line.split_once(r#""json":"#) {
        Some((head, json)) => {
            let text = serde_json::Value::from(json.strip_suffix('}').unwrap());
            format!("{head}\"text\":{text}}}\n")
        }
        None => format!("{line}\n"),
    });
    let said = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.qixrec");
        std::fs::write(&path, text).unwrap();
        let (tapes, report) = Tapes::open(&path).unwrap();
        assert_eq!(report, LoadReport::default());
        let mut player = play(&Arc::new(tapes), 0);
        let mut all = hears(&mut player, r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#);
        all.extend(hears(&mut player, r#"{"id":2,"handle":1,"method":"GetObject","params":["a"]}"#));
        all.extend(hears(&mut player, r#"{"id":3,"handle":2,"method":"GetLayout","params":[]}"#));
        all
    };
    let expected = said(&plain);
    assert_eq!(expected.len(), 3);
    for edited in [plain.replace('\n', "\r\n"), spaced, as_text.collect()] {
        assert_eq!(said(&edited), expected);
    }
}

/// Writes and reads of an app, an object in it and a measure, each of which is answered by its place in the recording.
fn conversation(steps: &[(usize, bool)], pipelined: usize) -> (String, Vec<String>) {
    const CALLS: &[&str] = &[
        r#""handle":1,"method":"GetAllInfos","params":[]"#,
        r#""handle":2,"method":"GetLayout","params":[]"#,
        r#""handle":2,"method":"SelectListObjectValues","params":["/q",[1]]"#,
        r#""handle":2,"method":"SelectListObjectValues","params":["/q",[2],true]"#,
        r#""handle":2,"method":"SelectListObjectExcluded","params":["/q"]"#,
        r#""handle":2,"method":"ClearSelections","params":["/q"]"#,
        r#""handle":1,"method":"ClearAll","params":[]"#,
        r#""handle":1,"method":"Back","params":[]"#,
        r#""handle":1,"method":"Forward","params":[]"#,
        r#""handle":2,"method":"BeginSelections","params":[["/q"]]"#,
        r#""handle":2,"method":"EndSelections","params":[false]"#,
        r#""handle":1,"method":"AbortModal","params":[true]"#,
        r#""handle":1,"method":"ApplyBookmark","params":["b"]"#,
        r#""handle":2,"method":"SearchListObjectFor","params":["/q","x"]"#,
        r#""handle":2,"method":"AcceptListObjectSearch","params":["/q",true]"#,
        r#""handle":2,"method":"SetProperties","params":[{"a":1}]"#,
        r#""handle":2,"method":"ApplyPatches","params":[[]]"#,
        r#""handle":1,"method":"CreateSessionObject","params":[{}]"#,
        r#""handle":3,"method":"SetProperties","params":[{"a":1}]"#,
        r#""handle":1,"method":"DoReload","params":[]"#,
    ];
    let mut script = r#"
        1+ /
        1> {"id":1,"handle":-1,"method":"OpenDoc","params":["d"]}
        1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}
        1> {"id":2,"handle":1,"method":"GetObject","params":["o"]}
        1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}
        1> {"id":3,"handle":1,"method":"GetMeasure","params":["m"]}
        1< {"id":3,"result":{"qReturn":{"qType":"GenericMeasure","qHandle":3}}}
    "#
    .to_owned();
    let mut asked = Vec::new();
    for batch in steps.chunks(pipelined) {
        let mut answers = String::new();
        for (call, refused) in batch {
            let id = asked.len() + 10;
            let call = format!("{{\"id\":{id},{}}}", CALLS[call % CALLS.len()]);
            script += &format!("\n1> {call}");
            answers += &match refused {
                true => format!("\n1< {{\"id\":{id},\"error\":{{\"code\":{id}}}}}"),
                false => format!("\n1< {{\"id\":{id},\"result\":{{\"q\":{id}}}}}"),
            };
            asked.push(call);
        }
        script += &answers;
    }
    (script, asked)
}

proptest! {
    #[test]
    fn same_conversation_again_gets_the_same_answers(
        steps in prop::collection::vec((any::<usize>(), prop::bool::weighted(0.2)), 0..60),
    ) {
        let (script, asked) = conversation(&steps, 1);
        let mut player = player(&script);
        hears(&mut player, r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["d"]}"#);
        hears(&mut player, r#"{"id":2,"handle":1,"method":"GetObject","params":["o"]}"#);
        hears(&mut player, r#"{"id":3,"handle":1,"method":"GetMeasure","params":["m"]}"#);
        for (id, call) in (10..).zip(&asked) {
            let said = hears(&mut player, call);
            let own = [format!(r#""q":{id}}}"#), format!(r#""code":{id}}}"#)];
            prop_assert!(own.iter().any(|own| said[0].contains(own)), "{call} got {said:?}");
        }
    }
}
