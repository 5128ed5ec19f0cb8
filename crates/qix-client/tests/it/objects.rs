//! Objects of the session, as the engine has them.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn session_object_is_destroyed_with_its_last_clone_unless_it_is_kept() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let properties = json!({"qInfo": {"qType": "x"}});
    let object = bounded(doc.create_session_object(&properties)).await.unwrap();
    let kept = bounded(doc.create_session_object(&properties)).await.unwrap();
    kept.keep();
    let clone = object.clone();
    drop((object, kept));
    bounded(doc.evaluate("1")).await.unwrap();
    assert_eq!(engine.session_objects(), 2);
    drop(clone);
    bounded(doc.evaluate("1")).await.unwrap();
    assert_eq!((engine.session_objects(), engine.count("DestroySessionObject")), (1, 1));
}
