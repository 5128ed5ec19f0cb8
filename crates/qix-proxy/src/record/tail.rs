//! Follows a recording that is being written.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader},
    time::sleep,
};

use super::{Entry, EntryKind, Header, ReadError, follow::Follower};

/// How long to wait before it is looked again whether there is more: a recorder hands out what it has every 50 ms.
const PATIENCE: Duration = Duration::from_millis(50);

/// Reads a recording while a recorder writes it, compressed or not, and goes on with each file that continues it.
///
/// It is read from the beginning of the file that is named. The end is where the recorder has sealed the last file; until then, and for
/// ever if the recorder was killed, [`next`](Self::next) waits. Of a recorder that writes a file for each connection it follows one.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    source: Source,
    header: Header,
    /// The number of the latest entry: those that were told are not told again when a file is opened anew.
    last: u64,
    /// Whether the file is to be opened again, because it became shorter.
    is_stale: bool,
    done: bool,
}

/// A file.
#[derive(Debug)]
struct Source {
    file: BufReader<File>,
    follower: Follower,
    /// How many bytes of the file were taken.
    taken: u64,
}

impl Tail {
    /// Opens a recording, and waits for its header if that is not there yet.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file cannot be read, is no recording, or has another major version.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref().to_owned();
        let opened = File::open(&path).await;
        let file = opened.map_err(|source| ReadError::Io { path: path.clone(), source })?;
        let mut source = Source::new(path.clone(), file);
        while !source.read_header().await? {
            sleep(PATIENCE).await;
        }
        let header = source.follower.header().clone();
        Ok(Self { path, source, header, last: 0, is_stale: false, done: false })
    }

    /// Returns the header of the first file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the file that is read at the moment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the next entry, waiting for it; `None` once the recording was sealed.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read, a line is damaged, or the next file belongs to another recording; nothing comes after that.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Entry, ReadError>> {
        loop {
            match self.ready().await {
                Ok(None) if self.done => return None,
                Ok(None) => sleep(PATIENCE).await,
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Returns the next entry if it was written already; `None` if it has to be waited for, or never comes.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn ready(&mut self) -> Result<Option<Entry>, ReadError> {
        while !self.done {
            if (self.is_stale || self.source.follower.is_sealed()) && !self.reopen().await? {
                return Ok(None);
            }
            if self.done {
                break;
            }
            let line = match self.source.line().await {
                Ok(Some(line)) => line,
                Ok(None) => {
                    self.is_stale = self.became_shorter().await;
                    if self.is_stale {
                        continue;
                    }
                    return Ok(None);
                }
                Err(error) => return Err(self.fail(error)),
            };
            match self.source.follower.entry_line(Ok(Some(line))) {
                Some(Ok(Entry { kind: EntryKind::End, .. })) => {}
                Some(Ok(entry)) if entry.seq > self.last => {
                    self.last = entry.seq;
                    return Ok(Some(entry));
                }
                Some(Err(error)) => return Err(self.fail(error)),
                Some(Ok(_)) | None => {}
            }
        }
        Ok(None)
    }

    /// Returns whether the recording has come to its end.
    pub fn is_ended(&self) -> bool {
        self.done
    }

    /// Opens the file that continues this one, or this one anew. Returns whether there is something to be read, or nothing ever.
    async fn reopen(&mut self) -> Result<bool, ReadError> {
        let path = match self.source.follower.next_part() {
            // Only a name counts: what a file says must not lead out of its folder.
            Some(next) => self.path.with_file_name(Path::new(next).file_name().unwrap_or_default()),
            None if self.source.follower.is_sealed() => {
                self.done = true;
                return Ok(true);
            }
            None => self.path.clone(),
        };
        let file = match File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(self.fail(ReadError::Io { path, source })),
        };
        let mut source = Source::new(path.clone(), file);
        match source.read_header().await {
            Ok(true) => {}
            // Its header is being written.
            Ok(false) => return Ok(false),
            Err(error) => return Err(self.fail(error)),
        }
        self.source = source;
        if self.source.follower.header().started != self.header.started {
            let other = self.path.clone();
            return Err(self.fail(ReadError::Stranger { path, other }));
        }
        self.path = path;
        self.is_stale = false;
        Ok(true)
    }

    /// Returns whether what was read is no longer there: a recorder takes back what a full disk has left of a line.
    async fn became_shorter(&self) -> bool {
        tokio::fs::metadata(&self.path).await.is_ok_and(|file| file.len() < self.source.taken)
    }

    fn fail(&mut self, error: ReadError) -> ReadError {
        self.done = true;
        error
    }
}

impl Source {
    fn new(path: PathBuf, file: File) -> Self {
        Self { file: BufReader::with_capacity(256 * 1024, file), follower: Follower::new(path), taken: 0 }
    }

    /// Reads the header, if all of it is there.
    async fn read_header(&mut self) -> Result<bool, ReadError> {
        let Some(line) = self.line().await? else { return Ok(false) };
        self.follower.header_line(Some(line))?;
        Ok(true)
    }

