//! The fake engine on a port.
fn main() {}
