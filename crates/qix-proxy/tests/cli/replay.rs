//! `qix-proxy replay`.

use std::{fs, net::TcpListener, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;

/// A folder with the bundled recording, changed.
fn changed(name: &str, change: impl FnOnce(String) -> String) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, change(fs::read_to_string(bundled()).unwrap())).unwrap();
    (dir, path)
}

fn line(text: &str, number: usize, replacement: &str) -> String {
    let lines = text.lines().zip(1..).map(|(line, at)| if at == number { replacement } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn file_that_cannot_be_replayed_is_one_sentence_and_exit_code_4() {
    let har = r#"{"log":{"version":"1.2","creator":{"name":"WebInspector"},"entries":[]}}"#;
    for ((_dir, path), says) in [
        (changed("empty.qixrec", |_| String::new()), "PATH is empty: record into it first"),
        (
            changed("capture.har", |_| har.to_owned()),
            "PATH is no recording: its first line is not the header of a .qixrec file; give a file that `qix-proxy record` has written",
        ),
        (
            changed("picture.qixrec", |_| "\u{0}\u{1}GIF89a".to_owned()),
            "PATH is no recording: its first line is not the header of a .qixrec file; give a file that `qix-proxy record` has written",
        ),
        (
            changed("new.qixrec", |text| text.replacen("[1,0]", "[2,3]", 1)),
            "PATH has format 2.3 and this program reads 1.x: take a newer qix-proxy",
        ),
        (
            changed("old.qixrec", |text| text.replacen("[1,0]", "[0,9]", 1)),
            "PATH has format 0.9, which is no longer read: take an older qix-proxy",
        ),
        (
            changed("damaged.qixrec", |text| line(&text, 5, r#"{"seq":4,"t":1,"conn":1,"kind":"fra"#)),
            "line 5 of PATH is damaged: it is not JSON; remove the line to read the rest",
        ),
        (
            changed("strange.qixrec", |text| line(&text, 7, r#"{"seq":6,"kind":"frame"}"#)),
            "line 7 of PATH is damaged: it has no number `t`; remove the line to read the rest",
        ),
        (
            changed("bare.qixrec", |text| text.lines().take(1).map(|line| format!("{line}\n")).collect()),
            "PATH: the recording holds no connection: record a client first",
        ),
    ] {
        let ended = run(&["replay", "--listen", "127.0.0.1:0", path.to_str().unwrap()]).await;
        let expected = format!("error: {}\n", says.replace("PATH", path.to_str().unwrap()));
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr), (4, "", expected));
    }
}

#[tokio::test]
async fn missing_file_is_named_and_exit_code_4() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing.qixrec");
    let ended = run(&["replay", path.to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
    assert!(ended.stderr.starts_with(&format!("error: cannot read {}", path.display())), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn port_in_use_is_one_sentence_and_exit_code_3() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let ended = run(&["replay", "--listen", &address, bundled().to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let (start, end) =
        (format!("error: cannot listen on {address}, because another program does"), "(--listen names it)\n");
    assert!(ended.stderr.starts_with(&start) && ended.stderr.ends_with(end), "{}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn recording_is_served_until_sigterm_and_summed_up() {
    let server = Server::replay(&bundled()).await;
    assert!(server.line.starts_with("replaying 1 connection"), "{}", server.line);
    let mut told = 0;
    let answers = qix_proxy::demo::play(server.session().await, |_| {
        told += 1;
        Ok(())
    });
    assert_eq!(bounded(answers).await.unwrap().len(), 10);
    assert_eq!(told, 10);
    let ended = server.terminate().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.starts_with("replayed 1 connection"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with(", 0 not in the recording\n"), "{}", ended.stdout);
}

#[cfg(unix)]
#[tokio::test]
async fn request_that_is_not_in_the_recording_is_told_at_once_and_makes_exit_code_1() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let mut server = Server::replay(&bundled()).await;
    let mut stderr = BufReader::new(server.child.stderr.take().unwrap()).lines();
    let session = server.session().await;
    let doc = bounded(session.global().open_doc("Sales.qvf")).await.unwrap();
    let error = bounded(doc.call::<Value>("DestroySessionObject", &["x"]).into_future()).await.unwrap_err();
    assert_eq!(error.engine().unwrap().code.get(), -32099);
    let first = bounded(stderr.next_line()).await.unwrap().unwrap();
    assert!(first.starts_with(r#"not in the recording: DestroySessionObject("x") on "#), "{first}");
    assert!(first.contains("the method was not recorded, only others of that object, such as"), "{first}");
    let error = bounded(doc.get_object("no such thing")).await.unwrap_err();
    assert_eq!(error.engine().unwrap().code.get(), -32099);
    let second = bounded(stderr.next_line()).await.unwrap().unwrap();
    assert!(
        second.starts_with(r#"not in the recording: GetObject("no such thing") on "#)
            && second.contains(r#"nearest recorded call: GetObject("no such object") on "#),
        "{second}"
    );
    bounded(session.close()).await;
    let ended = server.terminate().await;
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.ends_with(", 2 not in the recording\n"), "{}", ended.stdout);
}

#[cfg(unix)]
#[tokio::test]
async fn torn_recording_is_served_with_a_warning() {
    let (_dir, path) = changed("torn.qixrec", |text| text[..text.trim_end().len() - 20].to_owned());
    let lines = fs::read_to_string(&path).unwrap().lines().count();
    let server = Server::replay(&path).await;
    let session = server.session().await;
    assert_eq!(bounded(session.global().engine_version()).await.unwrap(), "12.2528.0");
    bounded(session.close()).await;
    let ended = server.terminate().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("WARN line {lines} was cut after ")), "{}", ended.stderr);
    assert!(ended.stderr.contains("left out"), "{}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn misses_make_exit_code_1_even_if_nobody_reads_the_summary() {
    let server = Server::replay(&bundled()).await;
    let session = server.session().await;
    bounded(session.global().open_doc("Other.qvf")).await.unwrap_err();
    bounded(session.close()).await;
    assert_eq!(server.terminate_unheard().await.code, 1);
}

#[tokio::test]
async fn file_that_cannot_be_opened_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(&["replay", dir.path().join("missing.qixrec").to_str().unwrap()]).await;
    assert!(ended.stderr.contains("; check "), "{}", ended.stderr);
}
