//! Follows a recording that is being written.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::Metadata,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader},
    time::{Instant, sleep},
};

use super::{Entry, EntryKind, Header, ReadError, follow::Follower, volume::is_same};

/// How long to wait before it is looked again whether there is more: a recorder hands out what it has every 50 ms.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often to look for a file that continues one in which nothing comes and that does not say so.
const LOOK: Duration = Duration::from_secs(1);

/// Reads a recording while a recorder writes it, compressed or not, and goes on with each file that continues it.
///
/// It is read from the beginning of the file that is named. The end is where the recorder has sealed the last file; until then, and for
/// ever if the recorder was killed, [`next`](Self::next) waits; [`missing`](Self::missing) says whether that is for a file. A file that
/// took the place of the one that is read, as a repair puts it there, is read instead. Of a recorder that writes a file for each
/// connection it follows one.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    source: Source,
    header: Header,
    /// The number of the latest entry.
    last: u64,
    /// The number of the latest entry when the file was opened: those that were told are not told again when it is opened anew.
    told: u64,
    /// Whether the file is to be opened again, because it became shorter or is another.
    is_stale: bool,
    /// The file that is not there.
    missing: Option<PathBuf>,
    /// When it was looked last for a file that continues this one, or since when nothing comes.
    looked: Option<Instant>,
    /// The file that continues this one, though this one does not say so.
    heir: Option<PathBuf>,
    /// Files beside this one that do not continue it.
    others: HashSet<OsString>,
    done: bool,
}

/// A file.
#[derive(Debug)]
struct Source {
    file: BufReader<File>,
    /// What tells the file from another of its name.
    identity: Metadata,
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
        let opened = async { Source::new(path.clone(), opened?).await }.await;
        let mut source = opened.map_err(|source| ReadError::Io { path: path.clone(), source })?;
        while !source.read_header().await? {
            sleep(PATIENCE).await;
        }
        let header = source.follower.header().clone();
        Ok(Self {
            path,
            source,
            header,
            last: 0,
            told: 0,
            is_stale: false,
            missing: None,
            looked: None,
            heir: None,
            others: HashSet::new(),
            done: false,
        })
    }

    /// Returns the header of the first file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the file that is read at the moment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file that is waited for because it is not there: the one that is to continue this one, or this one itself, which was
    /// moved or deleted.
    pub fn missing(&self) -> Option<&Path> {
        self.missing.as_deref()
    }

    /// Returns the next entry, waiting for it; `None` once the recording was sealed.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read, a line is damaged, or the next file belongs to another recording or comes before this one;
    /// nothing comes after that.
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
                    self.look().await;
                    if self.is_stale || self.inherit().await? {
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
                    (self.looked, self.heir) = (None, None);
                    return Ok(Some(entry));
                }
                Some(Ok(entry)) if entry.seq > self.told => {
                    let (path, line) = (self.path.clone(), self.source.follower.line_number());
                    let fault = "its number is not greater than that of the line before";
                    return Err(self.fail(ReadError::Damaged { path, line, fault }));
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
        let is_next = !self.is_stale;
        self.turn_to(path, is_next).await
    }

    /// Opens a file in the place of this one; one that is the next must come behind it. Returns whether there is something to be read.
    async fn turn_to(&mut self, path: PathBuf, is_next: bool) -> Result<bool, ReadError> {
        let opened = async { Source::new(path.clone(), File::open(&path).await?).await }.await;
        let mut source = match opened {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.missing = Some(path);
                return Ok(false);
            }
            Err(source) => return Err(self.fail(ReadError::Io { path, source })),
        };
        self.missing = None;
        match source.read_header().await {
            Ok(true) => {}
            // Its header is being written.
            Ok(false) => return Ok(false),
            Err(error) => return Err(self.fail(error)),
        }
        let (old, new) = (self.source.follower.header(), source.follower.header());
        let other = self.path.clone();
        if new.started != self.header.started {
            return Err(self.fail(ReadError::Stranger { path, other }));
        }
        if is_next && new.part <= old.part {
            return Err(self.fail(ReadError::NotNext { path, other }));
        }
        self.source = source;
        self.path = path;
        self.told = self.last;
        self.is_stale = false;
        (self.looked, self.heir) = (None, None);
        self.others.clear();
        Ok(true)
    }

    /// Goes on with a file that continues this one, which was not ended: its recorder could not write it any more. Returns whether there
    /// is one.
    async fn inherit(&mut self) -> Result<bool, ReadError> {
        let now = Instant::now();
        if now < *self.looked.get_or_insert(now) + LOOK {
            return Ok(false);
        }
        self.looked = Some(now);
        match self.heir.take() {
            // It was there a while ago, and nothing has come here since: a recorder makes the next file before it ends this one.
            Some(path) => self.turn_to(path, true).await,
            None => {
                self.heir = self.find_heir().await;
                Ok(false)
            }
        }
    }

    /// Looks for a file whose header says that it continues this one. Those that cannot be read are not it.
    async fn find_heir(&mut self) -> Option<PathBuf> {
        let name = self.path.file_name()?.to_string_lossy().into_owned();
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut files = tokio::fs::read_dir(folder.unwrap_or(Path::new("."))).await.ok()?;
        while let Ok(Some(found)) = files.next_entry().await {
            // Opening a pipe would wait for whoever writes into it.
            let is_file = found.file_type().await.is_ok_and(|kind| kind.is_file());
            if !is_file || self.others.contains(&found.file_name()) {
                continue;
            }
            match header_of(found.path()).await {
                Some(Ok(header))
                    if header.started == self.header.started
                        && header.continues.as_ref() == Some(&name)
                        && header.part > self.source.follower.header().part =>
                {
                    return Some(found.path());
                }
                None => {}
                Some(_) => _ = self.others.insert(found.file_name()),
            }
        }
        None
    }

    /// Finds out at the end of the file whether it is still the one that is there, and all of it: a recorder takes back what a full disk
    /// has left of a line, and a repair puts another file in its place.
    async fn look(&mut self) {
        match tokio::fs::metadata(&self.path).await {
            Ok(found) => {
                self.is_stale = found.len() < self.source.taken || !is_same(&found, &self.source.identity);
                self.missing = None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.missing = Some(self.path.clone()),
            Err(_) => {}
        }
    }

    fn fail(&mut self, error: ReadError) -> ReadError {
        self.done = true;
        error
    }
}

