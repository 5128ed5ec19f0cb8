use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use crate::{
    import::{ImportError, ImportReport, ImportSettings, import},
    record::{Entry, EntryKind, Exchange, FrameText, RecordingReader, Side},
};

const GREETING: &str = r#"{\"jsonrpc\":\"2.0\",\"method\":\"OnConnected\",\"params\":{}}"#;
const REQUEST: &str =
    r#"{\"jsonrpc\":\"2.0\",\"id\":1,\"handle\":-1,\"method\":\"EngineVersion\",\"params\":[]}"#;
const ANSWER: &str = r#"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"qVersion\":{}}}"#;

fn har(entries: &str) -> String {
    format!(r#"{{"log":{{"version":"1.2","creator":{{"name":"x","version":"1"}},"entries":[{entries}]}}}}"#)
}

/// As Chrome and Edge write it: messages first, times in seconds.
fn chrome(url: &str, start: u32) -> String {
    format!(
        r#"{{"_connectionId":"9","_initiator":{{"type":"script","stack":{{"callFrames":[]}}}},"_priority":null,"_resourceType":"websocket",
        "_webSocketMessages":[
        {{"type":"receive","time":17673230{start}.25,"opcode":1,"data":"{GREETING}"}},
        {{"type":"send","time":17673230{start}.5,"opcode":1,"data":"{REQUEST}"}},
        {{"type":"receive","time":17673230{start}.75,"opcode":1,"data":"{ANSWER}"}}],
        "cache":{{}},"pageref":"page_1","request":{{"method":"GET","url":"{url}","httpVersion":"http/1.1","headers":[{{"name":"Host","value":"h"}},{{"name":"Upgrade","value":"websocket"}}],"queryString":[],"cookies":[],"headersSize":-1,"bodySize":0}},
        "response":{{"status":101,"statusText":"Switching Protocols","headers":[],"cookies":[],"content":{{"size":0,"mimeType":"x-unknown"}},"redirectURL":"","headersSize":-1,"bodySize":-1,"_transferSize":0,"_error":null}},
        "serverIPAddress":"","startedDateTime":"2026-01-02T03:03:{}.000Z","time":3.2,"timings":{{"blocked":-1,"send":0,"wait":3,"receive":0.2}}}}"#,
        start - 20
    )
}

fn socket(messages: &str, more: &str) -> String {
    format!(
        r#"{{"startedDateTime":"2026-01-02T03:04:05Z","request":{{"method":"GET","url":"wss://h/app/a"}},"_webSocketMessages":[{messages}]{more}}}"#
    )
}

fn took(bytes: &[u8], settings: &ImportSettings) -> Result<(ImportReport, Vec<Entry>, String), ImportError> {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("a.har"), dir.path().join("a.qixrec"));
    std::fs::write(&from, bytes).unwrap();
    read(&dir, import(&from, &to, settings))
}

fn read(
    dir: &TempDir,
    report: Result<ImportReport, ImportError>,
) -> Result<(ImportReport, Vec<Entry>, String), ImportError> {
    let to = dir.path().join("a.qixrec");
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            assert!(!to.exists(), "nothing is left of an import that failed");
            return Err(error);
        }
    };
    let mut reader = RecordingReader::open(to).unwrap();
    let entries: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    let upstream = reader.header().upstream.clone();
    Ok((report, entries, upstream))
}

fn import_text(text: &str) -> (ImportReport, Vec<Entry>, String) {
    took(text.as_bytes(), &ImportSettings::default()).unwrap()
}

fn frames(entries: &[Entry]) -> Vec<(u64, Side, String)> {
    let frame = |entry: &Entry| match &entry.kind {
        EntryKind::Frame { from, text: FrameText::Text(text) | FrameText::Binary(text) } => {
            Some((entry.at.as_micros() as u64, *from, String::from_utf8_lossy(text).into_owned()))
        }
        _ => None,
    };
    entries.iter().filter_map(frame).collect()
}

fn exchanges(entries: &[Entry]) -> Vec<&Exchange> {
    let exchange = |entry| match entry {
        &Entry { kind: EntryKind::Http(ref exchange), .. } => Some(&**exchange),
        _ => None,
    };
    entries.iter().filter_map(exchange).collect()
}

