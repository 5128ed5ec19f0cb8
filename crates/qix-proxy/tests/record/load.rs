//! Many connections, many frames, large frames, many hours.
//!
//! The tests that are ignored print figures and want an optimised build: `cargo xtask faults` runs them.

use std::{future::Future, net::SocketAddr, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Barrier,
    task::{JoinHandle, JoinSet},
};

use crate::{process::Proxy, support::*};

const REQUEST: &[u8] = br#"{"jsonrpc":"2.0","id":7,"handle":3,"method":"GetLayout","params":[]}"#;

/// Answers each [`REQUEST`] with `answer`, on any number of connections.
fn engine(listener: TcpListener, answer: Vec<u8>) -> JoinHandle<()> {
    let length = frame(0x81, REQUEST, true).len();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let mut peer = Raw(listener.accept().await.unwrap().0);
            let answer = answer.clone();
            connections.spawn(async move {
                peer.0.set_nodelay(true).unwrap();
                peer.accept("", b"").await;
                let mut request = vec![0; length];
                while peer.0.read_exact(&mut request).await.is_ok() {
                    peer.write(&answer).await;
                }
            });
            while connections.try_join_next().is_some() {}
        }
    })
}

/// Opens a WebSocket and asks `times`.
async fn ask(address: SocketAddr, times: usize, answer: &[u8]) -> Raw {
    let mut client = Raw::ask(address, "/app/x", "").await;
    client.0.set_nodelay(true).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    let request = frame(0x81, REQUEST, true);
    for _ in 0..times {
        client.write(&request).await;
        client.expect(answer).await;
    }
    client
}

/// Opens `count` connections at once, asks on each, and closes them all at once; `while_open` runs in between.
async fn crowd<F: Future>(
    address: SocketAddr,
    count: usize,
    answer: &[u8],
    while_open: impl FnOnce() -> F,
) -> F::Output {
    let barrier = std::sync::Arc::new(Barrier::new(count + 1));
    let mut clients = JoinSet::new();
    for _ in 0..count {
        let (barrier, answer) = (std::sync::Arc::clone(&barrier), answer.to_vec());
        clients.spawn(async move {
            let client = ask(address, 1, &answer).await;
            barrier.wait().await;
            barrier.wait().await;
            drop(client);
        });
    }
    bounded(barrier.wait()).await;
    let outcome = while_open().await;
    barrier.wait().await;
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    outcome
}

#[tokio::test]
async fn hundreds_of_connections_open_and_close_at_once() {
    const COUNT: usize = 500;
    let (listener, address) = listener().await;
    let answer = frame(0x81, b"{}", false);
    let engine = engine(listener, answer.clone());
    let rig = Rig::new(address).await;
    crowd(rig.address, COUNT, &answer, async || ()).await;
    let recording = rig.finish().await;
    engine.abort();
    assert_eq!((recording.sealed.connections, recording.sealed.frames), (COUNT as u64, 2 * COUNT as u64));
    assert_eq!(recording.kind("close").len(), COUNT);
    assert_eq!(recording.sealed.refused, 0);
}

#[tokio::test]
async fn tiny_frames_by_the_thousand_are_all_there() {
    const COUNT: usize = 20_000;
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.queue(1 << 20)).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let many = frame(0x81, b"1", true).repeat(COUNT);
    tokio::join!(client.write(&many), engine.expect(&many));
    drop((client, engine));
    assert_eq!(rig.finish().await.sealed.frames, COUNT as u64);
}

