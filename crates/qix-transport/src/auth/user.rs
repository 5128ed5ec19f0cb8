//! For whom a certificate holder acts.

use percent_encoding::utf8_percent_encode;

use crate::redact::COMPONENT;

/// A user of a Qlik Sense Enterprise site: directory and id.
///
/// ```
/// use qix_transport::QlikUser;
///
/// assert_eq!(QlikUser::new("INTERNAL", "sa_engine").to_header(), "UserDirectory=INTERNAL; UserId=sa_engine");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct QlikUser {
    directory: Box<str>,
    id: Box<str>,
}

impl QlikUser {
    /// Names a user. Both parts are plain text; encoding is done here.
    pub fn new(directory: impl Into<Box<str>>, id: impl Into<Box<str>>) -> Self {
        Self { directory: directory.into(), id: id.into() }
    }

    /// Returns the user directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Returns the user id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the value of an `X-Qlik-User` header: both parts URL-encoded as UTF-8, as the documentation of the Qlik Sense
    /// Proxy Service asks, with the separator that enigma.js sends.
    pub fn to_header(&self) -> String {
        let directory = utf8_percent_encode(&self.directory, COMPONENT);
        let id = utf8_percent_encode(&self.id, COMPONENT);
        format!("UserDirectory={directory}; UserId={id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_qlik_user_is_url_encoded_utf8() {
        let user = QlikUser::new("Ärzte; Süd", r"acme\ada lovelace=1");
        assert_eq!(
            user.to_header(),
            "UserDirectory=%C3%84rzte%3B%20S%C3%BCd; UserId=acme%5Cada%20lovelace%3D1"
        );
    }

    #[test]
    fn line_breaks_cannot_smuggle_headers() {
        assert_eq!(QlikUser::new("A", "b\r\nX: y").to_header(), "UserDirectory=A; UserId=b%0D%0AX%3A%20y");
    }
}