/// Returns the header of a file, if all of it is there.
async fn header_of(path: PathBuf) -> Option<Result<Header, ReadError>> {
    let opened = async { Source::new(path.clone(), File::open(&path).await?).await }.await;
    let mut source = match opened {
        Ok(source) => source,
        Err(source) => return Some(Err(ReadError::Io { path, source })),
    };
    let read = source.read_header().await;
    read.map(|is_there| is_there.then(|| source.follower.header().clone())).transpose()
}

impl Source {
    async fn new(path: PathBuf, file: File) -> io::Result<Self> {
        let identity = file.metadata().await?;
        let file = BufReader::with_capacity(256 * 1024, file);
        Ok(Self { file, identity, follower: Follower::new(path), taken: 0 })
    }

    /// Reads the header, if all of it is there.
    async fn read_header(&mut self) -> Result<bool, ReadError> {
        let Some(line) = self.line().await? else {
            // Nobody is to wait for the rest of a header that never comes.
            return if self.follower.may_have_header() { Ok(false) } else { Err(self.follower.foreign()) };
        };
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

    fn head(part: u64) -> String {
        HEAD.replace('}', &format!(",\"part\":{part}}}"))
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
            assert_eq!(tail.missing(), Some(&*rig.path("b")));
            rig.append("b", &head(2));
            assert!(all(&mut tail).await.is_empty() && !tail.is_ended());
            assert_eq!(tail.missing(), None);
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

    #[tokio::test]
    async fn file_that_names_itself_or_an_earlier_one_as_the_next_is_an_error() {
        for (part, next) in [(1, "a"), (2, "a"), (2, "b")] {
            let rig = Rig::new(false);
            rig.append("a", &format!("{}{}", head(part), end(1, &format!(",\"next\":\"{next}\""))));
            rig.append("b", &head(1));
            let mut tail = Tail::open(rig.path("a")).await.unwrap();
            assert!(matches!(tail.ready().await, Err(ReadError::NotNext { .. })), "{part} {next}");
            assert!(tail.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn number_that_comes_again_is_damage() {
        let rig = Rig::new(false);
        rig.append("a", &format!("{HEAD}{}{}", note(1), note(1)));
        let mut tail = Tail::open(rig.path("a")).await.unwrap();
        assert_eq!(tail.ready().await.unwrap().unwrap().seq, 1);
        assert!(matches!(tail.ready().await, Err(ReadError::Damaged { line: 3, .. })));
    }

    #[tokio::test]
    async fn what_is_no_recording_is_not_waited_for() {
        for zipped in [false, true] {
            let rig = Rig::new(zipped);
            rig.append("a", r#"{"log":{"version":"1.2"}}"#);
            let opened = tokio::time::timeout(Duration::from_secs(60), Tail::open(rig.path("a"))).await;
            assert!(matches!(opened, Ok(Err(ReadError::Foreign { .. }))), "{opened:?}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn file_that_takes_the_place_of_the_one_that_is_read_is_read_instead() {
        let rig = Rig::new(false);
        rig.append("a", &format!("{HEAD}{}", note(1)));
        let mut tail = Tail::open(rig.path("a")).await.unwrap();
        assert_eq!(all(&mut tail).await, [1]);
        std::fs::rename(rig.path("a"), rig.path("old")).unwrap();
        assert_eq!(all(&mut tail).await, [] as [u64; 0]);
        assert_eq!(tail.missing(), Some(&*rig.path("a")));
        rig.append("new", &format!("{HEAD}{}{}{}", note(1), note(2), end(3, "")));
        std::fs::rename(rig.path("new"), rig.path("a")).unwrap();
        assert_eq!(all(&mut tail).await, [2]);
        assert!(tail.is_ended() && tail.missing().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn file_that_continues_one_without_an_end_is_found_once_nothing_comes_there() {
        for zipped in [false, true] {
            let rig = Rig::new(zipped);
            rig.append("a", &format!("{HEAD}{}", note(1)));
            let mut tail = Tail::open(rig.path("a")).await.unwrap();
            assert_eq!(all(&mut tail).await, [1]);
            rig.append("c", &head(2));
            rig.append("d", "no recording");
            rig.append("b", &format!("{}{}", head(2).replace('}', ",\"continues\":\"a\"}"), note(3)));
            // It is seen, but the recorder has not come to it yet.
            tokio::time::sleep(LOOK).await;
            assert_eq!(all(&mut tail).await, [] as [u64; 0]);
            rig.append("a", &note(2));
            tokio::time::sleep(LOOK).await;
            assert_eq!(all(&mut tail).await, [2]);
            assert_eq!(tail.next().await.unwrap().unwrap().seq, 3);
            assert_eq!(tail.path(), rig.path("b"));
        }
    }
}
