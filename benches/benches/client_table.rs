//! The client's table: what it costs beside a bare tokio-tungstenite client, and beside enigma.js, with one server on one core.
//!
//! The bare client has tungstenite's default settings, writes its requests by hand and decodes each answer in one pass into
//! structs; where it makes many calls at once it sends them by the burst. A second one beside it keeps as many requests in flight by
//! the simplest loop: it sends one request after each answer.

use std::{
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use qix_benches::{
    bare::{self, Client},
    child,
    enigma::Enigma,
    measure::{self, Cost, cost, median, quantile, row, spread},
    objects::{self, CHANGING, LARGE_DATA, LARGE_LAYOUT, MEDIUM_LAYOUT, SMALL_LAYOUT},
    peer::{Answer, DataResult, Layout, LayoutResult},
};
use qix_client::{
    GenericObject, Object, Session,
    protocol::{Handle, ObjectReference, columns, frame::Raw},
    transport::{Endpoint, WsConnect},
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio_tungstenite::tungstenite::Message;

const ROUNDS: usize = 9;

fn main() -> io::Result<()> {
    // One thread, as the bare client has, so that CPU time is that of the work.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ran = child::run(async |role, _| match role {
            "objects" => objects::engine(child::listen().await?).await,
            _ => Err(io::Error::other("no such role")),
        });
        if ran.await? {
            return Ok(());
        }
        measure::line("the client's table: medians of same-round ratios, the lowest and the highest\n");
        measure::pin(0);
        let engine = child::Server::start("objects", &[])?;
        sessions(&engine).await?;
        small_calls(&engine).await?;
        small_layouts(&engine).await?;
        for (size, handle, calls) in [("0.3 MB", MEDIUM_LAYOUT, 40), ("11 MB", LARGE_LAYOUT, 2)] {
            large_layouts(&engine, size, handle, calls).await?;
        }
        large_data(&engine).await?;
        updates(&engine).await
    })
}

async fn session(engine: &child::Server) -> io::Result<Session> {
    let url = format!("ws://{}/app/engineData", engine.address);
    let endpoint = Endpoint::parse(&url).map_err(io::Error::other)?;
    let connector = WsConnect::builder(endpoint).build().map_err(io::Error::other)?;
    Session::connect(&connector).await.map_err(io::Error::other)
}

fn object(session: &Session, handle: i32) -> io::Result<GenericObject> {
    let reference = ObjectReference {
        object_type: Some("GenericObject".to_owned()),
        handle: Some(Handle::new(handle)),
        ..ObjectReference::default()
    };
    Object::new(session.clone(), reference).map(GenericObject::from).map_err(io::Error::other)
}

/// enigma.js, or why it is left out.
fn enigma(engine: &child::Server, delta: bool) -> Option<Enigma> {
    Enigma::start(engine.address, delta)
        .inspect_err(|error| {
            measure::line(&format!("enigma.js cannot be run, ITS ROWS ARE SKIPPED: {error}"))
        })
        .ok()
}

/// Prints a row and the spread of its ratios.
fn compare(what: &str, ratios: &[f64], least: Option<f64>, most: Option<f64>) {
    if ratios.is_empty() {
        return measure::line(&format!("{what:<66} SKIPPED: needs node and npm"));
    }
    let ratio = median(ratios.to_vec());
    match (least, most) {
        (Some(least), _) => row(what, ratio, &format!("at least {least:.2}"), ratio >= least),
        (None, Some(most)) => row(what, ratio, &format!("at most {most:.2}"), ratio <= most),
        (None, None) => measure::line(&format!("{what:<66} {ratio:>7.2}")),
    }
    measure::line(&format!("{:<66} {:>7}", "", spread(ratios)));
}

fn wall(of: Cost) -> f64 {
    of.wall.as_secs_f64()
}

fn cpu(of: Cost) -> f64 {
    of.cpu.as_secs_f64()
}

