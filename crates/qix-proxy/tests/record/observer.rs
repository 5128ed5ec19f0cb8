//! What a recorder tells whoever watches it.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use qix_proxy::record::{Observer, RecordConnect, Recorder, RecorderConfig, Redaction, Seen, Standing};
use qix_transport::{Connect, MemoryConnect, SocketExt};

use crate::support::*;

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Notes {
    begun: Mutex<Option<SystemTime>>,
    saw: Mutex<Vec<String>>,
    stands: Mutex<Vec<(u64, u64, u64)>>,
}

impl Observer for Notes {
    fn begun(&self, at: SystemTime) {
        *self.begun.lock().unwrap() = Some(at);
    }

    fn saw(&self, conn: u64, _: u64, seen: &Seen<'_>) {
        let note = match seen {
            Seen::Opened { url } => format!("{conn} opened {url}"),
            Seen::Bytes { from, count } => format!("{conn} {count} bytes from the {from}"),
            Seen::Text { from, text } => format!("{conn} {from}: {}", std::str::from_utf8(text).unwrap()),
            Seen::Closed { by, reason, .. } => format!("{conn} closed by {by:?}: {reason}"),
            other => panic!("{other:?}"),
        };
        self.saw.lock().unwrap().push(note);
    }

    fn stands(&self, standing: &Standing<'_>) {
        assert_eq!(standing.file.extension(), Path::new("x.qixrec").extension());
        self.stands.lock().unwrap().push((standing.bytes, standing.files, standing.missing));
    }
}

/// Records one question and its answer, and returns what the observer was told.
async fn watched(redaction: Redaction) -> (Arc<Notes>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let notes = Arc::new(Notes::default());
    let mut config = RecorderConfig::default();
    config.observer = Some(notes.clone());
    config.redaction = redaction;
    let recorder = Recorder::create(dir.path().join("x.qixrec"), config).unwrap();
    let (connect, mut engines) = MemoryConnect::new();
    let connect = RecordConnect::new(connect, recorder.clone()).url("/app/x?qlikTicket=s3cret");
    let mut client = bounded(connect.connect()).await.unwrap();
    let mut engine = bounded(engines.accept()).await.unwrap();
    client.send_text(r#"{"id":1,"method":"OpenDoc","params":["a","u","s3cret"]}"#).await.unwrap();
    engine.receive().await.unwrap();
    engine.send_text(r#"{"id":1,"result":{}}"#).await.unwrap();
    client.receive().await.unwrap();
    drop(client);
    // So that nothing is left to be told.
    drop(connect);
    let sealed = bounded(recorder.seal()).await;
    (notes, sealed.bytes)
}

#[tokio::test]
async fn observer_is_told_what_is_recorded_in_its_order_and_without_secrets() {
    let (notes, bytes) = watched(Redaction::standard()).await;
    assert!(notes.begun.lock().unwrap().is_some());
    let saw = notes.saw.lock().unwrap().clone();
    // Messages are told in their order, and the bytes that they came in somewhere before them.
    let (bytes_came, saw): (Vec<_>, Vec<_>) =
        saw.into_iter().partition(|saw| saw.contains(" bytes from the "));
    assert_eq!(bytes_came, ["1 55 bytes from the client", "1 20 bytes from the engine"]);
    assert_eq!(
        saw[..3],
        [
            "1 opened /app/x?qlikTicket=***",
            r#"1 client: {"id":1,"method":"OpenDoc","params":["a","***","***"]}"#,
            r#"1 engine: {"id":1,"result":{}}"#
        ]
    );
    assert!(saw[3].starts_with("1 closed by Some(Client)"), "{saw:?}");
    assert_eq!(saw.len(), 4, "{saw:?}");
    for (so_far, files, missing) in notes.stands.lock().unwrap().iter() {
        assert!(*so_far <= bytes && (*files, *missing) == (1, 0));
    }
}

#[tokio::test]
async fn observer_of_a_recording_with_secrets_is_told_what_is_recorded() {
    let (notes, _) = watched(Redaction::off()).await;
    assert!(notes.saw.lock().unwrap().iter().any(|saw| saw.contains(r#""u","s3cret""#)));
}
