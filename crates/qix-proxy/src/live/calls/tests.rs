//! What the tracker makes of conversations.

use super::*;

/// One connection, its clock, and what was told of it.
#[derive(Default)]
struct Talk {
    tracker: Tracker,
    t: u64,
    told: Vec<Event>,
}

impl Talk {
    /// A connection on which the app `Sales` is open under handle 1.
    fn with_app() -> Self {
        let mut talk = Self::default();
        talk.call(
            -1,
            "OpenDoc",
            r#"["Sales.qvf"]"#,
            r#"{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales.qvf"}}"#,
        );
        talk.told.clear();
        talk
    }

    fn take(&mut self, seen: &Seen<'_>) {
        self.t += 1000;
        let told = &mut self.told;
        self.tracker.take(1, self.t, seen, &mut |event| told.push(event));
    }

    fn client(&mut self, text: &str) {
        self.take(&Seen::Text { from: Side::Client, text: text.as_bytes() });
    }

    fn engine(&mut self, text: &str) {
        self.take(&Seen::Text { from: Side::Engine, text: text.as_bytes() });
    }

    fn ask(&mut self, id: u64, handle: i32, method: &str, params: &str) {
        self.client(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"handle":{handle},"method":"{method}","params":{params}}}"#
        ));
    }

    fn call(&mut self, handle: i32, method: &str, params: &str, result: &str) {
        self.ask(900, handle, method, params);
        self.engine(&format!(r#"{{"jsonrpc":"2.0","id":900,"result":{result}}}"#));
    }

    /// The last call, as `object method fault`.
    fn done(&self) -> String {
        let done = self.told.iter().rev().find_map(|event| match event {
            Event::Done(done) => Some(done),
            _ => None,
        });
        let done = done.expect("a call was answered");
        let fault = done.fault.as_ref().map(|fault| format!(" {}", fault.words)).unwrap_or_default();
        format!("{} {}{fault}", done.object, done.method)
    }

    fn notices(&self) -> Vec<&str> {
        let texts = self.told.iter().filter_map(|event| match event {
            Event::Notice(notice) => Some(&*notice.text),
            _ => None,
        });
        texts.collect()
    }
}

#[test]
fn calls_are_told_with_object_latency_and_size_when_they_are_answered() {
    let mut talk = Talk::with_app();
    talk.ask(1, 1, "GetAppProperties", "[]");
    talk.ask(2, 1, "Evaluate", r#"["1+1"]"#);
    assert_eq!((talk.told.len(), talk.tracker.in_flight()), (0, 2));
    let answer = r#"{"jsonrpc":"2.0","id":2,"result":{"qReturn":"2"}}"#;
    talk.engine(answer);
    let Event::Done(done) = &talk.told[0] else { panic!("{:?}", talk.told) };
    assert_eq!((done.conn, done.t, done.latency, done.size), (1, talk.t, 1000, answer.len() as u64));
    assert_eq!((talk.done(), talk.tracker.in_flight()), ("app Sales Evaluate".to_owned(), 1));
}

#[test]
fn objects_are_named_by_type_and_by_the_title_that_came_last() {
    let mut talk = Talk::with_app();
    let reference =
        r#"{"qReturn":{"qType":"GenericObject","qHandle":2,"qGenericType":"sheet","qGenericId":"s1"}}"#;
    talk.call(1, "GetObject", r#"["s1"]"#, reference);
    assert_eq!(talk.done(), "app Sales GetObject");
    talk.call(2, "GetPropertiesHash", "[]", "{}");
    assert_eq!(talk.done(), "sheet s1 GetPropertiesHash");
    talk.call(2, "GetLayout", "[]", r#"{"qLayout":{"qInfo":{"qId":"s1"},"qMeta":{"title":"Overview"}}}"#);
    assert_eq!(talk.done(), "sheet Overview GetLayout");
    talk.engine(r#"{"jsonrpc":"2.0","close":[2]}"#);
    talk.call(2, "GetLayout", "[]", "{}");
    assert_eq!(talk.done(), "handle 2 GetLayout");
}

#[test]
fn references_and_titles_are_found_in_patches() {
    let mut talk = Talk::with_app();
    let open = |talk: &mut Talk, patches: &str| {
        talk.ask(5, 1, "GetObject", r#"["x"]"#);
        talk.engine(&format!(r#"{{"id":5,"delta":true,"result":{{"qReturn":[{patches}]}}}}"#));
    };
    open(
        &mut talk,
        r#"{"op":"add","path":"/","value":{"qType":"GenericObject","qHandle":2,"qGenericType":"sheet","qGenericId":"s1"}}"#,
    );
    open(
        &mut talk,
        r#"{"op":"replace","path":"/qHandle","value":3},{"op":"replace","path":"/qGenericId","value":"s2"}"#,
    );
    talk.call(3, "GetInfo", "[]", "{}");
    assert_eq!(talk.done(), "sheet s2 GetInfo");
    talk.ask(6, 2, "GetLayout", "[]");
    talk.engine(
        r#"{"id":6,"delta":true,"result":{"qLayout":[{"op":"add","path":"/","value":{"title":"First"}}]}}"#,
    );
    assert_eq!(talk.done(), "sheet First GetLayout");
}

#[test]
fn errors_are_told_in_words_and_without_secrets() {
    let mut talk = Talk::with_app();
    talk.ask(3, 1, "GetField", r#"["x"]"#);
    talk.engine(
        r#"{"id":3,"error":{"code":-32602,"parameter":"token=s3cret-s3cret","message":"Invalid Params"}}"#,
    );
    let done = talk.done();
    assert!(
        done.starts_with("app Sales GetField -32602 JSON_RPC_INVALID_PARAMETERS: Invalid Params"),
        "{done}"
    );
    assert!(!done.contains("s3cret"), "{done}");
}

#[test]
fn error_inside_a_layout_is_an_error_of_its_call() {
    let mut talk = Talk::with_app();
    talk.call(1, "GetLayout", "[]", r#"{"qLayout":{"qHyperCube":{"qError":{"qErrorCode":7005}}}}"#);
    assert!(talk.done().contains("in the layout: 7005 CALC_EVAL_CONDITION_FAILED"), "{}", talk.done());
}

#[test]
fn reload_is_running_from_its_request_on_and_told_by_the_polls_that_name_it() {
    let mut talk = Talk::with_app();
    talk.ask(7, 1, "DoReload", "[]");
    assert_eq!(talk.tracker.running().len(), 1);
    let progress = r#"{"qProgressData":{"qStarted":true,"qCompleted":1,"qTotal":4,"qPersistentProgress":"Sales << sales 100 lines fetched\n"}}"#;
    talk.call(-1, "GetProgress", "[8]", progress);
    assert_eq!(talk.tracker.running()[0].percent, None, "another call was asked about");
    talk.call(-1, "GetProgress", "[7]", progress);
    let running = talk.tracker.running()[0].clone();
    assert_eq!((running.percent, &*running.text), (Some(25), "Sales << sales 100 lines fetched"));
    assert!(talk.told.contains(&Event::Progress(running)));
    talk.engine(r#"{"id":7,"result":{"qReturn":false}}"#);
    assert_eq!(talk.done(), "app Sales DoReload the script failed");
    assert!(talk.tracker.running().is_empty());
}

#[test]
fn failure_of_a_reload_is_found_in_a_patch_that_changes_nothing() {
    let mut talk = Talk::with_app();
    for patches in [r#"{"op":"add","path":"/","value":false}"#, ""] {
        talk.ask(7, 1, "DoReload", "[]");
        talk.engine(&format!(r#"{{"id":7,"delta":true,"result":{{"qReturn":[{patches}]}}}}"#));
        assert_eq!(talk.done(), "app Sales DoReload the script failed");
    }
}

#[test]
fn script_errors_and_questions_to_the_user_are_notices() {
    let mut talk = Talk::with_app();
    talk.ask(7, 1, "DoReloadEx", "{}");
    let progress = r#"{"qProgressData":{"qStarted":true,"qUserInteractionWanted":true,"qErrorData":[{"qErrorString":"Table x not found"}]}}"#;
    talk.call(-1, "GetProgress", "[0]", progress);
    assert_eq!(
        talk.notices(),
        [
            "DoReloadEx of app Sales: Table x not found",
            "DoReloadEx of app Sales waits for an answer of the user (GetInteract, InteractDone)"
        ]
    );
}

#[test]
fn close_says_what_was_left_unanswered() {
    let mut talk = Talk::with_app();
    talk.ask(7, 1, "DoReload", "[]");
    talk.ask(8, 1, "GetAppLayout", "[]");
    talk.engine(r#"{"jsonrpc":"2.0","suspend":[1]}"#);
    talk.take(&Seen::Closed {
        by: Some(Side::Engine),
        code: Some(4003),
        reason: "",
        clean: true,
        error: None,
    });
    assert_eq!(
        talk.notices(),
        [
            "the engine has suspended 1 object, as a reload does",
            "closed by the engine with 4003 (the engine terminates), with 2 calls unanswered; DoReload of app Sales was going on"
        ]
    );
    assert_eq!(talk.tracker.in_flight(), 0);
}

#[test]
fn notifications_and_refusals_are_notices() {
    let mut talk = Talk::default();
    talk.take(&Seen::Opened { url: "/app/Sales.qvf?qlikTicket=s3cret" });
    talk.engine(r#"{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_ATTACHED"}}"#);
    talk.take(&Seen::Refused { url: "/x?y", status: 403, error: None });
    assert_eq!(
        talk.notices(),
        [
            "connected to /app/Sales.qvf",
            "OnConnected: an existing session, as it was left",
            "upgrade of /x refused with 403"
        ]
    );
}

#[test]
fn ids_may_be_texts_missing_or_the_same() {
    let mut talk = Talk::with_app();
    talk.client(r#"{"id":"a","handle":1,"method":"First"}"#);
    talk.client(r#"{"handle":1,"method":"Second"}"#);
    talk.client(r#"{"id":"a","handle":1,"method":"Third"}"#);
    for (answer, done) in [
        (r#"{"id":"a","result":{}}"#, "app Sales First"),
        (r#"{"id":0,"result":{}}"#, "app Sales Second"),
        (r#"{"id":"a","result":{}}"#, "app Sales Third"),
    ] {
        talk.engine(answer);
        assert_eq!(talk.done(), done);
    }
    talk.told.clear();
    talk.engine(r#"{"id":77,"result":{}}"#);
    talk.engine("no JSON");
    talk.client("no JSON");
    assert!(talk.told.is_empty());
}

#[test]
fn answers_too_large_to_be_handed_on_complete_their_calls() {
    let mut talk = Talk::with_app();
    talk.ask(12, 1, "GetTableData", "[]");
    let told = &mut talk.told;
    let start = br#"{"jsonrpc":"2.0","delta":true, "id": 12,"result":{"id":5"#;
    talk.tracker.take_large(1, 9000, start, 1 << 30, &mut |event| told.push(event));
    let Event::Done(done) = &talk.told[0] else { panic!("{:?}", talk.told) };
    assert_eq!((&*done.method, done.size), ("GetTableData", 1 << 30));
    assert_eq!(talk.tracker.in_flight(), 0);
}

#[test]
fn after_a_loss_calls_that_may_have_been_answered_are_not_in_flight_for_ever() {
    let mut talk = Talk::with_app();
    talk.ask(1, 1, "GetAppLayout", "[]");
    talk.ask(2, 1, "DoReload", "[]");
    talk.tracker.lost();
    assert_eq!((talk.tracker.in_flight(), talk.tracker.running().len()), (1, 1));
}

#[test]
fn calls_in_flight_have_a_limit() {
    let mut talk = Talk::with_app();
    for id in 0..MOST_PENDING as u64 + 5 {
        talk.ask(id, 1, "Evaluate", "[]");
    }
    assert_eq!(talk.tracker.in_flight(), MOST_PENDING);
}
