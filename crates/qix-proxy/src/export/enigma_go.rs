//! Writes the traffic log of enigma-go, byte for byte as enigma-go would have for these messages.

use std::{collections::BTreeMap, io::Write};

use qix_protocol::{ProtocolError, frame::Raw};

use super::{
    ExportError, ExportReport, ExportSettings, Messages, left_out::LeftOut, new_file::NewFile, torn,
};
use crate::{
    go_json::indented,
    record::{EntryKind, FrameText, RecordingParts, Side},
};

pub(super) fn export(
    mut parts: RecordingParts,
    file: NewFile,
    settings: &ExportSettings,
) -> Result<ExportReport, ExportError> {
    let mut log = Log { file, written: 0, left_out: LeftOut::default(), row: Vec::new() };
    let mut chosen = settings.connection;
    let mut connections: BTreeMap<u64, Messages> = BTreeMap::new();
    for entry in &mut parts {
        let entry = entry?;
        let Some(conn) = entry.conn else {
            if let EntryKind::Gap(gap) = entry.kind {
                log.left_out.add(format!(
                    "{} messages that the recording misses before entry {}",
                    gap.frames, entry.seq
                ));
            }
            continue;
        };
        let messages = connections.entry(conn).or_insert_with(|| Messages { conn, ..Messages::default() });
        match entry.kind {
            EntryKind::Open(opening) if !opening.continued => messages.url = opening.url,
            EntryKind::Frame { from, text } => {
                messages.frames += 1;
                // Of several, which one has to be said; the rest is then counted only.
                if *chosen.get_or_insert(conn) == conn {
                    log.add(entry.seq, from, &text)?;
                }
            }
            _ => {}
        }
    }
    let with_messages = || connections.values().filter(|messages| messages.frames > 0);
    let all = || with_messages().cloned().collect();
    match settings.connection {
        None if with_messages().count() > 1 => return Err(ExportError::Several { connections: all() }),
        Some(conn) if !connections.contains_key(&conn) => {
            return Err(ExportError::NoConnection { conn, connections: all() });
        }
        _ => {}
    }
    torn(&parts).for_each(|line| log.left_out.add(line));
    log.finish()
}

struct Log {
    file: NewFile,
    written: u64,
    left_out: LeftOut,
    row: Vec<u8>,
}

impl Log {
    fn add(&mut self, seq: u64, from: Side, text: &FrameText) -> Result<(), ExportError> {
        let why = match text {
            FrameText::Text(text) => match (std::str::from_utf8(text), Raw::new(text)) {
                (Ok(text), Ok(_)) => return self.row(from, text),
                (Err(_), _) => "is no UTF-8",
                (_, Err(ProtocolError::TooDeep { .. })) => "is nested too deeply",
                (_, Err(_)) => "is no JSON",
            },
            FrameText::Binary(_) => "is binary",
            FrameText::Omitted(_) => "was too large to be recorded",
        };
        self.left_out.add(format!("entry {seq}: the {from}'s message {why}"));
        Ok(())
    }

    fn row(&mut self, from: Side, text: &str) -> Result<(), ExportError> {
        let name = match from {
            Side::Client => "Sent",
            Side::Engine => "Received",
        };
        self.row.clear();
        self.row.extend_from_slice(if self.written == 0 { b"[" } else { b"," });
        self.row.extend_from_slice(b"\n\t{\n\t\t\"");
        self.row.extend_from_slice(name.as_bytes());
        self.row.extend_from_slice(b"\": ");
        indented(text, 2, &mut self.row);
        self.row.extend_from_slice(b"\n\t}");
        self.written += 1;
        self.file.write_all(&self.row).map_err(self.file.failed())
    }

