//! `qix-proxy scrub`.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::support::*;

/// A recording with a password in it that today's recorder would have replaced.
fn old() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.qixrec");
    let entry = r#"{"seq":1,"t":5,"conn":1,"kind":"frame","from":"client","json": {"method":"CreateConnection","params":[{"qPassword":"s3cret"}]} }"#;
    fs::write(
        &path,
        format!("{{\"qixrec\":[1,0],\"upstream\":\"ws://h/?qlikTicket=s3cret\"}}\n{entry}\n{{\"torn"),
    )
    .unwrap();
    (dir, path)
}

#[tokio::test]
async fn check_prints_places_and_no_secret_and_makes_exit_code_1() {
    let (_dir, path) = old();
    let name = path.to_str().unwrap();
    let ended = run(&["scrub", "--check", name]).await;
    let says = format!(
        "{name}:1: entry 0: upstream\n{name}:2: entry 1: params.0.qPassword\n{name}: 2 secrets in 2 lines\n"
    );
    assert_eq!((ended.code, ended.stdout), (1, says));
    assert!(ended.stderr.contains("was cut after 6 bytes, and is left out"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"));
}

#[tokio::test]
async fn copy_is_clean_has_a_name_of_its_own_and_is_never_overwritten() {
    let (dir, path) = old();
    let copy = dir.path().join("old.scrubbed.qixrec");
    let ended = run(&["scrub", path.to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stdout), (0, format!("{}: replaced 2 secrets\n", copy.display())));
    let text = fs::read_to_string(&copy).unwrap();
    assert_eq!(
        text,
        "{\"qixrec\":[1,0],\"upstream\":\"ws://h/?qlikTicket=***\"}\n\
         {\"seq\":1,\"t\":5,\"conn\":1,\"kind\":\"frame\",\"from\":\"client\",\"redacted\":[\"params.0.qPassword\"],\
         \"json\":{\"method\":\"CreateConnection\",\"params\":[{\"qPassword\":\"***\"}]}}\n"
    );
    assert_eq!(run(&["scrub", "--check", copy.to_str().unwrap()]).await.code, 0);
    let again = run(&["scrub", path.to_str().unwrap()]).await;
    assert_eq!((again.code, again.stdout.as_str()), (2, ""));
    assert!(again.stderr.contains("exists already and is never overwritten"), "{}", again.stderr);
}

#[tokio::test]
async fn compressed_recording_is_checked_and_copied_compressed() {
    let (dir, path) = old();
    let zipped = dir.path().join("old.qixrec.zst");
    fs::write(&zipped, zstd::encode_all(&fs::read(&path).unwrap()[..], 1).unwrap()).unwrap();
    let ended = run(&["scrub", "--check", zipped.to_str().unwrap()]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.ends_with("2 secrets in 2 lines\n"), "{}", ended.stdout);
    assert_eq!(run(&["scrub", zipped.to_str().unwrap()]).await.code, 0);
    assert_eq!(run(&["scrub", path.to_str().unwrap()]).await.code, 0);
    let copy = fs::read(dir.path().join("old.scrubbed.qixrec.zst")).unwrap();
    let plain = fs::read(dir.path().join("old.scrubbed.qixrec")).unwrap();
    assert_eq!(zstd::decode_all(&copy[..]).unwrap(), plain);
}

#[tokio::test]
async fn rule_that_cannot_be_used_is_one_sentence_and_exit_code_2() {
    let (dir, path) = old();
    let rules = dir.path().join("rules.toml");
    fs::write(&rules, "query = ['sid']\ntexts = ['(']\n").unwrap();
    let args = ["scrub", "--check", path.to_str().unwrap(), "--redact-rules", rules.to_str().unwrap()];
    let ended = run(&args).await;
    let says = format!(
        "error: --redact-rules {}: line 2 of the redaction rules cannot be used: `(` is no regular expression: unclosed group\n",
        rules.display()
    );
    assert_eq!((ended.code, ended.stderr), (2, says));
}

#[tokio::test]
async fn file_that_is_no_recording_is_exit_code_4_and_leaves_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.har");
    fs::write(&path, "{}\n").unwrap();
    let ended = run(&["scrub", path.to_str().unwrap()]).await;
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let damaged = dir.path().join("damaged.qixrec");
    fs::write(&damaged, "{\"qixrec\":[1,0]}\nnot json\n").unwrap();
    let ended = run(&["scrub", damaged.to_str().unwrap()]).await;
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("line 2 of"), "{}", ended.stderr);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no half copy is left");
}

#[cfg(unix)]
#[tokio::test]
async fn anonymised_recording_replays_a_client_that_names_values_with_the_map() {
    let dir = tempfile::tempdir().unwrap();
    let name = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    let (out, map) = (name("public.qixrec"), name("map.json"));
    let ended =
        run(&["scrub", "--anonymise", "--anonymise-map", &map, "--out", &out, bundled().to_str().unwrap()])
            .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (before, after) = (fs::read_to_string(bundled()).unwrap(), fs::read_to_string(&out).unwrap());
    for value in ["\"North\"", "\"South\""] {
        assert!(before.contains(value) && !after.contains(value), "{value}");
    }
    let server = Server::start(&["replay", "--listen", "127.0.0.1:0", "--anonymise-map", &map, &out]).await;
    let answers = bounded(qix_proxy::demo::play(server.session().await, |_| Ok(()))).await.unwrap();
    assert_eq!(answers.len(), 10);
    let ended = server.terminate().await;
    assert!(ended.stdout.ends_with(", 0 not in the recording\n"), "{}", ended.stdout);
}
