//! qix-client over a real WebSocket.

use futures_util::FutureExt;
use qix_client::protocol::schema::NxPage;
use qix_client::{
    ErrorKind, Session, SessionConfig,
    protocol::{ErrorCode, Handle},
    transport::{CloseCode, ClosedBy, Connect},
};
use qix_tests::{
    FakeEngine,
    fake_engine::{Direction, Greeting},
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::*;

/// What clients have sent, in order.
fn received(engine: &FakeEngine) -> Vec<Value> {
    let log = engine.log();
    let received = log.iter().filter(|entry| entry.direction == Direction::Received);
    received.map(|entry| serde_json::from_str(&entry.text).unwrap()).collect()
}

#[tokio::test]
async fn app_can_be_opened_and_lists_its_sheets() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    assert_eq!(bounded(session.global().engine_version()).await.unwrap().component_version, "12.2528.0");
    let apps: Vec<Value> = bounded(session.global().get_doc_list().call_into::<Vec<Value>>()).await.unwrap();
    assert_eq!(apps.iter().filter(|app| app["qDocId"] == "Sales.qvf").count(), 1);
    let doc = sales(&session).await;
    assert_eq!((doc.id(), doc.handle()), (Some("Sales.qvf"), Handle::new(1)));
    let layout: Value = bounded(doc.get_app_layout().call_into::<Value>()).await.unwrap();
    assert_eq!(layout["qTitle"], "Sales");
    let list = json!({"qAppObjectListDef": {"qType": "sheet", "qData": {"title": "/qMetaDef/title"}}});
    let list = bounded(doc.create_session_object(&definition("sheets", list))).await.unwrap();
    let layout: Value = bounded(list.get_layout().call_into::<Value>()).await.unwrap();
    let sheets = layout["qAppObjectList"]["qItems"].as_array().unwrap();
    let titles: Vec<&Value> = sheets.iter().map(|sheet| &sheet["qData"]["title"]).collect();
    assert_eq!(titles, ["Overview", "Détails \"all\""]);
}

#[tokio::test]
async fn selection_in_one_session_is_heard_in_the_other_of_the_same_identity() {
    let engine = engine().await;
    let url = engine.url("Sales.qvf/identity/shared");
    let (one, two, stranger) =
        (session(&url).await, session(&url).await, session(&engine.url("Sales.qvf/identity/other")).await);
    let regions = bounded(sales(&one).await.get_object("LB01")).await.unwrap();
    let doc = bounded(two.global().get_active_doc()).await.unwrap();
    let chart = bounded(doc.create_session_object(&cube("cube"))).await.unwrap();
    let untouched = bounded(sales(&stranger).await.get_object("CH01")).await.unwrap();
    let (mut changes, mut silence) = (chart.changes(), untouched.changes());
    assert_eq!((bounded(changes.next()).await, bounded(silence.next()).await), (Some(()), Some(())));
    let before: Value = bounded(chart.get_layout().call_into::<Value>()).await.unwrap();
    let _: Value = bounded(untouched.get_layout().call_into::<Value>()).await.unwrap();
    assert!(rows(&before).len() > 1);

    assert!(
        bounded(regions.select_list_object_values("/qListObjectDef", &[0], false)).await.unwrap(),
        "the engine takes the selection"
    );
    assert_eq!(bounded(changes.next()).await, Some(()));
    let after: Value = bounded(chart.get_layout().call_into::<Value>()).await.unwrap();
    assert_eq!(rows(&after).len(), 1);
    let page = NxPage { width: 2, height: 10, ..NxPage::default() };
    let data: Vec<Value> =
        bounded(chart.get_hypercube_data("/qHyperCubeDef", &[page]).call_into::<Vec<Value>>()).await.unwrap();
    assert_eq!(data[0]["qMatrix"], json!(rows(&after)));

    bounded(doc.clear_all()).await.unwrap();
    assert_eq!(bounded(changes.next()).await, Some(()));
    let cleared: Value = bounded(chart.get_layout().call_into::<Value>()).await.unwrap();
    assert_eq!(rows(&cleared), rows(&before));
    // A round trip later, the stranger has heard nothing.
    bounded(stranger.global().engine_version()).await.unwrap();
    assert_eq!(silence.next().now_or_never(), None);
}

