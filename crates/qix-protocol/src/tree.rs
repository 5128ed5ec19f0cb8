//! A JSON value as a tree whose leaves stay text.
//!
//! Digits, escapes and the order of members survive, which `serde_json::Value` does not promise.

use std::borrow::Cow;

use crate::{ProtocolError, frame::Raw, scan};

/// A JSON value that can be patched and written back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tree {
    /// A string, number, `true`, `false` or `null`, as it was written.
    Scalar(Box<[u8]>),
    /// An array.
    Array(Vec<Tree>),
    /// An object: names as they were written between their quotes, in order.
    Object(Vec<(Box<[u8]>, Tree)>),
}

impl Tree {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if `text` is not one JSON value.
    pub fn parse(text: &[u8]) -> Result<Self, ProtocolError> {
        Raw::new(text).map(Self::from)
    }

    /// Returns how many containers are around the deepest scalar.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Scalar(_) => 0,
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
        }
    }

    /// Writes the value without white space.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Scalar(text) => out.extend_from_slice(text),
            Self::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.push(b'"');
                    out.extend_from_slice(name);
                    out.extend_from_slice(b"\":");
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Returns the text that every way of writing this value has in common: members sorted by name, strings escaped one way,
    /// no white space. Numbers stay as written.
    pub fn canonical(&self) -> String {
        let mut out = Vec::new();
        self.sorted().write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn sorted(&self) -> Self {
        match self {
            Self::Scalar(text) => Self::Scalar(one_escaping(text)),
            Self::Array(elements) => Self::Array(elements.iter().map(Self::sorted).collect()),
            Self::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(name, value)| (one_escaping_inside(name), value.sorted())).collect();
                members.sort_by(|a, b| a.0.cmp(&b.0));
                Self::Object(members)
            }
        }
    }

    /// Returns the member called `name`.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(found, _)| is_named(found, name)).map(|(_, value)| value)
    }

    /// Returns the member called `name`, for change.
    pub fn member_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(members) = self else { return None };
        members.iter_mut().find(|(found, _)| is_named(found, name)).map(|(_, value)| value)
    }

    /// Returns the string, if it is one.
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        let Self::Scalar(text) = self else { return None };
        let inside = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        Some(crate::frame::unescaped(inside))
    }

    /// Makes a string.
    pub fn string(text: &str) -> Self {
        Self::Scalar(serde_json::Value::from(text).to_string().into_bytes().into())
    }
}

impl From<Raw<'_>> for Tree {
    fn from(value: Raw<'_>) -> Self {
        let text = value.as_bytes();
        // Only the check bounds the depth of what is built; text that fails it stays as it is.
        if scan::document(text).is_err() {
            return Self::Scalar(text.into());
        }
        let mut at = 0;
        build(text, &mut at)
    }
}

/// Builds the value at `at` in text that the scanner has checked, and steps over it.
///
/// Recursion is bounded by [`scan::MAX_DEPTH`], which the check has enforced.
fn build(text: &[u8], at: &mut usize) -> Tree {
    let start = scan::space(text, *at);
    *at = start + 1;
    match text.get(start) {
        Some(b'{') => {
            let mut members = Vec::new();
            while let Some(name) = next(text, at) {
                let end = scan::value(text, name).unwrap_or(text.len());
                *at = scan::space(text, end) + 1;
                let value = build(text, at);
                members.push((text.get(name + 1..end - 1).unwrap_or_default().into(), value));
            }
            Tree::Object(members)
        }
        Some(b'[') => {
            let mut elements = Vec::new();
            while let Some(element) = next(text, at) {
                *at = element;
                elements.push(build(text, at));
            }
            Tree::Array(elements)
        }
        _ => {
            *at = scan::value(text, start).unwrap_or(text.len());
            Tree::Scalar(text.get(start..*at).unwrap_or_default().into())
        }
    }
}

/// Steps over a comma, or over the end of the container; returns where the next item starts, if there is one.
fn next(text: &[u8], at: &mut usize) -> Option<usize> {
    let found = scan::space(text, *at);
    match text.get(found) {
        Some(b',') => Some(scan::space(text, found + 1)),
        Some(b'}' | b']') | None => {
            *at = found + 1;
            None
        }
        Some(_) => Some(found),
    }
}

pub(crate) fn is_named(written: &[u8], name: &str) -> bool {
    written == name.as_bytes() || (written.contains(&b'\\') && crate::frame::unescaped(written) == name)
}

fn one_escaping(scalar: &[u8]) -> Box<[u8]> {
    match scalar.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        Some(inside) => [b"\"", &*one_escaping_inside(inside), b"\""].concat().into(),
        None => scalar.into(),
    }
}

fn one_escaping_inside(inside: &[u8]) -> Box<[u8]> {
    if !inside.contains(&b'\\') {
        return inside.into();
    }
    match serde_json::from_slice::<String>(&[b"\"", inside, b"\""].concat()) {
        Ok(text) => {
            let quoted = serde_json::Value::from(text).to_string();
            quoted.as_bytes()[1..quoted.len() - 1].into()
        }
        Err(_) => inside.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tree: &Tree) -> String {
        let mut out = Vec::new();
        tree.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digits_escapes_and_order_survive() {
        let text = r#"{"z":[1e+300,1.0,-0,"\u00e9\/"],"a":{},"b":[],"c":{"d":null}}"#;
        assert_eq!(written(&Tree::parse(text.as_bytes()).unwrap()), text);
        let spaced = " { \"z\" : [ 1 , 2 ] , \"a\" : { } } ";
        assert_eq!(written(&Tree::parse(spaced.as_bytes()).unwrap()), r#"{"z":[1,2],"a":{}}"#);
    }

    #[test]
    fn canonical_text_is_the_same_for_every_way_of_writing() {
        let one = Tree::parse(r#"{"b":"é","a":[1, {"y":1,"x":2}]}"#.as_bytes()).unwrap();
        let two = Tree::parse(br#"{ "a":[1,{"x":2,"y":1}] ,"\u0062":"\u00e9"}"#).unwrap();
        assert_eq!(one.canonical(), two.canonical());
        assert_eq!(one.canonical(), r#"{"a":[1,{"x":2,"y":1}],"b":"é"}"#);
    }

    #[test]
    fn members_are_found_by_unescaped_name() {
        let tree = Tree::parse(br#"{"q\u0041":"x\ny"}"#).unwrap();
        assert_eq!(tree.member("qA").unwrap().as_str().unwrap(), "x\ny");
        assert!(tree.member("qB").is_none());
    }
}
