//! What becomes of headers on their way: those of a client here, those of an upstream in `answers.rs`.

mod answers;
mod mapping;

pub(crate) use answers::for_client;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, ORIGIN, REFERER,
        SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    request,
};
pub(crate) use mapping::Mapping;
use qix_transport::{AuthError, Endpoint, Proof};

use crate::record::Injected;

/// Headers that concern one hop only, and those of the WebSocket handshake, which each hop has its own of.
const HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The user's rules for headers.
#[derive(Debug)]
pub(crate) struct HeaderRules {
    /// Which of a client's headers do not go upstream.
    pub(crate) remove: Vec<HeaderName>,
    /// What goes upstream in the place of headers of the same name, be they a client's or those of credentials.
    pub(crate) add: HeaderMap,
}

impl HeaderRules {
    /// Makes the request for `target` at `endpoint` of the one that a client has sent, with `proof` and the WebSocket key of this hop.
    pub(crate) fn request<B: Default>(
        &self,
        client: &request::Parts,
        target: &str,
        endpoint: &Endpoint,
        proof: &Proof,
        key: &str,
    ) -> Result<Request<B>, AuthError> {
        let mut request = Request::new(B::default());
        // Both parts were parsed before, and no character is special at the seam; only together they may be too long.
        *request.uri_mut() = target.parse().map_err(|_| qix_transport::EndpointError::Path)?;
        // How the client spells the names of its headers.
        request.extensions_mut().clone_from(&client.extensions);
        let headers = request.headers_mut();
        headers.insert(HOST, value(endpoint.authority()));
        pass_on(&client.headers, &[HOST, CONTENT_LENGTH], headers);
        self.remove_from(headers);
        // Whoever comes to the upstream by its own name has the origin of another page, if not of the upstream's.
        if headers.contains_key(ORIGIN)
            && !client.headers.get(HOST).is_some_and(|host| is_for(host, endpoint))
        {
            headers.insert(ORIGIN, value(&endpoint.origin()));
        }
        change(headers, COOKIE, answers::cookies_up);
        proof.apply(&mut request)?;
        let headers = request.headers_mut();
        self.add_to(headers);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, value(key));
        Ok(request)
    }

    /// Makes the plain request for `endpoint` of the one that a client has sent, with `proof`. With `readable`, the answer is asked for
    /// in encodings that the recorder can undo.
    pub(crate) fn plain<B>(
        &self,
        client: &request::Parts,
        body: B,
        mapping: &Mapping<'_>,
        endpoint: &Endpoint,
        proof: &Proof,
        readable: bool,
    ) -> Result<Request<B>, AuthError> {
        let mut request = Request::new(body);
        *request.method_mut() = client.method.clone();
        let target = mapping.target(client.uri.path_and_query().map_or("/", |path| path.as_str()));
        *request.uri_mut() = target.parse().map_err(|_| qix_transport::EndpointError::Path)?;
        request.extensions_mut().clone_from(&client.extensions);
        let headers = request.headers_mut();
        headers.reserve(client.headers.len() + 2);
        headers.insert(HOST, value(endpoint.authority()));
        // Whether the body is wanted, we have told the client ourselves.
        pass_on(&client.headers, &[HOST, EXPECT], headers);
        if client.headers.contains_key(TRANSFER_ENCODING) {
            // Of methods that seldom have a body, hyper would leave it out.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            headers.extend(client.headers.get_all(TRAILER).iter().map(|names| (TRAILER, names.clone())));
        }
        if names(&client.headers, TE, "trailers") {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            headers.insert(CONNECTION, HeaderValue::from_static("TE"));
        }
        self.remove_from(headers);
        if !mapping.is_identity() {
            change(headers, ORIGIN, |origin| mapping.up(origin));
            change(headers, REFERER, |page| mapping.up(page));
            change(headers, COOKIE, answers::cookies_up);
        }
        if readable {
            change(headers, ACCEPT_ENCODING, readable_encodings);
        }
        proof.apply(&mut request)?;
        self.add_to(request.headers_mut());
        Ok(request)
    }

    fn remove_from(&self, headers: &mut HeaderMap) {
        for name in self.remove.iter().filter(|name| **name != HOST) {
            headers.remove(name);
        }
    }

    fn add_to(&self, headers: &mut HeaderMap) {
        for name in self.add.keys() {
            headers.remove(name);
        }
        headers.extend(self.add.clone());
    }

    /// Adds to `injected` what goes upstream with `proof` and by these rules, and nobody should see.
    pub(crate) fn tell(&self, proof: &Proof, injected: &mut Injected) {
        let names = self.add.keys().chain(proof.headers().keys());
        injected.headers.extend(names.filter(|name| is_secret(name)).cloned());
        let added = self.add.iter().filter(|(name, _)| is_secret(name));
        let added = added.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned().into());
        injected.secrets.extend(added.chain(proof.secrets()));
    }
}

