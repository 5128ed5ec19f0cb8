//! Cookies of one server, as far as a WebSocket needs them.

use std::{fmt, time::SystemTime};

use cookie::Cookie;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};

use crate::{HeaderError, Secret, headers::sensitive_value};

/// How many cookies are kept; browsers keep at least as many for a site.
const MAX_COOKIES: usize = 50;

/// The longest cookie that is kept, name and value, in bytes.
const MAX_COOKIE: usize = 8 << 10;

/// Cookies to send to one server, in the order in which they came. `Debug` shows names only.
///
/// Domains and paths are not looked at: what one server set goes back to the same server, below the same prefix.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct Cookies(Vec<(Box<str>, Secret)>);

impl Cookies {
    /// Sets a cookie, in the place of one with the same name.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Cookie`] if name or value would break the header.
    pub(crate) fn set(&mut self, name: &str, value: Secret) -> Result<(), HeaderError> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b';';
        // The name of a cookie has the alphabet of the name of a header.
        if HeaderName::try_from(name).is_err() || !value.expose().bytes().all(fits) {
            return Err(HeaderError::Cookie { name: name.into() });
        }
        self.put(name, value);
        Ok(())
    }

    /// Takes over the cookies of a `Cookie` header.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Cookie`] if one has no name, or if name or value would break the header.
    pub(crate) fn set_all(&mut self, line: &str) -> Result<(), HeaderError> {
        let pairs = line.split(';').map(str::trim).filter(|pair| !pair.is_empty());
        // What has no name may be a secret, and is not repeated.
        pairs
            .map(|pair| pair.split_once('=').unwrap_or_default())
            .try_for_each(|(name, value)| self.set(name.trim_end(), value.trim_start().into()))
    }

    /// Takes over what `Set-Cookie` headers say, removals too. What cannot be read or is too large is left out.
    pub(crate) fn absorb(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let Ok(Ok(cookie)) = line.to_str().map(Cookie::parse) else { continue };
            let past = cookie.max_age().is_some_and(|age| !age.is_positive())
                || cookie.expires_datetime().is_some_and(|at| at <= SystemTime::now());
            if past {
                self.0.retain(|(name, _)| **name != *cookie.name());
            } else if cookie.name().len() + cookie.value().len() <= MAX_COOKIE {
                // A cookie that cannot be sent back is none.
                let _ = self.set(cookie.name(), cookie.value().into());
            }
        }
    }

    /// Takes over all of `other`, in the place of those with the same name.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.put(name, value.clone());
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the `Cookie` header into `headers`, if there is a cookie.
    pub(crate) fn write(&self, headers: &mut HeaderMap) -> Result<(), HeaderError> {
        if let Some(value) = self.header()? {
            headers.insert(COOKIE, value);
        }
        Ok(())
    }

    /// Writes the cookies into a `Cookie` header that may be there, in the place of those with the same name.
    pub(crate) fn write_among(&self, headers: &mut HeaderMap) -> Result<(), HeaderError> {
        let Some(own) = self.header()? else { return Ok(()) };
        let mut line = Vec::new();
        for pair in
            headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        {
            let pair = pair.trim_ascii();
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or(pair);
            if !pair.is_empty() && !self.names().any(|own| own.as_bytes() == name.trim_ascii_end()) {
                line.extend_from_slice(pair);
                line.extend_from_slice(b"; ");
            }
        }
        line.extend_from_slice(own.as_bytes());
        let mut value =
            HeaderValue::from_bytes(&line).map_err(|_| HeaderError::Value { name: "cookie".into() })?;
        value.set_sensitive(true);
        headers.insert(COOKIE, value);
        Ok(())
    }

    fn header(&self) -> Result<Option<HeaderValue>, HeaderError> {
        if self.is_empty() {
            return Ok(None);
        }
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        match sensitive_value(&pairs.join("; ")) {
            Some(value) => Ok(Some(value)),
            None => Err(HeaderError::Value { name: "cookie".into() }),
        }
    }

    fn put(&mut self, name: &str, value: Secret) {
        if let Some((_, old)) = self.0.iter_mut().find(|(found, _)| **found == *name) {
            *old = value;
        } else if self.0.len() < MAX_COOKIES {
            self.0.push((name.into(), value));
        }
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies(")?;
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()?;
        f.write_str(")")
    }
}

