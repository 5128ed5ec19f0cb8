//! `doctor` against engines that are well, and against most that are not.

use std::path::Path;

use qix_tests::{
    FakeEngine, FakeEngineConfig,
    certs::{CertOptions, Certs},
    fake_engine::Refusal,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::*;

async fn engine(change: impl FnOnce(&mut FakeEngineConfig)) -> FakeEngine {
    let mut config = FakeEngineConfig::default();
    change(&mut config);
    FakeEngine::start(config).await.unwrap()
}

async fn refusing(status: u16, headers: &[(&str, &str)], body: &str) -> FakeEngine {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let refusal = Refusal { status, headers, body: body.to_owned() };
    engine(|config| config.refusal = Some(refusal)).await
}

/// An engine behind TLS that wants a client certificate, and the folder with the certificates.
async fn site(options: CertOptions) -> (FakeEngine, TempDir) {
    let certs = Certs::generate(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    certs.write(folder.path()).unwrap();
    let engine = engine(|config| config.tls = Some(certs.acceptor(true).unwrap())).await;
    (engine, folder)
}

async fn doctor(engine: &FakeEngine, more: &[&str]) -> Ended {
    let url = engine.url("Sales.qvf");
    run(&[&["doctor", &url], more].concat()).await
}

async fn with_certificates(engine: &FakeEngine, folder: &Path) -> Ended {
    doctor(engine, &["--cert-dir", folder.to_str().unwrap(), "--user", r"INTERNAL\sa_engine"]).await
}

const PIN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Returns the mark and the name of each step.
fn steps(ended: &Ended) -> String {
    let steps = ended.stdout.lines().filter(|line| !line.starts_with(' '));
    steps.map(|line| line.split(' ').take(2).collect()).collect::<Vec<String>>().join(" ")
}

/// Returns the last step with all its lines.
fn last(ended: &Ended) -> &str {
    let start = ended.stdout.rfind(['✗', '✓', '!']).unwrap();
    &ended.stdout[start..]
}

#[tokio::test]
async fn good_engine_passes_every_step() {
    let engine = engine(|_| ()).await;
    let ended = doctor(&engine, &[]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(steps(&ended), "✓credentials ✓name ✓TCP ✓upgrade ✓greeting ✓engine");
    assert!(ended.stdout.contains("version 12.2528.0"), "{}", ended.stdout);
}

#[tokio::test]
async fn good_site_shows_its_certificates_and_that_it_wants_one() {
    let (engine, folder) = site(CertOptions::default()).await;
    let ended = with_certificates(&engine, folder.path()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(steps(&ended), "✓credentials ✓name ✓TCP ✓TLS ✓upgrade ✓greeting ✓engine");
    for part in ["header x-qlik-user", "TLS 1.3", "for localhost, 127.0.0.1", "asked for, and shown"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn json_is_one_object_with_the_chain() {
    let (engine, folder) = site(CertOptions::default()).await;
    let folder = folder.path().to_str().unwrap();
    let ended = doctor(&engine, &["--json", "--cert-dir", folder, "--user", r"A\b"]).await;
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["passed"], true);
    let steps = report["steps"].as_array().unwrap();
    let tls = steps.iter().find(|step| step["step"] == "TLS").unwrap();
    assert_eq!(tls["verdict"], "passed");
    assert_eq!(tls["details"]["client_certificate_wanted"], true);
    assert_eq!(tls["details"]["certificates"][0]["names"], json!(["localhost", "127.0.0.1", "::1"]));
    assert!(steps.iter().all(|step| step["ms"].as_f64().unwrap() >= 0.0));
}

#[tokio::test]
async fn expired_certificate_fails_with_the_chain_and_the_day() {
    let (engine, folder) = site(CertOptions { expired: true, ..CertOptions::default() }).await;
    let ended = with_certificates(&engine, folder.path()).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (3, ""));
    assert_eq!(steps(&ended), "✓credentials ✓name ✓TCP ✗TLS");
    for part in ["expired on ", "(expired)", "→ "] {
        assert!(last(&ended).contains(part), "{part}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn client_certificate_of_another_site_fails_after_the_handshake() {
    let (engine, folder) = site(CertOptions { other_client_ca: true, ..CertOptions::default() }).await;
    let ended = with_certificates(&engine, folder.path()).await;
    assert_eq!(ended.code, 3);
    assert_eq!(steps(&ended), "✓credentials ✓name ✓TCP ✓TLS ✗TLS");
    assert!(
        last(&ended).contains("→ the server wants a client certificate of its own site"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn missing_client_certificate_is_said_to_be_missing() {
    let (engine, folder) = site(CertOptions::default()).await;
    let root = folder.path().join("root.pem");
    let ended = doctor(&engine, &["--ca", root.to_str().unwrap()]).await;
    assert_eq!(ended.code, 3);
    assert!(ended.stdout.contains("asked for, but none was given"), "{}", ended.stdout);
}

#[tokio::test]
async fn refusal_by_csrf_says_what_to_do() {
    let body = r#"{"errors":[{"code":"CSRF-TOKEN-2","title":"CSRF token mismatch","detail":"s3cret"}]}"#;
    let engine = refusing(403, &[("Content-Type", "application/json")], body).await;
    let ended = doctor(&engine, &[]).await;
    assert_eq!((ended.code, steps(&ended).as_str()), (3, "✓credentials ✓name ✓TCP ✗upgrade"));
    for part in ["403 Forbidden", "CSRF-TOKEN-2, CSRF token mismatch", "→ the CSRF token is missing or stale"]
    {
        assert!(last(&ended).contains(part), "{part}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("s3cret"));
}

#[tokio::test]
async fn redirect_to_a_login_page_shows_where_but_no_ticket() {
    let location = "https://sense.example.com/login/?qlikTicket=s3cret";
    let engine = refusing(302, &[("Location", location), ("Server", "Microsoft-HTTPAPI/2.0")], "").await;
    let ended = doctor(&engine, &["--json"]).await;
    assert_eq!(ended.code, 3);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let step = report["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&step["step"], &step["verdict"]), (&json!("upgrade"), &json!("failed")));
    assert_eq!(step["details"]["location"], "https://sense.example.com/login/?qlikTicket=***");
    assert_eq!(step["details"]["server"], "Microsoft-HTTPAPI/2.0");
    assert!(step["hint"].as_str().unwrap().contains("login page"), "{step}");
}

#[tokio::test]
async fn dead_port_fails_at_tcp() {
    let engine = engine(|_| ()).await;
    let url = engine.url("x");
    engine.shutdown().await;
    let ended = run(&["doctor", &url]).await;
    assert_eq!((ended.code, steps(&ended).as_str()), (3, "✓credentials ✓name ✗TCP"));
    assert!(last(&ended).contains("→ nothing listens there"), "{}", ended.stdout);
}

#[tokio::test]
async fn secrets_come_from_the_environment_and_show_nowhere() {
    let engine = engine(|config| config.bearer = Some("s3cret-key".to_owned())).await;
    let url = engine.url("Sales.qvf");
    let args = [
        "doctor",
        &url,
        "--api-key-env",
        "KEY",
        "--cookie-env",
        "X-Qlik-Session=COOKIE",
        "--ticket-env",
        "TICKET",
    ];
    let mut command = command(&args);
    command.env("KEY", "s3cret-key").env("COOKIE", "s3cret-cookie").env("TICKET", "s3cret-ticket");
    let ended = Ended::from(bounded(command.env("QIX_PROXY_LOG", "trace").output()).await.unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    let sent = "header authorization, query qlikTicket, cookie X-Qlik-Session";
    assert!(ended.stdout.contains(sent), "{}", ended.stdout);
    assert!(!format!("{ended:?}").contains("s3cret"), "{ended:?}");
    let upgrade = engine.upgrades().pop().unwrap();
    assert!(format!("{upgrade:?}").contains("s3cret-ticket"));
}

#[tokio::test]
async fn blanks_of_a_secret_are_kept_and_its_line_ends_are_not() {
    let engine = engine(|_| ()).await;
    let url = engine.url("Sales.qvf");
    let mut command = command(&["doctor", &url, "--ticket-env", "TICKET"]);
    let ended = Ended::from(bounded(command.env("TICKET", " t \r\n").output()).await.unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    let upgrade = format!("{:?}", engine.upgrades().pop().unwrap());
    assert!(upgrade.contains("qlikTicket=%20t%20"), "{upgrade}");
}

#[tokio::test]
async fn proxy_url_may_come_from_the_environment() {
    let mut command = command(&["doctor", "ws://engine:9076", "--proxy-env", "WAY"]);
    let url = "https://ada:s3cret@proxy:3128";
    let ended = Ended::from(bounded(command.env("WAY", url).output()).await.unwrap());
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("--proxy-env cannot be used"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[tokio::test]
async fn session_is_made_with_the_headers_given() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/hdr/app/x", listener.local_addr().unwrap());
    let login = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let args = ["doctor", &url, "--session", "proxy", "--header", "hdr-usr: ada"];
    let (ended, head) = tokio::join!(run(&args), bounded(login));
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(head.starts_with("GET /hdr/qps/csrftoken ") && head.contains("\r\nHdr-Usr: ada\r\n"), "{head}");
}

#[tokio::test]
async fn options_that_do_not_fit_are_wrong_usage() {
    for (args, says) in [
        (&["doctor", "ftp://h"][..], "the URL cannot be used"),
        (&["doctor", "ws://h", "--pin", "12"], "--pin cannot be used"),
        (&["doctor", "ws://h", "--proxy", "https://p"], "--proxy cannot be used"),
        (&["doctor", "ws://h", "--pfx", "/nowhere.pfx", "--user", r"A\b"], "--pfx cannot be used"),
        (&["doctor", "ws://h", "--qps", "https://h:4243"], "--cert-dir"),
        (&["doctor", "ws://h", "--user", r"A\b"], "--cert-dir"),
        (&["doctor", "ws://h", "--ticket-env", "QIX_TEST_UNSET"], "QIX_TEST_UNSET is not set"),
        (&["doctor", "ws://h", "--cookie-env", "X-Qlik-Session"], "COOKIE=NAME"),
        (&["doctor", "ws://h", "--oauth", "client"], "--oauth-secret-env"),
        (&["doctor", "ws://h", "--pin", PIN, "--insecure"], "cannot be used with '--insecure'"),
        (&["doctor", "ws://h", "--pin", PIN, "--ca", "root.pem"], "cannot be used with '--ca <FILE>'"),
        (&["doctor", "ws://h", "--session", "proxy", "--web-integration", "x"], "--session cloud only"),
        (&["doctor", "ws://h", "--session", "proxy", "--origin", "portal.example.com/"], "--origin must be"),
        (&["doctor", "ws://h", "--session", "cloud", "--origin", "https://portal/"], "--origin must be"),
        (&["doctor", "ws://h", "--session", "cloud", "--origin", "https://a b"], "--origin must be"),
        (&["doctor", "ws://h", "--proxy-env", "QIX_TEST_UNSET"], "QIX_TEST_UNSET is not set"),
        (&["doctor", "ws://h", "--proxy-env", "X", "--env-proxies"], "cannot be used with '--env-proxies'"),
    ] {
        let ended = run(args).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
}
