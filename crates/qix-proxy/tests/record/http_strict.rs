//! Requests that two servers could read in two ways, at the socket.

use crate::{
    http::{ok, send, serve, whole},
    support::*,
};

/// Requests of which the upstream must see nothing.
const SMUGGLED: &[(&str, &str)] = &[
    (
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
        "both",
    ),
    (
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX",
        "both",
    ),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy", "two Content-Lengths"),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", "no number"),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", "no number"),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "other than chunked"),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\nx", "other than chunked"),
    (
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "other than chunked",
    ),
    ("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", ""),
    ("POST / HTTP/1.1\r\nHost: h\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
    ("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", ""),
    ("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", ""),
    ("GET / HTTP/1.1\rHost: h\r\n\r\n", ""),
    ("GET / HTTP/1.1\nHost: h\n\n", "line feed"),
    ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", "more than one Host"),
    ("GET / HTTP/1.1\r\nX: y\r\n\r\n", "no Host"),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "Host that is none"),
    ("GET http://h/ HTTP/1.1\r\nHost: other\r\n\r\n", "another in its Host"),
];

#[tokio::test]
async fn forms_of_smuggling_are_refused_and_nothing_goes_upstream() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    for (request, says) in SMUGGLED {
        let mut client = send(&rig, request).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{request:?}: {answer}"
        );
        // Some of them hyper refuses by itself, without a word.
        assert!(answer.contains(says) || answer.contains("Content-Length: 0\r\n"), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "nothing behind it is answered: {answer}");
    }
    // Had one of them come through, it would be here first.
    let mut client = send(&rig, "GET /fine HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (_origin, head) = serve(&origins, &ok("fine", "")).await;
    assert!(head.starts_with("GET /fine "), "{head}");
    assert_eq!(whole(&mut client).await.1, "fine");
    assert_eq!(rig.cut().await.sealed.exchanges, 1);
}

#[tokio::test]
async fn what_comes_before_a_smuggled_request_on_its_connection_is_answered() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let fine = "POST /fine HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na\nb";
    for (request, _) in SMUGGLED {
        let mut client = send(&rig, &format!("{fine}{request}")).await;
        let mut origin = next(&origins).await;
        origin.head().await;
        origin.expect(b"a\nb").await;
        origin.write(ok("fine", "").as_bytes()).await;
        assert_eq!(whole(&mut client).await.1, "fine");
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{request:?}: {answer}"
        );
        assert_eq!(origin.rest().await, b"", "{request:?}");
    }
    rig.cut().await;
}

#[tokio::test]
async fn upgrades_are_held_to_the_same_rules() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    for more in ["Host: other\r\n", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"] {
        let mut client = Raw::ask(rig.address, "/app/x", more).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    open(&rig, &origins).await;
    assert_eq!(rig.cut().await.sealed.connections, 1);
}

#[tokio::test]
async fn body_that_lies_about_its_chunks_ends_both_connections() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for lie in ["1\r\nab\r\n0\r\n\r\n", "0x1\r\na\r\n0\r\n\r\n", "1\na\r\n0\r\n\r\n", "-1\r\n"] {
        let mut client = send(&rig, head).await;
        let mut origin = next(&origins).await;
        origin.head().await;
        client.write(lie.as_bytes()).await;
        let rest = origin.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "the upstream never takes it for complete: {lie:?}");
        client.rest().await;
    }
    rig.cut().await;
}

#[tokio::test]
async fn absolute_form_with_the_same_host_is_fine() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let mut client =
        send(&rig, "GET http://localhost:9077/x?y HTTP/1.1\r\nHost: localhost:9077\r\n\r\n").await;
    let (_origin, head) = serve(&origins, &ok("", "")).await;
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
    whole(&mut client).await;
    assert_eq!(rig.cut().await.kind("http")[0]["url"], "/x?y");
}
