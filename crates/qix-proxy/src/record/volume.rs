//! A run of files that continue each other, and what happens when they cannot be written.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    output::{Medium, Output},
    shelf::Common,
    writer::{Ending, Missing, Writer},
    zip::Zip,
};

/// How long what was taken in may wait before it is handed to the system or the disk, in microseconds.
const GROUP: u64 = 50_000;
/// How long to wait before a file is tried again that could not be written, in microseconds.
const RETRY: u64 = 1_000_000;
/// How often to look whether the file is where it was, in microseconds.
const LOOK: u64 = 1_000_000;

/// Connections that are open, with their URLs.
pub(super) type Open<'a> = &'a dyn Fn() -> Vec<(u64, String)>;

/// A file, or none because none could be made.
#[derive(Debug)]
pub(super) struct Disk(Option<File>);

impl Disk {
    fn file(&self) -> io::Result<&File> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.file()?.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Disk {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file()?.set_len(length)
    }
}

/// What an entry is, as far as it matters when it is missing.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Open,
    Frame,
    Exchange,
    Other,
}

/// A time in which nothing can be written.
#[derive(Debug)]
struct Outage {
    missing: Missing,
    reason: String,
    retried: u64,
    /// The first connection whose opening is missing.
    unknown: Option<u64>,
    /// The ends of connections that the recording knows: as many as were open.
    closed: Vec<(u64, u64, Ending)>,
}

/// A run of files.
#[derive(Debug)]
pub(super) struct Volume {
    /// The connection that it is for; 0 if for all, or for what belongs to none.
    conn: u64,
    writer: Writer<Disk>,
    path: PathBuf,
    part: u64,
    begun: u64,
    /// Since when something waits to be handed to the system, or the disk.
    dirty: Option<u64>,
    looked: u64,
    outage: Option<Outage>,
}

impl Volume {
    /// Creates the first file.
    pub(super) fn create(common: &mut Common, conn: u64, t: u64) -> io::Result<Self> {
        let (writer, path) = begin(common, conn, 1, None)?;
        common.files += 1;
        Ok(Self { conn, writer, path, part: 1, begun: t, dirty: None, looked: t, outage: None })
    }

