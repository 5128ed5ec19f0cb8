//! A JSON value that stays text.

use std::{borrow::Cow, fmt};

use serde::Deserialize;

use crate::{ProtocolError, scan};

/// One JSON value as it was written, known to be valid.
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

    /// Wraps text that the scanner has already checked.
    pub(crate) fn scanned(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// Returns the text.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Decodes the value.
    ///
    /// # Errors
    ///
    /// What `serde_json` has to say if the value does not fit `T`.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T, serde_json::Error> {
        // One look at the whole is cheaper than one at each string, which `from_slice` would take.
        match str::from_utf8(self.0) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(self.0),
        }
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

/// Returns the members of the object in `value`, in order, names unescaped; nothing if it is no object.
pub fn members<'a>(value: Raw<'a>) -> impl Iterator<Item = (Cow<'a, str>, Raw<'a>)> {
    let text = value.as_bytes();
    scan::Items::new(text, 0)
        .filter(scan::Items::is_object)
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .map(|item| (unescaped(&text[item.name]), Raw::scanned(&text[item.value])))
}

/// Returns the elements of the array in `value`, in order; nothing if it is no array.
pub fn elements<'a>(value: Raw<'a>) -> impl Iterator<Item = Raw<'a>> {
    let text = value.as_bytes();
    scan::Items::new(text, 0)
        .filter(|items| !items.is_object())
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .map(|item| Raw::scanned(&text[item.value]))
}

/// Returns the string whose inside, as written between the quotes, is `inside`.
pub(crate) fn unescaped(inside: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', inside).is_none() {
        return String::from_utf8_lossy(inside);
    }
    let quoted = [b"\"", inside, b"\""].concat();
    match serde_json::from_slice(&quoted) {
        Ok(text) => Cow::Owned(text),
        // Only a lone surrogate gets here; the escape stays as it was written.
        Err(_) => Cow::Owned(String::from_utf8_lossy(inside).into_owned()),
    }
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
    fn lone_surrogate_in_a_name_does_not_panic() {
        let value = Raw::new(br#"{"\ud800":1}"#).unwrap();
        assert_eq!(members(value).next().unwrap().0, "\\ud800");
    }
}
