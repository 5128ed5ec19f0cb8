//! Who may see the page: whoever knows the token, from this machine, in a page of this port.

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use rustls::crypto::ring;

use crate::rebinding;

const NO_TOKEN: &str =
    "open the address that was printed when this was started, with all that follows the port\n";
const FOREIGN: &str = "only the page of this very port may open its socket\n";

/// The length of a token: 128 bits, hexadecimal.
const LENGTH: usize = 32;

/// Decides who gets in.
#[derive(Clone)]
pub(crate) struct Gate {
    address: SocketAddr,
    token: [u8; LENGTH],
}

/// The token stays secret.
impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Gate {
    /// Draws a token for a port; `None` if the system has no chance to give.
    pub(crate) fn new(address: SocketAddr) -> Option<Self> {
        let mut bytes = [0; LENGTH / 2];
        ring::default_provider().secure_random.fill(&mut bytes).ok()?;
        let mut token = [0; LENGTH];
        for (pair, byte) in token.chunks_exact_mut(2).zip(bytes) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Some(Self { address, token })
    }

    /// Returns the address to open in a browser.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, String::from_utf8_lossy(&self.token))
    }

    /// Returns what a request asks for behind the token.
    ///
    /// # Errors
    ///
    /// How to refuse the request.
    pub(super) fn check<'r, B>(
        &self,
        request: &'r Request<B>,
    ) -> Result<&'r str, (StatusCode, &'static str)> {
        rebinding::check(request.uri(), request.headers(), self.address.ip())?;
        let path = request.uri().path().strip_prefix('/').unwrap_or_default();
        let (token, rest) = path.split_once('/').ok_or((StatusCode::FORBIDDEN, NO_TOKEN))?;
        if !self.is_token(token.as_bytes()) {
            return Err((StatusCode::FORBIDDEN, NO_TOKEN));
        }
        Ok(rest)
    }

    /// Checks that a socket is opened by the page that was served here. Pages of other ports are others', though they are of this
    /// machine.
    ///
    /// # Errors
    ///
    /// How to refuse the request.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let own = headers.get(HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
        let is_own = origins.next().zip(own).is_some_and(|(origin, own)| origin.as_bytes() == own.as_bytes());
        if is_own && origins.next().is_none() { Ok(()) } else { Err((StatusCode::FORBIDDEN, FOREIGN)) }
    }

    /// Compares in a time that says nothing of how much is right.
    fn is_token(&self, token: &[u8]) -> bool {
        let different =
            self.token.iter().zip(token).fold(0, |different, (own, other)| different | (own ^ other));
        std::hint::black_box(different) == 0 && token.len() == LENGTH
    }
}

/// Makes a response with the headers that all have.
pub(super) fn response<B>(status: StatusCode, kind: &'static str, body: B) -> Response<B> {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (http::header::X_FRAME_OPTIONS, "DENY"),
        (http::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (http::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new("127.0.0.1:4000".parse().unwrap()).unwrap()
    }

    fn asked(gate: &Gate, path: &str, host: &str) -> u16 {
        let request = Request::builder().uri(path).header("host", host).body(()).unwrap();
        gate.check(&request).map_or_else(|(status, _)| status.as_u16(), |_| 200)
    }

    #[test]
    fn only_the_whole_token_opens_the_gate() {
        let gate = gate();
        let url = gate.url();
        let path = url.strip_prefix("http://127.0.0.1:4000").unwrap();
        assert_eq!(path.len(), LENGTH + 2);
        assert_eq!(asked(&gate, path, "127.0.0.1:4000"), 200);
        let mut wrong = path.to_owned();
        wrong.replace_range(LENGTH..=LENGTH, if path.as_bytes()[LENGTH] == b'0' { "1" } else { "0" });
        for path in [
            "/",
            "//",
            "/page.js",
            &path[..path.len() - 1],
            &path[..LENGTH],
            &wrong,
            &format!("/0{}", &path[1..]),
        ] {
            assert_eq!(asked(&gate, path, "127.0.0.1:4000"), 403, "{path}");
        }
        assert_ne!(gate.url(), self::gate().url());
    }

    #[test]
    fn other_names_for_this_machine_are_refused_even_with_the_token() {
        let gate = gate();
        let path = gate.url().replace("http://127.0.0.1:4000", "");
        assert_eq!(asked(&gate, &path, "localhost:4000"), 200);
        assert_eq!(asked(&gate, &path, "evil.example:4000"), 421);
    }

    #[test]
    fn sockets_are_for_pages_of_this_port_alone() {
        let open = |origins: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:4000"));
            for origin in origins {
                headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            gate().check_origin(&headers).is_ok()
        };
        assert!(open(&["http://127.0.0.1:4000"]));
        for origins in [
            &[][..],
            &["null"],
            &["http://127.0.0.1:4001"],
            &["https://127.0.0.1:4000"],
            &["http://localhost:4000"],
            &["http://evil.example"],
            &["http://127.0.0.1:4000", "http://127.0.0.1:4000"],
        ] {
            assert!(!open(origins), "{origins:?}");
        }
    }
}
