//! The HTTP side: reading the head of a request, refusing it or turning it into a WebSocket.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::config::{FakeEngineConfig, Refusal};
use super::session::SessionKey;

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query, not decoded.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// What was read beyond the head.
    pub(crate) rest: Vec<u8>,
}

// A login may carry several cookies and a long token, but not more than this.
const MAX_HEAD: usize = 64 << 10;

/// Reads the head of a request; nothing if the other side speaks something else or goes away.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<Head> {
    let mut bytes = Vec::with_capacity(2048);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        // The first bytes of a TLS hello or of noise are no method name: hang up instead of waiting for more.
        let is_http = bytes.iter().take(8).take_while(|byte| **byte != b' ').all(u8::is_ascii_uppercase);
        if !is_http || bytes.len() > MAX_HEAD {
            return None;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let rest = bytes.split_off(end + 4);
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
    };
    Some(Head { method, target, headers: lines.filter_map(header).collect(), rest })
}

impl Head {
    /// Returns the head of a request that hyper has read.
    pub(crate) fn of<B>(request: &hyper::Request<B>) -> Self {
        let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Self {
            method: request.method().as_str().to_owned(),
            target: request.uri().to_string(),
            headers: request.headers().iter().map(header).collect(),
            rest: Vec::new(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn bearer(&self) -> Option<&str> {
        let value = self.header("Authorization")?;
        value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map(|_| value[7..].trim())
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.method == "GET"
            && self.header("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    /// Decides about the request: the accept key of an upgrade, or what to answer instead.
    pub(crate) fn judge(&self, config: &FakeEngineConfig) -> Result<String, Refusal> {
        if let Some(refusal) = &config.refusal {
            return Err(refusal.clone());
        }
        if !self.is_upgrade() {
            return Err(match self.target.as_str() {
                "/healthcheck" | "/engine/healthcheck" => {
                    Refusal::json(200, &json!({"version": "12.2528.0", "started": ""}))
                }
                _ => Refusal::json(404, &json!({"errors": [{"code": "HTTP-404", "title": "Not found"}]})),
            });
        }
        if config.bearer.is_some() && config.bearer.as_deref() != self.bearer() {
            let body =
                json!({"errors": [{"code": "AUTH-1", "title": "Unauthorized", "detail": "Invalid token"}]});
            return Err(Refusal::json(401, &body));
        }
        match self.header("Sec-WebSocket-Key") {
            Some(key) if self.header("Sec-WebSocket-Version") == Some("13") => {
                Ok(derive_accept_key(key.as_bytes()))
            }
            _ => Err(Refusal::json(
                400,
                &json!({"errors": [{"code": "HTTP-400", "title": "Malformed upgrade"}]}),
            )),
        }
    }

    /// Returns what the upgrade says about the session: its key, its time to live, and the app to start from.
    pub(crate) fn session(&self) -> (SessionKey, Option<Duration>, Option<String>) {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        // Segments first, decoding second: an identity may hold an encoded slash.
        let segments: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let after = |word: &str| {
            let at = segments.iter().position(|segment| segment == word)?;
            segments.get(at + 1).cloned()
        };
        let at = segments.iter().position(|segment| segment == "app");
        let tail = at.map_or(&[][..], |at| segments.get(at + 2..).unwrap_or_default());
        let option =
            |word: &str| tail.chunks(2).find(|pair| pair[0] == word).and_then(|pair| pair.get(1)).cloned();
        // A different page of the same browser shares the cookie and hence the session; so does the same header.
        let cookie = self.header("Cookie").into_iter().flat_map(|cookies| cookies.split(';')).map(str::trim);
        let cookie =
            cookie.filter(|cookie| cookie.starts_with("X-Qlik-Session")).collect::<Vec<_>>().join(";");
        let user = self.header("X-Qlik-User").or_else(|| self.bearer()).unwrap_or_default();
        let user = [user, self.header("X-Qlik-Session").unwrap_or_default(), &cookie]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n");
        let key = SessionKey {
            app: after("app").unwrap_or_default(),
            identity: option("identity").unwrap_or_default(),
            user,
        };
        let ttl = option("ttl").and_then(|ttl| ttl.parse().ok()).map(Duration::from_secs);
        let from = query.split('&').find_map(|pair| pair.strip_prefix("from=")).map(decode);
        (key, ttl, from)
    }
}

/// Undoes percent-encoding; broken escapes stay as they are.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes the 101 answer.
pub(crate) async fn accept(
    stream: &mut (impl AsyncWrite + Unpin),
    key: &str,
    headers: &[(String, String)],
) -> std::io::Result<()> {
    let mut text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {key}\r\n"
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// Writes an answer that is no upgrade, and ends the connection.
pub(crate) async fn refuse(stream: &mut (impl AsyncWrite + Unpin), refusal: &Refusal) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {} {}\r\n", refusal.status, reason(refusal.status));
    for (name, value) in &refusal.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!(
        "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        refusal.body.len(),
        refusal.body
    ));
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Head { method: "GET".into(), target: target.into(), headers, rest: Vec::new() }
    }

    #[test]
    fn the_path_names_app_identity_and_ttl() {
        let (key, ttl, from) =
            head("/vp/x/app/C%3A%5CSales.qvf/identity/a%2Fb/ttl/30?from=Sales.qvf&x=1", &[]).session();
        assert_eq!((key.app.as_str(), key.identity.as_str()), ("C:\\Sales.qvf", "a/b"));
        assert_eq!(ttl, Some(Duration::from_secs(30)));
        assert_eq!(from.as_deref(), Some("Sales.qvf"));
        for odd in ["/", "", "//app", "/app", "/app/", "/app/x/ttl", "/app/x/ttl/abc", "/app/%/identity/%zz?"]
        {
            let (_, ttl, _) = head(odd, &[]).session();
            assert_eq!(ttl, None, "{odd}");
        }
    }

    #[test]
    fn users_cookies_and_session_headers_tell_sessions_apart() {
        let key = |headers: &[(&str, &str)]| head("/app/a", headers).session().0;
        assert_ne!(
            key(&[("X-Qlik-User", "UserDirectory=A; UserId=1")]),
            key(&[("X-Qlik-User", "UserDirectory=A; UserId=2")])
        );
        assert_ne!(key(&[("X-Qlik-Session", "1")]), key(&[]));
        assert_eq!(key(&[("cookie", "a=b; X-Qlik-Session=1")]), key(&[("Cookie", "X-Qlik-Session=1; c=d")]));
        assert_eq!(key(&[("Authorization", "Bearer t")]).user, "t");
    }

    #[test]
    fn refusals() {
        let upgrade = [("Upgrade", "websocket"), ("Sec-WebSocket-Key", "a"), ("Sec-WebSocket-Version", "13")];
        let config = FakeEngineConfig::default();
        assert!(head("/app/x", &upgrade).judge(&config).is_ok());
        assert_eq!(head("/app/x", &upgrade[..1]).judge(&config).unwrap_err().status, 400);
        assert_eq!(head("/healthcheck", &[]).judge(&config).unwrap_err().status, 200);
        let config = FakeEngineConfig { bearer: Some("t".into()), ..config };
        assert_eq!(head("/app/x", &upgrade).judge(&config).unwrap_err().status, 401);
        let mut headers = upgrade.to_vec();
        headers.push(("authorization", "bearer t"));
        assert!(head("/app/x", &headers).judge(&config).is_ok());
    }

    #[tokio::test]
    async fn noise_is_no_request() {
        for noise in [&b"\x16\x03\x01\x02\x00"[..], b"get / HTTP/1.1\r\n\r\n", b"GET", b"", b"\r\n\r\n"] {
            let head = read_head(&mut &noise[..]).await;
            assert!(head.is_none_or(|head| !head.is_upgrade()), "{noise:?}");
        }
    }
}
