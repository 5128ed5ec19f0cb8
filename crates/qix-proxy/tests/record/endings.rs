//! Every way in which a connection can end.

use qix_proxy::record::Side;
use tokio::io::AsyncWriteExt;

use crate::support::*;

/// All codes that may stand in a close frame, some of those that only Qlik uses among them.
const CODES: [u16; 18] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4204, 4222, 4240,
    4999,
];

fn goodbye(code: u16, reason: &str, masked: bool) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes()[..], reason.as_bytes()].concat(), masked)
}

#[tokio::test]
async fn every_code_passes_as_it_came_whoever_says_it() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    for code in CODES {
        let reason = format!("because of {code}");
        for by_client in [true, false] {
            let (mut client, mut engine) = open(&rig, &engines).await;
            let first = goodbye(code, &reason, by_client);
            let answer = goodbye(code, "", !by_client);
            let (from, to) = if by_client { (&mut client, &mut engine) } else { (&mut engine, &mut client) };
            from.write(&first).await;
            to.expect(&first).await;
            to.write(&answer).await;
            from.expect(&answer).await;
            drop(engine);
            assert!(client.rest().await.is_empty(), "nothing is made up after {code}");
        }
    }
    let recording = rig.finish().await;
    for (at, code) in CODES.into_iter().enumerate() {
        for (conn, by) in [(2 * at + 1, Side::Client), (2 * at + 2, Side::Engine)] {
            let closing = recording.closing(conn as u64);
            assert_eq!((closing.by, closing.code, closing.clean), (Some(by), Some(code), true));
            assert_eq!(closing.reason.to_string(), format!("because of {code}"));
        }
    }
}

#[tokio::test]
async fn end_without_a_close_frame_makes_none_up() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    // Without a word, with an end of the stream, and with a reset.
    for reset in [false, true] {
        for by_client in [true, false] {
            let (mut client, mut engine) = open(&rig, &engines).await;
            engine.write(&frame(0x81, b"1", false)).await;
            client.expect(&frame(0x81, b"1", false)).await;
            let (from, mut to) = if by_client { (client, engine) } else { (engine, client) };
            if reset {
                socket2::SockRef::from(&from.0).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }
            drop(from);
            assert!(to.rest().await.is_empty(), "no 1005, 1006 or 1015 on the wire");
        }
    }
    // A close frame without a code is passed on without one.
    let (mut client, mut engine) = open(&rig, &engines).await;
    engine.write(&frame(0x88, b"", false)).await;
    drop(engine);
    assert_eq!(client.rest().await, frame(0x88, b"", false));
    drop(client);
    let recording = rig.finish().await;
    for conn in 1..=4 {
        let closing = recording.closing(conn);
        let by = if conn % 2 == 1 { Side::Client } else { Side::Engine };
        assert_eq!((closing.by, closing.code, closing.clean), (Some(by), None, false), "{conn}");
    }
    let closing = recording.closing(5);
    assert_eq!((closing.by, closing.code, closing.clean), (Some(Side::Engine), None, true));
}

#[tokio::test]
async fn upstream_that_dies_in_mid_frame_ends_the_client_and_is_recorded() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let torn = &frame(0x81, &[b'x'; 70_000], false)[..50_010];
    engine.write(&frame(0x81, b"{}", false)).await;
    engine.write(torn).await;
    drop(engine);
    let came = client.rest().await;
    assert!(came == [&frame(0x81, b"{}", false), torn].concat(), "{} bytes came", came.len());
    drop(client);
    let recording = rig.finish().await;
    let closing = recording.closing(1);
    assert_eq!((closing.by, closing.clean), (Some(Side::Engine), false));
    assert_eq!(recording.kind("close")[0]["cut"], serde_json::json!([0, 50_000]));
    assert_eq!(recording.frames(1).len(), 1, "what was whole is there");
}

#[tokio::test]
async fn upstream_that_speaks_garbage_instead_of_frames_is_passed_on() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let garbage: Vec<u8> =
        (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    tokio::join!(engine.write(&garbage), client.expect(&garbage));
    client.write(&frame(0x81, b"{}", true)).await;
    engine.expect(&frame(0x81, b"{}", true)).await;
    drop(engine);
    assert!(client.rest().await.is_empty());
    drop(client);
    let recording = rig.finish().await;
    let notes: Vec<_> = recording.kind("note").iter().map(|note| note["text"].as_str().unwrap()).collect();
    assert_eq!(notes, ["from the engine: the bytes are no WebSocket frames any more"]);
    assert_eq!(recording.frames(1).len(), 1, "the client's side is read all the same");
}

#[tokio::test]
async fn half_closed_client_still_gets_its_answers() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    client.write(&frame(0x81, b"ask", true)).await;
    client.0.shutdown().await.unwrap();
    assert_eq!(engine.rest().await, frame(0x81, b"ask", true));
    for answer in [&b"one"[..], &[b'x'; 100_000]] {
        engine.write(&frame(0x81, answer, false)).await;
        client.expect(&frame(0x81, answer, false)).await;
    }
    engine.write(&goodbye(1000, "", false)).await;
    drop(engine);
    assert_eq!(client.rest().await, goodbye(1000, "", false));
    let recording = rig.finish().await;
    assert_eq!(recording.frames(1).len(), 3);
}
