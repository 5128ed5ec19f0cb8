//! What the transport costs beside tokio-tungstenite used bare with the same buffers, and what a connection keeps while idle.

use std::{
    future::{pending, poll_fn},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use qix_benches::{
    LARGE, bare, child,
    measure::{self, cost, median, row, spread},
};
use qix_transport::{
    Connect, Endpoint, Limits, Message, Socket, SocketExt, TlsSettings, WsConnect, WsSocket,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tokio_tungstenite::tungstenite::{self, Utf8Bytes, protocol::WebSocketConfig};

const ROUNDS: usize = 9;

fn main() -> io::Result<()> {
    // One thread on both sides, so that CPU time is that of the work.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if child::run(role).await? {
            return Ok(());
        }
        measure::line("transport against bare tokio-tungstenite: medians of same-round ratios\n");
        // Client and engine take turns on one core, so that every round has the same wakeups.
        measure::pin(0);
        let engine = child::Server::start("engine", &[])?;
        small(&engine, "small messages, one at a time: CPU, × bare", 20_000, 1).await?;
        small(&engine, "small messages, 256 in flight: CPU, × bare", 200_192, 256).await?;
        received(&engine).await?;
        sent(&engine).await?;
        idle(&engine).await
    })
}

async fn role(role: &str, args: Vec<String>) -> io::Result<()> {
    match (role, &*args) {
        ("engine over TLS", [folder, ..]) => {
            let acceptor = acceptor(Path::new(folder))?;
            bare::engine_over(child::listen().await?, move |stream| acceptor.accept(stream)).await
        }
        ("holder", [url, root, state, ..]) => hold(url, root, state).await,
        _ => Err(io::Error::other("no such role")),
    }
}

/// Connects as a user does, with all defaults.
async fn ours(engine: &child::Server) -> io::Result<impl Socket + use<>> {
    connector(&format!("ws://{}/app/engineData", engine.address), "", Limits::default())?
        .connect()
        .await
        .map_err(io::Error::other)
}

fn connector(url: &str, root: &str, limits: Limits) -> io::Result<WsConnect> {
    let endpoint = Endpoint::parse(url).map_err(io::Error::other)?;
    let mut builder = WsConnect::builder(endpoint).limits(limits);
    if !root.is_empty() {
        builder = builder.tls(TlsSettings::default().ca_file(root).map_err(io::Error::other)?);
    }
    builder.build().map_err(io::Error::other)
}

/// The buffers and limits that a [`WsSocket`] has by default, for the bare client.
fn same_buffers() -> WebSocketConfig {
    let limits = Limits::default();
    WebSocketConfig::default()
        .read_buffer_size(limits.read_buffer)
        .write_buffer_size(limits.write_buffer)
        .max_write_buffer_size(limits.write_buffer + limits.max_message + 14)
        .max_message_size(Some(limits.max_message))
        .max_frame_size(Some(limits.max_message))
}

fn request(id: u64, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"handle":-1,"method":"{method}","params":[]}}"#)
}

/// Writes bursts of `in_flight` requests, each with one flush, and takes all answers before the next.
async fn bursts_ours(socket: &mut impl Socket, messages: u64, in_flight: u64) {
    for burst in 0..messages / in_flight {
        for id in 1..=in_flight {
            poll_fn(|cx| socket.poll_ready(cx)).await.expect("the engine reads");
            let text = request(burst * in_flight + id, "EngineVersion");
            socket.send(text.into()).expect("the socket takes it");
        }
        socket.flush().await.expect("the engine reads");
        for _ in 0..in_flight {
            let Ok(Message::Text(answer)) = socket.receive().await else { panic!("the engine answers") };
            assert!(answer.len() > 50);
        }
    }
}

/// Does the same with the bare client.
async fn bursts_bare(client: &mut bare::Client, messages: u64, in_flight: u64) {
    for burst in 0..messages / in_flight {
        for id in 1..=in_flight {
            let text = request(burst * in_flight + id, "EngineVersion");
            client.feed(tungstenite::Message::text(text)).await.expect("the engine reads");
        }
        client.flush().await.expect("the engine reads");
        for _ in 0..in_flight {
            let Some(Ok(tungstenite::Message::Text(answer))) = client.next().await else {
                panic!("the engine answers")
            };
            assert!(answer.len() > 50);
        }
    }
}

