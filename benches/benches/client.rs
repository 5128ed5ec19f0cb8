//! What the client costs beside a bare tokio-tungstenite client that does the same.

use std::io;

use qix_benches::{
    bare, child,
    measure::{self, cost, median, row},
};
use qix_client::{
    Session,
    protocol::Handle,
    transport::{Endpoint, WsConnect},
};
use serde::Deserialize;

const ROUNDS: usize = 9;

fn main() -> io::Result<()> {
    // One thread, as the bare client has, so that CPU time is that of the work.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if child::run(async |_, _| Err(io::Error::other("no such role"))).await? {
            return Ok(());
        }
        measure::line("client against bare tokio-tungstenite: medians of same-round ratios\n");
        measure::pin(0);
        let engine = child::Server::start("engine", &[])?;
        one_by_one(&engine).await?;
        drop(engine);
        // A core each: left alone, the two flip between lock step and overlap, which says nothing about a client.
        measure::pin(1);
        let engine = child::Server::start("engine", &[])?;
        measure::pin(0);
        many_at_once(&engine).await
    })
}

#[derive(Deserialize)]
struct Out {
    #[serde(rename = "qVersion")]
    version: Version,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "qComponentVersion")]
    component: String,
}

async fn session(engine: &child::Server) -> io::Result<Session> {
    let url = format!("ws://{}/app/engineData", engine.address);
    let endpoint = Endpoint::parse(&url).map_err(io::Error::other)?;
    let connector = WsConnect::builder(endpoint).build().map_err(io::Error::other)?;
    Session::connect(&connector).await.map_err(io::Error::other)
}

async fn one_call(session: &Session) {
    let out: Out = session.call(Handle::GLOBAL, "EngineVersion", &[(); 0]).await.expect("the engine answers");
    assert!(!out.version.component.is_empty());
}

/// Round trips one after the other, client and engine on one core: CPU of the client.
async fn one_by_one(engine: &child::Server) -> io::Result<()> {
    const CALLS: u64 = 20_000;
    let ours = session(engine).await?;
    let mut default = bare::connect(engine.address, None).await?;
    let mut small = bare::connect(engine.address, Some(4 << 10)).await?;
    let (mut to_default, mut to_small, mut latency) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let bare_default =
            cost(async { bare::calls(&mut default, CALLS, 1).await.expect("the engine answers") }).await;
        let client = cost(async {
            for _ in 0..CALLS {
                one_call(&ours).await;
            }
        })
        .await;
        let bare_small =
            cost(async { bare::calls(&mut small, CALLS, 1).await.expect("the engine answers") }).await;
        to_default.push(client.cpu.as_secs_f64() / bare_default.cpu.as_secs_f64());
        to_small.push(client.cpu.as_secs_f64() / bare_small.cpu.as_secs_f64());
        latency.push(client.wall.as_secs_f64() / bare_default.wall.as_secs_f64());
    }
    let ratio = median(to_default);
    row("small round trips, one core: CPU, × bare client", ratio, "at most 1.10", ratio <= 1.10);
    let ratio = median(to_small);
    row("  the same, × bare client with a 4 KiB read buffer", ratio, "at most 1.10", ratio <= 1.10);
    measure::line(&format!("{:<66} {:>7.2}", "  the same, latency × bare client", median(latency)));
    Ok(())
}

/// 256 calls in flight: calls per second, beside three bare clients.
async fn many_at_once(engine: &child::Server) -> io::Result<()> {
    const CALLS: u64 = 100_096;
    const IN_FLIGHT: u64 = 256;
    let ours = session(engine).await?;
    let shared = bare::Shared::start(bare::connect(engine.address, None).await?);
    let mut bare = bare::connect(engine.address, None).await?;
    let (mut to_shared, mut to_single, mut to_batched, mut each) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let many = cost(async {
            let call = async |client: bare::Shared| client.call().await.expect("the engine answers");
            at_once(IN_FLIGHT, CALLS, || shared.clone(), call).await;
        })
        .await;
        let single = cost(async {
            bare::calls_one_by_one(&mut bare, CALLS, IN_FLIGHT).await.expect("the engine answers");
        })
        .await;
        let client =
            cost(at_once(IN_FLIGHT, CALLS, || ours.clone(), async |session| one_call(&session).await)).await;
        let batched =
            cost(async { bare::calls(&mut bare, CALLS, IN_FLIGHT).await.expect("the engine answers") }).await;
        let speed = |other: measure::Cost| other.wall.as_secs_f64() / client.wall.as_secs_f64();
        to_shared.push(speed(many));
        to_single.push(speed(single));
        to_batched.push(speed(batched));
        each.push([many, single, client, batched].map(|cost| cost.cpu.as_nanos() as f64 / CALLS as f64));
    }
    let ratio = median(to_shared);
    row(
        "256 calls in flight: calls/s, × bare client that 256 tasks share",
        ratio,
        "at least 1.00",
        ratio >= 1.0,
    );
    let ratio = median(to_single);
    row("  × bare loop, a request sent after each answer", ratio, "at least 1.00", ratio >= 1.0);
    let ratio = median(to_batched);
    row("  × bare loop, requests written by the burst", ratio, "at least 1.00", ratio >= 1.0);
    let cpu = |at: usize| median(each.iter().map(|costs| costs[at]).collect());
    measure::line(&format!(
        "  CPU a call, ns: shared {:.0}, loop {:.0}, ours {:.0}, loop by the burst {:.0}",
        cpu(0),
        cpu(1),
        cpu(2),
        cpu(3)
    ));
    Ok(())
}

/// Lets this many tasks make all the calls.
async fn at_once<C: Clone + 'static>(
    tasks: u64,
    calls: u64,
    client: impl Fn() -> C,
    call: impl AsyncFn(C) + Copy + 'static,
) {
    let local = tokio::task::LocalSet::new();
    for _ in 0..tasks {
        let client = client();
        local.spawn_local(async move {
            for _ in 0..calls / tasks {
                call(client.clone()).await;
            }
        });
    }
    local.await;
}
