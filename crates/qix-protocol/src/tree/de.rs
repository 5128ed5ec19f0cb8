//! Typed decoding straight from a tree.
//!
//! It gives what `serde_json::from_str` gives of the tree's text, with two differences: half a surrogate pair becomes U+FFFD
//! instead of an error, and values may nest as deep as frames do.

use std::{borrow::Cow, fmt, slice};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, CowStrDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::Error;
use smol_str::SmolStr;

use super::{Node, Tree, unescaped};

/// The name by which `serde_json::value::RawValue` asks for text instead of a value. It is no promise of `serde_json`'s; a
/// test here holds it.
pub(crate) const RAW_VALUE: &str = "$serde_json::private::RawValue";

impl Tree {
    /// Decodes the value; strings without escapes can be borrowed.
    ///
    /// # Errors
    ///
    /// What does not fit `T`, with the path that leads to it.
    pub fn decode<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Error> {
        T::deserialize(self)
    }
}

/// Puts a step of the path in front of what is said about the value behind it.
#[cold]
fn within(step: impl fmt::Display, error: Error) -> Error {
    let text = error.to_string();
    let gap = if text.starts_with('/') { "" } else { ": " };
    Error::custom(format_args!("/{step}{gap}{text}"))
}

fn inside(scalar: &str) -> Option<&str> {
    scalar.strip_prefix('"')?.strip_suffix('"')
}

/// Lets the visitor see a number as `serde_json` reads its text.
fn number<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, Error> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    // Eighteen digits fit; minus zero is a float, and a name may have leading zeros, which no number has.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0') || text == "0";
    if plain && (1..=18).contains(&digits.len()) {
        let value = digits.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        return if negative { visitor.visit_i64(-value.cast_signed()) } else { visitor.visit_u64(value) };
    }
    text.parse::<serde_json::Number>()?.deserialize_any(visitor)
}

fn text<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, Error> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

impl<'de> Deserializer<'de> for &'de Tree {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            Node::Scalar(scalar) => match scalar.as_bytes().first() {
                Some(b'"') => text(unescaped(inside(scalar).unwrap_or_default()), visitor),
                Some(b'n') => visitor.visit_unit(),
                Some(b't') => visitor.visit_bool(true),
                Some(b'f') => visitor.visit_bool(false),
                _ => number(scalar, visitor),
            },
            Node::Array(elements) => {
                let mut rest = Elements { rest: elements.iter(), count: 0 };
                let value = visitor.visit_seq(&mut rest)?;
                match rest.rest.len() {
                    0 => Ok(value),
                    _ => Err(Error::invalid_length(elements.len(), &"fewer elements in array")),
                }
            }
            Node::Object(members) => {
                let mut rest =
                    Rest { names: members.names.iter(), values: members.values.iter(), open: None };
                let value = visitor.visit_map(&mut rest)?;
                match rest.names.len() {
                    0 => Ok(value),
                    _ => Err(Error::invalid_length(members.values.len(), &"fewer elements in map")),
                }
            }
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().and_then(|text| text.parse().ok()) {
            Some(number) => visitor.visit_i128(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().and_then(|text| text.parse().ok()) {
            Some(number) => visitor.visit_u128(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.as_str() {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Some(Cow::Owned(text)) => visitor.visit_byte_buf(text.into_bytes()),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW_VALUE {
            visitor.visit_map(Text(Some(self)))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0 {
            Node::Object(members) => match (&members.names[..], &members.values[..]) {
                ([name], [value]) => visitor.visit_enum(Variant { name: unescaped(name), value }),
                _ => Err(Error::invalid_value(Unexpected::Map, &"map with a single key")),
            },
            Node::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"string or map")),
            Node::Scalar(_) => match self.as_str() {
                Some(text) => CowStrDeserializer::new(text).deserialize_enum(name, variants, visitor),
                // The visitor of an enum refuses every other scalar, and says which it was.
                None => self.deserialize_any(visitor),
            },
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            // A number that is finite as a double may be infinite here.
            Node::Scalar(scalar) if scalar.parse::<f32>().is_ok_and(f32::is_infinite) => {
                Err(Error::custom("number out of range"))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f64 char str string unit unit_struct seq tuple tuple_struct map struct
        identifier
    }
}

impl<'de> IntoDeserializer<'de, Error> for &'de Tree {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Elements<'de> {
    rest: slice::Iter<'de, Tree>,
    count: usize,
}

impl<'de> SeqAccess<'de> for &mut Elements<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(element) = self.rest.next() else { return Ok(None) };
        self.count += 1;
        seed.deserialize(element).map(Some).map_err(|error| within(self.count - 1, error))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The members that are still to be read.
struct Rest<'de> {
    names: slice::Iter<'de, SmolStr>,
    values: slice::Iter<'de, Tree>,
    /// The name that was read, whose value is next.
    open: Option<&'de str>,
}

impl<'de> MapAccess<'de> for &mut Rest<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.open = self.names.next().map(SmolStr::as_str);
        self.open.map(|name| seed.deserialize(Name(unescaped(name)))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.values.next().ok_or_else(|| Error::custom("value is missing"))?;
        seed.deserialize(value).map_err(|error| within(unescaped(self.open.unwrap_or_default()), error))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.names.len())
    }
}

/// A member's name, which may stand for a number or a truth value where a map's keys are such.
struct Name<'de>(Cow<'de, str>);

macro_rules! numeric_name {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            if self.0.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
                number(&self.0, visitor)
            } else {
                Err(Error::custom("invalid value: expected key to be a number in quotes"))
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        text(self.0, visitor)
    }

    numeric_name! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.parse() {
            Ok(value) => visitor.visit_bool(value),
            Err(_) => Err(Error::invalid_type(Unexpected::Str(&self.0), &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        CowStrDeserializer::new(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// What `RawValue` wants to see: a map of one entry, its token and the text.
struct Text<'de>(Option<&'de Tree>);

impl<'de> MapAccess<'de> for Text<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.0.map(|_| seed.deserialize(BorrowedStrDeserializer::new(RAW_VALUE))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let tree = self.0.take().ok_or_else(|| Error::custom("value is missing"))?;
        match tree.scalar() {
            Some(text) => seed.deserialize(BorrowedStrDeserializer::new(text)),
            None => seed.deserialize(tree.to_string().into_deserializer()),
        }
    }
}

/// A variant of an enum, and what it holds.
struct Variant<'de> {
    name: Cow<'de, str>,
    value: &'de Tree,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Held<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Held<'de>), Error> {
        Ok((seed.deserialize(CowStrDeserializer::new(self.name))?, Held(self.value)))
    }
}

struct Held<'de>(&'de Tree);

impl<'de> VariantAccess<'de> for Held<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.0.decode()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor)
    }
}
