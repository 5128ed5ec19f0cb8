//! Several upstreams behind one address, and the user's rules for headers.

use http::HeaderName;
use qix_transport::{Auth, Endpoint};
use tokio::net::TcpListener;

use crate::support::*;

/// Asks for `path` and returns the head that reached the engine.
async fn asked(rig: &Rig, engines: &TcpListener, path: &str, headers: &str) -> String {
    let client = async {
        let mut client = Raw::ask(rig.address, path, headers).await;
        assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    };
    let engine = async { next(engines).await.accept("", b"").await };
    tokio::join!(client, engine).1
}

#[tokio::test]
async fn each_path_leads_to_its_upstream_with_the_same_credentials() {
    let ((one, at_one), (two, at_two), (rest, at_rest)) =
        (listener().await, listener().await, listener().await);
    let rig = Rig::with(&format!("ws://{at_rest}/vp"), |config| {
        let parse = |url: String| Endpoint::parse(&url).unwrap();
        config
            .map("/a", parse(format!("ws://{at_one}")))
            .map("/a/two/", parse(format!("ws://{at_two}/sales/")))
            .auth(Auth::bearer("s3cret"))
    })
    .await;
    for (engines, address, path, expected) in [
        (&one, at_one, "/a/app/x%2Fy?z=1", "/app/x%2Fy?z=1"),
        (&two, at_two, "/a/two/app/x", "/sales/app/x"),
        (&rest, at_rest, "/app/x", "/vp/app/x"),
        (&rest, at_rest, "/about/app/x", "/vp/about/app/x"),
    ] {
        let head = asked(&rig, engines, path, "Origin: http://localhost\r\n").await;
        assert!(head.starts_with(&format!("GET {expected} HTTP/1.1\r\n")), "{head}");
        assert_eq!(header(&head, "host"), Some(&*address.to_string()));
        assert_eq!(header(&head, "origin"), Some(&*format!("http://{address}")));
        assert_eq!(header(&head, "authorization"), Some("Bearer s3cret"));
        let mut page = Raw::ask(rig.address, path, "Origin: https://evil.example\r\n").await;
        assert!(page.head().await.starts_with("HTTP/1.1 403 "), "{path} is guarded too");
    }
    let recording = rig.cut().await;
    assert_eq!(
        recording.lines[0]["upstream"],
        format!("ws://{at_rest}/vp, /a=ws://{at_one}/, /a/two=ws://{at_two}/sales/")
    );
    assert_eq!(recording.kind("open")[1]["url"], "/a/two/app/x", "as the client asked");
}

#[tokio::test]
async fn path_without_an_upstream_is_told_which_paths_there_are() {
    let (engines, address) = listener().await;
    let rig = Rig::with("ws://unused", |mut config| {
        config.upstream = None;
        config.map("/a", Endpoint::parse(&format!("ws://{address}")).unwrap())
    })
    .await;
    let mut client = Raw::ask(rig.address, "/app/x", "Connection: close\r\n").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("only for /a/"), "{answer}");
    asked(&rig, &engines, "/a/app/x", "").await;
    assert_eq!(rig.cut().await.sealed.connections, 1);
}

#[tokio::test]
async fn login_in_several_requests_does_not_stray_to_another_upstream() {
    let ((one, at_one), (two, at_two)) = (listener().await, listener().await);
    let rig = Rig::with(&format!("ws://{at_one}"), |config| {
        config.map("/two", Endpoint::parse(&format!("ws://{at_two}")).unwrap())
    })
    .await;
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "").await;
        assert!(client.head().await.starts_with("HTTP/1.1 401"));
        client.write(request("/two/app/x", "").as_bytes()).await;
        assert!(client.head().await.starts_with("HTTP/1.1 101"));
    };
    let engine = async {
        let mut refusing = next(&one).await;
        refusing.head().await;
        refusing.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
        next(&two).await.accept("", b"").await
    };
    tokio::join!(client, engine);
    rig.cut().await;
}

#[tokio::test]
async fn headers_are_removed_by_rule() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| {
        let config = config.remove_header(HeaderName::from_static("x-forwarded-for"));
        config.remove_header(HeaderName::from_static("cookie"))
    })
    .await;
    let head = asked(&rig, &engines, "/", "X-Forwarded-For: 10.0.0.1\r\nCookie: a=b\r\nX-Kept: 1\r\n").await;
    assert_eq!(
        ["x-forwarded-for", "cookie", "x-kept"].map(|name| header(&head, name)),
        [None, None, Some("1")]
    );
    let recording = rig.cut().await;
    let sent = recording.kind("open")[0]["request"].to_string();
    assert!(sent.contains("10.0.0.1"), "the recording has what the client sent: {sent}");
}
