//! Tells by its beginning what a file is.

use std::{
    fmt,
    io::{self, Read},
};

/// How much of a file is looked at, in bytes.
const LOOKED_AT: u64 = 64 << 10;

/// A file of another tool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Foreign {
    /// An HTTP archive, as browsers, Playwright, mitmproxy and Proxyman write it.
    Har,
    /// The traffic log of enigma-go: `[{"Sent":…},{"Received":…}]`.
    EnigmaGo,
    /// What corectl and qlik-cli print with `--traffic`: lines with `-->` and `<--`.
    Traffic,
}

impl Foreign {
    /// Returns what it means that there is no message, if that is known.
    pub(super) fn when_empty(self) -> &'static str {
        match self {
            Self::Har => "",
            Self::EnigmaGo => {
                "; enigma-go writes it when the session is closed, so this one was closed before anything was said"
            }
            Self::Traffic => "; what is said is in lines with --> and <-- in front",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Har => "a HAR",
            Self::EnigmaGo => "a traffic log of enigma-go",
            Self::Traffic => "the output of --traffic",
        })
    }
}

/// Reads the beginning of a file.
pub(super) fn start(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    match reader.take(LOOKED_AT).read_to_end(&mut start) {
        // A compressed file that was cut or damaged: what there is of it may be of use.
        Err(error) if error.raw_os_error().is_some() || start.is_empty() => Err(error),
        _ => Ok(start),
    }
}

/// Says what begins so, or what is wrong with it.
pub(super) fn sniff(start: &[u8]) -> Result<Foreign, String> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    match text {
        [] => Err("is empty".to_owned()),
        [b'{', ..] if text.starts_with(br#"{"qixrec""#) => Err("is a recording already".to_owned()),
        // A program may print JSON, or times in brackets, before there is traffic.
        [b'{' | b'[', ..] if has_arrows(text) => Ok(Foreign::Traffic),
        [b'{', ..] => Ok(Foreign::Har),
        [b'[', ..] => Ok(Foreign::EnigmaGo),
        [b'P', b'K', 3, 4, ..] => {
            Err("is a ZIP archive: unpack it, and import the .har that is in it".to_owned())
        }
        _ if has_arrows(text) => Ok(Foreign::Traffic),
        _ => Err("is of no kind that is known here".to_owned()),
    }
}

/// Whether there is a line in which something was sent or received: no quotes in front, as texts of JSON have them, and colours and
/// spaces at most behind.
fn has_arrows(text: &[u8]) -> bool {
    let has_arrow = |line: &[u8]| {
        let found = memchr::memmem::find(line, b"-->").or_else(|| memchr::memmem::find(line, b"<--"));
        found.is_some_and(|at| {
            let brace =
                line[at..].iter().position(|byte| *byte == b'{').map_or(line.len(), |brace| at + brace);
            let plain = |byte: &u8| matches!(byte, b' ' | b'\x1b' | b'[' | b';' | b'm' | b'0'..=b'9');
            brace < line.len() && !line[..at].contains(&b'"') && line[at + 3..brace].iter().all(plain)
        })
    };
    text.split(|byte| *byte == b'\n').any(has_arrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_files_are_told_by_their_beginning() {
        for (text, kind) in [
            ("\u{feff} {\"log\":{", Foreign::Har),
            ("[\n\t{\n\t\t\"Sent\": {", Foreign::EnigmaGo),
            ("INFO: hello\n--> {\"id\":1}\n", Foreign::Traffic),
            ("[2026-01-02 03:04:05] INFO: --> {\"id\":1}\n", Foreign::Traffic),
            ("{\n \"a\": 1\n}\n<-- {\"id\":1}\n", Foreign::Traffic),
            ("\x1b[32m-->\x1b[0m {\"id\":1}\n", Foreign::Traffic),
            ("{\"log\":{\"comment\":\"--> {}\"", Foreign::Har),
            ("[\n{\"Sent\":{\"a\":\"x --> {}\"", Foreign::EnigmaGo),
        ] {
            assert_eq!(sniff(text.as_bytes()), Ok(kind), "{text}");
        }
        for (text, what) in [
            ("", "empty"),
            ("{\"qixrec\":[1,1]", "already"),
            ("hello", "no kind"),
            ("PK\x03\x04", "unpack it"),
        ] {
            assert!(sniff(text.as_bytes()).unwrap_err().contains(what), "{text}");
        }
    }
}
