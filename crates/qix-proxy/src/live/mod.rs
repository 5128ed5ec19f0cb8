//! Watching a recording while it is made: calls by name, plain HTTP by path, reloads, and where the recording stands.
//!
//! A [`Feed`] takes what the recorder's thread tells and never makes it wait. A thread of its own reads the feed: a [`Tracker`](calls::Tracker) makes calls of
//! messages, and a terminal, the log and the metrics are told of them.

mod calls;
mod exchange;
mod feed;
mod line;
mod screen;
mod status;
mod viewer;

use crate::model::{names, notices, reload, words};

pub(crate) use calls::CallDone;
pub(crate) use exchange::Exchange;
pub(crate) use feed::Feed;
pub(crate) use line::{Line, Look, shortened, size, time, wide};
pub(crate) use screen::{Screen, is_capable, wants_colour};
pub(crate) use viewer::{CALLS, Viewer, Watching};
pub(crate) use words::Place;
