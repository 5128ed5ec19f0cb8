//! What the path of a socket says about the session it belongs to.

use std::time::Duration;

/// The longest time to live that is honoured. Engines have a limit, too; theirs is 30 minutes unless it was raised.
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The path of an upgrade, without its query, taken apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct SessionPath {
    pub(crate) whole: String,
    /// Without `/ttl/N`.
    pub(crate) without_ttl: String,
    /// Without `/ttl/N` and `/identity/X`.
    pub(crate) bare: String,
    /// What follows `/app/`; empty if nothing does.
    pub(crate) app: String,
    pub(crate) has_identity: bool,
    pub(crate) ttl: Option<Duration>,
}

impl SessionPath {
    pub(crate) fn parse(path: &str) -> Self {
        let whole = path.split('?').next().unwrap_or_default();
        let mut parsed = Self { whole: whole.to_owned(), ..Self::default() };
        let mut segments = whole.split('/').filter(|segment| !segment.is_empty());
        while let Some(segment) = segments.next() {
            // The names of suffixes count behind the app only: before it, they are those of a virtual proxy.
            let suffix = match segment {
                "identity" | "ttl" if !parsed.app.is_empty() => segments.next().map(|value| (segment, value)),
                "app" if parsed.app.is_empty() => segments.next().map(|value| (segment, value)),
                _ => None,
            };
            match suffix {
                Some(("ttl", seconds)) => {
                    parsed.ttl =
                        seconds.parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_TTL));
                }
                Some(("identity", identity)) => {
                    parsed.has_identity = true;
                    parsed.without_ttl += &format!("/identity/{identity}");
                }
                Some((name, value)) => {
                    value.clone_into(&mut parsed.app);
                    for path in [&mut parsed.without_ttl, &mut parsed.bare] {
                        *path += &format!("/{name}/{value}");
                    }
                }
                None => {
                    for path in [&mut parsed.without_ttl, &mut parsed.bare] {
                        path.push('/');
                        path.push_str(segment);
                    }
                }
            }
        }
        parsed
    }

    /// Returns path and query of a session that nobody else is in, if it is one of an app: with this identity, and without time to
    /// live.
    pub(crate) fn alone(path_and_query: &str, identity: &str) -> String {
        let path = Self::parse(path_and_query);
        if path.app.is_empty() {
            return path_and_query.to_owned();
        }
        format!("{}/identity/{identity}{}", path.bare, &path_and_query[path.whole.len()..])
    }

    /// Returns how much `recorded` differs from this path: 0 is not at all, 3 in everything.
    pub(crate) fn distance(&self, recorded: &Self) -> u8 {
        if self.whole == recorded.whole {
            0
        } else if self.bare == recorded.bare {
            1
        } else if !self.app.is_empty() && self.app == recorded.app {
            2
        } else {
            3
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_taken_apart() {
        let path = SessionPath::parse("/vp/app/a%2Fb/identity/x/ttl/30?from=1");
        assert_eq!((&*path.without_ttl, &*path.bare), ("/vp/app/a%2Fb/identity/x", "/vp/app/a%2Fb"));
        assert_eq!((&*path.app, path.has_identity, path.ttl), ("a%2Fb", true, Some(Duration::from_secs(30))));
        for odd in ["", "/", "//app", "/app/", "/app/x/ttl", "/app/x/ttl/abc", "/app/x/ttl/-1", "/identity"] {
            assert_eq!(SessionPath::parse(odd).ttl, None, "{odd}");
        }
        assert_eq!(SessionPath::parse("/app/x/ttl/99999999999").ttl, Some(LONGEST_TTL));
    }

    #[test]
    fn session_of_its_own_has_another_identity_and_all_else_of_the_path() {
        let alone = |path| SessionPath::alone(path, "me");
        assert_eq!(
            alone("/vp/app/a%2Fb/identity/x/ttl/30?a=1&b=/ttl/1"),
            "/vp/app/a%2Fb/identity/me?a=1&b=/ttl/1"
        );
        assert_eq!(alone("/app/x"), "/app/x/identity/me");
        assert_eq!(alone("/?a=1"), "/?a=1");
    }

    #[test]
    fn likeness_goes_by_path_then_without_identity_then_by_app() {
        let live = SessionPath::parse("/app/x/identity/1/ttl/5");
        let ranks = ["/app/x/identity/1/ttl/5", "/app/x/identity/2", "/vp/app/x", "/app/y"]
            .map(|recorded| live.distance(&SessionPath::parse(recorded)));
        assert_eq!(ranks, [0, 1, 2, 3]);
        assert_eq!(SessionPath::parse("/").distance(&SessionPath::parse("/app/y")), 3);
    }
}