async fn small(engine: &child::Server, what: &str, messages: u64, in_flight: u64) -> io::Result<()> {
    let mut ours = ours(engine).await?;
    let mut bare = bare::connect_with(engine.address, same_buffers()).await?;
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        // In pieces that take turns, because another program may take the core in the middle.
        let (mut ours_took, mut bare_took) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..4 {
            ours_took += cost(bursts_ours(&mut ours, messages / 4, in_flight)).await.cpu;
            bare_took += cost(bursts_bare(&mut bare, messages / 4, in_flight)).await.cpu;
        }
        rounds.add(round, ours_took, bare_took);
    }
    rounds.print(what, messages as f64, "message");
    Ok(())
}

/// Messages of 11 MB from the engine.
async fn received(engine: &child::Server) -> io::Result<()> {
    const MESSAGES: u64 = 8;
    let mut ours = ours(engine).await?;
    let mut bare = bare::connect_with(engine.address, same_buffers()).await?;
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let (mut ours_took, mut bare_took) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..4 {
            let work = async {
                for id in 1..=MESSAGES / 4 {
                    ours.send_text(request(id, "Large")).await.expect("the engine reads");
                    let Ok(Message::Text(answer)) = ours.receive().await else {
                        panic!("the engine answers")
                    };
                    assert!(answer.len() > LARGE);
                }
            };
            ours_took += cost(work).await.cpu;
            let work = async {
                let bytes =
                    bare::large_calls(&mut bare, "Large", MESSAGES / 4).await.expect("the engine answers");
                assert!(bytes > MESSAGES / 4 * LARGE as u64);
            };
            bare_took += cost(work).await.cpu;
        }
        rounds.add(round, ours_took, bare_took);
    }
    rounds.print("11 MB messages received: CPU, × bare", (MESSAGES * 11) as f64, "MiB");
    Ok(())
}

/// Messages of 11 MB to the engine. Both clients have the text at hand and send it without a copy of their own.
async fn sent(engine: &child::Server) -> io::Result<()> {
    const MESSAGES: u64 = 8;
    let text = request(1, "Set").replace("[]", &format!(r#"["{}"]"#, "0123456789abcde ".repeat(LARGE / 16)));
    let for_ours = Bytes::from(text.clone());
    let for_bare = Utf8Bytes::from(text);
    let mut ours = ours(engine).await?;
    let mut bare = bare::connect_with(engine.address, same_buffers()).await?;
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let (mut ours_took, mut bare_took) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..4 {
            let work = async {
                for _ in 0..MESSAGES / 4 {
                    ours.send_text(for_ours.clone()).await.expect("the engine reads");
                    ours.receive().await.expect("the engine answers");
                }
            };
            ours_took += cost(work).await.cpu;
            let work = async {
                for _ in 0..MESSAGES / 4 {
                    let text = tungstenite::Message::Text(for_bare.clone());
                    bare.send(text).await.expect("the engine reads");
                    bare.next().await.expect("the engine answers").expect("the engine answers");
                }
            };
            bare_took += cost(work).await.cpu;
        }
        rounds.add(round, ours_took, bare_took);
    }
    rounds.print("11 MB messages sent: CPU, × bare", (MESSAGES * 11) as f64, "MiB");
    Ok(())
}

/// CPU seconds of both in each round.
#[derive(Default)]
struct Rounds(Vec<[f64; 2]>);

impl Rounds {
    /// The first round only warms up.
    fn add(&mut self, round: usize, ours: Duration, bare: Duration) {
        if round > 0 {
            self.0.push([ours.as_secs_f64(), bare.as_secs_f64()]);
        }
    }

    fn print(&self, what: &str, amount: f64, unit: &str) {
        let ratios: Vec<_> = self.0.iter().map(|[ours, bare]| ours / bare).collect();
        let each = |at: usize| median(self.0.iter().map(|took| took[at] * 1e9 / amount).collect());
        let spread = spread(&ratios);
        let ratio = median(ratios);
        row(what, ratio, "at most 1.05", ratio <= 1.05);
        measure::line(&format!(
            "  CPU ns a {unit}: ours {:.0}, bare {:.0}; ratios {spread}",
            each(0),
            each(1)
        ));
    }
}

/// Resident memory of a process that holds connections on which nothing is said.
async fn idle(engine: &child::Server) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    certificates(folder.path())?;
    let folder_name = folder.path().to_string_lossy();
    let over_tls = child::Server::start("engine over TLS", &[&folder_name])?;
    let root = folder.path().join("root.pem");
    let (ws, wss) = (format!("ws://{}/", engine.address), format!("wss://{}/", over_tls.address));
    for (name, url, root, most) in [("ws", ws, "", 12.0), ("wss", wss, &*root.to_string_lossy(), 48.0)] {
        for (state, what) in [
            ("connected", "just connected"),
            ("idle", "idle since it was connected"),
            ("used", "idle after 100 KB each way"),
            ("waiting", "waiting for a message since it was connected"),
            ("waiting after use", "waiting for a message after 100 KB each way"),
        ] {
            let each = kib_each(&[&url, root, state]).await?;
            row(
                &format!("{name} connection, {what}: KiB"),
                each,
                &format!("at most {most:.0}"),
                each <= most,
            );
        }
        if name == "ws" {
            let each = kib_each(&[&engine.address.to_string(), root, "bare"]).await?;
            measure::line(&format!("  {:<64} {each:>7.2}", "the same, bare tokio-tungstenite"));
        }
    }
    Ok(())
}

