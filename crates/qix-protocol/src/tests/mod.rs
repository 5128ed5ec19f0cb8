//! Scenarios of one connection, with time that only moves when a test says so.

mod bombs;
mod cancelling;
mod delta;
mod greetings;
mod handles;

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    CallError, ChangeSet, Connection, ConnectionConfig, Event, Handle, NewRequest, ProtocolError,
    RequestError, RequestId, SessionState, Typed,
    frame::Raw,
    schema::{Method, global},
};

fn raw(text: &str) -> Raw<'_> {
    Raw::new(text.as_bytes()).unwrap()
}

/// A connection whose calls carry their method's name, and the engine's side as texts.
struct Pair {
    client: Connection<&'static str>,
}

impl Pair {
    fn new() -> Self {
        Self::with(ConnectionConfig::default())
    }

    fn with(config: ConnectionConfig) -> Self {
        Self { client: Connection::new(config) }
    }

    fn try_call(
        &mut self,
        to: Handle,
        method: &'static str,
        params: &str,
        deadline: Option<Instant>,
    ) -> Result<RequestId, RequestError> {
        let id = self.client.ids().reserve();
        let params = Raw::new(params.as_bytes()).unwrap();
        let request = NewRequest { id, to, method, params, delta: false, deadline };
        self.client.request(request, method).map(|()| id).map_err(|(error, _)| error)
    }

    fn call(&mut self, to: Handle, method: &'static str, params: &str) -> RequestId {
        self.try_call(to, method, params, None).unwrap()
    }

    fn engine_says(&mut self, text: &str) -> Result<(), ProtocolError> {
        self.client.handle_text(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.client.poll_transmit())
            .map(|text| String::from_utf8(text.to_vec()).unwrap())
            .collect()
    }

    fn events(&mut self) -> Vec<Event<&'static str>> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    /// The events in words.
    fn heard(&mut self) -> Vec<String> {
        let describe = |event| match event {
            Event::Completed { data, outcome: Ok(answer), .. } => {
                format!("{data}: {}", String::from_utf8_lossy(&answer.text()))
            }
            Event::Completed { data, outcome: Err(error), .. } => format!("{data} failed: {error}"),
            Event::Changes(ChangeSet { changed, closed, suspended }) => {
                let numbers = |list: Vec<Handle>| list.iter().map(|handle| handle.get()).collect::<Vec<_>>();
                format!(
                    "change {:?} close {:?} suspend {:?}",
                    numbers(changed),
                    numbers(closed),
                    numbers(suspended)
                )
            }
            Event::Notification(notification) => {
                format!("{} {:?}", notification.method, notification.params())
            }
            Event::OpenedForNobody { on, .. } => format!("opened for nobody on {on}"),
            Event::Orphan(_) => "orphan".to_owned(),
        };
        self.events().into_iter().map(describe).collect()
    }
}

#[test]
fn ids_start_at_one_and_requests_leave_in_order() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "EngineVersion", "[]");
    pair.call(Handle::new(3), "GetLayout", "{}");
    assert_eq!(
        pair.sent(),
        [
            r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"EngineVersion","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":2,"handle":3,"method":"GetLayout","params":{}}"#,
        ]
    );
}

