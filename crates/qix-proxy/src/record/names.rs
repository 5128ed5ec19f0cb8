//! The names of a recording's files.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::private;

/// After how many taken names to give up.
const TRIES: u64 = 100_000;

/// Makes names from what the user gave, in whose last part `%Y`, `%m` and the like stand for the time in UTC, `%c` for the number of
/// the connection, and `%%` for a per cent sign.
#[derive(Clone, Debug)]
pub(super) struct Names {
    folder: PathBuf,
    stem: Vec<Piece>,
    extension: String,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Connection,
    /// A conversion of strftime, and whether it gives digits only.
    Time(String, bool),
}

impl Names {
    /// Reads a pattern. The error says in words what is wrong with it.
    pub(super) fn new(path: &Path, per_connection: bool) -> Result<Self, &'static str> {
        let name = path.file_name().ok_or("it ends with no file name")?.to_str().ok_or("it is not UTF-8")?;
        let (name, zst) = name.strip_suffix(".zst").map_or((name, ""), |name| (name, ".zst"));
        let dot = name.rfind('.').filter(|dot| *dot > 0 && !name[*dot..].contains('%'));
        let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
        let mut stem = pieces(stem)?;
        if per_connection && !stem.iter().any(|piece| matches!(piece, Piece::Connection)) {
            stem.extend([Piece::Literal("-".to_owned()), Piece::Connection]);
        }
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder, stem, extension: format!("{extension}{zst}") })
    }

    /// Returns whether files are compressed.
    pub(super) fn is_zipped(&self) -> bool {
        self.extension.ends_with(".zst")
    }

    /// Returns the folder of all files; empty for the current one.
    pub(super) fn folder(&self) -> &Path {
        if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder }
    }

    /// Creates a file, which only the owner may read. A number is added to a name that is taken, but not to that of a `part` that
    /// continues none and has a name without a time: there, the user means this file and no other.
    pub(super) fn create(&self, conn: u64, part: u64, now: Timestamp) -> io::Result<(File, PathBuf)> {
        let mut stem = String::new();
        let mut dated = false;
        for piece in &self.stem {
            match piece {
                Piece::Literal(text) => stem.push_str(text),
                Piece::Connection => stem.push_str(itoa::Buffer::new().format(conn)),
                Piece::Time(conversion, _) => {
                    dated = true;
                    stem.push_str(&jiff::fmt::strtime::format(conversion, now).map_err(io::Error::other)?);
                }
            }
        }
        let first = if dated { 1 } else { part };
        for number in first..first + TRIES {
            let counter = if number > 1 { format!("-{number}") } else { String::new() };
            let path = self.folder.join(format!("{stem}{counter}{}", self.extension));
            match private::create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && (dated || part > 1) => {}
                opened => return opened.map(|file| (file, path)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Returns whether a file in the folder could have been given this name.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some(name) = name.strip_suffix(&self.extension) else { return false };
        let counted = name.rsplit_once('-').filter(|(_, number)| {
            number.bytes().all(|byte| byte.is_ascii_digit())
                && number.parse().is_ok_and(|number: u64| number > 1)
                && !number.starts_with('0')
        });
        is_made_of(name, &self.stem) || counted.is_some_and(|(name, _)| is_made_of(name, &self.stem))
    }
}

fn pieces(mut text: &str) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    while let Some(at) = text.find('%') {
        if at > 0 {
            pieces.push(Piece::Literal(text[..at].to_owned()));
        }
        let flags = |byte: &u8| b"-_^#:.0123456789".contains(byte);
        let end = at + 1 + text.as_bytes()[at + 1..].iter().take_while(|byte| flags(byte)).count();
        let letter =
            *text.as_bytes().get(end).ok_or("it ends within a conversion; write %% for a per cent sign")?;
        if !letter.is_ascii() {
            return Err("a conversion after % is none that strftime knows; write %% for a per cent sign");
        }
        let conversion = &text[at..=end];
        pieces.push(match conversion {
            "%%" => Piece::Literal("%".to_owned()),
            "%c" => Piece::Connection,
            _ => {
                let shown = jiff::fmt::strtime::format(conversion, Timestamp::UNIX_EPOCH).map_err(|_| {
                    "a conversion after % is none that strftime knows; write %% for a per cent sign"
                })?;
                if shown.is_empty() || shown.contains(['/', '\\', '\n']) {
                    return Err("a conversion after % gives what no file name can have; write the parts of the time one by one");
                }
                Piece::Time(conversion.to_owned(), b"YmdHMSjyCfNsuwUVWGg".contains(&letter))
            }
        });
        text = &text[end + 1..];
    }
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
    Ok(pieces)
}

