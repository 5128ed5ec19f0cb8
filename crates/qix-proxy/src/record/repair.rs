//! Makes a whole recording of what a crash has left.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    EntryKind, ReadError, RecordingReader,
    follow::TornTail,
    output::Output,
    parse::{entry_of, next_of},
    writer::Writer,
    zip::Zip,
};

/// What was wrong with a recording, and was mended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Repair {
    /// Connections in the file.
    pub connections: u64,
    /// Messages in the file.
    pub frames: u64,
    /// Plain HTTP exchanges in the file.
    pub exchanges: u64,
    /// The last line, if it was cut, and is left out.
    pub torn: Option<TornTail>,
    /// How many lines in the middle could not be read, and are left out.
    pub damaged: u64,
    /// The line in which the file became unreadable, if it did: that line and all behind it are lost.
    pub broken: Option<u64>,
    /// Whether the file was closed in order.
    pub was_sealed: bool,
}

impl Repair {
    /// Returns whether nothing was wrong.
    pub fn is_whole(&self) -> bool {
        self.was_sealed && self.torn.is_none() && self.damaged == 0 && self.broken.is_none()
    }

    /// Says what was wrong.
    pub fn in_words(&self) -> String {
        let mut faults = Vec::new();
        if let Some(TornTail { line, bytes }) = self.torn {
            faults.push(format!("line {line} was cut after {bytes} bytes and is left out"));
        }
        if self.damaged > 0 {
            faults.push(format!(
                "{} that could not be read left out",
                if self.damaged == 1 { "a line".to_owned() } else { format!("{} lines", self.damaged) }
            ));
        }
        if let Some(line) = self.broken {
            faults.push(format!("nothing from line {line} on could be read"));
        }
        if !self.was_sealed {
            faults.push("the end was missing".to_owned());
        }
        faults.join(", ")
    }
}

/// Why a recording cannot be repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The file cannot be read, or is no recording.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The repaired file is there already.
    #[error("{} exists already and is never overwritten; give another name or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The repaired file cannot be written.
    #[error("cannot write {}; check that its folder exists, may be written to, and has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a recording and says what is wrong with it.
///
/// # Errors
///
/// [`ReadError`] if it cannot be read at all.
pub fn check(path: impl AsRef<Path>) -> Result<Repair, ReadError> {
    let mut scan = Scan::default();
    scan.run(&mut RecordingReader::unread(path.as_ref())?, |_| true)?;
    Ok(scan.repair)
}

/// Writes what can be read of a recording into a new file, compressed if its name ends with `.zst`, adds a `note` that says what was
/// wrong, and seals it. The original is left as it is.
///
/// # Errors
///
/// [`RepairError`]; there is no new file then.
pub fn repair(path: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Repair, RepairError> {
    let to = to.as_ref();
    let mut reader = RecordingReader::unread(path.as_ref())?;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => RepairError::Exists { path: to.to_owned() },
        _ => RepairError::Write { path: to.to_owned(), source },
    };
    let file = crate::private::create(to).map_err(failed)?;
    let repaired = zip_of(to).map_err(failed).and_then(|zip| {
        let output = Output::new(file, zip);
        let mut writer = Writer { output, seq: 0, connections: 0, frames: 0, refused: 0, exchanges: 0 };
        let mut scan = Scan::default();
        scan.run(&mut reader, |line| {
            writer.output.end_with(line, b"\n");
            writer.output.fault().is_none()
        })?;
        let Scan { repair, seq, t, next, .. } = scan;
        (writer.seq, writer.connections, writer.frames) = (seq, repair.connections, repair.frames);
        writer.exchanges = repair.exchanges;
        if !repair.is_whole() {
            writer.note(0, t, &format!("repaired: {}", repair.in_words()));
        }
        writer.end(t, next.as_deref());
        let synced = writer.output.medium().sync_all();
        writer.output.resume().map_or(synced, Err).map_err(failed)?;
        Ok(repair)
    });
    if repaired.is_err() {
        // It is ours, and of no use.
        let _ = fs::remove_file(to);
    }
    repaired
}

/// Repairs a recording by putting another file in its place, once that is complete. A whole file is left as it is.
///
/// # Errors
///
/// [`RepairError`]; the original is as it was then.
pub fn repair_in_place(path: impl AsRef<Path>) -> Result<Repair, RepairError> {
    let path = path.as_ref();
    let found = check(path)?;
    if found.is_whole() {
        return Ok(found);
    }
    let mut name = OsStr::new(".repaired-").to_owned();
    name.push(path.file_name().unwrap_or_default());
    let other = path.with_file_name(name);
    let repaired = repair(path, &other)?;
    fs::rename(&other, path).map_err(|source| RepairError::Write { path: path.to_owned(), source })?;
    Ok(repaired)
}

fn zip_of(path: &Path) -> io::Result<Option<Zip>> {
    if path.extension().is_some_and(|extension| extension == "zst") { Zip::new().map(Some) } else { Ok(None) }
}

/// What is found on the way through a file.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) repair: Repair,
    /// The number of the last entry but for the `end`.
    pub(super) seq: u64,
    pub(super) t: u64,
    /// The greatest number of a connection.
    pub(super) conn: u64,
    pub(super) next: Option<String>,
}

