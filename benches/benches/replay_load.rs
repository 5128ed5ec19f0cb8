//! What loading a recording costs beside stepping over each line with serde_json, how small the index is, and how soon a miss and
//! an answer come.

use std::{
    fs::File,
    hint::black_box,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use qix_benches::{
    measure::{self, median, row, spread},
    result_of,
};
use qix_proxy::replay::{Player, ReplayMatcher, ReplaySettings, Tapes};
use serde::de::IgnoredAny;

const ROUNDS: usize = 7;
/// Bytes of the recording with answers of all sizes.
const LARGE: u64 = 240 << 20;
/// Calls of the recording with small answers only.
const MANY: u64 = 1_000_000;
/// Objects that calls go to.
const OBJECTS: u64 = 200;

fn main() -> io::Result<()> {
    measure::pin(0);
    let dir = tempfile::tempdir()?;
    let (large, many) = (dir.path().join("large.qixrec"), dir.path().join("many.qixrec"));
    let layouts = [result_of(2 << 10), result_of(50 << 10)];
    let small =
        String::from(r#"{"qLayout":{"qInfo":{"qId":"x","qType":"kpi"},"title":"Sales","value":12345.5}}"#);
    write(&large, |call, bytes| {
        let result = match call % 10 {
            0..5 => &small,
            5..8 => &layouts[0],
            _ => &layouts[1],
        };
        (bytes < LARGE).then_some(result)
    })?;
    write(&many, |call, _| (call < MANY).then_some(&small))?;
    for (name, path) in [("answers of 100 B, 2 kB and 50 kB", &large), ("a million small calls", &many)] {
        load(name, path)?;
    }
    answers(&many)
}

/// Writes a recording: `result` says what each call is answered, and when to end.
fn write<'r>(path: &Path, result: impl Fn(u64, u64) -> Option<&'r String>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut bytes, mut seq) = (0, 0);
    writeln!(
        file,
        r#"{{"qixrec":[1,1],"started":"2026-01-02T03:04:05.678901Z","tool":"bench","upstream":"ws://h/"}}"#
    )?;
    let mut entry = |rest: String, bytes: &mut u64| {
        seq += 1;
        let line = format!(r#"{{"seq":{seq},"t":{},"conn":1,{rest}}}"#, 37 * seq);
        *bytes += line.len() as u64 + 1;
        writeln!(file, "{line}")
    };
    entry(r#""kind":"open","url":"/app/x","status":101,"request":[],"response":[]"#.to_owned(), &mut bytes)?;
    let ask = |id: u64, handle: i64, method: &str, params: &str| {
        format!(
            r#""kind":"frame","from":"client","json":{{"delta":false,"handle":{handle},"method":"{method}","params":{params},"id":{id},"jsonrpc":"2.0"}}"#
        )
    };
    let say = |id: u64, result: &str| {
        format!(
            r#""kind":"frame","from":"engine","json":{{"jsonrpc":"2.0","id":{id},"result":{result},"change":[2,7]}}"#
        )
    };
    let reference =
        |handle: u64, class: &str| format!(r#"{{"qReturn":{{"qType":"{class}","qHandle":{handle}}}}}"#);
    entry(ask(1, -1, "OpenDoc", r#"["Sales"]"#), &mut bytes)?;
    entry(say(1, &reference(1, "Doc")), &mut bytes)?;
    for object in 0..OBJECTS {
        entry(ask(object, 1, "GetObject", &format!(r#"["LB{object:04}"]"#)), &mut bytes)?;
        entry(say(object, &reference(object + 2, "GenericObject")), &mut bytes)?;
    }
    let mut call = 0;
    while let Some(result) = result(call, bytes) {
        let handle = (call % OBJECTS + 2) as i64;
        let question = match call % 4 {
            0 => ask(call, handle, "GetLayout", "[]"),
            1 => ask(
                call,
                handle,
                "GetHyperCubeData",
                &format!(r#"["/qHyperCubeDef",[{{"qLeft":0,"qTop":{call},"qWidth":10,"qHeight":50}}]]"#),
            ),
            2 => ask(
                call,
                handle,
                "GetListObjectData",
                &format!(
                    r#"["/qListObjectDef",[{{"qTop":{},"qLeft":0,"qHeight":100,"qWidth":1}}]]"#,
                    call % 5000
                ),
            ),
            _ => ask(call, 1, "Evaluate", &format!(r#"["Sum({{<Year={{{call}}}>}} Sales)"]"#)),
        };
        entry(question, &mut bytes)?;
        entry(say(call, result), &mut bytes)?;
        call += 1;
    }
    file.flush()
}

fn load(name: &str, path: &Path) -> io::Result<()> {
    let size = path.metadata()?.len() as f64;
    measure::line(&format!("replay: {name}, {:.0} MB", size / 1e6));
    let (mut ratios, mut rates, mut bytes, mut calls) = (Vec::new(), Vec::new(), 0, 0);
    for round in 0..=ROUNDS {
        let start = Instant::now();
        step_over(path)?;
        let stepped = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let (tapes, _) = Tapes::open(path).map_err(io::Error::other)?;
        let loaded = start.elapsed().as_secs_f64();
        (bytes, calls) = (tapes.index_bytes(), tapes.calls());
        // The first warms up.
        if round > 0 {
            ratios.push(stepped / loaded);
            rates.push((size / loaded / 1e6, size / stepped / 1e6));
        }
    }
    let (ratio, between) = (median(ratios.clone()), spread(&ratios));
    row("  load, × IgnoredAny of each line", ratio, "at least 1.50", ratio >= 1.5);
    measure::line(&format!("{between:>74}"));
    let (ours, theirs) = rates.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    measure::line(&format!("  MB/s: load {:.0}, IgnoredAny {:.0}", median(ours), median(theirs)));
    let share = 100.0 * bytes as f64 / size;
    row("  index, % of the file", share, "less than 10", share < 10.0);
    measure::line(&format!("  {calls} calls, {:.1} bytes each\n", bytes as f64 / calls as f64));
    Ok(())
}

/// Parses each line, and keeps nothing of it.
fn step_over(path: &Path) -> io::Result<()> {
    let mut file = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        black_box(serde_json::from_slice::<IgnoredAny>(&line)?);
    }
}

/// Asks a recording of a million calls for what it has, and for what it has not.
fn answers(path: &Path) -> io::Result<()> {
    const ASKED: u64 = 100_000;
    let tapes = Arc::new(Tapes::open(path).map_err(io::Error::other)?.0);
    let matcher = ReplayMatcher::new(tapes, &ReplaySettings::default());
    let mut player = Player::new(matcher, &Arc::default(), 0);
    let mut out = Vec::new();
    player.handle_text(br#"{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#, &mut out);
    for object in 0..OBJECTS {
        player.handle_text(
            format!(r#"{{"id":1,"handle":1,"method":"GetObject","params":["LB{object:04}"]}}"#).as_bytes(),
            &mut out,
        );
    }
    let mut time = |what: &str, text: &dyn Fn(u64) -> String| {
        let texts: Vec<String> = (0..ASKED).map(text).collect();
        let start = Instant::now();
        for text in &texts {
            player.handle_text(text.as_bytes(), &mut out);
            black_box(&out);
            out.clear();
        }
        let each = start.elapsed().as_secs_f64() / ASKED as f64;
        measure::line(&format!("  {what:<60} {:>8.3} µs", each * 1e6));
    };
    measure::line("replay: from the request's text to the answer's, in a recording of a million calls");
    time("each call for the first time, in recorded order", &|call| {
        format!(
            r#"{{"id":{call},"handle":1,"method":"Evaluate","params":["Sum({{<Year={{{}}}>}} Sales)"]}}"#,
            4 * call + 3
        )
    });
    time("the same again, out of the cache", &|call| {
        format!(
            r#"{{"id":{call},"handle":1,"method":"Evaluate","params":["Sum({{<Year={{{}}}>}} Sales)"]}}"#,
            4 * (call % 1000) + 3
        )
    });
    time("a layout of which 5,000 were recorded, in recorded order", &|call| {
        format!(r#"{{"id":{call},"handle":{},"method":"GetLayout","params":[]}}"#, call % OBJECTS / 4 * 4 + 2)
    });
    let misses = [
        r#"{"id":1,"handle":1,"method":"Evaluate","params":["Sum(Nothing)"]}"#,
        r#"{"id":1,"handle":2,"method":"GetProperties","params":[]}"#,
        r#"{"id":1,"handle":2,"method":"Evaluate","params":["Sum(Sales)"]}"#,
        r#"{"id":1,"handle":99999,"method":"Nonsense","params":[]}"#,
        r#"{"id":1,"handle":3,"method":"GetHyperCubeData","params":["/qHyperCubeDef",[]]}"#,
    ];
    let mut slowest = 0f64;
    for miss in misses {
        let start = Instant::now();
        player.handle_text(miss.as_bytes(), &mut out);
        black_box(&out);
        out.clear();
        slowest = slowest.max(1e3 * start.elapsed().as_secs_f64());
    }
    row("  the slowest of five misses, ms", slowest, "less than 100", slowest < 100.0);
    Ok(())
}
