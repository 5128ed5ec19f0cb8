//! Which endpoints are reached through which proxy.

use std::{env, fmt, sync::Arc};

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Host;

use super::{Proxy, ProxyError};
use crate::Endpoint;

/// Which endpoints are reached through which proxy. Default: none through any.
///
/// The environment is only looked at where an application asks for it by [`from_env`](Self::from_env).
///
/// ```
/// use qix_transport::{Proxies, Proxy};
///
/// let proxies = Proxies::all(Proxy::parse("socks5h://proxy.example.com")?).except("localhost, .intranet.example.com");
/// # Ok::<(), qix_transport::ProxyError>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxies {
    ws: Option<Arc<Proxy>>,
    wss: Option<Arc<Proxy>>,
    /// Tells which hosts are exempt: those it does not intercept.
    except: Option<Arc<Matcher>>,
    /// Whether this machine itself is exempt.
    not_loopback: bool,
}

impl Proxies {
    /// Reaches every endpoint directly.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reaches every endpoint through one proxy, also those on this machine.
    pub fn all(proxy: Proxy) -> Self {
        let proxy = Arc::new(proxy);
        Self { ws: Some(Arc::clone(&proxy)), wss: Some(proxy), except: None, not_loopback: false }
    }

    /// Reads the rules from the environment of this process, now; later changes of it have no effect.
    ///
    /// - `wss` endpoints: `HTTPS_PROXY`, `https_proxy`, `ALL_PROXY`, `all_proxy`, the first that is set.
    /// - `ws` endpoints: `HTTP_PROXY`, `http_proxy`, `ALL_PROXY`, `all_proxy`. In a CGI program, where `REQUEST_METHOD` is
    ///   set, a web client can set `HTTP_PROXY`, which then does not count.
    /// - Exempt are the hosts that `NO_PROXY` or `no_proxy` lists, as [`except`](Self::except) reads it, `localhost` and
    ///   loopback addresses.
    ///
    /// A variable that is set to nothing stands for no proxy, and hides those after it.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Variable`] if one of them does not name a proxy. Ignoring it would send the credentials another way than
    /// the one that was wanted.
    pub fn from_env() -> Result<Self, ProxyError> {
        // What is not UTF-8 must not pass for unset; replaced characters make no host.
        Self::from_vars(|name| Some(env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Reads the rules as [`from_env`](Self::from_env) does, from whatever `var` finds under the name of a variable.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let first = |names: &[&'static str]| names.iter().find_map(|name| Some((*name, var(name)?)));
        let proxy = |names| match first(names) {
            Some((name, url)) if !url.trim().is_empty() => match Proxy::parse(&url) {
                Ok(proxy) => Ok(Some(Arc::new(proxy))),
                Err(source) => Err(ProxyError::Variable { name, source: Box::new(source) }),
            },
            _ => Ok(None),
        };
        let ws: &[_] = match var("REQUEST_METHOD") {
            Some(_) => &["http_proxy", "ALL_PROXY", "all_proxy"],
            None => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        };
        let wss = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let rules = Self { ws: proxy(ws)?, wss: proxy(wss)?, except: None, not_loopback: true };
        Ok(match first(&["NO_PROXY", "no_proxy"]) {
            Some((_, hosts)) => rules.except(&hosts),
            None => rules,
        })
    }

    /// Exempts hosts, in the place of those exempted before; such endpoints are reached directly.
    ///
    /// `hosts` is a list with commas between: a name, which stands for its subdomains too, with or without a dot in front; an IP
    /// address; a network such as `10.0.0.0/8`; or `*` for every host. A port in the list is taken off: all ports of the host are
    /// exempt. An address in the list does not exempt names that have it.
    #[must_use]
    pub fn except(mut self, hosts: &str) -> Self {
        // Its own idea of proxies is not asked for, because it takes one that it cannot read for none.
        let hosts: Vec<_> = hosts.split(',').map(|host| without_port(host.trim())).collect();
        // The matcher takes `*` for names only.
        let hosts = if hosts.contains(&"*") { "*,0.0.0.0/0,::/0".to_owned() } else { hosts.join(",") };
        self.except = Some(Arc::new(Matcher::builder().all("http://proxy").no(hosts).build()));
        self
    }

    /// Returns the proxy through which an endpoint is reached.
    pub fn get(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        let proxy = if endpoint.is_tls() { &self.wss } else { &self.ws };
        proxy.as_deref().filter(|_| !self.is_exempt(endpoint))
    }

    fn is_exempt(&self, endpoint: &Endpoint) -> bool {
        if self.not_loopback && is_loopback(endpoint.host()) {
            return true;
        }
        let Some(except) = &self.except else { return false };
        let uri = Uri::builder().scheme("http").authority(endpoint.authority()).path_and_query("/").build();
        uri.is_ok_and(|uri| except.intercept(&uri).is_none())
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Proxies");
        shown.field("ws", &self.ws).field("wss", &self.wss).field("not_loopback", &self.not_loopback);
        shown.finish_non_exhaustive()
    }
}

/// Returns an entry without its port, and an IPv6 address without the brackets that a port needs.
fn without_port(entry: &str) -> &str {
    if let Some((address, _)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => entry,
    }
}

fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::Ipv6Addr>() {
        return address.is_loopback();
    }
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        _ => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns which proxy `vars` lead to.
    fn found(vars: &[(&str, &str)], url: &str) -> Option<String> {
        let var =
            |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxies = Proxies::from_vars(var).unwrap();
        proxies.get(&Endpoint::parse(url).unwrap()).map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn wss_follows_https_proxy_and_ws_follows_http_proxy() {
        let vars = [("HTTPS_PROXY", "http://s"), ("HTTP_PROXY", "http://p"), ("ALL_PROXY", "socks5://a")];
        assert_eq!(found(&vars, "wss://engine").as_deref(), Some("s"));
        assert_eq!(found(&vars, "ws://engine").as_deref(), Some("p"));
    }

    #[test]
    fn all_proxy_stands_in_for_what_is_not_set() {
        let vars = [("https_proxy", "s:3128"), ("all_proxy", "socks5://a")];
        assert_eq!(found(&vars, "wss://engine").as_deref(), Some("s"));
        assert_eq!(found(&vars, "ws://engine").as_deref(), Some("a"));
        assert_eq!(found(&[], "ws://engine"), None);
    }

    #[test]
    fn empty_variable_means_no_proxy() {
        let vars = [("HTTPS_PROXY", " "), ("ALL_PROXY", "socks5://a")];
        assert_eq!(found(&vars, "wss://engine"), None);
        assert_eq!(found(&vars, "ws://engine").as_deref(), Some("a"));
    }

    #[test]
    fn http_proxy_of_a_cgi_program_is_not_trusted() {
        let vars = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://attacker")];
        assert_eq!(found(&vars, "ws://engine"), None);
    }

    #[test]
    fn no_proxy_lists_names_with_subdomains_addresses_and_networks() {
        let exempt = |list, host: &str| {
            found(&[("ALL_PROXY", "http://p"), ("NO_PROXY", list)], &format!("wss://{host}:4747/app"))
                .is_none()
        };
        for (list, host) in [
            ("example.com", "example.com"),
            ("example.com", "sense.example.com"),
            (" other , .example.com", "SENSE.example.com"),
            ("10.0.0.0/8", "10.1.2.3"),
            ("192.168.1.1", "192.168.1.1"),
            ("fd00::/8", "[fd00::1]"),
            ("::1", "[::1]"),
            ("*", "anything"),
            ("*", "10.0.0.5"),
            ("x, *", "[fd00::1]"),
            ("example.com:4747", "sense.example.com"),
            ("10.0.0.5:80", "10.0.0.5"),
            ("[fd00::1]:80", "[fd00::1]"),
        ] {
            assert!(exempt(list, host), "{list} {host}");
        }
        for (list, host) in [
            ("", "example.com"),
            ("example.com", "notexample.com"),
            ("example.com", "example.com.evil"),
            ("10.0.0.0/8", "11.1.2.3"),
        ] {
            assert!(!exempt(list, host), "{list} {host}");
        }
    }

    #[test]
    fn this_machine_is_exempt_from_the_environment_but_not_from_a_proxy_asked_for() {
        for host in ["localhost", "engine.localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            let url = format!("ws://{host}:4848/app/");
            assert_eq!(found(&[("ALL_PROXY", "http://p")], &url), None, "{host}");
            let all = Proxies::all(Proxy::parse("p").unwrap());
            assert!(all.get(&Endpoint::parse(&url).unwrap()).is_some());
        }
    }

    #[test]
    fn variable_that_names_no_proxy_is_an_error_and_not_shown() {
        let var = |name: &str| (name == "https_proxy").then(|| "https://ada:s3cret@proxy".to_owned());
        let error = Proxies::from_vars(var).unwrap_err();
        let expected = ProxyError::Variable { name: "https_proxy", source: Box::new(ProxyError::Encrypted) };
        assert_eq!(error, expected);
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }

    #[test]
    fn debug_hides_credentials() {
        let proxies = Proxies::all(Proxy::parse("http://s3cret:s3cret@p").unwrap()).except("x");
        assert!(!format!("{proxies:?}").contains("s3cret"));
    }
}
