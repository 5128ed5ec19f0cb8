//! The file of a recording: appended to line by line, through one buffer, and never left with half a line in the middle.

use std::{
    fs::File,
    io::{self, IoSlice, Write},
};

use super::zip::Zip;

/// How much is collected before it is written, in bytes.
const ENOUGH: usize = 256 << 10;
/// What is at least this large is written from where it lies.
const LARGE: usize = 32 << 10;

/// What an [`Output`] writes to.
pub(super) trait Medium: Write {
    /// Takes back what is behind `length`.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Collects lines and appends them to a file.
///
/// After a fault nothing more is written until [`resume`](Self::resume). Lines that are complete wait in the buffer; what the file has of
/// an incomplete one is cut off.
#[derive(Debug)]
pub(super) struct Output<W = File> {
    medium: W,
    zip: Option<Zip>,
    buffer: Vec<u8>,
    /// How much of the buffer is whole lines.
    whole: usize,
    written: u64,
    /// Where in the file the line begins whose rest is in the buffer, if its beginning was written.
    line_at: Option<u64>,
    /// Whether the line that is being put together cannot be kept.
    lost: bool,
    fault: Option<io::Error>,
    /// Whether the file ends in part of a line that cannot be cut off.
    ragged: bool,
}

impl<W: Medium> Output<W> {
    pub(super) fn new(medium: W, zip: Option<Zip>) -> Self {
        Self {
            medium,
            zip,
            buffer: Vec::new(),
            whole: 0,
            written: 0,
            line_at: None,
            lost: false,
            fault: None,
            ragged: false,
        }
    }

    /// Continues a medium that has `written` bytes.
    pub(super) fn behind(medium: W, zip: Option<Zip>, written: u64) -> Self {
        Self { written, ..Self::new(medium, zip) }
    }

    /// Returns the buffer, to append small things to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends a part of a line that may be large.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.zip.is_some() {
            for piece in bytes.chunks(ENOUGH) {
                self.buffer.extend_from_slice(piece);
                self.settle();
            }
        } else if bytes.len() < LARGE {
            self.buffer.extend_from_slice(bytes);
            self.settle();
        } else if !self.lost {
            self.write_part([bytes, &[]]);
        }
    }

    /// Appends the end of a line, which may be large, and the `tail` behind it. Returns whether the line was kept.
    pub(super) fn end_with(&mut self, bytes: &[u8], tail: &[u8]) -> bool {
        if self.zip.is_some() || bytes.len() < LARGE {
            self.append(bytes);
            self.buffer.extend_from_slice(tail);
            return self.end_line();
        }
        if !self.lost {
            self.write_part([bytes, tail]);
            self.line_at = None;
        }
        !std::mem::take(&mut self.lost)
    }

    /// Writes the buffer, which ends within a line, if it holds enough to be worth it.
    pub(super) fn settle(&mut self) {
        if self.lost {
            self.buffer.truncate(self.whole);
        } else if self.buffer.len() >= ENOUGH {
            self.write_part([&[], &[]]);
        }
    }

    /// Ends a line, whose line feed is in the buffer. Returns whether it was kept.
    pub(super) fn end_line(&mut self) -> bool {
        if std::mem::take(&mut self.lost) {
            self.buffer.truncate(self.whole);
            return false;
        }
        self.whole = self.buffer.len();
        if self.line_at.is_some() {
            // Whether it is kept must be known now: what was written of it cannot be had back.
            self.flush();
            return self.fault.is_none();
        }
        if self.buffer.len() >= ENOUGH {
            self.flush();
        }
        true
    }

    /// Hands everything to the system. The buffer ends with a line.
    pub(super) fn flush(&mut self) {
        if self.fault.is_some() || self.buffer.is_empty() {
            return;
        }
        let start = self.line_at.unwrap_or(self.written);
        match write_all(&mut self.medium, &mut self.zip, [&self.buffer, &[], &[]]) {
            Ok(written) => {
                self.written += written;
                self.forget(0);
                self.line_at = None;
            }
            Err(error) => {
                if self.line_at.is_some() {
                    self.forget(0);
                }
                self.fail(error, start);
            }
        }
    }

    /// Writes what there is of a line, and `more`.
    fn write_part(&mut self, more: [&[u8]; 2]) {
        if self.fault.is_some() {
            return self.lose();
        }
        let start = self.line_at.unwrap_or(self.written);
        let result = if self.zip.is_some() && self.whole > 0 {
            // Frames end where lines do, so that a line can be cut off.
            let lines = write_all(&mut self.medium, &mut self.zip, [&self.buffer[..self.whole], &[], &[]]);
            lines.and_then(|written| {
                self.written += written;
                self.buffer.drain(..self.whole);
                self.whole = 0;
                self.line_at = Some(self.written);
                write_all(&mut self.medium, &mut self.zip, [&self.buffer, more[0], more[1]])
            })
        } else {
            write_all(&mut self.medium, &mut self.zip, [&self.buffer, more[0], more[1]])
        };
        match result {
            Ok(written) => {
                self.line_at.get_or_insert(self.written + self.whole as u64);
                self.written += written;
                self.buffer.clear();
                self.whole = 0;
            }
            Err(error) => {
                let start = if self.whole == 0 { self.line_at.unwrap_or(start) } else { start };
                self.lose();
                self.fail(error, start);
            }
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.buffer.truncate(self.whole);
    }

    fn fail(&mut self, error: io::Error, start: u64) {
        self.fault = Some(error);
        self.line_at = None;
        self.ragged |= self.medium.cut(start).is_err();
        self.written = start;
    }

    /// Returns why nothing is written any more.
    pub(super) fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    /// Stops writing, for a reason that was found elsewhere. The file is not to be appended to.
    pub(super) fn distrust(&mut self, error: io::Error) {
        self.fault = Some(error);
        self.ragged = true;
    }

    /// Returns whether the file may be appended to.
    pub(super) fn is_ragged(&self) -> bool {
        self.ragged
    }

    /// Lets it try again. Returns why it had stopped.
    pub(super) fn resume(&mut self) -> Option<io::Error> {
        self.fault.take()
    }

    /// Returns the complete lines that wait to be written.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.buffer[..self.whole]
    }

    /// Forgets complete lines that were added since there were `length` bytes of them.
    pub(super) fn forget(&mut self, length: usize) {
        self.buffer.truncate(length);
        self.whole = self.buffer.len();
    }

    /// Gives the memory of the empty buffer back.
    pub(super) fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    /// Returns how many bytes the file has.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns what is written to.
    pub(super) fn medium(&self) -> &W {
        &self.medium
    }
}

