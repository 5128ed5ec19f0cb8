//! Suspending and resuming by hand: what is asked of the engine, and what becomes of the objects.

use std::{sync::Arc, time::Duration};

use qix_protocol::{Handle, SessionState};
use qix_transport::{MemoryAcceptor, MemoryConnect};
use serde_json::{Value, json};

use qix_transport::SocketExt;

use super::{Engine, bounded};
use crate::{
    Doc, Error, ErrorKind, GenericObject, ResumePolicy, ResumeReport, Selections, Session, SessionConfig,
    State, SuspendedBy,
};

/// Where a session gets its sockets.
pub(super) struct Sockets(MemoryAcceptor);

impl Sockets {
    /// Starts a session over its first socket.
    pub(super) async fn start(config: SessionConfig) -> (Session, Self, Engine) {
        let (connect, acceptor) = MemoryConnect::new();
        let mut sockets = Self(acceptor);
        let session = bounded(Session::connect_with(&connect, config)).await.unwrap();
        let engine = sockets.next("").await;
        (session, sockets, engine)
    }

    /// Takes the next socket and greets, unless the state is empty.
    pub(super) async fn next(&mut self, state: &str) -> Engine {
        let mut engine = Engine(bounded(self.0.accept()).await.unwrap());
        if !state.is_empty() {
            engine.says(json!({"method": "OnConnected", "params": {"qSessionState": state}})).await;
        }
        engine
    }
}

pub(super) fn reference(class: &str, handle: i32, id: &str) -> Value {
    json!({"qReturn": {"qType": class, "qHandle": handle, "qGenericId": id}})
}

pub(super) fn null() -> Value {
    json!({"qReturn": {"qType": null, "qHandle": null}})
}

pub(super) fn refusal(code: i32) -> Value {
    json!({"error": {"code": code, "message": "no"}})
}

/// Opens the app, handle 1.
pub(super) async fn app(session: &Session, engine: &mut Engine) -> Doc {
    let global = session.global();
    let call = global.open_doc("Sales").no_data(true);
    let (doc, _) = tokio::join!(call.into_future(), engine.answers(reference("Doc", 1, "Sales")));
    doc.unwrap()
}

/// Opens an object of the app, with this handle.
pub(super) async fn object(doc: &Doc, engine: &mut Engine, handle: i32, id: &str) -> GenericObject {
    let (object, _) = tokio::join!(
        doc.get_object(id).into_future(),
        engine.answers(reference("GenericObject", handle, id))
    );
    object.unwrap()
}

async fn suspend(session: &Session, engine: &mut Engine) {
    let (done, closed) = bounded(async { tokio::join!(session.suspend(), engine.0.receive()) }).await;
    done.unwrap();
    assert_eq!(closed.unwrap_err().code.get(), 4000);
}

/// Answers whatever is asked, for ever.
pub(super) async fn serve(engine: &mut Engine, log: &mut Vec<Value>, answer: impl Fn(&str, &Value) -> Value) {
    loop {
        let Ok(qix_transport::Message::Text(text)) = qix_transport::SocketExt::receive(&mut engine.0).await
        else {
            return std::future::pending().await;
        };
        let request: Value = serde_json::from_slice(&text).unwrap();
        let answer = answer(request["method"].as_str().unwrap(), &request["params"]);
        let frame = match answer.get("error") {
            Some(error) => json!({"id": request["id"], "error": error}),
            None => json!({"id": request["id"], "result": answer}),
        };
        log.push(request);
        engine.says(frame).await;
    }
}

/// Resumes on a socket whose engine greets and answers so; returns what was asked, too.
async fn resume(
    session: &Session,
    sockets: &mut Sockets,
    state: &str,
    answer: impl Fn(&str, &Value) -> Value,
) -> (Result<Arc<ResumeReport>, Error>, Vec<String>, Engine) {
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume().await }
    });
    let mut engine = sockets.next(state).await;
    let mut log = Vec::new();
    let outcome = tokio::select! {
        outcome = bounded(resuming) => outcome.unwrap(),
        () = serve(&mut engine, &mut log, answer) => unreachable!(),
    };
    let asked = log.iter().map(|request| {
        let method = request["method"].as_str().unwrap();
        format!("{} {method}{}", request["handle"], request["params"])
    });
    (outcome, asked.collect(), engine)
}