    /// Creates the first file, now or as soon as that is possible.
    pub(super) fn create_or_wait(common: &mut Common, conn: u64, t: u64) -> Self {
        Self::create(common, conn, t).unwrap_or_else(|error| {
            let mut output = Output::new(Disk(None), None);
            output.distrust(error);
            let (heading, path) = (common.heading.clone(), common.names.folder().to_owned());
            let writer = Writer::start(output, &heading, 0, None, 0);
            let mut volume =
                Self { conn, writer, path, part: 0, begun: t, dirty: None, looked: t, outage: None };
            volume.writer.output.forget(0);
            volume.begin_outage(common, t);
            volume
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the size of the current file.
    pub(super) fn size(&self) -> u64 {
        self.writer.output.written()
    }

    /// Returns whether something waits to be done by [`commit`](Self::commit).
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.is_some() || self.outage.is_some()
    }

    /// Writes an entry, or counts it as missing.
    pub(super) fn record(
        &mut self,
        common: &mut Common,
        (conn, t, what): (u64, u64, What),
        write: impl FnOnce(&mut Writer<Disk>) -> bool,
    ) {
        if let Some(outage) = &mut self.outage {
            return outage.miss(common, conn, what);
        }
        self.dirty.get_or_insert(t);
        let kept = self.with_seq(common, write);
        if self.writer.output.fault().is_some() {
            self.begin_outage(common, t);
            if let (false, Some(outage)) = (kept, &mut self.outage) {
                outage.miss(common, conn, what);
            }
        }
    }

    /// Writes the end of a connection, now or after an outage.
    pub(super) fn close(&mut self, common: &mut Common, conn: u64, t: u64, ending: Ending) {
        let closing = self.outage.is_none().then(|| {
            self.dirty.get_or_insert(t);
            let kept = self.with_seq(common, |writer| writer.close(conn, t, &ending));
            if self.writer.output.fault().is_some() {
                self.begin_outage(common, t);
            }
            kept
        });
        if let (Some(false) | None, Some(outage)) = (closing, &mut self.outage)
            && outage.unknown.is_none_or(|unknown| conn < unknown)
        {
            outage.closed.push((conn, t, ending));
        }
    }

    /// Goes on in a new file if it is time to.
    pub(super) fn rotate_if_due(&mut self, common: &mut Common, t: u64, open: Open<'_>) {
        let is_large = common.settings.rotate_size.is_some_and(|limit| self.size() >= limit);
        let is_old = common
            .settings
            .rotate_every
            .is_some_and(|age| u128::from(t.saturating_sub(self.begun)) >= age.as_micros());
        if is_large || is_old {
            self.rotate(common, t, open);
        }
    }

    /// Goes on in a new file. If there can be none, goes on in the old one and says so.
    pub(super) fn rotate(&mut self, common: &mut Common, t: u64, open: Open<'_>) {
        if self.outage.is_some() {
            return;
        }
        if let Err(error) = self.next_part(common, t, open) {
            tracing::error!(
                "cannot begin the file that continues {}: {error}; recording goes on in the old one",
                self.path.display()
            );
            // Not to be tried again with each message.
            self.begun = t;
        }
    }

    /// Hands what waits to the system, tries again what has failed, and looks after the file. Returns when to be called again.
    pub(super) fn commit(&mut self, common: &mut Common, now: u64, open: Open<'_>) -> Option<u64> {
        if let Some(outage) = &self.outage {
            if now >= outage.retried + RETRY {
                self.retry(common, now, open);
            }
        } else if let Some(since) = self.dirty {
            let due = now >= since + GROUP;
            if due || !common.names.is_zipped() {
                self.writer.output.flush();
                if due && common.settings.sync {
                    self.sync();
                }
                if self.writer.output.fault().is_some() {
                    self.begin_outage(common, now);
                } else if due || !common.settings.sync {
                    self.dirty = None;
                }
                if now >= self.looked + LOOK {
                    self.looked = now;
                    self.look(common, now, open);
                }
            }
        }
        match &self.outage {
            Some(outage) => Some(outage.retried + RETRY),
            None => self.dirty.map(|since| since + GROUP),
        }
    }

    /// Writes all that waits, whether it is time or not.
    pub(super) fn flush(&mut self) {
        self.writer.output.flush();
    }

    /// Gives memory back that is not in use.
    pub(super) fn release(&mut self) {
        self.writer.output.release();
    }

    /// Ends the last file. Returns why it is not complete, if it is not.
    pub(super) fn seal(mut self, common: &mut Common, t: u64, open: Open<'_>) -> Option<io::Error> {
        if self.outage.is_some() {
            // There may be room by now.
            self.retry(common, t, open);
        }
        if self.outage.is_none() {
            self.with_seq(common, |writer| writer.end(t, None));
            if common.settings.sync {
                self.sync();
            }
        }
        common.add(&self.writer, self.path, self.outage.is_none());
        self.writer.output.resume()
    }

    fn with_seq(&mut self, common: &mut Common, write: impl FnOnce(&mut Writer<Disk>) -> bool) -> bool {
        self.writer.seq = common.seq;
        let kept = write(&mut self.writer);
        common.seq = self.writer.seq;
        kept
    }

    fn sync(&mut self) {
        let output = &mut self.writer.output;
        if output.fault().is_none()
            && let Err(error) = output.medium().file().and_then(File::sync_data)
        {
            // What the system has dropped by now cannot be known: the next file is a fresh start.
            output.distrust(error);
        }
    }

    /// Notices that the file was moved or deleted. What is written to it then may be lost, or land in what somebody archives.
    fn look(&mut self, common: &mut Common, t: u64, open: Open<'_>) {
        if self.outage.is_none() && !is_at(self.writer.output.medium().file(), &self.path) {
            tracing::warn!("{} was moved or deleted; recording goes on in a new file", self.path.display());
            self.rotate(common, t, open);
        }
    }

    fn next_part(&mut self, common: &mut Common, t: u64, open: Open<'_>) -> io::Result<()> {
        let name = name_of(&self.path);
        let (mut writer, path) = begin(common, self.conn, self.part + 1, Some(&name))?;
        let waiting = self.writer.output.waiting().to_vec();
        self.writer.output.flush();
        if self.writer.output.fault().is_some() {
            carry(&mut writer, &waiting);
        } else {
            let next = name_of(&path);
            self.with_seq(common, |writer| writer.end(t, Some(&next)));
            if common.settings.sync {
                self.sync();
            }
        }
        let sealed = self.writer.output.fault().is_none();
        if !sealed {
            tracing::error!(
                "{} could not be written to its end; its last lines are in the next file",
                self.path.display()
            );
        }
        self.turn(common, t, writer, path, sealed);
        self.restate(common, t, open);
        Ok(())
    }

    /// Takes the next file for the current one.
    fn turn(&mut self, common: &mut Common, t: u64, writer: Writer<Disk>, path: PathBuf, sealed: bool) {
        let old = std::mem::replace(&mut self.writer, writer);
        let old_path = std::mem::replace(&mut self.path, path);
        common.add(&old, old_path, sealed);
        common.files += 1;
        self.part += 1;
        self.begun = t;
        self.looked = t;
        self.dirty.get_or_insert(t);
    }

    fn restate(&mut self, common: &mut Common, t: u64, open: Open<'_>) {
        for (conn, url) in open() {
            self.record(common, (conn, t, What::Open), |writer| writer.still_open(conn, t, &url));
        }
    }

    fn begin_outage(&mut self, common: &mut Common, t: u64) {
        let reason = self.writer.output.fault().map(ToString::to_string).unwrap_or_default();
        common.cannot_write(&self.path, &reason);
        let missing = Missing { since: t, ..Missing::default() };
        self.outage = Some(Outage { missing, reason, retried: t, unknown: None, closed: Vec::new() });
    }

    /// Goes on after an outage if that is possible, and says in the recording what it misses.
    fn retry(&mut self, common: &mut Common, t: u64, open: Open<'_>) {
        let Some(mut outage) = self.outage.take() else { return };
        let error = self.writer.output.resume();
        if self.writer.output.is_ragged() {
            let continues = (self.part > 0).then(|| name_of(&self.path));
            match begin(common, self.conn, self.part + 1, continues.as_deref()) {
                Ok((mut writer, path)) => {
                    carry(&mut writer, self.writer.output.waiting());
                    if self.part > 0 {
                        self.turn(common, t, writer, path, false);
                    } else {
                        (self.writer, self.path, self.part) = (writer, path, 1);
                        common.files += 1;
                    }
                }
                Err(again) => {
                    self.writer.output.distrust(error.unwrap_or(again));
                    outage.retried = t;
                    self.outage = Some(outage);
                    return;
                }
            }
        }
        let (mark, seq) = (self.writer.output.waiting().len(), common.seq);
        let is_missing = outage.missing.frames + outage.missing.others > 0 || !outage.closed.is_empty();
        if is_missing {
            self.with_seq(common, |writer| {
                writer.gap(t, &outage.missing, &outage.reason);
                outage.closed.iter().for_each(|(conn, t, ending)| _ = writer.close(*conn, *t, ending));
                open().iter().for_each(|(conn, url)| _ = writer.still_open(*conn, t, url));
                true
            });
        }
        self.writer.output.flush();
        if self.writer.output.fault().is_some() {
            self.writer.output.forget(mark);
            common.seq = seq;
            outage.retried = t;
            self.outage = Some(outage);
            return;
        }
        tracing::warn!(
            "recording goes on in {}; {} messages and {} other entries were not recorded",
            self.path.display(),
            outage.missing.frames,
            outage.missing.others
        );
        self.dirty = common.settings.sync.then_some(t);
    }
}

impl Outage {
    fn miss(&mut self, common: &mut Common, conn: u64, what: What) {
        match what {
            What::Frame => {
                self.missing.frames += 1;
                common.missing += 1;
            }
            What::Open => {
                self.missing.others += 1;
                self.unknown.get_or_insert(conn);
            }
            What::Exchange => {
                self.missing.others += 1;
                common.missing += 1;
            }
            What::Other => self.missing.others += 1,
        }
    }
}

/// Creates a file with its header.
fn begin(
    common: &mut Common,
    conn: u64,
    part: u64,
    continues: Option<&str>,
) -> io::Result<(Writer<Disk>, PathBuf)> {
    let zip = if common.names.is_zipped() { Some(Zip::new()?) } else { None };
    let (file, path) = common.names.create(conn, part, (common.clock)())?;
    let output = Output::new(Disk(Some(file)), zip);
    let mut writer = Writer::start(output, &common.heading, part, continues, common.seq);
    if let Some(error) = writer.output.resume() {
        // It is new and empty, and another attempt makes another.
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    if common.settings.sync {
        // The name is to outlive a loss of power as well; what cannot be had, the recording does without.
        let _ = File::open(common.names.folder()).and_then(|folder| folder.sync_all());
    }
    Ok((writer, path))
}

/// Takes over lines that another file could not take.
fn carry(writer: &mut Writer<Disk>, lines: &[u8]) {
    writer.output.buffer().extend_from_slice(lines);
    writer.output.end_line();
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns whether the file is still the one of this name, as far as can be told.
pub(super) fn is_at(file: io::Result<&File>, path: &Path) -> bool {
    let Ok(ours) = file.and_then(File::metadata) else { return true };
    match fs::metadata(path) {
        Ok(found) => is_same(&found, &ours),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Returns whether this is the same file, as far as can be told.
#[cfg(unix)]
pub(super) fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
pub(super) fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    // An open file cannot be moved there.
    true
}