/// Writes all parts, compressed or as they are, and returns how many bytes that took.
fn write_all(medium: &mut impl Write, zip: &mut Option<Zip>, parts: [&[u8]; 3]) -> io::Result<u64> {
    if let Some(zip) = zip {
        let mut written = 0;
        for piece in parts.into_iter().filter(|part| !part.is_empty()) {
            let frame = zip.frame(piece)?;
            medium.write_all(frame)?;
            written += frame.len() as u64;
        }
        return Ok(written);
    }
    let total = parts.iter().map(|part| part.len() as u64).sum();
    let mut slices = parts.map(IoSlice::new);
    let mut slices = &mut slices[..];
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match medium.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// A file in memory.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Memory(pub(super) Vec<u8>);

#[cfg(test)]
impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
impl Medium for Memory {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most 1,031 bytes at a time, and has room for so many.
    struct Slow {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(1031).min(self.room - self.bytes.len());
            if taken == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Medium for Slow {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.bytes.truncate(length as usize);
            Ok(())
        }
    }

    fn output(room: usize, zipped: bool) -> Output<Slow> {
        Output::new(Slow { bytes: Vec::new(), room }, zipped.then(|| Zip::new().unwrap()))
    }

    fn text(output: &Output<Slow>, zipped: bool) -> Vec<u8> {
        let bytes = &output.medium.bytes;
        if zipped && !bytes.is_empty() {
            zstd::stream::decode_all(&bytes[..]).unwrap()
        } else {
            bytes.clone()
        }
    }

    #[test]
    fn bytes_come_in_order_whatever_their_size() {
        for zipped in [false, true] {
            let mut output = output(usize::MAX, zipped);
            let large = vec![b'x'; LARGE];
            let small = vec![b'y'; 1000];
            let mut expected = Vec::new();
            for bytes in [&large[..], &small, b"", &large, &large, &small] {
                output.append(bytes);
                expected.extend_from_slice(bytes);
            }
            assert!(output.end_with(&large, b"}\n"));
            expected.extend_from_slice(&large);
            expected.extend_from_slice(b"}\n");
            output.flush();
            assert!(text(&output, zipped) == expected);
            assert_eq!(output.written(), output.medium.bytes.len() as u64);
        }
    }

    /// Writes lines of all sizes and returns the numbers of those that were said to be kept.
    fn lines(output: &mut Output<Slow>, numbers: std::ops::Range<u8>) -> Vec<u8> {
        let mut kept = Vec::new();
        for number in numbers {
            let size = [10, 3 * LARGE, ENOUGH + LARGE, 500, 2 * LARGE][usize::from(number % 5)];
            output.buffer().push(b'a' + number);
            let line = vec![b'a' + number; size];
            let is_kept = if number % 2 == 0 {
                output.append(&line);
                output.append(b"z\n");
                output.end_line()
            } else {
                output.end_with(&line, b"z\n")
            };
            if is_kept {
                kept.push(number);
            }
            if number % 3 == 2 {
                output.flush();
            }
        }
        output.flush();
        kept
    }

    #[test]
    fn full_disk_costs_no_line_that_was_said_to_be_kept_and_leaves_no_half_line_wherever_it_strikes() {
        for zipped in [false, true] {
            let mut all = output(usize::MAX, zipped);
            lines(&mut all, 0..8);
            let size = all.medium.bytes.len();
            let step = (size / 60).max(1);
            for room in (0..size).step_by(step) {
                let mut output = output(room, zipped);
                let mut kept = lines(&mut output, 0..8);
                assert!(output.fault().is_some() && !output.is_ragged());
                // Half a line is never left.
                assert!(text(&output, zipped).last().is_none_or(|last| *last == b'\n'), "{room}");
                output.medium.room = usize::MAX;
                output.resume();
                output.flush();
                kept.extend(lines(&mut output, 8..12));
                let text = text(&output, zipped);
                let found: Vec<u8> =
                    text.split(|b| *b == b'\n').filter_map(|line| line.first()).map(|b| b - b'a').collect();
                assert_eq!(found, kept, "{room} {zipped}");
                assert!(text.split(|b| *b == b'\n').all(|line| line.is_empty() || line.ends_with(b"z")));
            }
        }
    }
}