fn ids(fates: &[crate::Fate]) -> Vec<&str> {
    fates.iter().map(|fate| fate.id.as_deref().unwrap_or("?")).collect()
}

const ATTACHED: &str = "SESSION_ATTACHED";
const CREATED: &str = "SESSION_CREATED";

#[tokio::test(start_paused = true)]
async fn attached_session_gives_its_app_and_objects_back_under_new_handles() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    let (found, gone) =
        (object(&doc, &mut engine, 2, "found").await, object(&doc, &mut engine, 3, "gone").await);
    let mut changes = found.changes();
    suspend(&session, &mut engine).await;
    let (report, asked, mut engine) =
        resume(&session, &mut sockets, ATTACHED, |method, params| match (method, params[0].as_str()) {
            ("GetActiveDoc", _) => reference("Doc", 4, "Sales"),
            ("GetObject", Some("found")) => reference("GenericObject", 1, "found"),
            _ => null(),
        })
        .await;
    let report = report.unwrap();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(asked[0], "-1 GetActiveDoc[]");
    assert!(asked[1..].iter().all(|asked| asked.starts_with("4 GetObject")), "{asked:?}");
    assert!(report.attached && report.attempts == 1 && report.selections == Selections::Kept);
    assert_eq!((ids(&report.kept), ids(&report.lost)), (vec!["Sales", "found"], vec!["gone"]));
    assert!(report.rebuilt.is_empty());
    assert_eq!(report.kept[1].lineage, *found.lineage());
    assert_eq!((doc.handle(), found.handle()), (Handle::new(4), Handle::new(1)));
    assert_eq!(bounded(changes.next()).await, Some(()));
    bounded(gone.closed()).await;
    assert_eq!(gone.get_layout().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(matches!(
        session.state(),
        State::Open { greeting: Some(SessionState::Attached), report: Some(_), .. }
    ));
    // Calls go to the new handles.
    let layout = found.get_layout().call_into::<Value>().into_future();
    let (layout, request) = tokio::join!(layout, engine.answers(json!({"qLayout": {"n": 1}})));
    assert_eq!((layout.unwrap(), &request["handle"]), (json!({"n": 1}), &json!(1)));
    // So do changes.
    engine.says(json!({"change": [1]})).await;
    assert_eq!(bounded(changes.next()).await, Some(()));
}