#[test]
fn connections_of_one_har_are_interleaved_by_time() {
    let text = har(&[chrome("ws://h/app/b", 31), chrome("ws://h/app/a", 30)].join(","));
    let (report, entries, upstream) = import_text(&text);
    assert_eq!((report.written.connections, report.written.frames), (2, 6));
    assert_eq!(upstream, "ws://h/");
    let opened: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Open(opening) => Some((entry.conn, &*opening.url, opening.status)),
            _ => None,
        })
        .collect();
    assert_eq!(opened, [(Some(1), "/app/a", 101), (Some(2), "/app/b", 101)]);
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    assert_eq!(frames(&entries)[0].1, Side::Engine);
    assert!(report.left_out.is_empty() && report.notes.is_empty(), "{report:?}");
}

#[test]
fn times_in_seconds_and_in_milliseconds_are_the_same() {
    let message = |time: &str| format!(r#"{{"type":"send","time":{time},"opcode":1,"data":"{REQUEST}"}}"#);
    for time in ["1767323046.5", "1767323046500", "1767323046500.0"] {
        let (_, entries, _) = import_text(&har(&socket(&message(time), "")));
        assert_eq!(frames(&entries)[0].0, 1_500_000, "{time}");
    }
}

#[test]
fn messages_without_times_keep_their_order_and_are_spread_over_the_entry() {
    let messages: Vec<_> = (1..=3)
        .map(|id| {
            format!(r#"{{"type":"send","time":-1,"opcode":1,"data":"{{\"jsonrpc\":\"2.0\",\"id\":{id}}}"}}"#)
        })
        .collect();
    let (report, entries, _) = import_text(&har(&socket(&messages.join(","), r#","time":40"#)));
    let times: Vec<_> = frames(&entries).into_iter().map(|(at, _, text)| (at, text)).collect();
    let text = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id}}}"#);
    assert_eq!(times, [(10_000, text(1)), (20_000, text(2)), (30_000, text(3))]);
    assert!(report.notes[0].contains("3 messages had no time"), "{:?}", report.notes);
}

#[test]
fn equal_times_are_in_the_order_of_the_file_and_others_in_that_of_time() {
    let message = |id: u32, time: &str| {
        format!(r#"{{"type":"send","time":{time},"opcode":1,"data":"{{\"jsonrpc\":\"2.0\",\"id\":{id}}}"}}"#)
    };
    let messages = [
        message(1, "1767323049"),
        message(2, "1767323049"),
        message(3, "-1"),
        message(4, "1767323047"),
        message(5, "1767323047"),
    ];
    let (_, entries, _) = import_text(&har(&socket(&messages.join(","), "")));
    let order: Vec<_> = frames(&entries).iter().map(|(_, _, text)| text[22..23].to_owned()).collect();
    assert_eq!(order, ["4", "5", "1", "2", "3"]);
}

#[test]
fn page_comes_over_with_what_it_loads() {
    // As mitmproxy, Firefox and Playwright write them.
    let text = har(&[
        chrome("ws://h/app/a", 30),
        r#"{"startedDateTime":"2026-01-02T03:03:01.5+00:00","time":12.5,"request":{"method":"GET","url":"http://h/a.js?x=1#y","httpVersion":"HTTP/2.0","headers":[{"name":":authority","value":"h"},{"name":":path","value":"/a.js"}]},"response":{"status":200,"headers":[{"name":"Content-Encoding","value":"br"}],"content":{"size":7,"compression":4,"text":"let a=1;"},"bodySize":7},"timings":{"send":0,"wait":10,"receive":2.5}}"#.to_owned(),
        r#"{"startedDateTime":"2026-01-02T03:03:02Z","time":1,"request":{"method":"POST","url":"http://h/api","headers":[],"postData":{"mimeType":"application/json","text":"{\"a\":1}"},"bodySize":7},"response":{"status":304,"headers":[],"content":{"size":2,"text":"{}"},"bodySize":0}}"#.to_owned(),
        r#"{"startedDateTime":"2026-01-02T03:03:03Z","time":1,"request":{"method":"GET","url":"http://h/b.png","headers":[]},"response":{"status":200,"headers":[],"content":{"size":99,"mimeType":"image/png"},"bodySize":-1}}"#.to_owned(),
        r#"{"startedDateTime":"2026-01-02T03:03:04Z","time":1,"request":{"method":"GET","url":"http://h/gone","headers":[]},"response":{"status":0,"headers":[],"content":{},"_error":"net::ERR_ABORTED"}}"#.to_owned(),
        r#"{"startedDateTime":"2026-01-02T03:03:05Z","time":1,"request":{"method":"GET","url":"data:image/png;base64,AAAA","headers":[]},"response":{"status":200,"content":{"size":3}}}"#.to_owned(),
        r#"{"startedDateTime":"2026-01-02T03:03:06Z","time":1,"request":{"method":"GET","url":"http://h/none","headers":[]},"response":{"status":204,"headers":[],"content":{"size":0},"_error":"net::ERR_ABORTED"}}"#.to_owned(),
    ].join(","));
    let (report, entries, _) = import_text(&text);
    let found = exchanges(&entries);
    let shown: Vec<_> = found.iter().map(|found| (&*found.method, &*found.url, found.status)).collect();
    assert_eq!(
        shown,
        [
            ("GET", "/a.js?x=1", Some(200)),
            ("POST", "/api", Some(200)),
            ("GET", "/b.png", Some(200)),
            ("GET", "/gone", None),
            ("GET", "/none", Some(204)),
        ]
    );
    assert_eq!(found[0].request, [("host".to_owned(), "h".to_owned())]);
    let body = &found[0].response_body;
    assert_eq!((body.bytes, body.decoded.as_deref(), body.cut), (7, Some("br"), false));
    assert_eq!(body.content, Some(FrameText::Text("let a=1;".into())));
    assert_eq!((found[0].took.as_micros(), found[0].wait.unwrap().as_micros()), (12_500, 10_000));
    assert_eq!(found[1].request_body.content, Some(FrameText::Text(r#"{"a":1}"#.into())));
    assert_eq!((found[2].response_body.bytes, &found[2].response_body.content), (99, &None));
    assert_eq!((found[3].error.as_deref(), &found[4].error), (Some("net::ERR_ABORTED"), &None));
    let notes = report.notes.join("\n");
    assert!(
        notes.contains("1 of data") && notes.contains("1 answer came from the browser's cache"),
        "{notes}"
    );
    assert_eq!(report.left_out.len(), 1);
    assert!(report.left_out[0].why.contains("99 bytes, is not in the HAR"), "{report:?}");
    let without = ImportSettings { leave_out_http: true, ..ImportSettings::default() };
    assert_eq!(took(text.as_bytes(), &without).unwrap().0.written.exchanges, 0);
}

#[test]
fn plain_http_with_a_place_for_messages_is_plain_http() {
    for none in ["null", "[]"] {
        let plain = format!(
            r#"{{"startedDateTime":"2026-01-02T03:03:01Z","_webSocketMessages":{none},"request":{{"method":"GET","url":"http://h/a.js"}},"response":{{"status":200,"content":{{"size":1,"text":"1"}}}}}}"#
        );
        let (report, entries, _) = import_text(&har(&[plain, chrome("ws://h/app/a", 30)].join(",")));
        assert_eq!(exchanges(&entries).len(), 1, "{report:?}");
    }
}

#[test]
fn redirect_needs_no_body_to_be_replayed() {
    // As Chrome writes it, over HTTP/1.1.
    let redirect = r#"{"startedDateTime":"2026-01-02T03:03:01Z","request":{"method":"GET","url":"http://h/"},"response":{"status":302,"headers":[{"name":"Location","value":"/hub/"}],"content":{"size":0,"mimeType":"text/html"},"redirectURL":"/hub/","bodySize":145}}"#;
    let head = r#"{"startedDateTime":"2026-01-02T03:03:02Z","request":{"method":"HEAD","url":"http://h/"},"response":{"status":200,"headers":[],"content":{"size":20}}}"#;
    let (report, entries, _) = import_text(&har(&[redirect, head, &chrome("ws://h/app/a", 30)].join(",")));
    let bytes: Vec<u64> = exchanges(&entries).iter().map(|found| found.response_body.bytes).collect();
    assert_eq!((bytes, report.left_out), (vec![0, 0], Vec::new()));
}

#[test]
fn form_is_cleaned_whatever_headers_call_it() {
    for headers in ["[]", r#"[{"name":"Content-Type","value":"multipart/form-data; boundary=x"}]"#] {
        let login = format!(
            r#"{{"startedDateTime":"2026-01-02T03:03:01Z","request":{{"method":"POST","url":"http://h/login","headers":{headers},"postData":{{"mimeType":"application/x-www-form-urlencoded","params":[{{"name":"user","value":"u"}},{{"name":"password","value":"s3cret"}},{{"name":"SAMLResponse","value":"s3cret"}}]}}}},"response":{{"status":200}}}}"#
        );
        let (_, entries, _) = import_text(&har(&[login, chrome("ws://h/app/a", 30)].join(",")));
        let shown = format!("{entries:?}");
        assert!(shown.contains("user=u") && !shown.contains("s3cret"), "{shown}");
    }
    let login = r#"{"startedDateTime":"2026-01-02T03:03:01Z","request":{"method":"POST","url":"http://h/login","postData":{"mimeType":"application/x-www-form-urlencoded","text":"user=u&pass%57ord=s3cret&SAMLResponse=s3cret"}},"response":{"status":200}}"#;
    let (_, entries, _) = import_text(&har(&[login, &chrome("ws://h/app/a", 30)].join(",")));
    assert!(!format!("{entries:?}").contains("s3cret"), "{entries:?}");
}

#[test]
fn socket_that_was_opened_and_broke_before_a_message_was_not_refused() {
    let broke =
        socket(r#"{"type":"error","data":"net::ERR_CONNECTION_RESET"}"#, r#","response":{"status":101}"#);
    let (report, entries, _) = import_text(&har(&[broke, chrome("ws://h/app/a", 30)].join(",")));
    assert_eq!((report.written.refused, report.written.connections), (0, 1), "{entries:?}");
    assert!(report.left_out[0].why.contains("has no messages"), "{report:?}");
}

#[test]
fn sockets_that_are_none_to_an_engine_are_named_and_kept_only_if_asked_for() {
    let hot = r#"{"type":"receive","time":1767323045,"opcode":1,"data":"{\"type\":\"connected\"}"}"#;
    let hot = socket(hot, "").replace("/app/a", "/hmr?token=s3cret");
    let text = har(&[hot, chrome("ws://h/app/a", 30)].join(","));
    let (report, entries, _) = import_text(&text);
    assert_eq!((report.written.connections, frames(&entries).len()), (1, 3));
    assert_eq!(report.left_out[0].place, "entry 1");
    let why = &report.left_out[0].why;
    assert!(why.contains("wss://h/hmr") && why.contains("1 messages") && !why.contains("s3cret"), "{why}");
    let all = ImportSettings { all_sockets: true, ..ImportSettings::default() };
    assert_eq!(took(text.as_bytes(), &all).unwrap().0.written.connections, 2);
}

#[test]
fn refused_upgrades_closes_and_cut_messages_come_over() {
    let refused = r#"{"startedDateTime":"2026-01-02T03:03:01Z","time":5,"_resourceType":"websocket","request":{"method":"GET","url":"ws://h/app/no"},"response":{"status":403,"headers":[],"content":{"size":2,"text":"no"}}}"#;
    let failed = r#"{"startedDateTime":"2026-01-02T03:03:01Z","_webSocketMessages":[{"type":"error","time":1767322981.1,"opcode":-1,"data":"net::ERR_CONNECTION_REFUSED"}],"request":{"method":"GET","url":"ws://h/app/down"},"response":{"status":0,"headers":[]}}"#;
    let messages = [
        format!(r#"{{"type":"send","time":1767323046,"opcode":1,"data":"{REQUEST}"}}"#),
        r#"{"type":"receive","time":1767323047,"opcode":1,"data":"{\"jsonrpc\":\"2.0\",\"id\":1,\"resu"}"#
            .to_owned(),
        r#"{"type":"receive","time":1767323048,"opcode":9,"data":""}"#.to_owned(),
        r#"{"type":"receive","time":1767323049,"opcode":8,"data":"1001 bye"}"#.to_owned(),
    ];
    let (report, entries, _) =
        import_text(&har(&[refused, failed, &socket(&messages.join(","), "")].join(",")));
    assert_eq!((report.written.refused, report.written.frames), (2, 2));
    let kinds: Vec<_> = entries
        .iter()
        .map(|entry| match &entry.kind {
            EntryKind::Refused(opening) => {
                format!("refused {} {} {}", opening.url, opening.status, opening.body)
            }
            EntryKind::Close(closing) => format!("{:?} {:?} {}", closing.by, closing.code, closing.reason),
            _ => String::new(),
        })
        .filter(|kind| !kind.is_empty())
        .collect();
    assert_eq!(kinds, ["refused /app/down 502 ", "refused /app/no 403 no", "Some(Engine) Some(1001) bye"]);
    assert_eq!(report.left_out[0].place, "entry 3");
    assert!(report.left_out[0].why.starts_with("message 2 is no JSON"), "{report:?}");
}

#[test]
fn har_that_ends_in_the_middle_gives_what_is_complete_and_says_so() {
    let text = har(&[
        chrome("ws://h/app/a", 30),
        socket(
            &[REQUEST, ANSWER]
                .map(|data| format!(r#"{{"type":"send","time":1767323046,"opcode":1,"data":"{data}"}}"#))
                .join(","),
            "",
        ),
    ]
    .join(","));
    let cut = text.rfind("EngineVersion").unwrap();
    let after_one = text.rfind(r#"{"type":"send""#).unwrap() + 20;
    for (at, frames) in [(cut, 3), (after_one, 4), (text.len() - 2, 5)] {
        let (report, ..) = import_text(&text[..at]);
        assert_eq!(report.written.frames, frames, "{at}");
        assert!(report.notes[0].contains("ends in the middle"), "{:?}", report.notes);
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    assert_eq!(took(&packed, &ImportSettings::default()).unwrap().0.written.frames, 5);
    let torn = took(&packed[..packed.len() - 40], &ImportSettings::default()).unwrap().0;
    assert!(torn.notes[0].contains("ends in the middle") && torn.written.frames >= 3, "{torn:?}");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&text.as_bytes()[..cut]).unwrap();
    let packed = [&gzip.finish().unwrap()[..], b"\x1f\x8b\xff\xff and so on"].concat();
    let damaged = took(&packed, &ImportSettings::default()).unwrap().0;
    assert!(!damaged.notes.is_empty() && damaged.written.frames >= 3, "{damaged:?}");
    let damaged = text.replacen(r#""request""#, r#"request"#, 2);
    let damaged = damaged.replacen("request", r#""request""#, 1);
    let (report, ..) = import_text(&damaged);
    assert!(report.notes[0].contains("is damaged"), "{:?}", report.notes);
}

#[test]
fn har_without_anything_of_use_says_how_to_get_one_that_has() {
    let error = |text: &str| took(text.as_bytes(), &ImportSettings::default()).unwrap_err().to_string();
    for (text, says) in [
        (har(""), "without entries: open the developer tools before the page is loaded"),
        (har(&socket("", r#","response":{"status":101}"#)), "1 WebSocket, but without messages"),
        (
            har(r#"{"request":{"method":"GET","url":"http://h/"},"response":{"status":200}}"#),
            "without a WebSocket",
        ),
        (
            har(
                r#"{"_resourceType":"websocket","request":{"method":"GET","url":"ws://h/app/a"},"response":{"status":403}}"#,
            ),
            "1 refused upgrade, but without a WebSocket that was opened",
        ),
        (r#"{"log":{}}"#.to_owned(), "no HAR: it has no log with entries"),
        (r#"{"a":[1,{"b":2}]}"#.to_owned(), "no HAR"),
        ("{\"log\":".to_owned(), "ends before"),
        ("{nonsense".to_owned(), "is no HAR"),
        (String::new(), "is empty"),
    ] {
        assert!(error(&text).contains(says), "{text}: {}", error(&text));
    }
}

#[test]
fn odd_values_where_others_should_be_do_no_harm() {
    let odd = [
        "null",
        "7",
        "[]",
        r#""x""#,
        "{}",
        r#"{"request":null}"#,
        r#"{"request":{"url":"http://h/","method":"GET","headers":{"Accept":"x"}},"response":null,"startedDateTime":5,"time":"x","_webSocketMessages":null,"timings":[]}"#,
    ];
    let entries = format!("{},{}", odd.join(","), chrome("ws://h/app/a", 30));
    let (report, ..) = import_text(&har(&entries).replacen(
        "\"entries\"",
        "\"pages\":[null,{\"startedDateTime\":{}}],\"entries\"",
        1,
    ));
    assert_eq!(report.written.connections, 1, "{report:?}");
}

#[test]
fn messages_that_playwright_has_put_beside_the_har_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("a.har"), dir.path().join("a.qixrec"));
    let line = |kind, time, data| format!(r#"{{"type":"{kind}","time":{time},"opcode":1,"data":"{data}"}}"#);
    let lines = [line("send", 1767323046500u64, REQUEST), line("receive", 1767323046600, ANSWER)];
    std::fs::write(dir.path().join("ab12.jsonl"), lines.join("\n") + "\n").unwrap();
    let entry = r#"{"startedDateTime":"2026-01-02T03:04:05.000Z","time":100,"request":{"method":"GET","url":"ws://h/app/a"},"response":{"status":101,"content":{"size":-1,"_file":"ab12.jsonl"}},"_resourceType":"websocket"}"#;
    std::fs::write(&from, har(entry)).unwrap();
    let (report, entries, _) = read(&dir, import(&from, &to, &ImportSettings::default())).unwrap();
    assert_eq!((report.written.frames, frames(&entries)[0].0), (2, 1_500_000), "{report:?}");
    // One that is no text ends there, which is not the fault of the folder for temporary files.
    std::fs::write(dir.path().join("ab12.jsonl"), [lines.join("\n").as_bytes(), b"\n\xff\n"].concat())
        .unwrap();
    std::fs::remove_file(&to).unwrap();
    let (report, entries, _) = read(&dir, import(&from, &to, &ImportSettings::default())).unwrap();
    assert_eq!(frames(&entries).len(), 2);
    assert!(report.left_out[0].why.contains("ab12.jsonl beside the HAR, cannot be read"), "{report:?}");
}

#[test]
fn request_without_a_host_is_named_and_its_path_is_no_scheme() {
    let odd = ["/login?token=s3cret", "", "http:///x"]
        .map(|url| format!(r#"{{"request":{{"method":"GET","url":"{url}"}},"response":{{"status":200}}}}"#));
    let (report, ..) = import_text(&har(&format!("{},{}", odd.join(","), chrome("ws://h/app/a", 30))));
    assert_eq!(report.left_out.len(), 3, "{report:?}");
    assert!(!report.notes.join("").contains("crossed no network"), "{report:?}");
}

/// A HAR that is made while it is read.
struct Endless {
    entry: Vec<u8>,
    left: usize,
    at: usize,
}

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.entry.len() {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                return Ok(0);
            }
            self.at = 0;
        }
        let length = buffer.len().min(self.entry.len() - self.at);
        buffer[..length].copy_from_slice(&self.entry[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[test]
fn what_is_kept_in_memory_does_not_grow_with_messages() {
    let settings = ImportSettings::default();
    let mut gather = super::Gather::new(&settings, std::path::Path::new("-")).unwrap();
    let start = r#"{"log":{"entries":[{"startedDateTime":"2026-01-02T03:04:05Z","request":{"method":"GET","url":"wss://h/app/a"},"_webSocketMessages":["#;
    let data = "x".repeat(1000);
    let message = format!(
        r#"{{"type":"send","time":1767323046,"opcode":1,"data":"{{\"jsonrpc\":\"2.0\",\"id\":1,\"x\":\"{data}\"}}"}},"#
    );
    let many = Endless { entry: message.into_bytes(), left: 20_001, at: 0 };
    let end = std::io::Cursor::new(br#"null]}]}}"#);
    let reader = std::io::Read::chain(std::io::Read::chain(start.as_bytes(), many), end);
    super::walk::walk(std::io::BufReader::new(reader), &mut gather).unwrap();
    // 20 MB of messages: two places in the spool, and what opens the connection.
    assert_eq!(gather.runs.len(), 2);
    assert!(gather.spool.at() > 20_000_000);
    assert_eq!(gather.tally.sockets, 1);
}