#[tokio::test]
async fn destroyed_object_is_closed_in_every_session_that_has_it() {
    let engine = engine().await;
    let url = engine.url("Sales.qvf/identity/shared");
    let (one, two) = (session(&url).await, session(&url).await);
    let doc = sales(&one).await;
    let mine = bounded(doc.create_session_object(&cube("cube"))).await.unwrap();
    let theirs = bounded(sales(&two).await.get_object("cube")).await.unwrap();
    let mut changes = theirs.changes();
    assert_eq!(bounded(changes.next()).await, Some(()));
    assert!(!mine.is_closed() && !theirs.is_closed());
    assert!(bounded(doc.destroy_session_object("cube")).await.unwrap());
    bounded(mine.closed()).await;
    bounded(theirs.closed()).await;
    assert_eq!(bounded(changes.next()).await, None);
    let error = bounded(theirs.get_layout().call_into::<Value>()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(!bounded(doc.destroy_session_object("cube")).await.unwrap());
}

#[tokio::test]
async fn missing_object_is_not_found() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let error = bounded(sales(&session).await.get_object("nowhere")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "GetObject: no such object")
    );
}

#[tokio::test]
async fn refusals_carry_the_engines_code() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let error = bounded(session.global().open_doc("nowhere.qvf")).await.unwrap_err();
    assert_eq!((error.kind(), error.engine().unwrap().code), (ErrorKind::Engine, ErrorCode::APP_NOT_FOUND));
    let call = session.call::<Value>(Handle::GLOBAL, "NoSuchMethod", &json!([]));
    let error = bounded(call.into_future()).await.unwrap_err();
    assert_eq!(error.engine().unwrap().code, ErrorCode::new(-32601));
    assert_eq!(error.to_string(), "NoSuchMethod: the engine refused");
    let doc = sales(&session).await;
    let error = evaluate(&doc, "Error(11000)").await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
}

#[tokio::test]
async fn answers_that_overtake_each_other_find_their_callers() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let order = std::sync::Mutex::new(Vec::new());
    let ask = async |expression: &str| {
        let answer = evaluate(&doc, expression).await.unwrap();
        order.lock().unwrap().push(expression.to_owned());
        answer
    };
    let (slow, one, two) = tokio::join!(ask("Slow(2)"), ask("1"), ask("2"));
    assert_eq!((one.as_str(), two.as_str()), ("1", "2"));
    assert_eq!(*order.lock().unwrap(), ["1", "2", "Slow(2)"]);
    assert_ne!(slow, one);
}

#[tokio::test]
async fn dropped_call_is_cancelled_in_the_engine_and_its_answer_harms_nothing() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let call = doc.call::<Value>("Evaluate", &["Hang()"]);
    let id = call.request_id();
    let mut call = Box::pin(call.into_future());
    assert!(call.as_mut().now_or_never().is_none());
    // The call has left once a later one is answered.
    bounded(session.global().engine_version()).await.unwrap();
    drop(call);
    assert_eq!(evaluate(&doc, "Orphan()").await.unwrap(), "ok");
    let cancels: Vec<Value> =
        received(&engine).into_iter().filter(|frame| frame["method"] == "CancelRequest").collect();
    assert_eq!(cancels.len(), 1);
    assert_eq!(cancels[0]["params"], json!([id.get()]));
    // The cancelled call has been answered with error 15, which nobody waits for.
    let late = engine.log().into_iter().any(|entry| {
        let frame: Value = serde_json::from_str(&entry.text).unwrap();
        entry.direction == Direction::Sent && frame["id"] == id.get() && frame["error"]["code"] == 15
    });
    assert!(late);
    assert_eq!(evaluate(&doc, "2+2").await.unwrap(), "4");
}

#[tokio::test]
async fn call_past_its_deadline_is_cancelled_and_the_session_goes_on() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let call = doc.call::<Value>("Evaluate", &["Hang()"]).timeout(Duration::from_secs(30));
    let id = call.request_id();
    // With nothing to do, tokio's clock goes straight to the deadline.
    tokio::time::pause();
    let error = bounded(call.into_future()).await.unwrap_err();
    tokio::time::resume();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::TimedOut, "Evaluate: no answer in time")
    );
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
    let cancelled = received(&engine)
        .into_iter()
        .any(|frame| frame["method"] == "CancelRequest" && frame["params"] == json!([id.get()]));
    assert!(cancelled);
}

