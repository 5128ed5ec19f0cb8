//! A tree as part of what serde writes.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{Node, Tree, de::RAW_VALUE, unescaped};

/// Numbers keep their digits in what `serde_json` writes.
impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Node::Scalar(text) => scalar(text, serializer),
            Node::Array(elements) => serializer.collect_seq(elements.iter()),
            Node::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.values.len()))?;
                for (name, value) in members.iter() {
                    map.serialize_entry(&unescaped(name), value)?;
                }
                map.end()
            }
        }
    }
}

fn scalar<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        "null" => return serializer.serialize_unit(),
        "true" => return serializer.serialize_bool(true),
        "false" => return serializer.serialize_bool(false),
        _ => {}
    }
    if let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return serializer.serialize_str(&unescaped(inside));
    }
    match text.parse::<serde_json::Number>() {
        Ok(number) if number.to_string() == text => number.serialize(serializer),
        _ => {
            // This is how `RawValue` hands its text to `serde_json`.
            let mut raw = serializer.serialize_struct(RAW_VALUE, 1)?;
            raw.serialize_field(RAW_VALUE, text)?;
            raw.end()
        }
    }
}
