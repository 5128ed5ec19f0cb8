//! Takes secrets out of URLs before anybody sees them.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What JavaScript's `encodeURIComponent` escapes, which is the rule Qlik clients use for path segments and query values.
pub(crate) const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What stands in the place of a secret.
const MASK: &str = "***";

/// How many URLs inside URLs are opened. Deeper ones are masked whole, so that the text cannot make this recurse without end.
const MAX_DEPTH: u8 = 4;

/// Query parameters whose values are credentials, in lower case.
const SECRET_PARAMETERS: &[&str] = &[
    "access_token",
    "accesstoken",
    "api_key",
    "apikey",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "csrf-token",
    "csrf_token",
    "csrftoken",
    "device_code",
    "id_token",
    "jwt",
    "password",
    "proxyticket",
    "qlik-csrf-token",
    "qlikticket",
    "refresh_token",
    "samlresponse",
    "secret",
    "state",
    "subject_token",
    "ticket",
    "token",
    "x-qlik-proxysession",
    "x-qlik-session",
    "x-qlik-ticket",
    "x-qlik-xrfkey",
    "xrfkey",
];

/// Returns whether the value of the query parameter `name` is a credential; case does not matter.
///
/// ```
/// use qix_transport::is_secret_parameter;
///
/// assert!(is_secret_parameter("QlikTicket"));
/// assert!(!is_secret_parameter("workloadType"));
/// ```
pub fn is_secret_parameter(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    SECRET_PARAMETERS.binary_search(&name.as_str()).is_ok()
}

/// Returns `url` with each credential in it replaced by `***`; everything else stays as it is, byte for byte.
///
/// Credentials are the values of [secret parameters](is_secret_parameter) wherever `name=value` stands, in the query, in the
/// fragment or glued to a path that has no `?`, and `user:password@` before a host. URLs inside percent-encoded values, as in
/// `reloadUri`, are treated the same way. Any text is accepted, also a path alone.
///
/// ```
/// use qix_transport::redact_url;
///
/// assert_eq!(redact_url("wss://host/app/x?qlikTicket=abc&ttl=1"), "wss://host/app/x?qlikTicket=***&ttl=1");
/// ```
pub fn redact_url(url: &str) -> String {
    redact_url_where(url, &|_| false)
}

/// Returns `url` as [`redact_url`] does, with the values of those query parameters masked too whose names `more` says are secret.
///
/// ```
/// use qix_transport::redact_url_where;
///
/// assert_eq!(redact_url_where("wss://host/?sid=abc&ttl=1", &|name| name == "sid"), "wss://host/?sid=***&ttl=1");
/// ```
pub fn redact_url_where(url: &str, more: &dyn Fn(&str) -> bool) -> String {
    redact(url, more, 0).into_owned()
}

fn redact<'t>(text: &'t str, more: &dyn Fn(&str) -> bool, depth: u8) -> Cow<'t, str> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['/', '?', '&', '#', ';']).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        rest = match piece.split_once('=') {
            Some((name, _)) if ends_in_secret_name(name, more) => {
                out.extend([name, "=", MASK]);
                // A secret may itself hold any of the other delimiters, as base64 and tickets do.
                &rest[rest.find('&').unwrap_or(rest.len())..]
            }
            Some((name, value)) => {
                out.extend([name, "=", &nested(value, more, depth)]);
                tail
            }
            None => {
                out.push_str(&nested(piece, more, depth));
                tail
            }
        };
        if let Some(delimiter) = rest.chars().next() {
            out.push(delimiter);
            rest = &rest[delimiter.len_utf8()..];
        }
    }
    // Last, because a secret may hold an `@`, which would make a user of the parameter's name.
    let out = mask_user_info(&out);
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out.into_owned()) }
}

/// Returns whether `text`, which stands before a `=`, is a secret parameter's name, or ends in one behind encoded delimiters.
fn ends_in_secret_name(text: &str, more: &dyn Fn(&str) -> bool) -> bool {
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_DEPTH {
        let name = text.rsplit(['/', '?', '&', '#', ';', '=']).next().unwrap_or_default();
        if is_secret_parameter(name) || more(name) {
            return true;
        }
        if !text.contains('%') {
            return false;
        }
        text = Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned());
    }
    // Nobody encodes a name so often without wanting to hide it.
    true
}

/// Redacts what a percent-encoded value holds, and leaves the value alone if that is nothing.
fn nested<'t>(value: &'t str, more: &dyn Fn(&str) -> bool, depth: u8) -> Cow<'t, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let decoded = percent_decode_str(value).decode_utf8_lossy();
    if decoded == value {
        return Cow::Borrowed(value);
    }
    if depth == MAX_DEPTH {
        return Cow::Borrowed(MASK);
    }
    let redacted = redact(&decoded, more, depth + 1);
    if redacted == decoded {
        return Cow::Borrowed(value);
    }
    Cow::Owned(utf8_percent_encode(&redacted, COMPONENT).to_string())
}

