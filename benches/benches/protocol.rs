//! What reading and writing frames costs, beside serde_json doing the same.

use std::{hint::black_box, io};

use qix_benches::{
    LARGE, layouts,
    measure::{self, median, row, seconds},
    peer::{Answer, DataResult, LayoutResult, RawEnvelope},
};
use qix_client::protocol::{
    Connection, ConnectionConfig, Handle, NewRequest, columns,
    frame::{
        Raw,
        engine::{Frame, Kind},
    },
    schema::{self, Method, generic_object},
};
use serde::de::DeserializeOwned;

const ROUNDS: usize = 15;

/// Each peer works on this many bytes a round, at least once.
const BYTES: usize = 12 << 20;

fn main() -> io::Result<()> {
    measure::pin(0);
    measure::line("frames against serde_json: medians of same-round ratios\n");
    let layout = layouts::chart(layouts::LAYOUT);
    let large = layouts::chart(LARGE);
    let data = layouts::data(layouts::LAYOUT);
    let large_data = layouts::data(LARGE);

    envelope::<LayoutResult>("layout of 0.3 MB", &layout);
    envelope::<LayoutResult>("layout of 11 MB", &large);
    envelope_alone("23 layouts of a sheet", &layouts::sheet());
    small();

    columns::<DataResult>("data of 0.3 MB", &data, &[]);
    columns::<DataResult>("data of 11 MB", &large_data, &[]);
    columns::<LayoutResult>("layout of 0.3 MB", &layout, &["qLayout", "qHyperCube"]);

    typed::<generic_object::GetLayout, LayoutResult>("layout of 0.3 MB", &layout);
    typed::<generic_object::GetLayout, LayoutResult>("layout of 11 MB", &large);
    typed::<generic_object::GetHyperCubeData, DataResult>("data of 11 MB", &large_data);
    handles();
    Ok(())
}

/// Small calls of a connection that has opened 100,000 objects beside one that has opened one.
fn handles() {
    let mut few = opened(1);
    let mut many = opened(100_000);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let one = seconds(50_000, || call(&mut few, 1));
        ratios.push(seconds(50_000, || call(&mut many, 1)) / one);
    }
    let ratio = median(ratios);
    row("small call with 100,000 open handles: time × with one", ratio, "at most 1.10", ratio <= 1.1);
}

fn opened(objects: i32) -> Connection<()> {
    let mut connection = Connection::new(ConnectionConfig::default());
    for object in 1..=objects {
        let reference = format!(r#"{{"qReturn":{{"qType":"GenericObject","qHandle":{object}}}}}"#);
        answer(
            &mut connection,
            Handle::GLOBAL,
            "CreateSessionObject",
            &format!(r#"[{{"n":{object}}}]"#),
            &reference,
        );
    }
    connection
}

fn call(connection: &mut Connection<()>, object: i32) {
    answer(connection, Handle::new(1), "GetLayout", "[]", r#"{"qLayout":{}}"#);
    black_box(connection.lineage(Handle::new(object)));
}

fn answer(connection: &mut Connection<()>, to: Handle, method: &str, params: &str, result: &str) {
    let id = connection.ids().reserve();
    let params = Raw::new(params.as_bytes()).expect("JSON");
    let request = NewRequest { id, to, method, params, delta: false, deadline: None };
    connection.request(request, ()).expect("an open connection");
    while let Some(text) = connection.poll_transmit() {
        drop(black_box(text));
    }
    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    connection.handle_text(text.into()).expect("a frame");
    while let Some(event) = connection.poll_event() {
        drop(black_box(event));
    }
}

const SMALL: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"qReturn":{"qType":"GenericObject","qHandle":3,"qGenericType":"listbox","qGenericId":"LB02"}},"change":[3]}"#;

/// The envelope beside one with `RawValue`; returns our median seconds a frame.
fn envelope_alone(what: &str, frame: &str) {
    let (mut to_raw, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let raw = each(frame, || drop(black_box(raw_envelope(frame))));
        let own = each(frame, || drop(black_box(Frame::parse(frame.as_bytes()))));
        to_raw.push(raw / own);
        ours.push(own);
        theirs.push(raw);
    }
    let ratio = median(to_raw);
    row(&format!("envelope, {what}: speed × RawValue envelope"), ratio, "at least 4.00", ratio >= 4.0);
    show(frame, &[("ours", ours), ("RawValue", theirs)]);
}

/// A small frame, for which there is no budget but not to be slower than with `RawValue`.
fn small() {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let raw = each(SMALL, || drop(black_box(raw_envelope(SMALL))));
        ratios.push(raw / each(SMALL, || drop(black_box(Frame::parse(SMALL.as_bytes())))));
    }
    let ratio = median(ratios);
    row("envelope, frame of 140 bytes: speed × RawValue envelope", ratio, "at least 1.00", ratio >= 1.0);
}

