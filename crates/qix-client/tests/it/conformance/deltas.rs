//! Patches, as a caller sees them.

use qix_client::ErrorKind;
use serde_json::{Value, json};

use crate::played::*;

/// What one delta answer makes of the layout.
async fn layout(
    object: &qix_client::GenericObject,
    engine: &mut Played,
    patches: Value,
) -> Result<Value, qix_client::Error> {
    let call = object.get_layout().delta(true).call_into::<Value>();
    let (layout, _) = tokio::join!(call.into_future(), engine.patches(json!({ "qLayout": patches })));
    layout
}

async fn object(
    session: &qix_client::Session,
    engine: &mut Played,
) -> (qix_client::Doc, qix_client::GenericObject) {
    let doc = Played::app(session, engine).await;
    let (object, _) = tokio::join!(doc.get_object("x").into_future(), engine.opens(2, "GenericObject"));
    (doc, object.unwrap())
}

#[tokio::test(start_paused = true)]
async fn patches_give_the_value_that_a_plain_answer_would_have_given() {
    let (session, mut engine) = Played::start();
    let (_doc, object) = object(&session, &mut engine).await;
    let steps = [
        (
            json!([{"op": "add", "path": "/", "value": {"a": [1, 2, 3], "b": {"c": 1}}}]),
            json!({"a": [1, 2, 3], "b": {"c": 1}}),
        ),
        (json!([]), json!({"a": [1, 2, 3], "b": {"c": 1}})),
        (json!([{"op": "add", "path": "/a/1", "value": 9}]), json!({"a": [1, 9, 2, 3], "b": {"c": 1}})),
        (
            json!([{"op": "add", "path": "/a/4", "value": 4}, {"op": "add", "path": "/a/-", "value": 5}]),
            json!({"a": [1, 9, 2, 3, 4, 5], "b": {"c": 1}}),
        ),
        (
            json!([{"op": "remove", "path": "/a/0"}, {"op": "replace", "path": "/a/0", "value": 7}]),
            json!({"a": [7, 2, 3, 4, 5], "b": {"c": 1}}),
        ),
        (
            json!([{"op": "move", "from": "/b/c", "path": "/b/d"}]),
            json!({"a": [7, 2, 3, 4, 5], "b": {"d": 1}}),
        ),
        (
            json!([{"op": "move", "from": "/a/0", "path": "/a/2"}]),
            json!({"a": [2, 3, 7, 4, 5], "b": {"d": 1}}),
        ),
        (
            json!([{"op": "add", "path": "/n", "value": null}]),
            json!({"a": [2, 3, 7, 4, 5], "b": {"d": 1}, "n": null}),
        ),
        (json!([{"op": "replace", "path": "/", "value": null}]), json!(null)),
        (json!([{"op": "replace", "path": "/", "value": {"z": 1}}]), json!({"z": 1})),
    ];
    for (patches, expected) in steps {
        assert_eq!(layout(&object, &mut engine, patches.clone()).await.unwrap(), expected, "{patches}");
    }
}

