//! Who watches the texts of a session.

use std::{fmt, sync::Arc, time::Instant};

use bytes::Bytes;

/// Sees every text of a session, as it is sent and received.
///
/// The texts hold what users see and more: data, scripts, and passwords in `OpenDoc` and connections. Nothing is taken out of
/// them.
///
/// It is called in the task that owns the socket, so it must not block, and must not panic: hand the text on, which costs a
/// reference count.
///
/// ```
/// use qix_client::{SessionConfig, Traffic};
///
/// let (texts, mut seen) = tokio::sync::mpsc::unbounded_channel();
/// let config = SessionConfig::default().tap(move |traffic: &Traffic<'_>| {
///     let _ = texts.send((traffic.direction, traffic.text.clone()));
/// });
/// # let _ = (config, seen.try_recv());
/// ```
pub trait Tap: Send + Sync {
    /// Takes one text in.
    fn see(&self, traffic: &Traffic<'_>);
}

impl<F: Fn(&Traffic<'_>) + Send + Sync> Tap for F {
    fn see(&self, traffic: &Traffic<'_>) {
        self(traffic);
    }
}

/// One text of a session.
#[non_exhaustive]
pub struct Traffic<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// When it was received, or handed to the socket.
    pub at: Instant,
    /// The text, UTF-8.
    pub text: &'a Bytes,
}

/// Which way a text went.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// From this side to the engine.
    Sent,
    /// From the engine.
    Received,
}

/// The text may be secret, so it is not shown.
impl fmt::Debug for Traffic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic")
            .field("direction", &self.direction)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// The taps of a session.
#[derive(Clone, Default)]
pub(crate) struct Taps(Vec<Arc<dyn Tap>>);

impl Taps {
    pub(crate) fn add(&mut self, tap: impl Tap + 'static) {
        self.0.push(Arc::new(tap));
    }

    pub(crate) fn show(&self, direction: Direction, text: &Bytes) {
        if !self.0.is_empty() {
            let traffic = Traffic { direction, at: Instant::now(), text };
            self.0.iter().for_each(|tap| tap.see(&traffic));
        }
    }
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} taps", self.0.len())
    }
}