fn is_made_of(name: &str, pieces: &[Piece]) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return name.is_empty() };
    let digits = match piece {
        Piece::Literal(text) => return name.strip_prefix(&**text).is_some_and(|name| is_made_of(name, rest)),
        Piece::Connection => true,
        Piece::Time(_, digits) => *digits,
    };
    let fits = |char: &char| {
        if digits { char.is_ascii_digit() } else { char.is_alphanumeric() || "-:+. ".contains(*char) }
    };
    let mut taken = 0;
    name.chars().take_while(fits).any(|char| {
        taken += char.len_utf8();
        is_made_of(&name[taken..], rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(names: &Names, conn: u64, part: u64, at: i64) -> String {
        let (_, path) = names.create(conn, part, Timestamp::from_second(at).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(names.matches(&name), "{name}");
        name
    }

    #[test]
    fn name_with_a_time_gets_a_number_when_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::new(&dir.path().join("rec-%Y%m%d-%H%M%S.qixrec.zst"), false).unwrap();
        assert!(names.is_zipped());
        assert_eq!(created(&names, 0, 1, 0), "rec-19700101-000000.qixrec.zst");
        assert_eq!(created(&names, 0, 1, 0), "rec-19700101-000000-2.qixrec.zst");
        assert_eq!(created(&names, 0, 2, 61), "rec-19700101-000101.qixrec.zst");
    }

    #[test]
    fn name_without_a_time_is_meant_as_it_is_and_numbers_what_continues_it() {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::new(&dir.path().join("100%%.qixrec"), false).unwrap();
        assert_eq!(created(&names, 0, 1, 0), "100%.qixrec");
        let again = names.create(0, 1, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(created(&names, 0, 2, 0), "100%-2.qixrec");
        assert_eq!(created(&names, 0, 2, 0), "100%-3.qixrec");
    }

    #[test]
    fn connections_are_told_apart_by_name_even_if_the_user_did_not_say_how() {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::new(&dir.path().join("a.qixrec"), true).unwrap();
        assert_eq!(created(&names, 12, 1, 0), "a-12.qixrec");
        let names = Names::new(&dir.path().join("c%c-b"), true).unwrap();
        assert_eq!(created(&names, 12, 1, 0), "c12-b");
    }

    #[test]
    fn only_names_that_the_pattern_can_give_match() {
        let names = Names::new(Path::new("rec-%Y%m%d.qixrec"), false).unwrap();
        for (name, matches) in [
            ("rec-20260102.qixrec", true),
            ("rec-20260102-7.qixrec", true),
            ("rec-20260102-1.qixrec", false),
            ("rec-20260102-07.qixrec", false),
            ("rec-.qixrec", false),
            ("rec-2026x102.qixrec", false),
            ("my-rec-20260102.qixrec", false),
            ("rec-20260102.qixrec.zst", false),
            ("rec-20260102.txt", false),
        ] {
            assert_eq!(names.matches(name), matches, "{name}");
        }
    }

    #[test]
    fn patterns_that_give_no_file_name_are_refused() {
        for name in ["a%", "a%-", "a%!", "%D", "a%é", ".."] {
            assert!(Names::new(Path::new(name), false).is_err(), "{name}");
        }
    }
}