#[tokio::test(start_paused = true)]
async fn primitive_results_are_patched_at_the_root() {
    let (session, mut engine) = Played::start();
    let global = session.global();
    for (value, expected) in [("12.1", "12.1"), ("12.2", "12.2")] {
        let patch = json!({"qReturn": [{"op": "add", "path": "/", "value": value}]});
        let (version, request) =
            tokio::join!(global.product_version().delta(true).into_future(), engine.patches(patch));
        assert_eq!((version.unwrap().as_str(), &request["delta"]), (expected, &json!(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_are_no_part_of_what_patches_refer_to() {
    let (session, mut engine) = Played::start();
    let (doc, _) = object(&session, &mut engine).await;
    let reference = json!({"qType": "GenericObject", "qHandle": 5, "qGenericId": "A"});
    let patch = json!({"qReturn": [{"op": "add", "path": "/", "value": reference}]});
    let (a, _) = tokio::join!(doc.get_object("A").delta(true).into_future(), engine.patches(patch));
    let patch = json!({"qReturn": [
        {"op": "replace", "path": "/qHandle", "value": 6}, {"op": "replace", "path": "/qGenericId", "value": "B"},
    ]});
    let (b, _) = tokio::join!(doc.get_object("B").delta(true).into_future(), engine.patches(patch));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.handle().get(), a.id(), b.handle().get(), b.id()), (5, Some("A"), 6, Some("B")));
}

#[tokio::test(start_paused = true)]
async fn error_between_two_deltas_changes_nothing_and_a_plain_answer_starts_anew() {
    let (session, mut engine) = Played::start();
    let (_doc, object) = object(&session, &mut engine).await;
    layout(&object, &mut engine, json!([{"op": "add", "path": "/", "value": {"a": 1}}])).await.unwrap();
    let call = object.get_layout().delta(true).call_into::<Value>();
    let (refused, _) = tokio::join!(call.into_future(), engine.refuses(15));
    assert!(refused.unwrap_err().is_retryable());
    let patched = layout(&object, &mut engine, json!([{"op": "add", "path": "/b", "value": 2}])).await;
    assert_eq!(patched.unwrap(), json!({"a": 1, "b": 2}));
    // Asked for patches, and answered without.
    let call = object.get_layout().delta(true).call_into::<Value>();
    let (plain, _) = tokio::join!(call.into_future(), engine.answers(json!({"qLayout": {"p": 1}})));
    assert_eq!(plain.unwrap(), json!({"p": 1}));
    let stale = layout(&object, &mut engine, json!([{"op": "add", "path": "/b", "value": 2}])).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Protocol);
    let root = layout(&object, &mut engine, json!([{"op": "add", "path": "/", "value": {"q": 1}}])).await;
    assert_eq!(root.unwrap(), json!({"q": 1}));
}

#[tokio::test(start_paused = true)]
async fn patches_that_are_none_fail_their_call_and_no_other() {
    let (session, mut engine) = Played::start();
    let (_doc, object) = object(&session, &mut engine).await;
    for bad in [json!({"a": 1}), json!(7), json!([{"op": "add", "path": "/a/b/c", "value": 1}]), json!([])] {
        let error = layout(&object, &mut engine, bad.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{bad}");
    }
    Played::settles(&session, &mut engine).await;
}

#[tokio::test(start_paused = true)]
async fn late_patches_of_a_cancelled_call_are_applied() {
    let (session, mut engine) = Played::start();
    let (_doc, object) = object(&session, &mut engine).await;
    layout(&object, &mut engine, json!([{"op": "add", "path": "/", "value": {"a": 1}}])).await.unwrap();
    let request = {
        let mut call = std::pin::pin!(object.get_layout().delta(true).into_future());
        tokio::select! {
            _ = &mut call => panic!("nobody answered"),
            request = engine.hears() => request,
        }
    };
    assert_eq!(engine.hears().await["method"], "CancelRequest");
    let late = json!({"qLayout": [{"op": "replace", "path": "/a", "value": 2}]});
    engine.says(json!({"id": request["id"], "delta": true, "result": late})).await;
    let patched = layout(&object, &mut engine, json!([{"op": "add", "path": "/b", "value": 3}])).await;
    assert_eq!(patched.unwrap(), json!({"a": 2, "b": 3}));
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_holds_is_not_changed_by_later_patches() {
    let (session, mut engine) = Played::start();
    let (_doc, object) = object(&session, &mut engine).await;
    let first =
        layout(&object, &mut engine, json!([{"op": "add", "path": "/", "value": {"a": 1}}])).await.unwrap();
    layout(&object, &mut engine, json!([{"op": "replace", "path": "/a", "value": 2}])).await.unwrap();
    assert_eq!(first, json!({"a": 1}));
}
