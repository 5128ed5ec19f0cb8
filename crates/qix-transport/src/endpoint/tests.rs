//! Parsing, printing and reading of URLs; builders have their tests beside them.

use super::*;

fn parse(url: &str) -> Endpoint {
    Endpoint::parse(url).unwrap()
}

#[test]
fn http_schemes_are_taken_as_web_socket_ones() {
    for (url, expected) in [
        ("ws://h/x", "ws://h/x"),
        ("WSS://h/x", "wss://h/x"),
        ("http://h", "ws://h/"),
        (" https://h ", "wss://h/"),
    ] {
        assert_eq!(parse(url).to_string(), expected);
    }
}

#[test]
fn default_ports_are_filled_in_and_left_out_of_the_authority() {
    assert_eq!((parse("ws://h").port(), parse("wss://h:").port()), (80, 443));
    assert_eq!(parse("wss://h:443/").authority(), "h");
    assert_eq!(parse("wss://h:4747/").authority(), "h:4747");
    assert_eq!(parse("ws://h:443/").authority(), "h:443");
}

#[test]
fn ipv6_literals_keep_their_brackets_in_the_authority_only() {
    let endpoint = parse("wss://[2001:DB8::1]:4747/app/x");
    assert_eq!(endpoint.host(), "2001:db8::1");
    assert_eq!(endpoint.authority(), "[2001:db8::1]:4747");
    assert_eq!(&*endpoint.peer(), "[2001:db8::1]:4747");
    assert_eq!(parse("ws://[::1]").origin(), "http://[::1]");
}

#[test]
fn path_and_query_stay_exactly_as_written() {
    for path in [
        "/app/C%3A%5CUsers%5Cme%5CSales.qvf",
        "/app/x/identity/a%2Fb%2fc/ttl/0",
        "//app/engineData",
        "/a/../b/./c",
        "/app/%3Ftransient%3D/identity/1",
        "/app/x?reloadUri=https%3A%2F%2Fh%2F&x=a/b?c",
        "/app/x?",
        "/app/R&D",
    ] {
        assert_eq!(parse(&format!("ws://h:1{path}")).path_and_query(), path);
    }
    assert_eq!(parse("ws://h?x=1").path_and_query(), "/?x=1");
}

#[test]
fn characters_no_request_may_hold_are_encoded() {
    assert_eq!(parse("ws://h/app/Übersicht 1.qvf").path_and_query(), "/app/%C3%9Cbersicht%201.qvf");
    assert_eq!(parse("ws://müller.example/").host(), "xn--mller-kva.example");
}

#[test]
fn with_path_replaces_path_and_query() {
    let base = parse("wss://h:4747/vp?x=1");
    assert_eq!(base.with_path("app/%5C?y").unwrap().to_string(), "wss://h:4747/app/%5C?y");
    assert_eq!(base.with_path("").unwrap().path_and_query(), "/");
    assert_eq!(base.with_path("/a\r\nX: y").unwrap_err(), EndpointError::Control { at: 2 });
}

#[test]
fn origin_is_that_of_a_page() {
    assert_eq!(parse("wss://h/x").origin(), "https://h");
    assert_eq!(parse("ws://h:4848/x").origin(), "http://h:4848");
}

