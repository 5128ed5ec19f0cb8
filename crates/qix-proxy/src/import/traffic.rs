//! Reads what corectl and qlik-cli print with `--traffic`.
//!
//! Messages stand behind `-->` and `<--`, a line each, between whatever else the program prints. Lines may have something in
//! front, such as a time or colours, and messages may go on over lines.

use std::io::{self, BufRead, Read};

use bytes::Bytes;
use qix_protocol::{
    Handle,
    frame::{
        Raw,
        client::Request,
        engine::{Frame, Kind},
    },
};
use regex::bytes::Regex;

use super::{Foreign, ImportError, ImportReport, Source, untimed::Untimed};
use crate::record::Side;

/// The longest message that is looked for, in bytes; the engine's own limit is far below.
const LONGEST: usize = 256 << 20;

/// How much may stand in front of an arrow, in bytes.
const PREFIX: usize = 120;

pub(super) fn import(source: Source<'_>) -> Result<ImportReport, ImportError> {
    let mut text = Text {
        log: Untimed::create(&source, Foreign::Traffic)?,
        // Colours, and what else a terminal does; no JSON has that character.
        colour: Regex::new(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\))")
            .expect("the expression is a constant that compiles"),
        line: 0,
        message: None,
        connection: Connection::default(),
        others: 0,
        replaced: 0,
    };
    let Source { from, to, settings, reader } = source;
    let mut line = Vec::new();
    while read_line(reader, &mut line)
        .map_err(|source| ImportError::Read { path: from.to_owned(), source })?
    {
        text.line += 1;
        if line.len() > LONGEST {
            text.log.leave_out(format!("line {}", text.line), "it has more than 256 MiB");
        } else {
            text.take(&line);
        }
        if text.log.has_failed() {
            break;
        }
    }
    text.give_up("the file ends before it does");
    let Text { mut log, others, replaced, .. } = text;
    if replaced > 0 {
        log.notes.push(format!("lines of messages with U+FFFD: {replaced}; it stands for what is no UTF-8"));
    }
    if others > 0 {
        log.notes.push(format!("lines that are no traffic, and left out: {others}"));
    }
    log.finish(&Source { from, to, settings, reader }, false)
}

/// Reads a line, of which no more than is looked at is kept; `false` at the end.
fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = reader.take(LONGEST as u64 + 1).read_until(b'\n', line)?;
    if line.len() > LONGEST && !line.ends_with(b"\n") {
        // The rest of it.
        while reader.take(1 << 20).read_until(b'\n', &mut Vec::new())? == 1 << 20 {}
    }
    Ok(read > 0)
}

/// The text, line by line.
struct Text {
    log: Untimed,
    colour: Regex,
    line: u64,
    /// What has not ended with its line.
    message: Option<Message>,
    connection: Connection,
    /// Lines that have no part in the traffic.
    others: u64,
    /// Lines of messages with bytes that are no UTF-8.
    replaced: u64,
}

impl Text {
    fn take(&mut self, line: &[u8]) {
        let plain = self.colour.replace_all(line, &b""[..]);
        // A line that is not UTF-8 comes of another code page of the console.
        let text = String::from_utf8_lossy(&plain);
        let mut rest = text.trim_end_matches(['\r', '\n']);
        if let Some((from, message)) = arrow(rest) {
            self.give_up("the next message begins before it ends");
            self.message = Some(Message::new(from, self.line));
            rest = message;
        } else if self.message.is_none() {
            self.others += u64::from(!rest.trim().is_empty());
            return;
        }
        self.replaced += u64::from(text.contains('\u{fffd}'));
        while let Some(message) = &mut self.message {
            let Some(end) = message.add(rest) else { return };
            let rest_of_line = rest[end..].trim();
            self.end();
            match arrow(rest_of_line) {
                Some((from, message)) => {
                    self.message = Some(Message::new(from, self.line));
                    rest = message;
                }
                None if rest_of_line.is_empty() => return,
                None => {
                    let place = format!("line {}", self.line);
                    return self.log.leave_out(place, "what stands behind the message");
                }
            }
        }
    }

    /// Takes over the message that has ended.
    fn end(&mut self) {
        let Some(message) = self.message.take() else { return };
        let place = format!("line {}", message.line);
        let text = match Raw::new(message.text.as_bytes()) {
            Ok(raw) => raw.as_bytes(),
            Err(_) => return self.log.leave_out(place, "its message is no JSON"),
        };
        if message.is_wrapped {
            self.log.leave_out(place, "its message was broken within a text, and has been put together again without the line feeds");
        }
        if self.connection.is_another(message.from, text) {
            self.log.close();
            self.connection = Connection::default();
        }
        self.connection.said(message.from, text);
        self.log.frame(message.from, Bytes::copy_from_slice(text));
    }

    /// Leaves out what has begun and not ended.
    fn give_up(&mut self, why: &str) {
        if let Some(message) = self.message.take() {
            self.log.leave_out(format!("line {}", message.line), format!("its message was cut: {why}"));
        }
    }
}

