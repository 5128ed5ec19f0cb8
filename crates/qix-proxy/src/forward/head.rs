//! The head of a request to a proxy.

use bytes::{Bytes, BytesMut};
use qix_transport::Endpoint;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head that is read, in bytes.
const LONGEST: usize = 64 << 10;
/// The most headers that are read.
const MOST: usize = 128;

/// What a client asks a proxy for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) what: What,
    /// Where to; of a tunnel nobody knows yet what will be spoken in it.
    pub(super) to: Endpoint,
    /// What came behind the head.
    pub(super) rest: Bytes,
}

#[derive(Debug)]
pub(super) enum What {
    /// A tunnel.
    Tunnel,
    /// A single request.
    Request(Request),
}

/// A plain request, without what it says to the proxy.
#[derive(Debug)]
pub(super) struct Request {
    method: String,
    path: String,
    /// The minor version of HTTP/1: whoever speaks 1.0 would not understand an answer in chunks.
    minor: u8,
    /// The headers but for `Host` and those for proxies.
    headers: Vec<(String, Vec<u8>)>,
}

/// Why there is nothing to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unasked {
    /// The client has left.
    Gone,
    /// It speaks no HTTP.
    NoHttp,
    /// It says too much.
    TooLong,
    /// It takes the proxy for a server.
    NoProxy,
    /// It asks for something that is no host.
    NoHost,
}

impl Asked {
    /// Reads what the client asks for first.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, Unasked> {
        let mut read = BytesMut::with_capacity(1 << 10);
        loop {
            let before = read.len();
            if stream.read_buf(&mut read).await.is_err() || read.len() == before {
                return Err(Unasked::Gone);
            }
            match Self::parse(&mut read) {
                Ok(Some(asked)) => return Ok(asked),
                Ok(None) if read.len() >= LONGEST => return Err(Unasked::TooLong),
                Ok(None) => {}
                Err(why) => return Err(why),
            }
        }
    }

    fn parse(read: &mut BytesMut) -> Result<Option<Self>, Unasked> {
        let mut headers = [httparse::EMPTY_HEADER; MOST];
        let mut head = httparse::Request::new(&mut headers);
        let length = match head.parse(read) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Unasked::TooLong),
            Err(_) => return Err(Unasked::NoHttp),
        };
        let (Some(method), Some(target)) = (head.method, head.path) else { return Err(Unasked::NoHttp) };
        let endpoint = |url: String| Endpoint::parse(&url).map_err(|_| Unasked::NoHost);
        let (what, to) = if method == "CONNECT" {
            if target.contains(['/', '?', '#', '@']) {
                return Err(Unasked::NoHost);
            }
            (What::Tunnel, endpoint(format!("wss://{target}"))?)
        } else {
            let (authority, path) = absolute(target)?;
            let to = endpoint(format!("ws://{authority}"))?;
            let minor = head.version.unwrap_or(1);
            let request = Request { method: method.to_owned(), path, minor, headers: kept(head.headers) };
            (What::Request(request), to)
        };
        let mut all = read.split().freeze();
        let rest = all.split_off(length);
        Ok(Some(Self { what, to, rest }))
    }
}

