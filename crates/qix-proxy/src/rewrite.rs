//! What becomes of a client's headers on their way upstream.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
    request,
};
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
        headers.extend(passed_on(&client.headers, &[HOST, CONTENT_LENGTH]));
        for name in self.remove.iter().filter(|name| **name != HOST) {
            headers.remove(name);
        }
        // Whoever comes to the upstream by its own name has the origin of another page, if not of the upstream's.
        if headers.contains_key(ORIGIN)
            && !client.headers.get(HOST).is_some_and(|host| is_for(host, endpoint))
        {
            headers.insert(ORIGIN, value(&endpoint.origin()));
        }
        proof.apply(&mut request)?;
        let headers = request.headers_mut();
        for name in self.add.keys() {
            headers.remove(name);
        }
        headers.extend(self.add.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, value(key));
        Ok(request)
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
pub(crate) fn passed_on(headers: &HeaderMap, without: &[HeaderName]) -> HeaderMap {
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
    let passed = headers.iter().filter(|(name, _)| is_passed(name));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
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
