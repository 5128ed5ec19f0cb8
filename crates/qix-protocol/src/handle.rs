//! Handles: the engine's names for open objects.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The engine's name for one open object, within one socket; valid until the engine lists it as closed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Handle(i32);

impl Handle {
    /// The object that is always open and never closes.
    pub const GLOBAL: Self = Self(-1);

    /// Wraps a number.
    pub const fn new(handle: i32) -> Self {
        Self(handle)
    }

    /// Returns the number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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

/// The engine answered with a null reference: there is no such object.
///
/// It is no error on the wire. enigma.js makes its own error −2 of it, phoenix error 2.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the engine has no such object")]
pub struct NotFound;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_reference_decodes_without_handle() {
        let reference: ObjectReference = serde_json::from_str(r#"{"qType":null,"qHandle":null}"#).unwrap();
        assert_eq!(reference, ObjectReference::default());
    }
}
