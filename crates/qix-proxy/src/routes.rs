//! Which upstream a client's path leads to.

use qix_transport::Endpoint;

use crate::config::ConfigError;

/// The upstreams by the paths that lead to them, the longest last.
#[derive(Debug)]
pub(crate) struct Routes {
    routes: Vec<Route>,
    /// What to say instead of URLs, where paths lead nowhere.
    described: Option<String>,
}

/// One upstream.
#[derive(Debug)]
pub(crate) struct Route {
    /// What the client's path begins with, without a slash at its end; empty for the upstream that takes all else.
    prefix: Box<str>,
    pub(crate) endpoint: Endpoint,
}

impl Routes {
    /// Checks prefixes and URLs. `default` takes what none of `maps` does.
    pub(crate) fn new(default: Option<&Endpoint>, maps: &[(String, Endpoint)]) -> Result<Self, ConfigError> {
        let mut routes = Vec::new();
        let default = default.map(|endpoint| ("/", endpoint));
        for (prefix, endpoint) in default.into_iter().chain(maps.iter().map(|(prefix, to)| (&**prefix, to))) {
            if !prefix.starts_with('/') || prefix.contains(['?', '#', ' ']) {
                return Err(ConfigError::Prefix { prefix: prefix.to_owned() });
            }
            if endpoint.path_and_query().contains('?') {
                return Err(ConfigError::Query);
            }
            let prefix = prefix.trim_end_matches('/');
            if routes.iter().any(|route: &Route| *route.prefix == *prefix) {
                return Err(ConfigError::Twice { prefix: format!("{prefix}/") });
            }
            routes.push(Route { prefix: prefix.into(), endpoint: endpoint.clone() });
        }
        if routes.is_empty() {
            return Err(ConfigError::NoUpstream);
        }
        routes.sort_by_key(|route| route.prefix.len());
        Ok(Self { routes, described: None })
    }

    /// Leads no path anywhere: where a request leads is known before it comes. `described` says of it what can be said.
    pub(crate) fn elsewhere(described: String) -> Self {
        Self { routes: Vec::new(), described: Some(described) }
    }

    /// Returns where path and query of a request lead.
    pub(crate) fn find(&self, target: &str) -> Option<&Route> {
        self.routes.iter().rev().find(|route| route.rest(target).is_some())
    }

    /// Returns all routes, those with the longest paths upstream first.
    pub(crate) fn longest_first(&self) -> impl Iterator<Item = &Route> {
        let mut routes: Vec<&Route> = self.routes.iter().collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.endpoint.path_and_query().len()));
        routes.into_iter()
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.routes.iter().map(|route| &route.endpoint)
    }

    /// Returns the upstreams' URLs, without secrets: first the one for all else, then each of the others as `/path=URL`.
    pub(crate) fn describe(&self) -> String {
        if let Some(described) = &self.described {
            return described.clone();
        }
        let urls = self.routes.iter().map(|route| match &*route.prefix {
            "" => route.endpoint.to_string(),
            prefix => format!("{prefix}={}", route.endpoint),
        });
        urls.collect::<Vec<_>>().join(", ")
    }

    /// Returns the paths that lead somewhere, for somebody whose path does not.
    pub(crate) fn prefixes(&self) -> String {
        self.routes.iter().map(|route| format!("{}/", route.prefix)).collect::<Vec<_>>().join(", ")
    }
}

impl Route {
    /// Leads all paths to those of `endpoint`, as written.
    pub(crate) fn whole(endpoint: Endpoint) -> Self {
        Self { prefix: "".into(), endpoint }
    }

    /// Returns path and query for the upstream: its own path in the place of the prefix, and the rest as written.
    pub(crate) fn target(&self, target: &str) -> String {
        let rest = self.rest(target).unwrap_or(target);
        let path = self.endpoint.path_and_query().trim_end_matches('/');
        let slash = if path.is_empty() && !rest.starts_with('/') { "/" } else { "" };
        format!("{path}{slash}{rest}")
    }

    /// Returns what a client asks for to get `target` of the upstream; `None` if it cannot.
    pub(crate) fn back(&self, target: &str) -> Option<String> {
        let rest = target.strip_prefix(self.endpoint.path_and_query().trim_end_matches('/'))?;
        let path = (rest.is_empty() || rest.starts_with(['/', '?', '#']))
            .then(|| format!("{}{rest}", self.prefix))?;
        Some(if path.starts_with('/') { path } else { format!("/{path}") })
    }