/// The bare client makes calls of `GetLayout` or the like by the burst and decodes their answers.
async fn bare_calls<R: DeserializeOwned>(client: &mut Client, handle: i32, calls: u64, in_flight: u64) {
    let (mut asked, mut answered) = (0, 0);
    while answered < calls {
        while asked < calls && asked - answered < in_flight {
            asked += 1;
            let method = if handle == LARGE_DATA { "GetHyperCubeData" } else { "GetLayout" };
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":{asked},"handle":{handle},"method":"{method}","params":[]}}"#
            );
            client.feed(text.into()).await.expect("the engine takes it");
        }
        client.flush().await.expect("the engine takes it");
        let mut next = client.next().await;
        while let Some(message) = next {
            let text = message.expect("the engine answers").into_text().expect("text");
            let answer: Answer<R> = serde_json::from_str(&text).expect("an answer");
            assert!(answer.id <= asked);
            drop(black_box(answer.result));
            answered += 1;
            next = client.next().now_or_never().flatten();
        }
    }
}

/// The same with so many requests in flight as the shortest program does it: each answer is followed by the next request, which is
/// sent at once.
async fn bare_calls_one_by_one<R: DeserializeOwned>(
    client: &mut Client,
    handle: i32,
    calls: u64,
    in_flight: u64,
) {
    let request = |id: u64| {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"handle":{handle},"method":"GetLayout","params":[]}}"#);
        Message::text(text)
    };
    for id in 1..=in_flight.min(calls) {
        client.feed(request(id)).await.expect("the engine takes it");
    }
    client.flush().await.expect("the engine takes it");
    for answered in 1..=calls {
        let message = client.next().await.expect("an answer").expect("the engine answers");
        let text = message.into_text().expect("text");
        let answer: Answer<R> = serde_json::from_str(&text).expect("an answer");
        assert!(answer.id <= calls);
        drop(black_box(answer.result));
        if answered + in_flight <= calls {
            client.send(request(answered + in_flight)).await.expect("the engine takes it");
        }
    }
}

/// Lets so many tasks make all the calls.
async fn at_once(tasks: u64, calls: u64, call: impl AsyncFn() + Clone + 'static) {
    let local = tokio::task::LocalSet::new();
    for _ in 0..tasks {
        let call = call.clone();
        local.spawn_local(async move {
            for _ in 0..calls / tasks {
                call().await;
            }
        });
    }
    local.await;
}

async fn small_layouts(engine: &child::Server) -> io::Result<()> {
    const CALLS: u64 = 20_480;
    const IN_FLIGHT: u64 = 256;
    let session = session(engine).await?;
    let ours = object(&session, SMALL_LAYOUT)?;
    let mut bare = bare::connect(engine.address, None).await?;
    let mut enigma = enigma(engine, false);
    let (mut speed, mut work, mut to_enigma, mut same, mut same_cpu) =
        (vec![], vec![], vec![], vec![], vec![]);
    let (mut to_simple, mut simple_work) = (vec![], vec![]);
    for round in 0..=ROUNDS {
        let floor = cost(bare_calls::<LayoutResult>(&mut bare, SMALL_LAYOUT, CALLS, IN_FLIGHT)).await;
        let simple =
            cost(bare_calls_one_by_one::<LayoutResult>(&mut bare, SMALL_LAYOUT, CALLS, IN_FLIGHT)).await;
        let object = ours.clone();
        let typed = async move || drop(black_box(object.get_layout().await.expect("the engine answers")));
        let client = cost(at_once(IN_FLIGHT, CALLS, typed)).await;
        let object = ours.clone();
        let own = async move || {
            drop(black_box(object.get_layout().call_into::<Layout>().await.expect("the engine answers")));
        };
        let own = cost(at_once(IN_FLIGHT, CALLS, own)).await;
        let other = match &mut enigma {
            Some(enigma) => Some(enigma.calls(SMALL_LAYOUT, "GetLayout", CALLS, IN_FLIGHT)?),
            None => None,
        };
        // The first warms up.
        if round > 0 {
            speed.push(wall(floor) / wall(client));
            work.push(cpu(client) / cpu(floor));
            to_simple.push(wall(simple) / wall(client));
            simple_work.push(cpu(client) / cpu(simple));
            same.push(wall(floor) / wall(own));
            same_cpu.push(cpu(own) / cpu(floor));
            to_enigma.extend(other.map(|other| wall(other) / wall(client)));
        }
    }
    compare("2 KB layouts, 256 in flight: calls/s × floor", &speed, Some(1.05), None);
    compare("  CPU × floor", &work, None, Some(0.9));
    compare("  calls/s × a loop that sends one request after each answer", &to_simple, None, None);
    compare("  CPU × that loop", &simple_work, None, None);
    compare("  calls/s × enigma.js", &to_enigma, Some(6.0), None);
    compare("  into the floor's structs: calls/s × floor", &same, None, None);
    compare("  into the floor's structs: CPU × floor", &same_cpu, None, None);
    Ok(())
}

