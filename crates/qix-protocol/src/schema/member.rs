//! Reading the value of one member, whatever its type.

use std::fmt;

use serde::{
    Deserializer, Serialize,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use super::{Cursor, Double, Json, json};
use crate::scan::Fault;

/// A value that a member of an object can have.
///
/// Reading never fails because of the type: each `set_…` says whether the value fits, and one that does not is handed back as
/// [`Json`], so that an unexpected type loses nothing.
pub trait Member: Default + PartialEq + Serialize {
    /// Returns whether there is nothing to write, not even a default.
    fn is_absent(&self) -> bool {
        false
    }

    /// Takes a boolean.
    fn set_bool(&mut self, _value: bool) -> bool {
        false
    }

    /// Takes an integer.
    fn set_i64(&mut self, _value: i64) -> bool {
        false
    }

    /// Takes an integer beyond `i64`.
    fn set_u64(&mut self, _value: u64) -> bool {
        false
    }

    /// Takes a number that was written with a fraction or exponent.
    fn set_f64(&mut self, _value: f64) -> bool {
        false
    }

    /// Takes a text.
    fn set_str(&mut self, _value: &str) -> bool {
        false
    }

    /// Returns how long a list of such values probably is, going by one that was read before.
    #[doc(hidden)]
    fn like(&self) -> Self {
        Self::default()
    }

    /// Reads the value at the cursor into this default; steps over it and hands it back if it does not fit.
    #[doc(hidden)]
    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault>;

    /// Takes an array; returns it if it does not fit.
    ///
    /// # Errors
    ///
    /// Those of the text itself.
    fn set_seq<'de, A: SeqAccess<'de>>(&mut self, seq: A) -> Result<Option<Json>, A::Error> {
        json::Reader::PIECES.visit_seq(seq).map(Some)
    }

    /// Takes an object; returns it if it does not fit.
    ///
    /// # Errors
    ///
    /// Those of the text itself.
    fn set_map<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<Option<Json>, A::Error> {
        json::Reader::PIECES.visit_map(map).map(Some)
    }
}

impl Member for bool {
    fn set_bool(&mut self, value: bool) -> bool {
        *self = value;
        true
    }

    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        if text.word("true") {
            *self = true;
        } else if text.word("false") {
            *self = false;
        } else {
            return text.misfit();
        }
        Ok(None)
    }
}

impl Member for String {
    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        text.string(|text| self.set_str(text))
    }

    fn set_str(&mut self, value: &str) -> bool {
        *self = value.to_owned();
        true
    }
}

impl Member for Double {
    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        if text.peek() == Some(b'"') {
            return text.string(|text| self.set_str(text));
        }
        text.double(|number| self.set_f64(number))
    }

    fn set_i64(&mut self, value: i64) -> bool {
        self.set_f64(value as f64)
    }

    fn set_u64(&mut self, value: u64) -> bool {
        self.set_f64(value as f64)
    }

    fn set_f64(&mut self, value: f64) -> bool {
        self.0 = value;
        true
    }

    fn set_str(&mut self, value: &str) -> bool {
        Self::named(value).map(|number| *self = number).is_some()
    }
}

/// Whether a double is an integer all the same: engines may write `3.0`.
pub(crate) fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < i64::MAX as f64
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Member for $int {
            fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
                text.integer(|number| self.set_i64(number))
            }

            fn set_i64(&mut self, value: i64) -> bool {
                Self::try_from(value).map(|value| *self = value).is_ok()
            }

            fn set_u64(&mut self, value: u64) -> bool {
                Self::try_from(value).map(|value| *self = value).is_ok()
            }

            fn set_f64(&mut self, value: f64) -> bool {
                is_whole(value) && self.set_i64(value as i64)
            }
        }
    )*};
}

integers!(i8, u8, i32, i64);

impl Member for Json {
    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        text.misfit().map(|value| {
            *self = value.unwrap_or_default();
            None
        })
    }

    fn set_bool(&mut self, value: bool) -> bool {
        *self = value.into();
        true
    }

    fn set_i64(&mut self, value: i64) -> bool {
        *self = serde_json::Value::from(value).into();
        true
    }

    fn set_u64(&mut self, value: u64) -> bool {
        *self = serde_json::Value::from(value).into();
        true
    }

    fn set_f64(&mut self, value: f64) -> bool {
        *self = serde_json::Value::from(value).into();
        true
    }

    fn set_str(&mut self, value: &str) -> bool {
        *self = serde_json::Value::from(value).into();
        true
    }

    fn set_seq<'de, A: SeqAccess<'de>>(&mut self, seq: A) -> Result<Option<Json>, A::Error> {
        *self = json::Reader::PIECES.visit_seq(seq)?;
        Ok(None)
    }

    fn set_map<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<Option<Json>, A::Error> {
        *self = json::Reader::PIECES.visit_map(map)?;
        Ok(None)
    }
}