impl Request {
    /// Writes the head for `to`. With `single`, says that there is no other request behind it, unless it may become a WebSocket.
    pub(super) fn head(&self, to: &Endpoint, single: bool) -> Vec<u8> {
        let single = single && !self.is_socket();
        let Self { method, path, minor, .. } = self;
        let mut head = format!("{method} {path} HTTP/1.{minor}\r\nHost: {}\r\n", to.authority());
        if single {
            head.push_str("Connection: close\r\n");
        }
        let mut head = head.into_bytes();
        // Nobody changes to another protocol over a connection that ends.
        let hop = ["connection", "keep-alive", "upgrade", "http2-settings"];
        let is_kept = |name: &str| !single || !hop.iter().any(|hop| name.eq_ignore_ascii_case(hop));
        for (name, value) in self.headers.iter().filter(|(name, _)| is_kept(name)) {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Returns whether the connection may become a WebSocket.
    pub(super) fn is_socket(&self) -> bool {
        let has = |name: &str| self.headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
        let is_websocket = |(name, value): &(String, Vec<u8>)| {
            name.eq_ignore_ascii_case("upgrade") && value.trim_ascii().eq_ignore_ascii_case(b"websocket")
        };
        self.method == "GET"
            && self.headers.iter().any(is_websocket)
            && !has("content-length")
            && !has("transfer-encoding")
    }
}

/// Takes the target of a request to a proxy apart: host and port, path and query.
fn absolute(target: &str) -> Result<(&str, String), Unasked> {
    if target.starts_with('/') || target == "*" {
        return Err(Unasked::NoProxy);
    }
    let scheme =
        |scheme: &str| target.get(..scheme.len()).is_some_and(|found| found.eq_ignore_ascii_case(scheme));
    let found = ["http://", "ws://"].into_iter().find(|known| scheme(known)).ok_or(Unasked::NoHost)?;
    let rest = &target[found.len()..];
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    if authority.contains('@') || path.contains('#') {
        return Err(Unasked::NoHost);
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((authority, format!("{slash}{path}")))
}

/// Keeps what is not for the proxy: neither its credentials nor what it should do with the connection.
fn kept(headers: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let for_proxy = ["host", "proxy-authorization", "proxy-connection", "proxy-authenticate"];
    let kept =
        headers.iter().filter(|header| !for_proxy.iter().any(|name| header.name.eq_ignore_ascii_case(name)));
    kept.map(|header| (header.name.to_owned(), header.value.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Asked, Unasked> {
        Asked::parse(&mut BytesMut::from(text)).map(|asked| asked.expect("it is complete"))
    }

    #[test]
    fn tunnel_leads_to_a_host_and_keeps_what_comes_behind() {
        let asked =
            parse("CONNECT tenant.example:443 HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\n\r\nabc")
                .unwrap();
        assert!(matches!(asked.what, What::Tunnel));
        assert_eq!((asked.to.host(), asked.to.port(), &asked.rest[..]), ("tenant.example", 443, &b"abc"[..]));
        assert_eq!(parse("CONNECT [::1]:8080 HTTP/1.1\r\n\r\n").unwrap().to.port(), 8080);
    }

    #[test]
    fn request_is_written_for_its_host_without_what_was_for_the_proxy() {
        let asked = parse(
            "POST http://Host.example:8080?x=1 HTTP/1.1\r\nHost: other\r\nProxy-Authorization: Basic eA==\r\n\
             Proxy-Connection: keep-alive\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
        )
        .unwrap();
        let What::Request(request) = &asked.what else { panic!("{asked:?}") };
        let head = |single| String::from_utf8(request.head(&asked.to, single)).unwrap();
        assert_eq!(
            head(true),
            "POST /?x=1 HTTP/1.1\r\nHost: host.example:8080\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
        );
        assert!(head(false).contains("\r\nConnection: keep-alive\r\n"));
        assert_eq!(&asked.rest[..], b"abc");
    }

    #[test]
    fn upgrade_stays_one() {
        let asked =
            parse("GET ws://h/app HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
        let What::Request(request) = &asked.what else { panic!("{asked:?}") };
        let head = String::from_utf8(request.head(&asked.to, true)).unwrap();
        assert!(head.contains("Connection: Upgrade\r\n") && !head.contains("close"), "{head}");
    }

    #[test]
    fn what_is_no_request_to_a_proxy_is_told_apart() {
        for (text, why) in [
            ("GET / HTTP/1.1\r\n\r\n", Unasked::NoProxy),
            ("OPTIONS * HTTP/1.1\r\n\r\n", Unasked::NoProxy),
            ("GET https://h/ HTTP/1.1\r\n\r\n", Unasked::NoHost),
            ("GET http://u:p@h/ HTTP/1.1\r\n\r\n", Unasked::NoHost),
            ("GET http:// HTTP/1.1\r\n\r\n", Unasked::NoHost),
            ("CONNECT / HTTP/1.1\r\n\r\n", Unasked::NoHost),
            ("CONNECT h:99999 HTTP/1.1\r\n\r\n", Unasked::NoHost),
            ("\x16\x03\x01\x02", Unasked::NoHttp),
        ] {
            assert_eq!(Asked::parse(&mut BytesMut::from(text)).unwrap_err(), why, "{text}");
        }
        assert!(Asked::parse(&mut BytesMut::from("CONNECT h")).unwrap().is_none());
    }

    #[tokio::test]
    async fn head_that_does_not_end_is_given_up() {
        let mut endless = tokio::io::repeat(b'a');
        assert!(Asked::read(&mut endless).await.is_err());
        let text = format!("GET http://h/ HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
        assert_eq!(Asked::read(&mut text.as_bytes()).await.unwrap_err(), Unasked::TooLong);
        assert_eq!(Asked::read(&mut &b"GET"[..]).await.unwrap_err(), Unasked::Gone);
    }
}
