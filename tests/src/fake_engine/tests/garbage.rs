//! Every method with every kind of wrong parameter: nothing may panic, and each request is answered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::FakeEngineConfig;
use super::super::methods::handle_text;
use super::super::names::all_methods;
use super::super::peer::Outgoing;
use super::super::session::SessionKey;
use super::super::sessions::{Sessions, lock};

const OTHERS: &str = "GetLayout GetProperties GetInfo GetEffectiveProperties GetFullPropertyTree GetChildInfos GetParent \
    ClearSoftPatches ResetMadeSelections GetAppLayout GetAllInfos Back Forward GetScript EngineVersion GetDocList \
    GetActiveDoc CreateSessionApp AbortAll GetCardinal SelectAll SelectPossible SelectExcluded SelectAlternative Clear \
    ClearAllButThis Lock Unlock GetDimension GetMeasure Apply GetRawContent StoreTempSelectionState \
    RestoreTempSelectionState GetTablesAndKeys Undo Publish";

fn wrong_params() -> Vec<Value> {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("/"),
        json!("/qHyperCubeDef"),
        json!("LB01"),
        json!([]),
        json!([[1, -1, 1e10, "x", null]]),
        json!({}),
        json!({"qInfo": 7}),
        json!({"qInfo": {"qId": 7}}),
        json!({"qProperty": {"a": 1}, "qChildren": [7, {"qProperty": {}}]}),
        json!({"qHyperCubeDef": {"qDimensions": 7, "qMeasures": [7, {}]}}),
        json!([{"qOp": "add", "qPath": "/qHyperCubeDef", "qValue": "[]"}]),
        json!([{"qTop": -1, "qHeight": 1e18, "qWidth": "x"}]),
    ];
    let mut all = vec![json!([]), json!({}), json!(null), json!(7)];
    for (index, value) in odd.iter().enumerate() {
        let path = ["/qHyperCubeDef", "/qListObjectDef"][index % 2];
        all.push(json!([value, value, value, value]));
        all.push(json!([path, value, value, true]));
    }
    all.push(json!({"qProp": {}, "qId": 7, "qPath": "/qListObjectDef", "qValues": [-1], "qPages": [{}]}));
    all
}

#[test]
fn nothing_panics_and_everything_is_answered() {
    let config = FakeEngineConfig { rows: 20, ..FakeEngineConfig::default() };
    let sessions = Arc::new(Sessions::new(Arc::new(config)));
    let mut methods = all_methods();
    methods.extend(OTHERS.split_whitespace());
    let setup = [
        ("OpenDoc", -1, "Sales.qvf"),
        ("GetObject", 1, "LB01"),
        ("GetObject", 1, "CH01"),
        ("GetField", 1, "Region"),
        ("GetDimension", 1, "DIM01"),
        ("GetMeasure", 1, "MEA01"),
        ("GetBookmark", 1, "BM01"),
        ("GetVariableById", 1, "VAR01"),
        ("GetObject", 1, "SH01"),
    ];
    for method in methods {
        // A fresh session for each method, so that what one destroys another still finds.
        let key = SessionKey { identity: method.to_owned(), ..SessionKey::default() };
        let (session, _) = sessions.attach(&key, 1, None, None);
        let mut session = lock(&session);
        for (name, handle, id) in setup {
            let request = json!({"id": 0, "method": name, "handle": handle, "params": [id]});
            handle_text(&mut session, 1, &request.to_string());
        }
        for handle in [-1, 1, 2, 3, 4, 5, 7, 8] {
            for params in wrong_params() {
                let request =
                    json!({"id": 1, "method": method, "handle": handle, "params": params, "delta": true});
                let peer = session.peers.get_mut(&1).unwrap();
                peer.take_outbox();
                handle_text(&mut session, 1, &request.to_string());
                let outbox = session.peers.get_mut(&1).unwrap().take_outbox();
                let answered = outbox
                    .iter()
                    .any(|out| matches!(out, Outgoing::Text(text) if text.contains("\"id\":1,")));
                assert!(answered, "{request} was not answered: {outbox:?}");
                // A method of another class: other parameters make no difference.
                if outbox.iter().any(|out| matches!(out, Outgoing::Text(text) if text.contains("-32601"))) {
                    break;
                }
            }
        }
    }
}