/// A member that most objects do not have, kept elsewhere so that the object stays small.
impl<T: Member> Member for Option<Box<T>> {
    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        let mut inner = Box::<T>::default();
        let misfit = inner.read_text(text)?;
        *self = misfit.is_none().then_some(inner);
        Ok(misfit)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn set_bool(&mut self, value: bool) -> bool {
        keep(self, |inner| inner.set_bool(value))
    }

    fn set_i64(&mut self, value: i64) -> bool {
        keep(self, |inner| inner.set_i64(value))
    }

    fn set_u64(&mut self, value: u64) -> bool {
        keep(self, |inner| inner.set_u64(value))
    }

    fn set_f64(&mut self, value: f64) -> bool {
        keep(self, |inner| inner.set_f64(value))
    }

    fn set_str(&mut self, value: &str) -> bool {
        keep(self, |inner| inner.set_str(value))
    }

    fn set_seq<'de, A: SeqAccess<'de>>(&mut self, seq: A) -> Result<Option<Json>, A::Error> {
        let mut inner = T::default();
        let misfit = inner.set_seq(seq)?;
        *self = misfit.is_none().then(|| Box::new(inner));
        Ok(misfit)
    }

    fn set_map<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<Option<Json>, A::Error> {
        let mut inner = T::default();
        let misfit = inner.set_map(map)?;
        *self = misfit.is_none().then(|| Box::new(inner));
        Ok(misfit)
    }
}

fn keep<T: Default>(member: &mut Option<Box<T>>, set: impl FnOnce(&mut T) -> bool) -> bool {
    let mut inner = Box::<T>::default();
    let fits = set(&mut inner);
    *member = fits.then_some(inner);
    fits
}

impl<T: Member> Member for Vec<T> {
    fn like(&self) -> Self {
        Self::with_capacity(self.len())
    }

    fn read_text(&mut self, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault> {
        text.array(self)
    }

    fn set_seq<'de, A: SeqAccess<'de>>(&mut self, mut seq: A) -> Result<Option<Json>, A::Error> {
        self.clear();
        while let Some(misfit) = seq.next_element_seed(Push(self))? {
            let Some(misfit) = misfit else { continue };
            // One element of another type makes the whole array one of another type.
            let mut elements = Vec::new();
            for element in self.drain(..) {
                elements.push(Json::of(&element).map_err(serde::de::Error::custom)?);
            }
            elements.push(misfit);
            return Json::elements(elements, seq).map(Some);
        }
        Ok(None)
    }
}

/// A default for the next element of a list: rows of a table are as long as the one before.
pub(crate) fn sibling<T: Member>(list: &[T]) -> T {
    list.last().map_or_else(T::default, T::like)
}

/// Reads an element into a place of its own at the end of the list; gives the value back, and the place up, if it does not fit.
struct Push<'a, T>(&'a mut Vec<T>);

impl<'de, T: Member> DeserializeSeed<'de> for Push<'_, T> {
    type Value = Option<Json>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Json>, D::Error> {
        let at = self.0.len();
        self.0.push(sibling(self.0));
        let misfit = match self.0.last_mut() {
            Some(place) => Fill(place).deserialize(deserializer)?,
            None => None,
        };
        if misfit.is_some() {
            self.0.truncate(at);
        }
        Ok(misfit)
    }
}

/// Reads a value into its place, which is a default; gives the value back if it does not fit, and the place is a default still.
pub(crate) struct Fill<'a, T>(pub(crate) &'a mut T);

impl<'de, T: Member> DeserializeSeed<'de> for Fill<'_, T> {
    type Value = Option<Json>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Json>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Member> Visitor<'de> for Fill<'_, T> {
    type Value = Option<Json>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Option<Json>, E> {
        if self.0.set_bool(value) { Ok(None) } else { json::Reader::PIECES.visit_bool(value).map(Some) }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Option<Json>, E> {
        if self.0.set_i64(value) { Ok(None) } else { json::Reader::PIECES.visit_i64(value).map(Some) }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Option<Json>, E> {
        let fits = match i64::try_from(value) {
            Ok(value) => self.0.set_i64(value),
            Err(_) => self.0.set_u64(value),
        };
        if fits { Ok(None) } else { json::Reader::PIECES.visit_u64(value).map(Some) }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Option<Json>, E> {
        if self.0.set_f64(value) { Ok(None) } else { json::Reader::PIECES.visit_f64(value).map(Some) }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Option<Json>, E> {
        if self.0.set_str(value) { Ok(None) } else { json::Reader::PIECES.visit_str(value).map(Some) }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<Json>, E> {
        json::Reader::PIECES.visit_unit().map(Some)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Option<Json>, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Json>, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Json>, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<Json>, A::Error> {
        self.0.set_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Json>, A::Error> {
        self.0.set_map(map)
    }
}

/// Reads a value that must fit, for places that have nowhere to keep one that does not.
pub(crate) fn strictly<'de, T: Member, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<T, D::Error> {
    let mut value = T::default();
    match Fill(&mut value).deserialize(deserializer)? {
        None => Ok(value),
        Some(_) => Err(serde::de::Error::custom(format_args!("not {expected}"))),
    }
}
