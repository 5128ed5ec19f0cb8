//! What the recording proxy costs beside HAProxy, nginx and `mitmdump -w`, run beside it.
//!
//! Rounds are 9, or what `QIX_BENCH_ROUNDS` says. A row whose program is not on `PATH` is left out, loudly.

use std::{io, path::Path};

use qix_benches::{
    bare, child,
    measure::{self, OneCore, median, quantile, row, spread},
    rival::Rival,
};
use qix_proxy::Proxy;

const DIRECT: &str = "no proxy";
const RECORD: &str = "recording";
const STOPPED: &str = "not recording";
const HAPROXY: &str = "HAProxy";
const NGINX: &str = "nginx";
const MITMPROXY: &str = "mitmproxy -w";

fn main() -> io::Result<()> {
    if child::is_child() {
        // The runtime that `qix-proxy` has.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(child::run(serve))?;
        return Ok(());
    }
    // The load comes from one thread, which can be bound to a core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        measure::line("recording proxy against others: medians of same-round ratios, lowest..highest\n");
        let folder = tempfile::tempdir()?;
        {
            let _bound = OneCore::bind();
            let mut field = Field::start(&folder.path().join("one-core")).await?;
            small_on_one_core(&mut field).await?;
        }
        let mut field = Field::start(&folder.path().join("all-cores")).await?;
        small_on_all_cores(&mut field).await?;
        large(&mut field).await?;
        drop(field);
        idle(&folder.path().join("idle")).await
    })
}

/// The proxy as a child: the engine's URL and the file, and whether to `record` or to go on `stopped`.
async fn serve(role: &str, args: Vec<String>) -> io::Result<()> {
    let [url, file] = &*args else { return Err(io::Error::other("no such role")) };
    let _ignored = if role == "stopped" { Some(no_large_files()?) } else { None };
    let upstream = url.parse().map_err(io::Error::other)?;
    let config = Proxy::builder(file).upstream(upstream).listen(([127, 0, 0, 1], 0));
    let proxy = config.bind().await.map_err(io::Error::other)?;
    child::announce(proxy.local_addr());
    proxy.run(std::future::pending()).await;
    Ok(())
}

/// Lets no file grow beyond a few lines: the recording stops as on a full disk, and traffic goes on without it.
fn no_large_files() -> io::Result<tokio::signal::unix::Signal> {
    const SIGXFSZ: i32 = 25;
    let limit = rustix::process::Rlimit { current: Some(4096), maximum: Some(4096) };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit)?;
    // Caught, it no longer ends the process.
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ))
}

/// One server with a client connected to it.
struct Peer {
    name: &'static str,
    server: child::Server,
    client: bare::Client,
}

/// All that take turns.
struct Field {
    peers: Vec<Peer>,
    _engine: child::Server,
}

/// What one peer took for the work of one round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Seconds for one call.
    wall: f64,
    /// CPU seconds of the proxy for one call.
    cpu: f64,
    /// Seconds that half of the calls did not exceed.
    half: f64,
    /// Seconds that 99 of 100 calls did not exceed.
    most: f64,
}

/// What is asked of a peer in one round.
#[derive(Clone, Copy, Debug)]
enum Work {
    RoundTrips(u64),
    InFlight { calls: u64, in_flight: u64 },
    Large { method: &'static str, calls: u64 },
}

type Rounds = Vec<Vec<Option<Sample>>>;

impl Field {
    async fn start(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let engine = child::Server::start("engine", &[])?;
        let url = format!("ws://{}", engine.address);
        let ours = |role: &str| {
            child::Server::start(role, &[&url, &folder.join(role).with_extension("qixrec").to_string_lossy()])
        };
        let mut servers = vec![
            (DIRECT, child::Server::start("engine", &[])?),
            (RECORD, ours("record")?),
            (STOPPED, ours("stopped")?),
        ];
        for rival in Rival::ALL {
            servers.extend(rival.start(engine.address, folder).await?.map(|server| (rival.name(), server)));
        }
        let mut peers = Vec::new();
        for (name, server) in servers {
            let client = bare::connect(server.address, Some(16 << 10)).await?;
            peers.push(Peer { name, server, client });
        }
        Ok(Self { peers, _engine: engine })
    }

