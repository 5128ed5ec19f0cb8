//! What other clients get wrong, and this one must not.

use std::time::Duration;

use qix_client::{
    ErrorKind, Session, SessionConfig,
    layer::AbortModal,
    protocol::Handle,
    transport::{Endpoint, TlsSettings, WsConnect},
};
use qix_tests::{
    certs::{CertOptions, Certs},
    fake_engine::{Cut, Greeting, Reopen},
};
use serde_json::{Value, json};

use crate::{played::*, support::*};

// enigma.js: a close with 1000 or 4000 raises no event.
#[tokio::test]
async fn enigma_js_close_with_1000_or_4000_is_an_event_like_any_other() {
    for code in [1000, 4000] {
        let engine = engine().await;
        let session = session(&engine.url("Sales.qvf")).await;
        let doc = sales(&session).await;
        let mut changes = doc.changes();
        assert_eq!(engine.cut_all(Cut::Close(code, String::new())), 1);
        let error = bounded(session.closed()).await;
        assert_eq!((error.kind(), error.closing().unwrap().code.get()), (ErrorKind::Closed, code));
        bounded(doc.closed()).await;
        while bounded(changes.next()).await.is_some() {}
        assert_eq!(doc.get_app_layout().await.unwrap_err().kind(), ErrorKind::Closed);
    }
}

// enigma.js: listeners that are added after the socket is open miss the greetings.
#[tokio::test(start_paused = true)]
async fn enigma_js_late_listener_has_the_greeting() {
    let (session, mut engine) = Played::start();
    engine.says(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_ATTACHED"}})).await;
    Played::settles(&session, &mut engine).await;
    for _ in 0..2 {
        assert_eq!(bounded(session.connected()).await.unwrap(), "SESSION_ATTACHED");
    }
}

// enigma.js: named parameters that are false, zero or empty are replaced by defaults.
#[tokio::test(start_paused = true)]
async fn enigma_js_falsy_parameters_are_sent_as_they_are() {
    let (session, mut engine) = Played::start();
    let named = json!({"a": 0, "b": false, "c": "", "d": null, "e": [], "f": {}});
    let (_, request) = tokio::join!(
        session.call::<Value>(Handle::GLOBAL, "Any", &named).into_future(),
        engine.answers(json!({}))
    );
    assert_eq!(request["params"], named);
    let global = session.global();
    let (_, request) = tokio::join!(global.open_doc("").no_data(false).into_future(), engine.refuses(1003));
    assert_eq!(request["params"], json!({"qDocName": "", "qNoData": false}));
    let doc = Played::app(&session, &mut engine).await;
    let (_, request) = tokio::join!(doc.set_fetch_limit(0).into_future(), engine.answers(json!({})));
    assert_eq!(request["params"], json!([0]));
}

// enigma-go: a change channel that nobody empties blocks the reader of the socket.
#[tokio::test(start_paused = true)]
async fn enigma_go_changes_that_nobody_reads_hold_nothing_up_and_are_not_lost() {
    let (session, mut engine) = Played::start();
    let doc = Played::app(&session, &mut engine).await;
    let mut changes = doc.changes();
    for _ in 0..20_000 {
        engine.says(json!({"change": [1]})).await;
    }
    Played::settles(&session, &mut engine).await;
    assert_eq!(bounded(changes.next()).await, Some(()));
    let more = tokio::time::timeout(Duration::from_secs(1), changes.next()).await;
    assert!(more.is_err(), "all of them are one item");
}

// enigma-go: a frame that has only `suspend` is dropped.
#[tokio::test(start_paused = true)]
async fn enigma_go_suspend_alone_is_a_change_of_the_object() {
    let (session, mut engine) = Played::start();
    let doc = Played::app(&session, &mut engine).await;
    let mut changes = doc.changes();
    assert_eq!(bounded(changes.next()).await, Some(()), "it came with the object");
    engine.says(json!({"jsonrpc": "2.0", "suspend": [1]})).await;
    assert_eq!(bounded(changes.next()).await, Some(()));
    assert!(!doc.is_closed());
}

// enigma-go: members that its structs do not know are lost when properties are read, changed and written.
#[tokio::test]
async fn enigma_go_unknown_members_survive_a_round_trip() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let props = json!({
        "qInfo": {"qId": "own", "qType": "kpi", "qFuture": [1, 2]},
        "qHyperCubeDef": {"qMeasures": [{"qDef": {"qDef": "1", "qUnheardOf": {"a": 1e2}}}], "qNew": "x"},
        "colours": {"by": "expression", "palette": ["#fff", null]},
        "big": 9_007_199_254_740_993_u64,
    });
    let object = bounded(doc.create_session_object(&props)).await.unwrap();
    let read = bounded(object.get_properties()).await.unwrap();
    bounded(object.set_properties(&read)).await.unwrap();
    let written = engine.requests().into_iter().find(|request| request.method == "SetProperties").unwrap();
    assert_eq!(written.params[0], props);
    let text = engine.log().into_iter().rev().find(|entry| entry.text.contains("SetProperties")).unwrap();
    assert!(text.text.contains("9007199254740993") && text.text.contains("qUnheardOf"));
}

