//! Why a recording cannot be read.

use std::{io, path::PathBuf};

use super::VERSION;

/// Why a recording cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}; {advice}", path = path.display(), advice = advice(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has no header line, because nothing was recorded or the recorder was stopped at once.
    #[error("{path} is empty: record into it first", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{path} is no recording: its first line is not the header of a .qixrec file; give a file that `qix-proxy record` has written", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a program that is too new.
    #[error(
        "{path} has format {major}.{minor} and this program reads {}.x: take a newer qix-proxy",
        VERSION.0, path = path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// The file was written by a program that is too old.
    #[error("{path} has format {major}.{minor}, which is no longer read: take an older qix-proxy", path = path.display())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// A line in the middle is damaged.
    #[error("line {line} of {path} is damaged: {fault}; remove the line to read the rest", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The files are no parts of one recording.
    #[error("{path} belongs to another recording than {other}; give the files of one", path = path.display(), other = other.display())]
    Stranger {
        /// A file.
        path: PathBuf,
        /// A file of another recording.
        other: PathBuf,
    },
    /// A file names another as the one that continues it, which is an earlier one, or the same.
    #[error("{other} is said to go on in {path}, which does not continue it; read the files without following", path = path.display(), other = other.display())]
    NotNext {
        /// The file that is named.
        path: PathBuf,
        /// The file that names it.
        other: PathBuf,
    },
    /// Two files hold the same entries.
    #[error("{path} holds entries that another file holds as well; give each file once", path = path.display())]
    Twice {
        /// The second of them.
        path: PathBuf,
    },
}

fn advice(error: &io::Error) -> &'static str {
    /// What systems say of a process that has as many files open as it may: of a recording with a file for each connection, all are.
    const EMFILE: i32 = 24;
    match error.raw_os_error() {
        Some(EMFILE) if cfg!(unix) => "allow more files to be open at a time, with `ulimit -n`",
        _ => "check its name and that it may be read",
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn too_many_open_files_are_told_from_a_file_that_cannot_be_read() {
        let words =
            |code| ReadError::Io { path: "a".into(), source: io::Error::from_raw_os_error(code) }.to_string();
        assert!(words(24).contains("ulimit -n") && !words(2).contains("ulimit"));
    }
}
