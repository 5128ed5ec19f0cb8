//! The relay: bytes go through as they come, only frame headers are looked at.
//!
//! [`walker`] finds the frames in a stream of bytes and [`flow`] decides what goes on to the other side; neither does any I/O.
//! [`lane`] moves the bytes of one direction, and [`driver`] runs the two lanes of a connection in one task.

mod driver;
mod flow;
mod lane;
mod walker;

pub(crate) use driver::{End, Relay};
pub(crate) use walker::{Head, Piece, Walker, unmask};
