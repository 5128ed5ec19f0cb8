//! The file that is written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::ExportError;

/// A new file, which only its owner may read, and which is removed again unless it was [finished](Self::finish).
#[derive(Debug)]
pub(super) struct NewFile {
    pub(super) out: BufWriter<File>,
    path: PathBuf,
    finished: bool,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(file) => {
                let out = BufWriter::with_capacity(256 << 10, file);
                Ok(Self { out, path: path.to_owned(), finished: false })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ExportError::Exists { path: path.to_owned() })
            }
            Err(source) => Err(ExportError::Write { path: path.to_owned(), source }),
        }
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // It is ours, and of no use.
            let _ = fs::remove_file(&self.path);
        }
    }
}
