//! Reports in a browser: everything that a page can do, and how it bears 100,000 calls.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use super::{LIMIT, Outcome, proxy, say, scripts};

/// How many calls the large recording has; without optimisation, 100,000 take minutes.
const MANY: u64 = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
/// A report of so many small calls is one that can be sent.
const LARGEST: u64 = 20_000_000;

/// Makes reports of two recordings, and opens them.
pub(super) async fn run(recordings: &Path) -> Outcome {
    let pictures = super::browser::pictures();
    std::fs::create_dir_all(&pictures)?;
    for (name, calls) in [("report-some", 600), ("report-many", MANY)] {
        let file = recordings.join(format!("{name}.qixrec"));
        generate(&file, calls)?;
        let page = file.with_extension("html");
        let mut command = proxy::command("report");
        command.arg(&file).arg("-o").arg(&page);
        let output = timeout(LIMIT, command.output()).await.map_err(|_| "qix-proxy report hangs")??;
        if !output.status.success() {
            return Err(format!("qix-proxy report: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        say(String::from_utf8_lossy(&output.stdout).trim_end());
        let size = std::fs::metadata(&page)?.len();
        if size > LARGEST {
            return Err(format!("{name}: a report of {size} bytes is too large").into());
        }
        let mut command = Command::new("node");
        command.arg("report.mjs").arg(&page).arg("--pictures").arg(pictures.join("report"));
        if calls == MANY {
            command.arg("--speed");
        }
        command.current_dir(scripts()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{name}: hangs"))??;
        say(String::from_utf8_lossy(&output.stdout).trim_end());
        if !output.status.success() {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
    }
    Ok(())
}

/// Writes entries with made-up times.
struct Script {
    out: BufWriter<File>,
    seq: u64,
    now: u64,
    id: u64,
    calls: u64,
}

impl Script {
    fn entry(&mut self, conn: u64, mut entry: Value) -> Outcome {
        self.seq += 1;
        entry["seq"] = self.seq.into();
        entry["t"] = self.now.into();
        entry["conn"] = conn.into();
        serde_json::to_writer(&mut self.out, &entry)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    fn frame(&mut self, conn: u64, from: &str, json: &Value) -> Outcome {
        self.entry(conn, json!({ "kind": "frame", "from": from, "json": json }))
    }

    /// Writes a call and its answer, which has `result` or, every 41st time, an error.
    fn call(
        &mut self,
        conn: u64,
        handle: u64,
        method: &str,
        params: Value,
        result: Value,
        change: &[u64],
    ) -> Outcome {
        self.id += 1;
        self.calls += 1;
        let id = self.id;
        self.frame(
            conn,
            "client",
            &json!({ "jsonrpc": "2.0", "id": id, "handle": if handle == 0 { -1 } else { handle as i64 }, "method": method, "params": params }),
        )?;
        // Most are quick, and a few are not.
        self.now += 300 + (id * 7919) % 4_000 + if id.is_multiple_of(67) { 250_000 } else { 0 };
        let mut answer = if method == "GetLayout" && id.is_multiple_of(41) {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": 15, "parameter": "", "message": "Request aborted" } })
        } else {
            json!({ "jsonrpc": "2.0", "id": id, "result": result })
        };
        if !change.is_empty() {
            answer["change"] = json!(change);
        }
        self.frame(conn, "engine", &answer)?;
        self.now += 150;
        Ok(())
    }
}

/// Writes a recording of a dashboard of 20 objects in which somebody selects again and again, over and over on new connections.
fn generate(file: &Path, calls: u64) -> Outcome {
    let mut script = Script { out: BufWriter::new(File::create(file)?), seq: 0, now: 0, id: 0, calls: 0 };
    writeln!(
        script.out,
        "{}",
        json!({ "qixrec": [1, 1], "started": "2026-03-02T08:00:00.000000Z", "tool": "qix-tests", "upstream": "ws://engine/" })
    )?;
    let mut conn = 0;
    while script.calls < calls {
        conn += 1;
        script.entry(conn, json!({ "kind": "open", "url": "/app/Sales.qvf", "status": 101, "request": [["host", "engine"]], "response": [] }))?;
        let greeting = json!({ "jsonrpc": "2.0", "method": "OnConnected", "params": { "qSessionState": "SESSION_CREATED" } });
        script.frame(conn, "engine", &greeting)?;
        let opened = |kind: &str, generic: Value, handle: u64, id: &str| json!({ "qReturn": { "qType": kind, "qHandle": handle, "qGenericType": generic, "qGenericId": id } });
        let app = opened("Doc", Value::Null, 1, "Sales.qvf");
        script.call(conn, 0, "OpenDoc", json!(["Sales.qvf"]), app, &[])?;
        let kinds = ["filterpane", "barchart", "table", "kpi", "linechart"];
        for object in 2..22 {
            let id = format!("object-{object}");
            let opened = opened("GenericObject", json!(kinds[object as usize % 5]), object, &id);
            script.call(conn, 1, "GetObject", json!([id]), opened, &[])?;
            script.call(conn, object, "GetLayout", json!([]), layout(object, 0), &[])?;
        }
        for round in 1..60 {
            if script.calls >= calls {
                break;
            }
            let all: Vec<_> = (2..22).filter(|object| (object + round) % 3 != 0).collect();
            let params = json!(["/qListObjectDef", [round % 12], false]);
            script.call(conn, 5, "SelectListObjectValues", params, json!({ "qSuccess": true }), &all)?;
            for object in &all {
                script.call(conn, *object, "GetLayout", json!([]), layout(*object, round), &[])?;
            }
            // Nothing has changed since.
            script.call(conn, 3, "GetLayout", json!([]), layout(3, round), &[])?;
            script.call(conn, 3, "GetLayout", json!([]), layout(3, round), &[])?;
        }
        script.entry(
            conn,
            json!({ "kind": "close", "by": "client", "code": 1000, "reason": "", "clean": true }),
        )?;
    }
    script.seq += 1;
    writeln!(script.out, "{}", json!({ "seq": script.seq, "t": script.now, "kind": "end" }))?;
    script.out.flush()?;
    Ok(())
}

fn layout(object: u64, round: u64) -> Value {
    let titles = ["Region", "Sales by <b>region</b>", "Orders", "Margin", "Sales per month"];
    let rows: Vec<_> = (0..12)
        .map(|row| json!([{ "qText": format!("row {row}"), "qElemNumber": row }, { "qNum": object * round * 17 + row * 31 }]))
        .collect();
    json!({ "qLayout": {
        "qInfo": { "qId": format!("object-{object}"), "qType": "chart" },
        "title": format!("{} {object}", titles[object as usize % 5]),
        "qHyperCube": { "qSize": { "qcx": 2, "qcy": 12 }, "qDataPages": [{ "qMatrix": rows }] },
    } })
}
