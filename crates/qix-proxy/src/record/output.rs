//! The file of a recording: appended to, through one buffer.

use std::{
    fs::File,
    io::{self, IoSlice, Write},
};

/// How much is collected before it is written, in bytes.
const ENOUGH: usize = 256 << 10;
/// What is at least this large is written from where it lies.
const LARGE: usize = 32 << 10;

/// Collects bytes and appends them to a file.
#[derive(Debug)]
pub(super) struct Output<W = File> {
    file: W,
    buffer: Vec<u8>,
    written: u64,
}

impl<W: Write> Output<W> {
    pub(super) fn new(file: W) -> Self {
        Self { file, buffer: Vec::new(), written: 0 }
    }

    /// Returns the buffer, to append small things to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends bytes that may be many.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() < LARGE {
            self.buffer.extend_from_slice(bytes);
            return self.settle();
        }
        let mut slices = [IoSlice::new(&self.buffer), IoSlice::new(bytes)];
        let mut slices = &mut slices[..];
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match self.file.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.written += written as u64;
                    IoSlice::advance_slices(&mut slices, written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.clear();
        Ok(())
    }

    /// Writes the buffer if it holds enough to be worth it.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.buffer.len() < ENOUGH { Ok(()) } else { self.flush() }
    }

    /// Hands everything to the system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Gives the memory of the empty buffer back.
    pub(super) fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    /// Returns how many bytes were written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most seven bytes at a time.
    struct Slow(Vec<u8>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(7);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_come_in_order_whatever_their_size() {
        let mut output = Output::new(Slow(Vec::new()));
        let large = vec![b'x'; LARGE];
        let small = vec![b'y'; 1000];
        let mut expected = Vec::new();
        for bytes in [&large[..], &small, b"", &large, &large, &small] {
            output.append(bytes).unwrap();
            expected.extend_from_slice(bytes);
        }
        output.buffer().extend_from_slice(b"end");
        expected.extend_from_slice(b"end");
        output.flush().unwrap();
        assert_eq!(output.written(), expected.len() as u64);
        assert!(output.file.0 == expected);
    }
}
