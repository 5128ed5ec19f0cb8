//! All files of a recording.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    FileSettings, OnFull, Sealed, Standing,
    names::Names,
    retention::Retention,
    volume::{Disk, Open, Volume, What},
    writer::{Ending, Heading, Writer},
};

/// What all volumes of a recording share.
pub(super) struct Common {
    pub(super) settings: FileSettings,
    pub(super) names: Names,
    pub(super) heading: Heading,
    /// The time of day, for names only: it may jump.
    pub(super) clock: Box<dyn FnMut() -> Timestamp + Send>,
    /// The number of the last entry.
    pub(super) seq: u64,
    /// Messages that were not recorded.
    pub(super) missing: u64,
    pub(super) files: u64,
    connections: u64,
    frames: u64,
    refused: u64,
    exchanges: u64,
    bytes: u64,
    retention: Retention,
    stop: watch::Sender<bool>,
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common").field("names", &self.names).field("seq", &self.seq).finish_non_exhaustive()
    }
}

impl Common {
    /// Counts a file to which nothing will be added.
    pub(super) fn add(&mut self, writer: &Writer<Disk>, path: PathBuf, sealed: bool) {
        self.connections += writer.connections;
        self.frames += writer.frames;
        self.refused += writer.refused;
        self.exchanges += writer.exchanges;
        self.bytes += writer.output.written();
        if sealed {
            self.retention.add(path, writer.output.written());
        }
    }

    /// Says that a file cannot be written, and what comes of it.
    pub(super) fn cannot_write(&mut self, path: &Path, reason: &str) {
        let path = path.display();
        match self.settings.on_full {
            OnFull::Continue => tracing::error!(
                "recording stops, because {path} cannot be written: {reason}; connections go on unrecorded until it can be \
                 written again"
            ),
            OnFull::Stop => {
                tracing::error!(
                    "recording stops, because {path} cannot be written: {reason}; all connections are cut"
                );
                self.stop.send_replace(true);
            }
        }
    }
}

/// The files of a recording that are being written.
#[derive(Debug)]
pub(super) struct Shelf {
    common: Common,
    /// For everything, or for what belongs to no connection.
    main: Volume,
    /// By connection, if each has files of its own.
    own: HashMap<u64, Volume>,
    /// Which volumes of connections are to be committed.
    dirty: Vec<u64>,
    first: PathBuf,
    /// Why a file of a connection is not complete.
    fault: Option<io::Error>,
}

impl Shelf {
    pub(super) fn create(
        names: Names,
        settings: FileSettings,
        heading: Heading,
        clock: Box<dyn FnMut() -> Timestamp + Send>,
        stop: watch::Sender<bool>,
    ) -> io::Result<Self> {
        let retention = Retention::new(&names, &settings);
        let mut common = Common {
            settings,
            names,
            heading,
            clock,
            seq: 0,
            missing: 0,
            files: 0,
            connections: 0,
            frames: 0,
            refused: 0,
            exchanges: 0,
            bytes: 0,
            retention,
            stop,
        };
        let main = Volume::create(&mut common, 0, 0)?;
        common.retention.tidy(1, 0);
        let first = main.path().to_owned();
        Ok(Self { common, main, own: HashMap::new(), dirty: Vec::new(), first, fault: None })
    }

    /// Returns the first file.
    pub(super) fn path(&self) -> &Path {
        &self.first
    }

    /// Makes room for a connection.
    pub(super) fn open(&mut self, conn: u64, t: u64) {
        if self.common.settings.per_connection {
            let volume = Volume::create_or_wait(&mut self.common, conn, t);
            if volume.is_dirty() {
                self.dirty.push(conn);
            }
            self.own.insert(conn, volume);
        }
    }

    /// Writes an entry, or counts it as missing.
    pub(super) fn record(
        &mut self,
        conn: u64,
        t: u64,
        what: What,
        write: impl FnOnce(&mut Writer<Disk>) -> bool,
    ) {
        let Some(volume) = self.own.get_mut(&conn) else {
            return self.main.record(&mut self.common, (conn, t, what), write);
        };
        if !volume.is_dirty() {
            self.dirty.push(conn);
        }
        volume.record(&mut self.common, (conn, t, what), write);
    }

