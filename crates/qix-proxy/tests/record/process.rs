//! The real binary.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use qix_proxy::record::{EntryKind, RecordingParts, RecordingReader};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::support::*;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qix-proxy"));
    command.arg("record").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("QIX_PROXY_LOG").kill_on_drop(true);
    command
}

/// Runs a command line that should end by itself, and returns its exit code and what it said on stderr.
async fn refused(args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = bounded(command(args).output()).await.unwrap();
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    let stderr = String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), stderr)
}

/// A running process that listens.
pub(crate) struct Proxy {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) address: SocketAddr,
    pub(crate) path: PathBuf,
    _dir: TempDir,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("demo.qixrec");
        let upstream = format!("ws://{upstream}");
        let args = ["--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", path.to_str().unwrap()];
        Self::from(command(&args), path, dir).await
    }

    async fn from(mut command: Command, path: PathBuf, dir: TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = bounded(lines.next_line()).await.unwrap().expect("it says where it listens");
        let address = line.split("ws://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        Self { child, lines, address, path, _dir: dir }
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let status = bounded(Command::new("kill").args(["-s", name, &pid]).status()).await.unwrap();
        assert!(status.success());
    }

    pub(crate) async fn open(&self, engines: &tokio::net::TcpListener) -> (Raw, Raw) {
        let client = async {
            let mut client = Raw::ask(self.address, "/app/x", "").await;
            assert!(client.head().await.starts_with("HTTP/1.1 101 "));
            client
        };
        let engine = async {
            let mut engine = next(engines).await;
            engine.accept("", b"").await;
            engine
        };
        tokio::join!(client, engine)
    }

    /// Waits for the end; returns exit code, last line of stdout and stderr.
    pub(crate) async fn end(mut self) -> (i32, String, String, TempDir) {
        let summary = bounded(self.lines.next_line()).await.unwrap().unwrap_or_default();
        let output = bounded(self.child.wait_with_output()).await.unwrap();
        (output.status.code().unwrap_or(-1), summary, String::from_utf8(output.stderr).unwrap(), self._dir)
    }
}

fn kinds(path: &Path) -> (Vec<EntryKind>, bool) {
    let mut reader = RecordingReader::open(path).unwrap();
    let kinds = reader.by_ref().map(|entry| entry.unwrap().kind).collect();
    (kinds, reader.is_sealed())
}

#[tokio::test]
async fn wrong_arguments_are_one_sentence_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (out, there) = (dir.path().join("new.qixrec"), dir.path().join("there.qixrec"));
    std::fs::write(&there, "precious").unwrap();
    let (out, there) = (out.to_str().unwrap(), there.to_str().unwrap());
    let base = ["--upstream", "ws://127.0.0.1:1", "--listen", "127.0.0.1:0", "--out"];
    let with = |more: &[&'static str]| [&base[..], &[out], more].concat();
    let nowhere = dir.path().join("no/such/folder.qixrec");
    for (args, says) in [
        ([&base[..], &[there]].concat(), "exists already"),
        ([&base[..], &[nowhere.to_str().unwrap()]].concat(), "check that its folder exists"),
        // A folder in which nobody can make files, not even root.
        #[cfg(target_os = "linux")]
        (
            vec!["--upstream", "ws://h", "--listen", "127.0.0.1:0", "--out", "/proc/x.qixrec"],
            "may be written to",
        ),
        (
            vec!["--upstream", "ws://h", "--listen", "127.0.0.1:0", "--out", "a%"],
            "write %% for a per cent sign",
        ),
        (vec!["--upstream", "engine:9076", "--out", out], "must start with ws://"),
        (vec!["--upstream", "ws://h/app?x=1", "--out", out], "must end before the ?"),
        (vec!["--out", out], "--upstream"),
        (vec!["--map", "/a", "--out", out], "PATH=URL"),
        (vec!["--map", "a=ws://h", "--out", out], "begins with /"),
        (with(&["--map", "/a=ws://h", "--map", "/a/=ws://i"]), "two upstreams"),
        (with(&["--map", "/a=h:1"]), "must start with ws://"),
        (with(&["--remove-header", "a b"]), "--remove-header"),
        (with(&["--oauth", "id", "--oauth-secret-env", "QIX_TEST_UNSET"]), "QIX_TEST_UNSET is not set"),
        (with(&["--rotate-size", "much"]), "such as 100MB"),
        (with(&["--rotate-every", "1"]), "such as 30m"),
        (with(&["--keep", "0"]), "give 1 or more"),
        (with(&["--header", "no colon"]), "'Name: value'"),
        (with(&["--header", "a b: s3cret"]), "not the name of a header"),
        (with(&["--api-key-env", "QIX_TEST_UNSET"]), "QIX_TEST_UNSET is not set"),
        (with(&["--cert-dir", "/no/such/folder", "--user", r"A\b"]), "client.pem"),
        (with(&["--cert-dir", "/no/such/folder", "--user", "b"]), r"INTERNAL\sa_engine"),
        (with(&["--cert-dir", "/no/such/folder"]), "--user"),
        (with(&["--ca", "/no/such/file.pem"]), "/no/such/file.pem"),
        (with(&["--listen", "127.0.0.1"]), "--listen"),
    ] {
        let (code, stderr) = refused(&args).await;
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(stderr.contains(says), "{args:?}: {stderr}");
        assert!(!stderr.contains("s3cret"), "{stderr}");
    }
    assert_eq!(std::fs::read_to_string(there).unwrap(), "precious");
    assert!(!Path::new(out).exists(), "nothing is created before everything is checked");
}