    /// Returns a line, if all of it is there.
    async fn line(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            let input = match self.file.fill_buf().await {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.follower.failed(error)),
                Ok(input) => input,
            };
            let is_end = input.is_empty();
            let (used, line) = self.follower.feed(input)?;
            self.file.consume(used);
            self.taken += used as u64;
            if line.is_some() || is_end {
                return Ok(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write};

    use super::*;

    const HEAD: &str =
        "{\"qixrec\":[1,2],\"started\":\"2026-01-02T03:04:05Z\",\"tool\":\"t\",\"upstream\":\"ws://h/\"}\n";

    struct Rig {
        dir: tempfile::TempDir,
        zipped: bool,
    }

    impl Rig {
        fn new(zipped: bool) -> Self {
            Self { dir: tempfile::tempdir().unwrap(), zipped }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let bytes = if self.zipped {
                zstd::bulk::compress(text.as_bytes(), 1).unwrap()
            } else {
                text.as_bytes().to_vec()
            };
            self.append_raw(name, &bytes);
        }

        fn append_raw(&self, name: &str, bytes: &[u8]) {
            let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
            file.write_all(bytes).unwrap();
        }
    }

    fn note(seq: u64) -> String {
        format!("{{\"seq\":{seq},\"t\":{seq},\"kind\":\"note\",\"text\":\"n\"}}\n")
    }

    fn end(seq: u64, next: &str) -> String {
        format!("{{\"seq\":{seq},\"t\":9,\"kind\":\"end\"{next}}}\n")
    }

    async fn all(tail: &mut Tail) -> Vec<u64> {
        let mut found = Vec::new();
        while let Some(entry) = tail.ready().await.unwrap() {
            found.push(entry.seq);
        }
        found
    }

    #[tokio::test]
    async fn entries_come_as_they_are_written_and_files_continue_each_other() {
        for zipped in [false, true] {
            let rig = Rig::new(zipped);
            rig.append("a", &format!("{HEAD}{}", note(1)));
            let mut tail = Tail::open(rig.path("a")).await.unwrap();
            assert_eq!(all(&mut tail).await, [1]);
            rig.append("a", &note(2));
            assert_eq!(all(&mut tail).await, [2]);
            rig.append("a", &end(3, ",\"next\":\"b\""));
            assert_eq!(all(&mut tail).await, [] as [u64; 0]);
            rig.append("b", HEAD);
            assert!(all(&mut tail).await.is_empty() && !tail.is_ended());
            rig.append("b", &note(4));
            assert_eq!(all(&mut tail).await, [4]);
            assert_eq!(tail.path(), rig.path("b"));
            rig.append("b", &end(5, ""));
            assert!(tail.next().await.is_none() && tail.is_ended());
        }
    }

    #[tokio::test]
    async fn part_of_a_line_or_of_a_compressed_frame_waits_for_the_rest() {
        for zipped in [false, true] {
            let rig = Rig::new(zipped);
            rig.append("a", HEAD);
            let mut tail = Tail::open(rig.path("a")).await.unwrap();
            let line = note(1);
            let bytes =
                if zipped { zstd::bulk::compress(line.as_bytes(), 1).unwrap() } else { line.into_bytes() };
            let (start, rest) = bytes.split_at(bytes.len() / 2);
            rig.append_raw("a", start);
            assert_eq!(all(&mut tail).await, [] as [u64; 0]);
            rig.append_raw("a", rest);
            assert_eq!(all(&mut tail).await, [1]);
        }
    }

    #[tokio::test]
    async fn line_that_was_taken_back_is_not_mixed_with_the_next() {
        let rig = Rig::new(false);
        rig.append("a", &format!("{HEAD}{}{{\"seq\":2,\"t\":5,", note(1)));
        let mut tail = Tail::open(rig.path("a")).await.unwrap();
        assert_eq!(all(&mut tail).await, [1]);
        let whole = (HEAD.len() + note(1).len()) as u64;
        OpenOptions::new().write(true).open(rig.path("a")).unwrap().set_len(whole).unwrap();
        assert_eq!(all(&mut tail).await, [] as [u64; 0]);
        rig.append("a", &note(2));
        assert_eq!(all(&mut tail).await, [2]);
    }

    #[tokio::test]
    async fn header_is_waited_for_and_a_stranger_or_damage_is_an_error_once() {
        let rig = Rig::new(false);
        rig.append("a", "{\"qixrec\"");
        assert!(tokio::time::timeout(Duration::ZERO, Tail::open(rig.path("a"))).await.is_err());
        assert!(matches!(Tail::open(rig.path("none")).await, Err(ReadError::Io { .. })));
        let rig = Rig::new(false);
        rig.append("a", &format!("{HEAD}{}", end(1, ",\"next\":\"b\"")));
        rig.append("b", &HEAD.replace("2026", "2025"));
        let mut tail = Tail::open(rig.path("a")).await.unwrap();
        assert!(matches!(tail.next().await, Some(Err(ReadError::Stranger { .. }))));
        assert!(tail.next().await.is_none());
        let rig = Rig::new(false);
        rig.append("a", &format!("{HEAD}junk\n"));
        let mut tail = Tail::open(rig.path("a")).await.unwrap();
        assert!(matches!(tail.next().await, Some(Err(ReadError::Damaged { .. }))));
        assert!(tail.next().await.is_none());
    }
}