#[tokio::test(start_paused = true)]
async fn created_session_opens_the_app_again_with_the_same_parameters() {
    for first in [refusal(1007), refusal(1017), refusal(2), null()] {
        let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
        let doc = app(&session, &mut engine).await;
        suspend(&session, &mut engine).await;
        let (report, asked, _engine) = resume(&session, &mut sockets, CREATED, |method, _| match method {
            "OpenDoc" => reference("Doc", 1, "Sales"),
            _ => first.clone(),
        })
        .await;
        let report = report.unwrap();
        assert_eq!(asked, ["-1 GetActiveDoc[]", r#"-1 OpenDoc{"qDocName":"Sales","qNoData":true}"#]);
        assert!(!report.attached && report.selections == Selections::Lost);
        assert_eq!(ids(&report.rebuilt), ["Sales"]);
        assert!(!doc.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn app_that_cannot_be_opened_again_takes_its_objects_with_it() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    let object = object(&doc, &mut engine, 2, "x").await;
    suspend(&session, &mut engine).await;
    let (report, _, _engine) = resume(&session, &mut sockets, CREATED, |_, _| refusal(1003)).await;
    let report = report.unwrap();
    assert_eq!(ids(&report.lost), ["Sales", "x"]);
    assert_eq!(report.lost[1].reason, "what it was opened from is lost");
    assert!(report.lost[0].reason.contains("1003"), "{}", report.lost[0].reason);
    bounded(doc.closed()).await;
    bounded(object.closed()).await;
    assert!(!session.global().is_closed() && session.state().is_open());
}

#[tokio::test(start_paused = true)]
async fn open_app_in_reload_or_already_open_is_waited_for_or_joined() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    suspend(&session, &mut engine).await;
    let busy = std::sync::atomic::AtomicU32::new(0);
    let (report, asked, _engine) = resume(&session, &mut sockets, CREATED, |method, _| {
        match (method, busy.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            (_, 0) => refusal(1017),
            (_, 1 | 2) => refusal(11000),
            ("OpenDoc", _) => refusal(1002),
            _ => reference("Doc", 7, "Sales"),
        }
    })
    .await;
    assert_eq!(ids(&report.unwrap().rebuilt), ["Sales"]);
    assert_eq!(asked.len(), 5, "{asked:?}");
    assert_eq!(doc.handle(), Handle::new(7));
}

#[tokio::test(start_paused = true)]
async fn another_app_in_the_session_is_not_taken_for_ours() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    suspend(&session, &mut engine).await;
    let (report, _, _engine) =
        resume(&session, &mut sockets, ATTACHED, |_, _| reference("Doc", 1, "Other")).await;
    assert_eq!(report.unwrap().lost[0].reason, "the session has another app open: Other");
    bounded(doc.closed()).await;
}

#[tokio::test(start_paused = true)]
async fn silence_counts_as_a_session_created_unless_the_app_is_open() {
    for (open, attached) in [(true, true), (false, false)] {
        let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
        let _doc = app(&session, &mut engine).await;
        suspend(&session, &mut engine).await;
        let start = tokio::time::Instant::now();
        let (report, _, _engine) = resume(&session, &mut sockets, "", |method, _| match method {
            "GetActiveDoc" if !open => refusal(1017),
            _ => reference("Doc", 1, "Sales"),
        })
        .await;
        assert_eq!(report.unwrap().attached, attached);
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_app_a_cheap_call_draws_the_greeting() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    suspend(&session, &mut engine).await;
    let (report, asked, _engine) =
        resume(&session, &mut sockets, CREATED, |_, _| json!({"qVersion": {}})).await;
    assert!(!report.unwrap().attached);
    assert_eq!(asked, ["-1 EngineVersion[]"]);
}

/// A session object, a session variable, a field, and a child of a sheet.
async fn zoo(doc: &Doc, engine: &mut Engine) -> (GenericObject, crate::Field, GenericObject, GenericObject) {
    let props = json!({"qInfo": {"qId": "", "qType": "t"}, "n": 1});
    let cube = doc.create_session_object(&props).into_future();
    let (cube, _) = tokio::join!(cube, engine.answers(reference("GenericObject", 2, "cube")));
    let (field, _) =
        tokio::join!(doc.get_field("Region").into_future(), engine.answers(reference("Field", 3, "Region")));
    let sheet = object(doc, engine, 4, "sheet").await;
    let (child, _) = tokio::join!(
        sheet.get_child("child").into_future(),
        engine.answers(reference("GenericObject", 5, "child"))
    );
    (cube.unwrap(), field.unwrap(), sheet, child.unwrap())
}

#[tokio::test(start_paused = true)]
async fn session_objects_are_made_again_from_their_last_properties_and_children_on_their_parents() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    let (cube, field, sheet, child) = zoo(&doc, &mut engine).await;
    // It counts when the engine has done it, whether or not its caller hears of that before the resume.
    let properties = json!({"qInfo": {"qId": "cube", "qType": "t"}, "n": 2});
    let mut set = Box::pin(cube.set_properties(&properties).detach().into_future());
    assert!(futures_util::FutureExt::now_or_never(set.as_mut()).is_none());
    engine.answers(json!({})).await;
    drop(set);
    suspend(&session, &mut engine).await;
    let (report, asked, _engine) = resume(&session, &mut sockets, CREATED, |method, _| match method {
        "OpenDoc" => reference("Doc", 1, "Sales"),
        "CreateSessionObject" => reference("GenericObject", 12, "cube"),
        "GetField" => reference("Field", 13, "Region"),
        "GetObject" => reference("GenericObject", 14, "sheet"),
        "GetChild" => reference("GenericObject", 15, "child"),
        _ => refusal(1017),
    })
    .await;
    let report = report.unwrap();
    assert_eq!(ids(&report.rebuilt), ["Sales", "cube"]);
    assert_eq!(report.kept.len(), 3);
    assert!(asked.iter().any(|asked| asked == "14 GetChild[\"child\"]"), "{asked:?}");
    let made = asked.iter().find(|asked| asked.starts_with("1 CreateSessionObject")).unwrap();
    let params: Value = serde_json::from_str(made.strip_prefix("1 CreateSessionObject").unwrap()).unwrap();
    assert_eq!(params, json!([{"qInfo": {"qId": "cube", "qType": "t"}, "n": 2}]));
    let handles = [cube.handle(), field.handle(), sheet.handle(), child.handle()].map(Handle::get);
    assert_eq!(handles, [12, 13, 14, 15]);
}

#[tokio::test(start_paused = true)]
async fn attached_session_still_has_session_objects_and_those_missing_are_made_again() {
    for found in [true, false] {
        let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
        let doc = app(&session, &mut engine).await;
        let props = json!({"qInfo": {"qType": "t"}});
        let cube = doc.create_session_object(&props).into_future();
        let (cube, _) = tokio::join!(cube, engine.answers(reference("GenericObject", 2, "cube")));
        let cube = cube.unwrap();
        let patch = cube.apply_patches(&[] as &[qix_protocol::schema::NxPatch]).into_future();
        let (_, _) = tokio::join!(patch, engine.answers(json!({})));
        suspend(&session, &mut engine).await;
        let (report, asked, _engine) = resume(&session, &mut sockets, ATTACHED, |method, _| match method {
            "GetActiveDoc" => reference("Doc", 1, "Sales"),
            "GetObject" if !found => null(),
            _ => reference("GenericObject", 9, "cube"),
        })
        .await;
        let report = report.unwrap();
        assert_eq!(asked[1], r#"1 GetObject["cube"]"#);
        assert_eq!((report.kept.len(), report.rebuilt.len()), if found { (2, 0) } else { (1, 1) });
        if !found {
            assert_eq!(report.rebuilt[0].reason, "patches of its properties are lost");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn session_app_that_was_made_by_a_call_ends_with_its_session() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let global = session.global();
    let made = json!({"qSessionAppId": "SessionApp_1", "qReturn": {"qType": "Doc", "qHandle": 1}});
    let (made, _) = tokio::join!(global.create_session_app().into_future(), engine.answers(made));
    let doc = made.unwrap().object;
    assert_eq!(doc.id(), Some("SessionApp_1"));
    suspend(&session, &mut engine).await;
    let (report, _, mut engine) =
        resume(&session, &mut sockets, ATTACHED, |_, _| reference("Doc", 5, "SessionApp_1")).await;
    assert_eq!((ids(&report.unwrap().kept), doc.handle().get()), (vec!["SessionApp_1"], 5));
    suspend(&session, &mut engine).await;
    let (report, _, _engine) = resume(&session, &mut sockets, CREATED, |_, _| refusal(1017)).await;
    assert_eq!(report.unwrap().lost[0].reason, "a session app ends with its session");
}

#[tokio::test(start_paused = true)]
async fn suspended_session_refuses_calls_at_once() {
    let (session, _sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let global = session.global();
    suspend(&session, &mut engine).await;
    assert!(matches!(session.state(), State::Suspended { by: SuspendedBy::Hand, .. }));
    let error = bounded(global.engine_version()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Suspended);
    bounded(session.suspend()).await.unwrap();
    bounded(session.close()).await;
    assert_eq!(bounded(session.suspend()).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(bounded(session.resume()).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn resume_only_if_attached_leaves_a_new_session_alone() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    suspend(&session, &mut engine).await;
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume_if_attached().await }
    });
    let mut engine = sockets.next(CREATED).await;
    let mut log = Vec::new();
    let error = tokio::select! {
        outcome = bounded(resuming) => outcome.unwrap().unwrap_err(),
        () = serve(&mut engine, &mut log, |_, _| refusal(1017)) => unreachable!(),
    };
    assert_eq!(error.kind(), ErrorKind::NotAttached);
    assert!(matches!(session.state(), State::Suspended { cause: Some(_), .. }));
    // It can still be resumed otherwise.
    let (report, _, _engine) =
        resume(&session, &mut sockets, CREATED, |_, _| reference("Doc", 1, "Sales")).await;
    assert!(!report.unwrap().attached && !doc.is_closed());
}

#[tokio::test(start_paused = true)]
async fn open_session_has_nothing_to_resume_and_one_socket_cannot_be_resumed() {
    let (session, mut engine) = Engine::start();
    assert_eq!(bounded(session.resume()).await.unwrap().attempts, 0);
    suspend(&session, &mut engine).await;
    let error = bounded(session.resume()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(matches!(session.state(), State::Suspended { .. }));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_suspended_session_ends_it() {
    let (session, _sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let mut states = session.states();
    suspend(&session, &mut engine).await;
    drop(session);
    loop {
        if let State::Closed(_) = bounded(states.next()).await.unwrap() {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn selections_are_stored_after_they_settle_and_restored_in_a_new_session() {
    let policy = ResumePolicy::never().restore_selections(Duration::from_secs(600));
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default().resume(policy)).await;
    let doc = app(&session, &mut engine).await;
    for _ in 0..10 {
        engine.says(json!({"change": [1]})).await;
    }
    let stored = engine.answers(json!({"qId": "temp", "qReturn": true})).await;
    assert_eq!((&stored["method"], &stored["params"]), (&json!("StoreTempSelectionState"), &json!([600])));
    // There was one call for all of it: the next that is heard is another.
    let (_, next) = tokio::join!(session.global().engine_version().into_future(), engine.answers(json!({})));
    assert_eq!(next["method"], "EngineVersion");
    suspend(&session, &mut engine).await;
    let (report, asked, _engine) = resume(&session, &mut sockets, CREATED, |method, _| match method {
        "OpenDoc" => reference("Doc", 1, "Sales"),
        "RestoreTempSelectionState" => json!({"qReturn": true}),
        _ => refusal(1017),
    })
    .await;
    assert_eq!(report.unwrap().selections, Selections::Restored);
    assert_eq!(asked.last().unwrap(), r#"1 RestoreTempSelectionState["temp"]"#);
    assert!(!doc.is_closed());
}

#[tokio::test(start_paused = true)]
async fn session_object_dropped_meanwhile_is_destroyed_if_the_session_still_has_it() {
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    let cube = doc.create_session_object(&json!({})).into_future();
    let (cube, _) = tokio::join!(cube, engine.answers(reference("GenericObject", 2, "cube")));
    suspend(&session, &mut engine).await;
    drop(cube);
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume().await }
    });
    let mut engine = sockets.next(ATTACHED).await;
    engine.answers(reference("Doc", 8, "Sales")).await;
    assert_eq!(bounded(resuming).await.unwrap().unwrap().kept.len(), 1);
    let destroyed = engine.hears().await;
    assert_eq!(
        (&destroyed["handle"], &destroyed["method"], &destroyed["params"]),
        (&json!(8), &json!("DestroySessionObject"), &json!(["cube"]))
    );
}

#[tokio::test(start_paused = true)]
async fn handles_of_the_new_socket_are_not_mixed_up_with_those_before() {
    // An object closes on the new socket before everything is taken over; its handle was that of another.
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    let (a, b) = (object(&doc, &mut engine, 2, "a").await, object(&doc, &mut engine, 3, "b").await);
    suspend(&session, &mut engine).await;
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume().await }
    });
    let mut engine = sockets.next(ATTACHED).await;
    engine.answers(reference("Doc", 9, "Sales")).await;
    for _ in 0..2 {
        let request = engine.hears().await;
        let (handle, id) = if request["params"][0] == "a" { (3, "a") } else { (2, "b") };
        let result = reference("GenericObject", handle, id);
        engine.says(json!({"id": request["id"], "result": result, "change": [handle], "close": [2]})).await;
    }
    let report = bounded(resuming).await.unwrap().unwrap();
    assert_eq!(report.kept.len(), 3);
    assert_eq!(a.handle(), Handle::new(3));
    bounded(b.closed()).await;
    assert!(!a.is_closed() && b.is_closed());
}
