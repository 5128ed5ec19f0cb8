//! Where the requests of a recording went, which it says in its header and in theirs.

use qix_transport::Endpoint;

use crate::record::Header;

/// A place among several that requests can have gone to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    host: usize,
    route: Option<usize>,
    /// Whether the page that asked came over plain HTTP.
    plain: bool,
}

/// Knows the origin of each request once all are known.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// Path and origin of each engine, longest paths first; empty if the recorder does not say.
    routes: Vec<(String, Origin)>,
    hosts: Vec<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    secure: bool,
    host: String,
}

impl Origins {
    pub(super) fn new(header: &Header) -> Self {
        let mut routes = Vec::new();
        for part in header.upstream.split(", ") {
            let (path, url) = match part.strip_prefix('/').and_then(|map| map.split_once('=')) {
                Some((path, url)) => (format!("/{path}"), url),
                None => ("/".to_owned(), part),
            };
            // A forward proxy names patterns.
            let Some(origin) = origin(url) else { return Self::default() };
            routes.push((path, origin));
        }
        routes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { routes, hosts: Vec::new() }
    }

    /// Takes in a request.
    pub(super) fn place(&mut self, url: &str, request: &[(String, String)]) -> Place {
        let header = |name| request.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let host = header("host").unwrap_or_default();
        let host = self.hosts.iter().position(|known| known == host).unwrap_or_else(|| {
            self.hosts.push(host.to_owned());
            self.hosts.len() - 1
        });
        let path = url.split('?').next().unwrap_or_default();
        let is_below = |prefix: &str| {
            path.strip_prefix(prefix.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let route = self.routes.iter().position(|(prefix, _)| is_below(prefix));
        let plain =
            header("origin").or_else(|| header("referer")).is_some_and(|from| from.starts_with("http:"));
        Place { host, route, plain }
    }

    /// Returns the beginning of the URL of a request for a `scheme` of `http` or `ws`.
    pub(super) fn of(&self, place: Place, scheme: &str) -> String {
        let host = &self.hosts[place.host];
        let named = self.routes.iter().find(|(_, origin)| origin.host == *host);
        // A recorder that stands in front of an engine has a name of its own: no client has called the engine by its.
        let in_front =
            !self.hosts.iter().any(|host| self.routes.iter().any(|(_, origin)| origin.host == *host));
        let route = place.route.filter(|_| in_front || host.is_empty()).map(|route| &self.routes[route]);
        let origin = match route.or(named) {
            Some((_, origin)) => origin.clone(),
            None => Origin { secure: !place.plain, host: host.clone() },
        };
        let host = if origin.host.is_empty() { "localhost" } else { &origin.host };
        format!("{scheme}{}://{host}", if origin.secure { "s" } else { "" })
    }
}

fn origin(url: &str) -> Option<Origin> {
    Endpoint::parse(url).ok()?;
    let (scheme, rest) = url.split_once("://")?;
    let secure = matches!(scheme, "wss" | "https");
    Some(Origin { secure, host: rest.split(['/', '?']).next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(upstream: &str, requests: &[(&str, &str)]) -> Vec<String> {
        let mut origins = Origins::new(&Header { upstream: upstream.to_owned(), ..Header::default() });
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let places: Vec<_> = requests
            .iter()
            .map(|(host, url)| origins.place(url, &[header("host", host), header("origin", "https://x")]))
            .collect();
        places.into_iter().map(|place| origins.of(place, "ws")).collect()
    }

    #[test]
    fn requests_go_where_the_upstream_and_their_hosts_say() {
        // A recorder in front of an engine.
        assert_eq!(urls("ws://e:4848/", &[("127.0.0.1:9077", "/app/a")]), ["ws://e:4848"]);
        let two = "wss://e/, /vp=ws://f:1/";
        assert_eq!(
            urls(two, &[("p", "/vp/app"), ("p", "/vpx"), ("p", "/vp?x")]),
            ["ws://f:1", "wss://e", "ws://f:1"]
        );
        // A page and what it loads from elsewhere.
        assert_eq!(urls("ws://e/", &[("e", "/"), ("cdn", "/a.js")]), ["ws://e", "wss://cdn"]);
        // A forward proxy.
        assert_eq!(urls("*.qlikcloud.com", &[("a.qlikcloud.com", "/")]), ["wss://a.qlikcloud.com"]);
        assert_eq!(urls("", &[("", "/")]), ["wss://localhost"]);
    }
}
