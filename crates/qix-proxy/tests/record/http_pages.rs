//! Pages through the recorder: what names the upstream names us, and who may use injected credentials.

use qix_transport::{Auth, Endpoint};

use crate::{
    http::{ok, send, serve, whole},
    support::*,
};

#[tokio::test]
async fn page_logs_in_through_redirects_cookies_and_csrf_tokens() {
    let (origins, address) = listener().await;
    let rig = Rig::new(address).await;
    let ours = rig.address;
    let get = |path: &str, more: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {ours}\r\nReferer: http://{ours}/start\r\nOrigin: http://{ours}\r\n{more}\r\n"
        )
    };
    let client = async {
        let back = format!("http%3A%2F%2F127.0.0.1%3A{}%2Fhub", ours.port());
        let mut client = send(&rig, &get(&format!("/hub?reloadUri={back}"), "")).await;
        let (head, _) = whole(&mut client).await;
        assert_eq!(
            header(&head, "location"),
            Some(&*format!("http://{ours}/form/?targetId=1&returnto={back}"))
        );
        client.write(get("/form/?targetId=1", "").as_bytes()).await;
        let (head, _) = whole(&mut client).await;
        let cookies: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("Set-Cookie: ")).collect();
        assert_eq!(
            cookies,
            ["X-Qlik-Session=1234; Path=/; HttpOnly; SameSite=Lax", "Qix-Host-csrf=2; Path=/"]
        );
        assert_eq!(header(&head, "access-control-allow-origin"), Some(&*format!("http://{ours}")));
        assert_eq!(header(&head, "strict-transport-security"), None);
        assert_eq!(header(&head, "qlik-csrf-token"), Some("0123456789abcdef"), "pages need it");
        client.write(get("/x", "Cookie: X-Qlik-Session=1234; Qix-Host-csrf=2\r\n").as_bytes()).await;
        whole(&mut client).await;
    };
    let origin = async {
        let back = format!("http%3A%2F%2F127.0.0.1%3A{}%2Fhub", address.port());
        let redirect = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://{address}/form/?targetId=1&returnto={back}\r\nContent-Length: 0\r\n\r\n"
        );
        let (mut origin, head) = serve(&origins, &redirect).await;
        assert!(head.starts_with(&format!("GET /hub?reloadUri={back} HTTP/1.1\r\n")), "{head}");
        assert_eq!(header(&head, "referer"), Some(&*format!("http://{address}/start")));
        assert_eq!(header(&head, "origin"), Some(&*format!("http://{address}")));
        origin.head().await;
        let cookies = "Set-Cookie: X-Qlik-Session=1234; Domain=127.0.0.1; Path=/; Secure; HttpOnly; SameSite=None\r\n\
                       Set-Cookie: __Host-csrf=2; Path=/; Secure\r\n";
        let more = format!(
            "{cookies}Access-Control-Allow-Origin: http://{address}\r\nStrict-Transport-Security: max-age=9\r\n\
             qlik-csrf-token: 0123456789abcdef\r\n"
        );
        origin.write(ok("", &more).as_bytes()).await;
        let head = origin.head().await;
        assert_eq!(header(&head, "cookie"), Some("X-Qlik-Session=1234; __Host-csrf=2"));
        origin.write(ok("token 0123456789abcdef", "").as_bytes()).await;
        origin
    };
    let ((), _origin) = tokio::join!(client, origin);
    let recording = rig.cut().await;
    for secret in ["0123456789abcdef", "X-Qlik-Session=1234"] {
        let token = recording.kind("http")[1]["response"].to_string();
        assert!(!token.contains(secret), "{token}");
    }
}

#[tokio::test]
async fn pages_of_maps_stay_below_their_path() {
    let (origins, address) = listener().await;
    let rig = Rig::with("ws://unused.invalid", |config| {
        config.map("/a", Endpoint::parse(&format!("ws://{address}/vp")).unwrap())
    })
    .await;
    let mut client = send(&rig, "GET /a/hub HTTP/1.1\r\nHost: localhost:9077\r\n\r\n").await;
    let answer = ok("", &format!("Location: http://{address}/vp/form\r\nSet-Cookie: a=b; Path=/vp\r\n"));
    let (_origin, head) = serve(&origins, &answer).await;
    assert!(head.starts_with("GET /vp/hub HTTP/1.1\r\n"), "{head}");
    let (head, _) = whole(&mut client).await;
    assert_eq!(header(&head, "location"), Some("http://localhost:9077/a/form"));
    assert_eq!(header(&head, "set-cookie"), Some("a=b; Path=/a"));
    rig.cut().await;
}

#[tokio::test]
async fn encodings_that_cannot_be_looked_into_are_not_asked_for_unless_nothing_is_kept() {
    let (origins, address) = listener().await;
    for (kept, asked) in [(1000, "gzip"), (0, "gzip, br")] {
        let rig = Rig::with(&format!("ws://{address}"), |config| config.max_body(kept)).await;
        let mut client = send(&rig, "GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip, br\r\n\r\n").await;
        let (_origin, head) = serve(&origins, &ok("body", "")).await;
        assert_eq!(header(&head, "accept-encoding"), Some(asked));
        whole(&mut client).await;
        let recording = rig.cut().await;
        assert_eq!(recording.kind("http")[0]["response_body"].get("text").is_some(), kept > 0);
    }
}

async fn status(rig: &Rig, request: &str) -> String {
    let mut client = send(rig, request).await;
    let (head, _) = whole(&mut client).await;
    head.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn pages_of_other_sites_and_rebound_names_cannot_use_injected_credentials() {
    let (origins, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| {
        config.auth(Auth::bearer("s3cret")).allowed_origins(vec!["https://intranet.example".to_owned()])
    })
    .await;
    let get = |host: &str, more: &str| format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    for request in [
        get("localhost", "Origin: https://evil.example\r\n"),
        get("localhost", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
        get(
            "localhost",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
        ),
        get("evil.example:9077", ""),
        get("evil.example", "Origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n"),
        "POST /x HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nContent-Length: 1\r\n\r\nx".to_owned(),
        request("/app/x", "").replace("Host: localhost:9077", "Host: evil.example"),
    ] {
        assert_eq!(status(&rig, &request).await, "403", "{request}");
    }
    for request in [
        get(
            "localhost",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        ),
        get("localhost:9077", "Origin: http://localhost:9077\r\nSec-Fetch-Site: same-origin\r\n"),
        get("127.0.0.1", ""),
        get("intranet.example", ""),
        get("localhost", "Origin: https://intranet.example\r\nSec-Fetch-Site: cross-site\r\n"),
        get("localhost", "Referer: https://intranet.example/\r\nSec-Fetch-Site: cross-site\r\n"),
    ] {
        let answer = ok("", "");
        let (status, (_origin, head)) = tokio::join!(status(&rig, &request), serve(&origins, &answer));
        assert_eq!(status, "200", "{request}");
        assert_eq!(header(&head, "authorization"), Some("Bearer s3cret"));
    }
    let recording = rig.cut().await;
    assert_eq!(recording.sealed.exchanges, 6, "what is refused is not passed on");
    assert!(!recording.text.contains("s3cret"));
}
