//! What the replay costs beside a server that answers from canned bytes, and what it saves inside a program.
//!
//! Rounds are 9, or what `QIX_BENCH_ROUNDS` says.

use std::{fmt::Write as _, io, path::Path, time::Instant};

use qix_benches::{
    LARGE, SMALL_RESULT, bare, canned, child,
    measure::{self, OneCore, median, quantile, row, spread},
    peer, result_of,
};
use qix_client::{
    Session,
    protocol::Handle,
    transport::{Endpoint, WsConnect},
};
use qix_proxy::replay::{ReplayConnect, ReplayServer, Tapes};

fn main() -> io::Result<()> {
    if child::is_child() {
        // The runtime that `qix-proxy` has.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(child::run(serve))?;
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        measure::line(
            "replay beside a server of canned bytes: medians of same-round ratios, lowest..highest\n",
        );
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("bench.qixrec");
        std::fs::write(&path, recording())?;
        {
            let _bound = OneCore::bind();
            small(&path).await?;
            in_process(&path).await?;
        }
        small_on_all_cores(&path).await?;
        large(&path).await
    })
}

/// The servers as children: of canned bytes, or of the recording.
async fn serve(role: &str, args: Vec<String>) -> io::Result<()> {
    let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    match (role, &*args) {
        ("canned", []) => {
            let listener = tokio::net::TcpListener::bind(any).await?;
            child::announce(listener.local_addr()?);
            canned::server(listener).await
        }
        ("replay", [path]) => {
            let (tapes, _) = Tapes::open(path).map_err(io::Error::other)?;
            let server = ReplayServer::bind(tapes, any).await?;
            child::announce(server.local_addr()?);
            server.run(std::future::pending(), |_| {}).await;
            Ok(())
        }
        _ => Err(io::Error::other("no such role")),
    }
}

