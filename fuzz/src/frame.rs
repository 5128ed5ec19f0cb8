//! Any bytes as a frame.

use std::fmt;

use qix_protocol::{
    ProtocolError, columns,
    frame::{
        self, Envelope, Raw,
        client::Request,
        engine::{Frame, Kind, Response},
    },
    is_json_line,
    schema::{self, GenericObjectLayout},
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Reads `text` in every way there is; where serde_json has an opinion it must be the same.
pub fn frame(text: &[u8]) {
    let raw = Raw::new(text);
    let too_deep = matches!(raw, Err(ProtocolError::TooDeep { .. }));
    if let Ok(text) = str::from_utf8(text) {
        // serde_json skips a value without recursion, so that it has no limit of depth.
        let valid = serde_json::from_str::<IgnoredAny>(text).is_ok();
        assert!(too_deep || raw.is_ok() == valid, "Raw: {text:?}");
        // A line has to fit inside one more level.
        let fits = is_json_line(text.as_bytes());
        assert!(fits <= (valid && !text.contains('\n')), "line: {text:?}");
    }
    if let Ok(raw) = raw {
        value(raw);
    }
    envelope(text);
    if let Ok(Frame { kind: Kind::Response(Response { result: Some(result), .. }), .. }) = Frame::parse(text)
    {
        // Nobody has looked inside yet.
        let _ = schema::decode::<GenericObjectLayout>(result);
        let _ = result.decode::<serde_json::Value>();
        let _ = columns::pages(result);
    }
    if let Ok(request) = Request::parse(text) {
        assert!(
            Envelope::parse(text).is_ok_and(|envelope| envelope.method.as_deref() == Some(&*request.method))
        );
    }
}

/// Takes a valid value apart.
fn value(raw: Raw<'_>) {
    let Ok(text) = str::from_utf8(raw.as_bytes()) else {
        frame::members(raw).count();
        return;
    };
    // What serde_json refuses, such as half a surrogate pair, we may read.
    if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(text) {
        assert_eq!(raw.decode().ok(), Some(theirs), "decode: {text:?}");
    }
    typed(raw, text);
    assert_eq!(raw.as_integer::<i64>(), integer(text), "integer: {text:?}");
    let inside: Vec<_> = frame::members(raw).map(|(name, value)| (name, value.as_bytes())).collect();
    if let Ok(Members(members)) = serde_json::from_str(text) {
        let members: Vec<_> =
            members.iter().map(|(name, value)| (name.into(), value.get().as_bytes())).collect();
        assert_eq!(inside, members, "members: {text:?}");
    }
    let inside: Vec<_> = frame::elements(raw).map(|value| value.as_bytes()).collect();
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) {
        let elements: Vec<_> = elements.iter().map(|value| value.get().as_bytes()).collect();
        assert_eq!(inside, elements, "elements: {text:?}");
    }
}

/// Decodes a value into a type of the schema, as text and by way of serde.
fn typed(raw: Raw<'_>, text: &str) {
    let ours = schema::decode::<GenericObjectLayout>(raw);
    let Ok(theirs) = serde_json::from_str::<GenericObjectLayout>(text) else { return };
    let Ok(ours) = ours else { panic!("typed: {text:?}: {ours:?}") };
    // serde hands a member of another type than the schema's out piece by piece, so that how it was written is lost.
    if ours != theirs {
        let (Ok(ours), Ok(theirs)) = (written(&ours), written(&theirs)) else { return };
        assert_eq!(ours, theirs, "typed: {text:?}");
    }
}

/// Returns what a layout says; fails if there is a number in it that no double can hold.
fn written(layout: &GenericObjectLayout) -> serde_json::Result<serde_json::Value> {
    serde_json::from_str(&serde_json::to_string(layout)?)
}

fn integer(text: &str) -> Option<i64> {
    // Other than JSON, Rust reads "+1".
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

/// Compares each known member with what serde_json finds under its name.
fn envelope(text: &[u8]) {
    let Ok(envelope) = Envelope::parse(text) else { return };
    let Ok(Members(members)) = serde_json::from_slice(text) else { return };
    let last = |name| {
        let found = members.iter().rfind(|(found, _)| found == name);
        found.map(|(_, value)| value.get().as_bytes()).filter(|value| name == "result" || *value != b"null")
    };
    for (name, found) in [
        ("id", envelope.id),
        ("params", envelope.params),
        ("result", envelope.result),
        ("error", envelope.error),
        ("change", envelope.change),
        ("close", envelope.close),
        ("suspend", envelope.suspend),
    ] {
        assert_eq!(found.map(|found| found.as_bytes()), last(name), "{name}");
    }
    assert_eq!(envelope.delta, last("delta") == Some(b"true"));
    assert_eq!(envelope.method.is_some(), last("method").is_some());
    assert_eq!(envelope.handle.is_some(), last("handle").is_some());
}

/// The members of an object in order, repeated ones too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'a> Visitor<'a> for InOrder {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
