//! What the body of a request says, as far as it makes a difference.

use std::hash::{DefaultHasher, Hash, Hasher};

use qix_protocol::Tree;

use super::target::Reading;

/// What the body of a request says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sent {
    /// There is none.
    Nothing,
    /// A digest of it.
    Body(u64),
    /// It was not kept, or is too large to be looked at.
    Unknown,
}

impl Sent {
    /// Reads a body of the media type `kind` from which secrets were taken.
    pub(super) fn new(kind: &str, body: &[u8], reading: &Reading<'_>) -> Self {
        if body.is_empty() {
            return Self::Nothing;
        }
        let mut hasher = DefaultHasher::new();
        canonical(kind, body, reading).hash(&mut hasher);
        Self::Body(hasher.finish())
    }

    /// Returns whether the bodies may be the same.
    pub(super) fn may_be(self, other: Self) -> bool {
        self == other || self == Self::Unknown || other == Self::Unknown
    }
}

fn canonical(kind: &str, body: &[u8], reading: &Reading<'_>) -> Vec<u8> {
    let kind = kind.to_ascii_lowercase();
    let opens = body.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
    // Whatever it is called: so is what curl sends.
    if (opens || kind.contains("json"))
        && let Ok(tree) = Tree::parse(body)
    {
        return reading.anywhere(&tree.canonical()).into_bytes();
    }
    let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
    if kind.starts_with("application/x-www-form-urlencoded") {
        return reading.parameters(text).into_bytes();
    }
    // Clients draw it anew each time.
    let boundary =
        text.lines().next().filter(|line| kind.starts_with("multipart/") && line.starts_with("--"));
    match boundary {
        Some(boundary) => text.replace(boundary, "--").into_bytes(),
        None => reading.anywhere(text).into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(kind: &str, body: &str) -> Sent {
        Sent::new(kind, body.as_bytes(), &Reading { host: "here:1", ignored: &|_| false })
    }

    #[test]
    fn bodies_are_the_same_however_they_are_written() {
        for (kind, one, other) in [
            ("application/json", r#"{"a":1,"b":"x"}"#, r#" { "b" : "\u0078", "a" : 1 } "#),
            ("application/x-www-form-urlencoded", r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#),
            ("application/x-www-form-urlencoded; charset=UTF-8", "a=1&b=x+y", "b=x%20y&a=1"),
            (
                "multipart/form-data; boundary=q",
                "--q\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--q--\r\n",
                "--z9\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--z9--\r\n",
            ),
            ("", r#"{"back":"http://here:1/a"}"#, r#"{"back":"https://here:1/a"}"#),
        ] {
            assert_eq!(sent(kind, one), sent(kind, other), "{one}");
        }
    }

    #[test]
    fn other_bodies_are_others() {
        for (kind, one, other) in [
            ("application/json", r#"{"a":1}"#, r#"{"a":2}"#),
            ("application/x-www-form-urlencoded", "user=ada", "user=eve"),
            ("text/plain", "a", "b"),
            ("", "a", ""),
        ] {
            assert!(!sent(kind, one).may_be(sent(kind, other)), "{one}");
        }
        assert!(sent("", "a").may_be(Sent::Unknown));
    }
}
