//! Makes recordings of what other tools have written.

mod enigma_go;
mod error;
mod har;
mod report;
mod sniff;
mod traffic;
mod unpack;
mod untimed;

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
};

use encoding_rs_io::DecodeReaderBytesBuilder;
pub use error::ImportError;
pub use report::{ImportReport, LeftOut};
pub use sniff::Foreign;

use crate::record::Redaction;

/// How files of other tools are taken over.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportSettings {
    /// What is a secret.
    ///
    /// Default: [`Redaction::standard`].
    pub redaction: Redaction,
    /// What the file is; `None` finds out.
    ///
    /// Default: `None`.
    pub kind: Option<Foreign>,
    /// Leaves plain HTTP out, so that only what was said to engines is taken over.
    ///
    /// Default: `false`, so that a page can be replayed with all that it loads.
    pub leave_out_http: bool,
    /// Takes WebSockets over on which no message is one of an engine or its client.
    ///
    /// Default: `false`.
    pub all_sockets: bool,
}

/// Makes a recording of a file of another tool. `-` is standard input.
///
/// It may be compressed by gzip, zlib or zstd. What does not fit is left out, and reported.
///
/// # Errors
///
/// [`ImportError`] if nothing of the file can be used, or the recording cannot be written; there is no recording then.
pub fn import(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    settings: &ImportSettings,
) -> Result<ImportReport, ImportError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let failed = |source| ImportError::Read { path: from.to_owned(), source };
    let reader: Box<dyn Read> = match from.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(from).map_err(failed)?),
    };
    let reader = BufReader::with_capacity(1 << 20, reader);
    let reader = unpack::unpack(reader).map_err(failed)?;
    // PowerShell writes what a program prints as UTF-16.
    let reader = DecodeReaderBytesBuilder::new().strip_bom(true).build(reader);
    let mut reader = BufReader::with_capacity(1 << 20, reader);
    let start = sniff::start(&mut reader).map_err(failed)?;
    let kind = match settings.kind {
        Some(kind) => kind,
        None => sniff::sniff(&start).map_err(|what| ImportError::Unknown { path: from.to_owned(), what })?,
    };
    let mut reader = BufReader::with_capacity(1 << 20, Cursor::new(start).chain(reader));
    let source = Source { from, to, settings, reader: &mut reader };
    match kind {
        Foreign::Har => har::import(source),
        Foreign::EnigmaGo => enigma_go::import(source),
        Foreign::Traffic => traffic::import(source),
    }
}

/// What an importer works with.
struct Source<'a> {
    from: &'a Path,
    to: &'a Path,
    settings: &'a ImportSettings,
    reader: &'a mut dyn io::BufRead,
}

impl Source<'_> {
    /// Says that there is nothing to import.
    fn empty(&self, kind: Foreign) -> ImportError {
        ImportError::Empty { path: self.from.to_owned(), kind }
    }

    /// Says that the file is not what it was taken for.
    fn malformed(&self, kind: Foreign, what: String) -> ImportError {
        ImportError::Malformed { path: self.from.to_owned(), kind, what }
    }
}