#[tokio::test]
async fn port_in_use_is_said_and_no_file_is_left() {
    let (_other, address) = listener().await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new.qixrec");
    let args =
        ["--upstream", "ws://127.0.0.1:1", "--listen", &address.to_string(), "--out", out.to_str().unwrap()];
    let (code, stderr) = refused(&args).await;
    assert_eq!(code, 3);
    assert!(stderr.contains(&address.to_string()) && stderr.contains("another program"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(!out.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_seals_the_recording_and_sums_up() {
    let (engines, address) = listener().await;
    let proxy = Proxy::start(address).await;
    let path = proxy.path.clone();
    let (mut client, mut engine) = proxy.open(&engines).await;
    client.write(&frame(0x81, b"{}", true)).await;
    engine.expect(&frame(0x81, b"{}", true)).await;
    proxy.signal("TERM").await;
    drop(client);
    engine.rest().await;
    drop(engine);
    let (code, summary, stderr, _dir) = proxy.end().await;
    assert_eq!(code, 0, "{stderr}");
    assert!(summary.starts_with("recorded 1 connection, 1 frame, "), "{summary}");
    assert!(summary.ends_with("demo.qixrec"), "{summary}");
    let (kinds, sealed) = kinds(&path);
    assert!(sealed);
    assert_eq!(kinds.len(), 4);
}

#[cfg(unix)]
#[tokio::test]
async fn second_signal_stops_at_once() {
    let (engines, address) = listener().await;
    let mut proxy = Proxy::start(address).await;
    let mut stderr = BufReader::new(proxy.child.stderr.take().unwrap()).lines();
    let path = proxy.path.clone();
    let _open = proxy.open(&engines).await;
    proxy.signal("INT").await;
    let warning = bounded(stderr.next_line()).await.unwrap().unwrap();
    assert!(warning.contains("Ctrl-C once more"), "{warning}");
    proxy.signal("INT").await;
    let (code, summary, _, _dir) = proxy.end().await;
    assert_eq!(code, 0);
    assert!(summary.starts_with("recorded 1 connection, 0 frames"), "{summary}");
    assert!(kinds(&path).1);
}

#[cfg(unix)]
#[tokio::test]
async fn killed_in_full_flight_every_complete_line_can_be_read() {
    let (engines, address) = listener().await;
    let mut proxy = Proxy::start(address).await;
    let (mut client, mut engine) = proxy.open(&engines).await;
    let message = frame(0x81, format!(r#"{{"a":"{}"}}"#, "x".repeat(5000)).as_bytes(), true);
    for _ in 0..500 {
        client.write(&message).await;
        engine.expect(&message).await;
    }
    proxy.child.kill().await.unwrap();
    let (kinds, sealed) = kinds(&proxy.path);
    assert!(!sealed);
    assert!(matches!(kinds[0], EntryKind::Open(_)));
    assert!(kinds[1..].iter().all(|kind| matches!(kind, EntryKind::Frame { .. })));
}

#[tokio::test]
async fn unreachable_upstream_is_told_to_client_and_user() {
    let (engines, address) = listener().await;
    drop(engines);
    let mut proxy = Proxy::start(address).await;
    let mut stderr = BufReader::new(proxy.child.stderr.take().unwrap()).lines();
    for _ in 0..2 {
        let mut client = Raw::ask(proxy.address, "/app/x", "Connection: close\r\n").await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("nothing listens there"), "{answer}");
        let line = bounded(stderr.next_line()).await.unwrap().unwrap();
        assert!(line.contains("WARN") && line.contains("nothing listens there"), "{line}");
    }
}

/// Starts a proxy whose files can have a few kilobytes. A limit on the size of files fails as a full disk does, if the
/// signal that comes with it is ignored.
#[cfg(unix)]
async fn limited(upstream: SocketAddr, name: &str, args: &[&str]) -> Proxy {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let mut limited = Command::new("sh");
    limited
        .args([
            "-c",
            r#"trap '' XFSZ; ulimit -S -f 16; exec "$@""#,
            "sh",
            env!("CARGO_BIN_EXE_qix-proxy"),
            "record",
        ])
        .args(["--upstream", &format!("ws://{upstream}"), "--listen", "127.0.0.1:0", "--out"])
        .arg(&path)
        .args(args)
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Proxy::from(limited, path, dir).await
}

/// Sends a message through the proxy so many times.
#[cfg(unix)]
async fn pass(client: &mut Raw, engine: &mut Raw, times: usize) {
    let message = frame(0x81, format!(r#"{{"a":"{}"}}"#, "x".repeat(5000)).as_bytes(), true);
    for _ in 0..times {
        client.write(&message).await;
        engine.expect(&message).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn full_disk_ends_the_recording_but_not_the_traffic() {
    let (engines, address) = listener().await;
    let proxy = limited(address, "demo.qixrec", &[]).await;
    let path = proxy.path.clone();
    let (mut client, mut engine) = proxy.open(&engines).await;
    pass(&mut client, &mut engine, 200).await;
    proxy.signal("TERM").await;
    drop(client);
    engine.rest().await;
    drop(engine);
    let (code, summary, stderr, _dir) = proxy.end().await;
    assert_eq!(code, 3, "{stderr}");
    assert!(summary.starts_with("recorded "), "{summary}");
    assert_eq!(stderr.matches("ERROR").count(), 1, "{stderr}");
    assert!(stderr.contains("recording stops"), "{stderr}");
    let mut reader = RecordingReader::open(&path).unwrap();
    assert!(reader.by_ref().filter(|entry| entry.is_ok()).count() > 1);
    assert!(reader.torn().is_none() && !reader.is_sealed(), "half a line was taken back");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn exchanges_that_a_full_disk_costs_are_counted_and_make_the_recording_incomplete() {
    let (origins, address) = listener().await;
    let mut proxy = limited(address, "demo.qixrec", &[]).await;
    let out = proxy.path.clone();
    let mut stderr = BufReader::new(proxy.child.stderr.take().unwrap()).lines();
    let ask = async |size: usize| {
        let mut client = Raw(tokio::net::TcpStream::connect(proxy.address).await.unwrap());
        client.write(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        let answer = crate::http::ok(&"x".repeat(size), "");
        let _origin = crate::http::serve(&origins, &answer).await;
        client.rest().await;
    };
    for _ in 0..20 {
        ask(3000).await;
    }
    let said = bounded(stderr.next_line()).await.unwrap().unwrap();
    assert!(said.contains("ERROR") && said.contains("recording stops"), "{said}");
    let pid = proxy.child.id().unwrap().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status();
    assert!(bounded(lifted).await.unwrap().success());
    let said = bounded(stderr.next_line()).await.unwrap().unwrap();
    assert!(said.contains("recording goes on"), "{said}");
    ask(1).await;
    proxy.signal("TERM").await;
    let (code, summary, _, _dir) = proxy.end().await;
    assert_eq!(code, 3, "{summary}");
    let (kinds, sealed) = kinds(&out);
    let lost: u64 =
        kinds.iter().map(|kind| if let EntryKind::Gap(gap) = kind { gap.others } else { 0 }).sum();
    let there = kinds.iter().filter(|kind| matches!(kind, EntryKind::Http(_))).count();
    assert!(sealed && lost > 0 && lost as usize + there == 21, "{lost} {there}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn recording_goes_on_once_there_is_room_again_and_says_what_it_misses() {
    for name in ["demo.qixrec", "demo.qixrec.zst"] {
        let (engines, address) = listener().await;
        let mut proxy = limited(address, name, &[]).await;
        let out = proxy.path.clone();
        let (mut client, mut engine) = proxy.open(&engines).await;
        let mut stderr = BufReader::new(proxy.child.stderr.take().unwrap()).lines();
        let mut random = 1_u64;
        let mut passed = 0;
        let mut one = async |client: &mut Raw, engine: &mut Raw| {
            // Text that hardly compresses.
            let text: String = (0..3000)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    char::from(b'0' + (random >> 58) as u8 % 64)
                })
                .collect();
            let text = text.replace('\\', "-");
            let message = frame(0x81, format!("\"{text}\"").as_bytes(), true);
            client.write(&message).await;
            engine.expect(&message).await;
            passed += 1;
        };
        for _ in 0..20 {
            one(&mut client, &mut engine).await;
        }
        let said = bounded(stderr.next_line()).await.unwrap().unwrap();
        assert!(said.contains("ERROR") && said.contains("recording stops"), "{said}");
        for _ in 0..20 {
            one(&mut client, &mut engine).await;
        }
        let pid = proxy.child.id().unwrap().to_string();
        let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status();
        assert!(bounded(lifted).await.unwrap().success());
        let said = bounded(stderr.next_line()).await.unwrap().unwrap();
        assert!(said.contains("recording goes on"), "{said}");
        for _ in 0..20 {
            one(&mut client, &mut engine).await;
        }
        proxy.signal("TERM").await;
        drop(client);
        engine.rest().await;
        drop(engine);
        let (code, summary, _, _dir) = proxy.end().await;
        assert_eq!(code, 3, "{summary}");
        let (kinds, sealed) = kinds(&out);
        assert!(sealed);
        let gaps: Vec<_> = kinds
            .iter()
            .filter_map(|kind| if let EntryKind::Gap(gap) = kind { Some(gap) } else { None })
            .collect();
        let frames = kinds.iter().filter(|kind| matches!(kind, EntryKind::Frame { .. })).count();
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].frames as usize + frames, passed, "each message is there or counted");
        assert!(gaps[0].frames >= 20 && frames >= 20, "{gaps:?} {frames}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn full_disk_ends_everything_if_that_was_asked_for() {
    let (engines, address) = listener().await;
    let proxy = limited(address, "demo.qixrec", &["--on-full", "stop"]).await;
    let (mut client, mut engine) = proxy.open(&engines).await;
    let message = frame(0x81, format!(r#"{{"a":"{}"}}"#, "x".repeat(400_000)).as_bytes(), true);
    tokio::join!(client.write(&message), engine.rest());
    assert!(client.rest().await.is_empty(), "cut");
    let (code, _, stderr, _dir) = proxy.end().await;
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("all connections are cut"), "{stderr}");
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_rotated_as_the_command_line_says() {
    let (engines, address) = listener().await;
    let dir = tempfile::tempdir().unwrap();
    let upstream = format!("ws://{address}");
    let out = dir.path().join("rec-%Y.qixrec.zst");
    let mut args = vec!["--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out.to_str().unwrap()];
    args.extend([
        "--rotate-size",
        "1kB",
        "--rotate-every",
        "1h",
        "--keep",
        "100",
        "--keep-size",
        "1GB",
        "--sync",
    ]);
    let folder = dir.path().to_owned();
    let proxy = Proxy::from(command(&args), out.clone(), dir).await;
    let (mut client, mut engine) = proxy.open(&engines).await;
    pass(&mut client, &mut engine, 400).await;
    proxy.signal("TERM").await;
    drop(client);
    engine.rest().await;
    drop(engine);
    let (code, summary, stderr, _dir) = proxy.end().await;
    assert_eq!(code, 0, "{stderr}");
    assert!(summary.ends_with(" more"), "{summary}");
    let paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() > 2);
    let entries = RecordingParts::open(paths).unwrap().map(Result::unwrap);
    assert_eq!(entries.filter(|entry| matches!(entry.kind, EntryKind::Frame { .. })).count(), 400);
}

#[tokio::test]
async fn help_names_every_option() {
    let output = bounded(command(&["--help"]).output()).await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "--upstream",
        "--map",
        "--remove-header",
        "--oauth",
        "--session",
        "--ticket-env",
        "--listen",
        "--out",
        "--rotate-size",
        "--rotate-every",
        "--per-connection",
        "--keep",
        "--keep-size",
        "--sync",
        "--on-full",
        "--header",
        "--api-key-env",
        "--cert-dir",
        "--user",
        "--insecure",
        "--ca",
    ] {
        assert!(help.contains(option), "{option}: {help}");
    }
}
