//! The ten slowest calls of a recording, in the words of the app, and what `qix-proxy lint` has to say of them.
//!
//! ```console
//! cargo run -p qix-proxy --example slowest -- session.qixrec
//! ```
//!
//! Without a file it reads the recording that `qix-proxy demo` embeds:
//!
//! ```text
//! ```

use std::{
    cmp::Reverse,
    io::{self, Write},
};

use qix_proxy::{
    lint::Linter,
    model::{Events, ModelBuilder, RecordingModel},
    record::RecordingParts,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo.qixrec");
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        files.push(demo.to_owned());
    }

    // One pass over the file: the model keeps all but the messages, the linter sees these as they go by.
    let (mut model, mut linter) = (RecordingModel::default(), Linter::new());
    for event in Events::with(RecordingParts::open(&files)?, ModelBuilder::new().without_results()) {
        let event = event?;
        linter.take(&event);
        model.add(&event);
    }

    let out = &mut io::stdout().lock();
    model.calls.sort_by_key(|call| Reverse(call.latency()));
    for call in model.calls.iter().take(10) {
        let latency = call.latency().map_or("no answer".to_owned(), |latency| format!("{latency:.1?}"));
        // The title may have come after the call.
        let object = model.object(call.object.number).unwrap_or(&call.object);
        writeln!(out, "{latency:>9}  {} of {}", call.method, object.name())?;
    }
    for finding in linter.finish() {
        writeln!(out, "{}: {} ({} times)", finding.rule, finding.words, finding.count)?;
    }
    Ok(())
}