#[test]
fn bad_urls_say_what_is_wrong() {
    let long = format!("ws://h/{}", "x".repeat(70_000));
    for (url, expected) in [
        ("", EndpointError::Scheme),
        ("host/app", EndpointError::Scheme),
        ("ftp://h", EndpointError::Scheme),
        ("ws://", EndpointError::Host),
        ("ws:///app", EndpointError::Host),
        ("ws://:80/", EndpointError::Host),
        ("ws://::1/", EndpointError::Host),
        ("ws://[::1/", EndpointError::Host),
        ("ws://[::1]x/", EndpointError::Host),
        ("ws://[::1]:0/", EndpointError::Port),
        ("ws://a b/", EndpointError::Host),
        ("ws://h:0/", EndpointError::Port),
        ("ws://h:+80/", EndpointError::Port),
        ("ws://h:70000/", EndpointError::Port),
        ("ws://ada:secret@h/", EndpointError::UserInfo),
        ("ws://h/#x", EndpointError::Fragment),
        ("ws://h/a\nb", EndpointError::Control { at: 2 }),
        ("wss://h/app/x&qlik-csrf-token=secret", EndpointError::Ampersand),
        (long.as_str(), EndpointError::Path),
    ] {
        let error = Endpoint::parse(url).unwrap_err();
        assert_eq!(error, expected, "{url:.40}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn display_and_debug_hide_credentials() {
    let endpoint =
        parse("wss://h/app/x?qlikTicket=s3cret&reloadUri=https%3A%2F%2Fh%2F%3Fcode%3Ds3cret&ttl=1");
    for shown in [endpoint.to_string(), format!("{endpoint:?}"), format!("{endpoint:#?}")] {
        assert!(!shown.contains("s3cret") && shown.contains("ttl=1"), "{shown}");
    }
}

#[test]
fn every_form_of_deployment_is_read() {
    for (url, prefix, app) in [
        ("ws://localhost:4848/app/", "", None),
        ("ws://localhost:4848/app/Sales.qvf", "", Some("Sales.qvf")),
        ("ws://localhost:4848/app/C%3A%5CApps%5CSales.qvf", "", Some(r"C:\Apps\Sales.qvf")),
        ("ws://h:9076", "", None),
        ("ws://h:9076/app/any", "", Some("any")),
        ("wss://h:4747/app/engineData", "", None),
        ("wss://h/a/b/app/ID", "a/b", Some("ID")),
        ("wss://t.eu.qlikcloud.com/app/ID", "", Some("ID")),
        ("wss://h/app/SessionApp_1?from=ID", "", Some("SessionApp_1")),
        ("wss://h/vp/dataprepservice/app/ID", "vp/dataprepservice", Some("ID")),
    ] {
        let endpoint = parse(url);
        assert_eq!((endpoint.prefix(), endpoint.app().as_deref()), (prefix, app), "{url}");
    }
    assert_eq!(parse("wss://h/app/SessionApp_1?from=ID").parameter("from").as_deref(), Some("ID"));
}

#[test]
fn identity_and_ttl_are_read() {
    let endpoint = parse("ws://h/vp/app/x/identity/a%2Fb%20c/ttl/0?y");
    assert_eq!((endpoint.identity().as_deref(), endpoint.ttl()), (Some("a/b c"), Some(0)));
    let endpoint = parse("ws://h/app/x/ttl/-1");
    assert_eq!((endpoint.app().as_deref(), endpoint.identity(), endpoint.ttl()), (Some("x"), None, None));
}

#[test]
fn desktop_path_with_backslashes_is_encoded() {
    let endpoint = parse(r"ws://localhost:4848/app/C:\Users\me\My Sales.qvf");
    assert_eq!(endpoint.path_and_query(), "/app/C:%5CUsers%5Cme%5CMy%20Sales.qvf");
    assert_eq!(endpoint.app().as_deref(), Some(r"C:\Users\me\My Sales.qvf"));
    let passed_on = endpoint.with_path(r"/app/C:\x").unwrap();
    assert_eq!(passed_on.path_and_query(), r"/app/C:\x", "a client's path stays as it is");
}

#[test]
fn trailing_slashes_do_not_hide_the_parts() {
    let endpoint = parse("wss://h/vp/app/ID/");
    assert_eq!((endpoint.prefix(), endpoint.app().as_deref()), ("vp", Some("ID")));
    assert_eq!(parse("wss://h/vp//").prefix(), "vp");
}

#[test]
fn address_of_a_page_becomes_that_of_its_engine() {
    for (page, expected) in [
        ("https://h/vp/sense/app/ID/sheet/S/state/analysis#x", "wss://h/vp/app/ID"),
        ("https://t.eu.qlikcloud.com/sense/app/ID?qlikTicket=1", "wss://t.eu.qlikcloud.com/app/ID"),
        ("http://localhost:4848/hub/", "ws://localhost:4848/app/engineData"),
        ("https://h/single/?appid=ID&obj=1", "wss://h/app/ID"),
    ] {
        assert_eq!(parse(page).expose_url(), expected);
    }
    assert_eq!(parse("wss://h/sense/app/ID").prefix(), "sense", "a virtual proxy may be called so");
}

#[test]
fn expose_url_has_the_secrets() {
    let url = "wss://h:4747/app/x?qlikTicket=s3cret";
    assert_eq!(parse(url).expose_url(), url);
}

#[test]
fn with_parameter_replaces_those_of_the_same_name() {
    for (url, expected) in [
        ("ws://h/app/x", "ws://h/app/x?qlikTicket=a%26b"),
        ("ws://h/app/x?", "ws://h/app/x?qlikTicket=a%26b"),
        ("ws://h/app/x?y=%2f&QlikTicket=1&z", "ws://h/app/x?y=%2f&z&qlikTicket=a%26b"),
        ("ws://h/app/x?qlikticket", "ws://h/app/x?qlikTicket=a%26b"),
    ] {
        assert_eq!(parse(url).with_parameter("qlikTicket", "a&b").unwrap().expose_url(), expected);
    }
    let literal = parse("ws://h/").with_parameter("%61", "x").unwrap();
    assert_eq!((literal.parameter("%61").as_deref(), literal.parameter("a")), (Some("x"), None));
    assert_eq!(parse("ws://h/").with_parameter("", "x").unwrap_err(), EndpointError::Parameter);
}

#[test]
fn query_glued_to_the_path_is_passed_on_and_read() {
    let endpoint = parse("ws://h/").with_path("/app/x&qlik-csrf-token=1&y=2").unwrap();
    assert_eq!(endpoint.path_and_query(), "/app/x&qlik-csrf-token=1&y=2");
    assert_eq!(endpoint.app().as_deref(), Some("x"), "no secret gets into the app's name");
    assert_eq!(endpoint.parameter("Qlik-CSRF-Token").as_deref(), Some("1"));
    let repaired = endpoint.with_parameter("qlik-csrf-token", "3").unwrap();
    assert_eq!(repaired.path_and_query(), "/app/x?y=2&qlik-csrf-token=3");
}
