//! Compression in independent frames, so that a file that was cut can be read up to the cut.

use std::{fmt, io};

use zstd::{bulk::Compressor, zstd_safe::CParameter};

/// How hard to compress: fast enough not to slow recording down, and JSON gets small all the same.
const LEVEL: i32 = 1;

/// Makes frames.
pub(crate) struct Zip {
    compressor: Compressor<'static>,
    frame: Vec<u8>,
}

impl fmt::Debug for Zip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zip")
    }
}

impl Zip {
    pub(crate) fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor, frame: Vec::new() })
    }

    /// Compresses bytes into a frame of their own.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> io::Result<&[u8]> {
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        self.compressor.compress_to_buffer(bytes, &mut self.frame)?;
        Ok(&self.frame)
    }
}
