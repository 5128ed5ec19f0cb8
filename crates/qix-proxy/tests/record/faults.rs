//! Peers that stall, dawdle or talk nonsense. Others must not notice, and memory must not grow.

use std::time::Duration;

use qix_proxy::record::Side;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::support::*;

/// More than all buffers of the kernel between two peers of this machine take, the proxy's included.
const PLENTY: usize = 192 << 20;
/// The most that those buffers, two sockets of four ends, may take.
const BUFFERS: usize = 64 << 20;

/// Writes binary messages of 64 KiB until the receiver has taken nothing for a while; returns how many bytes went.
async fn flood(from: &mut Raw, masked: bool) -> usize {
    let message = frame(0x82, &[7; 64 << 10], masked);
    let mut written = 0;
    while written < PLENTY {
        let rest = &message[written % message.len()..];
        match timeout(Duration::from_millis(200), from.0.write(rest)).await {
            Ok(more) => written += more.unwrap(),
            Err(_) => break,
        }
    }
    written
}

#[tokio::test]
async fn side_that_never_reads_stops_the_other_and_nobody_else() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.queue(1 << 20)).await;
    for by_client in [true, false] {
        let (mut client, mut engine) = open(&rig, &engines).await;
        let (mut other, mut other_engine) = open(&rig, &engines).await;
        let (from, to) = if by_client { (&mut client, &mut engine) } else { (&mut engine, &mut client) };
        let written = flood(from, by_client).await;
        assert!(written < BUFFERS, "{written} bytes were taken although nobody reads them");
        for _ in 0..100 {
            other.write(&frame(0x81, b"1", true)).await;
            other_engine.expect(&frame(0x81, b"1", true)).await;
        }
        // Nothing is lost: all of it comes once it is read.
        let (from, to) = (&mut from.0, &mut to.0);
        from.shutdown().await.unwrap();
        let mut sink = tokio::io::sink();
        let copied = bounded(tokio::io::copy(to, &mut sink)).await.unwrap();
        assert_eq!(copied, written as u64);
    }
    let recording = rig.cut().await;
    for (conn, side) in [(1, Side::Client), (3, Side::Engine)] {
        let frames = recording.frames(conn);
        assert!(frames.len() > 10 && frames.iter().all(|(from, _)| *from == side));
    }
    assert_eq!(recording.frames(2).len(), 100);
}

#[tokio::test]
async fn client_that_leaves_while_the_engine_floods_frees_the_engine() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (client, mut engine) = open(&rig, &engines).await;
    flood(&mut engine, false).await;
    drop(client);
    let message = frame(0x82, &[7; 64 << 10], false);
    bounded(async { while engine.0.write_all(&message).await.is_ok() {} }).await;
    let recording = rig.finish().await;
    assert_eq!(recording.closing(1).by, Some(Side::Client));
}

#[tokio::test(start_paused = true)]
async fn slow_heads_are_cut_after_the_header_timeout() {
    let limit = Duration::from_secs(30);
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.header_timeout(limit)).await;
    let start = Instant::now();
    let mut slow = Vec::new();
    for at in 0..50 {
        let mut client = TcpStream::connect(rig.address).await.unwrap();
        // Some say nothing at all, the others stop after any byte of the head.
        let head = request("/app/x", "");
        client.write_all(&head.as_bytes()[..at * head.len() / 50]).await.unwrap();
        slow.push(Raw(client));
    }
    for client in &mut slow {
        let told = client.rest().await;
        assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&told));
    }
    let waited = start.elapsed();
    assert!(waited >= limit && waited < limit * 2, "{waited:?}");
    // The recorder's thread knows nothing of a clock that stands still.
    tokio::time::resume();
    open(&rig, &engines).await;
    assert_eq!(rig.cut().await.sealed.connections, 1);
}

#[tokio::test(start_paused = true)]
async fn head_that_comes_byte_by_byte_does_not_prolong_its_time() {
    let limit = Duration::from_secs(30);
    let (_engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.header_timeout(limit)).await;
    let start = Instant::now();
    let mut client = TcpStream::connect(rig.address).await.unwrap();
    while client.write_all(b"GET /a"[..1].as_ref()).await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(start.elapsed() < limit * 2, "it is still listened to");
    }
    tokio::time::resume();
    assert_eq!(rig.cut().await.sealed.connections, 0);
}

#[tokio::test]
async fn garbage_instead_of_http_is_cut_or_answered_and_harms_nobody() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let noise: Vec<u8> = (0..10_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let endless = [b"GET / HTTP/1.1\r\n".as_slice(), &b"X-Y: z\r\n".repeat(100_000)].concat();
    let long = [b"GET /".as_slice(), &[b'a'; 1 << 20], b" HTTP/1.1\r\n\r\n"].concat();
    for garbage in [
        &noise[..],
        &endless,
        &long,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
        &[0; 100_000],
    ] {
        let mut peer = Raw(TcpStream::connect(rig.address).await.unwrap());
        // It may be cut before it has said everything.
        _ = bounded(peer.0.write_all(garbage)).await;
        _ = peer.0.shutdown().await;
        let told = peer.rest().await;
        assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&told));
    }
    client.write(&frame(0x81, b"1", true)).await;
    engine.expect(&frame(0x81, b"1", true)).await;
    let recording = rig.cut().await;
    assert_eq!((recording.sealed.connections, recording.sealed.refused), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn upstream_that_never_answers_the_upgrade_is_given_up() {
    let limit = Duration::from_secs(30);
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.connect_timeout(limit)).await;
    let start = Instant::now();
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "Connection: close\r\n").await;
        String::from_utf8(client.rest().await).unwrap()
    };
    let (told, _engine) = tokio::join!(client, next(&engines));
    assert!(told.starts_with("HTTP/1.1 502 ") && told.contains("within 30s"), "{told}");
    assert!(start.elapsed() >= limit && start.elapsed() < limit * 2);
    tokio::time::resume();
    assert_eq!(rig.finish().await.sealed.refused, 1);
}
