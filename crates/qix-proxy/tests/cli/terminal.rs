//! `record` on a terminal: a real one, as the system makes it for a program.

use std::{
    io::PipeWriter,
    process::Stdio,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use qix_proxy::record::RecordingReader;
use qix_tests::{FakeEngine, FakeEngineConfig};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::read,
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Child,
    sync::watch,
};

use crate::support::*;

const ROWS: u16 = 20;
const COLUMNS: u16 = 118;

/// A recorder on a terminal, and what can be seen there.
struct Terminal {
    child: Child,
    /// Held, it lets the terminal take nothing.
    flow: Arc<tokio::sync::Mutex<()>>,
    /// Dropped, it ends the thread.
    window: Option<PipeWriter>,
    /// Has our side of the terminal, and reads from it.
    reading: Option<JoinHandle<()>>,
    screen: Arc<Mutex<vt100::Parser>>,
    changed: watch::Receiver<()>,
}

impl Terminal {
    fn start(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let theirs = ioctl_tiocgptpeer(&ours, flags).unwrap();
        let mut command = command(args);
        command.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
        command.stdout(Stdio::from(theirs.try_clone().unwrap())).stderr(Stdio::from(theirs));
        let child = command.spawn().unwrap();
        drop(command);
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        let screen = Arc::new(Mutex::new(screen));
        let (changing, changed) = watch::channel(());
        let (hung_up, window) = std::io::pipe().unwrap();
        let (shown, flow) = (Arc::clone(&screen), Arc::new(tokio::sync::Mutex::new(())));
        let flowing = Arc::clone(&flow);
        let reading = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let mut waits =
                    [PollFd::new(&ours, PollFlags::IN), PollFd::new(&hung_up, PollFlags::empty())];
                poll(&mut waits, None).unwrap();
                if !waits[1].revents().is_empty() {
                    return;
                }
                let flowing = flowing.blocking_lock();
                match read(&ours, &mut buffer) {
                    Ok(size @ 1..) => {
                        shown.lock().unwrap().process(&buffer[..size]);
                        let _ = changing.send(());
                    }
                    // Nobody has the other side any more.
                    Ok(0) | Err(_) => return,
                }
                drop(flowing);
            }
        });
        Self { child, flow, window: Some(window), reading: Some(reading), screen, changed }
    }

    /// Closes the window.
    fn hang_up(&mut self) {
        self.window.take();
        self.reading.take().unwrap().join().unwrap();
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the terminal shows what is wanted, and returns all that it shows.
    async fn wait(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let found = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            loop {
                let text = self.text();
                if wanted(&text) {
                    return text;
                }
                if self.changed.changed().await.is_err() {
                    let text = self.text();
                    assert!(wanted(&text), "the process has ended:\n{text}");
                    return text;
                }
            }
        });
        match found.await {
            Ok(text) => text,
            Err(_) => panic!("never shown:\n{}", self.text()),
        }
    }
}

