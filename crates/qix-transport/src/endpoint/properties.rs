//! What holds for all endpoints.

use percent_encoding::utf8_percent_encode;
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::redact::COMPONENT;

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}(\\.[a-z]{2,5}){0,2}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ]
}

fn starts() -> impl Strategy<Value = EndpointBuilder> {
    let constructors =
        [Endpoint::cloud, Endpoint::enterprise, Endpoint::enterprise_direct, Endpoint::engine, |_: &str| {
            Endpoint::desktop()
        }];
    (hosts(), prop::sample::select(constructors.to_vec()), option::of(1..=u16::MAX)).prop_map(
        |(host, start, port)| {
            let builder = start(&host);
            if let Some(port) = port { builder.port(port) } else { builder }
        },
    )
}

/// Any text, and more often one with what is special in URLs.
fn texts() -> impl Strategy<Value = String> {
    let texts = prop_oneof![any::<String>(), "[a/?#&=%+.:\\\\ ]{1,8}", "(app|identity|ttl|5)"];
    texts.prop_filter("segments must name something", |text| {
        !matches!(text.as_str(), "" | "." | ".." | "engineData" | "?transient=")
    })
}

fn parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((texts(), any::<String>()), 0..4).prop_filter("the last of a name counts", |parameters| {
        let mut names: Vec<_> = parameters.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        names.len() == parameters.len()
    })
}

proptest! {
    #[test]
    fn parsing_what_was_built_gives_the_same_endpoint(
        start in starts(),
        prefix in vec("[a-z]{1,5}|app|ttl|identity|ü %", 0..3),
        app in option::of(texts()),
        identity in option::of(texts()),
        ttl in option::of(any::<u32>()),
        parameters in parameters(),
    ) {
        let mut builder = start.prefix(&prefix.join("/"));
        if let Some(app) = &app {
            builder = builder.app(app);
        }
        if let Some(identity) = &identity {
            builder = builder.identity(identity);
        }
        if let Some(ttl) = ttl {
            builder = builder.ttl(ttl);
        }
        for (name, value) in &parameters {
            builder = builder.parameter(name, value.as_str());
        }
        let built = builder.build().unwrap();
        let parsed = Endpoint::parse(&built.expose_url()).unwrap();

        prop_assert_eq!(&parsed, &built);
        prop_assert_eq!(decode(parsed.prefix()), prefix.join("/"));
        prop_assert_eq!(parsed.app(), app.map(Cow::from));
        prop_assert_eq!(parsed.identity(), identity.map(Cow::from));
        prop_assert_eq!(parsed.ttl(), ttl);
        for (name, value) in &parameters {
            prop_assert_eq!(parsed.parameter(name), Some(Cow::from(value)));
        }
    }

    #[test]
    fn what_was_parsed_is_parsed_again_to_the_same(
        scheme in "ws|wss|http|https",
        host in hosts(),
        path in prop_oneof![any::<String>(), "(/|app|hub|sense|single|ttl|identity|x|[?&=%#]|appid=|code=|\\\\){0,12}"],
    ) {
        if let Ok(endpoint) = Endpoint::parse(&format!("{scheme}://{host}/{path}")) {
            // Nothing of it panics, whatever the path is.
            let _ = (endpoint.prefix(), endpoint.app(), endpoint.identity(), endpoint.ttl());
            prop_assert_eq!(Endpoint::parse(&endpoint.expose_url()).unwrap(), endpoint);
        }
    }

    #[test]
    fn no_secret_parameter_is_ever_shown(
        start in starts(),
        name in "qlikTicket|QlikTicket|qlik-csrf-token|accessToken|access_token|xrfkey|code|state",
        depth in 0..4,
    ) {
        let mut value = format!("{name}=s3cret/s3cret&x=1");
        for _ in 0..depth {
            value = format!("loginUri={}", utf8_percent_encode(&format!("https://h/?{value}"), COMPONENT));
        }
        let endpoint = start.reload_uri(&format!("https://h/?{value}")).parameter(&name, "s3cret").build().unwrap();
        let shown = format!("{endpoint} {endpoint:?}");
        prop_assert!(!shown.contains("s3cret"), "{}", shown);
    }
}
