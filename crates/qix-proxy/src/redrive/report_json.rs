//! The report for programs.

use serde_json::{Value, json};

use super::{Call, Counts, Difference, DifferentAnswer, RedriveReport, Verdict};

impl RedriveReport {
    /// Writes everything as JSON.
    pub fn json(&self) -> Value {
        let Counts {
            connections,
            connected,
            calls,
            sent,
            answered,
            compared,
            equal,
            different,
            not_compared,
            not_answered,
            unanswered,
            refused,
            skipped,
            skipped_by_choice,
            left_out,
            beyond,
        } = self.counts;
        let ms = |time: std::time::Duration| time.as_micros() as f64 / 1e3;
        let latency = |row: super::MethodLatency| {
            json!({
                "method": row.method,
                "count": row.count,
                "recorded_ms": {"p50": ms(row.recorded[0]), "p95": ms(row.recorded[1])},
                "live_ms": {"p50": ms(row.live[0]), "p95": ms(row.live[1])},
            })
        };
        json!({
            "verdict": match self.verdict() {
                Verdict::Equal => "equal",
                Verdict::Different => "different",
                Verdict::Unreachable => "unreachable",
                Verdict::Unreadable => "unreadable",
            },
            "counts": {
                "connections": connections, "connected": connected, "calls": calls, "sent": sent, "answered": answered,
                "compared": compared, "equal": equal, "different": different, "not_compared": not_compared,
                "not_answered": not_answered, "unanswered": unanswered, "refused": refused, "skipped": skipped,
                "skipped_by_choice": skipped_by_choice,
                "left_out": left_out, "not_kept": beyond,
            },
            "different": self.different.iter().map(answer).collect::<Vec<_>>(),
            "refused": self.refused,
            "skipped": self.skipped,
            "failed": self.failed,
            "notices": self.notices,
            "notes": self.notes,
            "faults": self.faults,
            "latency": self.latencies.by_method().into_iter().map(latency).collect::<Vec<_>>(),
            "interrupted": self.interrupted,
            "cut": self.cut,
        })
    }
}

fn answer(DifferentAnswer { call, differences, total, after }: &DifferentAnswer) -> Value {
    let Call { seq, conn, object, method, params } = call;
    let difference = |Difference { place, kind, recorded, live }: &Difference| json!({"place": place, "kind": kind.name(), "recorded": recorded, "live": live});
    json!({
        "seq": seq,
        "conn": conn,
        "object": object.to_string(),
        "method": method,
        "params": params,
        "differences": differences.iter().map(difference).collect::<Vec<_>>(),
        "total": total,
        "after": after,
    })
}
