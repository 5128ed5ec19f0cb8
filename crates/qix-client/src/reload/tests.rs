//! Reloads over an in-memory pair: this side is the engine, tokio's paused clock is the time.

use std::time::Duration;

use qix_protocol::schema::{ErrorDataCode, InteractDef, InteractType};
use qix_transport::{
    Message, SocketExt,
    memory::{self, MemorySocket},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Doc, ErrorKind, Session, SessionConfig};

struct Engine(MemorySocket);

impl Engine {
    /// An engine with an app that was opened with these parameters, and has this id.
    async fn start(params: Value, id: &str) -> (Doc, Self) {
        let (client, engine) = memory::pair();
        let session = Session::over(client, SessionConfig::default());
        let mut engine = Self(engine);
        let call = session.global().open_doc(params["qDocName"].as_str().unwrap());
        let call = if params["qNoData"] == true { call.no_data(true) } else { call };
        let reference = json!({"qReturn": {"qType": "Doc", "qHandle": 1, "qGenericId": id}});
        let (doc, _) = tokio::join!(call.into_future(), engine.answers("OpenDoc", reference));
        (doc.unwrap(), engine)
    }

    async fn sales() -> (Doc, Self) {
        Self::start(json!({"qDocName": "Sales"}), "Sales").await
    }