/// Finds a message in a line: who says it, and the line from where it begins.
fn arrow(line: &str) -> Option<(Side, &str)> {
    let brace = line.find('{')?;
    let (prefix, message) = line.split_at(brace);
    let prefix = prefix.trim_end();
    let (before, from) = match (prefix.strip_suffix("-->"), prefix.strip_suffix("<--")) {
        (Some(before), _) => (before, Side::Client),
        (_, Some(before)) => (before, Side::Engine),
        _ => return None,
    };
    // A progress bar comes back to the beginning of its line. Arrows in texts of JSON are no arrows.
    let before = before.rsplit('\r').next().unwrap_or_default();
    (before.len() <= PREFIX && !before.contains('"')).then_some((from, message))
}

/// A message that has begun.
struct Message {
    from: Side,
    line: u64,
    text: String,
    /// Brackets that are open.
    depth: usize,
    in_text: bool,
    is_escaped: bool,
    /// Whether a line ended within a text.
    is_wrapped: bool,
}

impl Message {
    fn new(from: Side, line: u64) -> Self {
        Self {
            from,
            line,
            text: String::new(),
            depth: 0,
            in_text: false,
            is_escaped: false,
            is_wrapped: false,
        }
    }

    /// Adds a line, or what is left of one, and returns how much of it the message had if it has ended.
    fn add(&mut self, line: &str) -> Option<usize> {
        for (at, byte) in line.bytes().enumerate() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_text => self.is_escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' | b'[' if !self.in_text => self.depth += 1,
                b'}' | b']' if !self.in_text => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            if self.depth == 0 {
                self.text.push_str(&line[..=at]);
                return Some(at + 1);
            }
        }
        self.text.push_str(line);
        // No text of JSON has a line feed: a terminal has broken the line.
        if self.in_text {
            self.is_wrapped = true;
        } else {
            self.text.push('\n');
        }
        if self.text.len() > LONGEST { Some(line.len()) } else { None }
    }
}

/// What is known of the connection of which messages are read.
#[derive(Debug, Default)]
struct Connection {
    /// The id of its first request.
    first: Option<Vec<u8>>,
    is_greeted: bool,
    is_answered: bool,
}

impl Connection {
    /// Returns whether a message is the first of another connection.
    fn is_another(&self, from: Side, text: &[u8]) -> bool {
        match from {
            Side::Client => {
                let Ok(Request { id: Some(id), handle: Handle::GLOBAL, .. }) = Request::parse(text) else {
                    return false;
                };
                self.first.as_deref() == Some(id.as_bytes())
            }
            // A client need not wait for the greeting, but nobody is greeted twice, nor after an answer.
            Side::Engine => match greeting(text) {
                Some("OnConnected") => self.is_greeted || self.is_answered,
                Some(_) => self.is_answered,
                None => false,
            },
        }
    }

    fn said(&mut self, from: Side, text: &[u8]) {
        match from {
            Side::Client => {
                if let (None, Ok(Request { id: Some(id), .. })) = (&self.first, Request::parse(text)) {
                    self.first = Some(id.as_bytes().to_vec());
                }
            }
            Side::Engine => {
                self.is_greeted |= greeting(text) == Some("OnConnected");
                self.is_answered |= matches!(Frame::parse(text), Ok(Frame { kind: Kind::Response(_), .. }));
            }
        }
    }
}

