//! Makes the URL of an engine out of parts, one constructor per deployment.

use std::{fmt, net::Ipv6Addr};

use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::{
    Endpoint, EndpointError, page,
    url::{Parts, UNWRITABLE_BY_HAND, path_and_query},
};
use crate::{Secret, redact::COMPONENT, redact_url};

/// What must not stand in a route, besides what cannot be sent.
const NOT_PATH: &AsciiSet = &UNWRITABLE_BY_HAND.add(b'?').add(b'#');

/// The word in the place of an app that means none.
const NO_APP: &str = "engineData";

const RELOAD_URI: &str = "reloadUri";

/// Constructors for each deployment.
///
/// An address is a host name, an IPv4 or IPv6 address (brackets are needed only before a port), a port if need be, or a whole
/// URL up to the prefix of a virtual proxy: `sense.example.com`, `[::1]:4848`, `https://sense.example.com/sales/`.
/// A scheme in it decides whether the connection is encrypted, a port in it takes the place of the deployment's own. What is
/// wrong with it is reported by [`EndpointBuilder::build`].
impl Endpoint {
    /// Starts with a tenant of Qlik Cloud: `wss`, port 443.
    pub fn cloud(address: &str) -> EndpointBuilder {
        EndpointBuilder::new(address, true, None)
    }

    /// Starts with the proxy service of Qlik Sense Enterprise on Windows: `wss`, port 443.
    ///
    /// A virtual proxy is named by its [`prefix`](EndpointBuilder::prefix), or at the end of the address.
    pub fn enterprise(address: &str) -> EndpointBuilder {
        EndpointBuilder::new(address, true, None)
    }

    /// Starts with an engine of Qlik Sense Enterprise on Windows, past its proxy: `wss`, port 4747, client certificate needed.
    pub fn enterprise_direct(address: &str) -> EndpointBuilder {
        EndpointBuilder::new(address, true, Some(4747))
    }

    /// Starts with Qlik Sense Desktop on this machine: `ws://localhost:4848`. Its apps are called by file name or whole path.
    pub fn desktop() -> EndpointBuilder {
        EndpointBuilder::new("localhost", false, Some(4848))
    }

    /// Starts with an engine that runs alone, as in a container: `ws`, port 9076.
    pub fn engine(address: &str) -> EndpointBuilder {
        EndpointBuilder::new(address, false, Some(9076))
    }
}

/// Collects the parts of a URL. All of them are plain text and are encoded here, once, by the rule of JavaScript's
/// `encodeURIComponent`, which Qlik's own clients use.
///
/// `Debug` shows no value of a query parameter, also not where one was put into another part.
///
/// ```
/// use qix_transport::Endpoint;
///
/// let endpoint = Endpoint::enterprise("sense.example.com").prefix("sales").app("ID").identity("a/b").ttl(0).build()?;
/// assert_eq!(endpoint.to_string(), "wss://sense.example.com/sales/app/ID/identity/a%2Fb/ttl/0");
///
/// let endpoint = Endpoint::desktop().app(r"C:\Apps\Sales.qvf").build()?;
/// assert_eq!(endpoint.to_string(), "ws://localhost:4848/app/C%3A%5CApps%5CSales.qvf");
/// # Ok::<(), qix_transport::EndpointError>(())
/// ```
#[derive(Clone)]
#[must_use = "an endpoint is made by build()"]
pub struct EndpointBuilder {
    address: String,
    /// What the deployment has if the address says nothing.
    own_tls: bool,
    own_port: Option<u16>,
    tls: Option<bool>,
    port: Option<u16>,
    prefix: Option<String>,
    place: Place,
    identity: Option<String>,
    ttl: Option<u32>,
    parameters: Vec<(String, Secret)>,
}

/// What follows the prefix.
#[derive(Clone)]
enum Place {
    App(String),
    Route(String),
}

impl EndpointBuilder {
    fn new(address: &str, own_tls: bool, own_port: Option<u16>) -> Self {
        Self {
            address: address.trim().to_owned(),
            own_tls,
            own_port,
            tls: None,
            port: None,
            prefix: None,
            place: Place::App(NO_APP.to_owned()),
            identity: None,
            ttl: None,
            parameters: Vec::new(),
        }
    }

    /// Sets the path of a virtual proxy, of one or more segments; slashes at its ends do not matter, `/` alone means none.
    ///
    /// Default: what the address has after the host.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// Names the app for the routers on the way: an id, or with Desktop a file. Takes the place of a route. Default: none,
    /// which is written `engineData`.
    pub fn app(mut self, app: &str) -> Self {
        self.place = Place::App(app.to_owned());
        self
    }

