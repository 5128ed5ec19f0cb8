//! Serves the page of [`view`](crate::view) live: calls appear as they are recorded, and an explorer makes calls of its own.
//!
//! One thread reads the recording and writes two spools: the [`Journal`] with batches for the page, and the [`Details`] with what was
//! said. Each page has a socket and reads both at its own pace, so that a slow one makes nothing grow. [`Gate`] decides who gets in.

mod details;
mod explorer;
mod feed;
mod files;
mod gate;
mod journal;
mod server;
mod socket;
mod spool;

pub(crate) use details::Details;
pub(crate) use explorer::Exploring;
pub(crate) use feed::{Feed, Source};
use gate::Gate;
pub(crate) use journal::{Journal, Phase};
pub(crate) use server::{Head, InspectError, InspectServer, Shown};
