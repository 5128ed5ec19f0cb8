//! Heads that two parsers could read in two ways, as far as the HTTP library shows them.

use http::{
    HeaderMap, Method, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    request,
    uri::Authority,
};

/// Says what is wrong with a request, if something is: whom it is for, or how long its body is.
pub(crate) fn fault(request: &request::Parts) -> Option<&'static str> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Some("has more than one Host");
    }
    if host.is_none() && request.version == Version::HTTP_11 {
        return Some("has no Host");
    }
    let host = host.map(|host| host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()));
    let host = match host {
        Some(Some(host)) if !host.as_str().contains('@') => Some(host),
        Some(_) => return Some("has a Host that is none"),
        None => None,
    };
    if request.method != Method::CONNECT
        && let (Some(authority), Some(host)) = (request.uri.authority(), host)
        && !authority.as_str().eq_ignore_ascii_case(host.as_str())
    {
        return Some("names one host in its first line and another in its Host");
    }
    let mut encodings = request.headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (Some(one), None) if !one.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Some("has a Transfer-Encoding other than chunked")
        }
        (Some(_), Some(_)) => Some("has more than one Transfer-Encoding"),
        _ => None,
    }
}

/// Says what is wrong with the framing of an upstream's answer, if something is.
pub(crate) fn answer_fault(headers: &HeaderMap) -> Option<&'static str> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (Some(_), Some(_)) => Some("it has more than one Transfer-Encoding"),
        (Some(one), None) if !one.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Some("it has a Transfer-Encoding other than chunked")
        }
        (Some(_), None) if headers.contains_key(CONTENT_LENGTH) => {
            Some("it has both a Content-Length and a Transfer-Encoding")
        }
        _ => {
            let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
            let first = lengths.next()?;
            let is_number = !first.is_empty() && first.as_bytes().iter().all(u8::is_ascii_digit);
            if !is_number || lengths.any(|other| other != first) {
                return Some("nobody can tell how long it is from its Content-Length");
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(version: Version, uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn requests_say_once_whom_they_are_for_and_how_long_they_are() {
        for (uri, headers, says) in [
            ("/", &[("host", "h"), ("host", "h")][..], "more than one Host"),
            ("/", &[], "no Host"),
            ("/", &[("host", "a b")], "Host that is none"),
            ("/", &[("host", "a@b")], "Host that is none"),
            ("http://h/", &[("host", "i")], "another in its Host"),
            ("/", &[("host", "h"), ("transfer-encoding", "gzip, chunked")], "other than chunked"),
            (
                "/",
                &[("host", "h"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                "more than one Transfer",
            ),
        ] {
            let found = fault(&parts(Version::HTTP_11, uri, headers)).unwrap();
            assert!(found.contains(says), "{found}");
        }
        for (uri, headers) in [
            ("/", &[("host", "[::1]:80")][..]),
            ("http://H:1/", &[("host", "h:1")]),
            ("/", &[("host", "h"), ("transfer-encoding", "Chunked")]),
        ] {
            assert_eq!(fault(&parts(Version::HTTP_11, uri, headers)), None);
        }
        assert_eq!(fault(&parts(Version::HTTP_10, "/", &[])), None);
    }

    #[test]
    fn answers_have_one_length() {
        let of = |headers: &[(&str, &str)]| answer_fault(&parts(Version::HTTP_11, "/", headers).headers);
        for headers in [
            &[("transfer-encoding", "chunked"), ("content-length", "1")][..],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "gzip")],
            &[("content-length", "1"), ("content-length", "2")],
            &[("content-length", "1, 1")],
            &[("content-length", "+1")],
        ] {
            assert!(of(headers).is_some(), "{headers:?}");
        }
        for headers in [
            &[("transfer-encoding", "chunked")][..],
            &[("content-length", "1"), ("content-length", "1")],
            &[],
        ] {
            assert_eq!(of(headers), None);
        }
    }
}