    /// Asks for a session app that lives as long as the session. `unique` makes its id, `SessionApp_` in front is added.
    pub fn session_app(self, unique: &str) -> Self {
        let unique = unique.strip_prefix("SessionApp_").unwrap_or(unique);
        self.app(&format!("SessionApp_{unique}"))
    }

    /// Asks for a session app with the script and objects of the app `source`.
    pub fn session_app_from(self, unique: &str, source: &str) -> Self {
        self.session_app(unique).parameter("from", source)
    }

    /// Sets all that follows the prefix, in the place of `app` and an id, as it goes on the wire: what is percent-encoded in it
    /// stays so. Slashes at its ends do not matter. Takes the place of an app.
    pub fn route(mut self, route: &str) -> Self {
        self.place = Place::Route(route.to_owned());
        self
    }

    /// Sets the identity: sockets of one user with the same app and identity share a session. Default: none.
    pub fn identity(mut self, identity: &str) -> Self {
        self.identity = Some(identity.to_owned());
        self
    }

    /// Sets for how many seconds the engine keeps the session after its last socket, as far as it permits; 0, which is sent
    /// too, ends it at once. Default: left to the engine.
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = Some(seconds);
        self
    }

    /// Adds a query parameter; one of the same name, whatever its case, is replaced.
    pub fn parameter(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// Sets where a login should lead in the end, an absolute URI, not encoded. A proxy repeats it in `loginUri`.
    pub fn reload_uri(self, uri: &str) -> Self {
        self.parameter(RELOAD_URI, uri)
    }

    /// Sets the CSRF token that goes with a session cookie; for WebSockets it must stand in the query.
    pub fn csrf_token(self, token: impl Into<Secret>) -> Self {
        self.parameter("qlik-csrf-token", token)
    }

    /// Sets a ticket of the proxy service. It is used up by the first attempt.
    pub fn ticket(self, ticket: impl Into<Secret>) -> Self {
        self.parameter("qlikTicket", ticket)
    }

    /// Sets a short-lived token of Qlik Cloud for a socket.
    pub fn access_token(self, token: impl Into<Secret>) -> Self {
        self.parameter("accessToken", token)
    }

    /// Sets the id of Qlik Cloud's record that allows the origin of the page.
    pub fn web_integration_id(self, id: &str) -> Self {
        self.parameter("qlik-web-integration-id", id)
    }

    /// Sets what kind of engine Qlik Cloud should give, such as `interactive-reload`.
    pub fn workload_type(self, kind: &str) -> Self {
        self.parameter("workloadType", kind)
    }

    /// Makes a proxy demand authentication where it would also take anonymous users.
    pub fn force_authentication(self) -> Self {
        self.parameter("forceauthentication", "yes")
    }

    /// Sets the port, whatever address and deployment say.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets whether the connection is encrypted, whatever address and deployment say.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Puts the parts together.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] names the part that cannot be used.
    pub fn build(self) -> Result<Endpoint, EndpointError> {
        let url = self.address_url();
        let Parts { scheme, host, port, rest } = Parts::split(&url)?;
        let is_longer = rest.contains(['?', '#']) || rest.split('/').any(|segment| segment == "app");
        if is_longer || page::engine_path(rest).is_some() {
            return Err(EndpointError::Address);
        }

        let mut path = String::new();
        match &self.prefix {
            Some(prefix) => push_segments(&mut path, prefix, "prefix", COMPONENT)?,
            None => push_segments(&mut path, rest, "prefix", UNWRITABLE_BY_HAND)?,
        }
        match &self.place {
            Place::App(app) => push_value(&mut path, "app", app)?,
            Place::Route(route) => push_segments(&mut path, route, "route", NOT_PATH)?,
        }
        if let Some(identity) = &self.identity {
            push_value(&mut path, "identity", identity)?;
        }
        if let Some(ttl) = self.ttl {
            path.push_str(&format!("/ttl/{ttl}"));
        }

        let port = self.port.or(port).or(self.own_port);
        if port == Some(0) {
            return Err(EndpointError::Port);
        }
        let tls = self.tls.unwrap_or(scheme.is_tls());
        let endpoint = Endpoint::new(tls, &host, port, path_and_query(&path, UNWRITABLE_BY_HAND)?);
        self.parameters.iter().try_fold(endpoint, |endpoint, (name, value)| {
            if name == RELOAD_URI && !value.expose().contains("://") {
                return Err(EndpointError::ReloadUri);
            }
            endpoint.with_parameter(name, value.expose())
        })
    }

    /// Returns the address as a URL, with the deployment's scheme if it has none.
    fn address_url(&self) -> String {
        let address = &self.address;
        if address.contains("://") {
            return address.clone();
        }
        let scheme = if self.own_tls { "wss" } else { "ws" };
        if address.parse::<Ipv6Addr>().is_ok() {
            return format!("{scheme}://[{address}]");
        }
        format!("{scheme}://{address}")
    }
}

