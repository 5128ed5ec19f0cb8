//! Reads the line of a message without reading the message.

use crate::record::Side;

/// The line of a text message that is JSON, as a recorder writes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Line<'a> {
    /// Microseconds since the recording started.
    pub(super) t: u64,
    pub(super) conn: u64,
    pub(super) from: Side,
    /// The message with the white space around it; it may be anything if the line was edited.
    pub(super) json: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line whose members are those of a recorder in its order; `None` for any other, which is to be read in full.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (_, rest) = number(line.strip_prefix(b"{\"seq\":")?)?;
        let (t, rest) = number(rest.strip_prefix(b",\"t\":")?)?;
        let (conn, rest) = number(rest.strip_prefix(b",\"conn\":")?)?;
        let rest = rest.strip_prefix(b",\"kind\":\"frame\",\"from\":\"")?;
        let (from, rest) = match rest.strip_prefix(b"client\",") {
            Some(rest) => (Side::Client, rest),
            None => (Side::Engine, rest.strip_prefix(b"engine\",")?),
        };
        let json = rest.strip_prefix(b"\"json\":")?.strip_suffix(b"}")?;
        Some(Self { t, conn, from, json })
    }
}

/// Returns the number of a line's entry, if a recorder wrote it where it belongs.
pub(super) fn seq(line: &[u8]) -> Option<u64> {
    number(line.strip_prefix(b"{\"seq\":")?).map(|(seq, _)| seq)
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // More would not fit.
    if digits == 0 || digits > 18 {
        return None;
    }
    let value = text[..digits].iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some((value, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_recorder_writes_is_read_without_its_message() {
        let line = br#"{"seq":1,"t":25,"conn":3,"kind":"frame","from":"engine","json": {"id":1} }"#;
        let read = Line { t: 25, conn: 3, from: Side::Engine, json: br#" {"id":1} "# };
        assert_eq!(Line::parse(line), Some(read));
        assert_eq!(seq(line), Some(1));
        for other in [
            r#"{"t":25,"seq":1,"conn":3,"kind":"frame","from":"engine","json":1}"#,
            r#"{"seq":1,"t":25,"conn":3,"kind":"frame","from":"engine","redacted":["a"],"json":1}"#,
            r#"{"seq":1,"t":25,"conn":3,"kind":"frame","from":"engine","text":"a"}"#,
            r#"{"seq":99999999999999999999,"t":25,"conn":3,"kind":"frame","from":"client","json":1}"#,
            "",
        ] {
            assert_eq!(Line::parse(other.as_bytes()), None, "{other}");
        }
    }
}
