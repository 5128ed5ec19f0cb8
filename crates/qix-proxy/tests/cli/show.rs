//! `qix-proxy show` and `qix-proxy stats`.

use std::{fs, io::Write};

#[cfg(unix)]
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::support::*;

#[tokio::test]
async fn recording_is_shown_and_counted_in_a_pipe_without_colours() {
    let file = bundled();
    let file = file.to_str().unwrap();
    let shown = run(&["show", file]).await;
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    assert!(shown.stdout.contains("EngineVersion") && !shown.stdout.contains('\u{1b}'), "{shown:?}");
    let few = run(&["show", file, "--method", "engine*"]).await;
    assert_eq!(few.stdout.lines().count(), 1, "{few:?}");
    let counted = run(&["stats", file, "--top", "2"]).await;
    assert!(counted.code == 0 && counted.stdout.contains("share"), "{counted:?}");
    assert!(!counted.stdout.contains('\u{1b}'), "{counted:?}");
    let handles = run(&["show", file, "--at", "1m", "handles"]).await;
    assert!(handles.code == 0 && handles.stdout.contains("nothing at 1m"), "all is closed then: {handles:?}");
}

#[tokio::test]
async fn reader_of_nothing_is_told_why() {
    let file = bundled();
    let none = run(&["show", file.to_str().unwrap(), "--slower", "1h"]).await;
    assert!(none.code == 0 && none.stdout.is_empty(), "{none:?}");
    assert!(none.stderr.contains("the filters leave out 16 calls"), "{none:?}");
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.qixrec");
    fs::write(&empty, "{\"qixrec\":[1,2]}\n").unwrap();
    let none = run(&["show", empty.to_str().unwrap()]).await;
    assert!(none.code == 0 && none.stderr.contains("there are no calls"), "{none:?}");
}

