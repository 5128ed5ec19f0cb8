//! The messages of one WebSocket on their way into the spool.

use std::io;

use qix_protocol::frame::{Raw, members};

use super::{
    kept::{BINARY, ENGINE, OMITTED, TEXT},
    message::{Message, is_of_engine, read},
    spool::{Run, Spool, Times, UNTIMED},
    time,
};
use crate::record::{Closing, Side};

/// How far apart messages are put if nothing is known of their times, in microseconds.
const APART: u64 = 1000;

/// What is known of the messages of one entry.
#[derive(Debug, Default)]
pub(super) struct Messages {
    entry: u32,
    /// Elements that were looked at.
    seen: u64,
    /// Messages that were kept.
    pub(super) count: u64,
    timed: u64,
    first: Option<u64>,
    /// The latest time of the current run.
    last: Option<u64>,
    latest: u64,
    /// Each in the order of time; more than one only if the file is not.
    runs: Vec<Run>,
    /// Whether a message is one of an engine or its client.
    pub(super) is_of_engine: bool,
    /// The first text that is no JSON, and how many are.
    broken: Option<(u64, u64)>,
    pub(super) close: Option<(Option<u64>, Closing)>,
    pub(super) error: Option<String>,
}

impl Messages {
    pub(super) fn begin(&mut self, entry: u32) {
        self.entry = entry;
    }

    /// Returns whether the entry has messages. Some tools give every entry a place for them.
    pub(super) fn has_some(&self) -> bool {
        self.seen > 0
    }

    /// Takes in a message; returns where it is and why it is left out, if it is.
    pub(super) fn take(
        &mut self,
        text: &[u8],
        spool: &mut Spool,
    ) -> io::Result<Option<(String, &'static str)>> {
        self.seen += 1;
        let (time, message) = read(text);
        let size;
        let (kind, side, bytes) = match &message {
            Message::Text(side, bytes) => {
                self.look(bytes);
                (TEXT, side, &bytes[..])
            }
            Message::Binary(side, bytes) => (BINARY, side, &bytes[..]),
            Message::Omitted(side, omitted) => {
                size = omitted.to_le_bytes();
                (OMITTED, side, &size[..])
            }
            Message::Close(side, code, reason) => {
                let closing = Closing { by: Some(*side), code: *code, reason: reason.clone(), clean: true };
                // The other side's answer to it says nothing new.
                self.close.get_or_insert((time, closing));
                return Ok(None);
            }
            Message::Error(error) => {
                self.error.get_or_insert_with(|| error.clone());
                return Ok(None);
            }
            Message::Control => return Ok(None),
            Message::Unknown(why) => {
                return Ok(Some((format!("entry {}, message {}", self.entry, self.seen), why)));
            }
        };
        let kind = if *side == Side::Engine { kind | ENGINE } else { kind };
        let start = spool.at();
        // One without a time stays where it is.
        spool.put(time.or(self.last).unwrap_or(UNTIMED), kind, bytes)?;
        self.count += 1;
        let goes_back = time.is_some_and(|time| self.last.is_some_and(|last| time < last));
        match self.runs.last_mut().filter(|_| !goes_back) {
            Some(run) => run.end = spool.at(),
            None => {
                let (entry, end) = (self.entry, spool.at());
                self.runs.push(Run { entry, start, end, times: Times::Kept(0) });
            }
        }
        if let Some(time) = time {
            self.timed += 1;
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(time);
            self.latest = self.latest.max(time);
        }
        Ok(None)
    }

    fn look(&mut self, text: &[u8]) {
        match Raw::new(text) {
            Ok(json) => self.is_of_engine |= !self.is_of_engine && is_of_engine(json),
            Err(_) => {
                let (_, count) = self.broken.get_or_insert((self.seen, 0));
                *count += 1;
            }
        }
    }

    /// Takes in what the entry says of the end of the connection.
    pub(super) fn end(&mut self, close: Option<Raw<'_>>) {
        let Some(close) = close.filter(|close| close.as_bytes().starts_with(b"{")) else { return };
        let found = self.close.take();
        let (mut at, mut closing) = match found {
            Some((at, closing)) => (at, closing),
            None => (None, Closing { clean: true, ..Closing::default() }),
        };
        for (name, value) in members(close) {
            match &*name {
                "time" | "timestamp" => at = time::of_message(value).or(at),
                "code" => closing.code = value.as_integer().or(closing.code),
                "reason" => closing.reason = value.decode().unwrap_or_default(),
                "clean" => closing.clean = value.as_bytes() == b"true",
                "by" => {
                    closing.by = match value.as_bytes() {
                        b"\"client\"" => Some(Side::Client),
                        b"\"engine\"" => Some(Side::Engine),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        self.close = Some((at, closing));
    }

    /// Returns the earliest time.
    pub(super) fn first(&self) -> Option<u64> {
        self.first
    }

    /// Returns how many have no time of their own.
    pub(super) fn untimed(&self) -> u64 {
        self.count - self.timed
    }

    /// Says which of them are no JSON.
    pub(super) fn unreadable(&self) -> Option<String> {
        let (first, count) = self.broken?;
        let more = if count == 1 { String::new() } else { format!(" and {} more", count - 1) };
        Some(format!(
            "message {first}{more} is no JSON, perhaps because a tool has cut it; it is taken over as it is"
        ))
    }

    /// Returns where the messages lie, and the time of the last, for a connection that was `opened` and whose entry `started` and
    /// lasted that long.
    pub(super) fn runs(&mut self, opened: u64, started: u64, lasted: Option<u64>) -> (Vec<Run>, u64) {
        let mut runs = std::mem::take(&mut self.runs);
        let made_up = self.timed == 0;
        let span = lasted.filter(|lasted| *lasted > 0).unwrap_or(self.count * APART);
        for run in &mut runs {
            run.times = match made_up {
                true => Times::Made { from: started, span, count: self.count, done: 0 },
                false => Times::Kept(opened),
            };
        }
        (runs, if made_up { started + span } else { self.latest })
    }
}
