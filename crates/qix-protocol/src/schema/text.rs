//! Reading values of the schema straight from their text.
//!
//! `serde_json` could do it, and does for everybody's types. Here the type knows which member comes next before it is read, and
//! that is worth half of the time.

use std::borrow::Cow;

use super::{
    Extra, Json, Member,
    member::{is_whole, sibling},
    object::Fields,
};
use crate::{
    ProtocolError,
    frame::Raw,
    number,
    scan::{self, Fault, MAX_DEPTH},
};

/// A place in a JSON text.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// Decodes a value of the schema, faster than `serde_json` would.
///
/// It also reads what `serde_json` refuses, half a surrogate pair and numbers that no double can hold; the result is the same
/// otherwise.
///
/// # Errors
///
/// [`ProtocolError`] if the text is not one JSON value, or one of another kind than `T`, such as a text where `T` is an object.
pub fn decode<T: Member>(text: Raw<'_>) -> Result<T, ProtocolError> {
    let lossy = match str::from_utf8(text.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(text.as_bytes()),
    };
    let mut cursor = Cursor { text: &lossy, at: scan::space(lossy.as_bytes(), 0), depth: 0 };
    let mut value = T::default();
    let misfit = value.read_text(&mut cursor)?;
    match scan::space(lossy.as_bytes(), cursor.at) {
        end if end == lossy.len() && misfit.is_none() => Ok(value),
        end if end == lossy.len() => Err(Fault::at(0).into()),
        end => Err(Fault::at(end).into()),
    }
}

impl<'a> Cursor<'a> {
    /// Returns the byte that the value starts with.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over a value that does not fit, and hands it back.
    #[cold]
    pub(crate) fn misfit(&mut self) -> Result<Option<Json>, Fault> {
        let start = self.at;
        self.at = scan::value(self.text.as_bytes(), start)?;
        Ok(Some(Json::scanned(&self.text[start..self.at])))
    }

