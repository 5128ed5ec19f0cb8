//! Deletes old files of a recording, and nothing else.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{FileSettings, RecordingReader, names::Names};

/// How much of the end of a file is looked at: more than its last line takes.
const TAIL: u64 = 16 << 10;

/// The sealed files of a recorder, oldest first.
#[derive(Debug, Default)]
pub(super) struct Retention {
    keep: Option<usize>,
    keep_size: Option<u64>,
    sealed: VecDeque<(PathBuf, u64)>,
}

impl Retention {
    /// Finds what earlier runs have left.
    pub(super) fn new(names: &Names, settings: &FileSettings) -> Self {
        let mut retention =
            Self { keep: settings.keep, keep_size: settings.keep_size, sealed: VecDeque::new() };
        if retention.is_off() {
            return retention;
        }
        let entries = fs::read_dir(names.folder()).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| names.matches(name)))
            .filter_map(|entry| {
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((metadata.modified().ok()?, entry.path(), metadata.len()))
            })
            .collect();
        found.sort();
        retention.sealed = found
            .into_iter()
            .map(|(_, path, size)| (path, size))
            .filter(|(path, _)| is_sealed(path))
            .collect();
        retention
    }

    fn is_off(&self) -> bool {
        self.keep.is_none() && self.keep_size.is_none()
    }

    /// Takes in a file that was sealed just now.
    pub(super) fn add(&mut self, path: PathBuf, size: u64) {
        if !self.is_off() {
            self.sealed.push_back((path, size));
        }
    }

    /// Deletes what is too much, beside so many open files of so many bytes.
    pub(super) fn tidy(&mut self, open: usize, bytes: u64) {
        let mut total = bytes + self.sealed.iter().map(|(_, size)| size).sum::<u64>();
        while self.keep.is_some_and(|keep| self.sealed.len() + open > keep)
            || self.keep_size.is_some_and(|keep| total > keep)
        {
            let Some((path, size)) = self.sealed.pop_front() else { return };
            total -= size;
            // Somebody may have put another file there since.
            if !is_sealed(&path) {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!("deleted {}, as there are enough newer files", path.display()),
                Err(error) => tracing::warn!("cannot delete {}: {error}", path.display()),
            }
        }
    }
}

/// Returns whether a file is a recording that was closed in order.
pub(super) fn is_sealed(path: &Path) -> bool {
    RecordingReader::open(path).is_ok() && last_line(path).is_ok_and(|line| is_end(&line))
}

fn is_end(line: &[u8]) -> bool {
    let Ok(line) = qix_protocol::frame::Raw::new(line) else { return false };
    qix_protocol::frame::members(line).any(|(name, value)| name == "kind" && value.as_bytes() == b"\"end\"")
}

/// Returns the last line of a file, be it compressed or not.
fn last_line(path: &Path) -> io::Result<Vec<u8>> {
    const MAGIC: [u8; 4] = zstd::zstd_safe::MAGICNUMBER.to_le_bytes();

    let mut file = File::open(path)?;
    let mut first = [0; 4];
    file.read_exact(&mut first)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    if first == MAGIC {
        // The last line has a frame of its own.
        let at = tail.windows(4).rposition(|window| window == MAGIC).ok_or(io::ErrorKind::InvalidData)?;
        tail = zstd::bulk::decompress(&tail[at..], TAIL as usize)?;
    }
    if tail.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let start = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(tail.split_off(start))
}
