//! `qix-proxy demo`.

use std::fs;

use qix_proxy::record::{EntryKind, RecordingReader};

use crate::support::*;

#[tokio::test]
async fn demo_compares_ten_answers_and_leaves_a_sealed_recording() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo.qixrec");
    let ended = run(&["demo", "--out", out.to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("10 of 10 answers are the same"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("DIFFERENT"), "{}", ended.stdout);
    assert!(ended.stdout.contains(out.to_str().unwrap()), "{}", ended.stdout);
    let mut reader = RecordingReader::open(&out).unwrap();
    let kinds: Vec<EntryKind> = reader.by_ref().map(|entry| entry.unwrap().kind).collect();
    assert!(reader.is_sealed() && reader.torn().is_none());
    assert!(matches!(kinds[0], EntryKind::Open(_)));
    let frames = kinds.iter().filter(|kind| matches!(kind, EntryKind::Frame { .. })).count();
    assert!(ended.stdout.contains(&format!("The recorder kept {frames} messages")), "{}", ended.stdout);
}

#[tokio::test]
async fn demo_never_overwrites_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("precious.qixrec");
    fs::write(&out, "precious").unwrap();
    let ended = run(&["demo", "--out", out.to_str().unwrap()]).await;
    assert_ne!(ended.code, 0);
    let says = "precious.qixrec exists already and is never overwritten; give another name or move it away";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&out).unwrap(), "precious");
}

#[tokio::test]
async fn demo_without_file_takes_a_new_one_each_time() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..=2 {
        let output = command(&["demo"])
            .env("TMPDIR", dir.path())
            .env("TEMP", dir.path())
            .env("TMP", dir.path())
            .output();
        let ended: Ended = bounded(output).await.unwrap().into();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), number);
    }
}

#[tokio::test]
async fn demo_whose_output_nobody_reads_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo.qixrec");
    let ended = unread(&["demo", "--out", out.to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn demo_with_a_file_that_cannot_be_made_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let there = dir.path().join("there.qixrec");
    fs::write(&there, "precious").unwrap();
    for out in [there, dir.path().join("no/such/folder.qixrec")] {
        assert_eq!(run(&["demo", "--out", out.to_str().unwrap()]).await.code, 2);
    }
}
