//! Layers around calls.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt as _;
use qix_client::{
    Error, ErrorKind, ResumePolicy, Session, SessionConfig,
    layer::{self, AbortModal, ConcurrencyLimit, Metrics, Outcome, RetryAborted, Timeout, Tracing},
    protocol::{Effect, Handle},
    testing::ScriptedEngine,
};
use serde_json::{Value, json};

use crate::support::{bounded, doc, object, scripted};

async fn start(config: SessionConfig) -> (ScriptedEngine, Session) {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, config).await;
    (engine, session)
}

async fn call(session: &Session, method: &'static str) -> Result<Value, Error> {
    bounded(session.call::<Value>(Handle::GLOBAL, method, &json!([]))).await
}

fn made(engine: &ScriptedEngine, method: &str) -> usize {
    engine.calls().iter().filter(|call| call.method == method).count()
}

fn code(error: &Error) -> i32 {
    error.engine().unwrap().code.get()
}

#[tokio::test(start_paused = true)]
async fn first_added_layer_is_the_outermost_and_all_calls_pass() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let log = log.clone();
        layer::from_fn(move |request, next| {
            let log = log.clone();
            async move {
                let (class, method) = (request.class().to_owned(), request.method().to_owned());
                log.lock().unwrap().push(format!("{name} {class}.{method} {:?}", request.effect()));
                let answer = next.call(request).await;
                log.lock().unwrap().push(format!("{name} done"));
                answer
            }
        })
    };
    let (engine, session) = start(SessionConfig::default().layer(note("outer")).layer(note("inner"))).await;
    doc(&engine, &session).await;
    let expected =
        ["outer Global.OpenDoc Session", "inner Global.OpenDoc Session", "inner done", "outer done"];
    assert_eq!(*log.lock().unwrap(), expected);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn aborted_read_is_sent_again_under_an_id_of_its_own() {
    let (engine, session) = start(SessionConfig::default().layer(RetryAborted::new())).await;
    let object = object(&engine, &session).await;
    engine.expect("GetLayout").times(3).refuse(15, "aborted");
    engine.expect("GetLayout").answer(json!({"qLayout": {"qInfo": {"qId": "x"}}}));
    assert_eq!(bounded(object.get_layout()).await.unwrap().info.id, "x");
    let mut ids: Vec<_> = engine.calls().iter().map(|call| call.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn retries_end_and_what_writes_has_none() {
    let (engine, session) = start(SessionConfig::default().layer(RetryAborted::new().retries(2))).await;
    engine.expect("GetLayout").times(3).refuse(15, "aborted");
    assert_eq!(code(&call(&session, "GetLayout").await.unwrap_err()), 15);
    for method in ["DoSave", "SelectListObjectValues", "DoReload", "GetOrCreateObject", "NobodyKnows"] {
        engine.expect(method).refuse(15, "aborted");
        assert_eq!(code(&call(&session, method).await.unwrap_err()), 15);
    }
    engine.expect("GetLayout").refuse(7004, "another error");
    assert_eq!(code(&call(&session, "GetLayout").await.unwrap_err()), 7004);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn fetches_of_data_are_repeated_unless_told_otherwise_and_others_if_told() {
    let (engine, session) = start(SessionConfig::default().layer(RetryAborted::new())).await;
    engine.expect("GetHyperCubeData").refuse(15, "aborted");
    engine.expect("GetHyperCubeData");
    call(&session, "GetHyperCubeData").await.unwrap();
    engine.finish();
    let rules = RetryAborted::new().without_data().also(|request| request.method() == "OpenDoc");
    let (engine, session) = start(SessionConfig::default().layer(rules)).await;
    for method in ["GetHyperCubeData", "GetListObjectData"] {
        engine.expect(method).refuse(15, "aborted");
        call(&session, method).await.unwrap_err();
    }
    engine.expect("OpenDoc").refuse(15, "aborted");
    doc(&engine, &session).await;
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn call_that_the_program_cancels_is_not_repeated_whatever_its_id_is_by_then() {
    let (engine, session) = start(SessionConfig::default().layer(RetryAborted::new())).await;
    engine.expect("GetLayout").refuse(15, "aborted");
    engine.expect("GetLayout").never();
    let call = session.call::<Value>(Handle::GLOBAL, "GetLayout", &json!([]));
    let id = call.request_id();
    let running = tokio::spawn(async move { call.await });
    bounded(engine.settled()).await;
    let second = engine.calls()[1].id;
    assert_ne!(second, id);
    engine.expect("CancelRequest").with(json!([second]));
    bounded(session.global().cancel_request(id)).await.unwrap();
    assert_eq!(code(&bounded(running).await.unwrap().unwrap_err()), 15);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn retries_share_one_timeout() {
    let (engine, session) = start(SessionConfig::default().layer(RetryAborted::new())).await;
    engine.expect("GetLayout").times(2).after(Duration::from_secs(4)).refuse(15, "aborted");
    engine.expect("GetLayout").after(Duration::from_secs(4));
    let start = tokio::time::Instant::now();
    let call =
        session.call::<Value>(Handle::GLOBAL, "GetLayout", &json!([])).timeout(Duration::from_secs(10));
    assert_eq!(bounded(call).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 10);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_drops_its_layers_and_cancels_it() {
    let (engine, session) =
        start(SessionConfig::default().layer(RetryAborted::new()).layer(Tracing::new())).await;
    engine.expect("GetLayout").never();
    let cancel = engine.expect("CancelRequest").with(json!([1]));
    let mut call = Box::pin(session.call::<Value>(Handle::GLOBAL, "GetLayout", &json!([])).into_future());
    assert!(call.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    drop(call);
    bounded(engine.settled()).await;
    assert_eq!((cancel.met(), made(&engine, "GetLayout")), (1, 1));
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn detached_call_goes_on_through_its_layers() {
    let rules = RetryAborted::new().also(|request| request.effect() != Effect::Reads);
    let (engine, session) =
        start(SessionConfig::default().layer(rules).layer(ConcurrencyLimit::new(1))).await;
    engine.expect("Block").after(Duration::from_secs(1));
    engine.expect("DoSave").refuse(15, "aborted");
    engine.expect("DoSave");
    let blocking = tokio::spawn({
        let session = session.clone();
        async move { call(&session, "Block").await }
    });
    tokio::task::yield_now().await;
    let mut save =
        Box::pin(session.call::<Value>(Handle::GLOBAL, "DoSave", &json!([])).detach().into_future());
    assert!(save.as_mut().now_or_never().is_none());
    drop(save);
    bounded(engine.settled()).await;
    bounded(blocking).await.unwrap().unwrap();
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn modal_state_of_another_object_is_aborted_by_its_right_name_and_the_call_made_once_more() {
    let (engine, session) = start(SessionConfig::default().layer(AbortModal::new())).await;
    let object = object(&engine, &session).await;
    engine.expect("BeginSelections").refuse(6003, "Another object is in modal state");
    engine.expect("AbortModal").on(1).with(json!([true]));
    engine.expect("BeginSelections").on(2);
    bounded(object.begin_selections(&["/qHyperCubeDef"])).await.unwrap();
    // Once, and no more often.
    engine.expect("BeginSelections").times(2).refuse(6003, "Another object is in modal state");
    engine.expect("AbortModal").on(1);
    let error = bounded(object.begin_selections(&["/qHyperCubeDef"])).await.unwrap_err();
    assert_eq!(code(&error), 6003);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn modal_state_can_be_discarded_and_without_an_app_nothing_is_done() {
    let (engine, session) = start(SessionConfig::default().layer(AbortModal::discarding())).await;
    engine.expect("X").refuse(6003, "modal");
    assert_eq!(code(&call(&session, "X").await.unwrap_err()), 6003);
    let doc = doc(&engine, &session).await;
    engine.expect("ClearAll").refuse(6003, "modal");
    engine.expect("AbortModal").on(1).with(json!([false])).refuse(5, "no");
    assert_eq!(code(&bounded(doc.clear_all()).await.unwrap_err()), 6003);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn timeouts_go_by_what_a_call_does_and_reloads_have_none() {
    let rules = Timeout::new(Duration::from_secs(10))
        .reads(Duration::from_secs(20))
        .method("ExportData", Duration::from_secs(30));
    let (engine, session) = start(SessionConfig::default().layer(rules)).await;
    for (method, seconds) in [("SetScript", 10), ("GetLayout", 20), ("ExportData", 30)] {
        engine.expect(method).never();
        let start = tokio::time::Instant::now();
        assert_eq!(call(&session, method).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), seconds, "{method}");
    }
    for method in ["DoReload", "DoReloadEx", "OpenDoc", "DoSave"] {
        engine.expect(method).after(Duration::from_secs(3600));
        let answer = session.call::<Value>(Handle::GLOBAL, method, &json!([])).into_future();
        tokio::time::timeout(Duration::from_secs(4000), answer).await.unwrap().unwrap();
    }
    // What the caller says counts.
    engine.expect("GetLayout").after(Duration::from_secs(50));
    let patient =
        session.call::<Value>(Handle::GLOBAL, "GetLayout", &json!([])).timeout(Duration::from_secs(55));
    bounded(patient).await.unwrap();
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn limited_calls_wait_in_turn_and_calls_about_calls_do_not() {
    let (engine, session) = start(SessionConfig::default().layer(ConcurrencyLimit::new(2))).await;
    let second = Duration::from_secs(1);
    engine.expect("Work").times(6).after(second);
    let start = tokio::time::Instant::now();
    let work = (0..6).map(|at| {
        let session = session.clone();
        tokio::spawn(async move {
            session.call::<Value>(Handle::GLOBAL, "Work", &[at]).await.unwrap();
            start.elapsed().as_secs()
        })
    });
    let work: Vec<_> = work.collect();
    tokio::task::yield_now().await;
    engine.expect("GetProgress");
    call(&session, "GetProgress").await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let mut ends = Vec::new();
    for work in work {
        ends.push(bounded(work).await.unwrap());
    }
    assert_eq!(ends, [1, 1, 2, 2, 3, 3]);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn call_that_nobody_polls_does_not_hold_up_the_others_of_a_limit() {
    let (engine, session) = start(SessionConfig::default().layer(ConcurrencyLimit::new(1))).await;
    let object = object(&engine, &session).await;
    let other = object.clone();
    engine.expect("GetLayout").times(2);
    engine.expect("GetEffectiveProperties");
    let mut layouts = object.layouts_into::<Value>();
    assert!(layouts.next().now_or_never().is_none());
    let mut queued = Box::pin(other.get_layout().call_into::<Value>().into_future());
    assert!(queued.as_mut().now_or_never().is_none());
    // A program has more to do than to poll its stream.
    bounded(other.get_effective_properties().raw()).await.unwrap();
    bounded(queued).await.unwrap_err();
    drop(layouts);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn dropping_a_limited_call_cancels_it_and_gives_back_what_it_has_made() {
    let (engine, session) = start(SessionConfig::default().layer(ConcurrencyLimit::new(1))).await;
    let doc = doc(&engine, &session).await;
    engine.expect("GetThing").never();
    let mut call = Box::pin(session.call::<Value>(Handle::GLOBAL, "GetThing", &json!([])).into_future());
    assert!(call.as_mut().now_or_never().is_none());
    bounded(engine.settled()).await;
    let cancel = engine.expect("CancelRequest");
    drop(call);
    bounded(engine.settled()).await;
    assert_eq!(cancel.met(), 1);
    engine
        .expect("CreateSessionObject")
        .answer(json!({"qReturn": {"qType": "GenericObject", "qHandle": 3, "qGenericId": "s"}}));
    let mut create = Box::pin(doc.create_session_object(&json!({})).into_future());
    assert!(create.as_mut().now_or_never().is_none());
    bounded(engine.settled()).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let destroyed = engine.expect("DestroySessionObject").on(1).with(json!(["s"]));
    drop(create);
    bounded(engine.settled()).await;
    assert_eq!(destroyed.met(), 1);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn way_out_of_a_modal_state_keeps_to_the_timeout_of_the_call() {
    let (engine, session) = start(SessionConfig::default().layer(AbortModal::new())).await;
    let object = object(&engine, &session).await;
    let start = tokio::time::Instant::now();
    engine.expect("BeginSelections").after(Duration::from_secs(4)).refuse(6003, "modal");
    engine.expect("AbortModal").after(Duration::from_secs(4));
    engine.expect("BeginSelections").never();
    let call = object.begin_selections(&["/qHyperCubeDef"]).timeout(Duration::from_secs(10));
    assert_eq!(bounded(call).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 10);
    engine.expect("BeginSelections").refuse(6003, "modal");
    engine.expect("AbortModal").never();
    let call = object.begin_selections(&["/qHyperCubeDef"]).timeout(Duration::from_secs(10));
    assert_eq!(code(&bounded(call).await.unwrap_err()), 6003);
    assert_eq!(start.elapsed().as_secs(), 20);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn layers_in_the_order_that_is_recommended_keep_one_deadline_over_all_tries() {
    let config = SessionConfig::default()
        .layer(Tracing::new())
        .layer(Metrics::new(|_| {}))
        .layer(Timeout::new(Duration::from_secs(10)))
        .layer(RetryAborted::new())
        .layer(AbortModal::new())
        .layer(ConcurrencyLimit::new(1));
    let (engine, session) = start(config).await;
    engine.expect("GetLayout").times(2).after(Duration::from_secs(4)).refuse(15, "aborted");
    engine.expect("GetLayout").never();
    let start = tokio::time::Instant::now();
    assert_eq!(call(&session, "GetLayout").await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 10);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn own_layer_makes_another_call_inside_of_itself() {
    let config = SessionConfig::default().layer(ConcurrencyLimit::new(1)).layer(layer::from_fn(
        |request, next| async move {
            if request.method() == "DoSave" {
                let ask = request.session().call::<Value>(Handle::GLOBAL, "AllowCreateApp", &json!([]));
                next.call(ask.into_request()?).await?;
            }
            next.call(request).await
        },
    ));
    let (engine, session) = start(config).await;
    engine.expect("AllowCreateApp");
    engine.expect("DoSave");
    call(&session, "DoSave").await.unwrap();
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn metrics_have_four_times_and_two_sizes_of_each_call() {
    #[derive(Debug, PartialEq)]
    struct Seen {
        name: String,
        written: Option<Duration>,
        answered: Option<Duration>,
        resumed: Duration,
        sent: usize,
        received: usize,
        outcome: String,
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let metrics = Metrics::new(move |call| {
        let since = |time: std::time::Instant| time - call.called;
        log.lock().unwrap().push(Seen {
            name: format!("{}.{}", call.class, call.method),
            written: call.written.map(since),
            answered: call.answered.map(since),
            resumed: since(call.resumed),
            sent: call.sent,
            received: call.received,
            outcome: match call.outcome {
                Outcome::Answered => "answered".to_owned(),
                Outcome::Failed(error) => error.to_string(),
                _ => "dropped".to_owned(),
            },
        });
    });
    let (engine, session) = start(SessionConfig::default().layer(metrics)).await;
    engine.expect("A").after(Duration::from_secs(2)).answer(json!({"q": 1}));
    call(&session, "A").await.unwrap();
    engine.expect("B").never();
    let call = session.call::<Value>(Handle::GLOBAL, "B", &json!([])).into_future();
    tokio::time::timeout(Duration::from_secs(3), call).await.unwrap_err();
    engine.expect("C").refuse(5, "no");
    session.call::<Value>(Handle::GLOBAL, "C", &json!([])).await.unwrap_err();
    let request = r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"A","params":[]}"#;
    let answer = r#"{"id":1,"jsonrpc":"2.0","result":{"q":1}}"#;
    let [zero, two, three] = [0, 2, 3].map(Duration::from_secs);
    let expected = |name: &str, answered, resumed, received, outcome: &str| Seen {
        name: name.to_owned(),
        written: Some(zero),
        answered,
        resumed,
        sent: request.len(),
        received,
        outcome: outcome.to_owned(),
    };
    assert_eq!(
        *seen.lock().unwrap(),
        [
            expected("Global.A", Some(two), two, answer.len(), "answered"),
            expected("Global.B", None, three, 0, "dropped"),
            expected("Global.C", Some(zero), zero, 0, "the engine refused"),
        ]
    );
    engine.finish();
}

/// Metrics that note the method, whether a try was written and answered, and how many bytes were sent.
type Noted = Arc<Mutex<Vec<(String, bool, bool, usize)>>>;

fn noting() -> (Noted, SessionConfig) {
    let seen = Noted::default();
    let log = seen.clone();
    let metrics = Metrics::new(move |call| {
        let note = (call.method.to_owned(), call.written.is_some(), call.answered.is_some(), call.sent);
        log.lock().unwrap().push(note);
    });
    (seen, SessionConfig::default().layer(metrics))
}

#[tokio::test(start_paused = true)]
async fn metrics_count_what_a_resume_sends_again_and_say_when_a_lost_call_has_failed() {
    let (seen, config) = noting();
    let (engine, session) = start(config.resume(ResumePolicy::automatic())).await;
    engine.expect("GetLayout").never();
    engine.expect("DoSave").never();
    let read = tokio::spawn({
        let session = session.clone();
        async move { call(&session, "GetLayout").await }
    });
    let write = tokio::spawn(async move { call(&session, "DoSave").await });
    bounded(engine.settled()).await;
    engine.expect("GetLayout");
    // What a resume asks of its own accord.
    engine.expect("EngineVersion").any_times();
    engine.cut();
    bounded(read).await.unwrap().unwrap();
    assert_eq!(bounded(write).await.unwrap().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    let bytes = |method: &str| {
        let request = r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"","params":[]}"#;
        request.len() + method.len()
    };
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(
        seen,
        [
            ("DoSave".to_owned(), true, true, bytes("DoSave")),
            ("GetLayout".to_owned(), true, true, 2 * bytes("GetLayout")),
        ]
    );
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn metrics_of_a_dropped_repeat_have_no_answer() {
    let (seen, config) = noting();
    let (engine, session) = start(config.layer(RetryAborted::new())).await;
    engine.expect("GetLayout").refuse(15, "aborted");
    engine.expect("GetLayout").never();
    let running = tokio::spawn(async move { call(&session, "GetLayout").await });
    bounded(engine.settled()).await;
    running.abort();
    bounded(running).await.unwrap_err();
    let (_, written, answered, _) = seen.lock().unwrap()[0].clone();
    assert_eq!((written, answered), (true, false));
    engine.finish();
}

/// Takes what a subscriber writes.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn spans_have_the_names_of_opentelemetry_and_no_parameters() {
    let page = Page::default();
    let writer = page.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (engine, session) = start(SessionConfig::default().layer(Tracing::new())).await;
    doc(&engine, &session).await;
    engine.expect("Secret").refuse(1003, "App not found");
    bounded(session.call::<Value>(Handle::GLOBAL, "Secret", &["hunter2"])).await.unwrap_err();
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let spans: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["span"]["name"] == "qix" && line["fields"]["message"] == "close")
        .map(|line| line["span"].clone())
        .collect();
    assert_eq!(spans.len(), 2, "{text}");
    for (field, value) in [
        ("otel.name", json!("Global/OpenDoc")),
        ("otel.kind", json!("client")),
        ("rpc.system", json!("jsonrpc")),
        ("rpc.service", json!("Global")),
        ("rpc.method", json!("OpenDoc")),
        ("rpc.jsonrpc.version", json!("2.0")),
        ("rpc.jsonrpc.request_id", json!(1)),
        ("qix.handle", json!(-1)),
        ("error.type", Value::Null),
    ] {
        assert_eq!(spans[0][field], value, "{field}");
    }
    assert!(spans[0]["duration_ms"].is_number());
    assert_eq!(
        (&spans[1]["error.type"], &spans[1]["rpc.jsonrpc.error_code"], &spans[1]["otel.status_code"]),
        (&json!("engine"), &json!(1003), &json!("ERROR"))
    );
    assert!(!text.contains("hunter2") && !text.contains("App not found"));
    engine.finish();
}
