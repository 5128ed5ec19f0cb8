//! How the proxy stops.

use std::time::Duration;

use qix_proxy::record::Side;

use crate::support::*;

#[tokio::test]
async fn open_connections_may_end_by_themselves() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.grace(Duration::from_secs(3600))).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let address = rig.address;
    let ending = async {
        // Once nobody listens any more, the proxy is draining.
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        engine.write(&frame(0x81, b"late", false)).await;
        client.expect(&frame(0x81, b"late", false)).await;
        drop(client);
        engine.rest().await;
    };
    let (recording, ()) = tokio::join!(rig.finish(), ending);
    assert_eq!(recording.frames(1).len(), 1);
    assert_eq!(recording.closing(1).by, Some(Side::Client));
}

#[tokio::test]
async fn connections_still_open_after_the_grace_period_are_cut() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.grace(Duration::ZERO)).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let waiting = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    let recording = rig.finish().await;
    assert!(client.rest().await.is_empty() && engine.rest().await.is_empty());
    drop(waiting);
    let close = recording.kind("close")[0];
    assert_eq!((&close["by"], &close["clean"]), (&"proxy".into(), &false.into()));
    assert_eq!(recording.kind("end")[0]["connections"], 1);
}
