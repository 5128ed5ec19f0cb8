//! Where recorded lines stand, and how they are read when they are asked for.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

/// Where a line begins: the number of its source in the upper 16 bits, then the byte.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place(u64);

impl Place {
    const OFFSET_BITS: u32 = 48;

    pub(super) fn new(source: usize, offset: u64) -> Self {
        Self((source as u64) << Self::OFFSET_BITS | offset)
    }

    pub(super) fn from_halves([high, low]: [u32; 2]) -> Self {
        Self(u64::from(high) << 32 | u64::from(low))
    }

    /// Splits it in two, so that a table of many is packed tightly.
    pub(super) fn halves(self) -> [u32; 2] {
        [(self.0 >> 32) as u32, self.0 as u32]
    }

    fn source(self) -> usize {
        (self.0 >> Self::OFFSET_BITS) as usize
    }

    fn offset(self) -> u64 {
        self.0 & ((1 << Self::OFFSET_BITS) - 1)
    }

    /// Returns how far behind `earlier` this place is, if both are in one source and it is less than 4 GiB.
    pub(super) fn behind(self, earlier: Self) -> Option<u32> {
        let same = self.source() == earlier.source();
        self.0.checked_sub(earlier.0).filter(|_| same).and_then(|distance| u32::try_from(distance).ok())
    }

    pub(super) fn ahead(self, distance: u32) -> Self {
        Self(self.0 + u64::from(distance))
    }

    /// Returns the place that comes next for all that is asked of it.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The sources of recorded lines.
#[derive(Debug, Default)]
pub(super) struct Texts(Vec<Source>, Mutex<Ahead>);

/// What was read at once, because lines are nearly always asked for in the order in which they stand.
#[derive(Debug, Default)]
struct Ahead {
    from: Place,
    bytes: Vec<u8>,
    /// The line that was asked for last.
    latest: Option<Place>,
}

#[derive(Debug)]
enum Source {
    /// A recording that is no compressed one.
    File(File, PathBuf),
    /// Lines that are not in such a file as they are needed, and what they were read from.
    Spool(Spool, PathBuf),
}

/// The most sources: a place has 16 bits for them.
const MOST_SOURCES: usize = 1 << 16;
/// The first read, in bytes: most lines are shorter.
const FIRST: usize = 4 << 10;
/// How much is read at once, in bytes, when several of its lines are likely to be asked for.
const BLOCK: usize = 64 << 10;
/// A line that stands no farther behind the one before it follows it.
const NEAR: u32 = 8 << 10;

impl Texts {
    /// Adds a recording that is not compressed.
    pub(super) fn add_file(&mut self, path: &Path) -> io::Result<usize> {
        self.add(Source::File(File::open(path)?, path.to_owned()))
    }

    /// Adds an empty spool.
    pub(super) fn add_spool(&mut self, path: &Path) -> io::Result<usize> {
        self.add(Source::Spool(Spool::default(), path.to_owned()))
    }

    /// Returns the name of what the line was read from.
    pub(super) fn path(&self, place: Place) -> &Path {
        let (Source::File(_, path) | Source::Spool(_, path)) = &self.0[place.source()];
        path
    }

    fn add(&mut self, source: Source) -> io::Result<usize> {
        if self.0.len() == MOST_SOURCES {
            return Err(io::Error::other(
                "a recording of more than 65,536 files cannot be replayed; give fewer",
            ));
        }
        self.0.push(source);
        Ok(self.0.len() - 1)
    }

