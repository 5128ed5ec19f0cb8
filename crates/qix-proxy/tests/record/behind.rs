//! Credentials that are asked for before each upgrade: the recorder logs in, the client needs nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use qix_transport::{
    Attempt, Auth, AuthError, AuthFuture, CloudSession, Credentials, Endpoint, OAuth, Proof, Refusal,
};
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::support::*;

/// Gives `s3cret-1`, `s3cret-2` and so on, a new one whenever one is refused with 401.
#[derive(Default)]
pub(crate) struct Numbered(AtomicUsize);

impl Credentials for Numbered {
    fn prepare<'a>(&'a self, _: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(async {
            let secret = format!("s3cret-{}", self.0.load(Ordering::Relaxed) + 1);
            let proof =
                Proof::new().header("X-Key", &secret)?.header("Origin", "https://portal.example.com")?;
            Ok(proof.query("qlik-csrf-token", &*secret).cookie("X-Qlik-Session", &*secret)?)
        })
    }

    fn repair<'a>(&'a self, _: &'a Proof, refusal: &'a Refusal) -> AuthFuture<'a, bool> {
        Box::pin(async {
            self.0.fetch_add(1, Ordering::Relaxed);
            refusal.status == 401
        })
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

/// Takes one request on a connection of its own, body included, and answers it.
async fn serve(listener: &TcpListener, reply: impl FnOnce(&str) -> String) -> (Raw, String) {
    let mut peer = next(listener).await;
    let head = peer.head().await;
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    bounded(peer.0.read_exact(&mut vec![0; length])).await.unwrap();
    peer.write(reply(&head).as_bytes()).await;
    (peer, head)
}

fn accepted(more: &'static str) -> impl FnOnce(&str) -> String {
    move |request| format!("{}{more}\r\n", switching(request))
}

async fn rig(address: std::net::SocketAddr, auth: Auth) -> Rig {
    Rig::with(&format!("ws://{address}"), |config| config.auth(auth)).await
}

#[tokio::test]
async fn refused_credentials_are_repaired_and_tried_once_more() {
    let (engines, address) = listener().await;
    let rig = rig(address, Auth::new(Numbered::default())).await;
    let client = async {
        let headers = "X-Key: mine-s3cret\r\nCookie: lb=7; X-Qlik-Session=mine-s3cret\r\nX-Other: kept\r\n";
        let mut client = Raw::ask(rig.address, "/vp/app/x?qlik-csrf-token=mine-s3cret&y=%2F", headers).await;
        let head = client.head().await;
        client.write(&frame(0x81, b"1", true)).await;
        (client, head)
    };
    let engine = async {
        let (_, first) = serve(&engines, |_| answer("401 Unauthorized", "", "s3cret-1 is stale")).await;
        let (mut engine, second) = serve(&engines, accepted("X-Said: you are s3cret-2\r\n")).await;
        engine.expect(&frame(0x81, b"1", true)).await;
        (engine, first, second)
    };
    let ((_client, head), (_engine, first, second)) = tokio::join!(client, engine);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for (asked, secret) in [(&first, "s3cret-1"), (&second, "s3cret-2")] {
        let line = format!("GET /vp/app/x?y=%2F&qlik-csrf-token={secret} HTTP/1.1\r\n");
        assert!(asked.starts_with(&line), "{asked}");
        assert_eq!(header(asked, "x-key"), Some(secret));
        assert_eq!(header(asked, "cookie"), Some(&*format!("lb=7; X-Qlik-Session={secret}")));
        assert_eq!(header(asked, "origin"), Some("https://portal.example.com"));
        assert_eq!(header(asked, "x-other"), Some("kept"));
        assert!(!asked.contains("mine"), "{asked}");
    }
    let recording = rig.cut().await;
    assert!(!recording.text.contains("s3cret"), "{}", recording.text);
    assert_eq!((recording.sealed.connections, recording.sealed.refused), (1, 0));
    let response = recording.kind("open")[0]["response"].to_string();
    assert!(response.contains("you are ***"), "{response}");
}

#[tokio::test]
async fn refusal_that_stays_is_mirrored_whole_and_without_a_third_try() {
    let (engines, address) = listener().await;
    let rig = rig(address, Auth::new(Numbered::default())).await;
    let body = format!("s3cret-2 is not known. {}", "x".repeat(50_000));
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "Connection: close\r\n").await;
        let head = client.head().await;
        (head, client.rest().await)
    };
    let engine = async {
        serve(&engines, |_| answer("401 Unauthorized", "", "")).await;
        serve(&engines, |_| answer("401 Unauthorized", "WWW-Authenticate: Bearer x=s3cret-2\r\n", &body))
            .await
    };
    let ((head, rest), _engine) = tokio::join!(client, engine);
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert!(rest == body.as_bytes(), "{} bytes of the body came", rest.len());
    let recording = rig.finish().await;
    assert_eq!(recording.sealed.refused, 1);
    assert!(!recording.text.contains("s3cret"), "{}", recording.text);
    assert!(recording.kind("refused")[0]["body"].as_str().unwrap().starts_with("*** is not known"));
}