    fn finish(mut self) -> Result<ExportReport, ExportError> {
        let end: &[u8] = if self.written == 0 { b"[]" } else { b"\n]" };
        self.file.write_all(end).map_err(self.file.failed())?;
        self.file.keep()?;
        Ok(ExportReport { written: self.written, left_out: self.left_out.told() })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::{
        export::{ExportAs, export},
        import::{ImportSettings, import},
        record::{Header, Injected, RecordingReader, RecordingWriter, Redaction, Upgrade},
    };

    /// Records messages, each with its connection.
    fn record(path: &Path, messages: &[(u64, Side, FrameText)]) {
        let mut writer = RecordingWriter::create(path, &Header::default(), &Redaction::off()).unwrap();
        for conn in 1..=messages.iter().map(|(conn, ..)| *conn).max().unwrap_or(1) {
            let (request, response, injected) = (HeaderMap::new(), HeaderMap::new(), Injected::default());
            let (url, status) = (&*format!("/app/{conn}"), StatusCode::SWITCHING_PROTOCOLS);
            let upgrade =
                Upgrade { url, status, request: &request, response: &response, injected: &injected };
            writer.open(Duration::ZERO, &upgrade);
        }
        for (conn, from, text) in messages {
            writer.frame(Duration::ZERO, *conn, *from, text);
        }
        writer.seal().unwrap();
    }

    fn text(text: &str) -> FrameText {
        FrameText::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn exported(recording: &Path, to: &Path, connection: Option<u64>) -> Result<ExportReport, ExportError> {
        let settings = ExportSettings { connection, ..ExportSettings::new(ExportAs::EnigmaGo) };
        export(&[recording.to_owned()], to, &settings)
    }

    fn messages(recording: &Path) -> Vec<(Side, FrameText)> {
        let message = |entry: Result<crate::record::Entry, _>| match entry.unwrap().kind {
            EntryKind::Frame { from, text } => Some((from, text)),
            _ => None,
        };
        RecordingReader::open(recording).unwrap().filter_map(message).collect()
    }

    #[test]
    fn log_is_indented_and_escaped_as_go_does_it() {
        let dir = tempfile::tempdir().unwrap();
        let (recording, log) = (dir.path().join("a.qixrec"), dir.path().join("log"));
        let request = r#"{"id": 1,"params":[],"handle":-1}"#;
        record(&recording, &[(1, Side::Client, text(request)), (1, Side::Engine, text(r#"{"a":"<ü>"}"#))]);
        assert_eq!(exported(&recording, &log, None).unwrap().written, 2);
        let expected = r#"[
	{
		"Sent": {
			"id": 1,
			"params": [],
			"handle": -1
		}
	},
	{
		"Received": {
			"a": "\u003cü\u003e"
		}
	}
]"#;
        assert_eq!(fs::read_to_string(&log).unwrap(), expected);
        assert!(matches!(
            exported(&recording, &log, None),
            Err(ExportError::Write(crate::record::WriteError::Exists { .. }))
        ));
    }

    #[test]
    fn nothing_said_is_an_empty_array() {
        let dir = tempfile::tempdir().unwrap();
        let (recording, log) = (dir.path().join("a.qixrec"), dir.path().join("log"));
        record(&recording, &[]);
        exported(&recording, &log, None).unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"[]");
    }

    #[test]
    fn one_of_several_connections_has_to_be_named() {
        let dir = tempfile::tempdir().unwrap();
        let (recording, log) = (dir.path().join("a.qixrec"), dir.path().join("log"));
        record(
            &recording,
            &[(1, Side::Client, text("{}")), (3, Side::Client, text("{}")), (1, Side::Engine, text("{}"))],
        );
        let error = exported(&recording, &log, None).unwrap_err().to_string();
        assert!(
            error.ends_with("--connection says which: 1 (/app/1, 2 messages), 3 (/app/3, 1 message)"),
            "{error}"
        );
        let error = exported(&recording, &log, Some(9)).unwrap_err().to_string();
        assert!(error.starts_with("the recording has no connection 9; it has 1 (/app/1"), "{error}");
        assert!(!log.exists());
        assert_eq!(exported(&recording, &log, Some(3)).unwrap().written, 1);
    }

    #[test]
    fn messages_that_no_such_log_can_have_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (recording, log) = (dir.path().join("a.qixrec"), dir.path().join("log"));
        let deep = "[".repeat(300) + &"]".repeat(300);
        let odd = [
            text("hello"),
            FrameText::Binary(Bytes::from_static(b"{}")),
            FrameText::Omitted(7),
            text(&deep),
            FrameText::Text(Bytes::from_static(b"[\"\xff\"]")),
        ];
        let mut all: Vec<_> = odd.into_iter().map(|odd| (1, Side::Engine, odd)).collect();
        all.push((1, Side::Engine, text("{}")));
        record(&recording, &all);
        let report = exported(&recording, &log, None).unwrap();
        assert_eq!((report.written, report.left_out.len()), (1, 5));
        let says = ["is no JSON", "is binary", "too large", "nested too deeply", "is no UTF-8"];
        assert!(report.left_out.iter().zip(says).all(|(left, says)| left.contains(says)), "{report:?}");
        assert_eq!(fs::read_to_string(&log).unwrap(), "[\n\t{\n\t\t\"Received\": {}\n\t}\n]");
    }

    /// `MarshalIndent(rows, "", "\t")`, written anew on a tree.
    fn marshalled(rows: &[(Side, Value)]) -> String {
        let row = |(from, message): &(Side, Value)| serde_json::json!({ if *from == Side::Client { "Sent" } else { "Received" }: message });
        tree(&Value::Array(rows.iter().map(row).collect()), 1)
    }

    /// A value whose members stand `depth` tabs deep.
    fn tree(value: &Value, depth: usize) -> String {
        let tabs = "\t".repeat(depth);
        let all = |open: char, close: char, items: Vec<String>| match items.is_empty() {
            true => format!("{open}{close}"),
            false => format!("{open}\n{tabs}{}\n{}{close}", items.join(&format!(",\n{tabs}")), &tabs[1..]),
        };
        match value {
            Value::Object(members) => {
                let item = |(name, inner): (&String, &Value)| {
                    format!(
                        "{}: {}",
                        escaped(&Value::from(name.as_str()).to_string()),
                        tree(inner, depth + 1)
                    )
                };
                all('{', '}', members.iter().map(item).collect())
            }
            Value::Array(items) => all('[', ']', items.iter().map(|item| tree(item, depth + 1)).collect()),
            other => escaped(&other.to_string()),
        }
    }

    fn escaped(text: &str) -> String {
        let escape = |character: char| match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(character)),
            other => other.to_string(),
        };
        text.chars().map(escape).collect()
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = "[ -~é<>&\u{2028}\u{20ac}\"\\\\]{0,10}";
        let leaf = prop_oneof![any::<i32>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((text, inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn log_imported_and_exported_is_the_same_and_so_are_messages_exported_and_imported(
            rows in prop::collection::vec((any::<bool>(), json()), 0..6)
        ) {
            let side = |is_client| if is_client { Side::Client } else { Side::Engine };
            let message = |value| serde_json::json!({"id": 1, "method": "M", "params": value});
            let rows: Vec<_> = rows.into_iter().map(|(from, value)| (side(from), message(value))).collect();
            prop_assume!(!rows.is_empty());
            let dir = tempfile::tempdir().unwrap();
            let [log, again, first, second] = ["log", "again", "a.qixrec", "b.qixrec"].map(|name| dir.path().join(name));
            let written = marshalled(&rows);
            fs::write(&log, &written).unwrap();
            let settings = ImportSettings { redaction: Redaction::off(), ..ImportSettings::default() };
            import(&log, &first, &settings).unwrap();
            exported(&first, &again, None).unwrap();
            prop_assert_eq!(fs::read_to_string(&again).unwrap(), written);
            import(&again, &second, &settings).unwrap();
            prop_assert_eq!(messages(&first), messages(&second));
            let said: Vec<_> = rows.iter().map(|(from, value)| (*from, text(&value.to_string()))).collect();
            prop_assert_eq!(messages(&first), said);
        }
    }
}
