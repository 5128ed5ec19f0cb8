//! `qix-proxy repair`, and `replay` of what it leaves.

use std::fs;

use crate::support::*;

#[tokio::test]
async fn cut_file_is_repaired_beside_itself_and_can_be_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, repaired) = (dir.path().join("a.qixrec"), dir.path().join("a-repaired.qixrec"));
    let bytes = fs::read(bundled()).unwrap();
    let cut = &bytes[..bytes.len() * 3 / 4];
    fs::write(&file, cut).unwrap();
    let ended = run(&["repair", file.to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(
        ended.stdout.contains("was cut after") && ended.stdout.contains("a-repaired.qixrec is whole"),
        "{ended:?}"
    );
    assert!(fs::read(&file).unwrap() == cut, "the original is left alone");
    let again = run(&["repair", file.to_str().unwrap()]).await;
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("never overwritten"), "{again:?}");
    let server = Server::replay(&repaired).await;
    assert!(server.line.contains("replaying 1 connection"), "{}", server.line);
}

#[tokio::test]
async fn whole_file_is_said_to_be_whole() {
    let ended = run(&["repair", bundled().to_str().unwrap(), "--in-place"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.contains("nothing to repair"), "{ended:?}");
}

#[tokio::test]
async fn file_is_repaired_in_place_when_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.qixrec");
    let bytes = fs::read(bundled()).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(run(&["repair", "--in-place", file]).await.code, 0);
    assert!(run(&["repair", file]).await.stdout.contains("nothing to repair"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_no_recording_cannot_be_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, other) = (dir.path().join("empty"), dir.path().join("other"));
    fs::write(&empty, "").unwrap();
    fs::write(&other, "{}\n").unwrap();
    for (file, says) in
        [(&empty, "is empty"), (&other, "is no recording"), (&dir.path().join("none"), "cannot read")]
    {
        let ended = run(&["repair", file.to_str().unwrap()]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
}