/// Has a child hold connections, and returns what each of those after the first ones added to its memory.
async fn kib_each(args: &[&str]) -> io::Result<f64> {
    // The first connections pay for what all share.
    const FIRST: u64 = 200;
    const MORE: u64 = 700;
    let holder = child::Server::start("holder", args)?;
    let mut control = BufReader::new(tokio::net::TcpStream::connect(holder.address).await?);
    let mut before = 0;
    for connections in [FIRST, MORE] {
        before = holder.resident_kib().unwrap_or(0);
        control.write_all(format!("{connections}\n").as_bytes()).await?;
        if control.read_line(&mut String::new()).await? == 0 {
            return Err(io::Error::other("the holder failed"));
        }
    }
    match holder.resident_kib() {
        Some(after) => Ok(after.saturating_sub(before) as f64 / MORE as f64),
        // Elsewhere than on Linux.
        None => Ok(f64::NAN),
    }
}

/// After which silence connections give their buffers back that wait after they were used. So short that the buffers of one
/// serve the next: with a thousand at once, resident memory would only tell how many buffers there were.
const REST_AFTER: Duration = Duration::from_millis(5);

/// Opens as many connections as the parent asks for, and keeps them in `state`.
async fn hold(url: &str, root: &str, state: &str) -> io::Result<()> {
    let (control, _) = child::listen().await?.accept().await?;
    let mut control = BufReader::new(control);
    let limits = match state {
        "waiting after use" => Limits::default().rest_after(REST_AFTER),
        _ => Limits::default(),
    };
    let connector = if state == "bare" { None } else { Some(connector(url, root, limits)?) };
    let echo = request(1, "Echo").replace("[]", &format!(r#"["{}"]"#, "x".repeat(100_000)));
    let mut untouched = Vec::new();
    let mut line = String::new();
    while control.read_line(&mut line).await? > 0 {
        for _ in 0..line.trim().parse().map_err(io::Error::other)? {
            let Some(connector) = &connector else {
                let address = url.parse().map_err(io::Error::other)?;
                let mut client = bare::connect_with(address, same_buffers()).await?;
                client.send(tungstenite::Message::text(echo.clone())).await.map_err(io::Error::other)?;
                client.next().await;
                tokio::spawn(async move { client.next().await });
                continue;
            };
            let mut socket: WsSocket = connector.connect().await.map_err(io::Error::other)?;
            if matches!(state, "used" | "waiting after use") {
                socket.send_text(echo.clone()).await.map_err(io::Error::other)?;
                socket.receive().await.map_err(io::Error::other)?;
            }
            match state {
                "connected" => untouched.push(socket),
                "idle" | "used" => drop(tokio::spawn(async move { socket.idle().await })),
                _ => drop(tokio::spawn(async move {
                    // Keeps the socket when a message comes all the same.
                    drop(socket.receive().await);
                    pending::<()>().await;
                })),
            }
            if state == "waiting after use" {
                tokio::time::sleep(3 * REST_AFTER).await;
            }
        }
        // The last ones may still have to be polled; what TLS says after the handshake comes by then.
        tokio::time::sleep(Duration::from_millis(200)).await;
        control.write_all(b"done\n").await?;
        line.clear();
    }
    Ok(())
}

/// Writes the certificate of a CA, and one it issued with its key.
fn certificates(folder: &Path) -> io::Result<()> {
    let issuer = {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?
    };
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    let leaf = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
    std::fs::write(folder.join("root.pem"), issuer.pem())?;
    std::fs::write(folder.join("leaf.pem"), leaf.pem())?;
    std::fs::write(folder.join("key.pem"), key.serialize_pem())
}

fn acceptor(folder: &Path) -> io::Result<TlsAcceptor> {
    let leaf = CertificateDer::from_pem_file(folder.join("leaf.pem")).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![leaf], key))
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