/// Returns whether the values that users give a header are secrets. `Host` and `Origin` say where the engine is, and the
/// recording does too.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    !matches!(name.as_str(), "host" | "origin" | "user-agent")
}

/// Returns the headers that do not concern one hop only, but for those in `without`.
fn passed_on(headers: &HeaderMap, without: &[HeaderName]) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(headers.len());
    pass_on(headers, without, &mut passed);
    passed
}

/// Adds to `to` the headers that do not concern one hop only, but for those in `without`.
fn pass_on(headers: &HeaderMap, without: &[HeaderName], to: &mut HeaderMap) {
    let named: Vec<&[u8]> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let is_passed = |name: &HeaderName| {
        !HOP.contains(&name.as_str())
            && !without.contains(name)
            && !named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    for (name, value) in headers.iter().filter(|(name, _)| is_passed(name)) {
        to.append(name.clone(), value.clone());
    }
}

fn change(headers: &mut HeaderMap, name: HeaderName, map: impl Fn(&str) -> Option<String>) {
    let http::header::Entry::Occupied(mut entry) = headers.entry(name) else { return };
    for value in entry.iter_mut() {
        let new = value.to_str().ok().and_then(&map);
        if let Some(new) = new.and_then(|new| HeaderValue::try_from(new).ok()) {
            *value = new;
        }
    }
}

/// Leaves out of an `Accept-Encoding` what the recorder could not look into.
fn readable_encodings(accepted: &str) -> Option<String> {
    let is_known = |part: &&str| {
        let name = part.split(';').next().unwrap_or_default().trim();
        ["gzip", "x-gzip", "deflate", "zstd", "identity"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let known: Vec<&str> = accepted.split(',').map(str::trim).filter(is_known).collect();
    // Without the header, anything may come.
    Some(if known.is_empty() { "identity".to_owned() } else { known.join(", ") })
}

/// Returns whether a list header such as `Connection` names `token`.
pub(crate) fn names(headers: &HeaderMap, list: HeaderName, token: &str) -> bool {
    let is_token = |part: &[u8]| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
    headers.get_all(list).iter().any(|value| value.as_bytes().split(|byte| *byte == b',').any(is_token))
}

/// Returns whether a `Host` header names this endpoint, with its port or without if it may be left out.
fn is_for(host: &HeaderValue, endpoint: &Endpoint) -> bool {
    let authority = endpoint.authority();
    let Ok(host) = host.to_str() else { return false };
    let without_port = host.strip_suffix(&format!(":{}", endpoint.port())).unwrap_or(host);
    host.eq_ignore_ascii_case(authority) || without_port.eq_ignore_ascii_case(authority)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("authorities, origins and keys are visible ASCII")
}

#[cfg(test)]
mod tests {
    use http::header::SEC_WEBSOCKET_EXTENSIONS;
    use qix_transport::Headers;

    use super::*;

    fn client(headers: &[(&'static str, &'static str)]) -> request::Parts {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn request(rules: &HeaderRules, client: &request::Parts, proof: &Proof) -> Request<()> {
        let endpoint = Endpoint::parse("wss://engine.example.com:4747").unwrap();
        rules.request(client, "/x", &endpoint, proof, "ours").unwrap()
    }

    fn rules(remove: &[&'static str], add: Headers) -> HeaderRules {
        let remove = remove.iter().map(|name| HeaderName::from_static(name)).collect();
        HeaderRules { remove, add: add.as_map().clone() }
    }

    #[test]
    fn headers_are_passed_rewritten_or_left_out() {
        let client = client(&[
            ("host", "localhost:9077"),
            ("origin", "http://localhost:9077"),
            ("connection", "keep-alive, Upgrade, X-Hop"),
            ("upgrade", "websocket"),
            ("x-hop", "1"),
            ("cookie", "a=b"),
            ("authorization", "Bearer t"),
            ("user-agent", "test"),
            ("x-qlik-user", "u"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "p"),
            ("sec-websocket-key", "client's"),
            ("sec-websocket-version", "13"),
        ]);
        let request = request(&rules(&[], Headers::new()), &client, &Proof::new());
        let headers = request.headers();
        assert_eq!(headers["host"], "engine.example.com:4747");
        assert_eq!(headers["origin"], "https://engine.example.com:4747");
        assert_eq!(headers["connection"], "Upgrade");
        assert_eq!(headers["sec-websocket-key"], "ours");
        for name in ["cookie", "authorization", "user-agent", "x-qlik-user", "sec-websocket-protocol"] {
            assert_eq!(headers.get(name), client.headers.get(name), "{name}");
        }
        assert_eq!(headers.keys().filter(|name| name.as_str().starts_with("x-")).count(), 1);
        assert!(!headers.contains_key(SEC_WEBSOCKET_EXTENSIONS));
    }

    #[test]
    fn plain_requests_name_the_upstream_where_they_named_us() {
        use crate::routes::Routes;

        let endpoint = Endpoint::parse("wss://engine.example.com:4747").unwrap();
        let routes = Routes::new(Some(&endpoint), &[]).unwrap();
        let mut client = client(&[
            ("host", "localhost:9077"),
            ("origin", "http://localhost:9077"),
            ("referer", "http://localhost:9077/hub?x"),
            ("cookie", "a=b; Qix-Host-s=1"),
            ("accept-encoding", "gzip, deflate, br, zstd;q=0.5, *;q=0.1"),
            ("expect", "100-continue"),
            ("content-length", "5"),
            ("te", "trailers, gzip"),
            ("connection", "keep-alive, te"),
            ("keep-alive", "5"),
        ]);
        client.method = http::Method::PUT;
        let mapping = Mapping::new(false, client.headers.get(HOST), routes.find("/").unwrap(), &routes);
        let rules = rules(&[], Headers::new());
        let request = rules.plain(&client, (), &mapping, &endpoint, &Proof::new(), true).unwrap();
        let mut found: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        found.sort_unstable();
        assert_eq!(
            found,
            [
                ("accept-encoding", "gzip, deflate, zstd;q=0.5"),
                ("connection", "TE"),
                ("content-length", "5"),
                ("cookie", "a=b; __Host-s=1"),
                ("host", "engine.example.com:4747"),
                ("origin", "https://engine.example.com:4747"),
                ("referer", "https://engine.example.com:4747/hub?x"),
                ("te", "trailers"),
            ]
        );
        assert_eq!(request.method(), "PUT");
        assert_eq!(readable_encodings("br").as_deref(), Some("identity"));
    }

    #[test]
    fn rules_remove_what_a_client_sends_and_add_what_wins_over_all() {
        let client =
            client(&[("host", "h"), ("origin", "http://o"), ("x-a", "1"), ("x-b", "1"), ("x-c", "1")]);
        let add = Headers::new().header("X-B", "rule").unwrap().header("X-D", "rule").unwrap();
        let rules = rules(&["origin", "x-a", "x-b", "host"], add);
        let proof = Proof::new().header("x-b", "proof").unwrap().header("x-c", "proof").unwrap();
        let request = request(&rules, &client, &proof);
        let shown = |name| request.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!([shown("x-a"), shown("origin")], [None, None]);
        assert_eq!([shown("x-b"), shown("x-c"), shown("x-d")], [Some("rule"), Some("proof"), Some("rule")]);
        assert_eq!(shown("host"), Some("engine.example.com:4747"));
        assert!(request.headers().values().all(|value| value != "1"));
    }

    #[test]
    fn what_is_injected_is_told_but_for_places() {
        let add = Headers::new().header("X-Own", "s1").unwrap().header("Origin", "https://o").unwrap();
        let proof = Proof::new().header("x-key", "s2").unwrap().query("qlikTicket", "s3");
        let proof = proof.cookie("c", "s4").unwrap();
        let mut injected = Injected::default();
        rules(&[], add).tell(&proof, &mut injected);
        assert_eq!(injected.headers, ["x-own", "x-key"]);
        let secrets: Vec<_> = injected.secrets.iter().map(|secret| secret.expose()).collect();
        assert_eq!(secrets, ["s1", "s2", "s3", "s4"]);
    }
}