#[tokio::test]
async fn close_code_and_reason_reach_every_call_in_flight() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let (hanging, closing) = tokio::join!(evaluate(&doc, "Hang()"), evaluate(&doc, "Close(4204)"));
    for error in [hanging.unwrap_err(), closing.unwrap_err(), bounded(session.closed()).await] {
        assert_eq!(error.kind(), ErrorKind::Closed);
        let closed = error.closing().unwrap();
        assert_eq!((closed.code, closed.by), (CloseCode::new(4204), ClosedBy::Peer));
        let reason: Value = serde_json::from_str(&closed.reason).unwrap();
        assert_eq!(reason["code"], "QEP-104");
    }
    assert!(doc.is_closed());
    assert_eq!(evaluate(&doc, "1").await.unwrap_err().closing().unwrap().code, CloseCode::new(4204));
}

#[tokio::test]
async fn cut_connection_ends_the_session_without_code() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let mut call = Box::pin(doc.call::<Value>("Evaluate", &["Hang()"]).into_future());
    assert!(call.as_mut().now_or_never().is_none());
    bounded(session.global().engine_version()).await.unwrap();
    engine.abort_all();
    for error in [bounded(call).await.unwrap_err(), bounded(session.closed()).await] {
        assert_eq!(error.kind(), ErrorKind::Closed);
        let closed = error.closing().unwrap();
        assert_eq!((closed.code, closed.by), (CloseCode::ABNORMAL, ClosedBy::Connection));
    }
    bounded(doc.closed()).await;
}

