//! References to open objects in the results of calls.

use std::sync::LazyLock;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::{
    Handle, Tree,
    frame::{Raw, members},
};

/// A reference to an open object, as out members of the engine's methods carry it.
///
/// A reference whose handle and type are both null says *not found*: it is a success on the wire.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct ObjectReference {
    /// The class, such as `Doc` or `GenericObject`.
    #[serde(rename = "qType")]
    pub object_type: Option<String>,
    /// The handle.
    #[serde(rename = "qHandle")]
    pub handle: Option<Handle>,
    /// The author's type, such as `sheet`; old engines leave it out.
    #[serde(rename = "qGenericType", skip_serializing_if = "Option::is_none")]
    pub generic_type: Option<String>,
    /// The id of the app or object; old engines and some session apps leave it out.
    #[serde(rename = "qGenericId", skip_serializing_if = "Option::is_none")]
    pub generic_id: Option<String>,
}

impl ObjectReference {
    /// Returns whether this is a null reference, by which the engine says that there is no such object.
    pub fn is_null(&self) -> bool {
        self.handle.is_none() && self.object_type.is_none()
    }
}

/// The engine answered with a null reference: there is no such object.
///
/// It is no error on the wire. enigma.js makes its own error −2 of it, phoenix error 2.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the engine has no such object")]
pub struct NotFound;

/// Results longer than this are not searched for references: a reference has four short members, and at most an info and an
/// id beside it, while layouts and data, which hold none, are long.
const LONGEST_REFERENCE: usize = 16 * 1024;

/// Building the searcher costs more than searching a small result.
static HANDLE_MEMBER: LazyLock<memmem::Finder<'_>> = LazyLock::new(|| memmem::Finder::new("\"qHandle\""));

/// Returns the object references among the out members of a plain result, null ones included.
pub fn references(result: Raw<'_>) -> impl Iterator<Item = ObjectReference> {
    let text = result.as_bytes();
    let may_refer = text.len() <= LONGEST_REFERENCE && HANDLE_MEMBER.find(text).is_some();
    may_refer.then_some(result).into_iter().flat_map(members).filter_map(|(_, out)| reference(out))
}

/// Returns the object references among the out members of a patched result, null ones included.
pub(crate) fn references_of(outs: &Tree) -> impl Iterator<Item = ObjectReference> {
    let refers = |out: &&Tree| out.member("qHandle").is_some() && out.member("qType").is_some();
    outs.members().map(|(_, out)| out).filter(refers).filter_map(|out| out.decode().ok())
}

fn reference(out: Raw<'_>) -> Option<ObjectReference> {
    let mut found = ObjectReference::default();
    let (mut typed, mut handled) = (false, false);
    for (name, value) in members(out) {
        match &*name {
            "qHandle" => {
                found.handle = value.as_integer().map(Handle::new);
                handled = found.handle.is_some() || value.is_null();
            }
            "qType" => {
                typed = true;
                found.object_type = value.decode().unwrap_or_default();
            }
            "qGenericType" => found.generic_type = value.decode().unwrap_or_default(),
            "qGenericId" => found.generic_id = value.decode().unwrap_or_default(),
            _ => {}
        }
    }
    (typed && handled).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<ObjectReference> {
        references(Raw::new(text.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn references_are_found_among_out_members_only() {
        let one = found(
            r#"{"qInfo":{"qId":"x"},"qReturn":{"qType":"GenericObject","qHandle":3,"qGenericId":"x"}}"#,
        );
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].handle, Some(Handle::new(3)));
        assert_eq!(
            (one[0].object_type.as_deref(), one[0].generic_id.as_deref()),
            (Some("GenericObject"), Some("x"))
        );
        for none in [r#"{"qLayout":{"a":{"qType":"x","qHandle":3}}}"#, r#"{"qReturn":{"qHandle":3}}"#, "[]"] {
            assert!(found(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn null_reference_is_found_and_says_not_found() {
        let null = found(r#"{"qReturn":{"qType":null,"qHandle":null}}"#);
        assert_eq!(null, [ObjectReference::default()]);
        assert!(null[0].is_null());
        assert!(!found(r#"{"qReturn":{"qType":"Doc","qHandle":0}}"#)[0].is_null());
    }
}