/// Resident memory of the recorder, in KiB.
#[cfg(target_os = "linux")]
fn resident(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Says a figure, for whoever runs the tests that are ignored.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "figures are what these tests are run for")]
fn say(figure: &str) {
    println!("{figure}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 20,000 open files; cargo xtask faults"]
async fn five_thousand_connections_open_and_close_at_once() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    // Here and in the recorder, which inherits the limit, each connection takes two.
    let count = limit.current.map_or(5000, |limit| (limit as usize - 100) / 2).min(5000);

    let (listener, address) = listener().await;
    let answer = frame(0x81, b"{}", false);
    let engine = engine(listener, answer.clone());
    let proxy = Proxy::start(address).await;
    let (start, before) = (Instant::now(), resident(&proxy));
    let (open, full) =
        crowd(proxy.address, count, &answer, async || (start.elapsed(), resident(&proxy))).await;
    // All ends have gone by once a new connection has been served and the rest is recorded.
    drop(ask(proxy.address, 1, &answer).await);
    let all = start.elapsed();
    let after = resident(&proxy);
    engine.abort();
    proxy.signal("TERM").await;
    let (code, summary, stderr, _dir) = proxy.end().await;
    say(&format!(
        "{count} connections: open after {open:.1?}, closed after {all:.1?}; resident {before} KiB before, {full} KiB with all open \
         ({:.1} KiB each), {after} KiB after; {summary}",
        (full.saturating_sub(before)) as f64 / count as f64
    ));
    assert_eq!(code, 0, "{stderr}");
    assert!(
        summary.starts_with(&format!("recorded {} connections, {} frames", count + 1, 2 * count + 2)),
        "{summary}"
    );
    assert!(all.as_secs() < 60, "{all:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a million frames; cargo xtask faults"]
async fn a_million_tiny_frames_are_all_there() {
    const COUNT: usize = 1_000_000;
    let (engines, address) = listener().await;
    let proxy = Proxy::start(address).await;
    let (mut client, mut engine) = proxy.open(&engines).await;
    let (start, before) = (Instant::now(), resident(&proxy));
    let many = frame(0x81, b"1", true).repeat(COUNT);
    tokio::join!(client.write(&many), engine.expect(&many));
    let (took, after) = (start.elapsed(), resident(&proxy));
    drop((client, engine));
    proxy.signal("TERM").await;
    let (code, summary, stderr, _dir) = proxy.end().await;
    say(&format!(
        "{COUNT} frames of 1 byte: {took:.1?}; resident {before} KiB before, {after} KiB after; {summary}"
    ));
    assert_eq!(code, 0, "{stderr}");
    assert!(summary.starts_with("recorded 1 connection, 1000000 frames"), "{summary}");
    assert!(after < before + (160 << 10), "the queue and what it is made into are bounded");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "200 MB frames; cargo xtask faults"]
async fn frames_of_200_mb_cross_and_are_recorded_whole() {
    const SIZE: usize = 200_000_000;
    let (engines, address) = listener().await;
    let proxy = Proxy::start(address).await;
    let (mut client, mut engine) = proxy.open(&engines).await;
    let message = [b"\"".as_slice(), &vec![b'x'; SIZE - 2], b"\""].concat();
    let (start, before) = (Instant::now(), resident(&proxy));
    for masked in [true, false] {
        let bytes = frame(0x81, &message, masked);
        let (from, to) = if masked { (&mut client, &mut engine) } else { (&mut engine, &mut client) };
        tokio::join!(from.write(&bytes), to.expect(&bytes));
    }
    let (took, with) = (start.elapsed(), resident(&proxy));
    drop((client, engine));
    // Large buffers are given back when nothing comes any more.
    proxy.signal("TERM").await;
    let path = proxy.path.clone();
    let (code, summary, stderr, _dir) = proxy.end().await;
    say(&format!(
        "2 frames of {SIZE} bytes: {took:.1?}, {:.0} MB/s; resident {before} KiB before, {with} KiB after; {summary}",
        2.0 * SIZE as f64 / 1e6 / took.as_secs_f64()
    ));
    assert_eq!(code, 0, "{stderr}");
    let mut reader = qix_proxy::record::RecordingReader::open(path).unwrap();
    let whole = reader.by_ref().filter(|entry| {
        let entry = entry.as_ref().unwrap();
        matches!(&entry.kind, qix_proxy::record::EntryKind::Frame { text: qix_proxy::record::FrameText::Text(text), .. } if **text == message[..])
    });
    assert_eq!(whole.count(), 2);
}

/// Ten hours of ten requests a second, over connections that last five minutes each: as fast as they go.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "360,000 requests; cargo xtask faults"]
async fn ten_hours_of_traffic_leave_memory_flat() {
    const HOURS: usize = 10;
    const CONNECTIONS_AN_HOUR: usize = 12;
    const REQUESTS_A_CONNECTION: usize = 3000;
    let (listener, address) = listener().await;
    let answer =
        frame(0x81, format!(r#"{{"id":7,"result":{{"qLayout":"{}"}}}}"#, "x".repeat(400)).as_bytes(), false);
    let engine = engine(listener, answer.clone());
    let proxy = Proxy::start(address).await;
    let (start, mut hours) = (Instant::now(), Vec::new());
    for _ in 0..HOURS {
        for _ in 0..CONNECTIONS_AN_HOUR {
            drop(ask(proxy.address, REQUESTS_A_CONNECTION, &answer).await);
        }
        hours.push(resident(&proxy));
    }
    let took = start.elapsed();
    engine.abort();
    proxy.signal("TERM").await;
    let (code, summary, stderr, _dir) = proxy.end().await;
    say(&format!("{HOURS} hours in {took:.1?}; resident after each hour, in KiB: {hours:?}; {summary}"));
    assert_eq!(code, 0, "{stderr}");
    assert!(hours[HOURS - 1] < hours[0] + 2048, "memory grows: {hours:?}");
}

/// Opens and drops bare TCP connections, as port scanners and health checks do.
#[tokio::test]
async fn connections_that_say_nothing_leave_nothing_behind() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    for _ in 0..500 {
        let mut scanner = TcpStream::connect(rig.address).await.unwrap();
        scanner.shutdown().await.unwrap();
    }
    open(&rig, &engines).await;
    let recording = rig.cut().await;
    assert_eq!((recording.sealed.connections, recording.sealed.refused), (1, 0));
}
