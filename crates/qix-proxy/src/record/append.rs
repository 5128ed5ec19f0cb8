//! Adds connections to a recording that is there already.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::Timestamp;

use super::{
    EntryKind, ReadError, RecordingReader, Redaction, RepairError, Side,
    event::Upgraded,
    output::Output,
    parse::entry_of,
    repair::{Scan, repair_in_place},
    volume::is_at,
    writer::{Ending, Writer},
    zip::Zip,
};
use crate::relay::Head;

/// Adds connections to a recording, behind all that it has: to the last of its files, if it has several.
///
/// Nothing is written before there is something to add. Then the `end` line is taken back, and [`seal`](Self::seal) writes a new one;
/// a crash in between leaves a file like that of a recorder that was killed. Secrets are replaced as a recorder replaces them.
/// No recorder may be writing the recording meanwhile.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    redaction: Redaction,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    writer: Writer<File>,
    /// Where the `end` line lies, until it is taken back.
    end: Option<Range<u64>>,
    conn: u64,
    added: u64,
    open: BTreeSet<u64>,
    clock: Clock,
    sealed: bool,
}

/// Continues the times of a recording.
#[derive(Debug)]
struct Clock {
    /// The time at `since`, in microseconds since the recording started.
    base: u64,
    since: Instant,
}

impl Clock {
    fn now(&self) -> u64 {
        // Five hundred thousand years fit.
        self.base + self.since.elapsed().as_micros() as u64
    }
}

