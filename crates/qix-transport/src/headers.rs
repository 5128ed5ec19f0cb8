//! Extra headers of the upgrade request.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers the WebSocket handshake writes itself.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// Extra headers, checked when they are added. `Debug` shows names only, because any value may be a credential.
///
/// ```
/// use qix_transport::Headers;
///
/// let headers = Headers::new().header("X-Qlik-Session", "my-session")?;
/// assert_eq!(format!("{headers:?}"), r#"Headers({"x-qlik-session": ***})"#);
/// # Ok::<(), qix_transport::HeaderError>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Returns no headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header; one of the same name stays, so that a name can be sent twice.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] if name or value cannot be sent, or if the WebSocket handshake writes the header itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        let header = HeaderName::try_from(name).map_err(|_| HeaderError::Name { name: name.into() })?;
        if RESERVED.contains(&header.as_str()) {
            return Err(HeaderError::Reserved { name: name.into() });
        }
        let value = sensitive_value(value).ok_or_else(|| HeaderError::Value { name: name.into() })?;
        self.0.append(header, value);
        Ok(self)
    }

    /// Puts all of `other` into this, in the place of what has the same name here.
    pub(crate) fn merge(&mut self, other: &Self) {
        replace(&mut self.0, &other.0);
    }

    /// Returns the headers as a map, all values marked sensitive.
    pub fn as_map(&self) -> &HeaderMap {
        &self.0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Headers(")?;
        f.debug_map().entries(self.0.keys().map(|name| (name.as_str(), format_args!("***")))).finish()?;
        f.write_str(")")
    }
}

/// Why a header cannot be sent. Values are never shown.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is empty or holds a character that no header name has.
    #[error("{name:?} is not the name of a header")]
    Name {
        /// The name.
        name: Box<str>,
    },
    /// The value holds a control character.
    #[error("the value of {name} holds a control character, often a line break read from the end of a file")]
    Value {
        /// The name.
        name: Box<str>,
    },
    /// A cookie's name or value holds a character that no cookie has.
    #[error(
        "the cookie {name:?} cannot be sent; neither name nor value may hold blanks, semicolons or anything beyond ASCII"
    )]
    Cookie {
        /// The name.
        name: Box<str>,
    },
    /// The header belongs to the WebSocket handshake.
    #[error("{name} is written by the WebSocket handshake and cannot be set")]
    Reserved {
        /// The name.
        name: Box<str>,
    },
}

/// Puts all of `new` into `headers`, in the place of what has the same name there.
pub(crate) fn replace(headers: &mut HeaderMap, new: &HeaderMap) {
    for name in new.keys() {
        headers.remove(name);
        for value in new.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Returns a value that `Debug` of the map and HPACK-like caches keep to themselves, or nothing if it cannot be sent.
pub(crate) fn sensitive_value(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_sent_twice_and_values_beyond_ascii_pass() {
        let headers =
            Headers::new().header("hdr-usr", r"acme\jürgen").unwrap().header("hdr-usr", "b").unwrap();
        assert_eq!(headers.as_map().get_all("hdr-usr").iter().count(), 2);
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused() {
        let error = |name, value| Headers::new().header(name, value).unwrap_err();
        assert_eq!(error("a b", "x"), HeaderError::Name { name: "a b".into() });
        assert_eq!(error("Upgrade", "x"), HeaderError::Reserved { name: "Upgrade".into() });
        assert_eq!(error("Cookie", "s3cret\r\n"), HeaderError::Value { name: "Cookie".into() });
        assert!(!error("Cookie", "s3cret\r\n").to_string().contains("s3cret"));
    }

    #[test]
    fn debug_hides_values() {
        let headers = Headers::new().header("Cookie", "s3cret").unwrap();
        assert!(!format!("{headers:?} {:?}", headers.as_map()).contains("s3cret"));
    }
}
