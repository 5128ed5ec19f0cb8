//! What becomes of handles when objects open and close.

use super::*;

fn opened(pair: &mut Pair, to: i32, method: &'static str, params: &str, handle: i32) {
    let id = pair.call(Handle::new(to), method, params);
    let reference = format!(r#"{{"qType":"GenericObject","qHandle":{handle}}}"#);
    pair.engine_says(&format!(r#"{{"id":{id},"result":{{"qReturn":{reference}}}}}"#)).unwrap();
    pair.events();
}

#[test]
fn push_that_closes_a_parent_and_its_children_closes_them_all() {
    let mut pair = Pair::new();
    opened(&mut pair, -1, "OpenDoc", r#"["Sales"]"#, 1);
    opened(&mut pair, 1, "GetObject", r#"["a"]"#, 2);
    opened(&mut pair, 2, "GetChild", r#"["b"]"#, 3);
    pair.engine_says(r#"{"jsonrpc":"2.0","close":[2,3],"change":[1,3]}"#).unwrap();
    assert_eq!(pair.heard(), ["change [1] close [2, 3] suspend []"]);
    let known = [1, 2, 3].map(|handle| pair.client.lineage(Handle::new(handle)).is_some());
    assert_eq!(known, [true, false, false]);
}

#[test]
fn child_outlives_the_lineage_of_its_parent() {
    let mut pair = Pair::new();
    opened(&mut pair, -1, "GetObject", r#"["a"]"#, 2);
    opened(&mut pair, 2, "GetChild", r#"["b"]"#, 3);
    pair.engine_says(r#"{"close":[2]}"#).unwrap();
    let child = pair.client.lineage(Handle::new(3)).unwrap();
    assert_eq!(child.to_string(), r#"GetObject("a") / GetChild("b")"#);
}

#[test]
fn object_opened_and_closed_by_one_frame_is_closed() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "GetObject", r#"["a"]"#);
    let answer =
        r#"{"id":1,"close":[2],"change":[2],"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}"#;
    pair.engine_says(answer).unwrap();
    assert!(pair.client.lineage(Handle::new(2)).is_none());
}

#[test]
fn global_never_closes() {
    let mut pair = Pair::new();
    pair.engine_says(r#"{"close":[-1]}"#).unwrap();
    assert!(pair.client.lineage(Handle::GLOBAL).is_some());
}

#[test]
fn refused_calls_open_nothing() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "GetObject", r#"["a"]"#);
    let answer = r#"{"id":1,"error":{"code":2},"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}"#;
    pair.engine_says(answer).unwrap();
    assert!(pair.client.lineage(Handle::new(2)).is_none());
}

#[test]
fn session_app_has_its_id_beside_the_reference() {
    let mut pair = Pair::new();
    pair.call(Handle::GLOBAL, "CreateSessionApp", "[]");
    let answer = r#"{"id":1,"result":{"qSessionAppId":"SessionApp_7","qReturn":{"qType":"Doc","qHandle":1}},"change":[1]}"#;
    pair.engine_says(answer).unwrap();
    assert_eq!(pair.client.lineage(Handle::new(1)).unwrap().to_string(), "CreateSessionApp()");
    let outs = r#"CreateSessionApp: {"qSessionAppId":"SessionApp_7","qReturn":{"qType":"Doc","qHandle":1}}"#;
    assert_eq!(pair.heard(), ["change [1] close [] suspend []", outs]);
}