impl fmt::Debug for EndpointBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, place) = match &self.place {
            Place::App(app) => ("app", app),
            Place::Route(route) => ("route", route),
        };
        f.debug_struct("EndpointBuilder")
            .field("address", &redact_url(&self.address_url()))
            .field("tls", &self.tls)
            .field("port", &self.port.or(self.own_port))
            .field("prefix", &self.prefix.as_deref().map(redact_url))
            .field(word, &redact_url(place))
            .field("identity", &self.identity.as_deref().map(redact_url))
            .field("ttl", &self.ttl)
            .field("parameters", &self.parameters)
            .finish()
    }
}

/// Appends `/word/value`.
fn push_value(path: &mut String, word: &'static str, value: &str) -> Result<(), EndpointError> {
    check_segment(value, word)?;
    path.extend(["/", word, "/"]);
    path.extend(utf8_percent_encode(value, COMPONENT));
    Ok(())
}

/// Appends `/segment` for each segment of `text`; slashes at its ends make none.
fn push_segments(
    path: &mut String,
    text: &str,
    what: &'static str,
    set: &'static AsciiSet,
) -> Result<(), EndpointError> {
    let text = text.trim_matches('/');
    if text.is_empty() {
        return Ok(());
    }
    for segment in text.split('/') {
        check_segment(segment, what)?;
        path.push('/');
        path.extend(utf8_percent_encode(segment, set));
    }
    Ok(())
}