/// Why nothing can be added to a recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The recording was cut, and cannot be repaired.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// The recording goes on in another file.
    #[error("{} is continued by {next}, to which new answers would belong; give all files of the recording", path.display())]
    Continued {
        /// The last file that was given.
        path: PathBuf,
        /// The name of the next one.
        next: String,
    },
    /// The file cannot be written.
    #[error("cannot add to {}; check that it may be written to and that the disk has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Appender {
    /// Opens the recording that consists of these files. If its last one was cut, it is repaired first.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; the files are as they were then, or repaired.
    ///
    /// # Panics
    ///
    /// If there are no files.
    pub fn open<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        redaction: &Redaction,
    ) -> Result<Self, AppendError> {
        let mut last: Option<(Scan, PathBuf, String)> = None;
        let (mut conn, mut t) = (0, 0);
        for path in paths {
            let (path, mut scan) = (path.as_ref().to_owned(), Scan::default());
            let mut reader = RecordingReader::unread(&path)?;
            match scan.run(&mut reader, |_| true) {
                // A recorder that was killed when it had just created the next file leaves it empty.
                Err(ReadError::Empty { .. }) => continue,
                scanned => scanned?,
            }
            (conn, t) = (conn.max(scan.conn), t.max(scan.t));
            if last.as_ref().is_none_or(|(other, ..)| other.seq <= scan.seq) {
                last = Some((scan, path, reader.header().started.clone()));
            }
        }
        let (mut scan, path, started) = last.expect("a recording that was loaded has a file with a header");
        if let Some(next) = scan.next {
            return Err(AppendError::Continued { path, next });
        }
        if !scan.repair.is_whole() {
            repair_in_place(&path)?;
            scan = Scan::default();
            scan.run(&mut RecordingReader::unread(&path)?, |_| true)?;
        }
        let failed = |source| AppendError::Write { path: path.clone(), source };
        let mut file = OpenOptions::new().read(true).append(true).open(&path).map_err(failed)?;
        let (end, zip) = find_end(&mut file).map_err(failed)?;
        let writer = Writer {
            output: Output::behind(file, zip, end.start),
            seq: scan.seq,
            connections: scan.repair.connections,
            frames: scan.repair.frames,
            refused: 0,
            exchanges: scan.repair.exchanges,
        };
        // Clocks may have been set back since.
        let elapsed = started
            .parse::<Timestamp>()
            .ok()
            .and_then(|started| u64::try_from(Timestamp::now().duration_since(started).as_micros()).ok());
        let clock = Clock { base: elapsed.unwrap_or(t).max(t), since: Instant::now() };
        let state =
            State { writer, end: Some(end), conn, added: 0, open: BTreeSet::new(), clock, sealed: false };
        Ok(Self { path, redaction: redaction.clone(), state: Mutex::new(state) })
    }

    /// Returns the file that is written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a connection with this path and query, and returns its number.
    ///
    /// # Errors
    ///
    /// [`AppendError::Write`] if the `end` line cannot be taken back, or if the recording was sealed.
    pub fn connection(&self, url: &str) -> Result<u64, AppendError> {
        let mut state = self.state();
        if state.sealed {
            return Err(self.failed(io::Error::other("it was sealed")));
        }
        if let Some(end) = &state.end {
            let file = state.writer.output.medium();
            let is_same = file.metadata().map_err(|error| self.failed(error))?.len() == end.end;
            if !is_same {
                return Err(self.failed(io::Error::other("another program has changed it since it was read")));
            }
            file.set_len(end.start).map_err(|error| self.failed(error))?;
            state.end = None;
        }
        state.conn += 1;
        state.added += 1;
        let (conn, t) = (state.conn, state.clock.now());
        let clean = self.redaction.url(url);
        let redacted = if clean == url { Vec::new() } else { vec!["url".to_owned()] };
        state.open.insert(conn);
        state.writer.added(conn, t, &Upgraded { url: clean, status: 101, redacted, ..Upgraded::default() });
        Ok(conn)
    }

    /// Adds a text message of a connection. What cannot be written is told by [`seal`](Self::seal).
    pub fn text(&self, conn: u64, from: Side, text: &[u8]) {
        let clean = self.redaction.frame(text);
        let mut state = self.state();
        if !state.open.contains(&conn) {
            return;
        }
        let t = state.clock.now();
        match &clean {
            Some(clean) => {
                state.writer.frame(conn, (t, None), from, Head::TEXT, &clean.text, &clean.redacted)
            }
            None => state.writer.frame(conn, (t, None), from, Head::TEXT, text, &[]),
        };
        // A question and its answer are few bytes, and it took long to get them.
        state.writer.output.flush();
    }

    /// Adds how a connection ended: who ended it, and with which code if there was one. It is ended once.
    pub fn close(&self, conn: u64, by: Side, code: Option<u16>) {
        let mut state = self.state();
        if state.open.remove(&conn) {
            let t = state.clock.now();
            let ending = Ending { by: Some(by), code, clean: code.is_some(), ..Ending::default() };
            state.writer.close(conn, t, &ending);
            state.writer.output.flush();
        }
    }

    /// Ends the recording again. Nothing can be added any more. Returns how many connections were added.
    ///
    /// # Errors
    ///
    /// [`AppendError::Write`] if not all could be written; what the file has is whole.
    pub fn seal(&self) -> Result<u64, AppendError> {
        let mut state = self.state();
        let state = &mut *state;
        let open = std::mem::take(&mut state.open);
        if std::mem::replace(&mut state.sealed, true) || state.end.is_some() {
            return Ok(0);
        }
        let t = state.clock.now();
        for conn in open {
            state.writer.close(conn, t, &Ending::default());
        }
        state.writer.end(t, None);
        let file = state.writer.output.medium();
        let synced = match is_at(Ok(file), &self.path) {
            true => file.sync_all(),
            false => Err(io::Error::other("another program has replaced it meanwhile")),
        };
        match state.writer.output.resume().map_or(synced, Err) {
            Err(error) => Err(self.failed(error)),
            Ok(()) => Ok(state.added),
        }
    }

    fn failed(&self, source: io::Error) -> AppendError {
        AppendError::Write { path: self.path.clone(), source }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only what was written whole is counted, so that nothing is half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns where the `end` line of a whole recording lies, or the compressed frame that holds it and nothing else.
fn find_end(file: &mut File) -> io::Result<(Range<u64>, Option<Zip>)> {
    /// An `end` line has numbers and at most one name of a file.
    const LONGEST: u64 = 16 << 10;
    const MAGIC: [u8; 4] = zstd::zstd_safe::MAGICNUMBER.to_le_bytes();

    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut first = [0];
    file.read_exact(&mut first)?;
    let start = size.saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let is_end = |line: &[u8]| {
        let line = line.strip_suffix(b"\n").filter(|line| !line.contains(&b'\n'));
        line.and_then(|line| entry_of(&line.to_vec().into()).ok())
            .is_some_and(|entry| matches!(entry.kind, EntryKind::End))
    };
    let is_zipped = first[0] == MAGIC[0];
    let found = if is_zipped {
        let frames = memchr::memmem::rfind_iter(&tail, &MAGIC);
        frames
            .take(8)
            .find(|at| zstd::bulk::decompress(&tail[*at..], LONGEST as usize).is_ok_and(|line| is_end(&line)))
    } else {
        let before = tail.strip_suffix(b"\n").unwrap_or(&tail);
        Some(memchr::memrchr(b'\n', before).map_or(0, |at| at + 1)).filter(|at| is_end(&tail[*at..]))
    };
    let fault = match is_zipped {
        true => "it was compressed as a whole, and not by a recorder: unpack it first",
        false => "its last line is no `end`",
    };
    let at = found.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, fault))?;
    Ok((start + at as u64..size, if is_zipped { Some(Zip::new()?) } else { None }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::chain::chain;
    use crate::record::{Entry, RecordingParts, check};

    const BUNDLED: &[u8] = include_bytes!("../../assets/demo.qixrec");
    const ASK: &[u8] = br#"{"id":1,"method":"OpenDoc","handle":-1,"params":["S","me","s3cret"]}"#;
    const ANSWER: &[u8] = br#"{"id":1,"result":{}}"#;

    fn add(path: &Path) -> u64 {
        let appender = Appender::open([path], &Redaction::standard()).unwrap();
        let conn = appender.connection("/app/S?qlikTicket=t1ck3t&x=1").unwrap();
        appender.text(conn, Side::Client, ASK);
        appender.text(conn, Side::Engine, ANSWER);
        appender.close(conn, Side::Client, Some(1000));
        appender.seal().unwrap();
        conn
    }

    fn entries(path: &Path) -> Vec<Entry> {
        RecordingReader::open(path).unwrap().map(Result::unwrap).collect()
    }

    fn check_added(path: &Path, before: usize, conn: u64) {
        let after = entries(path);
        assert!(check(path).unwrap().is_whole());
        // `open`, two frames, `close`, and a new `end` in the place of the old one.
        assert_eq!(after.len(), before + 4);
        let numbers: Vec<u64> = after.iter().map(|entry| entry.seq).collect();
        assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
        assert!(after.is_sorted_by_key(|entry| entry.at));
        let EntryKind::Open(opening) = &after[before - 1].kind else { panic!("{:?}", after[before - 1]) };
        assert!(opening.added && after[before - 1].conn == Some(conn));
        assert_eq!(opening.url, "/app/S?qlikTicket=***&x=1");
    }

    #[test]
    fn connection_is_added_before_a_new_end_and_without_its_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec");
        fs::write(&path, BUNDLED).unwrap();
        let before = entries(&path).len();
        let conn = add(&path);
        check_added(&path, before, conn);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.as_bytes()[..BUNDLED.len() - 200] == BUNDLED[..BUNDLED.len() - 200]);
        assert!(!text.contains("s3cret") && !text.contains("t1ck3t"));
        assert_eq!(add(&path), conn + 1, "and once more");
        check_added(&path, before + 4, conn + 1);
    }

    #[test]
    fn compressed_file_gets_further_frames() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec.zst");
        // As a recorder does: the `end` line has a frame of its own.
        let end = memchr::memrchr(b'\n', &BUNDLED[..BUNDLED.len() - 1]).unwrap() + 1;
        let frames = [&BUNDLED[..end], &BUNDLED[end..]].map(|part| zstd::bulk::compress(part, 1).unwrap());
        fs::write(&path, frames.concat()).unwrap();
        let before = entries(&path).len();
        let conn = add(&path);
        check_added(&path, before, conn);
        assert!(fs::read(&path).unwrap().starts_with(&frames[0]));
    }

    #[test]
    fn file_that_another_program_has_compressed_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec.zst");
        fs::write(&path, zstd::bulk::compress(BUNDLED, 1).unwrap()).unwrap();
        let error = chain(&Appender::open([&path], &Redaction::standard()).unwrap_err());
        assert!(
            error.ends_with("it was compressed as a whole, and not by a recorder: unpack it first"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_written_before_there_is_something_to_add() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec");
        fs::write(&path, BUNDLED).unwrap();
        let appender = Appender::open([&path], &Redaction::standard()).unwrap();
        assert_eq!(appender.seal().unwrap(), 0);
        assert!(appender.connection("/").is_err(), "it was sealed");
        assert!(fs::read(&path).unwrap() == BUNDLED);
    }

    #[test]
    fn file_that_another_program_has_changed_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec");
        fs::write(&path, BUNDLED).unwrap();
        let late = Appender::open([&path], &Redaction::standard()).unwrap();
        add(&path);
        let before = fs::read(&path).unwrap();
        let error = chain(&late.connection("/").unwrap_err());
        assert!(error.ends_with("another program has changed it since it was read"), "{error}");
        assert_eq!(late.seal().unwrap(), 0);
        assert!(fs::read(&path).unwrap() == before);
    }

    #[cfg(unix)]
    #[test]
    fn what_went_into_a_file_that_another_program_has_replaced_is_not_said_to_be_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec");
        fs::write(&path, BUNDLED).unwrap();
        let first = Appender::open([&path], &Redaction::standard()).unwrap();
        let conn = first.connection("/x").unwrap();
        // To it, this is a file that a crash has left.
        let second = Appender::open([&path], &Redaction::standard()).unwrap();
        first.text(conn, Side::Client, ASK);
        let error = chain(&first.seal().unwrap_err());
        assert!(error.ends_with("another program has replaced it meanwhile"), "{error}");
        assert_eq!(second.seal().unwrap(), 0);
    }

    #[test]
    fn file_that_was_cut_is_repaired_first_and_again_after_a_crash_while_adding() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec");
        fs::write(&path, &BUNDLED[..BUNDLED.len() - 300]).unwrap();
        let appender = Appender::open([&path], &Redaction::standard()).unwrap();
        let conn = appender.connection("/x").unwrap();
        appender.text(conn, Side::Client, ASK);
        // Gone without an end, as if killed, and half a line later.
        drop(appender);
        let mut bytes = fs::read(&path).unwrap();
        assert!(!check(&path).unwrap().was_sealed);
        bytes.extend_from_slice(b"{\"seq\":99");
        fs::write(&path, bytes).unwrap();
        assert_eq!(add(&path), conn + 1);
        assert!(check(&path).unwrap().is_whole());
        let asked = entries(&path).iter().filter(|entry| entry.conn == Some(conn)).count();
        assert_eq!(asked, 2, "what was added before the crash is kept");
    }

    #[test]
    fn last_of_several_files_is_added_to_and_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("a.qixrec"), dir.path().join("a-2.qixrec"));
        let head =
            r#"{"qixrec":[1,1],"started":"2026-01-02T03:04:05.678901Z","tool":"t","upstream":"ws://h/""#;
        let open =
            r#"{"seq":1,"t":1,"conn":1,"kind":"open","url":"/","status":101,"request":[],"response":[]}"#;
        let end = r#"{"seq":2,"t":9,"kind":"end","connections":1,"frames":0,"next":"a-2.qixrec"}"#;
        fs::write(&one, format!("{head}}}\n{open}\n{end}\n")).unwrap();
        let note = r#"{"seq":3,"t":9,"kind":"note","text":"x"}"#;
        let last = r#"{"seq":4,"t":9,"kind":"end","connections":0,"frames":0}"#;
        fs::write(&two, format!("{head},\"part\":2,\"continues\":\"a.qixrec\"}}\n{note}\n{last}\n")).unwrap();
        let alone = Appender::open([&one], &Redaction::standard()).unwrap_err();
        assert!(alone.to_string().contains("is continued by a-2.qixrec"), "{alone}");
        let before = fs::read(&one).unwrap();
        let appender = Appender::open([&two, &one], &Redaction::standard()).unwrap();
        assert_eq!((appender.path(), appender.connection("/").unwrap()), (&*two, 2));
        appender.seal().unwrap();
        assert!(fs::read(&one).unwrap() == before);
        let numbers: Vec<_> =
            RecordingParts::open([&one, &two]).unwrap().map(|entry| entry.unwrap().seq).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn end_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).open(dir.path().join("x")).unwrap();
        io::Write::write_all(&mut file, b"one\ntwo\n").unwrap();
        assert!(find_end(&mut file).is_err());
    }
}