    /// Lets the peers called `names` do the work in turns, another one first in each round.
    async fn run(&mut self, names: &[&'static str], work: Work) -> io::Result<Rounds> {
        let mut rounds = Rounds::new();
        for round in 0..rounds_wanted() + 1 {
            let mut samples = vec![None; names.len()];
            for turn in 0..names.len() {
                let index = (turn + round) % names.len();
                if let Some(peer) = self.peers.iter_mut().find(|peer| peer.name == names[index]) {
                    samples[index] = Some(peer.work(work).await?);
                }
            }
            // The first round warms everything up.
            if round > 0 {
                rounds.push(samples);
            }
        }
        Ok(rounds)
    }
}

fn rounds_wanted() -> usize {
    std::env::var("QIX_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(9)
}

impl Peer {
    async fn work(&mut self, work: Work) -> io::Result<Sample> {
        let before = self.server.cpu();
        let (start, mut each) = (std::time::Instant::now(), Vec::new());
        let calls = match work {
            Work::RoundTrips(calls) => {
                each = bare::round_trips(&mut self.client, calls).await?;
                calls
            }
            Work::InFlight { calls, in_flight } => {
                bare::calls(&mut self.client, calls, in_flight).await?;
                calls
            }
            Work::Large { method, calls } => {
                bare::large_calls(&mut self.client, method, calls).await?;
                calls
            }
        };
        let wall = start.elapsed().as_secs_f64() / calls as f64;
        let cpu = match (before, self.server.cpu()) {
            (Some(before), Some(after)) => (after - before) / calls as f64,
            _ => f64::NAN,
        };
        Ok(Sample { wall, cpu, half: quantile(&mut each, 0.5), most: quantile(&mut each, 0.99) })
    }
}

/// Returns what `of` makes of the samples of each round in which all of the peers took part.
fn each_round(rounds: &Rounds, of: impl Fn(&[Sample]) -> f64) -> Vec<f64> {
    let complete = rounds.iter().filter_map(|samples| samples.iter().copied().collect::<Option<Vec<_>>>());
    complete.map(|samples| of(&samples)).collect()
}

/// Prints a row with a budget, unless a program it needs is missing.
fn judge(what: &str, values: Vec<f64>, budget: &str, keeps: impl Fn(f64) -> bool) {
    if values.is_empty() {
        return measure::line(&format!("{what:<66}    left out"));
    }
    let range = spread(&values);
    let value = median(values);
    row(what, value, &format!("{budget}  [{range}]"), keeps(value));
}

/// Prints a row that explains another.
fn tell(what: &str, values: Vec<f64>) {
    if !values.is_empty() {
        measure::line(&format!("{:<66} {:>7.2}", format!("  {what}"), median(values)));
    }
}

async fn small_on_one_core(field: &mut Field) -> io::Result<()> {
    let work = Work::InFlight { calls: 40_000, in_flight: 16 };
    let rounds = field.run(&[RECORD, HAPROXY], work).await?;
    let ratio = each_round(&rounds, |s| s[1].wall / s[0].wall);
    judge("16 in flight on one core: messages/s, × HAProxy", ratio, "at least 0.95", |ratio| ratio >= 0.95);
    let rounds = field.run(&[RECORD, NGINX], work).await?;
    tell("the same, × nginx", each_round(&rounds, |s| s[1].wall / s[0].wall));

    // All by themselves, so that the two that are compared follow each other closely.
    let rounds = field.run(&[DIRECT, RECORD, HAPROXY], Work::RoundTrips(8000)).await?;
    let added = each_round(&rounds, |s| (s[1].half - s[0].half) / (s[2].half - s[0].half));
    judge("round trip on one core: p50 added, × HAProxy", added, "at most 0.95", |ratio| ratio <= 0.95);
    let added = each_round(&rounds, |s| (s[1].most - s[0].most) / (s[2].most - s[0].most));
    judge("round trip on one core: p99 added, × HAProxy", added, "at most 1.00", |ratio| ratio <= 1.0);
    let cpu = each_round(&rounds, |s| s[1].cpu / s[2].cpu);
    judge("round trip on one core: CPU, × HAProxy", cpu, "at most 0.95", |ratio| ratio <= 0.95);
    tell("p50 without a proxy, µs", each_round(&rounds, |s| s[0].half * 1e6));
    tell("p50 added by the recording proxy, µs", each_round(&rounds, |s| (s[1].half - s[0].half) * 1e6));
    tell("p50 added by HAProxy, µs", each_round(&rounds, |s| (s[2].half - s[0].half) * 1e6));
    tell("CPU of the recording proxy, µs", each_round(&rounds, |s| s[1].cpu * 1e6));
    tell("CPU of HAProxy, µs", each_round(&rounds, |s| s[2].cpu * 1e6));
    let rounds = field.run(&[DIRECT, RECORD, NGINX], Work::RoundTrips(8000)).await?;
    tell("p50 added, × nginx", each_round(&rounds, |s| (s[1].half - s[0].half) / (s[2].half - s[0].half)));

    let rounds = field.run(&[RECORD, STOPPED], Work::RoundTrips(8000)).await?;
    let ratio = each_round(&rounds, |s| s[0].half / s[1].half);
    judge("round trip on one core: p50, × not recording", ratio, "at most 1.03", |ratio| ratio <= 1.03);
    let cpu = each_round(&rounds, |s| s[0].cpu / s[1].cpu);
    judge("round trip on one core: CPU, × not recording", cpu, "at most 1.10", |ratio| ratio <= 1.1);

    let rounds = field.run(&[DIRECT, RECORD, MITMPROXY], Work::RoundTrips(800)).await?;
    let added = each_round(&rounds, |s| (s[1].half - s[0].half) / (s[2].half - s[0].half));
    judge("round trip on one core: p50 added, × mitmproxy -w", added, "at most 0.05", |ratio| ratio <= 0.05);
    let rounds = field.run(&[RECORD, MITMPROXY], Work::InFlight { calls: 3200, in_flight: 16 }).await?;
    let ratio = each_round(&rounds, |s| s[1].wall / s[0].wall);
    judge("16 in flight on one core: messages/s, × mitmproxy -w", ratio, "at least 50", |ratio| {
        ratio >= 50.0
    });
    Ok(())
}

async fn small_on_all_cores(field: &mut Field) -> io::Result<()> {
    let work = Work::InFlight { calls: 200_000, in_flight: 256 };
    let rounds = field.run(&[RECORD, HAPROXY], work).await?;
    let ratio = each_round(&rounds, |s| s[1].wall / s[0].wall);
    judge("256 in flight: messages/s, × HAProxy", ratio, "at least 0.90", |ratio| ratio >= 0.9);
    tell("CPU, × HAProxy", each_round(&rounds, |s| s[0].cpu / s[1].cpu));
    let rounds = field.run(&[RECORD, NGINX], work).await?;
    tell("the same, × nginx", each_round(&rounds, |s| s[1].wall / s[0].wall));
    let rounds = field.run(&[RECORD, STOPPED], work).await?;
    tell("the same, × not recording", each_round(&rounds, |s| s[1].wall / s[0].wall));
    Ok(())
}

async fn large(field: &mut Field) -> io::Result<()> {
    // Enough that what may wait to be recorded, 64 MiB, is a small part of it.
    for (name, method, size, calls) in
        [("0.3 MB", "Medium", qix_benches::MEDIUM, 1500), ("11 MB", "Large", qix_benches::LARGE, 48)]
    {
        let work = Work::Large { method, calls };
        let rounds = field.run(&[RECORD, HAPROXY], work).await?;
        let ratio = each_round(&rounds, |s| s[1].wall / s[0].wall);
        let what = format!("{name} messages: MB/s, × HAProxy");
        judge(&what, ratio, "at least 0.80", |ratio| ratio >= 0.8);
        tell("CPU, × HAProxy", each_round(&rounds, |s| s[0].cpu / s[1].cpu));
        let rounds = field.run(&[RECORD, NGINX], work).await?;
        tell("MB/s, × nginx", each_round(&rounds, |s| s[1].wall / s[0].wall));
        let rounds = field.run(&[RECORD, STOPPED], work).await?;
        let cost = each_round(&rounds, |s| (s[0].cpu - s[1].cpu) * 1e3 / (size as f64 / 1e6));
        let what = format!("{name} messages: CPU of recording, ms/MB");
        judge(&what, cost, "at most 0.80", |cost| cost <= 0.8);
        tell("MB/s, × not recording", each_round(&rounds, |s| s[1].wall / s[0].wall));
    }
    Ok(())
}

/// Memory of connections on which nothing is said.
async fn idle(folder: &Path) -> io::Result<()> {
    const CONNECTIONS: usize = 500;
    let field = Field::start(folder).await?;
    for (name, budget) in [(RECORD, Some(14.0)), (HAPROXY, None), (NGINX, None)] {
        let Some(Peer { server, .. }) = field.peers.iter().find(|peer| peer.name == name) else { continue };
        // The first connections pay for what all share.
        let mut open = Vec::new();
        let mut before = None;
        for count in 0..20 + CONNECTIONS {
            if count == 20 {
                before = server.resident_kib();
            }
            let mut client = bare::connect(server.address, Some(4 << 10)).await?;
            bare::calls(&mut client, 1, 1).await?;
            open.push(client);
        }
        let (Some(before), Some(after)) = (before, server.resident_kib()) else {
            measure::line("memory of idle connections is measured on Linux only");
            return Ok(());
        };
        let each = after.saturating_sub(before) as f64 / CONNECTIONS as f64;
        match budget {
            Some(most) => judge("idle connection: KiB", vec![each], "at most 14", |each| each <= most),
            None => tell(&format!("idle connection through {name}: KiB"), vec![each]),
        }
    }
    Ok(())
}
