//! `qix-proxy record` loses at most its last line when it is killed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{SinkExt, StreamExt, stream};
use qix_proxy::{
    record::{EntryKind, FrameText, RecordingParts, RecordingReader, Redaction, Side},
    replay::{LoadError, Outgoing, Player, ReplayMatcher, ReplaySettings, Said, Tapes},
};
use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error, Message},
};

use crate::support::*;

/// Asks as fast as it can, and kills the recorder after so many answers. Returns how many messages the files have.
async fn killed_after(answers: u64, name: &str, more: &[&str]) -> usize {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let upstream = engine.base_url();
    let out = path.to_str().unwrap();
    let args = ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out];
    let args = [&args, more].concat();
    let mut server = Server::start(&args).await;
    let stream = bounded(TcpStream::connect(server.address)).await.unwrap();
    let url = format!("ws://{}/app/Sales.qvf", server.address);
    let (mut to, mut from) = bounded(client_async(url, stream)).await.unwrap().0.split();
    assert!(is_text(&bounded(from.next()).await), "the greeting");
    let open = json!({"id": 1, "handle": -1, "method": "OpenDoc", "params": ["Sales.qvf"]});
    bounded(to.send(Message::text(open.to_string()))).await.unwrap();
    assert!(is_text(&bounded(from.next()).await), "the answer with the app's handle");
    let asking = tokio::spawn(async move {
        // Answers of all sizes, so that lines end anywhere in the recorder's buffers.
        for id in 2..answers + 60 {
            let expression = format!("Big({})", id * 7919 % 6007);
            let request =
                json!({"id": id, "handle": 1, "method": "Evaluate", "params": [expression]}).to_string();
            if to.send(Message::text(request)).await.is_err() {
                return;
            }
        }
    });
    for _ in 0..answers {
        assert!(is_text(&bounded(from.next()).await));
    }
    bounded(server.child.kill()).await.unwrap();
    // The connection is gone, so the client ends as well.
    while let Some(Ok(_)) = bounded(from.next()).await {}
    bounded(asking).await.unwrap();
    drop(server);
    if path.extension().is_some_and(|extension| extension == "qixrec") && more.is_empty() {
        lines_are_whole(&path);
    }
    let paths: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    frames(&paths)
}

fn is_text(message: &Option<Result<Message, Error>>) -> bool {
    matches!(message, Some(Ok(Message::Text(_))))
}

/// Checks that each line but the last is there to its end.
fn lines_are_whole(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut lines = 0;
    for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
        serde_json::from_slice::<Value>(line).unwrap();
        lines += 1;
    }
    let mut reader = RecordingReader::open(path).unwrap();
    assert_eq!(reader.by_ref().map(Result::unwrap).count() + 1, lines);
    assert_eq!(reader.torn().map_or(0, |torn| torn.bytes), (bytes.len() - whole) as u64);
    assert!(!reader.is_sealed());
}

/// Checks all that a killed recorder has left; returns how many messages that is.
fn frames(paths: &[PathBuf]) -> usize {
    let mut parts = RecordingParts::open(paths).unwrap();
    let entries: Vec<_> = parts.by_ref().map(Result::unwrap).collect();
    assert!(parts.torn().len() <= 1, "only the last file can be torn");
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for (entry, seq) in entries.iter().zip(1..) {
        assert_eq!(entry.seq, seq, "numbers have no gap");
        if let EntryKind::Frame { from, text: FrameText::Text(text) } = &entry.kind {
            if *from == Side::Client { asked.push(text.clone()) } else { answered.push(text.clone()) }
        }
    }
    let (tapes, report) = match Tapes::open_parts(paths, &Redaction::standard()) {
        Ok(loaded) => loaded,
        Err(LoadError::NoConnection) if entries.is_empty() => return 0,
        Err(error) => panic!("{error}"),
    };
    assert!(report.left_out.is_empty(), "{:?}", report.left_out);
    // The first thing the engine says is its greeting.
    let replies = answered.len().saturating_sub(1);
    assert_eq!((tapes.calls(), report.unanswered), (asked.len(), asked.len() - replies));
    let mut player =
        Player::new(ReplayMatcher::new(Arc::new(tapes), &ReplaySettings::default()), &Arc::default(), 0);
    let mut greeting = Vec::new();
    player.open(&mut greeting);
    assert_eq!(greeting.len(), answered.len().min(1));
    let json = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
    for (request, reply) in asked.iter().zip(answered.iter().skip(1)) {
        let mut said = Vec::new();
        player.handle_text(request, &mut said);
        let [Said { what: Outgoing::Answer(text), .. }] = &said[..] else { panic!("{said:?}") };
        assert_eq!(json(&text.to_vec()), json(reply));
    }
    asked.len() + answered.len()
}

/// Kills recorders again and again, at moments that differ as `seed` does, some of them at a time.
async fn killed(times: u64, seed: u64, name: &str, more: &[&str]) -> Vec<usize> {
    let moments = (0..times).map(|run| {
        let random = (seed + run).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        // Most of them early, as more takes longer and shows the same.
        1 + random % [3, 10, 40, 200][random as usize / 7 % 4]
    });
    stream::iter(moments).map(|answers| killed_after(answers, name, more)).buffer_unordered(2).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_in_the_file_of_a_killed_recorder_can_be_read_and_replayed() {
    let kept = killed(50, 1, "killed.qixrec", &[]).await;
    assert!(kept.iter().any(|frames| *frames > 100), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_in_the_compressed_file_of_a_killed_recorder_can_be_read_and_replayed() {
    let kept = killed(30, 2, "killed.qixrec.zst", &[]).await;
    assert!(kept.iter().any(|frames| *frames > 100), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_in_the_files_of_a_killed_recorder_that_rotates_can_be_read_and_replayed() {
    let kept = killed(20, 3, "killed.qixrec", &["--rotate-size", "20kB"]).await;
    assert!(kept.iter().any(|frames| *frames > 100), "{kept:?}");
}
