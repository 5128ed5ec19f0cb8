//! No secret gets into a recording.

use qix_transport::{Auth, Headers};

use crate::support::*;

#[tokio::test]
async fn no_secret_of_any_kind_is_in_the_file() {
    const SECRET: &str = "TOP-s3cret";
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| {
        config
            .auth(Auth::bearer("TOP-s3cret-0"))
            .headers(Headers::new().header("X-Own-Auth", "TOP-s3cret-1").unwrap())
    })
    .await;
    let names = [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-Qlik-Session",
        "X-Qlik-Session-vp",
        "X-Qlik-Ticket",
        "X-Qlik-ProxySession",
        "X-Qlik-User",
        "X-Qlik-Security",
        "qlik-csrf-token",
        "X-Own-Auth",
    ];
    let headers: String = names.iter().map(|name| format!("{name}: {SECRET}\r\n")).collect();
    let queries = [
        "qlikTicket",
        "QlikTicket",
        "qlik-csrf-token",
        "accessToken",
        "access_token",
        "xrfkey",
        "code",
        "state",
    ];
    let mut path = format!("/app/x?reloadUri=https%3A%2F%2Fh%2F%3FqlikTicket%3D{SECRET}%26y%3D1");
    path.extend(queries.iter().map(|name| format!("&{name}={SECRET}")));

    // Refused first, then accepted: both are recorded.
    let client = async {
        let mut client = Raw::ask(rig.address, &path, &headers).await;
        client.head().await;
        client.expect(format!("no {SECRET} here").as_bytes()).await;
        let mut client = Raw::ask(rig.address, &path, &headers).await;
        client.head().await;
        client
    };
    let engine = async {
        let mut refusing = next(&engines).await;
        let asked = refusing.head().await;
        let body = format!("no {SECRET} here");
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 302 Found\r\nLocation: https://h/?code={SECRET}\r\nSet-Cookie: a={SECRET}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        refusing.write(answer.as_bytes()).await;
        let mut engine = next(&engines).await;
        engine.accept(&format!("Set-Cookie: a={SECRET}\r\n"), b"").await;
        (engine, asked)
    };
    let (mut client, (mut engine, asked)) = tokio::join!(client, engine);
    assert_eq!(header(&asked, "authorization"), Some("Bearer TOP-s3cret-0"));
    assert_eq!(header(&asked, "x-own-auth"), Some("TOP-s3cret-1"));
    assert_eq!(header(&asked, "cookie"), Some(SECRET));

    for request in [
        format!(r#"{{"method":"OpenDoc","params":["a","{SECRET}","{SECRET}","{SECRET}"],"id":1}}"#),
        format!(r#"{{"id":2,"params":{{"qDocName":"a","qPassword":"{SECRET}"}},"method":"CreateDocEx"}}"#),
    ] {
        let bytes = frame(0x81, request.as_bytes(), true);
        client.write(&bytes).await;
        engine.expect(&bytes).await;
    }
    let recording = rig.cut().await;
    assert!(!recording.text.contains("s3cret"), "{}", recording.text);
    let refused = recording.kind("refused")[0];
    assert_eq!(refused["body"], "no *** here");
    let redacted = &recording.kind("open")[0]["redacted"];
    let listed: Vec<_> = redacted.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(listed[0], "url");
    for name in names {
        assert!(listed.contains(&&*format!("request.{}", name.to_lowercase())), "{name}: {listed:?}");
    }
    assert!(listed.contains(&"response.set-cookie"));
    let frames = recording.kind("frame");
    assert_eq!(frames[0]["redacted"], serde_json::json!(["params.1", "params.2", "params.3"]));
    assert_eq!(frames[1]["redacted"], serde_json::json!(["params.qPassword"]));
    assert_eq!(frames[0]["json"]["params"][1], "***");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let (_engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let mode = std::fs::metadata(&rig.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    rig.cut().await;
}
