//! Writes a recording as large as asked for, such as `cargo run --release -p qix-tests --example large_recording -- big.qixrec 2000`:
//! 200 charts of which layouts are fetched again and again, whole and as patches, so that commands can be tried on it.
//!
//! The numbers are those of the place in the file, so that two files of a size are equal. A third argument changes the measure of one
//! chart.

use std::{
    env,
    fs::File,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

/// How many charts there are.
const CHARTS: u64 = 200;
/// How many rows a layout has.
const ROWS: u64 = 60;
/// After how many patches a layout is asked for as a whole.
const PATCHES: u64 = 4;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    let (Some(path), Some(Ok(megabytes))) = (args.get(1), args.get(2).map(|size| size.parse::<u64>())) else {
        return fail("say a file and its size in MB, such as big.qixrec 2000");
    };
    match write(path, megabytes * 1_000_000, args.len() > 3) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot write {path}: {error}")),
    }
}

fn fail(why: &str) -> ExitCode {
    // Nothing is left to be done if nobody reads it.
    let _ = writeln!(io::stderr(), "error: {why}");
    ExitCode::from(2)
}

/// A recording on its way.
struct Recording {
    out: BufWriter<File>,
    bytes: u64,
    seq: u64,
}

impl Recording {
    fn line(&mut self, line: &str) -> io::Result<()> {
        self.bytes += line.len() as u64 + 1;
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")
    }

    fn call(&mut self, request: &str, answer: &str) -> io::Result<()> {
        for (from, said) in [("client", request), ("engine", answer)] {
            self.seq += 1;
            let (seq, t) = (self.seq, self.seq * 700);
            self.line(&format!(
                r#"{{"seq":{seq},"t":{t},"conn":1,"kind":"frame","from":"{from}","json":{said}}}"#
            ))?;
        }
        Ok(())
    }
}

fn write(path: &str, bytes: u64, changed: bool) -> io::Result<()> {
    let out = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    let mut file = Recording { out, bytes: 0, seq: 1 };
    file.line(r#"{"qixrec":[1,1],"started":"2026-01-02T03:04:05Z","tool":"large_recording","upstream":"ws://localhost/"}"#)?;
    file.line(r#"{"seq":1,"t":1,"conn":1,"kind":"open","url":"/app/Sales.qvf","status":101,"request":[],"response":[]}"#)?;
    file.call(
        r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"OpenDoc","params":["Sales.qvf"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales.qvf"}}}"#,
    )?;
    let mut id = 1;
    for chart in 0..CHARTS {
        id += 1;
        let handle = chart + 2;
        file.call(
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"handle":1,"method":"GetObject","params":["CH{chart}"]}}"#),
            &format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"qReturn":{{"qType":"GenericObject","qHandle":{handle},"qGenericType":"barchart","qGenericId":"CH{chart}"}}}}}}"#
            ),
        )?;
    }
    let mut round = 0;
    while file.bytes < bytes {
        for chart in 0..CHARTS {
            id += 1;
            let handle = chart + 2;
            let request = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"handle":{handle},"method":"GetLayout","params":[],"delta":true}}"#
            );
            let factor = if changed && chart == 7 { 2 } else { 1 };
            let patch = if round % (PATCHES + 1) == 0 {
                format!(r#"[{{"op":"add","path":"/","value":{}}}]"#, layout(chart, round * factor))
            } else {
                let number = (round * 7 + chart) * factor;
                format!(
                    r#"[{{"op":"replace","path":"/qHyperCube/qDataPages/0/qMatrix/{}/1/qNum","value":{number}}}]"#,
                    round % ROWS
                )
            };
            let answer = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"qLayout":{patch}}},"delta":true,"change":[{handle}]}}"#
            );
            file.call(&request, &answer)?;
        }
        round += 1;
    }
    file.seq += 1;
    let (seq, t) = (file.seq, file.seq * 700);
    file.line(&format!(
        r#"{{"seq":{seq},"t":{t},"conn":1,"kind":"close","by":"client","code":1000,"clean":true}}"#
    ))?;
    file.out.flush()
}

fn layout(chart: u64, round: u64) -> String {
    let row = |row: u64| {
        let number = (round * 31 + row * 7 + chart) % 10_007;
        format!(
            r#"[{{"qText":"Region {row}","qNum":"NaN","qElemNumber":{row},"qState":"O"}},{{"qText":"{number}","qNum":{number},"qElemNumber":0,"qState":"L"}}]"#
        )
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    format!(
        r#"{{"qInfo":{{"qId":"CH{chart}","qType":"barchart"}},"title":"Chart {chart}","qHyperCube":{{"qDimensionInfo":[{{"qFallbackTitle":"Region"}}],"qMeasureInfo":[{{"qFallbackTitle":"Sales of {chart}"}}],"qDataPages":[{{"qMatrix":[{}]}}]}}}}"#,
        rows.join(",")
    )
}
