//! Files that come and go, with made-up times.

use std::{fs, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::{
    record::{Entry, EntryKind, FrameText, RecordingParts, RecordingReader, Side, event::Upgraded},
    relay::Head,
};

/// A shelf in a folder of its own, on which the time of day is what the test says.
struct Rig {
    dir: TempDir,
    shelf: Option<Shelf>,
    connections: Vec<(u64, String)>,
    stopped: watch::Receiver<bool>,
}

const SECOND: u64 = 1_000_000;

impl Rig {
    fn new(name: &str, settings: FileSettings) -> Self {
        Self::with_clock(name, settings, || Timestamp::UNIX_EPOCH)
    }

    fn with_clock(
        name: &str,
        settings: FileSettings,
        clock: impl FnMut() -> Timestamp + Send + 'static,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        let names = Names::new(&dir.path().join(name), settings.per_connection).unwrap();
        let heading = Heading { started: "2026-01-02T03:04:05.678901Z".to_owned(), upstream: String::new() };
        let (stop, stopped) = watch::channel(false);
        let shelf = Shelf::create(names, settings, heading, Box::new(clock), stop).unwrap();
        Self { dir, shelf: Some(shelf), connections: Vec::new(), stopped }
    }

    fn shelf(&mut self) -> &mut Shelf {
        self.shelf.as_mut().unwrap()
    }

    fn open(&mut self, conn: u64, t: u64) {
        let upgraded = Upgraded { url: format!("/app/{conn}"), status: 101, ..Upgraded::default() };
        self.shelf().open(conn, t);
        self.shelf().record(conn, t, What::Open, |writer| writer.open(conn, t, &upgraded));
        self.connections.push((conn, upgraded.url));
    }

    fn frame(&mut self, conn: u64, t: u64, text: &str) {
        self.shelf().record(conn, t, What::Frame, |writer| {
            writer.frame(conn, (t, None), Side::Engine, Head::TEXT, text.as_bytes(), &[])
        });
        let connections = self.connections.clone();
        self.shelf().rotate_if_due(conn, t, &|| connections.clone());
    }

    fn close(&mut self, conn: u64, t: u64) {
        self.connections.retain(|(open, _)| *open != conn);
        self.shelf().close(conn, t, Ending::default());
    }

    fn commit(&mut self, now: u64) -> Option<u64> {
        let connections = self.connections.clone();
        self.shelf().commit(now, &|| connections.clone())
    }

    fn seal(&mut self, t: u64) -> Sealed {
        let connections = self.connections.clone();
        self.shelf.take().unwrap().seal(t, &|| connections.clone())
    }

    /// The names of all files, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.names().iter().map(|name| self.dir.path().join(name)).collect()
    }

    /// All entries of all files.
    fn entries(&self) -> Vec<Entry> {
        let mut paths = self.paths();
        paths.reverse();
        RecordingParts::open(paths).unwrap().map(Result::unwrap).collect()
    }
}

fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| match &entry.kind {
        EntryKind::Frame { text: FrameText::Text(text), .. } => {
            Some(String::from_utf8(text.to_vec()).unwrap())
        }
        _ => None,
    };
    entries.iter().filter_map(text).collect()
}

