//! Writes the lines of a recording. `docs/recording-format.md` is the normative text.

use std::io::{self, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Side, VERSION, event::Upgraded, output::Output};
use crate::relay::Head;

/// How many bytes are turned into base64 at once: a multiple of three, so that the pieces can be joined.
const BASE64_PIECE: usize = 24 << 10;

/// How a connection ended, as far as the recorder knows.
#[derive(Debug, Default)]
pub(super) struct Ending<'a> {
    /// Who ended it; `None` for the proxy.
    pub(super) by: Option<Side>,
    pub(super) code: Option<u16>,
    pub(super) reason: &'a str,
    pub(super) clean: bool,
    pub(super) cut: Option<[u64; 2]>,
    pub(super) error: Option<String>,
}

/// Numbers entries and writes their lines.
#[derive(Debug)]
pub(super) struct Writer<W> {
    output: Output<W>,
    seq: u64,
    pub(super) connections: u64,
    pub(super) frames: u64,
    pub(super) refused: u64,
}

impl<W: Write> Writer<W> {
    /// Starts a recording with its header.
    pub(super) fn start(file: W, started: &str, upstream: &str) -> io::Result<Self> {
        let mut output = Output::new(file);
        let (major, minor) = VERSION;
        let line = output.buffer();
        line.extend_from_slice(format!(r#"{{"qixrec":[{major},{minor}],"started":"#).as_bytes());
        string(line, started);
        line.extend_from_slice(br#","tool":"#);
        string(line, concat!("qix-proxy ", env!("CARGO_PKG_VERSION")));
        line.extend_from_slice(br#","upstream":"#);
        string(line, upstream);
        line.extend_from_slice(b"}\n");
        output.flush()?;
        Ok(Self { output, seq: 0, connections: 0, frames: 0, refused: 0 })
    }

    pub(super) fn open(&mut self, conn: u64, t: u64, upgraded: &Upgraded) -> io::Result<()> {
        self.connections += 1;
        self.upgrade(conn, t, b"open", upgraded);
        self.end_line()
    }

    pub(super) fn refused(&mut self, t: u64, upgraded: &Upgraded) -> io::Result<()> {
        self.refused += 1;
        self.upgrade(0, t, b"refused", upgraded);
        let line = self.output.buffer();
        for (name, text) in [("body", &upgraded.body), ("error", &upgraded.error)] {
            if let Some(text) = text {
                member(line, name);
                string(line, text);
            }
        }
        self.end_line()
    }

    /// Writes a message.
    pub(super) fn frame(
        &mut self,
        conn: u64,
        t: u64,
        from: Side,
        opcode: u8,
        message: &[u8],
        redacted: &[String],
    ) -> io::Result<()> {
        self.begin_frame(conn, t, from);
        let line = self.output.buffer();
        names(line, redacted);
        let is_text = opcode == Head::TEXT;
        if is_text && qix_protocol::is_json_line(message) {
            member(line, "json");
            self.output.append(message)?;
            return self.end_line();
        }
        match std::str::from_utf8(message) {
            Ok(text) if is_text => {
                member(line, "text");
                string(line, text);
            }
            _ => {
                member(line, "base64");
                line.push(b'"');
                for piece in message.chunks(BASE64_PIECE) {
                    let line = self.output.buffer();
                    let start = line.len();
                    line.resize(start + piece.len().div_ceil(3) * 4, 0);
                    let written = STANDARD
                        .encode_slice(piece, &mut line[start..])
                        .expect("four bytes were made for every three");
                    line.truncate(start + written);
                    self.output.settle()?;
                }
                let line = self.output.buffer();
                line.push(b'"');
                member(line, "opcode");
                number(line, opcode.into());
            }
        }
        self.end_line()
    }

    /// Writes of a message only how large it was.
    pub(super) fn omitted(&mut self, conn: u64, t: u64, from: Side, size: u64) -> io::Result<()> {
        self.begin_frame(conn, t, from);
        let line = self.output.buffer();
        member(line, "bytes");
        number(line, size);
        self.end_line()
    }

    pub(super) fn close(&mut self, conn: u64, t: u64, ending: &Ending<'_>) -> io::Result<()> {
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
            string(line, ending.reason);
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

    pub(super) fn note(&mut self, conn: u64, t: u64, text: &str) -> io::Result<()> {
        self.begin(conn, t, b"note");
        let line = self.output.buffer();
        member(line, "text");
        string(line, text);
        self.end_line()
    }

    /// Seals the recording.
    pub(super) fn end(&mut self, t: u64) -> io::Result<()> {
        self.begin(0, t, b"end");
        let (connections, frames) = (self.connections, self.frames);
        let line = self.output.buffer();
        member(line, "connections");
        number(line, connections);
        member(line, "frames");
        number(line, frames);
        self.end_line()?;
        self.flush()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Gives memory back that is not in use.
    pub(super) fn release(&mut self) {
        self.output.release();
    }

    /// Returns how many bytes were written.
    pub(super) fn written(&self) -> u64 {
        self.output.written()
    }

    fn begin(&mut self, conn: u64, t: u64, kind: &[u8]) {
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
        self.frames += 1;
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
        for (name, headers) in [("request", &upgraded.request), ("response", &upgraded.response)] {
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
        names(line, &upgraded.redacted);
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.output.buffer().extend_from_slice(b"}\n");
        self.output.settle()
    }
}

fn member(line: &mut Vec<u8>, name: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

fn names(line: &mut Vec<u8>, redacted: &[String]) {
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

fn number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a JSON string.
fn string(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 => b'u',
            _ => continue,
        };
        line.extend_from_slice(&text.as_bytes()[copied..at]);
        line.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            line.extend_from_slice(b"00");
            line.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        copied = at + 1;
    }
    line.extend_from_slice(&text.as_bytes()[copied..]);
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(write: impl FnOnce(&mut Writer<&mut Vec<u8>>)) -> String {
        let mut file = Vec::new();
        let mut writer = Writer::start(&mut file, "2026-01-02T03:04:05.678901Z", "ws://h/").unwrap();
        write(&mut writer);
        writer.flush().unwrap();
        drop(writer);
        let text = String::from_utf8(file).unwrap();
        text.lines().last().unwrap().to_owned()
    }

    #[test]
    fn header_comes_first() {
        assert_eq!(
            line(|_| ()),
            format!(
                r#"{{"qixrec":[1,0],"started":"2026-01-02T03:04:05.678901Z","tool":"qix-proxy {}","upstream":"ws://h/"}}"#,
                env!("CARGO_PKG_VERSION")
            )
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
            let line = line(|writer| writer.frame(7, 8, Side::Client, Head::TEXT, message, &[]).unwrap());
            assert_eq!(
                line,
                format!(r#"{{"seq":1,"t":8,"conn":7,"kind":"frame","from":"client",{expected}"#)
            );
        }
    }

    #[test]
    fn binary_is_base64_even_if_it_is_text() {
        let line = line(|writer| writer.frame(1, 0, Side::Engine, Head::BINARY, b"{}", &[]).unwrap());
        assert!(line.ends_with(r#""from":"engine","base64":"e30=","opcode":2}"#), "{line}");
    }

    #[test]
    fn close_leaves_out_what_there_is_none_of() {
        let ending = Ending::default();
        let line = line(|writer| writer.close(3, 9, &ending).unwrap());
        assert_eq!(line, r#"{"seq":1,"t":9,"conn":3,"kind":"close","by":"proxy","clean":false}"#);
    }

    #[test]
    fn end_counts_connections_and_frames() {
        let line = line(|writer| {
            writer.open(1, 1, &Upgraded::default()).unwrap();
            writer.omitted(1, 2, Side::Engine, 1 << 40).unwrap();
            writer.end(3).unwrap();
        });
        assert_eq!(line, r#"{"seq":3,"t":3,"kind":"end","connections":1,"frames":1}"#);
    }

    proptest! {
        #[test]
        fn strings_are_read_back(text in "[ -~\\x00-\\x1fé€😀\"\\\\]{0,40}") {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn base64_is_joined_without_seams(size in 0..100_000usize) {
            let bytes: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let line = line(|writer| writer.frame(1, 0, Side::Engine, Head::BINARY, &bytes, &[]).unwrap());
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(STANDARD.decode(value["base64"].as_str().unwrap()).unwrap(), bytes);
        }
    }
}