#[tokio::test]
async fn numbers_are_written_as_json_and_csv_of_what_filters_choose() {
    let file = bundled();
    let file = file.to_str().unwrap();
    let json = run(&["stats", file, "--format", "json", "--top", "3"]).await;
    assert_eq!((json.code, json.stderr.as_str()), (0, ""));
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let length = |member: &str| value[member].as_array().unwrap().len();
    assert!(length("methods") > 3 && length("slowest") == 3, "{value}");
    // As many of the slowest calls as are asked for.
    let dir = tempfile::tempdir().unwrap();
    let many = dir.path().join("many.qixrec");
    let mut text = "{\"qixrec\":[1,0]}\n".to_owned();
    text += "{\"seq\":1,\"t\":0,\"conn\":1,\"kind\":\"open\",\"url\":\"/\",\"status\":101,\"request\":[],\"response\":[]}\n";
    for seq in (2..62).step_by(2) {
        for (seq, from, body) in [(seq, "client", r#""method":"M""#), (seq + 1, "engine", r#""result":{}"#)] {
            text += &format!(
                "{{\"seq\":{seq},\"t\":{seq},\"conn\":1,\"kind\":\"frame\",\"from\":\"{from}\",\"json\":{{\"id\":1,{body}}}}}\n"
            );
        }
    }
    fs::write(&many, text).unwrap();
    let many = run(&["stats", many.to_str().unwrap(), "--format", "json", "--top", "25"]).await;
    let value: serde_json::Value = serde_json::from_str(&many.stdout).unwrap();
    assert_eq!(value["slowest"].as_array().unwrap().len(), 25, "{value}");
    let csv = run(&["stats", file, "--format", "csv", "--method", "engine*"]).await;
    let rows: Vec<_> = csv.stdout.lines().filter(|line| line.starts_with("method,")).collect();
    assert!(
        csv.code == 0 && matches!(rows[..], [row] if row.starts_with("method,EngineVersion,")),
        "{csv:?}"
    );
    let none = run(&["stats", file, "--since", "1m"]).await;
    assert!(none.code == 0 && none.stdout.starts_with("no calls\n"), "{none:?}");
    let unread = unread(&["stats", file]).await;
    assert_eq!((unread.code, unread.stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn torn_file_is_shown_as_far_as_it_goes_and_what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (torn, damaged) = (dir.path().join("torn"), dir.path().join("damaged"));
    let bytes = fs::read(bundled()).unwrap();
    fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(&damaged, [&bytes[..], b"junk\n"].concat()).unwrap();
    let shown = run(&["show", torn.to_str().unwrap()]).await;
    assert!(shown.code == 0 && shown.stdout.contains("EngineVersion"), "{shown:?}");
    assert!(shown.stderr.contains("was cut and is left out"), "{shown:?}");
    let shown = run(&["show", damaged.to_str().unwrap()]).await;
    assert!(shown.code == 4 && shown.stdout.contains("EngineVersion"), "{shown:?}");
    assert!(shown.stderr.contains("is damaged"), "{shown:?}");
}

#[tokio::test]
async fn all_before_damage_is_shown_and_a_moment_before_it_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged");
    let file = path.to_str().unwrap();
    let lines = [
        r#"{"qixrec":[1,2],"started":"2026-01-02T03:04:05Z"}"#,
        r#"{"seq":1,"t":1000,"conn":1,"kind":"open","url":"/","status":101,"request":[],"response":[]}"#,
        r#"{"seq":2,"t":2000,"conn":1,"kind":"frame","from":"client","json":{"id":1,"handle":-1,"method":"EngineVersion","params":[]}}"#,
        r#"{"seq":3,"t":3000,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{}}}"#,
        "junk",
        "",
    ];
    fs::write(&path, lines.join("\n")).unwrap();
    let shown = run(&["show", file]).await;
    assert!(shown.code == 4 && shown.stdout.contains("EngineVersion"), "{shown:?}");
    assert!(!shown.stdout.contains("no answer"), "{shown:?}");
    let before = run(&["show", file, "--at", "0.0025", "handles"]).await;
    assert!(before.code == 0 && before.stdout.contains("global"), "{before:?}");
    let behind = run(&["show", file, "--at", "1", "handles"]).await;
    assert!(behind.code == 4 && behind.stdout.contains("global"), "{behind:?}");
    assert!(behind.stderr.contains("line 5"), "{behind:?}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_what_to_do() {
    let file = bundled();
    let file = file.to_str().unwrap();
    for (args, says) in [
        (&["--grep", "("][..], "no regular expression"),
        (&["--method", "["], "cannot be a pattern"),
        (&["--since", "2", "--until", "1"], "must be later"),
        (&["--at", "1", "layout"], "needs an OBJECT"),
        (&["--at", "1", "weather"], "takes a time and one of"),
        (&["--at", "soon", "handles"], "seconds since the start"),
        (&["--follow", file], "takes one file"),
        (&["--at", "1", "handles", "--conn", "1"], "cannot be used with"),
        (&["--at", "1", "handles", "--errors"], "cannot be used with"),
        (&["--at", "1", "handles", "--at", "2", "handles"], "cannot be used multiple times"),
    ] {
        let ended = run(&[&["show", file], args].concat()).await;
        assert!(ended.code == 2 && ended.stderr.contains(says), "{args:?}: {ended:?}");
    }
}

#[tokio::test]
async fn nobody_who_reads_ends_it_quietly() {
    let ended = unread(&["show", bundled().to_str().unwrap(), "--format", "json"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
}

#[tokio::test]
async fn file_that_is_being_written_is_followed_until_it_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.qixrec");
    let bytes = fs::read(bundled()).unwrap();
    let half = bytes.len() / 2;
    fs::write(&file, &bytes[..half]).unwrap();
    let (path, all) = (file.to_str().unwrap().to_owned(), bytes.len());
    let following = tokio::spawn(async move { run(&["show", &path, "--follow", "--format", "json"]).await });
    let mut out = fs::OpenOptions::new().append(true).open(&file).unwrap();
    for piece in bytes[half..all].chunks(999) {
        out.write_all(piece).unwrap();
    }
    let followed = bounded(following).await.unwrap();
    let whole = run(&["show", file.to_str().unwrap(), "--format", "json"]).await;
    assert_eq!((followed.code, followed.stdout), (0, whole.stdout));
}

#[cfg(unix)]
#[tokio::test]
async fn following_ends_when_it_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.qixrec");
    let bytes = fs::read(bundled()).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let mut child = command(&["show", file.to_str().unwrap(), "--follow"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(bounded(lines.next_line()).await.unwrap().unwrap().contains("connected to"));
    let pid = child.id().unwrap().to_string();
    assert!(bounded(Command::new("kill").args(["-s", "INT", &pid]).status()).await.unwrap().success());
    assert_eq!(bounded(child.wait()).await.unwrap().code(), Some(0));
}
