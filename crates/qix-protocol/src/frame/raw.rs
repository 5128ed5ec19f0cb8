//! A JSON value that stays text.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use crate::{
    ProtocolError,
    escapes::{unescaped, without_lone_surrogates},
    scan,
};

/// One JSON value as it was written.
///
/// Made by [`new`](Self::new), and taken out of such a one, it is valid JSON. Taken out of a frame, only a scalar is: an object
/// or array is known to end where its brackets say and to nest at most [`MAX_DEPTH`](crate::MAX_DEPTH) levels, and what is
/// wrong in it comes to light when it is decoded. So one call's malformed result is that call's error, not the end of the socket.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// Checks `text` and wraps its one value.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if `text` is not one JSON value.
    pub fn new(text: &'a [u8]) -> Result<Self, ProtocolError> {
        Ok(Self(&text[scan::document(text)?]))
    }

    /// Wraps a scalar that the scanner has checked, or a container that it has stepped over.
    pub(crate) fn scanned(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// Returns the text.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Decodes the value. Half a surrogate pair, which engines pass on from corrupt data, is read as U+FFFD.
    ///
    /// # Errors
    ///
    /// What `serde_json` has to say if the value does not fit `T`, or is not JSON.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        decode(self.0, PhantomData)
    }

    /// Decodes the member called `name`, as [`decode`](Self::decode) does, in one pass over the value; the last if there are several.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), and if the value is no object or has no such member.
    pub fn decode_member<T: DeserializeOwned>(&self, name: &str) -> Result<T, serde_json::Error> {
        decode(self.0, Member { name, value: PhantomData })
    }

    /// Returns the member called `name`, the last if there are several; `None` if the value is no object or has none.
    ///
    /// What stands before it is stepped over, so that a small part of a large value is found at little cost.
    pub fn member(&self, name: &str) -> Option<Self> {
        members(*self).filter(|(found, _)| found == name).last().map(|(_, value)| value)
    }

    /// Returns whether the value is `null`.
    pub fn is_null(&self) -> bool {
        self.0 == b"null"
    }

    /// Returns the value if it is an integer of this width.
    pub fn as_integer<T: TryFrom<i128>>(&self) -> Option<T> {
        let (negative, digits) = match self.0 {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        // Eighteen digits fit an i64, and nearly every number; longer ones are read the long way.
        if digits.is_empty() || digits.len() > 18 {
            return T::try_from(str::from_utf8(self.0).ok()?.parse().ok()?).ok();
        }
        let mut number = 0i64;
        for digit in digits {
            number = number * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        T::try_from(i128::from(if negative { -number } else { number })).ok()
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

fn decode<T, S>(text: &[u8], seed: S) -> Result<T, serde_json::Error>
where
    S: for<'de> DeserializeSeed<'de, Value = T> + Copy,
{
    read(text, seed).or_else(|error| match without_lone_surrogates(text) {
        Some(replaced) => read(&replaced, seed),
        None => Err(error),
    })
}

fn read<'a, S: DeserializeSeed<'a>>(text: &'a [u8], seed: S) -> Result<S::Value, serde_json::Error> {
    // One look at the whole is cheaper than one at each string, which `from_slice` would take.
    match str::from_utf8(text) {
        Ok(text) => whole(serde_json::Deserializer::from_str(text), seed),
        Err(_) => whole(serde_json::Deserializer::from_slice(text), seed),
    }
}

fn whole<'a, R: serde_json::de::Read<'a>, S: DeserializeSeed<'a>>(
    mut deserializer: serde_json::Deserializer<R>,
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    // No text gets here that nests deeper than `MAX_DEPTH`, which is more than serde_json's own limit.
    deserializer.disable_recursion_limit();
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one member of an object.
struct Member<'n, T> {
    name: &'n str,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Member<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Member<'_, T> {}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Member<'_, T> {
    type Value = T;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Member<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the member {}", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == self.name {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.ok_or_else(|| de::Error::custom(format_args!("missing field `{}`", self.name)))
    }
}

/// Returns the members of the object in `value`, in order, names unescaped; nothing if it is no object.
///
/// Members that are objects or arrays are stepped over by their brackets alone. Ends at the first fault.
pub fn members<'a>(value: Raw<'a>) -> impl Iterator<Item = (Cow<'a, str>, Raw<'a>)> {
    let text = value.as_bytes();
    scan::Items::new(text, 0)
        .filter(scan::Items::is_object)
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .map(|item| (unescaped(&text[item.name]), Raw::scanned(&text[item.value])))
}

/// Returns the elements of the array in `value`, in order; nothing if it is no array. Ends at the first fault.
pub fn elements<'a>(value: Raw<'a>) -> impl Iterator<Item = Raw<'a>> {
    let text = value.as_bytes();
    scan::Items::new(text, 0)
        .filter(|items| !items.is_object())
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .map(|item| Raw::scanned(&text[item.value]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_in_order_and_unescaped() {
        let value = Raw::new(br#"{"b":1,"a\u00e9":[2]}"#).unwrap();
        let found: Vec<_> = members(value).map(|(name, value)| format!("{name}={value:?}")).collect();
        assert_eq!(found, ["b=1", "a\u{e9}=[2]"]);
        assert_eq!(members(Raw::new(b"[1]").unwrap()).count(), 0);
    }

    #[test]
    fn lone_surrogates_are_read_as_the_replacement_character_in_names_too() {
        let value = Raw::new(br#"{"\ud800":"a\udc00\ud83d\ude00","b":[1]}"#).unwrap();
        assert_eq!(members(value).next().unwrap().0, "\u{fffd}");
        let decoded: serde_json::Value = value.decode().unwrap();
        assert_eq!(decoded, serde_json::json!({"\u{fffd}": "a\u{fffd}😀", "b": [1]}));
        assert!(value.decode::<Vec<u8>>().is_err());
    }

    #[test]
    fn member_is_decoded_as_the_whole_is() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let text = format!(r#"{{"x":{deep},"a":[1],"\u0061":["\ud800",{deep}]}}"#);
        let value = Raw::scanned(text.as_bytes());
        let whole: serde_json::Value = value.decode().unwrap();
        assert_eq!(value.decode_member::<serde_json::Value>("a").unwrap(), whole["a"]);
        assert_eq!(whole["a"][0], "\u{fffd}");
        let error = value.decode_member::<Option<u8>>("b").unwrap_err();
        assert!(error.to_string().starts_with("missing field `b`"), "{error}");
        assert!(Raw::scanned(b"[1]").decode_member::<u8>("a").is_err());
        assert!(Raw::scanned(br#"{"a":1}}"#).decode_member::<u8>("a").is_err());
    }

    #[test]
    fn member_is_the_last_of_its_name_and_large_ones_before_it_are_stepped_over() {
        let text = format!(r#"{{"x":[{}1],"a":{{"b":[2 2]}},"\u0061":3}}"#, "[[]],".repeat(1000));
        let value = Raw::scanned(text.as_bytes());
        assert_eq!(value.member("a").unwrap().as_bytes(), b"3");
        assert!(value.member("b").is_none());
    }

    #[test]
    fn numbers_are_integers_or_not() {
        let integer = |text: &'static str| Raw::new(text.as_bytes()).unwrap().as_integer::<u64>();
        assert_eq!(integer("9007199254740993"), Some((1 << 53) + 1));
        assert_eq!(integer("18446744073709551615"), Some(u64::MAX));
        for text in ["-1", "1.0", "1e3", "18446744073709551616", "\"1\"", "[1]", "null"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
