//! Writes numbers in Prometheus' text format, version 0.0.4.

use std::{fmt::Write as _, time::UNIX_EPOCH};

use super::{
    counts::{BOUNDS, Counts, Durations},
    server::Sources,
};
use crate::{live::Place, record::Side};

/// Writes all metrics.
pub(super) fn write(sources: &Sources) -> String {
    let Sources { feed, counts, recorder } = sources;
    let (counters, status) = (feed.counters(), feed.status());
    let mut out = Text::default();
    out.head("build_info", "gauge", "Which program this is; always 1.");
    out.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let begun = status.begun.and_then(|begun| begun.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    out.one("start_time_seconds", "gauge", "When the recording began, in Unix time.", begun.as_secs_f64());
    out.one("connections_open", "gauge", "Connections that are open.", counters.open());
    out.one("connections_total", "counter", "Connections that were established.", counters.opened());
    out.one("upgrades_refused_total", "counter", "Upgrades that did not come about.", counters.refused());
    let sides = [("client", Side::Client), ("engine", Side::Engine)];
    out.head("messages_total", "counter", "Whole messages, by who sent them.");
    for (name, side) in sides {
        out.sample("messages_total", &[("from", name)], counters.messages(side));
    }
    out.head("received_bytes_total", "counter", "Bytes of established connections, by who sent them.");
    for (name, side) in sides {
        out.sample("received_bytes_total", &[("from", name)], counters.bytes(side));
    }
    out.head("http_bytes_total", "counter", "Bytes of bodies of plain HTTP, by who sent them.");
    for (name, side) in sides {
        out.sample("http_bytes_total", &[("from", name)], counters.bodies(side));
    }
    out.one(
        "messages_not_examined_total",
        "counter",
        "Messages and exchanges that were recorded, but came too fast to be counted as calls or by status.",
        counters.lost(),
    );
    calls(&mut out, counts);
    let queued = recorder.queued();
    out.one("recorder_queue_bytes", "gauge", "Bytes that wait to be written, or are being written.", queued);
    out.one("recorded_bytes_total", "counter", "Bytes written to recordings.", status.bytes);
    out.one(
        "recording_files_total",
        "counter",
        "Files begun: the first, and one for each rotation or, with --per-connection, each connection.",
        status.files,
    );
    out.one(
        "missing_messages_total",
        "counter",
        "Messages and HTTP exchanges that could not be recorded.",
        status.missing,
    );
    out.0
}

fn calls(out: &mut Text, counts: &Counts) {
    let state = counts.state();
    out.one("calls_in_flight", "gauge", "Calls without an answer yet.", counts.open());
    out.head("calls_total", "counter", "Calls that were answered, by method.");
    for (method, durations) in &state.methods {
        out.sample("calls_total", &[("method", method)], durations.count);
    }
    out.head("call_duration_seconds", "histogram", "Time from a request to its answer, by method.");
    state
        .methods
        .iter()
        .for_each(|(method, durations)| out.histogram("call_duration_seconds", method, durations));
    out.head(
        "call_failures_total",
        "counter",
        "Failures of calls: refused by the engine, said in a layout, or of a script.",
    );
    for (failure, count) in &state.failures {
        let place = match failure.place {
            Place::Call => "call",
            Place::Layout => "layout",
            Place::Script => "script",
        };
        let labels = [("place", place), ("code", &*failure.code), ("name", failure.name)];
        out.sample("call_failures_total", &labels, count);
    }
    out.head("http_exchanges_total", "counter", "Exchanges of plain HTTP, by method and class of status.");
    for ((method, status), count) in &state.exchanges {
        out.sample("http_exchanges_total", &[("method", method), ("status", status)], count);
    }
    out.head(
        "http_duration_seconds",
        "histogram",
        "Time from a request of plain HTTP to the end of its answer.",
    );
    state
        .http
        .iter()
        .for_each(|(method, durations)| out.histogram("http_duration_seconds", method, durations));
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP qix_proxy_{name} {help}\n# TYPE qix_proxy_{name} {kind}");
    }

    fn histogram(&mut self, name: &str, method: &str, durations: &Durations) {
        let (bucket, sum, count) = (format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count"));
        let mut below = 0;
        for (bound, class) in BOUNDS.iter().zip(durations.classes) {
            below += class;
            let bound = (*bound as f64 / 1e6).to_string();
            self.sample(&bucket, &[("method", method), ("le", &bound)], below);
        }
        self.sample(&bucket, &[("method", method), ("le", "+Inf")], durations.count);
        self.sample(&sum, &[("method", method)], durations.sum as f64 / 1e6);
        self.sample(&count, &[("method", method)], durations.count);
    }

    /// Writes one number. Labels are words of this program and of the schema, which need no escapes.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0 += "qix_proxy_";
        self.0 += name;
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if at > 0 { ',' } else { '{' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        live::{CallDone, Exchange, Feed},
        record::{Observer, Recorder, RecorderConfig, Seen},
    };

    fn call(method: &str, latency: u64) -> CallDone {
        CallDone {
            conn: 1,
            t: 0,
            latency,
            object: Arc::default(),
            method: method.to_owned(),
            size: 1,
            fault: None,
        }
    }

    #[test]
    fn metrics_are_in_prometheus_text_format_and_methods_that_nobody_knows_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let feed = Arc::new(Feed::new());
        let counts = Arc::new(Counts::default());
        let config = RecorderConfig { observer: Some(feed.clone()), ..RecorderConfig::default() };
        let recorder = Recorder::create(dir.path().join("x.qixrec"), config).unwrap();
        feed.saw(1, 0, &Seen::Opened { url: "/" });
        feed.saw(1, 0, &Seen::Bytes { from: Side::Engine, count: 7 });
        for call in
            [call("GetLayout", 900), call("GetLayout", 20_000), call("A\"\n1", 1), call("B", 400_000_000)]
        {
            counts.call(&call);
        }
        for (method, status) in [("GET", Some(304)), ("GET", Some(304)), ("A\"\n", None)] {
            let (method, path) = (method.to_owned(), "/".to_owned());
            counts.exchange(&Exchange { t: 0, method, path, status, latency: 900, size: 0, fault: None });
        }
        let text = write(&Sources { feed, counts, recorder });
        for line in [
            "# TYPE qix_proxy_connections_open gauge\nqix_proxy_connections_open 1\n",
            "qix_proxy_received_bytes_total{from=\"engine\"} 7\n",
            "qix_proxy_calls_total{method=\"GetLayout\"} 2\nqix_proxy_calls_total{method=\"other\"} 2\n",
            "qix_proxy_call_duration_seconds_bucket{method=\"GetLayout\",le=\"0.001\"} 1\n",
            "qix_proxy_call_duration_seconds_bucket{method=\"GetLayout\",le=\"0.025\"} 2\n",
            "qix_proxy_call_duration_seconds_bucket{method=\"other\",le=\"300\"} 1\n",
            "qix_proxy_call_duration_seconds_bucket{method=\"other\",le=\"+Inf\"} 2\n",
            "qix_proxy_call_duration_seconds_sum{method=\"GetLayout\"} 0.0209\n",
            "qix_proxy_http_exchanges_total{method=\"GET\",status=\"3xx\"} 2\n",
            "qix_proxy_http_exchanges_total{method=\"other\",status=\"none\"} 1\n",
            "qix_proxy_http_duration_seconds_bucket{method=\"GET\",le=\"0.001\"} 2\n",
            "qix_proxy_http_bytes_total{from=\"engine\"} 0\n",
            "qix_proxy_missing_messages_total 0\n",
            concat!("qix_proxy_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.ends_with('\n'));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("qix_proxy_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
