//! Reads the traffic log of enigma-go, one row at a time.
//!
//! enigma-go keeps `{"Sent": message}` and `{"Received": message}` and writes the array of them, indented with tabs, when the
//! session is closed. Go's encoder has taken the white space out of the messages and escaped `<`, `>`, `&` and two line separators
//! on the way; what is recorded is the message without white space and without these escapes, which is what engines and most
//! clients write. Written as such a log again it is the same, byte for byte.

use std::{fmt, io::BufReader};

use bytes::Bytes;
use encoding_rs_io::DecodeReaderBytesBuilder;
use qix_protocol::frame::Envelope;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use super::{Foreign, ImportError, ImportReport, Source, untimed::Untimed};
use crate::{go_json::compacted, record::Side};

/// What stands for bytes that are no UTF-8.
const REPLACEMENT: char = '\u{fffd}';

pub(super) fn import(source: Source<'_>) -> Result<ImportReport, ImportError> {
    let mut log = Untimed::create(&source, Foreign::EnigmaGo)?;
    let Source { from, to, settings, reader } = source;
    // Go passes on what is no UTF-8, and one such byte must not cost the rest of the file.
    let utf8 = DecodeReaderBytesBuilder::new().encoding(Some(encoding_rs::UTF_8)).build(&mut *reader);
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 18, utf8));
    let mut rows = Rows { log: &mut log, row: 0, replaced: 0 };
    let read = json.deserialize_any(&mut rows).and_then(|()| json.end());
    let Rows { row, replaced, .. } = rows;
    let source = Source { from, to, settings, reader };
    if replaced > 0 {
        log.notes.push(format!("rows with U+FFFD: {replaced}; it stands for what is no UTF-8"));
    }
    let Err(error) = read else { return log.finish(&source, false) };
    match error.classify() {
        Category::Io => return Err(ImportError::Read { path: from.to_owned(), source: error.into() }),
        // What failed is not the file that is read.
        Category::Data if log.has_failed() => {}
        _ if row == 0 => {
            return Err(source.malformed(
                Foreign::EnigmaGo,
                format!("it has no array with a row that is whole ({error})"),
            ));
        }
        Category::Data | Category::Syntax => {
            let why = format!("from here on the file is no JSON ({error}); the rows before are there");
            log.leave_out(format!("row {}", row + 1), why);
        }
        Category::Eof => {
            let why =
                "the file ends in or before it, so it is a copy that was cut; all rows before it are there";
            log.leave_out(format!("row {}", row + 1), why);
        }
    }
    log.finish(&source, true)
}

/// Takes the rows.
struct Rows<'a> {
    log: &'a mut Untimed,
    /// How many there were.
    row: u64,
    /// How many have a character that stands for others.
    replaced: u64,
}

impl<'de> Visitor<'de> for &mut Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(row) = seq.next_element::<Box<RawValue>>()? {
            self.row += 1;
            self.take(row.get());
            if self.log.has_failed() {
                return Err(A::Error::custom("the recording cannot be written"));
            }
        }
        Ok(())
    }
}

impl Rows<'_> {
    fn take(&mut self, text: &str) {
        let place = || format!("row {}", self.row);
        let Ok(row) = serde_json::from_str::<Row<'_>>(text) else {
            let place = place();
            return self.log.leave_out(place, "it is no object with Sent or Received");
        };
        self.replaced += u64::from(text.contains(REPLACEMENT));
        if let Some(other) = row.other {
            let place = place();
            self.log.leave_out(place, format!("its member {other:?}, which such a log does not have"));
        }
        let (from, message) = match (row.sent, row.received) {
            (Some(sent), None) => (Side::Client, sent),
            (None, Some(received)) => (Side::Engine, received),
            (Some(_), Some(_)) => {
                let place = place();
                return self.log.leave_out(
                    place,
                    "it has both Sent and Received, so that nobody knows which came first",
                );
            }
            (None, None) => {
                let place = place();
                return self
                    .log
                    .leave_out(place, "it has neither Sent nor Received, as an empty message is written");
            }
        };
        let message = compacted(message.get());
        if Envelope::parse(message.as_bytes()).is_err() {
            let place = place();
            self.log.leave_out(place, "its message is no QIX, and is taken over as it is");
        }
        self.log.frame(from, Bytes::from(message));
    }
}