fn address(text: &str) -> std::net::SocketAddr {
    let address = text.split("ws://").nth(1).unwrap();
    address.split([' ', ',']).next().unwrap().parse().unwrap()
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[tokio::test]
async fn terminal_shows_calls_a_reload_and_an_error_above_a_status_line_and_is_given_back() {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sales.qixrec");
    let upstream = engine.base_url();
    let out = path.to_str().unwrap();
    let args = ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out];
    let mut terminal = Terminal::start(&args, &[]);
    let text = terminal.wait(|text| text.contains("0 open · 0 in flight")).await;
    let address = address(&text);
    let mut client = RawClient::connect(address).await;
    client.call(1, -1, "OpenDoc", json!(["Sales.qvf"])).await;
    let definition =
        json!([{"qInfo": {"qType": "sheet", "qId": "s1"}, "qMetaDef": {"title": "Übersicht 東京"}}]);
    let object = client.call(2, 1, "CreateSessionObject", definition).await;
    let handle = object["result"]["qReturn"]["qHandle"].as_i64().unwrap();
    client.call(3, handle, "GetLayout", json!([])).await;
    client.call(4, 1, "GetField\u{1b}[2J", json!([])).await;
    client.call(5, 1, "SetScript", json!(["Sleep 4;\nFail;\nLOAD * FROM sales;"])).await;
    client.ask(6, 1, "DoReload", json!([])).await;
    client.call(7, -1, "GetProgress", json!([6])).await;
    // What is logged in the meantime.
    let mut stranger = bounded(TcpStream::connect(address)).await.unwrap();
    stranger.write_all(b"no HTTP\r\n\r\n").await.unwrap();
    let _ = bounded(stranger.read_to_end(&mut Vec::new())).await;
    let all = |text: &str| text.contains("25 %") && text.contains("spoke no HTTP");
    // What was drawn may be half read.
    let during = terminal.wait(|text| all(text) && last_line(text).starts_with('●')).await;
    let lines: Vec<_> = during.lines().collect();
    let (status, reload) = (lines[lines.len() - 1], lines[lines.len() - 2]);
    assert!(status.starts_with("● 1 open · 1 in flight · ↑ "), "{during}");
    assert!(status.contains(" · 0 dropped · sales.qixrec "), "{during}");
    assert!(reload.starts_with("⟳ DoReload of app Sales"), "{during}");
    assert!(reload.ends_with("██░░░░░░░░ 25 %  Sales << sales 100 lines fetched"), "{during}");
    assert!(during.contains("sheet Übersicht 東京      GetLayout"), "{during}");
    assert!(during.contains("✗ -32601 JSON_RPC_METHOD_NOT_FOUND: "), "{during}");
    assert_eq!(during.matches("in flight").count(), 1, "the status line is torn:\n{during}");
    // Lines of the log are not the view's, and wrap.
    let ours = lines.iter().filter(|line| !line.contains("spoke no HTTP"));
    assert!(
        ours.clone().count() > 5 && ours.into_iter().all(|line| line.chars().count() <= usize::from(COLUMNS)),
        "{during}"
    );
    for id in 8..11 {
        client.call(id, -1, "GetProgress", json!([6])).await;
    }
    let after =
        terminal.wait(|text| text.contains("✗ the script failed") && text.contains("0 in flight")).await;
    assert!(!after.contains("GetProgress"), "the progress itself is shown: {after}");
    assert!(!after.contains('⟳') && last_line(&after).starts_with("● 1 open"), "{after}");
    client.close().await;
    terminal.wait(|text| text.contains("● 0 open")).await;
    let pid = terminal.child.id().unwrap().to_string();
    bounded(tokio::process::Command::new("kill").args(["-s", "INT", &pid]).status()).await.unwrap();
    assert!(bounded(terminal.child.wait()).await.unwrap().success());
    let end = terminal.wait(|text| text.contains("recorded 1 connection")).await;
    assert!(last_line(&end).starts_with("recorded 1 connection") && !end.contains('●'), "{end}");
    assert!(!terminal.screen.lock().unwrap().screen().hide_cursor());
    assert!(RecordingReader::open(&path).unwrap().all(|entry| entry.is_ok()));
}

#[tokio::test]
async fn colours_and_moves_are_for_terminals_that_want_them() {
    for (environment, colours, moves) in
        [(&[][..], true, true), (&[("NO_COLOR", "1")], false, true), (&[("TERM", "dumb")], false, false)]
    {
        let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.qixrec");
        let upstream = engine.base_url();
        let out = path.to_str().unwrap();
        let args = ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out];
        let mut terminal = Terminal::start(&args, environment);
        let text = terminal.wait(|text| text.contains("engine at")).await;
        let mut client = RawClient::connect(address(&text)).await;
        client.call(1, -1, "NoSuchMethod", json!([])).await;
        let text = terminal.wait(|text| text.contains('✗') && text.contains("0 in flight") == moves).await;
        assert!(text.contains("NoSuchMethod"), "{text}");
        let painted = {
            let parser = terminal.screen.lock().unwrap();
            let screen = parser.screen();
            let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
            let colour = |(row, column)| screen.cell(row, column).map(vt100::Cell::fgcolor);
            cells.into_iter().filter_map(colour).any(|colour| colour != vt100::Color::Default)
        };
        assert_eq!(painted, colours, "{environment:?}");
    }
}

