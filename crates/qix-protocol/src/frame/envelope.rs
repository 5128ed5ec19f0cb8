//! The outermost object of a frame, read in one pass.

use std::borrow::Cow;

use super::Raw;
use crate::{Handle, ProtocolError, escapes::unescaped, scan};

/// The members of a frame that the protocol knows, each as it was written.
///
/// Members may stand in any order; of a repeated one the last counts, as in every JSON parser of the field. Unknown members
/// are kept: [`members`](super::members) of the frame's text returns them all.
///
/// The frame itself was read as JSON; objects and arrays in it were stepped over by their brackets and strings alone, so that a
/// large `result` costs little. They end where they seem to, and need not be valid: see [`Raw`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Envelope<'a> {
    /// `id`, which clients write as a number, a string, or not at all.
    pub id: Option<Raw<'a>>,
    /// `method`, unescaped.
    pub method: Option<Cow<'a, str>>,
    /// `handle`.
    pub handle: Option<Handle>,
    /// `params`, an array or an object.
    pub params: Option<Raw<'a>>,
    /// `result`, an object of out members.
    pub result: Option<Raw<'a>>,
    /// `error`.
    pub error: Option<Raw<'a>>,
    /// `change`.
    pub change: Option<Raw<'a>>,
    /// `close`.
    pub close: Option<Raw<'a>>,
    /// `suspend`.
    pub suspend: Option<Raw<'a>>,
    /// `delta`; `false` when absent.
    pub delta: bool,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of one frame. `null` counts as absent, except as `result`.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the text is not one object with names and values, if brackets or strings in it do not end or nest
    /// too deep, or if `method`, `handle` or `delta` has the wrong type.
    pub fn parse(text: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut envelope = Self::default();
        let mut items =
            scan::Items::new(text, 0).filter(scan::Items::is_object).ok_or_else(|| scan::fault(0))?;
        for item in items.by_ref() {
            let item = item?;
            let value = Raw::scanned(&text[item.value.clone()]);
            let wrong = || scan::fault(item.value.start);
            let present = (!value.is_null()).then_some(value);
            let written = &text[item.name.clone()];
            // Nobody writes these names with escapes, but everybody's parser would read them.
            let escaped = written.contains(&b'\\').then(|| unescaped(written));
            match escaped.as_ref().map_or(written, |name| name.as_bytes()) {
                b"id" => envelope.id = present,
                b"method" => {
                    envelope.method = present.map(|value| string(value).ok_or_else(wrong)).transpose()?
                }
                b"handle" => {
                    let handle = |value: Raw<'_>| value.as_integer().map(Handle::new).ok_or_else(wrong);
                    envelope.handle = present.map(handle).transpose()?;
                }
                b"params" => envelope.params = present,
                b"result" => envelope.result = Some(value),
                b"error" => envelope.error = present,
                b"change" => envelope.change = present,
                b"close" => envelope.close = present,
                b"suspend" => envelope.suspend = present,
                b"delta" => {
                    envelope.delta = match value.as_bytes() {
                        b"true" => true,
                        b"false" | b"null" => false,
                        _ => return Err(wrong()),
                    }
                }
                _ => {}
            }
        }
        match scan::space(text, items.end()) {
            end if end == text.len() => Ok(envelope),
            end => Err(scan::fault(end)),
        }
    }
}

fn string<'a>(value: Raw<'a>) -> Option<Cow<'a, str>> {
    let inside = value.as_bytes().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Some(unescaped(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_any_order() {
        let text =
            br#"{"params":[1],"handle":-1,"x":{"id":9},"delta":true,"method":"Get\u004fbject","id":7}"#;
        let envelope = Envelope::parse(text).unwrap();
        assert_eq!(envelope.id.unwrap().as_integer(), Some(7u64));
        assert_eq!(envelope.method.as_deref(), Some("GetObject"));
        assert_eq!(envelope.handle, Some(Handle::GLOBAL));
        assert_eq!(envelope.params.unwrap().as_bytes(), b"[1]");
        assert!(envelope.delta);
    }

    #[test]
    fn names_may_be_written_with_escapes() {
        let envelope = Envelope::parse(br#"{"\u0069d":2,"m\u0065thod":"x"}"#).unwrap();
        assert_eq!(envelope.id.unwrap().as_integer(), Some(2u64));
        assert_eq!(envelope.method.as_deref(), Some("x"));
    }

    #[test]
    fn null_result_is_present_and_null_error_is_not() {
        let envelope = Envelope::parse(br#"{"id":1,"result":null,"error":null}"#).unwrap();
        assert!(envelope.result.unwrap().is_null());
        assert!(envelope.error.is_none());
    }

    #[test]
    fn text_that_is_no_object_is_malformed() {
        for text in [
            "",
            "[]",
            "1",
            "{} {}",
            "<html>",
            "{\"id\":1",
            r#"{"method":1}"#,
            r#"{"handle":1.5}"#,
            r#"{"delta":0}"#,
        ] {
            assert!(Envelope::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