#[tokio::test]
async fn token_is_fetched_renewed_when_refused_and_kept() {
    let (engines, address) = listener().await;
    let auth = Auth::bearer_from(OAuth::client_credentials("my-client", "s3cret-of-client"));
    let rig = rig(address, auth).await;
    let token = |name: &'static str| {
        move |_: &str| answer("200 OK", "", &format!(r#"{{"access_token":"{name}","expires_in":21600}}"#))
    };
    let client = async {
        for _ in 0..2 {
            let head = Raw::ask(rig.address, "/app/x", "").await.head().await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        }
    };
    let engine = async {
        let mut heads = Vec::new();
        heads.push(serve(&engines, token("s3cret-one")).await.1);
        heads.push(serve(&engines, |_| answer("401 Unauthorized", "", "")).await.1);
        heads.push(serve(&engines, token("s3cret-two")).await.1);
        for _ in 0..2 {
            heads.push(serve(&engines, accepted("")).await.1);
        }
        heads
    };
    let ((), heads) = tokio::join!(client, engine);
    let sent: Vec<_> = heads.iter().map(|head| header(head, "authorization")).collect();
    let (one, two) = (Some("Bearer s3cret-one"), Some("Bearer s3cret-two"));
    assert_eq!(sent, [None, one, None, two, two]);
    let recording = rig.cut().await;
    assert!(!recording.text.contains("s3cret"), "{}", recording.text);
}

#[tokio::test]
async fn session_is_made_once_and_each_socket_gets_its_csrf_token() {
    let (engines, address) = listener().await;
    let rig = rig(address, Auth::new(CloudSession::new(Auth::bearer("s3cret-jwt")))).await;
    let client = async {
        for _ in 0..2 {
            let head = Raw::ask(rig.address, "/app/x", "").await.head().await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        }
    };
    let engine = async {
        let login = |_: &str| answer("200 OK", "Set-Cookie: eas.sid=s3cret-session; Path=/\r\n", "");
        let mut heads = vec![serve(&engines, login).await.1];
        for csrf in ["s3cret-csrf-1", "s3cret-csrf-2"] {
            let token = |_: &str| answer("204 No Content", &format!("qlik-csrf-token: {csrf}\r\n"), "");
            heads.push(serve(&engines, token).await.1);
            heads.push(serve(&engines, accepted("")).await.1);
        }
        heads
    };
    let ((), heads) = tokio::join!(client, engine);
    let lines: Vec<_> = heads.iter().map(|head| head.split(" HTTP").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "POST /login/jwt-session",
            "GET /api/v1/csrf-token",
            "GET /app/x?qlik-csrf-token=s3cret-csrf-1",
            "GET /api/v1/csrf-token",
            "GET /app/x?qlik-csrf-token=s3cret-csrf-2",
        ]
    );
    let own = format!("http://{address}");
    for upgrade in [&heads[2], &heads[4]] {
        assert_eq!(header(upgrade, "cookie"), Some("eas.sid=s3cret-session"));
        assert_eq!(header(upgrade, "origin"), Some(&*own));
    }
    let recording = rig.cut().await;
    assert!(!recording.text.contains("s3cret"), "{}", recording.text);
}

#[tokio::test]
async fn credentials_that_cannot_be_had_are_a_sentence_and_no_upgrade() {
    let (engines, address) = listener().await;
    let (gone, nobody) = listener().await;
    drop(gone);
    let oauth = OAuth::client_credentials("my-client", "s3cret");
    let oauth = oauth.token_url(Endpoint::parse(&format!("http://{nobody}/oauth/token")).unwrap());
    let rig = rig(address, Auth::bearer_from(oauth)).await;
    let mut client = Raw::ask(rig.address, "/app/x", "Connection: close\r\n").await;
    let told = String::from_utf8(client.rest().await).unwrap();
    assert!(told.starts_with("HTTP/1.1 502 ") && told.contains("cannot get credentials"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
    let recording = rig.finish().await;
    assert!(recording.kind("refused")[0]["error"].as_str().unwrap().contains("cannot get credentials"));
    let untouched = tokio::time::timeout(std::time::Duration::ZERO, engines.accept()).await;
    assert!(untouched.is_err(), "the engine was not asked without credentials");
}

#[tokio::test]
async fn pages_of_other_origins_may_not_use_what_is_asked_for() {
    let (engines, address) = listener().await;
    let rig = rig(address, Auth::ticket("s3cret-ticket")).await;
    let mut client = Raw::ask(rig.address, "/app/x", "Origin: https://evil.example\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 403 "));
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "Origin: http://localhost:3000\r\n").await;
        client.head().await
    };
    let (head, (_, asked)) = tokio::join!(client, serve(&engines, accepted("")));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(asked.starts_with("GET /app/x?qlikTicket=s3cret-ticket HTTP/1.1"), "{asked}");
    let recording = rig.cut().await;
    assert!(!recording.text.contains("s3cret"), "{}", recording.text);
}
