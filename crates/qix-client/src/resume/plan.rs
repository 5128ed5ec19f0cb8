//! By which calls an object is had again.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::object::{Opener, State};

/// One call that may bring an object back.
#[derive(Debug)]
pub(super) struct Try {
    /// Whether it is made on the app rather than on the object that it was opened from.
    pub(super) on_app: bool,
    pub(super) method: Cow<'static, str>,
    pub(super) params: Bytes,
    /// Whether it makes the object rather than finding it.
    pub(super) makes: bool,
}

impl Try {
    fn find(on_app: bool, method: &'static str, id: &str) -> Self {
        Self { on_app, method: method.into(), params: json!([id]).to_string().into(), makes: false }
    }
}

/// Returns the calls that may bring an object back, the best first; `attached` if the engine still has the session.
pub(super) fn tries(state: &State, attached: bool) -> Vec<Try> {
    let Some(opener) = state.opener() else {
        // It was wrapped by hand. enigma.js gets all objects so.
        return by_kind(state).into_iter().collect();
    };
    let id = state.id().unwrap_or_default();
    match &*opener.method {
        "CreateSessionObject" => session_object(state, opener, "GetObject", attached),
        "CreateSessionVariable" => session_object(state, opener, "GetVariableById", attached),
        "CreateChild" => vec![Try::find(false, "GetChild", id)],
        method if method.starts_with("Get") && method != "GetOrCreateObject" => vec![Try {
            on_app: false,
            method: opener.method.clone(),
            params: opener.params.clone(),
            makes: false,
        }],
        _ => by_kind(state).into_iter().collect(),
    }
}

fn by_kind(state: &State) -> Option<Try> {
    let method = match state.kind() {
        "GenericObject" => "GetObject",
        "GenericBookmark" => "GetBookmark",
        "GenericDimension" => "GetDimension",
        "GenericMeasure" => "GetMeasure",
        "GenericVariable" => "GetVariableById",
        "Field" => "GetField",
        _ => return None,
    };
    Some(Try::find(true, method, state.id()?))
}

fn session_object(state: &State, opener: &Opener, get: &'static str, attached: bool) -> Vec<Try> {
    let mut tries = Vec::new();
    if let (true, Some(id)) = (attached, state.id()) {
        tries.push(Try::find(false, get, id));
    }
    let properties = state.properties();
    if let Some(params) = with_id(properties.as_ref().unwrap_or(&opener.params), state.id()) {
        tries.push(Try { on_app: false, method: opener.method.clone(), params, makes: true });
    }
    tries
}

/// Returns the one parameter of `CreateSessionObject` or `SetProperties`, by position or by name, as an array, with the id in it.
fn with_id(params: &[u8], id: Option<&str>) -> Option<Bytes> {
    let mut params: Value = serde_json::from_slice(params).ok()?;
    let mut properties = match &mut params {
        Value::Array(params) => params.first_mut()?.take(),
        Value::Object(params) => params.values_mut().next()?.take(),
        _ => return None,
    };
    if let Some(id) = id {
        let info = properties.as_object_mut()?.entry("qInfo").or_insert_with(|| json!({}));
        info.as_object_mut()?.insert("qId".to_owned(), id.into());
    }
    Some(json!([properties]).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_get_the_id_that_the_object_had() {
        let with = |params: &str| {
            let text = with_id(params.as_bytes(), Some("x")).unwrap();
            serde_json::from_slice::<Value>(&text).unwrap()
        };
        let want = json!([{"qInfo": {"qId": "x", "qType": "t"}, "n": 1}]);
        assert_eq!(with(r#"[{"qInfo":{"qType":"t"},"n":1}]"#), want);
        assert_eq!(with(r#"{"qProp":{"qInfo":{"qId":"","qType":"t"},"n":1}}"#), want);
        assert_eq!(with("[{}]"), json!([{"qInfo": {"qId": "x"}}]));
        assert!(with_id(b"[7]", Some("x")).is_none() && with_id(b"[]", None).is_none());
    }
}
