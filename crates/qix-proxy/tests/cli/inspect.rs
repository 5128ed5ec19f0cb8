//! `qix-proxy inspect` and `record --ui`, without a browser.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, header::ORIGIN};
use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Child,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::support::{RawClient, bounded, bundled, command, run};

/// A process that serves a page.
struct Page {
    _child: Child,
    /// What it printed before it said where the page is.
    lines: Vec<String>,
    address: SocketAddr,
    token: String,
}

impl Page {
    async fn start(args: &[&str]) -> Self {
        let mut child = command(args).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = Vec::new();
        let url = loop {
            let line = bounded(output.next_line()).await.unwrap().expect("it says where the page is");
            match line.strip_prefix("look at it at http://") {
                Some(url) => break url.to_owned(),
                None => lines.push(line),
            }
        };
        // So that the process can go on writing.
        tokio::spawn(async move { while let Ok(Some(_)) = output.next_line().await {} });
        let (address, token) = url.trim_end_matches('/').split_once('/').unwrap();
        Self { _child: child, lines, address: address.parse().unwrap(), token: token.to_owned() }
    }

    /// Asks for a path with these headers besides `Host`; returns status and all that came.
    async fn get(&self, path: &str, headers: &[&str]) -> (u16, String) {
        let mut head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        headers.iter().for_each(|header| head += &format!("{header}\r\n"));
        let mut stream = bounded(TcpStream::connect(self.address)).await.unwrap();
        bounded(stream.write_all(format!("{head}\r\n").as_bytes())).await.unwrap();
        let mut answer = Vec::new();
        bounded(stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    async fn upgrade(&self, token: &str, origin: Option<&str>) -> Result<Socket, u16> {
        let mut request = format!("ws://{}/{token}/live", self.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let stream = bounded(TcpStream::connect(self.address)).await.unwrap();
        match bounded(client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Socket { socket, calls: Vec::new(), phase: String::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn open(&self) -> (Socket, Value) {
        let mut socket = self.upgrade(&self.token, Some(&format!("http://{}", self.address))).await.unwrap();
        let meta = socket.next().await;
        assert_eq!(meta["is"], "meta");
        (socket, meta)
    }
}

/// The socket of a page.
struct Socket {
    socket: WebSocketStream<TcpStream>,
    /// The numbers of the calls that came, and their methods.
    calls: Vec<(u64, String)>,
    phase: String,
}

impl Socket {
    async fn say(&mut self, message: Value) {
        bounded(self.socket.send(Message::text(message.to_string()))).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let message = bounded(self.socket.next()).await.expect("the socket is open").unwrap();
        let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        if message["is"] == "phase" {
            self.phase = message["phase"].as_str().unwrap().to_owned();
        }
        for batch in message["batches"].as_array().into_iter().flatten() {
            let columns = &batch["calls"];
            self.calls.extend(
                columns["seq"].as_array().unwrap().iter().map(|seq| (seq.as_u64().unwrap(), String::new())),
            );
        }
        message
    }

    async fn until(&mut self, is_it: impl Fn(&Self) -> bool) {
        while !is_it(self) {
            self.next().await;
        }
    }

    /// Asks something and waits for the answer.
    async fn ask(&mut self, mut question: Value) -> Value {
        question["id"] = 77.into();
        self.say(question).await;
        loop {
            let message = self.next().await;
            if message["id"] == 77 {
                return message;
            }
        }
    }
}

async fn engine() -> FakeEngine {
    bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap()
}

#[tokio::test]
async fn recording_comes_in_batches_and_what_was_said_on_request() {
    let file = bundled();
    let page = Page::start(&["inspect", file.to_str().unwrap()]).await;
    let (mut socket, meta) = page.open().await;
    assert_eq!(meta["meta"]["name"], "demo.qixrec");
    assert_eq!(meta["explorer"], Value::Null);
    socket.until(|socket| socket.phase == "ended").await;
    assert!(socket.calls.len() > 5);
    let seq = socket.calls[0].0;
    let said = socket.ask(json!({"do": "detail", "seq": seq})).await;
    let request: Value = serde_json::from_str(said["detail"]["request"].as_str().unwrap()).unwrap();
    assert!(request["method"].is_string());
    assert!(said["detail"]["answer"].as_str().unwrap().contains("\"jsonrpc\""));
    let said = socket.ask(json!({"do": "detail", "seq": 999_999})).await;
    assert!(said["detail"]["error"].as_str().unwrap().contains("no longer kept"));
    // A page that comes later gets the same.
    let (mut late, _) = page.open().await;
    late.until(|late| late.phase == "ended").await;
    assert_eq!(late.calls, socket.calls);
    let refused = socket.ask(json!({"do": "connect", "path": "/"})).await;
    assert!(refused["error"]["words"].as_str().unwrap().contains("--upstream"));
    socket.say(json!({"do": "nonsense"})).await;
    assert_eq!(socket.next().await["is"], "wrong");
}

#[tokio::test]
async fn files_are_served_to_whoever_has_the_token_with_a_policy_that_allows_nothing_inline() {
    let page = Page::start(&["inspect", bundled().to_str().unwrap()]).await;
    let token = &page.token;
    let (status, answer) = page.get(&format!("/{token}/"), &[]).await;
    assert_eq!(status, 200);
    let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert!(!answer.contains("<style") && !answer.contains("<script>"));
    assert_eq!(page.get(&format!("/{token}/app.js"), &[]).await.0, 200);
    assert_eq!(page.get(&format!("/{token}/../etc/passwd"), &[]).await.0, 404);
    let wrong = token.chars().map(|digit| if digit == 'a' { 'b' } else { 'a' }).collect::<String>();
    for path in ["/", "/app.js", &format!("/{wrong}/"), &format!("/{token}"), &format!("/{}/", &token[..31])]
    {
        let (status, answer) = page.get(path, &[]).await;
        assert_eq!(status, 403, "{path}");
        assert!(answer.contains("the address that was printed") && !answer.contains(token));
    }
    assert_eq!(page.get(&format!("/{token}/"), &["Host: evil.example"]).await.0, 421);
    assert_eq!(page.get(&format!("/{token}/"), &["Sec-Fetch-Site: cross-site"]).await.0, 403);
}

#[tokio::test]
async fn socket_is_for_the_page_alone() {
    let page = Page::start(&["inspect", bundled().to_str().unwrap()]).await;
    let own = format!("http://{}", page.address);
    let port = page.address.port();
    let (other_name, other_path) = (format!("http://localhost:{port}"), format!("{own}/"));
    for origin in [
        None,
        Some(&*other_path),
        Some("http://evil.example"),
        Some("null"),
        Some(&*other_name),
        Some("http://127.0.0.1:1"),
    ] {
        assert_eq!(page.upgrade(&page.token, origin).await.err(), Some(403), "{origin:?}");
    }
    assert_eq!(page.upgrade("0123456789abcdef0123456789abcdef", Some(&own)).await.err(), Some(403));
    assert!(page.upgrade(&page.token, Some(&own)).await.is_ok());
    let (status, _) = page.get(&format!("/{}/live", page.token), &[&format!("Origin: {own}")]).await;
    assert_eq!(status, 426);
}

#[tokio::test]
async fn options_of_a_connection_are_refused_without_an_engine() {
    let file = bundled();
    for args in
        [&["--api-key-env", "KEY"][..], &["--ticket-env", "TICKET"], &["--insecure"], &["--env-proxies"]]
    {
        let ended = run(&[&["inspect", file.to_str().unwrap()], args].concat()).await;
        assert!(ended.code == 2 && ended.stderr.contains("--upstream"), "{args:?}: {ended:?}");
    }
}

#[tokio::test]
async fn addresses_that_others_can_reach_are_refused() {
    let file = bundled();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let ended = run(&["inspect", file.to_str().unwrap(), "--ui", address]).await;
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains("can be reached by other machines"), "{}", ended.stderr);
    }
    for (args, says) in [
        (&["inspect"][..], "required"),
        (&["inspect", "/nowhere.qixrec"], "nowhere.qixrec"),
        (&["inspect", "--upstream", "ws://localhost:1", "--follow"], "--follow follows one recording"),
        (&["inspect", file.to_str().unwrap(), "--allow-writes"], "needs --upstream"),
        (&["record", "--upstream", "ws://localhost:1", "--allow-writes"], "--ui serves"),
    ] {
        let ended = run(args).await;
        assert!(matches!(ended.code, 2 | 4) && ended.stderr.contains(says), "{ended:?}");
    }
}

#[tokio::test]
async fn calls_appear_while_they_are_recorded_and_a_pause_holds_them_back() {
    let engine = engine().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("live.qixrec");
    let upstream = engine.base_url();
    let args = [
        "record",
        "--upstream",
        &upstream,
        "--listen",
        "127.0.0.1:0",
        "--ui",
        "127.0.0.1:0",
        "--live",
        "never",
    ];
    let page = Page::start(&[&args[..], &["--out", file.to_str().unwrap()]].concat()).await;
    let recorder = page.lines[0].split("ws://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let (mut socket, meta) = page.open().await;
    assert_eq!(meta["meta"]["live"], true);
    socket.until(|socket| socket.phase == "following").await;
    let mut client = RawClient::connect(recorder).await;
    client.call(1, -1, "EngineVersion", json!([])).await;
    socket.until(|socket| socket.calls.len() == 1).await;
    socket.say(json!({"do": "pause"})).await;
    // The answer says that the pause has come.
    socket.ask(json!({"do": "detail", "seq": 0})).await;
    client.call(2, -1, "ProductVersion", json!([])).await;
    let (mut other, _) = page.open().await;
    other.until(|other| other.calls.len() == 2).await;
    let said = socket.ask(json!({"do": "detail", "seq": other.calls[1].0})).await;
    assert!(said["detail"]["request"].as_str().unwrap().contains("ProductVersion"));
    assert_eq!(socket.calls.len(), 1);
    socket.say(json!({"do": "resume"})).await;
    socket.until(|socket| socket.calls.len() == 2).await;
    client.close().await;
}

#[tokio::test]
async fn explorer_connects_opens_objects_and_says_what_went_wrong() {
    let engine = engine().await;
    let upstream = format!("{}/app/", engine.base_url().trim_end_matches('/'));
    let page = Page::start(&["inspect", "--upstream", &upstream]).await;
    let (mut socket, meta) = page.open().await;
    assert_eq!(meta["explorer"]["path"], "/app/");
    assert_eq!(meta["explorer"]["writes"], false);
    let early =
        socket.ask(json!({"do": "ask", "target": 0, "method": "EngineVersion", "params": "[]"})).await;
    assert!(early["error"]["words"].as_str().unwrap().contains("connect"));
    let told = socket.ask(json!({"do": "connect", "path": "/app/"})).await;
    assert_eq!(told["opened"]["class"], "Global");
    let global = told["opened"]["target"].clone();
    let ask = |target: &Value, method: &str, params: &str| json!({"do": "ask", "target": target, "method": method, "params": params, "writes": true});
    let told = socket.ask(ask(&global, "OpenDoc", r#"["Sales.qvf"]"#)).await;
    assert_eq!(told["opened"]["class"], "Doc");
    let doc = told["opened"]["target"].clone();
    let told = socket.ask(ask(&doc, "GetField", r#"["Region"]"#)).await;
    assert_eq!(told["opened"]["name"], "Field Region");
    let told = socket.ask(ask(&told["opened"]["target"], "GetCardinal", "[]")).await;
    assert!(told["answer"].as_str().unwrap().contains("\"qReturn\":4") && told["took"].is_u64());
    let told = socket.ask(ask(&global, "OpenDoc", "[1.5]")).await;
    assert!(told["error"]["words"].as_str().unwrap().starts_with("qDocName takes a text"));
    let told = socket.ask(ask(&global, "OpenDoc", "[\"None\"]")).await;
    assert!(told["error"]["code"].is_i64(), "{told}");
    // The page says that writes are on; whoever started this has not said so.
    let told = socket.ask(ask(&doc, "SetScript", r#"["LOAD 1 AUTOGENERATE 1;"]"#)).await;
    assert!(told["error"]["words"].as_str().unwrap().contains("--allow-writes"), "{told}");
    assert!(!engine.log().iter().any(|entry| entry.text.contains("\"SetScript\"")));
}

#[tokio::test]
async fn writes_need_the_server_and_the_switch_of_the_page() {
    let engine = engine().await;
    let upstream = format!("{}/app/Sales.qvf", engine.base_url().trim_end_matches('/'));
    let page = Page::start(&["inspect", "--upstream", &upstream, "--allow-writes"]).await;
    let (mut socket, meta) = page.open().await;
    assert_eq!(meta["explorer"]["writes"], true);
    let global =
        socket.ask(json!({"do": "connect", "path": "/app/Sales.qvf"})).await["opened"]["target"].clone();
    let open = json!({"do": "ask", "target": global, "method": "OpenDoc", "params": "[\"Sales.qvf\"]"});
    let doc = socket.ask(open).await["opened"]["target"].clone();
    let set = |writes: bool| json!({"do": "ask", "target": doc, "method": "SetScript", "params": "[\"LOAD 1 AUTOGENERATE 1;\"]", "writes": writes});
    let sent = || engine.log().iter().any(|entry| entry.text.contains("\"SetScript\""));
    let told = socket.ask(set(false)).await;
    assert!(told["error"]["words"].as_str().unwrap().contains("switch writes on"), "{told}");
    assert!(!sent());
    socket.ask(set(true)).await;
    assert!(sent());
}
