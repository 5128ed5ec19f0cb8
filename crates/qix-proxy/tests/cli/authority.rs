//! `ca`, and what `record` does with the authority and with certificates.

use std::{fs, path::Path};

use qix_tests::certs::{CertOptions, Certs};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

async fn ca(dir: &Path, args: &[&str]) -> Ended {
    run(&[&["ca", "--dir", dir.to_str().unwrap()], args].concat()).await
}

#[tokio::test]
async fn authority_is_made_shown_explained_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a b");
    let missing = ca(&dir, &["show"]).await;
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("qix-proxy ca create"), "{}", missing.stderr);
    let args = ["create", "--name-constraint", "*.qlikcloud.com", "--name-constraint", "localhost"];
    let made = ca(&dir, &args).await;
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    let shown = ca(&dir, &["show"]).await;
    assert!(made.stdout.starts_with(&shown.stdout));
    for word in [
        "CN=qix-proxy authority",
        "SHA-256",
        "valid        from",
        "qlikcloud.com, localhost",
        "authority.pem",
    ] {
        assert!(shown.stdout.contains(word), "{word}: {}", shown.stdout);
    }
    let again = ca(&dir, &["create"]).await;
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("never overwritten"), "{}", again.stderr);
    let help = ca(&dir, &["install-help"]).await;
    assert!(help.stdout.contains(&format!("'{}'", dir.join("authority.pem").display())), "{}", help.stdout);
}

#[tokio::test]
async fn authority_for_all_hosts_is_made_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let made = ca(&dir.path().join("ca"), &["create"]).await;
    assert_eq!(made.code, 0);
    assert!(made.stderr.contains("--name-constraint") && made.stdout.contains("all hosts"), "{made:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn recorder_refuses_an_authority_whose_key_others_can_read() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    assert_eq!(ca(dir.path(), &["create", "--name-constraint", "localhost"]).await.code, 0);
    let key = dir.path().join("authority.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let folder = dir.path().to_str().unwrap();
    for args in [
        &["record", "--mode", "forward", "--intercept", "localhost", "--ca-dir", folder][..],
        &["record", "--upstream", "ws://h", "--tls-self-signed", "--ca-dir", folder],
    ] {
        let ended = run(args).await;
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains(&format!("chmod 600 {}", key.display())), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn certificates_and_modes_that_cannot_work_are_one_sentence_each() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&dir, &other] {
        Certs::generate(CertOptions::default()).unwrap().write(dir.path()).unwrap();
    }
    let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let (certificate, key) = (text(dir.path().join("server.pem")), text(other.path().join("server_key.pem")));
    let nowhere = text(dir.path().join("nowhere"));
    let out = text(dir.path().join("new.qixrec"));
    for (args, says) in [
        (
            &["--upstream", "ws://h", "--tls-cert", &certificate, "--tls-key", &key][..],
            "is not that of the certificate",
        ),
        (&["--upstream", "ws://h", "--tls-cert", &nowhere, "--tls-key", &key], "cannot read"),
        (&["--upstream", "ws://h", "--tls-cert", &certificate], "--tls-key"),
        (&["--upstream", "ws://h", "--intercept", "x"], "cannot be used with"),
        (&["--intercept", "x"], "--mode forward"),
        (&["--mode", "forward", "--ca-dir", &nowhere, "--intercept", "x"], "qix-proxy ca create"),
        (&["--upstream", "ws://h", "--listen", "unix:"], "unix: and a path"),
    ] {
        let ended = run(&[&["record", "--out", &out], args].concat()).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
    assert!(!Path::new(&out).exists());
}

#[cfg(unix)]
#[tokio::test]
async fn client_that_does_not_trust_the_authority_is_a_warning_once_for_each_host() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, out) = (dir.path().join("ca"), dir.path().join("new.qixrec"));
    assert_eq!(ca(&folder, &["create", "--name-constraint", "example"]).await.code, 0);
    let (folder, out) = (folder.to_str().unwrap(), out.to_str().unwrap());
    let args = ["--mode", "forward", "--intercept", "*.example", "--ca-dir", folder];
    let server =
        Server::start(&[&["record", "--listen", "127.0.0.1:0", "--out", out], &args[..]].concat()).await;
    assert!(server.line.contains("*.example"), "{}", server.line);
    for host in ["a.example", "a.example", "b.example"] {
        let url = qix_client::transport::Endpoint::parse(&format!("wss://{host}/app/x")).unwrap();
        let proxy = qix_transport::Proxy::parse(&format!("http://{}", server.address)).unwrap();
        let connect = qix_transport::WsConnect::builder(url).proxies(qix_transport::Proxies::all(proxy));
        let trust = qix_transport::TlsSettings::default().bundled_roots();
        let connect = connect.tls(trust).build().unwrap();
        assert!(bounded(qix_transport::Connect::connect(&connect)).await.is_err());
    }
    let ended = server.terminate().await;
    for host in ["a.example", "b.example"] {
        let warning =
            format!("did not take the certificate made here for {host}: `qix-proxy ca install-help`");
        assert_eq!(ended.stderr.matches(&warning).count(), 1, "{}", ended.stderr);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn replay_listens_on_all_that_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let unix = format!("unix:{}", path.display());
    let (bundled, port) = (bundled(), "127.0.0.1:0");
    let server =
        Server::start(&["replay", "--listen", port, "--listen", &unix, bundled.to_str().unwrap()]).await;
    assert!(server.line.ends_with(&unix), "{}", server.line);
    let ask = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    let mut answers = [String::new(), String::new()];
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(ask.as_bytes()).await.unwrap();
    bounded(tcp.read_to_string(&mut answers[0])).await.unwrap();
    let mut unix = tokio::net::UnixStream::connect(&path).await.unwrap();
    unix.write_all(ask.as_bytes()).await.unwrap();
    bounded(unix.read_to_string(&mut answers[1])).await.unwrap();
    assert!(
        answers.iter().all(|answer| answer.contains("replays recorded WebSocket traffic")),
        "{answers:?}"
    );
    assert_eq!(server.terminate().await.code, 0);
    assert!(!path.exists());
}