#[test]
fn answers_are_matched_by_id_whatever_their_order() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "A", "[]");
    pair.call(Handle::GLOBAL, "B", "[]");
    pair.engine_says(r#"{"id":2,"result":{"q":2}}"#).unwrap();
    pair.engine_says(r#"{"result":{"q":1},"id":1}"#).unwrap();
    assert_eq!(pair.heard(), [r#"B: {"q":2}"#, r#"A: {"q":1}"#]);
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn missing_or_null_result_is_an_empty_object() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "A", "[]");
    pair.call(Handle::GLOBAL, "B", "[]");
    pair.engine_says(r#"{"jsonrpc":"2.0","id":1}"#).unwrap();
    pair.engine_says(r#"{"jsonrpc":"2.0","id":2,"result":null}"#).unwrap();
    assert_eq!(pair.heard(), ["A: {}", "B: {}"]);
}

#[test]
fn response_to_an_unknown_id_is_an_orphan_and_harms_nothing() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "A", "[]");
    for text in [r#"{"jsonrpc":"2.0","id":42}"#, r#"{"id":"1","result":{}}"#, r#"{"error":{"code":-32700}}"#]
    {
        pair.engine_says(text).unwrap();
        assert_eq!(pair.heard(), ["orphan"]);
    }
    pair.engine_says(r#"{"id":1,"result":{}}"#).unwrap();
    assert_eq!(pair.heard(), ["A: {}"]);
}

#[test]
fn change_on_an_error_response_is_delivered_before_the_error() {
    let mut pair = Pair::new();
    pair.call(Handle::new(2), "GetLayout", "[]");
    pair.engine_says(r#"{"id":1,"error":{"code":15,"message":"Request aborted"},"change":[2]}"#).unwrap();
    assert_eq!(
        pair.heard(),
        [
            "change [2] close [] suspend []",
            "GetLayout failed: engine error 15 (GENERIC_ABORTED): Request aborted"
        ]
    );
}

#[test]
fn pushes_carry_lists_alone() {
    let mut pair = Pair::new();
    pair.engine_says(r#"{"jsonrpc":"2.0","change":[2]}"#).unwrap();
    pair.engine_says(r#"{"jsonrpc":"2.0","close":[3,4]}"#).unwrap();
    pair.engine_says(r#"{"jsonrpc":"2.0","suspend":[5]}"#).unwrap();
    assert_eq!(
        pair.heard(),
        [
            "change [2] close [] suspend []",
            "change [] close [3, 4] suspend []",
            "change [] close [] suspend [5]",
        ]
    );
}

#[test]
fn close_wins_over_change_in_one_frame() {
    let mut pair = Pair::new();
    pair.engine_says(r#"{"change":[1,2,3],"close":[2]}"#).unwrap();
    assert_eq!(pair.heard(), ["change [1, 3] close [2] suspend []"]);
}

#[test]
fn object_references_are_registered_before_changes_are_delivered() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "OpenDoc", r#"["Sales"]"#);
    let answer =
        r#"{"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}},"change":[1]}"#;
    pair.engine_says(answer).unwrap();
    assert!(matches!(pair.client.poll_event(), Some(Event::Changes(_))));
    assert_eq!(pair.client.lineage(Handle::new(1)).unwrap().to_string(), r#"OpenDoc("Sales")"#);
    assert!(matches!(pair.client.poll_event(), Some(Event::Completed { .. })));
}

#[test]
fn closed_handles_lose_their_lineage() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "OpenDoc", r#"["Sales"]"#);
    pair.engine_says(r#"{"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}"#).unwrap();
    pair.engine_says(r#"{"close":[1]}"#).unwrap();
    assert!(pair.client.lineage(Handle::new(1)).is_none());
}

#[test]
fn cancelling_queues_cancel_request_and_still_expects_the_late_answer() {
    let mut pair = Pair::new();
    let id = pair.call(Handle::GLOBAL, "OpenDoc", r#"["Sales"]"#);
    pair.sent();
    assert_eq!(pair.client.cancel(id), Some("OpenDoc"));
    assert_eq!(pair.client.cancel(id), None);
    assert_eq!(
        pair.sent(),
        [r#"{"jsonrpc":"2.0","id":2,"handle":-1,"method":"CancelRequest","params":[1]}"#]
    );
    pair.engine_says(r#"{"id":2,"result":{}}"#).unwrap();
    pair.engine_says(r#"{"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}},"close":[4]}"#).unwrap();
    assert_eq!(pair.heard(), ["change [] close [4] suspend []", "opened for nobody on -1"]);
    assert!(pair.client.lineage(Handle::new(1)).is_some(), "the object is open all the same");
}

#[test]
fn oldest_cancelled_calls_are_forgotten_first() {
    let mut pair = Pair::with(ConnectionConfig::default().max_cancelled(1));
    let first = pair.call(Handle::GLOBAL, "A", "[]");
    pair.client.cancel(first);
    let second = pair.call(Handle::GLOBAL, "B", "[]");
    pair.client.cancel(second);
    pair.engine_says(&format!(r#"{{"id":{first},"error":{{"code":15}}}}"#)).unwrap();
    assert_eq!(pair.heard(), ["orphan"]);
    pair.engine_says(&format!(r#"{{"id":{second},"error":{{"code":15}}}}"#)).unwrap();
    assert!(pair.heard().is_empty());
}

#[test]
fn deadline_cancels_the_call_and_fails_it_once() {
    let mut pair = Pair::new();
    let start = some_instant();
    let deadline = start + Duration::from_secs(5);
    pair.try_call(Handle::GLOBAL, "A", "[]", Some(deadline)).unwrap();
    assert_eq!(pair.client.poll_timeout(), Some(deadline));
    pair.client.handle_timeout(start);
    assert!(pair.heard().is_empty());
    pair.client.handle_timeout(deadline);
    assert_eq!(pair.heard(), ["A failed: no answer before the deadline"]);
    assert_eq!(pair.client.poll_timeout(), None);
    assert_eq!(pair.sent().len(), 2);
}

#[test]
fn end_of_the_socket_fails_everything_pending_once() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "A", "[]");
    let cancelled = pair.call(Handle::GLOBAL, "B", "[]");
    pair.client.cancel(cancelled);
    pair.call(Handle::GLOBAL, "C", "[]");
    pair.client.handle_close(io::Error::other("cable"));
    pair.client.handle_close(io::Error::other("again"));
    let [
        Event::Completed { outcome: Err(CallError::Closed(one)), .. },
        Event::Completed { outcome: Err(CallError::Closed(other)), .. },
    ] = &*pair.events()
    else {
        panic!("two calls were pending")
    };
    assert_eq!(one, other, "one cause is shared");
    assert_eq!(one.to_string(), "cable");
    assert_eq!(pair.try_call(Handle::GLOBAL, "C", "[]", None), Err(RequestError::Closed));
    assert!(pair.sent().is_empty());
}

#[test]
fn calls_in_flight_are_limited() {
    let mut pair = Pair::with(ConnectionConfig::default().max_pending(1));
    pair.call(Handle::GLOBAL, "A", "[]");
    assert_eq!(
        pair.try_call(Handle::GLOBAL, "B", "[]", None),
        Err(RequestError::TooManyPending { limit: 1 })
    );
    pair.engine_says(r#"{"id":1,"result":{}}"#).unwrap();
    assert!(pair.try_call(Handle::GLOBAL, "B", "[]", None).is_ok());
}

#[test]
fn nothing_is_taken_in_after_the_end() {
    let mut pair = Pair::new();
    pair.client.handle_close(io::Error::other("cable"));
    pair.engine_says(r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"},"change":[1]}"#)
        .unwrap();
    assert!(pair.events().is_empty() && pair.client.session_state().is_none());
}

#[test]
fn greeting_with_an_id_is_latched_and_one_with_that_of_a_call_is_its_answer() {
    let mut pair = Pair::new();
    let id = pair.call(Handle::GLOBAL, "A", "[]");
    let say = |id: u64| format!(r#"{{"id":{id},"method":"OnConnected","params":{{"qSessionState":"X"}}}}"#);
    pair.engine_says(&say(99)).unwrap();
    assert!(pair.client.session_state().is_some());
    pair.engine_says(&say(id.get())).unwrap();
    assert_eq!(pair.heard(), [r#"OnConnected {"qSessionState":"X"}"#, "A: {}"]);
}

#[test]
fn abandoned_call_is_not_sent() {
    let mut pair = Pair::new();
    let id = pair.call(Handle::GLOBAL, "A", "[]");
    pair.call(Handle::GLOBAL, "B", "[]");
    assert_eq!(pair.client.abandon(id), Some("A"));
    assert!(matches!(&*pair.sent(), [only] if only.contains("\"B\"")));
}

#[test]
fn parameters_that_are_neither_array_nor_object_are_refused() {
    let mut pair = Pair::new();
    let id = pair.client.ids().reserve();
    let request =
        NewRequest { id, to: Handle::GLOBAL, method: "A", params: Typed(&5), delta: false, deadline: None };
    let (error, _) = pair.client.request(request, "A").unwrap_err();
    assert_eq!(error.to_string(), "the parameters cannot be written: parameters are an array or an object");
}

#[test]
fn null_reference_is_a_typed_not_found() {
    let mut pair = Pair::new();
    let id = pair.call(Handle::new(1), "GetObject", r#"["nowhere"]"#);
    pair.engine_says(&format!(r#"{{"id":{id},"result":{{"qReturn":{{"qType":null,"qHandle":null}}}}}}"#))
        .unwrap();
    assert!(matches!(&*pair.events(), [Event::Completed { outcome: Err(CallError::NotFound(_)), .. }]));
}

#[test]
fn authentication_information_is_latched() {
    let mut pair = Pair::new();
    assert!(pair.client.authentication().is_none());
    let text =
        r#"{"method":"OnAuthenticationInformation","params":{"loginUri":"/login","mustAuthenticate":true}}"#;
    pair.engine_says(text).unwrap();
    let information = pair.client.authentication().unwrap();
    assert!(information.must_authenticate);
    assert_eq!(information.login_uri.as_deref(), Some("/login"));
    assert_eq!(pair.heard().len(), 1);
}

#[test]
fn malformed_result_fails_its_call_and_only_that() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "A", "[]");
    pair.call(Handle::GLOBAL, "B", "[]");
    pair.engine_says(r#"{"id":1,"result":{"q":nul}}"#).unwrap();
    pair.engine_says(r#"{"id":2,"result":{"q":1}}"#).unwrap();
    let decoded: Vec<_> = pair
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Completed { outcome: Ok(answer), .. } => answer.decode::<serde_json::Value>().is_ok(),
            _ => panic!("two answers came"),
        })
        .collect();
    assert_eq!(decoded, [false, true]);
}

#[test]
fn typed_parameters_are_written_as_they_are_sent_and_refused_ones_give_the_data_back() {
    let mut pair = Pair::new();
    let id = pair.client.ids().reserve();
    let params = global::OpenDocParams::new("Sales");
    let open = NewRequest {
        id,
        to: Handle::GLOBAL,
        method: global::OpenDoc::NAME,
        params: Typed(&params),
        delta: false,
        deadline: None,
    };
    pair.client.request(open, "mine").unwrap();
    assert_eq!(
        pair.sent(),
        [r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#]
    );
    let no_json = std::collections::HashMap::from([(vec![1], 1)]);
    let id = pair.client.ids().reserve();
    let refused = NewRequest {
        id,
        to: Handle::GLOBAL,
        method: "X",
        params: Typed(&no_json),
        delta: false,
        deadline: None,
    };
    let (error, data) = pair.client.request(refused, "mine").unwrap_err();
    assert!(matches!(error, RequestError::Params(_)) && data == "mine");
    assert!(pair.sent().is_empty() && pair.client.in_flight() == 1);
}

#[test]
fn on_connected_is_latched_and_other_notifications_pass() {
    let mut pair = Pair::new();
    assert_eq!(pair.client.session_state(), None);
    pair.engine_says(r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_ATTACHED"}}"#).unwrap();
    pair.engine_says(r#"{"method":"OnSomethingNew"}"#).unwrap();
    assert_eq!(pair.client.session_state(), Some(&SessionState::Attached));
    assert_eq!(pair.heard(), [r#"OnConnected {"qSessionState":"SESSION_ATTACHED"}"#, "OnSomethingNew null"]);
}

#[test]
fn text_that_is_no_frame_changes_nothing() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "A", "[]");
    for text in ["<html></html>", "", "[1]", r#"{"id":1,"result":{"#, r#"{"id":1,"change":7}"#] {
        assert!(pair.engine_says(text).is_err(), "{text}");
    }
    assert_eq!(pair.client.in_flight(), 1);
    assert!(pair.heard().is_empty());
}

#[test]
fn delta_answer_that_nobody_asked_for_is_understood() {
    let mut pair = Pair::new();
    pair.call(Handle::new(1), "GetLayout", "[]");
    pair.engine_says(r#"{"id":1,"delta":true,"result":{"qLayout":[{"op":"add","path":"/","value":{}}]}}"#)
        .unwrap();
    assert_eq!(pair.heard(), [r#"GetLayout: {"qLayout":{}}"#]);
}

/// A point in time to count from; tests own the clock, so any will do.
#[expect(clippy::disallowed_methods, reason = "there is no other way to make an Instant")]
fn some_instant() -> Instant {
    Instant::now()
}
