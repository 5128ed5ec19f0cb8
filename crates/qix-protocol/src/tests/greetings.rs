//! When an engine greets: before anything, after the first request, after the first answer, or never.

use super::*;

const GREETING: &str =
    r#"{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#;
const HEARD: &str = r#"OnConnected {"qSessionState":"SESSION_CREATED"}"#;

#[test]
fn greeting_may_wait_for_the_first_request() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "EngineVersion", "[]");
    assert_eq!(pair.sent().len(), 1, "nothing waits for a greeting");
    pair.engine_says(r#"{"method":"OnAuthenticationInformation","params":{"mustAuthenticate":false}}"#)
        .unwrap();
    pair.engine_says(GREETING).unwrap();
    pair.engine_says(r#"{"id":1,"result":{}}"#).unwrap();
    assert_eq!(
        pair.heard(),
        [r#"OnAuthenticationInformation {"mustAuthenticate":false}"#, HEARD, "EngineVersion: {}"]
    );
}

#[test]
fn greeting_may_be_missing() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "EngineVersion", "[]");
    pair.engine_says(r#"{"id":1,"result":{}}"#).unwrap();
    assert_eq!(pair.heard(), ["EngineVersion: {}"]);
    assert_eq!(pair.client.session_state(), None);
}

#[test]
fn greeting_may_follow_the_first_answer() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "EngineVersion", "[]");
    pair.engine_says(r#"{"id":1,"result":{}}"#).unwrap();
    pair.engine_says(GREETING).unwrap();
    assert_eq!(pair.heard(), ["EngineVersion: {}", HEARD]);
    assert_eq!(pair.client.session_state(), Some(&SessionState::Created));
}

#[test]
fn greeting_without_a_state_is_passed_on_and_not_latched() {
    let mut pair = Pair::new();
    for text in [
        r#"{"method":"OnConnected"}"#,
        r#"{"method":"OnConnected","params":null}"#,
        r#"{"method":"OnConnected","params":["SESSION_CREATED"]}"#,
    ] {
        pair.engine_says(text).unwrap();
    }
    assert_eq!(pair.heard(), ["OnConnected null", "OnConnected null", r#"OnConnected ["SESSION_CREATED"]"#]);
}

#[test]
fn unknown_notifications_pass_with_their_params_and_lists() {
    let mut pair = Pair::new();
    pair.engine_says(r#"{"method":"OnSomethingNew","params":[1],"change":[2]}"#).unwrap();
    pair.engine_says(r#"{"jsonrpc":"2.0","method":"OnNothing"}"#).unwrap();
    assert_eq!(pair.heard(), ["OnSomethingNew [1]", "change [2] close [] suspend []", "OnNothing null"]);
}

#[test]
fn fatal_news_says_so() {
    let mut pair = Pair::new();
    pair.engine_says(r#"{"method":"OnSessionTimedOut","params":{"severity":"fatal"}}"#).unwrap();
    pair.engine_says(GREETING).unwrap();
    let fatal: Vec<_> = pair
        .events()
        .iter()
        .map(|event| matches!(event, Event::Notification(notification) if notification.is_fatal()))
        .collect();
    assert_eq!(fatal, [true, false]);
}
