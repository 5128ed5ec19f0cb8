//! The file that is written, or not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::ExportError;

/// A file that was not there before, which only its owner may read; removed again unless it is [kept](Self::keep).
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    file: BufWriter<File>,
    kept: bool,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => ExportError::Exists { path: path.to_owned() },
            _ => ExportError::Write { path: path.to_owned(), source },
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = BufWriter::with_capacity(1 << 18, options.open(path).map_err(failed)?);
        Ok(Self { path: path.to_owned(), file, kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Says which file could not be written.
    pub(super) fn failed(&self) -> impl Fn(io::Error) -> ExportError + use<> {
        let path = self.path.clone();
        move |source| ExportError::Write { path: path.clone(), source }
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
