//! Writes the lines of a recording. `docs/recording-format.md` is the normative text.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Side, VERSION,
    event::Upgraded,
    output::{Medium, Output},
};
use crate::relay::Head;

/// How many bytes are turned into base64 at once: a multiple of three, so that the pieces can be joined.
const BASE64_PIECE: usize = 24 << 10;

/// How a connection ended, as far as the recorder knows.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Who ended it; `None` for the proxy.
    pub(super) by: Option<Side>,
    pub(super) code: Option<u16>,
    pub(super) reason: String,
    pub(super) clean: bool,
    pub(super) cut: Option<[u64; 2]>,
    pub(super) error: Option<String>,
}

/// What a recorder writes into the header of each of its files.
#[derive(Clone, Debug, Default)]
pub(super) struct Heading {
    pub(super) started: String,
    pub(super) upstream: String,
}

/// What was not recorded, because nothing could be written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Missing {
    /// When the first of it was taken in, in microseconds.
    pub(super) since: u64,
    pub(super) frames: u64,
    /// Connections, refusals and HTTP exchanges that were left out whole.
    pub(super) others: u64,
}

/// Numbers entries and writes their lines. Each method returns whether its line was kept.
#[derive(Debug)]
pub(super) struct Writer<W> {
    pub(super) output: Output<W>,
    /// The number of the last entry.
    pub(super) seq: u64,
    pub(super) connections: u64,
    pub(super) frames: u64,
    pub(super) refused: u64,
    pub(super) exchanges: u64,
}