/// Cookies that came with answers, and go with later requests besides those of the credentials. `Debug` shows names only.
#[derive(Debug, Default)]
pub(crate) struct Jar {
    /// What the credentials gave when these came.
    given: Cookies,
    own: Cookies,
}

impl Jar {
    /// Returns what to send with credentials that give `given`. A server may have renewed those since; what it said is newer than
    /// what the credentials remember, unless they have others now.
    pub(crate) fn over(&mut self, given: &Cookies) -> Cookies {
        if self.given != *given {
            *self = Self { given: given.clone(), own: Cookies::default() };
        }
        let mut all = given.clone();
        all.merge(&self.own);
        all
    }

    /// Takes over what `Set-Cookie` headers say to a request whose credentials gave `given`, unless they give others by now.
    pub(crate) fn absorb(&mut self, given: &Cookies, headers: &HeaderMap) {
        if self.given == *given {
            self.own.absorb(headers);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.own = Cookies::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absorb(cookies: &mut Cookies, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        cookies.absorb(&headers);
        let header = cookies.header().unwrap();
        header.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn set_cookie_replaces_and_removes_by_name() {
        let mut cookies = Cookies::default();
        let sent = absorb(&mut cookies, &["X-Qlik-Session=1; Path=/; HttpOnly; Secure", "eas.sid=a=b=="]);
        assert_eq!(sent, "X-Qlik-Session=1; eas.sid=a=b==");
        assert_eq!(absorb(&mut cookies, &["X-Qlik-Session=2", "eas.sid=; Max-Age=0"]), "X-Qlik-Session=2");
        let past = "X-Qlik-Session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(absorb(&mut cookies, &[past]), "");
    }

    #[test]
    fn a_server_cannot_grow_the_jar_without_limit() {
        let mut cookies = Cookies::default();
        for n in 0..200 {
            absorb(&mut cookies, &[&format!("c{n}=x")]);
        }
        absorb(&mut cookies, &[&format!("c0={}", "x".repeat(MAX_COOKIE))]);
        assert_eq!(cookies.0.len(), MAX_COOKIES);
        assert_eq!(cookies.0[0].1.expose(), "x");
    }

    #[test]
    fn cookie_cannot_smuggle_another_or_a_header() {
        let mut cookies = Cookies::default();
        for (name, value) in [("a b", "x"), ("a=b", "x"), ("a", "s3cret; b=c"), ("a", "s3cret\r\nX: y")] {
            let error = cookies.set(name, value.into()).unwrap_err();
            assert_eq!(error, HeaderError::Cookie { name: name.into() });
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn cookie_header_is_taken_apart() {
        let mut cookies = Cookies::default();
        cookies.set_all("a=1; X-Qlik-Session=b==;a=2").unwrap();
        assert_eq!(cookies.header().unwrap().unwrap(), "a=2; X-Qlik-Session=b==");
        let error = cookies.set_all("s3cret").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn jar_forgets_what_came_for_other_cookies() {
        let of = |line: &str| {
            let mut cookies = Cookies::default();
            cookies.set_all(line).unwrap();
            cookies
        };
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, HeaderValue::from_static("b=2"));
        let (one, two, mut jar) = (of("a=1"), of("a=2"), Jar::default());
        assert!(jar.over(&one) == one);
        jar.absorb(&one, &headers);
        assert!(jar.over(&one) == of("a=1; b=2"));
        assert!(jar.over(&two) == two);
        jar.absorb(&one, &headers);
        assert!(jar.over(&two) == two);
    }

    #[test]
    fn debug_shows_names_only() {
        let mut cookies = Cookies::default();
        cookies.set("X-Qlik-Session", "s3cret".into()).unwrap();
        assert_eq!(format!("{cookies:?}"), r#"Cookies(["X-Qlik-Session"])"#);
    }
}
