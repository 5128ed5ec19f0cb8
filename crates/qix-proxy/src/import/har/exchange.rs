//! The request and the answer of an entry, as a recording has them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, UPGRADE},
};
use qix_protocol::frame::{Raw, elements, members};

use super::time;

/// A request or an answer, as far as both have the same.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// A body, as far as the HAR has it.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Body {
    /// `None` if it is not in the HAR.
    pub(super) bytes: Option<Vec<u8>>,
    /// How many bytes crossed, if there were any.
    pub(super) total: u64,
    pub(super) cut: bool,
    /// The compression that the tool has undone.
    pub(super) decoded: Option<String>,
    /// The file beside the HAR that has the body.
    pub(super) file: Option<String>,
    /// What had to be done to it.
    pub(super) fault: Option<&'static str>,
}

/// Where a request went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Target {
    /// In lower case.
    pub(super) scheme: String,
    /// Host and port.
    pub(super) host: String,
    /// Path and query.
    pub(super) path: String,
}

impl Half {
    /// Reads `request` or `response`.
    pub(super) fn read(value: Raw<'_>) -> Self {
        let mut half = Self::default();
        let (mut content, mut size, mut failure) = (None, None, None);
        for (name, value) in members(value) {
            match &*name {
                "method" => half.method = value.decode().unwrap_or_default(),
                "url" => half.url = value.decode().unwrap_or_default(),
                // 0 and −1 say that there was no answer.
                "status" => half.status = value.as_integer().filter(|status| *status >= 100),
                "headers" => half.headers = headers(value),
                "postData" | "content" => content = Some(value),
                "bodySize" => size = value.as_integer(),
                "_error" | "_failureText" => failure = value.decode::<Option<String>>().ok().flatten(),
                _ => {}
            }
        }
        half.error = failure.filter(|error| !error.is_empty());
        half.body = Body::read(content, size, &mut half.headers);
        half
    }

    /// Returns whether the headers ask for a WebSocket.
    pub(super) fn asks_for_socket(&self) -> bool {
        let is = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
        self.headers.get(UPGRADE).is_some_and(is)
    }
}

impl Body {
    fn read(content: Option<Raw<'_>>, crossed: Option<u64>, headers: &mut HeaderMap) -> Self {
        let mut body = Self::default();
        let (mut text, mut encoding, mut size, mut params) = (None, String::new(), None, None);
        let (mut kind, mut saved) = (None, 0);
        for (name, value) in content.into_iter().flat_map(members) {
            match &*name {
                "text" => text = value.decode::<String>().ok(),
                "encoding" | "_encoding" => encoding = value.decode().unwrap_or_default(),
                "size" => size = value.as_integer::<u64>(),
                "_cut" => body.cut = value.as_bytes() == b"true",
                "_file" => body.file = value.decode().ok(),
                "params" => params = Some(value),
                // Below zero if the compressed body is the larger one, whose size some tools have.
                "compression" => saved = value.as_integer::<i64>().unwrap_or_default(),
                "mimeType" => kind = value.decode::<String>().ok(),
                _ => {}
            }
        }
        if text.as_deref().unwrap_or_default().is_empty()
            && let Some(form) = params.and_then(form)
        {
            text = Some(form);
            // Whatever it was: secrets are looked for by what a body is called.
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        }
        if text.as_ref().is_some_and(|text| !text.is_empty()) {
            say_kind(headers, kind.as_deref().unwrap_or_default());
        }
        let is_text = size == Some(0) || body.cut;
        let size = size.unwrap_or_default();
        let least = size.saturating_add_signed(saved.min(0));
        let is_base64 = encoding.eq_ignore_ascii_case("base64");
        let mut is_packed = false;
        let bytes = text.map(|text| match is_base64 {
            true => STANDARD.decode(text.trim()).unwrap_or_else(|_| {
                body.fault = Some("what is marked as base64 is not, and is taken as it is");
                text.into_bytes()
            }),
            false => {
                let is_wide = is_wide(headers);
                body.cut |= least > text.len() as u64 + BYTE_ORDER_MARK && !is_wide;
                if is_wide || !text.is_ascii() {
                    say_utf8(headers);
                }
                text.into_bytes()
            }
        });
        body.total = crossed.filter(|crossed| *crossed > 0).unwrap_or(size);
        // An empty text stands for a body that is not there, too.
        body.bytes = bytes.filter(|bytes| !bytes.is_empty() || is_text || size == 0 && body.total == 0);
        if let Some(bytes) = &body.bytes {
            let encodings: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().collect();
            if let [one] = encodings[..] {
                let one = String::from_utf8_lossy(one.as_bytes()).trim().to_ascii_lowercase();
                let still = bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
                body.decoded = Some(one).filter(|one| !one.is_empty() && one != "identity" && !still);
                is_packed = still;
            }
            // What crossed compressed, and still is, may be called as large as it was before.
            body.cut |= body.fault.is_none() && is_base64 && !is_packed && least > bytes.len() as u64;
            if body.total == 0 {
                body.total = bytes.len() as u64;
            }
        }
        body
    }
}