async fn small_calls(engine: &child::Server) -> io::Result<()> {
    const CALLS: usize = 10_000;
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
    let ours = session(engine).await?;
    let mut bare = bare::connect(engine.address, None).await?;
    let (mut middle, mut late, mut work, mut typed) = (vec![], vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let mut times = Vec::with_capacity(CALLS);
        let floor = cost(async {
            for id in 1..=CALLS as u64 {
                let start = Instant::now();
                bare.send(bare::request(id, "EngineVersion")).await.expect("the engine takes it");
                let text =
                    bare.next().await.expect("an answer").expect("an answer").into_text().expect("text");
                let answer: Answer<Out> = serde_json::from_str(&text).expect("an answer");
                assert!(!answer.result.version.component.is_empty());
                times.push(start.elapsed().as_secs_f64());
            }
        })
        .await;
        let mut floor_times = std::mem::take(&mut times);
        let client = cost(async {
            for _ in 0..CALLS {
                let start = Instant::now();
                let out: Out =
                    ours.call(Handle::GLOBAL, "EngineVersion", &[(); 0]).await.expect("the engine answers");
                assert!(!out.version.component.is_empty());
                times.push(start.elapsed().as_secs_f64());
            }
        })
        .await;
        let global = ours.global();
        let schema = cost(async {
            for _ in 0..CALLS {
                drop(black_box(global.engine_version().await.expect("the engine answers")));
            }
        })
        .await;
        if round > 0 {
            middle.push(quantile(&mut times, 0.5) / quantile(&mut floor_times, 0.5));
            late.push(quantile(&mut times, 0.99) / quantile(&mut floor_times, 0.99));
            work.push(cpu(client) / cpu(floor));
            typed.push(cpu(schema) / cpu(floor));
        }
    }
    compare("small round trip: p50 × floor", &middle, None, Some(1.04));
    compare("  p99 × floor", &late, None, Some(1.2));
    compare("  CPU × floor", &work, None, Some(1.05));
    compare("  a method of the schema: CPU × floor", &typed, None, None);
    Ok(())
}

async fn large_layouts(engine: &child::Server, size: &str, handle: i32, calls: u64) -> io::Result<()> {
    let session = session(engine).await?;
    let ours = object(&session, handle)?;
    let mut bare = bare::connect(engine.address, None).await?;
    let mut enigma = enigma(engine, false);
    let frame = objects::frame_of(handle);
    let (mut to_floor, mut to_decode, mut to_enigma, mut dynamic) = (vec![], vec![], vec![], vec![]);
    let mut dynamic_decode = vec![];
    for round in 0..=ROUNDS {
        let floor = cost(bare_calls::<LayoutResult>(&mut bare, handle, calls, 1)).await;
        let client = cost(async {
            for _ in 0..calls {
                drop(black_box(ours.get_layout().await.expect("the engine answers")));
            }
        })
        .await;
        let value = cost(async {
            for _ in 0..calls {
                drop(black_box(ours.get_layout().value().await.expect("the engine answers")));
            }
        })
        .await;
        let decode = cost(async {
            for _ in 0..calls {
                drop(black_box(serde_json::from_str::<Answer<LayoutResult>>(&frame).expect("an answer")));
            }
        })
        .await;
        let other = match &mut enigma {
            Some(enigma) => Some(enigma.calls(handle, "GetLayout", calls, 1)?),
            None => None,
        };
        if round > 0 {
            to_floor.push(wall(floor) / wall(client));
            to_decode.push(cpu(decode) / cpu(client));
            dynamic.push(wall(floor) / wall(value));
            dynamic_decode.push(cpu(decode) / cpu(value));
            to_enigma.extend(other.map(|other| wall(other) / wall(client)));
        }
    }
    compare(&format!("layout of {size}, typed: speed × floor"), &to_floor, Some(0.9), None);
    compare("  speed × enigma.js", &to_enigma, Some(2.7), None);
    compare("  with transfer, × the one-pass decode alone", &to_decode, None, None);
    compare("  to a dynamic value: speed × floor", &dynamic, Some(0.9), None);
    compare("  with transfer, × the one-pass decode alone", &dynamic_decode, None, None);
    Ok(())
}

