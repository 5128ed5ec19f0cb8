//! The file that is written, or not there.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::ExportError;
use crate::{private, record::WriteError};

/// A file that was not there before, which only its owner may read; removed again unless it is [kept](Self::keep).
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    file: BufWriter<File>,
    kept: bool,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> Result<Self, WriteError> {
        let file = private::create(path).map_err(|source| WriteError::new(path, source))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::with_capacity(1 << 18, file), kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Says which file could not be written.
    pub(super) fn failed(&self) -> impl Fn(io::Error) -> ExportError + use<> {
        let path = self.path.clone();
        move |source| WriteError::new(&path, source).into()
    }

    /// Ends the file, and returns its size in bytes.
    pub(crate) fn keep(mut self) -> Result<u64, WriteError> {
        let ended = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        let length = ended.and_then(|()| Ok(self.file.get_ref().metadata()?.len()));
        let length = length.map_err(|source| WriteError::new(&self.path, source))?;
        self.kept = true;
        Ok(length)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // It is ours, and not whole.
            let _ = fs::remove_file(&self.path);
        }
    }
}