/// Headers of one message, at most: maps of them hold no more than three times as many.
const MOST_HEADERS: usize = 10_000;
/// Values of one header, at most.
const MOST_VALUES: usize = 10_000;

/// What forms are called.
const FORM: &str = "application/x-www-form-urlencoded";

/// What browsers take off a text.
const BYTE_ORDER_MARK: u64 = 3;

/// Returns whether the text takes more bytes in the encoding in which it crossed than it does in UTF-8.
fn is_wide(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.to_ascii_lowercase().contains("utf-16")
}

/// Says what a body is, if its headers do not.
fn say_kind(headers: &mut HeaderMap, kind: &str) {
    // Chrome's word for what it does not know.
    let known = Some(kind.trim()).filter(|kind| kind.contains('/') && *kind != "x-unknown");
    if !headers.contains_key(CONTENT_TYPE)
        && let Some(kind) = known.and_then(|kind| HeaderValue::try_from(kind).ok())
    {
        headers.insert(CONTENT_TYPE, kind);
    }
}

/// Changes the encoding that headers name to that in which HARs have texts.
fn say_utf8(headers: &mut HeaderMap) {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return };
    let is_charset = |part: &str| part.trim().to_ascii_lowercase().starts_with("charset=");
    let named = kind.split(';').find(|part| is_charset(part)).map(|part| part.trim().to_ascii_lowercase());
    if named.is_none_or(|named| named.contains("utf-8") || named.contains("utf8")) {
        return;
    }
    let parts = kind.split(';').map(|part| if is_charset(part) { " charset=utf-8" } else { part });
    if let Ok(kind) = HeaderValue::try_from(parts.collect::<Vec<_>>().join(";")) {
        headers.insert(CONTENT_TYPE, kind);
    }
}

/// Makes a form of its parameters.
fn form(params: Raw<'_>) -> Option<String> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for param in elements(params) {
        let text = |name| param.member(name).and_then(|value| value.decode::<String>().ok());
        form.append_pair(&text("name")?, &text("value").unwrap_or_default());
    }
    Some(form.finish()).filter(|form| !form.is_empty())
}

/// Reads headers: an array of names and values, or an object. Those of HTTP/2 that are no headers are left out, but for the host.
fn headers(value: Raw<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs: Vec<(String, Option<String>)> = if value.as_bytes().starts_with(b"{") {
        members(value).map(|(name, value)| (name.into_owned(), value.decode().ok())).collect()
    } else {
        let text = |pair: Raw<'_>, name| pair.member(name).and_then(|value| value.decode::<String>().ok());
        elements(value).filter_map(|pair| Some((text(pair, "name")?, text(pair, "value")))).collect()
    };
    for (name, values) in pairs.into_iter().take(MOST_HEADERS) {
        let name = match &*name {
            ":authority" => HOST,
            name => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) => name,
                Err(_) => continue,
            },
        };
        if name == HOST && headers.contains_key(HOST) {
            continue;
        }
        // Browsers write several values of one header as lines.
        for value in values.unwrap_or_default().split('\n').take(MOST_VALUES) {
            if let Ok(value) = HeaderValue::from_bytes(value.trim().as_bytes()) {
                headers.append(&name, value);
            }
        }
    }
    headers
}

impl Target {
    /// Takes a URL apart; `None` if it has no host.
    pub(super) fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let host = host.rsplit('@').next().unwrap_or_default();
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        let scheme = scheme.to_ascii_lowercase();
        (!host.is_empty()).then(|| Self { scheme, host: host.to_owned(), path: format!("{slash}{path}") })
    }

    /// Returns whether it is something that crosses a network.
    pub(super) fn is_web(&self) -> bool {
        matches!(&*self.scheme, "http" | "https" | "ws" | "wss")
    }

    /// Returns the engine's URL.
    pub(super) fn engine(&self) -> String {
        let scheme = if matches!(&*self.scheme, "https" | "wss") { "wss" } else { "ws" };
        format!("{scheme}://{}/", self.host)
    }
}

