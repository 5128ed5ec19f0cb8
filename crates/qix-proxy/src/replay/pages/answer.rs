//! Makes a recorded answer one of the port that replays it.

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, ORIGIN, SET_COOKIE,
        TRANSFER_ENCODING, VARY,
    },
    request,
};
use qix_transport::Endpoint;
use serde::{Deserialize, Serialize};

use super::index::{Pages, header, is_masked};
use crate::{
    rewrite::{Mapping, for_client},
    routes::{Route, Routes},
};

/// What stands for cookies that were taken out of the recording, so that a client has one after a login and none before it.
const COOKIE: &str = "qix-replay=replayed; Path=/; HttpOnly; SameSite=Lax";
const NO_COOKIE: &str = "qix-replay=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";

/// In a recording with more hosts than this, redirects to the others stay as they are.
const MOST_HOSTS: usize = 32;

/// The recorded headers of an exchange, as far as its answer needs them.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Head {
    host: String,
    origin: Option<String>,
    response: Vec<(String, String)>,
    /// Whether the body is not compressed any more.
    decoded: bool,
}

impl Head {
    pub(super) fn new(request: &[(String, String)], response: &[(String, String)], decoded: bool) -> Self {
        Self {
            host: header(request, "host").unwrap_or_default().to_owned(),
            origin: header(request, "origin").map(str::to_owned),
            response: response.to_vec(),
            decoded,
        }
    }

    /// Writes it, to be kept.
    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was written.
    pub(super) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

/// What stood behind the recorder.
#[derive(Debug, Default)]
pub(super) enum Upstreams {
    /// Engines by path.
    Routes(Routes),
    /// Those that requests named: the recorder was a forward proxy, or does not say.
    #[default]
    Hosts,
}

impl Upstreams {
    /// Reads the header's `upstream`.
    pub(super) fn new(upstream: &str) -> Self {
        let (mut default, mut maps) = (None, Vec::new());
        for part in upstream.split(", ") {
            let (path, url) = match part.strip_prefix('/').and_then(|map| map.split_once('=')) {
                Some((path, url)) => (Some(format!("/{path}")), url),
                None => (None, part),
            };
            match (path, Endpoint::parse(url)) {
                (_, Err(_)) => return Self::Hosts,
                (Some(path), Ok(endpoint)) => maps.push((path, endpoint)),
                (None, Ok(endpoint)) => default = Some(endpoint),
            }
        }
        Routes::new(default.as_ref(), &maps).map_or(Self::Hosts, Self::Routes)
    }

    /// Returns whether the host that a request names says where it leads.
    pub(super) fn by_host(&self) -> bool {
        matches!(self, Self::Hosts)
    }
}

/// A live request, as far as its answer depends on it.
#[derive(Debug)]
pub(super) struct Live<'a> {
    pub(super) head: &'a request::Parts,
    /// Whether it came over TLS.
    pub(super) secure: bool,
}

impl Pages {
    /// Makes an answer, without its body, of the recorded `head` and `status`.
    pub(super) fn answer(&self, head: &Head, status: u16, live: &Live<'_>) -> Response<()> {
        let mut headers = HeaderMap::with_capacity(head.response.len());
        let mut cookies = false;
        for (name, value) in &head.response {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(&**name), HeaderValue::try_from(&**value))
            else {
                continue;
            };
            match name {
                CONTENT_LENGTH | TRANSFER_ENCODING => {}
                CONTENT_ENCODING if head.decoded => {}
                SET_COOKIE if value.to_str().is_ok_and(is_masked) => cookies = true,
                _ => _ = headers.append(name, value),
            }
        }
        let mut headers = self.mapped(headers, head, live);
        if cookies {
            let cookie = if is_logout(live.head) { NO_COOKIE } else { COOKIE };
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        // A page that was let in as the recorded one may come from elsewhere now.
        if let (Some(recorded), Some(origin)) = (&head.origin, live.head.headers.get(ORIGIN))
            && header(&head.response, "access-control-allow-origin") == Some(recorded)
        {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        if head.response.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        let mut response = Response::new(());
        // 101 is no answer to these requests, and hyper takes none below it.
        *response.status_mut() = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.as_u16() >= 200)
            .unwrap_or(StatusCode::BAD_GATEWAY);
        *response.headers_mut() = headers;
        response
    }

    /// Answers what a browser asks before a page of another origin may ask for this: as the recorded answer of the same path lets it.
    pub(super) fn preflight(&self, head: &Head, live: &Live<'_>) -> Option<Response<()>> {
        let asked = &live.head.headers;
        let method = asked.get(ACCESS_CONTROL_REQUEST_METHOD)?.clone();
        let recorded = self.answer(head, 204, live);
        let allowed = recorded.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN)?.clone();
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method);
        headers.insert(VARY, HeaderValue::from_static("origin"));
        if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        if let Some(with) = recorded.headers().get(ACCESS_CONTROL_ALLOW_CREDENTIALS) {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, with.clone());
        }
        Some(response)
    }

    /// Gives headers that name the upstream our name.
    fn mapped(&self, headers: HeaderMap, head: &Head, live: &Live<'_>) -> HeaderMap {
        let (host, target) = (live.head.headers.get(HOST), live.head.uri.path());
        if let Upstreams::Routes(routes) = &self.upstreams {
            return match routes.find(target) {
                Some(route) => for_client(&headers, &Mapping::new(live.secure, host, route, routes)),
                None => headers,
            };
        }
        let Some(route) = whole(&head.host, head.origin.as_deref()) else { return headers };
        let routes = Routes::elsewhere(String::new());
        let mut headers = for_client(&headers, &Mapping::new(live.secure, host, &route, &routes));
        // A login that led to another recorded host leads there by us.
        for other in self.hosts().take(MOST_HOSTS).filter(|other| *other != head.host) {
            let Some(location) = headers.get(LOCATION).and_then(|location| location.to_str().ok()) else {
                break;
            };
            let Some(route) = whole(other, location.starts_with("http:").then_some(location)) else {
                continue;
            };
            if let Some(ours) = Mapping::new(live.secure, host, &route, &routes).down(location)
                && ours.starts_with("http")
                && let Ok(ours) = HeaderValue::try_from(ours)
            {
                headers.insert(LOCATION, ours);
            }
        }
        headers
    }
}

/// Returns where a host is that a client named; `like` is a URL of the same scheme.
fn whole(host: &str, like: Option<&str>) -> Option<Route> {
    let scheme = if like.is_some_and(|like| like.starts_with("http:")) { "ws" } else { "wss" };
    Endpoint::parse(&format!("{scheme}://{host}")).ok().map(Route::whole)
}

/// Returns whether a request ends a session: whether its cookies were set or taken away, a recording does not tell.
fn is_logout(request: &request::Parts) -> bool {
    let path = request.uri.path().to_ascii_lowercase();
    request.method == http::Method::DELETE && path.ends_with("/qps/user")
        || path.split('/').any(|part| matches!(part, "logout" | "signout" | "logoff"))
}
