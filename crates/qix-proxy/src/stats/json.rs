//! Tables for programs. `docs/show.md` says what the members and columns mean.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::table::{Row, Tables};

/// Writes all as one JSON object.
///
/// # Errors
///
/// As writing has.
pub(crate) fn write_json(out: &mut dyn Write, tables: &Tables<'_>) -> io::Result<()> {
    let slowest = tables.slowest.iter().map(|slow| {
        let call = &slow.1;
        json!({
            "seq": call.seq,
            "at_us": call.at.as_micros() as u64,
            "connection": call.conn,
            "object": call.object.name(),
            "method": &*call.method,
            "latency_us": slow.0.as_micros() as u64,
            "error": call.failure.as_ref().map(|failure| &failure.words),
        })
    });
    let (sockets, changes) = (tables.sockets, tables.changes);
    let pushes = changes.pushes.as_ref();
    let closed: serde_json::Map<_, _> = sockets
        .closed
        .iter()
        .map(|(code, number)| (code.map_or_else(|| "cut".to_owned(), |code| code.to_string()), json!(number)))
        .collect();
    let value = json!({
        "from_us": tables.time.map(|(from, _)| from.as_micros() as u64),
        "to_us": tables.time.map(|(_, to)| to.as_micros() as u64),
        "methods": tables.methods.iter().map(row).collect::<Vec<_>>(),
        "objects": tables.objects.iter().map(row).collect::<Vec<_>>(),
        "too_large": tables.omitted,
        "slowest": slowest.collect::<Vec<_>>(),
        "sockets": {
            "opened": sockets.opened,
            "most_at_a_time": sockets.most_at_a_time,
            "refused": sockets.refused,
            "open": sockets.open,
            "closed": closed,
        },
        "changes": {
            "writes": changes.writes,
            "messages": pushes.map(|pushes| pushes.messages),
            "caused": pushes.map(|pushes| pushes.caused),
            "objects": pushes.map(|pushes| pushes.objects),
            "most_objects": pushes.map(|pushes| pushes.most),
            "fetches": {"first": changes.first, "changed": changes.changed, "unchanged": changes.unchanged},
        },
    });
    writeln!(out, "{value}")
}

fn row(row: &Row) -> Value {
    json!({
        "name": row.name,
        "lineage": row.lineage,
        "count": row.count,
        "errors": row.errors,
        "unanswered": row.unanswered,
        "p50_us": row.latencies.p50,
        "p95_us": row.latencies.p95,
        "p99_us": row.latencies.p99,
        "max_us": row.latencies.max,
        "total_us": row.total,
        "share": row.share,
        "sent": row.sent,
        "bytes": row.bytes,
    })
}

/// Writes methods and objects as one table.
///
/// # Errors
///
/// As writing has.
pub(crate) fn write_csv(out: &mut dyn Write, tables: &Tables<'_>) -> io::Result<()> {
    writeln!(
        out,
        "group,name,lineage,count,errors,unanswered,p50_us,p95_us,p99_us,max_us,total_us,share,sent,bytes"
    )?;
    for (group, rows) in [("method", &tables.methods), ("object", &tables.objects)] {
        for row in rows {
            let Row { count, errors, unanswered, latencies, total, share, sent, bytes, .. } = row;
            let (name, lineage) = (cell(&row.name), cell(row.lineage.as_deref().unwrap_or_default()));
            let (p50, p95, p99, max) = (latencies.p50, latencies.p95, latencies.p99, latencies.max);
            writeln!(
                out,
                "{group},{name},{lineage},{count},{errors},{unanswered},{p50},{p95},{p99},{max},{total},{share:.6},{sent},{bytes}"
            )?;
        }
    }
    Ok(())
}

/// Writes a text so that it stays one cell, in a spreadsheet too.
fn cell(text: &str) -> String {
    // A spreadsheet takes what begins so for a formula, and where a comma is that of a number, a semicolon ends a cell.
    let formula = if text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) { "'" } else { "" };
    if text.contains(['"', ',', ';', '\n', '\r']) {
        return format!("\"{formula}{}\"", text.replace('"', "\"\""));
    }
    format!("{formula}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells_and_are_no_formulas() {
        assert_eq!(
            ["a", "a,b", "say \"x\"", "=1+1", "@x,y", "＝1", "a;=1"].map(cell),
            ["a", "\"a,b\"", "\"say \"\"x\"\"\"", "'=1+1", "\"'@x,y\"", "'＝1", "\"a;=1\""]
        );
    }
}