    /// Steps over a string without escapes and returns its inside; stays where it is if it has some, or if there is no string.
    #[inline]
    pub(crate) fn plain_string(&mut self) -> Option<&'a str> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let end = scan::plain(self.text.as_bytes(), self.at + 1, &mut 0);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        let inside = self.text.get(self.at + 1..end)?;
        self.at = end + 1;
        Some(inside)
    }

    /// Steps over a string and gives its text to `take`, or over any other value and hands it back.
    #[inline]
    pub(crate) fn string(&mut self, take: impl FnOnce(&str) -> bool) -> Result<Option<Json>, Fault> {
        let start = self.at;
        let fits = match self.plain_string() {
            Some(text) => take(text),
            None if self.peek() == Some(b'"') => take(&self.escaped_string()?),
            None => false,
        };
        if fits {
            return Ok(None);
        }
        self.at = start;
        self.misfit()
    }

    #[cold]
    fn escaped_string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at = scan::string(self.text.as_bytes(), start, &mut 0)?;
        Ok(crate::tree::unescaped(&self.text[start + 1..self.at - 1]).into_owned())
    }

    /// Steps over a number and gives its text to `take`, or over any other value and hands it back.
    #[inline]
    pub(crate) fn number(&mut self, take: impl FnOnce(&str) -> bool) -> Result<Option<Json>, Fault> {
        let start = self.at;
        if let Some(b'-' | b'0'..=b'9') = self.peek() {
            let end = scan::number(self.text.as_bytes(), start)?;
            if take(&self.text[start..end]) {
                self.at = end;
                return Ok(None);
            }
        }
        self.misfit()
    }

    /// Steps over a number and gives it to `take`, or over any other value and hands it back.
    #[inline]
    pub(crate) fn double(&mut self, take: impl FnOnce(f64) -> bool) -> Result<Option<Json>, Fault> {
        if let Some(b'-' | b'0'..=b'9') = self.peek() {
            let (number, end) = number::double(self.text.as_bytes(), self.at)?;
            // One that no double can hold is kept as it was written.
            if number.is_finite() && take(number) {
                self.at = end;
                return Ok(None);
            }
        }
        self.misfit()
    }

    /// Steps over an integer, which may be written as a double, and gives it to `take`, or over any other value and hands it
    /// back.
    #[inline]
    pub(crate) fn integer(&mut self, take: impl FnOnce(i64) -> bool) -> Result<Option<Json>, Fault> {
        let text = self.text.as_bytes();
        let negative = self.peek() == Some(b'-');
        let start = self.at + usize::from(negative);
        let (number, end) = number::digits(text, start, 0);
        let plain = matches!(end - start, 1..=18)
            && (text[start] != b'0' || end - start == 1)
            && !matches!(text.get(end), Some(b'.' | b'e' | b'E'));
        if !plain {
            return self.odd_integer(take);
        }
        // Eighteen digits fit.
        let number = if negative { -(number as i64) } else { number as i64 };
        if !take(number) {
            return self.misfit();
        }
        self.at = end;
        Ok(None)
    }

    fn odd_integer(&mut self, take: impl FnOnce(i64) -> bool) -> Result<Option<Json>, Fault> {
        self.number(|digits| match digits.parse::<i64>() {
            Ok(number) => take(number),
            Err(_) => digits.parse().is_ok_and(|number: f64| is_whole(number) && take(number as i64)),
        })
    }

    /// Steps over this word, if it is the next.
    #[inline]
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Reads an array into a list, or steps over any other value and hands it back.
    pub(crate) fn array<T: Member>(&mut self, list: &mut Vec<T>) -> Result<Option<Json>, Fault> {
        let start = self.at;
        if self.peek() != Some(b'[') {
            return self.misfit();
        }
        self.enter()?;
        self.space();
        list.clear();
        while !self.word("]") {
            if !list.is_empty() {
                self.comma()?;
            }
            let at = list.len();
            list.push(sibling(list));
            let misfit = match list.last_mut() {
                Some(place) => place.read_text(self)?,
                None => None,
            };
            if misfit.is_some() {
                // One element of another type makes the whole array one of another type.
                list.truncate(at);
                list.clear();
                self.at = start;
                self.depth -= 1;
                return self.misfit();
            }
            self.space();
        }
        self.depth -= 1;
        Ok(None)
    }

    /// Reads an object, or steps over any other value and hands it back.
    pub(crate) fn object(&mut self, object: &mut dyn Fields) -> Result<Option<Json>, Fault> {
        if self.peek() != Some(b'{') {
            return self.misfit();
        }
        self.enter()?;
        self.space();
        let names = object.names();
        let mut extra = Extra::default();
        let mut next = 0;
        let mut first = true;
        while !self.word("}") {
            if !first {
                self.comma()?;
            }
            first = false;
            let field = match self.expected(names, next) {
                Some(field) => Some(field),
                None => self.other_name(object, &mut extra)?,
            };
            if let Some(field) = field {
                next = field + 1;
                if extra.was_read(field) {
                    object.reset_field(field);
                }
                match object.read_field_text(field, self)? {
                    None => extra.note(field),
                    Some(misfit) => extra.push_misfit(field, names[field], misfit),
                }
            }
            self.space();
        }
        object.set_extra(extra);
        self.depth -= 1;
        Ok(None)
    }

    /// Steps over a name and its colon if it is one of the next: members mostly come in the order of declaration, some left
    /// out.
    #[inline]
    fn expected(&mut self, names: &[&str], next: usize) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        for (ahead, name) in names.iter().enumerate().skip(next).take(3) {
            let end = name.len() + 1;
            if rest.len() > end + 1
                && rest[0] == b'"'
                && rest[1..].starts_with(name.as_bytes())
                && rest[end] == b'"'
                && rest[end + 1] == b':'
            {
                self.at += end + 2;
                self.space();
                return Some(ahead);
            }
        }
        None
    }

    /// Steps over any name and its colon and returns which field it names. A member that is no field is taken in whole.
    fn other_name(&mut self, object: &dyn Fields, extra: &mut Extra) -> Result<Option<usize>, Fault> {
        let escaped;
        let name = match self.plain_string() {
            Some(name) => name,
            None if self.peek() == Some(b'"') => {
                escaped = self.escaped_string()?;
                &escaped
            }
            None => return Err(Fault::at(self.at)),
        };
        self.space();
        if !self.word(":") {
            return Err(Fault::at(self.at));
        }
        self.space();
        let field = object.field_named(name);
        if field.is_none() {
            let start = self.at;
            self.at = scan::value(self.text.as_bytes(), start)?;
            extra.push(name.into(), Json::scanned(&self.text[start..self.at]));
        }
        Ok(field)
    }

    fn enter(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::too_deep(self.at));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn comma(&mut self) -> Result<(), Fault> {
        if !self.word(",") {
            return Err(Fault::at(self.at));
        }
        self.space();
        Ok(())
    }

    #[inline]
    fn space(&mut self) {
        self.at = scan::space(self.text.as_bytes(), self.at);
    }
}
