//! What the recording proxy costs beside a bare tokio-tungstenite forwarder that records nothing.

use std::io;

use qix_benches::{
    bare, child,
    measure::{self, cost, median, row},
};
use qix_proxy::Proxy;

const ROUNDS: usize = 9;

fn main() -> io::Result<()> {
    // Servers run as children in the runtime that `qix-proxy` has; the load comes from one thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if child::run(record).await? {
            return Ok(());
        }
        measure::line("recording proxy against a bare forwarder: medians of same-round ratios\n");
        let engine = child::Server::start("engine", &[])?;
        let forwarder = child::Server::start("forwarder", &[&engine.address.to_string()])?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("bench.qixrec");
        let url = format!("ws://{}", engine.address);
        let recorder = child::Server::start("record", &[&url, &file.to_string_lossy()])?;
        small(&engine, &forwarder, &recorder).await?;
        large(&engine, &forwarder, &recorder).await?;
        drop(recorder);
        let idle_file = folder.path().join("idle.qixrec");
        let recorder = child::Server::start("record", &[&url, &idle_file.to_string_lossy()])?;
        idle("recording proxy", &recorder, Some(32.0)).await?;
        idle("bare forwarder", &forwarder, None).await
    })
}

/// A recording proxy as a child: the engine's URL and the file.
async fn record(role: &str, args: Vec<String>) -> io::Result<()> {
    let ("record", [url, file]) = (role, &*args) else { return Err(io::Error::other("no such role")) };
    let upstream = url.parse().map_err(io::Error::other)?;
    let config = Proxy::builder(file).upstream(upstream).listen(([127, 0, 0, 1], 0));
    let proxy = config.bind().await.map_err(io::Error::other)?;
    child::announce(proxy.local_addr());
    proxy.run(std::future::pending()).await;
    Ok(())
}

/// 256 small calls in flight: messages per second.
async fn small(
    engine: &child::Server,
    forwarder: &child::Server,
    recorder: &child::Server,
) -> io::Result<()> {
    const CALLS: u64 = 200_000;
    let mut direct = bare::connect(engine.address, Some(16 << 10)).await?;
    let mut forwarded = bare::connect(forwarder.address, Some(16 << 10)).await?;
    let mut recorded = bare::connect(recorder.address, Some(16 << 10)).await?;
    let (mut ratios, mut of_direct) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut walls = [0.0; 3];
        for (wall, client) in walls.iter_mut().zip([&mut direct, &mut forwarded, &mut recorded]) {
            let cost =
                cost(async { bare::calls(client, CALLS, 256).await.expect("the engine answers") }).await;
            *wall = cost.wall.as_secs_f64();
        }
        ratios.push(walls[1] / walls[2]);
        of_direct.push(walls[0] / walls[2]);
    }
    let ratio = median(ratios);
    row("256 small calls in flight: messages/s, × bare forwarder", ratio, "at least 1.00", ratio >= 1.0);
    measure::line(&format!("{:<66} {:>7.2}", "  the same, × no proxy at all", median(of_direct)));
    Ok(())
}

/// Answers of 11 MB: bytes per second.
async fn large(
    engine: &child::Server,
    forwarder: &child::Server,
    recorder: &child::Server,
) -> io::Result<()> {
    // Enough that what may wait to be recorded, 64 MiB, is a small part of it.
    const CALLS: u64 = 48;
    let mut direct = bare::connect(engine.address, None).await?;
    let mut forwarded = bare::connect(forwarder.address, None).await?;
    let mut recorded = bare::connect(recorder.address, None).await?;
    let (mut ratios, mut of_direct) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut walls = [0.0; 3];
        for (wall, client) in walls.iter_mut().zip([&mut direct, &mut forwarded, &mut recorded]) {
            let cost = cost(async {
                bare::large_calls(client, CALLS).await.expect("the engine answers");
            })
            .await;
            *wall = cost.wall.as_secs_f64();
        }
        ratios.push(walls[1] / walls[2]);
        of_direct.push(walls[0] / walls[2]);
    }
    let ratio = median(ratios);
    row("11 MB messages: MB/s, × bare forwarder", ratio, "at least 0.70", ratio >= 0.7);
    measure::line(&format!("{:<66} {:>7.2}", "  the same, × no proxy at all", median(of_direct)));
    Ok(())
}

/// Memory of connections on which nothing is said.
async fn idle(what: &str, server: &child::Server, budget: Option<f64>) -> io::Result<()> {
    const CONNECTIONS: usize = 500;
    // The first connections pay for what all share.
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut client = bare::connect(server.address, Some(4 << 10)).await?;
        bare::calls(&mut client, 1, 1).await?;
        open.push(client);
    }
    let before = server.resident_kib();
    for _ in 0..CONNECTIONS {
        let mut client = bare::connect(server.address, Some(4 << 10)).await?;
        bare::calls(&mut client, 1, 1).await?;
        open.push(client);
    }
    let (Some(before), Some(after)) = (before, server.resident_kib()) else {
        measure::line("memory of idle connections is measured on Linux only");
        return Ok(());
    };
    let each = after.saturating_sub(before) as f64 / CONNECTIONS as f64;
    let text = format!("idle connection through the {what}: KiB");
    match budget {
        Some(most) => row(&text, each, &format!("at most {most:.0}"), each <= most),
        None => measure::line(&format!("{text:<66} {each:>7.2}")),
    }
    Ok(())
}