impl Scan {
    /// Hands each line on that is worth keeping, but for the `end`, until `keep` returns `false`.
    pub(super) fn run(
        &mut self,
        reader: &mut RecordingReader,
        mut keep: impl FnMut(&Bytes) -> bool,
    ) -> Result<(), ReadError> {
        let header = reader.read_header()?;
        let mut go_on = keep(&header);
        while go_on {
            let line = match reader.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(ReadError::Damaged { line, .. }) => {
                    self.repair.broken = Some(line);
                    break;
                }
                Err(error) => return Err(error),
            };
            // An end is one only where nothing follows.
            self.repair.was_sealed = false;
            let Ok(entry) = entry_of(&line) else {
                self.repair.damaged += 1;
                continue;
            };
            // Two more entries may follow, whatever the file says.
            self.seq = self.seq.max(entry.seq).min(u64::MAX - 2);
            self.t = self.t.max(entry.at.as_micros() as u64);
            self.conn = self.conn.max(entry.conn.unwrap_or_default());
            match entry.kind {
                EntryKind::Open(opening) => self.repair.connections += u64::from(!opening.continued),
                EntryKind::Frame { .. } => self.repair.frames += 1,
                EntryKind::Http(_) => self.repair.exchanges += 1,
                EntryKind::End => {
                    self.repair.was_sealed = true;
                    self.next = next_of(&line);
                    self.seq = self.seq.min(entry.seq.saturating_sub(1));
                    continue;
                }
                _ => {}
            }
            go_on = keep(&line);
        }
        self.repair.torn = reader.torn();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLED: &[u8] = include_bytes!("../../assets/demo.qixrec");

    /// Repairs `bytes` and returns what was wrong, and what there is now.
    fn repaired(bytes: &[u8], to: &str) -> (Repair, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.qixrec"), dir.path().join(to));
        fs::write(&from, bytes).unwrap();
        let found = repair(&from, &to).unwrap();
        assert_eq!(found, check(&from).unwrap());
        assert!(check(&to).unwrap().is_whole());
        assert_eq!(fs::read(&from).unwrap(), bytes, "the original is left alone");
        let text = fs::read(&to).unwrap();
        repair_in_place(&from).unwrap();
        let is_zipped = to.extension().is_some_and(|extension| extension == "zst");
        assert!(is_zipped || found.is_whole() || fs::read(&from).unwrap() == text);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
        (found, text)
    }

    #[test]
    fn whole_file_stays_as_it_is() {
        let (found, text) = repaired(BUNDLED, "b.qixrec");
        assert!(found.is_whole() && found.frames > 0);
        assert_eq!(found.in_words(), "");
        assert!(text == BUNDLED);
    }

    #[test]
    fn file_cut_anywhere_is_whole_again_and_keeps_each_complete_line() {
        let header = memchr::memchr(b'\n', BUNDLED).unwrap() + 1;
        for cut in (header..BUNDLED.len()).step_by(997) {
            let (found, text) = repaired(&BUNDLED[..cut], "b.qixrec");
            let whole = memchr::memrchr(b'\n', &BUNDLED[..cut]).unwrap() + 1;
            assert!(text.starts_with(&BUNDLED[..whole]));
            assert_eq!(found.torn.map_or(0, |torn| torn.bytes as usize), cut - whole);
            let added: Vec<_> = text[whole..].split(|byte| *byte == b'\n').collect();
            assert_eq!(added.len(), 3, "a note, an end, and nothing behind");
        }
    }

    #[test]
    fn cut_compressed_file_keeps_what_can_be_read() {
        let mut bytes: Vec<u8> =
            BUNDLED.chunks(1000).flat_map(|part| zstd::bulk::compress(part, 1).unwrap()).collect();
        bytes.truncate(bytes.len() * 2 / 3);
        let (found, text) = repaired(&bytes, "b.qixrec.zst");
        assert!(found.torn.is_some());
        let text = zstd::stream::decode_all(&text[..]).unwrap();
        assert!(text.len() > BUNDLED.len() / 3);
    }

    #[test]
    fn entries_with_impossible_numbers_are_survived() {
        let header = memchr::memchr(b'\n', BUNDLED).unwrap() + 1;
        for line in [
            r#"{"seq":0,"t":0,"kind":"end"}"#,
            r#"{"seq":18446744073709551615,"t":0,"kind":"note","text":""}"#,
        ] {
            repaired(&[&BUNDLED[..header], line.as_bytes(), b"\n"].concat(), "b.qixrec");
        }
    }

    #[test]
    fn damaged_line_in_the_middle_is_left_out_and_noted() {
        let mut bytes = BUNDLED.to_vec();
        let header = memchr::memchr(b'\n', BUNDLED).unwrap() + 1;
        bytes[header] = b'x';
        let (found, text) = repaired(&bytes, "b.qixrec");
        assert_eq!((found.damaged, found.was_sealed), (1, true));
        assert!(
            String::from_utf8(text).unwrap().contains("repaired: a line that could not be read left out")
        );
    }
}
