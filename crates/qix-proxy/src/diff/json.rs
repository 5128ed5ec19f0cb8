//! The report for programs.

use serde_json::{Value, json};

use super::{DiffReport, Difference, ErrorDifference, Example, LatencyChange, OnlyThere, Subject};

impl DiffReport {
    /// Writes everything as JSON.
    pub fn json(&self) -> Value {
        let objects = self.objects.iter().map(|object| {
            json!({
                "object": object.object,
                "id": object.id,
                "differences": object.differences.iter().map(difference).collect::<Vec<_>>(),
            })
        });
        let ms = |time: &std::time::Duration| time.as_micros() as f64 / 1e3;
        let latency = |LatencyChange { method, calls, median, chance }: &LatencyChange| {
            json!({
                "method": method, "calls": calls, "median_ms": median.each_ref().map(ms), "chance": chance,
            })
        };
        let error = |ErrorDifference { object, method, before, after, calls, first }: &ErrorDifference| {
            json!({
                "object": object, "method": method, "before": before, "after": after, "calls": calls, "first": first,
            })
        };
        let only = |OnlyThere { object, method, params, calls, first }: &OnlyThere| json!({"object": object, "method": method, "params": params, "calls": calls, "first": first});
        json!({
            "equal": self.is_equal(),
            "headline": self.headline(),
            "files": self.files,
            "calls": self.calls,
            "compared": self.compared,
            "same": self.equal,
            "not_compared": self.not_compared,
            "measures": self.measures(),
            "objects": objects.collect::<Vec<_>>(),
            "errors": self.errors.iter().map(error).collect::<Vec<_>>(),
            "only_before": self.only[0].iter().map(only).collect::<Vec<_>>(),
            "only_after": self.only[1].iter().map(only).collect::<Vec<_>>(),
            "latency": self.latencies.iter().map(latency).collect::<Vec<_>>(),
            "notes": self.notes,
            "not_kept": self.beyond,
        })
    }
}

fn difference(Difference { subject, methods, calls, places, examples }: &Difference) -> Value {
    let (kind, name) = match subject {
        Subject::Measure(name) => ("measure", &**name),
        Subject::Dimension(name) => ("dimension", &**name),
        Subject::Rows => ("rows", ""),
        Subject::Member(place) => ("member", &**place),
    };
    let example = |Example { place, kind, before, after, calls }: &Example| json!({"place": place, "kind": kind.name(), "before": before, "after": after, "calls": calls});
    json!({
        "kind": kind,
        "name": name,
        "methods": methods,
        "calls": calls,
        "places": places,
        "examples": examples.iter().map(example).collect::<Vec<_>>(),
    })
}
