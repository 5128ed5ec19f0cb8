//! The file that a cleaned recording is written to.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use crate::{private, record::Zip};

/// How much is collected before it is written, in bytes; a compressed frame holds as much.
const ENOUGH: usize = 1 << 20;

/// Takes lines.
#[derive(Debug)]
pub(super) struct Copy {
    file: File,
    zip: Option<Zip>,
    waiting: Vec<u8>,
}

impl Copy {
    /// Creates the file, which must not exist and only its owner may read; compressed if its name ends with `.zst`.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let is_zipped = path.extension().is_some_and(|extension| extension == "zst");
        let zip = if is_zipped { Some(Zip::new()?) } else { None };
        Ok(Self { file: private::create(path)?, zip, waiting: Vec::new() })
    }

    /// Takes a line, which has no line feed yet.
    pub(super) fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.waiting.extend_from_slice(line);
        self.waiting.push(b'\n');
        if self.waiting.len() < ENOUGH { Ok(()) } else { self.flush() }
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let bytes = match &mut self.zip {
            Some(zip) => zip.frame(&self.waiting)?,
            None => &self.waiting,
        };
        self.file.write_all(bytes)?;
        self.waiting.clear();
        Ok(())
    }
}
