//! HAR: what browsers, Playwright, mitmproxy and Proxyman write of what they have seen.
//!
//! The file is read once, value by value. What is kept of it lies in a temporary file until all is known that the beginning of a
//! recording says, and is then written in the order of time: in memory are one value and a few words for each entry.

mod attached;
mod exchange;
mod gather;
mod kept;
mod message;
mod messages;
mod spool;
mod time;
mod walk;

use std::{collections::HashMap, io};

use jiff::Timestamp;

use super::{Foreign, ImportError, ImportReport, Source};
use crate::{
    count::count,
    record::{Header, RecordingWriter, Written},
};
use gather::{Gather, Tally};
use kept::Writing;

/// By how much the first page may be older than what was kept, in microseconds: a day.
const PAGE: u64 = 86_400_000_000;

/// How to get a HAR that has what is needed.
const HOW: &str = "open the developer tools before the page is loaded, reload it, and export again";
/// Who exports messages.
const WHO: &str = "Chrome, Edge, Playwright (1.65 does), mitmproxy and Proxyman (from 2.28 on) export them, Firefox \
                   does not, as far as is known";

/// Makes a recording of a HAR.
pub(super) fn import(source: Source<'_>) -> Result<ImportReport, ImportError> {
    let mut gather = Gather::new(source.settings, source.from).map_err(spool)?;
    let ended = walk::walk(io::BufReader::with_capacity(64 << 10, &mut *source.reader), &mut gather);
    let mut notes = Vec::new();
    if let Some(error) = gather.fault.take() {
        return Err(spool(error));
    }
    if let Err(error) = ended {
        let broke_off = error.is_eof() || error.io_error_kind() == Some(io::ErrorKind::UnexpectedEof);
        let (is_io, error) = (error.is_io(), io::Error::from(error));
        // Others are those of data that cannot be unpacked.
        if is_io && error.raw_os_error().is_some() {
            return Err(ImportError::Read { path: source.from.to_owned(), source: error });
        }
        if !gather.has_entries {
            let what = match broke_off {
                true => "ends before there is anything that makes it a HAR".to_owned(),
                false => format!("is no HAR: {error}"),
            };
            return Err(ImportError::Unknown { path: source.from.to_owned(), what });
        }
        gather.finish(false).map_err(spool)?;
        notes.push(match broke_off {
            true => "the HAR ends in the middle; only what is complete counts".to_owned(),
            false => format!("the HAR is damaged, and only what comes before that counts: {error}"),
        });
    }
    if !gather.has_entries {
        let what = "is JSON, but no HAR: it has no log with entries".to_owned();
        return Err(ImportError::Unknown { path: source.from.to_owned(), what });
    }
    let Gather { spool: spooled, runs, mut tally, .. } = gather;
    if tally.sockets == 0 {
        return Err(ImportError::Useless { path: source.from.to_owned(), why: useless(&tally, &notes) });
    }
    let written = write(&source, spooled, runs, &tally)?;
    notes.extend(tally.notes());
    Ok(ImportReport { kind: Foreign::Har, written, left_out: tally.left_out, notes })
}

fn write(
    source: &Source<'_>,
    spooled: spool::Spool,
    runs: Vec<spool::Run>,
    tally: &Tally,
) -> Result<Written, ImportError> {
    let earliest = tally.earliest.unwrap_or_default();
    let page = tally.page.filter(|page| *page < earliest && earliest - page < PAGE);
    let started = page.unwrap_or(earliest);
    let header = Header {
        started: Timestamp::from_microsecond(started as i64).map(|at| format!("{at:.6}")).unwrap_or_default(),
        upstream: tally
            .upstream
            .as_ref()
            .or(tally.other.as_ref())
            .map(|(_, url)| url.clone())
            .unwrap_or_default(),
        ..Header::default()
    };
    let writer = RecordingWriter::create(source.to, &header, &source.settings.redaction)?;
    let mut writing = Writing { writer, started, connections: HashMap::new() };
    let mut merge = spooled.merge(runs).map_err(spool)?;
    while let Some(item) = merge.next().map_err(spool)? {
        writing.item(item).map_err(spool)?;
        if writing.writer.has_failed() {
            break;
        }
    }
    Ok(writing.writer.seal()?)
}

fn spool(source: io::Error) -> ImportError {
    ImportError::Spool { path: std::env::temp_dir(), source }
}

/// Says why there is nothing to be replayed.
fn useless(tally: &Tally, notes: &[String]) -> String {
    let mut why = match tally {
        Tally { silent: 1.., .. } => {
            let sockets = count(tally.silent, "WebSocket");
            format!("is a HAR with {sockets}, but without messages: {HOW}; {WHO}")
        }
        Tally { others: 1.., .. } => {
            let sockets = count(tally.others, "WebSocket");
            format!(
                "is a HAR with {sockets}, but none to an engine; --all-sockets takes it over all the same"
            )
        }
        Tally { refused: 1.., .. } => {
            let upgrades = count(tally.refused, "refused upgrade");
            format!(
                "is a HAR with {upgrades}, but without a WebSocket that was opened, of which a replay needs one"
            )
        }
        Tally { earliest: None, .. } => format!("is a HAR without entries: {HOW}"),
        _ => format!("is a HAR without a WebSocket: {HOW}"),
    };
    for note in notes {
        why = format!("{why} ({note})");
    }
    why
}

impl Tally {
    fn notes(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.made_up > 0 {
            let messages = count(self.made_up, "message");
            notes.push(format!(
                "{messages} had no time: their order is that of the HAR, their times are made up"
            ));
        }
        if self.undated > 0 {
            let entries = count(self.undated, "request");
            notes.push(format!("{entries} had no time, and were put where the one before began"));
        }
        if self.revalidated > 0 {
            let answers = count(self.revalidated, "answer");
            notes.push(format!("{answers} came from the browser's cache (304), and became what the server had answered before"));
        }
        for (scheme, entries) in &self.schemes {
            notes.push(format!("{entries} of {scheme}: left out, because they crossed no network"));
        }
        if self.more > 0 {
            notes.push(format!("{} more were left out than are listed", self.more));
        }
        notes
    }
}

#[cfg(test)]
mod tests;