/// A row, its messages as they were written.
#[derive(Default)]
struct Row<'a> {
    sent: Option<&'a RawValue>,
    received: Option<&'a RawValue>,
    /// The name of a member that is neither.
    other: Option<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Row<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Row<'de>, A::Error> {
                let mut row = Row::default();
                while let Some(name) = members.next_key::<String>()? {
                    match &*name {
                        "Sent" => row.sent = Some(members.next_value()?),
                        "Received" => row.received = Some(members.next_value()?),
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                            row.other.get_or_insert(name);
                        }
                    }
                }
                Ok(row)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::{
        import::{ImportSettings, import},
        record::{EntryKind, FrameText, RecordingReader, Written},
    };

    /// Imports a log.
    fn imported(log: impl AsRef<[u8]>) -> (TempDir, PathBuf, Result<ImportReport, ImportError>) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("socket.traffic"), dir.path().join("a.qixrec"));
        std::fs::write(&from, log).unwrap();
        let settings = ImportSettings { kind: Some(Foreign::EnigmaGo), ..ImportSettings::default() };
        let report = import(&from, &to, &settings);
        (dir, to, report)
    }

    /// Returns the lines of what was recorded: paths behind `+`, messages behind `>` and `<`, and an `x` at the end.
    fn lines(recording: &PathBuf) -> Vec<String> {
        let line = |entry: Result<crate::record::Entry, _>| match entry.unwrap().kind {
            EntryKind::Open(opening) => Some(format!("+{}", opening.url)),
            EntryKind::Frame { from, text: FrameText::Text(text) } => {
                let mark = if from == Side::Client { '>' } else { '<' };
                Some(format!("{mark}{}", String::from_utf8(text.to_vec()).unwrap()))
            }
            EntryKind::Close(_) => Some("x".to_owned()),
            _ => None,
        };
        RecordingReader::open(recording).unwrap().filter_map(line).collect()
    }

    const LOG: &str = "[\n\t{\n\t\t\"Received\": {\n\t\t\t\"method\": \"OnConnected\",\n\t\t\t\"params\": {}\n\t\t}\n\t},\n\t{\n\t\t\"Sent\": {\n\t\t\t\"jsonrpc\": \"2.0\",\n\t\t\t\"delta\": false,\n\t\t\t\"method\": \"OpenDoc\",\n\t\t\t\"handle\": -1,\n\t\t\t\"id\": 1,\n\t\t\t\"params\": [\n\t\t\t\t\"R\\u0026D\"\n\t\t\t]\n\t\t}\n\t}\n]";

    #[test]
    fn rows_become_messages_of_one_connection_to_the_app_that_is_opened() {
        let (_dir, recording, report) = imported(LOG);
        let report = report.unwrap();
        assert_eq!(report.written, Written { connections: 1, frames: 2, ..Written::default() });
        assert!(
            report.left_out.is_empty() && report.notes[0].contains("durations mean nothing"),
            "{report:?}"
        );
        let request =
            r#">{"jsonrpc":"2.0","delta":false,"method":"OpenDoc","handle":-1,"id":1,"params":["R&D"]}"#;
        assert_eq!(
            lines(&recording),
            ["+/app/R%26D", r#"<{"method":"OnConnected","params":{}}"#, request, "x"]
        );
        let times: Vec<_> =
            RecordingReader::open(&recording).unwrap().map(|entry| entry.unwrap().at).collect();
        assert_eq!(times.iter().map(|at| at.as_millis()).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 4]);
    }

    #[test]
    fn log_that_was_cut_gives_the_rows_that_are_whole_and_no_end() {
        for cut in [LOG.len() - 1, LOG.len() - 2] {
            let (_dir, recording, report) = imported(&LOG[..cut]);
            assert_eq!(lines(&recording).len(), 3, "{cut}");
            assert!(report.unwrap().left_out[0].why.contains("was cut"));
        }
        let (_dir, recording, report) = imported(&LOG[..LOG.len() - 10]);
        assert_eq!(lines(&recording), ["+/", r#"<{"method":"OnConnected","params":{}}"#]);
        let report = report.unwrap();
        assert_eq!((report.left_out.len(), &*report.left_out[0].place), (1, "row 2"));
        let (_dir, recording, report) = imported(format!("{}]x", &LOG[..LOG.len() - 1]));
        assert_eq!(lines(&recording).len(), 3);
        assert!(report.unwrap().left_out[0].why.contains("no JSON"));
    }

    #[test]
    fn rows_that_fit_are_taken_over_and_all_others_named() {
        let rows = r#"[7, null, {}, {"Sent":{"id":1,"method":"A"},"Received":{}}, {"Other":1,"Sent":{"id":2,"method":"B"}},
            {"Received":null}, {"Received":"text"}, {"Received":{"id":2,"result":{"a":1e400,"a":[ ]}}}]"#;
        let (_dir, recording, report) = imported(rows);
        assert_eq!(
            lines(&recording),
            [
                "+/",
                r#">{"id":2,"method":"B"}"#,
                "<null",
                "<\"text\"",
                r#"<{"id":2,"result":{"a":1e400,"a":[]}}"#,
                "x"
            ]
        );
        let left: Vec<_> = report.unwrap().left_out.into_iter().map(|left| left.place).collect();
        assert_eq!(left, ["row 1", "row 2", "row 3", "row 4", "row 5", "row 6", "row 7"]);
    }

    #[test]
    fn nothing_to_import_is_said_and_leaves_no_file() {
        for (log, says) in [
            ("[]", "closed before anything was said"),
            ("[{}]", "closed before anything was said"),
            ("", "no array with a row that is whole"),
            ("[{\"Sent\":{", "no array with a row that is whole"),
            ("hello", "no array with a row that is whole"),
            ("{\"log\":1}", "no array with a row"),
            ("[{\"Sent\":1}]", "has no message"),
        ] {
            let (_dir, recording, report) = imported(log);
            let error = report.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(!recording.exists());
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_cost_no_row() {
        let (_dir, recording, report) =
            imported(b"[{\"Sent\":{\"id\":1,\"method\":\"\xff\"}},{\"Received\":{\"id\":1}}]");
        assert_eq!(lines(&recording)[1..3], [">{\"id\":1,\"method\":\"\u{fffd}\"}", "<{\"id\":1}"]);
        assert!(report.unwrap().notes[1].contains("rows with U+FFFD: 1"));
    }
}