    async fn hears(&mut self) -> Value {
        match bounded(self.0.receive()).await {
            Ok(Message::Text(text)) => serde_json::from_slice(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn hears_that(&mut self, method: &str) -> Value {
        let request = self.hears().await;
        assert_eq!(request["method"], method, "{request}");
        request
    }

    async fn says(&mut self, frame: Value) {
        bounded(self.0.send_text(frame.to_string())).await.unwrap();
    }

    async fn result(&mut self, request: &Value, result: Value) {
        self.says(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
    }

    /// Answers the next request, which must be of this method.
    async fn answers(&mut self, method: &str, result: Value) -> Value {
        let request = self.hears_that(method).await;
        self.result(&request, result).await;
        request
    }

    /// Hears the calls that every reload begins with; returns the second.
    async fn reload(&mut self) -> Value {
        self.answers("ConfigureReload", json!({})).await;
        self.hears_that("DoReload").await
    }

    async fn progress(&mut self, data: Value) -> Value {
        self.answers("GetProgress", json!({"qProgressData": data})).await
    }

    async fn ends(&mut self, reload: &Value, result: bool) {
        self.result(reload, json!({"qReturn": result})).await;
        self.progress(dummy()).await;
    }

    async fn is_silent(&mut self) {
        let heard = tokio::time::timeout(Duration::from_secs(3600), self.0.receive()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

/// What an engine says about a request that it does not know.
fn dummy() -> Value {
    json!({"qStarted": true, "qFinished": true, "qTransientProgressMessage": {"qMessageCode": 0, "qMessageParameters": [""]}})
}

/// No wait of a test lasts for ever.
async fn bounded<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(24 * 3600), future).await.expect("nothing happened for a day")
}

#[tokio::test(start_paused = true)]
async fn progress_is_asked_for_each_second_by_the_reloads_id_and_once_more_at_the_end() {
    let (doc, mut engine) = Engine::sales().await;
    let mut reload = doc.reload().start();
    let id = json!(reload.request_id());
    let client = async {
        let mut texts = Vec::new();
        while let Some(progress) = reload.next().await {
            texts.extend(progress.messages().iter().map(ToString::to_string));
        }
        (texts, reload.await)
    };
    let engine = async {
        let start = Instant::now();
        let request = engine.reload().await;
        assert_eq!((&request["id"], &request["params"]), (&id, &json!([0, false, false])));
        let first = engine.progress(json!({"qStarted": true, "qPersistentProgress": "Connected\n"})).await;
        assert_eq!((&first["params"], &first["handle"]), (&json!([id]), &json!(-1)));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        engine.progress(json!({"qStarted": true, "qPersistentProgress": "100 lines\n"})).await;
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        engine.result(&request, json!({"qReturn": true})).await;
        engine.progress(json!({"qFinished": true, "qPersistentProgress": "Done\n"})).await;
        engine.is_silent().await;
    };
    let ((texts, outcome), ()) = bounded(async { tokio::join!(client, engine) }).await;
    assert_eq!(texts, ["Connected", "100 lines", "Done"]);
    assert!(!outcome.unwrap().saved);
}

#[tokio::test(start_paused = true)]
async fn progress_that_is_on_its_way_when_the_reload_ends_is_not_lost() {
    let (doc, mut engine) = Engine::sales().await;
    let mut reload = doc.reload().start();
    let client = async {
        let mut seen = 0;
        while reload.next().await.is_some() {
            seen += 1;
        }
        (seen, reload.await)
    };
    let engine = async {
        let request = engine.reload().await;
        let asked = engine.hears_that("GetProgress").await;
        engine.result(&request, json!({"qReturn": true})).await;
        engine.result(&asked, json!({"qProgressData": {"qCompleted": 5}})).await;
        engine.progress(dummy()).await;
    };
    let ((seen, outcome), ()) = bounded(async { tokio::join!(client, engine) }).await;
    assert!(outcome.is_ok());
    assert_eq!(seen, 1);
}

#[tokio::test(start_paused = true)]
async fn answer_about_an_unknown_id_is_no_progress_and_no_end() {
    let (doc, mut engine) = Engine::sales().await;
    let mut reload = doc.reload().every(Duration::from_millis(300)).start();
    let client = async { (reload.next().await.map(|progress| progress.completed()), reload.await) };
    let engine = async {
        let request = engine.reload().await;
        engine.progress(dummy()).await;
        engine.progress(json!({"qCompleted": 7})).await;
        engine.ends(&request, true).await;
    };
    let ((first, outcome), ()) = bounded(async { tokio::join!(client, engine) }).await;
    assert_eq!(first, Some(7));
    assert!(outcome.is_ok());
}

#[tokio::test(start_paused = true)]
async fn script_that_fails_is_a_typed_error_with_its_errors() {
    let (doc, mut engine) = Engine::sales().await;
    let error = json!({
        "qErrorString": "Unknown statement", "qLine": "LOADD 1", "qErrorDataCode": "EDC_ERROR",
        "qMessage": {"qMessageCode": 10, "qMessageParameters": ["LOADD"]},
    });
    let engine = async {
        let request = engine.reload().await;
        engine.progress(json!({"qErrorData": [error]})).await;
        engine.ends(&request, false).await;
        // Nothing is saved.
        engine.is_silent().await;
    };
    let (outcome, ()) = bounded(async { tokio::join!(doc.reload().and_save().into_future(), engine) }).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReloadFailed);
    let [wrong] = error.reload_failure().unwrap().errors.as_slice() else { panic!("{error:?}") };
    assert_eq!((&wrong.severity, wrong.code.get()), (&ErrorDataCode::Error, 10));
    assert_eq!(
        (wrong.line.as_str(), wrong.parameters.as_slice()),
        ("LOADD 1", ["LOADD".to_owned()].as_slice())
    );
    assert_eq!(wrong.to_string(), "Unknown statement: LOADD 1");
}

#[tokio::test(start_paused = true)]
async fn options_beyond_the_plain_ones_take_the_extended_call() {
    let (doc, mut engine) = Engine::sales().await;
    let engine = async {
        engine.answers("ConfigureReload", json!({})).await;
        let failure =
            json!({"qErrors": [{"qError": "Field not found", "qLine": "LOAD a", "qLineNumber": 3}]});
        let result = json!({"qSuccess": false, "qScriptLogFile": "a.log", "qEndedWithMemoryConstraint": true, "qFailureData": failure});
        let request = engine.answers("DoReloadEx", json!({"qResult": result})).await;
        engine.progress(dummy()).await;
        request
    };
    let reload = doc.reload().skip_store(true).row_limit(10).partial(true);
    let (outcome, request) = bounded(async { tokio::join!(reload.into_future(), engine) }).await;
    assert_eq!(request["params"], json!([{"qPartial": true, "qSkipStore": true, "qRowLimit": 10}]));
    let error = outcome.unwrap_err();
    let failure = error.reload_failure().unwrap();
    assert_eq!((failure.log_file.as_deref(), failure.ended_with_memory_constraint), (Some("a.log"), true));
    assert_eq!(failure.to_string(), "Field not found in line 3: LOAD a");
}

#[tokio::test(start_paused = true)]
async fn question_of_the_engine_is_answered_by_whoever_was_named() {
    let (doc, mut engine) = Engine::sales().await;
    let reload = doc.reload().debug(true).on_interaction(|mut question: InteractDef| async move {
        assert_eq!((&question.type_, question.msg.as_str()), (&InteractType::Input, "Which year?"));
        question.input = "2026".to_owned();
        question
    });
    let engine = async {
        let request = engine.reload().await;
        assert_eq!(request["params"][2], true);
        engine.progress(json!({"qUserInteractionWanted": true})).await;
        let question = json!({"qType": "IT_INPUT", "qMsg": "Which year?", "qButtons": 1});
        engine.answers("GetInteract", json!({"qReturn": true, "qDef": question})).await;
        let done = engine.answers("InteractDone", json!({})).await;
        assert_eq!(done["params"][0], request["id"]);
        assert_eq!(
            (&done["params"][1]["qMsg"], &done["params"][1]["qInput"]),
            (&json!("Which year?"), &json!("2026"))
        );
        engine.ends(&request, true).await;
    };
    bounded(async { tokio::join!(reload.into_future(), engine) }).await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn question_goes_by_with_its_default_if_nobody_was_named() {
    let (doc, mut engine) = Engine::sales().await;
    let engine = async {
        let request = engine.reload().await;
        engine.progress(json!({"qUserInteractionWanted": true})).await;
        let done = engine.answers("InteractDone", json!({})).await;
        assert_eq!(done["params"], json!([request["id"], {}]));
        engine.ends(&request, true).await;
    };
    bounded(async { tokio::join!(doc.reload().into_future(), engine) }).await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reload_that_ends_waits_for_no_answer_of_the_user() {
    let (doc, mut engine) = Engine::sales().await;
    let reload = doc.reload().on_interaction(|_| std::future::pending());
    let engine = async {
        let request = engine.reload().await;
        engine.progress(json!({"qUserInteractionWanted": true})).await;
        engine.answers("GetInteract", json!({"qReturn": true, "qDef": {}})).await;
        engine.ends(&request, false).await;
    };
    let (outcome, ()) = bounded(async { tokio::join!(reload.into_future(), engine) }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ReloadFailed);
}

#[tokio::test(start_paused = true)]
async fn cancelled_reload_says_so_or_that_its_data_was_there_already() {
    for loaded in [false, true] {
        let (doc, mut engine) = Engine::sales().await;
        let reload = doc.reload().start();
        let cancel = reload.canceller();
        let engine = async {
            let request = engine.reload().await;
            let (cancelled, _) = tokio::join!(cancel.cancel(), engine.answers("CancelReload", json!({})));
            cancelled.unwrap();
            engine.ends(&request, loaded).await;
        };
        match (loaded, bounded(async { tokio::join!(reload, engine) }).await.0) {
            (true, Ok(reloaded)) => assert!(reloaded.cancelled),
            (false, Err(error)) => assert_eq!(error.kind(), ErrorKind::ReloadCancelled),
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn engine_that_refuses_to_cancel_a_reload_is_told_to_cancel_the_request() {
    let (doc, mut engine) = Engine::sales().await;
    let reload = doc.reload().start();
    let cancel = reload.canceller();
    let engine = async {
        let request = engine.reload().await;
        let refuse = async {
            let refused = engine.hears_that("CancelReload").await;
            engine.says(json!({"id": refused["id"], "error": {"code": -32601}})).await;
            let cancel = engine.answers("CancelRequest", json!({})).await;
            assert_eq!(cancel["params"], json!([request["id"]]));
        };
        let (cancelled, ()) = tokio::join!(cancel.cancel(), refuse);
        cancelled.unwrap();
        engine.says(json!({"id": request["id"], "error": {"code": 15}})).await;
        engine.progress(dummy()).await;
    };
    let (outcome, ()) = bounded(async { tokio::join!(reload, engine) }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ReloadCancelled);
}

#[tokio::test(start_paused = true)]
async fn dropped_reload_runs_on_unless_told_otherwise() {
    for cancels in [false, true] {
        let (doc, mut engine) = Engine::sales().await;
        let reload = if cancels { doc.reload().cancel_on_drop() } else { doc.reload() };
        let mut reload = reload.start();
        let request = tokio::select! {
            _ = reload.next() => panic!("there is no progress yet"),
            request = engine.reload() => request,
        };
        drop(reload);
        if cancels {
            assert_eq!(engine.hears_that("CancelRequest").await["params"], json!([request["id"]]));
        }
        engine.is_silent().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reload_whose_socket_ends_is_not_sent_again() {
    let (doc, mut engine) = Engine::sales().await;
    let engine = async {
        engine.reload().await;
        drop(engine);
    };
    let (outcome, ()) = bounded(async { tokio::join!(doc.reload().into_future(), engine) }).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.to_string().starts_with("DoReload: "));
}

#[tokio::test(start_paused = true)]
async fn saving_takes_the_call_that_fits_the_way_the_app_was_opened() {
    for (params, method) in [
        (json!({"qDocName": "Sales"}), "DoSave"),
        (json!({"qDocName": "Sales", "qNoData": true}), "SaveObjects"),
    ] {
        let (doc, mut engine) = Engine::start(params, "Sales").await;
        let engine = async {
            let request = engine.reload().await;
            engine.ends(&request, true).await;
            engine.answers(method, json!({})).await;
        };
        let (outcome, ()) =
            bounded(async { tokio::join!(doc.reload().and_save().into_future(), engine) }).await;
        assert!(outcome.unwrap().saved);
    }
}

#[tokio::test(start_paused = true)]
async fn session_app_is_not_reloaded_for_nothing() {
    let (doc, mut engine) = Engine::start(json!({"qDocName": "x"}), "SessionApp_1").await;
    let error = doc.reload().and_save().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSaved);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("leave and_save() out"));
    engine.is_silent().await;
}

#[tokio::test(start_paused = true)]
async fn failed_save_is_told_from_a_failed_reload() {
    for (code, said) in [(9009, "leave and_save() out"), (5, "DoSave: the engine refused")] {
        let (doc, mut engine) = Engine::sales().await;
        let engine = async {
            let request = engine.reload().await;
            engine.ends(&request, true).await;
            let save = engine.hears_that("DoSave").await;
            engine.says(json!({"id": save["id"], "error": {"code": code}})).await;
        };
        let (outcome, ()) =
            bounded(async { tokio::join!(doc.reload().and_save().into_future(), engine) }).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSaved);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(said), "{source}");
    }
}
