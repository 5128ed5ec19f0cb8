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
pub(super) struct NewFile {
    path: PathBuf,
    file: BufWriter<File>,
    kept: bool,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
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

    /// Ends the file.
    pub(super) fn keep(mut self) -> Result<(), ExportError> {
        let ended = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        ended.map_err(self.failed())?;
        self.kept = true;
        Ok(())
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
