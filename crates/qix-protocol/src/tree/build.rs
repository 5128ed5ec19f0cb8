//! A tree as part of a type that serde reads.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::{Members, Node, Tree, de::RAW_VALUE, escaped};

/// From `serde_json` and from a tree the value comes as it was written; where serde has read ahead, as it does for flattened
/// members and untagged enums, numbers come in their shortest form.
impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(RAW_VALUE, Builder)
    }
}

struct Builder;

fn parsed<E: Error>(text: &str) -> Result<Tree, E> {
    Tree::parse(text.as_bytes()).map_err(E::custom)
}

fn number<E: Error>(number: Option<serde_json::Number>) -> Result<Tree, E> {
    let text = number.ok_or_else(|| E::custom("JSON has no such number"))?.to_string();
    Ok(Tree(Node::Scalar(text.into())))
}

impl<'de> Visitor<'de> for Builder {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::null())
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::null())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        parsed(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        number(Some(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        number(Some(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        number(serde_json::Number::from_f64(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::string(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Tree::array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == RAW_VALUE {
                return parsed(&map.next_value::<String>()?);
            }
            members.push(escaped(&name), map.next_value()?);
        }
        Ok(Tree::object(members))
    }
}