// @qlik/api: calls in flight when a socket ends are made again, so that an app is reloaded twice.
#[tokio::test]
async fn qlik_api_do_reload_is_not_made_again_after_4003() {
    let engine = engine_with(|config| config.reopen = Reopen::AlreadyOpen).await;
    let url = engine.url("Sales.qvf/identity/reload/ttl/60");
    let session = session(&url).await;
    let doc = sales(&session).await;
    bounded(doc.set_script("Sleep 1000;")).await.unwrap();
    let reload = tokio::spawn(doc.do_reload().into_future());
    bounded(async {
        while engine.count("DoReload") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    engine.cut_all(Cut::Close(4003, r#"{"code":"QEP-104"}"#.into()));
    let error = bounded(reload).await.unwrap().unwrap_err();
    assert_eq!(error.closing().unwrap().code.get(), 4003);
    let again = self::session(&url).await;
    assert_eq!(bounded(again.connected()).await.unwrap(), "SESSION_ATTACHED");
    bounded(again.global().get_active_doc()).await.unwrap();
    assert_eq!(engine.count("DoReload"), 1);
}

// @qlik/api: waits for a greeting without limit, and some engines send none.
#[tokio::test]
async fn qlik_api_missing_greeting_holds_nothing_up() {
    let engine = engine_with(|config| config.greeting = Greeting::Never).await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
    // Who asks for it can give it up, and ends with the session at the latest.
    let (greeting, ()) = tokio::join!(session.connected(), session.close());
    assert_eq!(bounded(async { greeting }).await.unwrap_err().kind(), ErrorKind::Closed);
}

// @qlik/api: leaves the modal state by a method that does not exist.
#[tokio::test]
async fn qlik_api_modal_state_is_left_by_abort_modal() {
    let engine = engine().await;
    let connector = connector(&engine.url("Sales.qvf"));
    let config = SessionConfig::default().layer(AbortModal::new());
    let session = bounded(Session::connect_with(&connector, config)).await.unwrap();
    let doc = sales(&session).await;
    let modal = bounded(doc.get_object("LB01")).await.unwrap();
    bounded(modal.begin_selections(&["/qListObjectDef"])).await.unwrap();
    // Refused with 6003, unless something is done about it.
    bounded(doc.clear_all()).await.unwrap();
    let made: Vec<_> = engine.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(&made[made.len() - 3..], ["ClearAll", "AbortModal", "ClearAll"]);
    let abort = engine.requests().into_iter().find(|request| request.method == "AbortModal").unwrap();
    assert_eq!((abort.handle, &abort.params), (i64::from(doc.handle().get()), &json!([true])));
}

// Python clients: take the next frame for the answer, whatever it is.
#[tokio::test(start_paused = true)]
async fn python_next_frame_is_not_taken_for_the_answer() {
    let (session, mut engine) = Played::start();
    let global = session.global();
    let answer = async {
        let first = engine.hears().await;
        let second = engine.hears().await;
        engine.says(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_CREATED"}})).await;
        engine.says(json!({"jsonrpc": "2.0", "change": [7]})).await;
        engine.says(json!({"jsonrpc": "2.0", "id": 4711, "result": {"qReturn": "nobody asked"}})).await;
        for (request, product) in [(second, "two"), (first, "one")] {
            engine.says(json!({"id": request["id"], "result": {"qReturn": product}})).await;
        }
    };
    let calls =
        async { tokio::join!(global.product_version().into_future(), global.qt_product().into_future()) };
    let ((one, two), ()) = tokio::join!(calls, answer);
    assert_eq!((one.unwrap(), two.unwrap()), ("one".to_owned(), "two".to_owned()));
}

// Python clients: switch the checks of certificates off.
#[tokio::test]
async fn python_certificates_are_checked_unless_a_method_named_danger_is_called() {
    let certs = Certs::generate(CertOptions::default()).unwrap();
    let acceptor = certs.acceptor(false).unwrap();
    let engine = engine_with(|config| config.tls = Some(acceptor)).await;
    let with = |tls: TlsSettings| {
        let endpoint = Endpoint::parse(&engine.url("Sales.qvf")).unwrap();
        WsConnect::builder(endpoint).tls(tls).build().unwrap()
    };
    let error = bounded(Session::connect(&with(TlsSettings::default()))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(engine.upgrades().is_empty(), "nothing was said to a server that is not known");
    for tls in [
        TlsSettings::default().ca_pem(certs.root.as_bytes()).unwrap(),
        TlsSettings::default().danger_accept_any_server_certificate(),
    ] {
        let session = bounded(Session::connect(&with(tls))).await.unwrap();
        sales(&session).await;
    }
}