    /// Adds a line to a spool, without its line feed, and returns where it is.
    pub(super) fn spool(&mut self, source: usize, line: &[u8]) -> io::Result<Place> {
        match &mut self.0[source] {
            Source::Spool(spool, _) => Ok(Place::new(source, spool.append(line)?)),
            Source::File(..) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    /// Reads a line, without its line feed.
    ///
    /// # Errors
    ///
    /// What the system says, and if the file ends before the line does: somebody has changed it.
    pub(super) fn line(&self, place: Place) -> io::Result<Bytes> {
        if let Some(line) = self.line_ahead(place)? {
            return Ok(line);
        }
        let mut first = [0; FIRST];
        let read = self.read_at(place, 0, &mut first)?;
        if let Some(end) = memchr::memchr(b'\n', &first[..read]) {
            return Ok(Bytes::copy_from_slice(&first[..end]));
        }
        let mut line = first[..read].to_vec();
        loop {
            let have = line.len();
            line.resize((4 * have).max(FIRST), 0);
            let read = self.read_at(place, have as u64, &mut line[have..])?;
            if read == 0 {
                return Err(self.changed(place));
            }
            line.truncate(have + read);
            if let Some(end) = memchr::memchr(b'\n', &line[have..]) {
                line.truncate(have + end);
                return Ok(line.into());
            }
        }
    }

    /// Returns a line that was read together with others, or is read so now.
    fn line_ahead(&self, place: Place) -> io::Result<Option<Bytes>> {
        // What it holds is what was read last, or nothing.
        let mut ahead = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let distance = ahead.latest.and_then(|latest| place.behind(latest));
        let follows = distance.is_some_and(|distance| (1..=NEAR).contains(&distance));
        ahead.latest = Some(place);
        if let Some(line) = ahead.line(place) {
            return Ok(Some(line));
        }
        if !follows {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut ahead.bytes);
        bytes.resize(BLOCK, 0);
        let read = self.read_at(place, 0, &mut bytes)?;
        bytes.truncate(read);
        (ahead.from, ahead.bytes) = (place, bytes);
        Ok(ahead.line(place))
    }

    /// Makes the error about a line that is not what it was.
    pub(super) fn changed(&self, place: Place) -> io::Error {
        let path = match &self.0[place.source()] {
            Source::File(_, path) => path.display().to_string(),
            Source::Spool(..) => "a temporary file of the replay".to_owned(),
        };
        io::Error::other(format!("{path} is not what it was when the replay began; start the replay again"))
    }

    fn read_at(&self, place: Place, further: u64, out: &mut [u8]) -> io::Result<usize> {
        let at = place.offset() + further;
        loop {
            let read = match &self.0[place.source()] {
                Source::File(file, _) => read_file(file, out, at),
                Source::Spool(spool, _) => spool.read_at(out, at),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Ahead {
    /// Returns a line, if all of it is here.
    fn line(&self, place: Place) -> Option<Bytes> {
        let rest = self.bytes.get(place.behind(self.from)? as usize..)?;
        let end = memchr::memchr(b'\n', rest)?;
        Some(Bytes::copy_from_slice(&rest[..end]))
    }
}

#[cfg(unix)]
fn read_file(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, at)
}

#[cfg(windows)]
fn read_file(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, at)
}

/// Lines in memory as long as they are few, and then in a temporary file without a name.
#[derive(Debug, Default)]
struct Spool {
    file: Option<File>,
    /// How much is in the file.
    written: u64,
    tail: Vec<u8>,
}

impl Spool {
    /// How much stays in memory, in bytes.
    const TAIL: usize = 8 << 20;

    fn append(&mut self, line: &[u8]) -> io::Result<u64> {
        let at = self.written + self.tail.len() as u64;
        self.tail.extend_from_slice(line);
        self.tail.push(b'\n');
        if self.tail.len() > Self::TAIL {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.write_all(&self.tail)?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
        }
        Ok(at)
    }

    fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<usize> {
        if let Some(file) = &self.file
            && at < self.written
        {
            return read_file(file, out, at);
        }
        let from = usize::try_from(at - self.written).unwrap_or(usize::MAX);
        let rest = self.tail.get(from..).unwrap_or_default();
        let read = rest.len().min(out.len());
        out[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_from_memory_and_from_the_temporary_file() {
        let mut texts = Texts::default();
        let source = texts.add_spool(Path::new("x")).unwrap();
        let lines: Vec<String> = (0..300).map(|at| format!("{at}").repeat(at * 100)).collect();
        let places: Vec<Place> =
            lines.iter().map(|line| texts.spool(source, line.as_bytes()).unwrap()).collect();
        for (line, place) in lines.iter().zip(&places).rev() {
            assert_eq!(texts.line(*place).unwrap(), line.as_bytes());
        }
        assert!(matches!(&texts.0[source], Source::Spool(Spool { file: Some(_), .. }, _)));
    }

    #[test]
    fn lines_in_order_are_the_same_as_lines_in_any_order() {
        let mut texts = Texts::default();
        let source = texts.add_spool(Path::new("x")).unwrap();
        let lines: Vec<String> = (0..2000).map(|at| format!("{at}").repeat(1 + at % 300)).collect();
        let places: Vec<Place> =
            lines.iter().map(|line| texts.spool(source, line.as_bytes()).unwrap()).collect();
        for step in [1, 2, 7, 501] {
            for at in (0..lines.len()).map(|at| at * step % lines.len()) {
                assert_eq!(texts.line(places[at]).unwrap(), lines[at].as_bytes(), "{at} by {step}");
            }
        }
        assert!(!texts.1.into_inner().unwrap().bytes.is_empty());
    }

    #[test]
    fn file_that_was_cut_meanwhile_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.qixrec");
        std::fs::write(&path, "a line\n").unwrap();
        let mut texts = Texts::default();
        let source = texts.add_file(&path).unwrap();
        let place = Place::new(source, 2);
        assert_eq!(texts.line(place).unwrap(), "line");
        std::fs::write(&path, "a li").unwrap();
        let error = texts.line(place).unwrap_err().to_string();
        assert!(
            error.ends_with("is not what it was when the replay began; start the replay again"),
            "{error}"
        );
    }

    #[test]
    fn places_are_in_order_of_source_and_byte_and_know_their_distance() {
        let place = Place::new(3, (1 << 40) + 7);
        assert_eq!(Place::from_halves(place.halves()), place);
        assert!(place < Place::new(4, 0) && place < place.next());
        assert_eq!(place.ahead(9).behind(place), Some(9));
        assert_eq!(Place::new(4, 1 << 41).behind(place), None);
        assert_eq!(Place::new(3, 1 << 41).behind(place), None);
    }
}