/// Reads how long an exchange took and how long its answer was waited for, both in microseconds.
pub(super) fn durations(total: Option<Raw<'_>>, timings: Option<Raw<'_>>) -> (Option<u64>, Option<u64>) {
    let total = time::of_span(total);
    let timing = |name| time::of_span(timings.and_then(|timings| timings.member(name)));
    let receive = timing("wait").and_then(|_| timing("receive"));
    (total, total.zip(receive).map(|(total, receive)| total.saturating_sub(receive)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(text: &str) -> Half {
        Half::read(Raw::new(text.as_bytes()).unwrap())
    }

    #[test]
    fn urls_are_taken_apart_as_they_are_written() {
        let target = |url| Target::read(url).map(|target| (target.scheme, target.host, target.path));
        let parts = |scheme: &str, host: &str, path: &str| Some((scheme.into(), host.into(), path.into()));
        assert_eq!(target("WSS://u:p@h:4848/a%20b?x=/y#z"), parts("wss", "h:4848", "/a%20b?x=/y"));
        assert_eq!(target("http://h?x"), parts("http", "h", "/?x"));
        assert_eq!((target("data:text/plain,x"), target("about:blank")), (None, None));
        assert!(!Target::read("chrome-extension://abc/x.js").unwrap().is_web());
    }

    #[test]
    fn pseudo_headers_make_the_host_and_lines_make_several_values() {
        let half = half(
            r#"{"headers":[{"name":":method","value":"GET"},{"name":":authority","value":"h"},{"name":"Set-Cookie","value":"a=1\nb=2"},{"name":"X","value":null}]}"#,
        );
        let found: Vec<_> = half.headers.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        assert_eq!(found, [r#"host="h""#, r#"set-cookie="a=1""#, r#"set-cookie="b=2""#, r#"x="""#]);
    }

    #[test]
    fn body_is_whole_cut_or_missing_by_what_sizes_say() {
        let body = |content: &str, size: i64, headers: &str| {
            half(&format!(r#"{{"headers":{headers},"content":{content},"bodySize":{size}}}"#)).body
        };
        let none = "[]";
        let gzip = r#"[{"name":"Content-Encoding","value":"gzip"}]"#;
        let whole = body(r#"{"size":5,"text":"hello"}"#, 5, none);
        assert_eq!((whole.bytes.as_deref(), whole.total, whole.cut), (Some(&b"hello"[..]), 5, false));
        let packed = body(r#"{"size":500,"text":"hello"}"#, 3, gzip);
        assert!(packed.cut && packed.total == 3 && packed.decoded.as_deref() == Some("gzip"));
        // As mitmproxy has it: the size is that of the compressed body.
        let small = body(r#"{"size":3,"text":"hello","compression":2}"#, 3, gzip);
        assert!(!small.cut && small.total == 3);
        let tiny = body(r#"{"size":22,"text":"{}","compression":-20}"#, 22, gzip);
        assert!(!tiny.cut && tiny.total == 22);
        let missing = body(r#"{"size":5,"mimeType":"text/plain"}"#, -1, none);
        assert_eq!((missing.bytes, missing.total), (None, 5));
        assert_eq!(body(r#"{"size":5,"text":""}"#, -1, none).bytes, None);
        let empty = body(r#"{"size":0}"#, 0, none);
        assert_eq!((empty.bytes, empty.total), (None, 0));
        let binary = body(r#"{"size":2,"text":"/wA=","encoding":"base64"}"#, 2, none);
        assert_eq!(binary.bytes.as_deref(), Some(&[255, 0][..]));
        assert!(body(r#"{"text":"?!","encoding":"base64"}"#, 2, none).fault.is_some());
        // Nobody has undone it.
        assert_eq!(body(r#"{"text":"H4sIAAAA","encoding":"base64"}"#, 6, gzip).decoded, None);
    }

    #[test]
    fn more_headers_than_a_map_holds_do_no_harm() {
        let all: Vec<String> = (0..50_000).map(|at| format!(r#"{{"name":"x-{at}","value":"1"}}"#)).collect();
        assert!(half(&format!(r#"{{"headers":[{}]}}"#, all.join(","))).headers.len() >= 1000);
        let lines = vec!["1"; 50_000].join("\\n");
        assert!(half(&format!(r#"{{"headers":{{"x":"{lines}"}}}}"#)).headers.len() >= 1000);
    }

    #[test]
    fn base64_that_is_shorter_than_its_size_is_cut() {
        let body = half(r#"{"headers":[],"content":{"size":9,"text":"/wAB","encoding":"base64"}}"#).body;
        assert!(body.cut, "{body:?}");
    }

    #[test]
    fn kind_of_a_body_that_no_header_names_is_the_one_beside_it() {
        let half = half(r#"{"headers":[],"content":{"size":1,"text":"1","mimeType":"text/javascript"}}"#);
        assert_eq!(half.headers["content-type"], "text/javascript");
    }

    #[test]
    fn form_without_its_text_is_made_of_its_parameters() {
        let body =
            half(r#"{"postData":{"mimeType":"x","params":[{"name":"a b","value":"1&2"},{"name":"c"}]}}"#)
                .body;
        assert_eq!(body.bytes.as_deref(), Some(&b"a+b=1%262&c="[..]));
    }

    #[test]
    fn text_of_another_encoding_is_called_what_it_has_become() {
        let half = half(
            r#"{"headers":[{"name":"content-type","value":"text/html; charset=ISO-8859-1"}],"content":{"size":1,"text":"é"}}"#,
        );
        assert_eq!(half.headers["content-type"], "text/html; charset=utf-8");
        // Letters that are the same everywhere are not in UTF-16.
        let wide = self::half(
            r#"{"headers":[{"name":"content-type","value":"text/csv; charset=utf-16"}],"content":{"size":4,"text":"a"}}"#,
        );
        assert_eq!(wide.headers["content-type"], "text/csv; charset=utf-8");
    }
}
