//! `record` as a service: SIGHUP and systemd.

use std::fs;

use qix_proxy::record::RecordingParts;
use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::json;
use tokio::net::UnixDatagram;

use crate::{metrics, support::*};

#[tokio::test]
async fn hangup_begins_the_next_file_and_the_recording_goes_on_there() {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let (server, address) = metrics::start(&engine.base_url(), path.to_str().unwrap()).await;
    let mut client = RawClient::connect(server.address).await;
    client.call(1, -1, "OpenDoc", json!(["Sales.qvf"])).await;
    server.signal("HUP").await;
    metrics::wait_for(address, "qix_proxy_recording_files_total 2").await;
    client.call(2, 1, "GetAppLayout", json!([])).await;
    client.close().await;
    let ended = server.terminate().await;
    assert!(ended.code == 0 && ended.stdout.contains("and 1 more"), "{ended:?}");
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    let mut parts = RecordingParts::open(&files).unwrap();
    assert!(parts.by_ref().map(Result::unwrap).count() > 6 && parts.torn().is_empty());
}

#[tokio::test]
async fn systemd_is_told_when_clients_can_connect_that_the_process_lives_and_that_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    let hear = async || {
        let mut buffer = [0; 4096];
        let size = bounded(systemd.recv(&mut buffer)).await.unwrap();
        String::from_utf8(buffer[..size].to_vec()).unwrap()
    };
    let path = dir.path().join("x.qixrec");
    let mut command = command(&[
        "record",
        "--upstream",
        "ws://127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--out",
        path.to_str().unwrap(),
    ]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "100000").env_remove("WATCHDOG_PID");
    let server = Server::spawn(command).await;
    let ready = hear().await;
    assert!(ready.contains("READY=1") && ready.contains("STATUS=recording ws://127.0.0.1:"), "{ready}");
    assert!(hear().await.contains("WATCHDOG=1"));
    assert!(hear().await.contains("WATCHDOG=1"));
    assert_eq!(server.terminate().await.code, 0);
    let mut last = hear().await;
    while last.contains("WATCHDOG=1") {
        last = hear().await;
    }
    assert!(last.contains("STOPPING=1"), "{last}");
}