fn check_segment(segment: &str, what: &'static str) -> Result<(), EndpointError> {
    if matches!(segment, "" | "." | "..") { Err(EndpointError::Segment { what }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(builder: EndpointBuilder) -> String {
        let endpoint = builder.build().unwrap();
        assert_eq!(Endpoint::parse(&endpoint.expose_url()).unwrap(), endpoint);
        endpoint.expose_url()
    }

    fn error(builder: EndpointBuilder) -> EndpointError {
        builder.build().unwrap_err()
    }

    #[test]
    fn desktop_takes_an_app_by_name_by_path_or_none() {
        assert_eq!(url(Endpoint::desktop()), "ws://localhost:4848/app/engineData");
        assert_eq!(url(Endpoint::desktop().app("Sales.qvf")), "ws://localhost:4848/app/Sales.qvf");
        assert_eq!(
            url(Endpoint::desktop().app(r"C:\Users\me\Documents\Qlik\Sense\Apps\Sales.qvf")),
            "ws://localhost:4848/app/C%3A%5CUsers%5Cme%5CDocuments%5CQlik%5CSense%5CApps%5CSales.qvf"
        );
    }

    #[test]
    fn bare_engine_is_reached_without_tls_and_by_any_route() {
        assert_eq!(url(Endpoint::engine("h")), "ws://h:9076/app/engineData");
        assert_eq!(url(Endpoint::engine("h").app("any thing")), "ws://h:9076/app/any%20thing");
        assert_eq!(url(Endpoint::engine("h").route("")), "ws://h:9076/");
        assert_eq!(url(Endpoint::engine("h").route("/data/x.qvf")), "ws://h:9076/data/x.qvf");
    }

    #[test]
    fn enterprise_engine_is_reached_on_4747() {
        assert_eq!(url(Endpoint::enterprise_direct("h")), "wss://h:4747/app/engineData");
        assert_eq!(url(Endpoint::enterprise_direct("https://h/").app("ID")), "wss://h:4747/app/ID");
        assert_eq!(url(Endpoint::enterprise_direct("h:14747").app("ID")), "wss://h:14747/app/ID");
    }

    #[test]
    fn enterprise_proxy_has_prefixes_of_any_depth() {
        assert_eq!(url(Endpoint::enterprise("h")), "wss://h/app/engineData");
        assert_eq!(url(Endpoint::enterprise("h:8443").prefix("vp").app("ID")), "wss://h:8443/vp/app/ID");
        assert_eq!(url(Endpoint::enterprise("http://h/a/b/")), "ws://h/a/b/app/engineData");
        assert_eq!(url(Endpoint::enterprise("h/old").prefix("new")), "wss://h/new/app/engineData");
    }

    #[test]
    fn cloud_has_one_app_per_socket() {
        let address = "tenant.eu.qlikcloud.com";
        assert_eq!(url(Endpoint::cloud(address).app("ID")), "wss://tenant.eu.qlikcloud.com/app/ID");
        assert_eq!(
            url(Endpoint::cloud(&format!("https://{address}/"))),
            format!("wss://{address}/app/engineData")
        );
    }

    #[test]
    fn session_apps_say_what_they_are_made_from() {
        assert_eq!(url(Endpoint::cloud("h").session_app("1")), "wss://h/app/SessionApp_1");
        assert_eq!(url(Endpoint::cloud("h").session_app("SessionApp_1")), "wss://h/app/SessionApp_1");
        assert_eq!(
            url(Endpoint::cloud("h").session_app_from("1", "ID").identity("x").ttl(60)),
            "wss://h/app/SessionApp_1/identity/x/ttl/60?from=ID"
        );
    }

    #[test]
    fn old_dataprep_path_goes_into_the_prefix() {
        let builder = Endpoint::enterprise("h").prefix("vp/dataprepservice").app("ID");
        assert_eq!(url(builder), "wss://h/vp/dataprepservice/app/ID");
    }

    #[test]
    fn identity_comes_before_ttl() {
        assert_eq!(
            url(Endpoint::engine("h").ttl(5).identity("x")),
            "ws://h:9076/app/engineData/identity/x/ttl/5"
        );
    }

    #[test]
    fn ttl_of_zero_is_sent() {
        assert_eq!(url(Endpoint::engine("h").ttl(0)), "ws://h:9076/app/engineData/ttl/0");
    }

    #[test]
    fn parameters_of_each_kind_are_encoded() {
        let builder = Endpoint::enterprise("h")
            .reload_uri("https://h/hub?a=b&c")
            .ticket("t+/=")
            .csrf_token("c&d")
            .access_token("a")
            .web_integration_id("w")
            .workload_type("interactive-reload")
            .force_authentication()
            .parameter("xrfkey", "ab12CD34ef56GH78")
            .parameter("ü ?", "");
        assert_eq!(
            url(builder),
            "wss://h/app/engineData?reloadUri=https%3A%2F%2Fh%2Fhub%3Fa%3Db%26c&qlikTicket=t%2B%2F%3D\
             &qlik-csrf-token=c%26d&accessToken=a&qlik-web-integration-id=w&workloadType=interactive-reload\
             &forceauthentication=yes&xrfkey=ab12CD34ef56GH78&%C3%BC%20%3F="
        );
    }

    #[test]
    fn app_and_identity_are_encoded_by_the_component_rule() {
        let plain = "AZaz09-_.!~*'()";
        assert_eq!(url(Endpoint::engine("h").app(plain)), format!("ws://h:9076/app/{plain}"));
        assert_eq!(
            url(Endpoint::engine("h").app("a/b?c#d&e=f+g%h\n").identity("ü:@$,;")),
            "ws://h:9076/app/a%2Fb%3Fc%23d%26e%3Df%2Bg%25h%0A/identity/%C3%BC%3A%40%24%2C%3B"
        );
    }

    #[test]
    fn what_is_encoded_already_is_taken_literally_in_apps_and_kept_in_routes() {
        assert_eq!(url(Endpoint::engine("h").app("a%20b")), "ws://h:9076/app/a%2520b");
        assert_eq!(url(Endpoint::engine("h").app("?transient=")), "ws://h:9076/app/%3Ftransient%3D");
        let route = "app/%3Ftransient%3D/identity/1";
        assert_eq!(url(Endpoint::engine("h").route(route)), format!("ws://h:9076/{route}"));
        assert_eq!(url(Endpoint::engine("h").route("a?b#c\\d")), "ws://h:9076/a%3Fb%23c%5Cd");
    }

    #[test]
    fn the_last_of_app_and_route_counts() {
        assert_eq!(url(Endpoint::engine("h").app("ID").route("x")), "ws://h:9076/x");
        assert_eq!(url(Endpoint::engine("h").route("x").app("ID")), "ws://h:9076/app/ID");
    }

    #[test]
    fn prefix_of_a_slash_makes_no_empty_segment() {
        for prefix in ["/", "", "//"] {
            assert_eq!(url(Endpoint::enterprise("h").prefix(prefix)), "wss://h/app/engineData");
        }
        assert_eq!(url(Endpoint::enterprise("h//").prefix("/vp/")), "wss://h/vp/app/engineData");
        assert_eq!(url(Endpoint::enterprise("h").route("/x/")), "wss://h/x");
    }

    #[test]
    fn no_parameters_make_no_bare_question_mark() {
        assert!(!url(Endpoint::cloud("h").app("ID")).contains('?'));
    }

    #[test]
    fn the_last_parameter_of_a_name_counts_whatever_its_case() {
        let builder = Endpoint::cloud("h").parameter("QlikTicket", "1").parameter("a", "b").ticket("2");
        assert_eq!(url(builder), "wss://h/app/engineData?a=b&qlikTicket=2");
    }

    #[test]
    fn scheme_of_the_address_wins_over_that_of_the_deployment() {
        assert_eq!(url(Endpoint::engine("https://h")), "wss://h:9076/app/engineData");
        assert_eq!(url(Endpoint::cloud("ws://h:81")), "ws://h:81/app/engineData");
        assert_eq!(url(Endpoint::cloud("ws://h:81").tls(true).port(82)), "wss://h:82/app/engineData");
        assert_eq!(url(Endpoint::cloud("h").tls(false)), "ws://h/app/engineData");
    }

    #[test]
    fn ipv6_address_needs_brackets_only_before_a_port() {
        assert_eq!(url(Endpoint::engine("::1")), "ws://[::1]:9076/app/engineData");
        assert_eq!(url(Endpoint::engine("[::1]")), "ws://[::1]:9076/app/engineData");
        assert_eq!(
            url(Endpoint::enterprise("[2001:db8::1]:444/vp")),
            "wss://[2001:db8::1]:444/vp/app/engineData"
        );
    }

    #[test]
    fn empty_and_dot_segments_are_refused() {
        for bad in ["", ".", ".."] {
            assert_eq!(error(Endpoint::cloud("h").app(bad)), EndpointError::Segment { what: "app" });
            let identity = Endpoint::cloud("h").identity(bad);
            assert_eq!(error(identity), EndpointError::Segment { what: "identity" });
        }
        assert_eq!(error(Endpoint::cloud("h").prefix("a//b")), EndpointError::Segment { what: "prefix" });
        assert_eq!(error(Endpoint::cloud("h/../b")), EndpointError::Segment { what: "prefix" });
        assert_eq!(error(Endpoint::cloud("h").route("./x")), EndpointError::Segment { what: "route" });
    }

    #[test]
    fn address_with_app_page_or_query_is_refused() {
        for address in ["h/app/ID", "https://h/vp/hub/", "h?qlikTicket=1", "h/x#y", "https://h/sense/app/ID"]
        {
            assert_eq!(error(Endpoint::cloud(address)), EndpointError::Address, "{address}");
        }
    }

    #[test]
    fn bad_parts_say_what_is_wrong() {
        assert_eq!(error(Endpoint::cloud("")), EndpointError::Host);
        assert_eq!(error(Endpoint::cloud("h").port(0)), EndpointError::Port);
        assert_eq!(error(Endpoint::cloud("ftp://h")), EndpointError::Scheme);
        assert_eq!(error(Endpoint::cloud("h").parameter("", "x")), EndpointError::Parameter);
        assert_eq!(error(Endpoint::cloud("h").app(&"x".repeat(70_000))), EndpointError::Path);
    }

    #[test]
    fn reload_uri_is_absolute_and_encoded_once() {
        for bad in ["/hub", "https%3A%2F%2Fh%2Fhub", ""] {
            assert_eq!(error(Endpoint::cloud("h").reload_uri(bad)), EndpointError::ReloadUri);
        }
        // `@qlik/api` sends this scheme.
        let built = Endpoint::cloud("h").reload_uri("wss://h/sense/app/ID").build().unwrap();
        assert_eq!(built.parameter("reloadUri").as_deref(), Some("wss://h/sense/app/ID"));
    }

    #[test]
    fn debug_hides_parameters_and_what_was_put_in_the_wrong_place() {
        let builder = Endpoint::cloud("h")
            .csrf_token("s3cret")
            .reload_uri("https://h/?qlikTicket=s3cret")
            .ticket("s3cret");
        let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
        for builder in [
            Endpoint::cloud("ada:s3cret@h"),
            Endpoint::cloud("https://h/hub?qlikTicket=s3cret"),
            Endpoint::cloud("h").route("x?qlikTicket=s3cret"),
            Endpoint::cloud("h").app("x&qlik-csrf-token=s3cret"),
        ] {
            assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
        }
    }
}