#[test]
fn file_that_is_large_enough_is_followed_by_another_which_can_be_read_alone() {
    for name in ["a.qixrec", "a.qixrec.zst"] {
        let mut rig = Rig::new(name, FileSettings::default().rotate_size(1500));
        rig.open(1, 0);
        rig.open(2, 1);
        let mut sent = Vec::new();
        for at in 0..40 {
            // What compresses badly.
            let text: String = (0..500_u64)
                .map(|byte| {
                    char::from(
                        b'a' + ((byte + at * 500).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u8 % 26,
                    )
                })
                .collect();
            rig.frame(1, at, &text);
            sent.push(text);
            rig.commit(at * SECOND);
        }
        rig.close(1, 90);
        rig.commit(100 * SECOND);
        let sealed = rig.seal(100 * SECOND);
        assert!(sealed.fault.is_none() && sealed.files > 3, "{sealed:?}");
        assert_eq!((sealed.frames, sealed.connections), (40, 2));
        let names = rig.names();
        assert_eq!(names.len() as u64, sealed.files);
        assert_eq!(
            sealed.bytes,
            rig.paths().iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>()
        );

        let entries = rig.entries();
        assert_eq!(texts(&entries), sent);
        assert!(entries.iter().map(|entry| entry.seq).eq(1..=entries.len() as u64), "numbers go on");
        let mut second = RecordingReader::open(rig.dir.path().join(name.replace("a.", "a-2."))).unwrap();
        let header = second.header().clone();
        assert_eq!((header.part, header.continues.as_deref()), (2, Some(name)));
        assert_eq!(header.started, "2026-01-02T03:04:05.678901Z");
        let opened: Vec<_> = second
            .by_ref()
            .map_while(|entry| match entry.unwrap().kind {
                EntryKind::Open(opening) => Some((opening.url, opening.continued)),
                _ => None,
            })
            .collect();
        assert_eq!(opened, [("/app/1".to_owned(), true), ("/app/2".to_owned(), true)]);
        second.by_ref().for_each(drop);
        assert!(second.is_sealed() && second.next_part().is_some());
    }
}

#[test]
fn file_that_is_old_enough_is_followed_by_another_once_there_is_something_to_record() {
    let mut rig = Rig::new("a.qixrec", FileSettings::default().rotate_every(Duration::from_secs(60)));
    rig.open(1, 0);
    rig.frame(1, 59 * SECOND, "{}");
    assert_eq!(rig.names().len(), 1);
    rig.frame(1, 60 * SECOND, "{}");
    assert_eq!(rig.names().len(), 2);
    rig.frame(1, 119 * SECOND, "{}");
    assert_eq!(rig.names().len(), 2);
}

#[test]
fn clock_that_is_set_back_changes_names_and_nothing_else() {
    let mut times = [1000, 2000, 1000, 1000].into_iter();
    let clock = move || Timestamp::from_second(times.next().unwrap()).unwrap();
    let mut rig = Rig::with_clock("a-%H%M%S.qixrec", FileSettings::default(), clock);
    rig.open(1, 0);
    for at in 1..4 {
        rig.frame(1, at * SECOND, &format!("[{at}]"));
        let open = rig.connections.clone();
        rig.shelf().rotate(at * SECOND, &|| open.clone());
    }
    rig.seal(5 * SECOND);
    assert_eq!(rig.names(), ["a-001640-2.qixrec", "a-001640-3.qixrec", "a-001640.qixrec", "a-003320.qixrec"]);
    let entries = rig.entries();
    assert_eq!(texts(&entries), ["[1]", "[2]", "[3]"]);
    assert!(entries.is_sorted_by_key(|entry| entry.at));
}

#[test]
fn connections_can_have_files_of_their_own() {
    let mut rig = Rig::new("c%c.qixrec", FileSettings::default().per_connection(true));
    for conn in [1, 2, 3] {
        rig.open(conn, conn);
    }
    for at in 0..9 {
        rig.frame(1 + at % 3, 10 + at, &format!("[{at}]"));
        rig.commit(10 + at);
    }
    rig.close(2, 30);
    let alone: Vec<_> =
        RecordingReader::open(rig.dir.path().join("c2.qixrec")).unwrap().map(Result::unwrap).collect();
    assert_eq!(texts(&alone), ["[1]", "[4]", "[7]"]);
    assert!(matches!(alone.last().unwrap().kind, EntryKind::End), "sealed with its connection");
    let sealed = rig.seal(40);
    assert_eq!((sealed.files, sealed.connections, sealed.frames), (4, 3, 9));
    assert_eq!(rig.names(), ["c0.qixrec", "c1.qixrec", "c2.qixrec", "c3.qixrec"]);
    let expected: Vec<_> = (0..9).map(|at| format!("[{at}]")).collect();
    assert_eq!(texts(&rig.entries()), expected, "together they are in the order of time");
}

#[test]
fn compressed_groups_wait_at_most_50_ms_and_others_not_at_all() {
    let size = |rig: &Rig| fs::metadata(&rig.paths()[0]).unwrap().len();
    let mut rig = Rig::new("a.qixrec.zst", FileSettings::default());
    let header = size(&rig);
    rig.open(1, 1000);
    assert_eq!(rig.commit(2000), Some(51_000));
    assert_eq!(rig.commit(50_999), Some(51_000));
    assert_eq!(size(&rig), header);
    assert_eq!(rig.commit(51_000), None);
    assert!(size(&rig) > header);

    let mut rig = Rig::new("a.qixrec", FileSettings::default());
    let header = size(&rig);
    rig.open(1, 1000);
    assert_eq!(rig.commit(2000), None);
    assert!(size(&rig) > header);

    let mut rig = Rig::new("a.qixrec", FileSettings::default().sync(true));
    rig.open(1, 1000);
    assert_eq!(rig.commit(2000), Some(51_000), "the disk has time until then");
    assert_eq!(rig.commit(51_000), None);
}

#[test]
fn old_files_are_deleted_if_they_are_sealed_recordings_of_this_name() {
    for name in ["a.qixrec", "a.qixrec.zst"] {
        let rig = Rig::new(name, FileSettings::default());
        let dir = rig.dir.path().to_owned();
        let put = |other: &str, bytes: &[u8]| fs::write(dir.join(other), bytes).unwrap();
        // Not sealed; no recording; a recording of another name.
        let unsealed = fs::read(dir.join(name)).unwrap();
        put(&name.replace("a.", "a-90."), &unsealed);
        put(&name.replace("a.", "a-91."), b"precious");
        put(&name.replace("a.", "b."), include_bytes!("../../../assets/demo.qixrec"));
        // What an earlier run has left.
        put(&name.replace("a.", "a-92."), include_bytes!("../../../assets/demo.qixrec"));
        fs::remove_file(dir.join(name)).unwrap();

        let settings = FileSettings::default().keep(3).keep_size(1 << 30);
        let names = Names::new(&dir.join(name), false).unwrap();
        let (stop, _) = watch::channel(false);
        let clock = Box::new(|| Timestamp::UNIX_EPOCH);
        let mut shelf = Shelf::create(names, settings, Heading::default(), clock, stop).unwrap();
        for at in 0..5 {
            shelf.rotate(at, &Vec::new);
        }
        let sealed = shelf.seal(9, &Vec::new);
        assert_eq!(sealed.files, 6);
        let mut expected: Vec<_> =
            ["a-4.", "a-5.", "a-6.", "a-90.", "a-91.", "b."].map(|other| name.replace("a.", other)).into();
        expected.sort();
        assert_eq!(rig.names(), expected);
    }
}

#[test]
fn files_are_deleted_when_they_take_too_much() {
    let mut rig = Rig::new("a.qixrec", FileSettings::default().rotate_size(2000).keep_size(8000));
    rig.open(1, 0);
    for at in 0..100 {
        rig.frame(1, at, &format!("\"{}\"", "x".repeat(400)));
        rig.commit(at);
        let total: u64 = rig.paths().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(total <= 8000 + 2000 + 600, "{total}");
    }
    assert!(!rig.names().contains(&"a.qixrec".to_owned()));
    assert!(rig.names().len() > 2);
}

#[cfg(unix)]
#[test]
fn file_that_was_moved_or_deleted_is_left_alone_and_recording_goes_on_in_a_new_one() {
    let mut rig = Rig::new("a.qixrec", FileSettings::default());
    rig.open(1, 0);
    rig.frame(1, 1, "[1]");
    rig.commit(2);
    fs::rename(rig.dir.path().join("a.qixrec"), rig.dir.path().join("archive")).unwrap();
    rig.frame(1, 3, "[2]");
    rig.commit(2 * SECOND);
    rig.frame(1, 2 * SECOND, "[3]");
    rig.commit(2 * SECOND);
    assert_eq!(rig.names(), ["a-2.qixrec", "archive"]);
    fs::remove_file(rig.dir.path().join("a-2.qixrec")).unwrap();
    rig.frame(1, 3 * SECOND, "[lost with the file]");
    rig.commit(4 * SECOND);
    rig.frame(1, 4 * SECOND, "[4]");
    rig.commit(4 * SECOND);
    let sealed = rig.seal(5 * SECOND);
    assert!(sealed.fault.is_none());
    assert_eq!(rig.names(), ["a-3.qixrec", "archive"]);
    let entries = rig.entries();
    assert_eq!(texts(&entries), ["[1]", "[2]", "[4]"]);
    let openings = entries.iter().filter(|entry| matches!(&entry.kind, EntryKind::Open(_))).count();
    assert_eq!(openings, 2);
}

#[test]
fn outage_is_retried_and_the_recording_says_what_it_misses() {
    let mut rig = Rig::new("x/a.qixrec", FileSettings::default().per_connection(true));
    let folder = rig.dir.path().join("x");
    let aside = rig.dir.path().join("y");
    rig.open(1, 0);
    fs::rename(&folder, &aside).unwrap();
    rig.open(2, 10);
    rig.frame(2, 20, "[1]");
    rig.frame(2, 30, "[2]");
    assert_eq!(rig.commit(40), Some(SECOND + 10));
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(rig.commit(SECOND + 9), Some(SECOND + 10), "not before its time");
    rig.commit(SECOND + 10);
    rig.frame(2, SECOND + 11, "[3]");
    rig.commit(SECOND + 12);
    let sealed = rig.seal(SECOND + 13);
    assert!(sealed.fault.is_none());
    assert_eq!(sealed.missing, 2);
    let found: Vec<_> =
        RecordingReader::open(folder.join("a-2.qixrec")).unwrap().map(|entry| entry.unwrap().kind).collect();
    let [EntryKind::Gap(gap), EntryKind::Open(opening), EntryKind::Frame { .. }, EntryKind::End] = &found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!((gap.since, gap.frames, gap.others), (Duration::from_micros(10), 2, 1));
    assert!(opening.continued && opening.url == "/app/2");
}

#[test]
fn outage_stops_everything_if_that_was_asked_for() {
    let mut rig = Rig::new("x/a.qixrec", FileSettings::default().per_connection(true).on_full(OnFull::Stop));
    fs::remove_dir_all(rig.dir.path().join("x")).unwrap();
    assert!(!*rig.stopped.borrow());
    rig.open(1, 1);
    assert!(*rig.stopped.borrow());
    assert!(rig.seal(2).fault.is_some());
}