/// A recording of each call that is asked here.
fn recording() -> String {
    let mut text = String::from("{\"qixrec\":[1,1]}\n");
    let mut seq = 0;
    let mut entry = |rest: String| {
        seq += 1;
        // Writing to a string cannot fail.
        let _ = writeln!(text, r#"{{"seq":{seq},"t":{seq},"conn":1,{rest}}}"#);
    };
    entry(r#""kind":"open","url":"/app/engineData","status":101"#.to_owned());
    let calls = [
        ("EngineVersion", SMALL_RESULT.to_owned()),
        ("Large", result_of(LARGE)),
        ("Layout", format!(r#"{{"qLayout":{}}}"#, layout())),
    ];
    for (id, (method, result)) in calls.into_iter().enumerate() {
        entry(format!(
            r#""kind":"frame","from":"client","json":{{"jsonrpc":"2.0","id":{id},"handle":-1,"method":"{method}","params":[]}}"#
        ));
        entry(format!(
            r#""kind":"frame","from":"engine","json":{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#
        ));
    }
    text
}

/// A layout of about 2 KB.
fn layout() -> String {
    let cells = |row: u32| {
        format!(
            r#"[{{"qText":"Customer {row}","qNum":"NaN","qElemNumber":{row},"qState":"O"}},{{"qText":"{row}17.50","qNum":{row}17.5,"qElemNumber":0,"qState":"L"}}]"#
        )
    };
    let rows: Vec<String> = (1..16).map(cells).collect();
    format!(
        r#"{{"qInfo":{{"qId":"LB02","qType":"table"}},"title":"Customers","visualization":"table","qHyperCube":{{"qSize":{{"qcx":2,"qcy":15}},"qMode":"S","qDataPages":[{{"qMatrix":[{}],"qArea":{{"qLeft":0,"qTop":0,"qWidth":2,"qHeight":15}}}}]}}}}"#,
        rows.join(",")
    )
}

fn rounds() -> usize {
    std::env::var("QIX_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(9)
}

struct Pair {
    canned: bare::Client,
    replay: bare::Client,
    _servers: [child::Server; 2],
}

impl Pair {
    async fn start(path: &Path) -> io::Result<Self> {
        let servers = [
            child::Server::start("canned", &[])?,
            child::Server::start("replay", &[&path.to_string_lossy()])?,
        ];
        Ok(Self {
            canned: bare::connect(servers[0].address, Some(16 << 10)).await?,
            replay: bare::connect(servers[1].address, Some(16 << 10)).await?,
            _servers: servers,
        })
    }

    /// Lets both do the work in turns, and returns for each round what `canned` took over what `replay` took.
    async fn rounds(
        &mut self,
        work: impl AsyncFn(&mut bare::Client) -> io::Result<f64>,
    ) -> io::Result<Vec<f64>> {
        let mut ratios = Vec::new();
        for round in 0..=rounds() {
            let (canned, replay) = if round % 2 == 0 {
                let canned = work(&mut self.canned).await?;
                (canned, work(&mut self.replay).await?)
            } else {
                let replay = work(&mut self.replay).await?;
                (work(&mut self.canned).await?, replay)
            };
            // The first round warms everything up.
            if round > 0 {
                ratios.push(canned / replay);
            }
        }
        Ok(ratios)
    }
}

fn at_least(what: &str, ratios: Vec<f64>, budget: f64) {
    let range = spread(&ratios);
    let ratio = median(ratios);
    row(what, ratio, &format!("at least {budget:.2}  [{range}]"), ratio >= budget);
}

async fn in_flight(client: &mut bare::Client, in_flight: u64) -> io::Result<f64> {
    let start = Instant::now();
    bare::calls(client, 40_000, in_flight).await?;
    Ok(start.elapsed().as_secs_f64())
}

async fn small(path: &Path) -> io::Result<()> {
    let mut pair = Pair::start(path).await?;
    let half =
        async |client: &mut bare::Client| Ok(quantile(&mut bare::round_trips(client, 8000).await?, 0.5));
    let ratios: Vec<f64> = pair.rounds(half).await?.into_iter().map(|ratio| 1.0 / ratio).collect();
    let range = spread(&ratios);
    let ratio = median(ratios);
    row("round trip on one core: p50, × canned", ratio, &format!("at most 1.06  [{range}]"), ratio <= 1.06);
    let ratios = pair.rounds(async |client| in_flight(client, 16).await).await?;
    at_least("16 in flight on one core: calls/s, × canned", ratios, 0.85);
    let ratios = pair.rounds(async |client| in_flight(client, 256).await).await?;
    at_least("256 in flight on one core: calls/s, × canned", ratios, 0.45);
    Ok(())
}

async fn small_on_all_cores(path: &Path) -> io::Result<()> {
    let mut pair = Pair::start(path).await?;
    let ratios = pair.rounds(async |client| in_flight(client, 16).await).await?;
    at_least("16 in flight: calls/s, × canned", ratios, 0.85);
    let ratios = pair.rounds(async |client| in_flight(client, 256).await).await?;
    at_least("256 in flight: calls/s, × canned", ratios, 0.45);
    Ok(())
}

async fn large(path: &Path) -> io::Result<()> {
    let mut pair = Pair::start(path).await?;
    let large = async |client: &mut bare::Client| {
        let start = Instant::now();
        bare::large_calls(client, "Large", 24).await?;
        Ok(start.elapsed().as_secs_f64())
    };
    at_least("11 MB answers: MB/s, × canned", pair.rounds(large).await?, 0.85);
    Ok(())
}

/// Typed layouts of 2 KB, one after the other: inside the program, and over loopback from the same recording.
async fn in_process(path: &Path) -> io::Result<()> {
    const CALLS: u64 = 5000;
    let server = child::Server::start("replay", &[&path.to_string_lossy()])?;
    let url = format!("ws://{}/app/engineData", server.address);
    let connect = WsConnect::builder(Endpoint::parse(&url).map_err(io::Error::other)?);
    let loopback =
        Session::connect(&connect.build().map_err(io::Error::other)?).await.map_err(io::Error::other)?;
    let replay = ReplayConnect::from_file(path).map_err(io::Error::other)?;
    let inside = Session::connect(&replay).await.map_err(io::Error::other)?;
    let work = async |session: &Session| -> io::Result<f64> {
        let start = Instant::now();
        for _ in 0..CALLS {
            let answer: peer::LayoutResult =
                session.call(Handle::GLOBAL, "Layout", &[(); 0]).await.map_err(io::Error::other)?;
            assert!(!answer.layout.info.id.is_empty());
        }
        Ok(start.elapsed().as_secs_f64() / CALLS as f64)
    };
    let (mut ratios, mut micros) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..=rounds() {
        let (far, near) = (work(&loopback).await?, work(&inside).await?);
        if round > 0 {
            ratios.push(far / near);
            micros[0].push(far * 1e6);
            micros[1].push(near * 1e6);
        }
    }
    at_least("in process, 2 KB typed: calls/s, × loopback", ratios, 10.0);
    let [far, near] = micros.map(median);
    measure::line(&format!("  µs a call: loopback {far:.1}, in process {near:.1}"));
    Ok(())
}