async fn large_data(engine: &child::Server) -> io::Result<()> {
    const CALLS: u64 = 2;
    let session = session(engine).await?;
    let ours = object(&session, LARGE_DATA)?;
    let mut bare = bare::connect(engine.address, None).await?;
    let mut ratios = vec![];
    for round in 0..=ROUNDS {
        let floor = cost(bare_calls::<DataResult>(&mut bare, LARGE_DATA, CALLS, 1)).await;
        let client = cost(async {
            for _ in 0..CALLS {
                let call = ours.get_hypercube_data("/qHyperCubeDef", &[(); 0]).raw();
                let answer = call.await.expect("the engine answers");
                let text = answer.text();
                drop(black_box(columns::pages_at(Raw::new(&text).expect("JSON"), &[]).expect("pages")));
            }
        })
        .await;
        if round > 0 {
            ratios.push(wall(floor) / wall(client));
        }
    }
    compare("hypercube of 11 MB to columns: speed × floor to structs", &ratios, Some(1.8), None);
    Ok(())
}

async fn updates(engine: &child::Server) -> io::Result<()> {
    const OURS: u32 = 2_000;
    const THEIRS: u64 = 100;
    let session = session(engine).await?;
    let ours = object(&session, CHANGING)?;
    let mut enigma = enigma(engine, true);
    let mut ratios = vec![];
    let mut each = vec![];
    for round in 0..=ROUNDS {
        let client = cost(async {
            for _ in 0..OURS {
                drop(black_box(ours.get_layout().delta(true).value().await.expect("the engine answers")));
            }
        })
        .await;
        let client = client.wall / OURS;
        let other: Option<Duration> = match &mut enigma {
            Some(enigma) => Some(enigma.calls(CHANGING, "GetLayout", THEIRS, 1)?.wall / THEIRS as u32),
            None => None,
        };
        if round > 0 {
            each.push(client.as_secs_f64() * 1e6);
            ratios.extend(other.map(|other| other.as_secs_f64() / client.as_secs_f64()));
        }
    }
    compare("update of a 0.3 MB layout, 20 patches: speed × enigma.js", &ratios, Some(50.0), None);
    measure::line(&format!("  µs an update, with the round trip: {:.1}", median(each)));
    Ok(())
}

async fn sessions(engine: &child::Server) -> io::Result<()> {
    const SESSIONS: usize = 1_000;
    // What the first one needs, all use.
    let first = session(engine).await?;
    let before = resident_kib();
    let mut open = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        open.push(session(engine).await?);
    }
    let kib = || (resident_kib() - before) / SESSIONS as f64;
    row("1,000 open sessions: KiB each", kib(), "at most 11.00", kib() <= 11.0);
    for session in &open {
        drop(black_box(session.global().engine_version().await.map_err(io::Error::other)?));
    }
    measure::line(&format!("{:<66} {:>7.2}", "  after a call of each", kib()));
    if let Some(mut enigma) = enigma(engine, false) {
        measure::line(&format!("{:<66} {:>7.2}", "  the same of enigma.js", enigma.sessions(SESSIONS)?));
    }
    drop((first, open));
    Ok(())
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}