/// The same, and beside the one pass that decodes the whole.
fn envelope<R: DeserializeOwned>(what: &str, frame: &str) {
    envelope_alone(what, frame);
    let (mut share, mut typed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let decode = each(frame, || drop(black_box(one_pass::<R>(frame))));
        let own = each(frame, || drop(black_box(Frame::parse(frame.as_bytes()))));
        share.push(own / decode);
        typed.push(decode);
    }
    let ratio = median(share);
    row(&format!("envelope, {what}: time × one-pass typed decode"), ratio, "at most 0.10", ratio <= 0.10);
    show(frame, &[("one-pass typed decode", typed)]);
}

/// A whole frame to the types of the schema beside the same frame to structs that have nothing but what the text has.
fn typed<M: Method, R: DeserializeOwned>(what: &str, frame: &str) {
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let structs = each(frame, || drop(black_box(one_pass::<R>(frame))));
        let own = each(frame, || {
            let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(frame.as_bytes()) else {
                panic!("no response");
            };
            let output: M::Output = schema::decode(response.result.expect("a result")).expect("an output");
            drop(black_box(output));
        });
        ratios.push(structs / own);
        ours.push(own);
        theirs.push(structs);
    }
    let ratio = median(ratios);
    let what = format!("envelope and types, {what}: speed × one-pass decode");
    row(&what, ratio, "at least 0.90", ratio >= 0.9);
    show(frame, &[("ours", ours), ("structs", theirs)]);
}

/// A whole frame to columns beside the same frame to structs; `path` leads to the object with the data pages.
fn columns<R: DeserializeOwned>(what: &str, frame: &str, path: &[&str]) {
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let structs = each(frame, || drop(black_box(one_pass::<R>(frame))));
        let own = each(frame, || {
            let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(frame.as_bytes()) else {
                panic!("no response");
            };
            let result = response.result.expect("a result");
            drop(black_box(columns::pages_at(result, path).expect("pages")));
        });
        ratios.push(structs / own);
        ours.push(own);
        theirs.push(structs);
    }
    let ratio = median(ratios);
    row(
        &format!("columns, {what}: speed × one-pass decode to structs"),
        ratio,
        "at least 2.00",
        ratio >= 2.0,
    );
    show(frame, &[("ours", ours), ("structs", theirs)]);
}

fn raw_envelope(frame: &str) -> RawEnvelope<'_> {
    serde_json::from_str(frame).expect("a frame")
}

fn one_pass<R: DeserializeOwned>(frame: &str) -> Answer<R> {
    serde_json::from_str(frame).expect("an answer")
}

/// Returns the CPU seconds of one piece of work on this frame.
fn each(frame: &str, work: impl FnMut()) -> f64 {
    seconds((BYTES / frame.len()).clamp(1, 50_000), work)
}

/// Prints what the peers reached.
fn show(frame: &str, peers: &[(&str, Vec<f64>)]) {
    let speed = |(name, seconds): &(&str, Vec<f64>)| {
        let seconds = median(seconds.clone());
        format!("{name} {:.0} MB/s ({:.2} µs)", frame.len() as f64 / seconds / 1e6, seconds * 1e6)
    };
    measure::line(&format!("  {}", peers.iter().map(speed).collect::<Vec<_>>().join(", ")));
}
