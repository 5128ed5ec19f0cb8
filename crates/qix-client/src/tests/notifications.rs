//! Notifications and their history.

use serde_json::{Value, json};

use super::{Engine, bounded};
use crate::{Notifications, Session};

fn notice(name: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": name, "params": {}})
}

async fn greeted() -> (Session, Engine) {
    let (session, mut engine) = Engine::start();
    let params = json!({"userId": "me", "mustAuthenticate": false});
    engine.says(json!({"method": "OnAuthenticationInformation", "params": params})).await;
    engine.says(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_CREATED"}})).await;
    bounded(session.connected()).await.unwrap();
    (session, engine)
}

/// Makes sure that all that was said was taken in.
async fn settle(session: &Session, engine: &mut Engine) {
    let global = session.global();
    let (_, _) = tokio::join!(global.engine_version(), engine.answers(json!({"qVersion": {}})));
}

async fn names(notifications: &mut Notifications, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(bounded(notifications.next()).await.unwrap().method);
    }
    names
}

#[tokio::test(start_paused = true)]
async fn late_listener_hears_the_greetings_first() {
    let (session, mut engine) = greeted().await;
    let mut late = session.notifications();
    assert_eq!(names(&mut late, 2).await, ["OnAuthenticationInformation", "OnConnected"]);
    engine.says(notice("OnSomethingNew")).await;
    engine.says(json!({"jsonrpc": "2.0", "method": "OnBare"})).await;
    assert_eq!(names(&mut late, 2).await, ["OnSomethingNew", "OnBare"]);
    assert_eq!(late.missed(), 0);
    drop(session);
    assert!(bounded(late.next()).await.is_none(), "a listener keeps no session alive");
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded_and_slow_listeners_learn_what_they_missed() {
    let (session, mut engine) = greeted().await;
    let mut slow = session.notifications();
    assert_eq!(names(&mut slow, 1).await, ["OnAuthenticationInformation"]);
    for number in 0..1000 {
        engine.says(notice(&format!("On{number}"))).await;
        if number % 50 == 0 {
            settle(&session, &mut engine).await;
        }
    }
    settle(&session, &mut engine).await;
    assert_eq!(names(&mut slow, 2).await, ["OnConnected", "On936"]);
    assert_eq!(slow.missed(), 936);
    let mut late = session.notifications();
    let heard = names(&mut late, 66).await;
    assert_eq!(
        (&*heard[0], &*heard[1], &*heard[65]),
        ("OnAuthenticationInformation", "OnConnected", "On999")
    );
    assert_eq!(late.missed(), 936);
}

#[tokio::test(start_paused = true)]
async fn large_notifications_do_not_fill_the_history() {
    let (session, mut engine) = greeted().await;
    let long = "x".repeat(600 * 1024);
    for name in ["OnA", "OnB", "OnC"] {
        engine.says(json!({"method": name, "params": {"message": long}})).await;
    }
    settle(&session, &mut engine).await;
    let mut late = session.notifications();
    assert_eq!(names(&mut late, 3).await, ["OnAuthenticationInformation", "OnConnected", "OnC"]);
    assert_eq!(late.missed(), 2);
}