#[tokio::test]
async fn greeting_may_come_at_once_late_or_never() {
    let at_once = engine().await;
    let greeted = session(&at_once.url("Sales.qvf")).await;
    assert_eq!(bounded(greeted.connected()).await.unwrap(), "SESSION_CREATED");

    let late = engine_with(|config| config.greeting = Greeting::AfterFirstRequest).await;
    let waiting = session(&late.url("Sales.qvf")).await;
    assert!(waiting.connected().now_or_never().is_none());
    bounded(waiting.global().engine_version()).await.unwrap();
    assert_eq!(waiting.connected().now_or_never().unwrap().unwrap(), "SESSION_CREATED");

    let silent = engine_with(|config| config.greeting = Greeting::Never).await;
    let silence = session(&silent.url("Sales.qvf")).await;
    sales(&silence).await;
    assert!(silence.connected().now_or_never().is_none());
    bounded(silence.close()).await;
    assert_eq!(bounded(silence.connected()).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn authentication_information_before_the_greeting_is_not_the_greeting() {
    let information = json!({"userId": "me", "userDirectory": "HERE", "mustAuthenticate": false});
    let engine = engine_with(|config| config.authentication_information = Some(information)).await;
    let session = session(&engine.url("Sales.qvf")).await;
    assert_eq!(bounded(session.connected()).await.unwrap(), "SESSION_CREATED");
    sales(&session).await;
}

#[tokio::test]
async fn fragments_of_a_message_are_joined_even_in_the_middle_of_a_character() {
    let whole = engine().await;
    let fragmented = engine_with(|config| config.fragment = Some(7)).await;
    let mut layouts = Vec::new();
    for engine in [&whole, &fragmented] {
        let session = session(&engine.url("Sales.qvf")).await;
        let doc = sales(&session).await;
        let sheet = bounded(doc.get_object("SH02")).await.unwrap();
        let sheet: Value = bounded(sheet.get_layout().call_into::<Value>()).await.unwrap();
        let chart = bounded(doc.get_object("CH01")).await.unwrap();
        let chart: Value = bounded(chart.get_layout().call_into::<Value>()).await.unwrap();
        layouts.push((sheet, chart));
    }
    assert_eq!(layouts[0].0["qMeta"]["title"], "Détails \"all\"");
    assert_eq!(layouts[0], layouts[1]);
}

#[tokio::test]
async fn answer_of_64_mebibytes_arrives_whole() {
    let engine = engine_with(|config| config.log_limit = 0).await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let big = evaluate(&doc, &format!("Big({})", 64 << 20)).await.unwrap();
    assert_eq!(big.len(), 64 << 20);
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
}

#[tokio::test]
async fn message_that_no_engine_may_send_ends_the_session_as_a_protocol_error() {
    let engine = engine().await;
    for trigger in ["Binary()", "Raw(<html>login</html>)", "Raw([1,2])", "Raw({\"jsonrpc\":\"2.0\",\"id\":)"]
    {
        let session = session(&engine.url("Sales.qvf/identity/odd")).await;
        let doc = sales(&session).await;
        let error = evaluate(&doc, trigger).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{trigger}: {error:?}");
        assert_eq!(bounded(session.closed()).await.kind(), ErrorKind::Protocol, "{trigger}");
        assert!(doc.is_closed());
    }
}

#[tokio::test]
async fn malformed_result_fails_its_call_and_the_session_goes_on() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    for result in [r#"{"qReturn":nul}"#, r#"{"qReturn":tru}"#, r#"{"qReturn":01}"#, r#"{"qReturn":{"a" 1}}"#]
    {
        let call = doc.call::<Value>("Evaluate", &["Hang()"]);
        let id = call.request_id().get();
        let mut call = Box::pin(call.into_future());
        assert!(call.as_mut().now_or_never().is_none());
        // The engine answers the other call in between, in words of our own.
        let answer = format!(r#"Raw({{"jsonrpc":"2.0","id":{id},"result":{result}}})"#);
        assert_eq!(evaluate(&doc, &answer).await.unwrap(), "ok");
        let error = bounded(call).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{result}: {error:?}");
        assert_eq!(error.to_string(), "Evaluate: the answer cannot be understood");
        assert!(std::error::Error::source(&error).is_some(), "says where");
        assert!(!error.is_retryable());
    }
    assert!(!doc.is_closed());
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
}

#[tokio::test]
async fn message_that_means_nothing_to_the_client_harms_nothing() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    for trigger in [
        "Notify(OnNothingKnown)",
        "Suspend()",
        "Push()",
        "Orphan()",
        r#"Raw({"jsonrpc":"2.0","id":"text","result":{}})"#,
        r#"Raw({"jsonrpc":"2.0","change":[77],"close":[78],"suspend":[1]})"#,
        r#"Raw({"method":"OnNews","params":{"qNested":[[[{}]]]},"qMore":null})"#,
    ] {
        assert_eq!(evaluate(&doc, trigger).await.unwrap(), "ok", "{trigger}");
    }
    assert!(!doc.is_closed());
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
}

#[tokio::test]
async fn session_with_ttl_is_attached_to_with_its_app_open() {
    let engine = engine().await;
    let url = engine.url("Sales.qvf/identity/lasting/ttl/60");
    let first = session(&url).await;
    assert_eq!(bounded(first.connected()).await.unwrap(), "SESSION_CREATED");
    let regions = bounded(sales(&first).await.get_object("LB01")).await.unwrap();
    assert!(bounded(regions.select_list_object_values("/qListObjectDef", &[1], false)).await.unwrap());
    bounded(first.close()).await;
    let second = session(&url).await;
    assert_eq!(bounded(second.connected()).await.unwrap(), "SESSION_ATTACHED");
    let doc = bounded(second.global().get_active_doc()).await.unwrap();
    let chart = bounded(doc.get_object("CH01")).await.unwrap();
    let layout: Value = bounded(chart.get_layout().call_into::<Value>()).await.unwrap();
    assert_eq!(rows(&layout).len(), 1, "the selection is still there");
}

#[tokio::test]
async fn last_clone_that_is_dropped_takes_the_socket_along() {
    let engine = engine().await;
    let first = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&first).await;
    drop(first);
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
    assert_eq!(engine.open_sockets(), 1);
    let watcher = doc.clone();
    let session = doc.session().clone();
    drop((doc, watcher));
    bounded(session.close()).await;
    assert_eq!((engine.open_sockets(), engine.sessions()), (0, 0));
}

#[tokio::test]
async fn more_calls_than_may_be_in_flight_wait_and_are_all_answered() {
    let engine = engine().await;
    let socket = bounded(connector(&engine.url("Sales.qvf")).connect()).await.unwrap();
    let session = Session::over(socket, SessionConfig::default().max_pending(3).queue(2));
    let doc = sales(&session).await;
    let calls = (0..200).map(|number| {
        let doc = doc.clone();
        tokio::spawn(async move { evaluate(&doc, &number.to_string()).await.unwrap() })
    });
    for (number, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(bounded(call).await.unwrap(), number.to_string());
    }
}

#[tokio::test]
async fn session_error_in_the_greeting_can_be_read_and_the_close_after_it_too() {
    let state = "SESSION_ERROR_NO_LICENSE";
    let engine = engine_with(|config| config.session_error = Some(state.to_owned())).await;
    // The greeting and the goodbye often arrive together.
    for _ in 0..100 {
        let session = session(&engine.url("Sales.qvf")).await;
        assert_eq!(bounded(session.connected()).await.unwrap(), state);
        let end = bounded(session.closed()).await;
        assert_eq!(end.closing().unwrap().code, CloseCode::NORMAL);
    }
}
