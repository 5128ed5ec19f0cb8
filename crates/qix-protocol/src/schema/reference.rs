//! References to open objects, with their class.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use super::{Cursor, Json, Member, class::Class, json, member};
use crate::{Handle, NotFound, ObjectReference, scan::Fault};

/// A reference to an open object of class `C`, as out members of methods carry it.
///
/// The schema does not say which class a method returns; `C` is what clients of the field expect, and
/// [`object_type`](ObjectReference::object_type) is what the engine said.
pub struct Reference<C> {
    /// The reference as it came.
    pub object: ObjectReference,
    class: PhantomData<fn() -> C>,
}

impl<C: Class> Reference<C> {
    /// Returns the handle of the object.
    ///
    /// # Errors
    ///
    /// [`NotFound`] if the reference is null, which is how the engine says that there is no such object.
    pub fn found(&self) -> Result<Handle, NotFound> {
        self.object.handle.ok_or(NotFound)
    }
}

impl<C> From<ObjectReference> for Reference<C> {
    fn from(object: ObjectReference) -> Self {
        Self { object, class: PhantomData }
    }
}

impl<C> Clone for Reference<C> {
    fn clone(&self) -> Self {
        self.object.clone().into()
    }
}

impl<C> Default for Reference<C> {
    fn default() -> Self {
        ObjectReference::default().into()
    }
}

impl<C> PartialEq for Reference<C> {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object
    }
}

impl<C: Class> fmt::Debug for Reference<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(C::NAME).field(&self.object).finish()
    }
}

impl Member for ObjectReference {
    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        let object = text.peek() == Some(b'{');
        let value = text.misfit()?;
        Ok(value.filter(|value| !object || !set(self, value)))
    }

    fn set_map<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<Option<Json>, A::Error> {
        let value = json::Reader::PIECES.visit_map(map)?;
        Ok(Some(value).filter(|value| !set(self, value)))
    }
}

fn set(reference: &mut ObjectReference, value: &Json) -> bool {
    value.decode().map(|object| *reference = object).is_ok()
}

impl<C> Member for Reference<C> {
    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        self.object.read_text(text)
    }

    fn set_map<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<Option<Json>, A::Error> {
        self.object.set_map(map)
    }
}

impl<'de, C> Deserialize<'de> for Reference<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        member::strictly(deserializer, "a reference to an object")
    }
}

impl<C> Serialize for Reference<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}