/// Returns which of the messages this is that an engine sends before anything else.
fn greeting(text: &[u8]) -> Option<&'static str> {
    let Ok(Frame { kind: Kind::Notification { method, .. }, .. }) = Frame::parse(text) else { return None };
    ["OnConnected", "OnAuthenticationInformation"].into_iter().find(|name| *method == **name)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::{
        import::{ImportSettings, import},
        record::{EntryKind, FrameText, RecordingReader},
    };

    /// Imports what was printed, and returns paths behind `+`, messages behind `>` and `<`, and an `x` at the end, and the report.
    fn imported(printed: impl AsRef<[u8]>) -> (Vec<String>, Result<ImportReport, ImportError>) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("out.txt"), dir.path().join("a.qixrec"));
        std::fs::write(&from, printed).unwrap();
        let report = import(&from, &to, &ImportSettings::default());
        let line = |entry: Result<crate::record::Entry, _>| match entry.unwrap().kind {
            EntryKind::Open(opening) => Some(format!("+{}", opening.url)),
            EntryKind::Frame { from, text: FrameText::Text(text) } => {
                let mark = if from == Side::Client { '>' } else { '<' };
                Some(format!("{mark}{}", String::from_utf8(text.to_vec()).unwrap()))
            }
            EntryKind::Close(_) => Some("x".to_owned()),
            _ => None,
        };
        (
            RecordingReader::open(&to).map(|reader| reader.filter_map(line).collect()).unwrap_or_default(),
            report,
        )
    }

    const OPEN: &str =
        r#"{"jsonrpc":"2.0","delta":false,"method":"OpenDoc","handle":-1,"id":1,"params":["a"]}"#;
    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}"#;

    fn expected() -> [String; 4] {
        ["+/app/a".to_owned(), format!(">{OPEN}"), format!("<{ANSWER}"), "x".to_owned()]
    }

    #[test]
    fn messages_are_found_between_what_else_is_printed_and_behind_prefixes() {
        let printed = format!(
            "Connected\n--> {OPEN}\n\n[2026-01-02 03:04:05] INFO: <-- {ANSWER}\n+----+\n| id |\n{{\n  \"a\": \"--> {{}}\"\n}}\n"
        );
        let (lines, report) = imported(&printed);
        assert_eq!(lines, expected());
        let report = report.unwrap();
        assert!(report.left_out.is_empty(), "{report:?}");
        assert!(report.notes[1].ends_with("6"), "{report:?}");
        // So it is with the line ends of Windows, with progress, with colours, and as PowerShell writes it.
        let windows = printed.replace('\n', "\r\n");
        let utf16: Vec<u8> =
            "\u{feff}".encode_utf16().chain(windows.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let coloured = printed.replace("-->", "\x1b[1;32m-->\x1b[0m").replace("}}\n", "}}\x1b[K\n");
        let progress = printed.replace("\n--> {", &format!("\n{}\r--> {{", "Reloading 10 %\r".repeat(99)));
        for other in [windows.into_bytes(), utf16, coloured.into_bytes(), progress.into_bytes()] {
            assert_eq!(imported(&other).0, expected(), "{}", String::from_utf8_lossy(&other));
        }
    }

    #[test]
    fn message_may_go_on_over_lines() {
        let pretty = "{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\n  \"result\": {}\n}";
        let (lines, report) = imported(format!("--> {OPEN}\n<-- {pretty}\nINFO\n"));
        assert_eq!(lines[2], format!("<{pretty}"));
        assert!(report.unwrap().left_out.is_empty());
        // A terminal breaks lines wherever they are full.
        let mut wrapped = String::new();
        for piece in format!("--> {OPEN}").as_bytes().chunks(20) {
            let _ = writeln!(wrapped, "{}", std::str::from_utf8(piece).unwrap());
        }
        let (lines, report) = imported(format!("{wrapped}<-- {ANSWER}\n"));
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&lines[1][1..]), value(OPEN));
        assert_eq!((lines.len(), report.unwrap().left_out.len()), (4, 1));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_named() {
        let mut printed = format!("--> {OPEN}\n<-- ").into_bytes();
        printed.extend_from_slice(b"{\"id\":1,\"result\":{\"a\":\"\xe4\"}}\n");
        let (lines, report) = imported(&printed);
        assert_eq!(lines[2], "<{\"id\":1,\"result\":{\"a\":\"\u{fffd}\"}}");
        assert!(report.unwrap().notes.iter().any(|note| note.contains("U+FFFD: 1")));
    }

    #[test]
    fn message_that_was_cut_costs_no_other() {
        let (lines, report) =
            imported(format!("--> {}\n--> {OPEN}\n<-- {ANSWER}\n--> {{\"id\":2", &OPEN[..30]));
        assert_eq!(lines, expected());
        let report = report.unwrap();
        let places: Vec<_> = report.left_out.iter().map(|left| &*left.place).collect();
        assert_eq!(places, ["line 1", "line 4"], "{report:?}");
        let (lines, report) = imported(format!("--> {OPEN}<-- {ANSWER} and more\n--> {{nonsense}}\n"));
        assert_eq!(lines, expected());
        assert_eq!(report.unwrap().left_out.len(), 2);
    }

    #[test]
    fn connections_are_told_apart_by_greetings_and_by_ids_that_begin_again() {
        let hello = r#"<-- {"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#;
        let login = r#"<-- {"method":"OnAuthenticationInformation","params":{}}"#;
        let other = OPEN.replace("\"a\"", "\"b\"");
        let once = format!("--> {OPEN}\n<-- {ANSWER}\n");
        for (printed, connections) in [
            (format!("{once}{once}"), 2),
            (format!("{hello}\n{once}{hello}\n{once}"), 2),
            (format!("{login}\n{hello}\n{once}{login}\n{hello}\n{once}"), 2),
            (format!("--> {OPEN}\n{hello}\n<-- {ANSWER}\n--> {other}\n{hello}\n<-- {ANSWER}\n"), 2),
            (format!("--> {OPEN}\n{login}\n{hello}\n<-- {ANSWER}\n"), 1),
            (format!("{once}--> {}\n", OPEN.replace("\"id\":1", "\"id\":2")), 1),
        ] {
            let (lines, _) = imported(&printed);
            let opened = lines.iter().filter(|line| line.starts_with('+')).count();
            assert_eq!(opened, connections, "{printed}\n{lines:?}");
        }
    }

    #[test]
    fn text_without_traffic_is_no_recording() {
        let settings = ImportSettings { kind: Some(Foreign::Traffic), ..ImportSettings::default() };
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("out.txt"), dir.path().join("a.qixrec"));
        std::fs::write(&from, "hello\n--> nothing\n").unwrap();
        let error = import(&from, &to, &settings).unwrap_err().to_string();
        assert!(error.contains("lines with --> and <-- in front"), "{error}");
        assert!(!to.exists());
    }
}