    /// Writes the end of a connection.
    pub(super) fn close(&mut self, conn: u64, t: u64, ending: Ending) {
        let Some(mut volume) = self.own.remove(&conn) else {
            return self.main.close(&mut self.common, conn, t, ending);
        };
        volume.close(&mut self.common, conn, t, ending);
        let fault = volume.seal(&mut self.common, t, &Vec::new);
        self.fault = fault.or(self.fault.take());
        self.tidy();
    }

    /// Begins the next file of a connection, or of all, if it is time to.
    pub(super) fn rotate_if_due(&mut self, conn: u64, t: u64, open: Open<'_>) {
        let before = self.common.files;
        match self.own.get_mut(&conn) {
            Some(volume) => volume.rotate_if_due(&mut self.common, t, &only(conn, open)),
            None => self.main.rotate_if_due(&mut self.common, t, open),
        }
        if self.common.files > before {
            self.tidy();
        }
    }

    /// Begins the next file of each volume.
    pub(super) fn rotate(&mut self, t: u64, open: Open<'_>) {
        let per_connection = self.common.settings.per_connection;
        self.main.rotate(&mut self.common, t, if per_connection { &Vec::new } else { open });
        for (conn, volume) in &mut self.own {
            self.dirty.push(*conn);
            volume.rotate(&mut self.common, t, &only(*conn, open));
        }
        self.tidy();
    }

    /// Commits all volumes that have something to commit. Returns when to be called again, if nothing comes before.
    pub(super) fn commit(&mut self, now: u64, open: Open<'_>) -> Option<u64> {
        let before = self.common.files;
        let per_connection = self.common.settings.per_connection;
        let mut due = self.main.commit(&mut self.common, now, if per_connection { &Vec::new } else { open });
        for conn in std::mem::take(&mut self.dirty) {
            let Some(volume) = self.own.get_mut(&conn) else { continue };
            let again = volume.commit(&mut self.common, now, &only(conn, open));
            // Each of many connections does without a buffer most of the time.
            volume.release();
            if let Some(again) = again {
                due = Some(due.map_or(again, |due| due.min(again)));
                self.dirty.push(conn);
            }
        }
        if self.common.files > before {
            self.tidy();
        }
        due
    }

    /// Says where the recording stands.
    pub(super) fn standing(&self) -> Standing<'_> {
        let own = self.own.values().map(Volume::size).sum::<u64>();
        Standing {
            file: self.main.path(),
            file_size: self.main.size(),
            bytes: self.common.bytes + self.main.size() + own,
            files: self.common.files,
            missing: self.common.missing,
        }
    }

    /// Writes all that waits, for nothing more will come.
    pub(super) fn flush(&mut self) {
        self.main.flush();
        self.own.values_mut().for_each(Volume::flush);
    }

    /// Gives memory back that is not in use.
    pub(super) fn release(&mut self) {
        self.main.release();
    }

    /// Ends all files.
    pub(super) fn seal(mut self, t: u64, open: Open<'_>) -> Sealed {
        let per_connection = self.common.settings.per_connection;
        for (conn, volume) in self.own.drain() {
            let fault = volume.seal(&mut self.common, t, &only(conn, open));
            self.fault = fault.or(self.fault.take());
        }
        let fault = self.main.seal(&mut self.common, t, if per_connection { &Vec::new } else { open });
        self.common.retention.tidy(0, 0);
        let Common { connections, frames, refused, exchanges, bytes, missing, files, .. } = self.common;
        Sealed {
            path: self.first,
            connections,
            frames,
            refused,
            exchanges,
            bytes,
            files,
            missing,
            fault: fault.or(self.fault),
        }
    }

    fn tidy(&mut self) {
        let open = 1 + self.own.len();
        // Asked only when files come and go.
        let bytes = self.main.size() + self.own.values().map(Volume::size).sum::<u64>();
        self.common.retention.tidy(open, bytes);
    }
}

fn only<'a>(conn: u64, open: Open<'a>) -> impl Fn() -> Vec<(u64, String)> + 'a {
    move || {
        let mut all = open();
        all.retain(|(found, _)| *found == conn);
        all
    }
}

#[cfg(test)]
mod tests;