impl<W: Medium> Writer<W> {
    /// Starts a file with its header. `seq` is the number of the entry before.
    pub(super) fn start(
        output: Output<W>,
        heading: &Heading,
        part: u64,
        continues: Option<&str>,
        seq: u64,
    ) -> Self {
        let mut writer = Self { output, seq, connections: 0, frames: 0, refused: 0, exchanges: 0 };
        let (major, minor) = VERSION;
        let line = writer.output.buffer();
        line.extend_from_slice(format!(r#"{{"qixrec":[{major},{minor}],"started":"#).as_bytes());
        string(line, &heading.started);
        line.extend_from_slice(br#","tool":"#);
        string(line, concat!("qix-proxy ", env!("CARGO_PKG_VERSION")));
        line.extend_from_slice(br#","upstream":"#);
        string(line, &heading.upstream);
        if let Some(continues) = continues {
            member(line, "part");
            number(line, part);
            member(line, "continues");
            string(line, continues);
        }
        line.extend_from_slice(b"}\n");
        writer.output.end_line();
        writer.output.flush();
        writer
    }

    pub(super) fn open(&mut self, conn: u64, t: u64, upgraded: &Upgraded) -> bool {
        self.upgrade(conn, t, b"open", upgraded);
        let kept = self.end_line();
        self.connections += u64::from(kept);
        kept
    }

    /// States again that a connection is open, for readers who have not seen that.
    pub(super) fn still_open(&mut self, conn: u64, t: u64, url: &str) -> bool {
        self.upgrade(conn, t, b"open", &Upgraded { url: url.to_owned(), status: 101, ..Upgraded::default() });
        let line = self.output.buffer();
        member(line, "continued");
        line.extend_from_slice(b"true");
        self.end_line()
    }

    /// States a connection that a replay has made, because the recording had no answer.
    pub(super) fn added(&mut self, conn: u64, t: u64, upgraded: &Upgraded) -> bool {
        self.upgrade(conn, t, b"open", upgraded);
        let line = self.output.buffer();
        member(line, "added");
        line.extend_from_slice(b"true");
        let kept = self.end_line();
        self.connections += u64::from(kept);
        kept
    }

    /// Says what is missing before this entry, and why.
    pub(super) fn gap(&mut self, t: u64, missing: &Missing, reason: &str) -> bool {
        self.begin(0, t, b"gap");
        let line = self.output.buffer();
        for (name, value) in
            [("since", missing.since), ("frames", missing.frames), ("others", missing.others)]
        {
            member(line, name);
            number(line, value);
        }
        member(line, "reason");
        string(line, reason);
        self.end_line()
    }

    pub(super) fn refused(&mut self, t: u64, upgraded: &Upgraded) -> bool {
        self.upgrade(0, t, b"refused", upgraded);
        let line = self.output.buffer();
        for (name, text) in [("body", &upgraded.body), ("error", &upgraded.error)] {
            if let Some(text) = text {
                member(line, name);
                string(line, text);
            }
        }
        let kept = self.end_line();
        self.refused += u64::from(kept);
        kept
    }

    /// Writes a message that was complete at `t`, and whose first byte may have come before.
    pub(super) fn frame(
        &mut self,
        conn: u64,
        (t, began): (u64, Option<u64>),
        from: Side,
        opcode: u8,
        message: &[u8],
        redacted: &[String],
    ) -> bool {
        self.begin_frame(conn, t, from);
        let line = self.output.buffer();
        if let Some(began) = began {
            member(line, "began");
            number(line, began);
        }
        names(line, redacted);
        let is_text = opcode == Head::TEXT;
        if is_text && qix_protocol::is_json_line(message) {
            member(line, "json");
            let kept = self.output.end_with(message, b"}\n");
            self.frames += u64::from(kept);
            return self.count(kept);
        }
        match std::str::from_utf8(message) {
            Ok(text) if is_text => {
                member(line, "text");
                string(line, text);
            }
            _ => {
                self.base64(message);
                let line = self.output.buffer();
                member(line, "opcode");
                number(line, opcode.into());
            }
        }
        let kept = self.end_line();
        self.frames += u64::from(kept);
        kept
    }

    /// Writes of a message only how large it was.
    pub(super) fn omitted(&mut self, conn: u64, t: u64, from: Side, size: u64) -> bool {
        self.begin_frame(conn, t, from);
        let line = self.output.buffer();
        member(line, "bytes");
        number(line, size);
        let kept = self.end_line();
        self.frames += u64::from(kept);
        kept
    }

    pub(super) fn close(&mut self, conn: u64, t: u64, ending: &Ending) -> bool {
        self.begin(conn, t, b"close");
        let line = self.output.buffer();
        member(line, "by");
        string(line, ending.by.map_or("proxy", Side::name));
        if let Some(code) = ending.code {
            member(line, "code");
            number(line, code.into());
        }
        if !ending.reason.is_empty() {
            member(line, "reason");
            string(line, &ending.reason);
        }
        member(line, "clean");
        line.extend_from_slice(if ending.clean { b"true" } else { b"false" });
        if let Some([client, engine]) = ending.cut {
            member(line, "cut");
            line.push(b'[');
            number(line, client);
            line.push(b',');
            number(line, engine);
            line.push(b']');
        }
        if let Some(error) = &ending.error {
            member(line, "error");
            string(line, error);
        }
        self.end_line()
    }

    pub(super) fn note(&mut self, conn: u64, t: u64, text: &str) -> bool {
        self.begin(conn, t, b"note");
        let line = self.output.buffer();
        member(line, "text");
        string(line, text);
        self.end_line()
    }

    /// Ends the file; `next` is the name of the one that continues it.
    pub(super) fn end(&mut self, t: u64, next: Option<&str>) -> bool {
        // The line gets a compressed frame of its own, so that it is found from the end of the file.
        self.output.flush();
        self.begin(0, t, b"end");
        let (connections, frames, exchanges) = (self.connections, self.frames, self.exchanges);
        let line = self.output.buffer();
        member(line, "connections");
        number(line, connections);
        member(line, "frames");
        number(line, frames);
        if exchanges > 0 {
            member(line, "exchanges");
            number(line, exchanges);
        }
        if let Some(next) = next {
            member(line, "next");
            string(line, next);
        }
        let kept = self.end_line();
        self.output.flush();
        kept
    }

    /// Writes a member that has bytes as base64.
    pub(super) fn base64(&mut self, bytes: &[u8]) {
        let line = self.output.buffer();
        member(line, "base64");
        line.push(b'"');
        for piece in bytes.chunks(BASE64_PIECE) {
            let line = self.output.buffer();
            let start = line.len();
            line.resize(start + piece.len().div_ceil(3) * 4, 0);
            let written = STANDARD
                .encode_slice(piece, &mut line[start..])
                .expect("four bytes were made for every three");
            line.truncate(start + written);
            self.output.settle();
        }
        self.output.buffer().push(b'"');
    }

    pub(super) fn begin(&mut self, conn: u64, t: u64, kind: &[u8]) {
        self.seq += 1;
        let line = self.output.buffer();
        line.extend_from_slice(br#"{"seq":"#);
        number(line, self.seq);
        line.extend_from_slice(br#","t":"#);
        number(line, t);
        if conn > 0 {
            line.extend_from_slice(br#","conn":"#);
            number(line, conn);
        }
        line.extend_from_slice(br#","kind":""#);
        line.extend_from_slice(kind);
        line.push(b'"');
    }

    fn begin_frame(&mut self, conn: u64, t: u64, from: Side) {
        self.begin(conn, t, b"frame");
        self.output.buffer().extend_from_slice(match from {
            Side::Client => br#","from":"client""#,
            Side::Engine => br#","from":"engine""#,
        });
    }

    fn upgrade(&mut self, conn: u64, t: u64, kind: &[u8], upgraded: &Upgraded) {
        self.begin(conn, t, kind);
        let line = self.output.buffer();
        member(line, "url");
        string(line, &upgraded.url);
        member(line, "status");
        number(line, upgraded.status.into());
        pairs(line, "request", &upgraded.request);
        pairs(line, "response", &upgraded.response);
        names(line, &upgraded.redacted);
    }

    pub(super) fn end_line(&mut self) -> bool {
        self.output.buffer().extend_from_slice(b"}\n");
        let kept = self.output.end_line();
        self.count(kept)
    }

    /// Takes the number of an entry back that was not kept.
    fn count(&mut self, kept: bool) -> bool {
        self.seq -= u64::from(!kept);
        kept
    }
}

pub(super) fn member(line: &mut Vec<u8>, name: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

/// Writes headers.
pub(super) fn pairs(line: &mut Vec<u8>, name: &str, headers: &[(String, String)]) {
    member(line, name);
    line.push(b'[');
    for (at, (name, value)) in headers.iter().enumerate() {
        line.extend_from_slice(if at > 0 { b",[" } else { b"[" });
        string(line, name);
        line.push(b',');
        string(line, value);
        line.push(b']');
    }
    line.push(b']');
}

pub(super) fn names(line: &mut Vec<u8>, redacted: &[String]) {
    if redacted.is_empty() {
        return;
    }
    member(line, "redacted");
    for (at, name) in redacted.iter().enumerate() {
        line.push(if at > 0 { b',' } else { b'[' });
        string(line, name);
    }
    line.push(b']');
}

pub(super) fn number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a JSON string.
pub(super) fn string(line: &mut Vec<u8>, text: &str) {
    /// How much is looked through at once for what must be escaped: the compiler makes one comparison of it.
    const STEP: usize = 16;

    line.reserve(text.len() + 2);
    line.push(b'"');
    let (steps, rest) = text.as_bytes().as_chunks::<STEP>();
    // What needs no escape is copied by runs.
    let mut plain = 0;
    for (index, step) in steps.iter().enumerate() {
        let dirty = step.iter().fold(false, |dirty, byte| dirty | must_be_escaped(*byte));
        if dirty {
            let start = index * STEP;
            line.extend_from_slice(&text.as_bytes()[plain..start]);
            plain = start + STEP;
            escape(line, step);
        }
    }
    line.extend_from_slice(&text.as_bytes()[plain..text.len() - rest.len()]);
    escape(line, rest);
    line.push(b'"');
}

fn must_be_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn escape(line: &mut Vec<u8>, mut bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    while let Some(at) = bytes.iter().position(|byte| must_be_escaped(*byte)) {
        line.extend_from_slice(&bytes[..at]);
        match bytes[at] {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            control @ 0..b' ' => {
                line.extend_from_slice(b"\\u00");
                line.extend([control >> 4, control & 15].map(|digit| DIGITS[usize::from(digit)]));
            }
            other => line.extend_from_slice(&[b'\\', other]),
        }
        bytes = &bytes[at + 1..];
    }
    line.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::output::Memory;

    fn line(write: impl FnOnce(&mut Writer<Memory>)) -> String {
        let heading =
            Heading { started: "2026-01-02T03:04:05.678901Z".to_owned(), upstream: "ws://h/".to_owned() };
        let mut writer = Writer::start(Output::new(Memory::default(), None), &heading, 1, None, 0);
        write(&mut writer);
        writer.output.flush();
        let text = String::from_utf8(writer.output.medium().0.clone()).unwrap();
        text.lines().last().unwrap().to_owned()
    }

    #[test]
    fn header_comes_first() {
        assert_eq!(
            line(|_| ()),
            format!(
                r#"{{"qixrec":[1,2],"started":"2026-01-02T03:04:05.678901Z","tool":"qix-proxy {}","upstream":"ws://h/"}}"#,
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn connection_is_stated_again_without_its_headers() {
        assert_eq!(
            line(|writer| assert!(writer.still_open(3, 9, "/app/x"))),
            r#"{"seq":1,"t":9,"conn":3,"kind":"open","url":"/app/x","status":101,"request":[],"response":[],"continued":true}"#
        );
    }

    #[test]
    fn valid_json_without_line_feed_is_embedded_as_it_came() {
        for (message, expected) in [
            (&b" {\"a\" :1e400}\t"[..], "\"json\": {\"a\" :1e400}\t}"),
            (b"[1,\n2]", r#""text":"[1,\n2]"}"#),
            (b"{\"a\":}", r#""text":"{\"a\":}"}"#),
            (b"", r#""text":""}"#),
            (b"\xff", r#""base64":"/w==","opcode":1}"#),
        ] {
            let line =
                line(|writer| assert!(writer.frame(7, (8, None), Side::Client, Head::TEXT, message, &[])));
            assert_eq!(
                line,
                format!(r#"{{"seq":1,"t":8,"conn":7,"kind":"frame","from":"client",{expected}"#)
            );
        }
    }

    #[test]
    fn message_that_came_in_pieces_says_when_it_began() {
        let line =
            line(|writer| assert!(writer.frame(1, (9, Some(5)), Side::Engine, Head::TEXT, b"{}", &[])));
        assert_eq!(line, r#"{"seq":1,"t":9,"conn":1,"kind":"frame","from":"engine","began":5,"json":{}}"#);
        let entry = crate::record::entry_of(&line.into()).unwrap();
        assert_eq!(entry.began, Some(std::time::Duration::from_micros(5)));
    }

    #[test]
    fn binary_is_base64_even_if_it_is_text() {
        let line = line(|writer| assert!(writer.frame(1, (0, None), Side::Engine, Head::BINARY, b"{}", &[])));
        assert!(line.ends_with(r#""from":"engine","base64":"e30=","opcode":2}"#), "{line}");
    }

    #[test]
    fn close_leaves_out_what_there_is_none_of() {
        let ending = Ending::default();
        let line = line(|writer| assert!(writer.close(3, 9, &ending)));
        assert_eq!(line, r#"{"seq":1,"t":9,"conn":3,"kind":"close","by":"proxy","clean":false}"#);
    }

    #[test]
    fn end_counts_connections_and_frames() {
        let line = line(|writer| {
            writer.open(1, 1, &Upgraded::default());
            writer.omitted(1, 2, Side::Engine, 1 << 40);
            writer.end(3, None);
        });
        assert_eq!(line, r#"{"seq":3,"t":3,"kind":"end","connections":1,"frames":1}"#);
    }

    proptest! {
        #[test]
        fn strings_are_read_back(text in "([ -~é€😀]{0,40}[\\x00-\\x1f\"\\\\]{0,3}){0,4}") {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn base64_is_joined_without_seams(size in 0..100_000usize) {
            let bytes: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let line = line(|writer| assert!(writer.frame(1, (0, None), Side::Engine, Head::BINARY, &bytes, &[])));
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(STANDARD.decode(value["base64"].as_str().unwrap()).unwrap(), bytes);
        }
    }
}