    /// Returns whether paths are the same on both sides.
    pub(crate) fn is_transparent(&self) -> bool {
        *self.prefix == *self.endpoint.path_and_query().trim_end_matches('/')
    }

    /// Returns what the paths of clients begin with that lead here, without a slash at the end.
    pub(crate) fn top(&self) -> &str {
        &self.prefix
    }

    /// Returns what follows the prefix, which ends where a segment of the path does.
    fn rest<'t>(&self, target: &'t str) -> Option<&'t str> {
        let rest = target.strip_prefix(&*self.prefix)?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(default: Option<&str>, maps: &[(&str, &str)]) -> Result<Routes, ConfigError> {
        let parse = |url| Endpoint::parse(url).unwrap();
        let maps: Vec<_> = maps.iter().map(|(prefix, url)| ((*prefix).to_owned(), parse(url))).collect();
        Routes::new(default.map(parse).as_ref(), &maps)
    }

    fn led(routes: &Routes, target: &str) -> Option<String> {
        let route = routes.find(target)?;
        Some(format!("{}{}", route.endpoint.authority(), route.target(target)))
    }

    #[test]
    fn path_and_query_are_appended_as_written() {
        for (url, target, expected) in [
            ("ws://h", "/app/a%2Fb/x?reloadUri=https%3A%2F%2Fh&", "h/app/a%2Fb/x?reloadUri=https%3A%2F%2Fh&"),
            ("ws://h/vp/", "/app/engineData", "h/vp/app/engineData"),
            ("ws://h/vp", "/", "h/vp/"),
        ] {
            assert_eq!(led(&routes(Some(url), &[]).unwrap(), target).unwrap(), expected);
        }
    }

    #[test]
    fn longest_prefix_wins_and_is_replaced() {
        let maps = [("/a", "ws://one/vp/"), ("/a/b/", "ws://two"), ("/c", "wss://three:4848/x/y")];
        let routes = routes(Some("ws://rest"), &maps).unwrap();
        for (target, expected) in [
            ("/a/app/x", "one/vp/app/x"),
            ("/a", "one/vp"),
            ("/a?y", "one/vp?y"),
            ("/a/", "one/vp/"),
            ("/a/b/app/x?y=/a", "two/app/x?y=/a"),
            ("/a/b", "two/"),
            ("/a/b?y", "two/?y"),
            ("/a/bc", "one/vp/bc"),
            ("/ab/app", "rest/ab/app"),
            ("/A/app", "rest/A/app"),
            ("/c/app", "three:4848/x/y/app"),
            ("/", "rest/"),
        ] {
            assert_eq!(led(&routes, target).as_deref(), Some(expected), "{target}");
        }
        assert!(routes.endpoints().any(Endpoint::is_tls));
        assert_eq!(routes.describe(), "ws://rest/, /a=ws://one/vp/, /c=wss://three:4848/x/y, /a/b=ws://two/");
    }

    #[test]
    fn without_an_upstream_for_all_else_other_paths_lead_nowhere() {
        let routes = routes(None, &[("/a", "ws://one"), ("/b", "ws://two")]).unwrap();
        assert_eq!(led(&routes, "/app/x"), None);
        assert_eq!(led(&routes, "/"), None);
        assert_eq!(routes.prefixes(), "/a/, /b/");
    }

    #[test]
    fn what_cannot_be_mapped_is_refused() {
        assert!(matches!(routes(None, &[]), Err(ConfigError::NoUpstream)));
        assert!(matches!(routes(Some("ws://h/app?x=1"), &[]), Err(ConfigError::Query)));
        for prefix in ["a", "", "/a?b", "/a#b", "/a b"] {
            assert!(
                matches!(routes(None, &[(prefix, "ws://h")]), Err(ConfigError::Prefix { .. })),
                "{prefix}"
            );
        }
        for maps in [[("/a", "ws://h"), ("/a/", "ws://i")], [("/", "ws://h"), ("//", "ws://i")]] {
            assert!(matches!(routes(None, &maps), Err(ConfigError::Twice { .. })));
        }
        assert!(matches!(routes(Some("ws://h"), &[("/", "ws://i")]), Err(ConfigError::Twice { .. })));
    }
}
