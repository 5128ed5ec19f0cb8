//! How often memory is asked for. A program of its own, because the allocator that counts would slow the peers of the others.

use qix_benches::measure::{self, row};
use qix_client::protocol::{
    Handle, RequestId,
    frame::{Raw, client::Head},
};

fn main() {
    measure::line("allocations\n");
    let mut buffer = Vec::new();
    let head = |id| Head { id: RequestId::new(id), to: Handle::new(3), method: "GetLayout", delta: true };
    let params = ("LB02", 17, [true]);
    let raw = Raw::new(br#"["LB02",17,[true]]"#).expect("JSON");
    let mut write = |ids: std::ops::Range<u64>| {
        for id in ids {
            buffer.clear();
            head(id).write(&mut buffer, &params).expect("parameters");
            head(id).write_raw(&mut buffer, raw);
        }
    };
    write(0..1);
    let counted = allocation_counter::measure(|| write(1_000_000..1_000_100));
    let allocations = counted.count_total as f64;
    row("writing 200 small requests, buffer warm: allocations", allocations, "0", allocations == 0.0);
}
