//! Runs the seeds of the fuzz targets through the targets' own code, without a fuzzer.

use std::{fs, path::Path, time::Instant};

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the root of a crate of its own too")]
mod targets;

fn each_seed(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        let bytes = fs::read(&seed).unwrap();
        run(&bytes);
        // Text that ends anywhere is what a broken peer sends.
        for end in 0..bytes.len().min(1000) {
            run(&bytes[..end]);
        }
    }
}

#[test]
fn seeds_of_frame_hold() {
    each_seed("frame", targets::frame);
}

#[test]
fn seeds_of_delta_hold() {
    each_seed("delta", targets::delta);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "there is no other way to make an Instant")]
fn seeds_of_connection_hold() {
    let start = Instant::now();
    each_seed("connection", |steps| targets::connection(steps, start));
}
