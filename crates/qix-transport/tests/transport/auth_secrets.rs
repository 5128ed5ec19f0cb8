//! Secrets are nowhere but on the wire.

use std::{
    error::Error,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
};

use qix_transport::{
    Auth, CloudSession, Connect, Dialer, Endpoint, Limits, OAuth, Proof, ProxySession, QlikUser, QpsTicket,
    Secret, Token, WsConnect,
};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    support::within,
    web::{Asked, Web, answer, web},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Takes what goes to the `log` crate. The WebSocket library writes there what was said over an open socket, as the documentation
/// of `WsSocket` warns; nothing of the way to it.
impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        !metadata.target().starts_with("tungstenite::protocol")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}\n", record.target(), record.args());
            self.0.lock().unwrap().extend_from_slice(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// One of every kind, all with secrets that have the text `s3cret` in them.
fn every_kind(services: &Endpoint) -> Vec<Auth> {
    let limits = Limits::default();
    let oauth = || OAuth::client_credentials("client", "s3cret-oauth");
    let ticket = QpsTicket::new(services.clone(), Dialer::plain(&limits), QlikUser::new("A", "b"));
    vec![
        Auth::bearer("s3cret-bearer"),
        Auth::header("hdr-usr", "s3cret-user"),
        Auth::ticket("s3cret-ticket"),
        Auth::cookie("X-Qlik-Session", "s3cret-cookie"),
        Auth::query("accessToken", "s3cret-query"),
        Auth::bearer_from(oauth()),
        Auth::bearer_from(OAuth::impersonate_subject("client", "s3cret-oauth", "s3cret-subject")),
        Auth::new(CloudSession::new(Auth::bearer("s3cret-jwt"))),
        Auth::new(ProxySession::new(Auth::bearer("s3cret-jwt"))),
        Auth::new(ProxySession::new(Auth::ticket("s3cret-ticket"))),
        Auth::new(ProxySession::new(Auth::bearer_from(oauth()))),
        Auth::new(ticket),
    ]
}

/// Shows all that a program could show of an attempt.
async fn shown(endpoint: &Endpoint, auth: Auth) -> String {
    let mut text = format!("{auth:?} {auth:#?}");
    let builder = WsConnect::builder(endpoint.clone()).auth(auth).header("X-Mine", "s3cret-header");
    write!(text, "{builder:?} {builder:#?}").unwrap();
    let connect = builder.build().unwrap();
    for _ in 0..2 {
        match within(connect.connect()).await {
            Ok(socket) => drop(socket),
            Err(error) => {
                write!(text, "{error:?} {error:#?} {:?} {}", error.hint(), error.peer()).unwrap();
                let mut level: Option<&dyn Error> = Some(&error);
                while let Some(error) = level {
                    write!(text, " {error} {error:?}").unwrap();
                    level = error.source();
                }
            }
        }
        write!(text, "{connect:?} {connect:#?}").unwrap();
    }
    text
}

/// Gives credentials to whoever asks, or nothing if the request is not for any.
fn give(asked: &Asked) -> Option<String> {
    let body = r#"{"access_token":"s3cret-token","expires_in":60,"Ticket":"s3cret-qps"}"#;
    let cookies = "Set-Cookie: X-Qlik-Session=s3cret-session\r\nqlik-csrf-token: s3cret-csrf\r\n";
    (!asked.is_upgrade()).then(|| answer("200 OK", cookies, body))
}

/// Repeats the whole request in the answer, in every place there is.
fn echo(status: &str, asked: &Asked) -> String {
    let all = format!("{} {}", asked.head, asked.body).replace(['\r', '\n'], " ");
    let target = asked.line().split(' ').nth(1).unwrap();
    let error = serde_json::json!({"error": all, "access_token": {"a": all}, "Ticket": 1}).to_string();
    answer(
        status,
        &format!("Location: https://h{target}\r\nSet-Cookie: a=s3cret-a\r\nX-Echo: {all}\r\n"),
        &error,
    )
}

async fn servers() -> Vec<Web> {
    vec![
        web(|asked, _| give(asked).unwrap_or_else(|| asked.switched("Set-Cookie: b=s3cret-b\r\n"))).await,
        web(|asked, _| give(asked).unwrap_or_else(|| echo("401 Unauthorized", asked))).await,
        web(|asked, _| give(asked).unwrap_or_else(|| echo("403 Forbidden", asked))).await,
        web(|asked, _| give(asked).unwrap_or_else(|| echo("302 Found", asked))).await,
        // A protocol switched on that is a secret's text would be shown; the request itself has none to take it from.
        web(|asked, _| give(asked).unwrap_or_else(|| format!("{} HTTP/1.1\r\n\r\n", asked.line()))).await,
        web(|asked, _| echo("401 Unauthorized", asked)).await,
        web(|asked, _| echo("302 Found", asked)).await,
        web(|asked, _| echo("200 OK", asked)).await,
        web(|asked, _| asked.head.clone()).await,
    ]
}

#[tokio::test]
async fn no_secret_of_any_kind_is_in_debug_errors_hints_or_logs() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // For all threads: what one without a subscriber meets first is switched off for those that have one.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log::set_boxed_logger(Box::new(log.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let dead = Endpoint::parse("ws://127.0.0.1:1/app/x?qlikTicket=s3cret-url").unwrap();
    let mut places = vec![dead];
    let servers = servers().await;
    places.extend(servers.iter().map(|server| server.endpoint("/vp/app/x?qlik-csrf-token=s3cret-url")));
    for place in &places {
        for auth in every_kind(place) {
            let text = shown(place, auth).await;
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("connected") && log.contains("got a token"), "the log is there: {log}");
    assert!(!log.contains("s3cret"), "{log}");
    // And the secrets did go out, so that there was something to find.
    let sent = format!("{:?}", servers[0].asked());
    for name in [
        "bearer", "user", "ticket", "cookie", "query", "oauth", "jwt", "token", "qps", "session", "csrf",
        "header",
    ] {
        assert!(sent.contains(&format!("s3cret-{name}")), "{name}");
    }
}

#[test]
fn values_on_their_way_hide_their_secrets() {
    let proof =
        Proof::new().header("a", "s3cret").unwrap().query("b", "s3cret").cookie("c", "s3cret").unwrap();
    let text = format!("{:?} {proof:?} {:?}", Secret::new("s3cret"), Token::new("s3cret"));
    assert!(!text.contains("s3cret"), "{text}");
}
