//! The recorder as a library, and its files.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use qix_proxy::{
    record::{
        EntryKind, FileSettings, FrameText, Injected, Recorder, RecorderConfig, RecordingParts,
        RecordingReader, Redaction, Side, Tape, Upgrade,
    },
    replay::Tapes,
};

use crate::support::*;

fn tape(recorder: &Recorder) -> Tape {
    let headers = HeaderMap::new();
    let (url, status) = ("/app/x", StatusCode::SWITCHING_PROTOCOLS);
    recorder.open(&Upgrade {
        url,
        status,
        request: &headers,
        response: &headers,
        injected: &Injected::default(),
    })
}

#[tokio::test]
async fn message_of_200_mb_is_recorded_and_read_back() {
    const SIZE: usize = 200_000_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.qixrec");
    let recorder = Recorder::create(&path, RecorderConfig::default()).unwrap();
    let mut tape = tape(&recorder);
    let mut head = vec![0x81, 127];
    head.extend((SIZE as u64).to_be_bytes());
    tape.chunk(Side::Engine, Instant::now(), head.into());
    let piece = Bytes::from("0123456789abcdef".repeat(16384));
    let mut left = SIZE;
    while left > 0 {
        bounded(std::future::poll_fn(|cx| tape.poll_ready(cx))).await;
        let chunk = piece.slice(..left.min(piece.len()));
        left -= chunk.len();
        tape.chunk(Side::Engine, Instant::now(), chunk);
    }
    tape.close(Side::Client, None);
    let sealed = bounded(recorder.seal()).await;
    assert_eq!((sealed.frames, sealed.missing, sealed.fault.is_none()), (1, 0, true));
    let mut frames = RecordingReader::open(&path).unwrap().filter_map(|entry| match entry.unwrap().kind {
        EntryKind::Frame { text: FrameText::Text(text), .. } => Some(text),
        _ => None,
    });
    let text = frames.next().unwrap();
    assert_eq!(text.len(), SIZE);
    assert!(text.chunks(piece.len()).all(|chunk| chunk == &piece[..chunk.len()]));
}

#[tokio::test]
async fn recording_in_several_compressed_files_is_replayed_as_one_and_its_last_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = RecorderConfig::default();
    config.files = FileSettings::default();
    let recorder = Recorder::create(dir.path().join("a.qixrec.zst"), config).unwrap();
    let mut tape = tape(&recorder);
    for id in 1..=4 {
        let request = format!(r#"{{"id":{id},"handle":-1,"method":"IsDesktopMode","params":[{id}]}}"#);
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"qReturn":{id}}}}}"#);
        tape.text(Side::Client, Instant::now(), request.into());
        recorder.rotate();
        tape.text(Side::Engine, Instant::now(), answer.into());
    }
    drop(tape);
    let sealed = bounded(recorder.seal()).await;
    assert_eq!((sealed.files, sealed.connections, sealed.frames), (5, 1, 8));
    let paths: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), 5);
    let (tapes, report) = Tapes::open_parts(&paths, &Redaction::standard()).unwrap();
    assert_eq!((tapes.connections(), tapes.calls(), report.unanswered), (1, 4, 0));
    let (tapes, report) = Tapes::open(dir.path().join("a-4.qixrec.zst")).unwrap();
    assert_eq!((tapes.connections(), tapes.calls(), report.left_out.len()), (1, 1, 1));

    let twice = [&paths[..], &paths[..1]].concat();
    let error = RecordingParts::open(&twice).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("give each file once"), "{error}");
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo.qixrec");
    let error = RecordingParts::open([paths[0].as_path(), demo.as_ref()]).unwrap_err();
    assert!(error.to_string().contains("belongs to another recording"), "{error}");
}

#[tokio::test]
async fn recorder_that_is_dropped_unsealed_leaves_all_that_has_come() {
    for name in ["a.qixrec", "a.qixrec.zst"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let recorder = Recorder::create(&path, RecorderConfig::default()).unwrap();
        let mut tape = tape(&recorder);
        tape.text(Side::Client, Instant::now(), "{}".into());
        drop((tape, recorder));
        // Nobody tells when the thread is done, but it is, soon.
        bounded(async {
            while RecordingReader::open(&path).unwrap().flatten().count() < 3 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