/// Masks `user:password@` after each `//`.
fn mask_user_info(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for (slashes, _) in text.match_indices("//") {
        let start = slashes + 2;
        if start < copied {
            continue;
        }
        let authority = &text[start..];
        let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
        // The last `@` counts: a password may hold one, a host may not.
        if let Some(at) = authority.rfind('@') {
            out.extend([&text[copied..start], MASK]);
            copied = start + at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(url: &str, expected: &str) {
        assert_eq!(redact_url(url), expected);
        assert_eq!(redact_url(expected), expected, "redacting twice changes nothing");
    }

    #[test]
    fn parameter_list_is_sorted() {
        assert!(SECRET_PARAMETERS.is_sorted());
    }

    #[test]
    fn every_credential_parameter_is_masked() {
        let spelled = ["qlikTicket", "QlikTicket", "accessToken", "X-Qlik-Xrfkey", "SAMLResponse"];
        for name in SECRET_PARAMETERS.iter().copied().chain(spelled) {
            check(
                &format!("wss://h/app/x?a=1&{name}=s3cret&b=2"),
                &format!("wss://h/app/x?a=1&{name}=***&b=2"),
            );
            check(&format!("/app/x?{name}=s3cret"), &format!("/app/x?{name}=***"));
        }
    }

    #[test]
    fn harmless_urls_stay_byte_for_byte() {
        for url in [
            "ws://localhost:4848/app/C%3A%5CUsers%5Cme%5CSales.qvf/identity/a%2Fb/ttl/0?",
            "wss://t.eu.qlikcloud.com/app/SessionApp_1?from=abc&workloadType=interactive-reload",
            "/app/%3Ftransient%3D/identity/1",
            "http://[::1]:9076",
            "reloadUri=https%3A%2F%2Fh%2Fsense%2Fapp%2F1",
            "100%",
            "",
        ] {
            check(url, url);
        }
    }

    #[test]
    fn ticket_nested_in_an_encoded_reload_uri_is_masked() {
        check(
            "wss://h/app/x?reloadUri=https%3A%2F%2Fh%2Fhub%3FqlikTicket%3DabcDEF%26x%3D1&y=2",
            "wss://h/app/x?reloadUri=https%3A%2F%2Fh%2Fhub%3FqlikTicket%3D***%26x%3D1&y=2",
        );
        check(
            "/x?reloadUri=https%3A%2F%2Fh%2F%3Fu%3Dhttps%253A%252F%252Fh%252F%253Fcode%253Dabc",
            "/x?reloadUri=https%3A%2F%2Fh%2F%3Fu%3Dhttps%253A%252F%252Fh%252F%253Fcode%253D***",
        );
    }

    #[test]
    fn ticket_nested_in_a_login_uri_is_masked_encoded_or_not() {
        check(
            "/x?loginUri=https%3A%2F%2Fh%2Fform%2F%3FtargetId%3D1%26QlikTicket%3Dabc",
            "/x?loginUri=https%3A%2F%2Fh%2Fform%2F%3FtargetId%3D1%26QlikTicket%3D***",
        );
        check(
            "/x?loginUri=https://h/form/?a=1&qlikTicket=abc",
            "/x?loginUri=https://h/form/?a=1&qlikTicket=***",
        );
        check("/x?loginUri=https://h/?xrfkey=abc&b=1", "/x?loginUri=https://h/?xrfkey=***&b=1");
    }

    #[test]
    fn reload_uri_inside_a_login_uri_is_opened_too() {
        check(
            "/x?loginUri=https%3A%2F%2Fh%2F%3FreloadUri%3Dhttps%253A%252F%252Fg%252F%253Fcode%253Dabc%2526d%253D1",
            "/x?loginUri=https%3A%2F%2Fh%2F%3FreloadUri%3Dhttps%253A%252F%252Fg%252F%253Fcode%253D***%2526d%253D1",
        );
        // Encoded more often than the URL around it, as by clients that do not look first.
        check(
            "/x?reloadUri=https%253A%252F%252Fh%252F%253Fjwt%253Dabc",
            "/x?reloadUri=https%253A%252F%252Fh%252F%253Fjwt%253D***",
        );
    }

    #[test]
    fn user_and_password_are_masked() {
        check("wss://ada:p@ss@host:1/app", "wss://***@host:1/app");
        check("/x?reloadUri=https%3A%2F%2Fada%3Apw%40h%2F", "/x?reloadUri=https%3A%2F%2F***%40h%2F");
        check("/x?u=https://ada:pw@h/", "/x?u=https://***@h/");
        check("/x?u=https://h&qlikTicket=a@b", "/x?u=https://h&qlikTicket=***");
    }

    #[test]
    fn token_glued_to_a_path_without_question_mark_is_masked() {
        check("wss://h/app/x&qlik-csrf-token=abc", "wss://h/app/x&qlik-csrf-token=***");
    }

    #[test]
    fn secret_behind_an_encoded_question_mark_is_masked() {
        check("/app/x%3FqlikTicket=abc", "/app/x%3FqlikTicket=***");
        check("/app/x%253Fa%253D1%2526qlikTicket=abc&b=1", "/app/x%253Fa%253D1%2526qlikTicket=***&b=1");
    }

    #[test]
    fn encoded_parameter_name_and_delimiters_inside_the_secret_do_not_help() {
        check("/x?qlik%54icket=abc", "/x?qlik%54icket=***");
        check("/x?xrfkey=a/b;c?d#e&f=1", "/x?xrfkey=***&f=1");
        check("/x#access_token=abc", "/x#access_token=***");
    }

    #[test]
    fn nesting_beyond_the_limit_is_masked_whole() {
        let mut url = "code=abc".to_owned();
        for _ in 0..8 {
            url = format!("u={}", utf8_percent_encode(&url, COMPONENT));
        }
        let redacted = redact_url(&url);
        assert!(redacted.contains(MASK) && !redacted.contains("abc"), "{redacted}");
    }

    proptest! {
        #[test]
        fn no_text_makes_redaction_panic_or_hides_a_ticket(
            before in prop_oneof!["\\PC*", "(code=|u=|a|%|%25|3D|26|//|[@?&#/;=])*"],
            after in "(u=|a|%|%26|//|[@?#/;=])*",
        ) {
            let redacted = redact_url(&format!("{before}&qlikTicket={after}s3cret"));
            prop_assert!(!redacted.contains("s3cret"), "{}", redacted);
        }
    }
}