#[tokio::test]
async fn terminal_that_takes_nothing_holds_up_neither_traffic_nor_recording() {
    const CALLS: u64 = 3000;

    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let upstream = engine.base_url();
    let out = path.to_str().unwrap();
    let args = ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", out];
    let mut terminal = Terminal::start(&args, &[]);
    let text = terminal.wait(|text| text.contains("0 open")).await;
    let stopped = Arc::clone(&terminal.flow).lock_owned().await;
    let mut client = RawClient::connect(address(&text)).await;
    for id in 0..CALLS {
        client.call(id, -1, "EngineVersion", json!([])).await;
    }
    // Lines of the log go the same way, and a connection waits for none of them.
    let mut stranger = bounded(TcpStream::connect(address(&text))).await.unwrap();
    stranger.write_all(b"no HTTP\r\n\r\n").await.unwrap();
    let _ = bounded(stranger.read_to_end(&mut Vec::new())).await;
    client.close().await;
    let pid = terminal.child.id().unwrap().to_string();
    bounded(tokio::process::Command::new("kill").args(["-s", "TERM", &pid]).status()).await.unwrap();
    drop(stopped);
    let end = terminal.wait(|text| text.contains("recorded 1 connection")).await;
    assert!(end.contains(&format!("{} frames", 2 * CALLS + 1)), "{end}");
    assert!(bounded(terminal.child.wait()).await.unwrap().success());
    let mut reader = RecordingReader::open(&path).unwrap();
    assert!(reader.by_ref().all(|entry| entry.is_ok()) && reader.is_sealed());
}

#[tokio::test]
async fn recorder_whose_terminal_is_gone_seals_its_file_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let out = path.to_str().unwrap();
    let mut terminal = Terminal::start(
        &["record", "--upstream", "ws://127.0.0.1:1", "--listen", "127.0.0.1:0", "--out", out],
        &[],
    );
    terminal.wait(|text| text.contains("0 open")).await;
    let pid = terminal.child.id().unwrap().to_string();
    terminal.hang_up();
    bounded(tokio::process::Command::new("kill").args(["-s", "HUP", &pid]).status()).await.unwrap();
    bounded(terminal.child.wait()).await.unwrap();
    let mut reader = RecordingReader::open(&path).unwrap();
    assert!(reader.by_ref().all(|entry| entry.is_ok()) && reader.is_sealed());
}

#[tokio::test]
async fn terminal_without_utf_8_gets_ascii_from_every_command_and_colours_unless_they_are_not_wanted() {
    let good = bundled();
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.qixrec");
    let text = std::fs::read_to_string(&good).unwrap();
    std::fs::write(&other, text.replace("\"qTitle\":\"Sales\"", "\"qTitle\":\"Umsätze\"")).unwrap();
    let args = ["diff", good.to_str().unwrap(), other.to_str().unwrap()];
    for (locale, arrow, title) in [("C", "#7 > #7", "+ \"Ums?tze\""), ("C.UTF-8", "#7 → #7", "+ \"Umsätze\"")]
    {
        let mut terminal = Terminal::start(&args, &[("LANG", locale)]);
        let shown = terminal.wait(|text| text.contains("differs in 1 object")).await;
        assert!(shown.contains(arrow) && shown.contains(title), "{shown}");
        assert_eq!(shown.is_ascii(), locale == "C", "{shown}");
        let has_colour = |terminal: &Terminal| {
            let screen = terminal.screen.lock().unwrap();
            let cells = (0..ROWS).filter_map(|row| screen.screen().cell(row, 0).map(vt100::Cell::fgcolor));
            cells.into_iter().any(|colour| colour != vt100::Color::Default)
        };
        assert!(has_colour(&terminal), "{shown}");
        let mut plain = Terminal::start(&args, &[("LANG", locale), ("NO_COLOR", "1")]);
        let shown = plain.wait(|text| text.contains("differs in 1 object")).await;
        assert!(!has_colour(&plain), "{shown}");
    }
    let mut help = Terminal::start(&["redrive", "--help"], &[("LANG", "C")]);
    assert!(help.wait(|text| text.contains("Exit codes") || text.contains("Examples")).await.is_ascii());
}
