//! The facts about one version of the engine's interface: what `import` writes and `generate` reads.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All that is known about one version.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    /// The version of the interface.
    pub(super) version: String,
    /// The stability of what does not state its own.
    pub(super) stability: Stability,
    /// Sorted by class and name.
    pub(super) methods: Vec<Method>,
    /// Sorted by name.
    pub(super) types: Vec<Type>,
}

/// How firm an item is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stability {
    #[default]
    Locked,
    Stable,
    Experimental,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Method {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) stability: Stability,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) deprecated: bool,
    /// The access-control marks of the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) access: Vec<String>,
    pub(super) params: Vec<Member>,
    pub(super) outs: Vec<Member>,
}

impl Method {
    /// The class and the name, as the document writes them.
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.class, self.name)
    }
}

/// A parameter, an out member or a property.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) node: Node,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stability: Option<Stability>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) deprecated: bool,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Type {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stability: Option<Stability>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) deprecated: bool,
    #[serde(flatten)]
    pub(super) shape: Shape,
    /// Members that are there in some instances only, beside those of their authors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) dynamic: Vec<Member>,
}

/// What a type consists of.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    /// Its properties, in the order of the document.
    Object(Vec<Member>),
    /// Its options, in the order of the document.
    Enum(Vec<Choice>),
    /// Another name for this.
    Alias(Node),
}

/// One option of an enumeration.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    pub(super) number: i64,
    /// The form on the wire.
    pub(super) short: String,
    /// The symbolic name, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) long: Option<String>,
}

impl Choice {
    /// The name that says most.
    pub(super) fn symbol(&self) -> &str {
        self.long.as_deref().unwrap_or(&self.short)
    }
}

/// The type of a value. Written as one word: `int32`, `NxCell`, `[NxCell]`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) enum Node {
    Boolean,
    /// An integer without a width.
    Integer,
    Int8,
    Int32,
    Int64,
    Byte,
    /// A number without a format.
    Number,
    Double,
    String,
    /// Bytes in a text.
    Base64,
    /// An object of which nothing is known.
    Object,
    /// A value of which nothing is known.
    Any,
    Array(Box<Node>),
    /// A type of the schema.
    Named(String),
}

const WORDS: &[(&str, Node)] = &[
    ("boolean", Node::Boolean),
    ("integer", Node::Integer),
    ("int8", Node::Int8),
    ("int32", Node::Int32),
    ("int64", Node::Int64),
    ("byte", Node::Byte),
    ("number", Node::Number),
    ("double", Node::Double),
    ("string", Node::String),
    ("base64", Node::Base64),
    ("object", Node::Object),
    ("any", Node::Any),
];

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(item) => write!(f, "[{item}]"),
            Self::Named(name) => f.write_str(name),
            simple => {
                f.write_str(WORDS.iter().find(|(_, node)| node == simple).map_or("any", |(word, _)| word))
            }
        }
    }
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(item) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Ok(Self::Array(Box::new(item.parse()?)));
        }
        if let Some((_, node)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(node.clone());
        }
        if is_type_name(text) {
            Ok(Self::Named(text.to_owned()))
        } else {
            Err(format!("`{text}` is no type"))
        }
    }
}

impl TryFrom<String> for Node {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Node> for String {
    fn from(node: Node) -> Self {
        node.to_string()
    }
}

/// Whether a type of the schema may be called that: a Rust type will be.
pub(super) fn is_type_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_values_are_read_as_they_are_written() {
        for text in ["boolean", "int32", "any", "NxCell", "[NxCell]", "[[byte]]"] {
            assert_eq!(text.parse::<Node>().unwrap().to_string(), text);
        }
        for text in ["", "[", "int16", "nxCell", "[Nx Cell]", "Vec<u8>"] {
            assert!(text.parse::<Node>().is_err(), "{text}");
        }
    }
}
