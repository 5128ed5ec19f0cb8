//! Runs the seeds of the fuzz targets through the targets' own code, without a fuzzer.

use std::{fs, path::Path, time::Instant};

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the root of a crate of its own too")]
mod targets;

fn each_seed(target: &str, run: impl Fn(&[u8])) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(folder)? {
        let bytes = fs::read(seed?.path())?;
        run(&bytes);
        // Text that ends anywhere is what a broken peer sends.
        for end in 0..bytes.len().min(1000) {
            run(&bytes[..end]);
        }
        count += 1;
    }
    assert!(count > 0, "no seeds");
    Ok(())
}

#[test]
fn seeds_of_frame_hold() -> std::io::Result<()> {
    each_seed("frame", targets::frame)
}

#[test]
fn seeds_of_delta_hold() -> std::io::Result<()> {
    each_seed("delta", targets::delta)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "there is no other way to make an Instant")]
fn seeds_of_connection_hold() -> std::io::Result<()> {
    let start = Instant::now();
    each_seed("connection", |steps| targets::connection(steps, start))
}
