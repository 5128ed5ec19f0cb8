//! Bare programs on tokio-tungstenite, written as an able user would write them for one purpose.

use std::{collections::HashMap, io, net::SocketAddr, pin::pin, time::Instant};

use futures_util::{FutureExt, SinkExt, StreamExt, future::Either};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, client_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

use crate::{LARGE, MEDIUM, SMALL_RESULT, result_of};

/// A connected bare client.
pub type Client = WebSocketStream<TcpStream>;

/// tungstenite's settings, with limits that let large messages pass and a read buffer of this many bytes, or its default.
pub fn config(read_buffer: Option<usize>) -> WebSocketConfig {
    let mut config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    if let Some(bytes) = read_buffer {
        config.read_buffer_size = bytes;
    }
    config
}

/// Connects.
///
/// # Errors
///
/// What the socket or the handshake says.
pub async fn connect(address: SocketAddr, read_buffer: Option<usize>) -> io::Result<Client> {
    connect_with(address, config(read_buffer)).await
}

/// Connects with these settings.
///
/// # Errors
///
/// What the socket or the handshake says.
pub async fn connect_with(address: SocketAddr, config: WebSocketConfig) -> io::Result<Client> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!("ws://{address}/app/engineData");
    let (client, _) =
        client_async_with_config(request, stream, Some(config)).await.map_err(io::Error::other)?;
    Ok(client)
}

/// The answer to a small call, decoded by hand-written serde in one pass.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    /// Which request it answers.
    pub id: u64,
    /// The out members.
    #[serde(borrow)]
    pub result: Version<'a>,
}

/// Out members of `EngineVersion`.
#[derive(Debug, Deserialize)]
pub struct Version<'a> {
    /// The version.
    #[serde(rename = "qVersion", borrow)]
    pub version: Component<'a>,
}

/// The engine's version.
#[derive(Debug, Deserialize)]
pub struct Component<'a> {
    /// As text.
    #[serde(rename = "qComponentVersion")]
    pub component: &'a str,
}

/// Writes the request of a call.
pub fn request(id: u64, method: &str) -> Message {
    Message::text(format!(r#"{{"jsonrpc":"2.0","id":{id},"handle":-1,"method":"{method}","params":[]}}"#))
}

/// Makes `calls` calls, `in_flight` at a time: takes in all that has come, asks as much again, flushes once.
///
/// # Errors
///
/// What the socket says, or an answer that cannot be decoded.
pub async fn calls(client: &mut Client, calls: u64, in_flight: u64) -> io::Result<()> {
    let mut asked = 0;
    let mut answered = 0;
    while answered < calls {
        while asked < calls && asked - answered < in_flight {
            asked += 1;
            client.feed(request(asked, "EngineVersion")).await.map_err(io::Error::other)?;
        }
        client.flush().await.map_err(io::Error::other)?;
        let mut next = client.next().await;
        while let Some(message) = next {
            let text = message.map_err(io::Error::other)?.into_text().map_err(io::Error::other)?;
            let answer: Answer<'_> = serde_json::from_str(&text)?;
            assert!(answer.id <= asked && !answer.result.version.component.is_empty());
            answered += 1;
            next = client.next().now_or_never().flatten();
        }
    }
    Ok(())
}

/// Makes `calls` calls, one after the other, and returns the seconds that each took.
///
/// # Errors
///
/// What the socket says.
pub async fn round_trips(client: &mut Client, calls: u64) -> io::Result<Vec<f64>> {
    let mut seconds = Vec::with_capacity(usize::try_from(calls).unwrap_or_default());
    for id in 1..=calls {
        let request = request(id, "EngineVersion");
        let asked = Instant::now();
        client.send(request).await.map_err(io::Error::other)?;
        let answer = client.next().await.ok_or_else(|| io::Error::other("the peer has gone"))?;
        answer.map_err(io::Error::other)?;
        seconds.push(asked.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// Makes `calls` calls, `in_flight` at a time, as the shortest program does: each answer is followed by the next request, which
/// is sent at once.
///
/// # Errors
///
/// What the socket says, or an answer that cannot be decoded.
pub async fn calls_one_by_one(client: &mut Client, calls: u64, in_flight: u64) -> io::Result<()> {
    for id in 1..=in_flight {
        client.feed(request(id, "EngineVersion")).await.map_err(io::Error::other)?;
    }
    client.flush().await.map_err(io::Error::other)?;
    for answered in 1..=calls {
        let message = client.next().await.ok_or_else(|| io::Error::other("the peer has gone"))?;
        let text = message.map_err(io::Error::other)?.into_text().map_err(io::Error::other)?;
        let answer: Answer<'_> = serde_json::from_str(&text)?;
        assert!(!answer.result.version.component.is_empty());
        if answered + in_flight <= calls {
            client.send(request(answered + in_flight, "EngineVersion")).await.map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// A bare client that many tasks share: one task owns the socket, callers wait for their answer by id.
#[derive(Clone, Debug)]
pub struct Shared(mpsc::Sender<(&'static str, oneshot::Sender<Utf8Bytes>)>);

impl Shared {
    /// Starts the task.
    pub fn start(client: Client) -> Self {
        let (sender, queue) = mpsc::channel(1024);
        // A task whose socket fails drops the callers' channels, which fail in turn.
        tokio::spawn(async { drop(own(client, queue).await) });
        Self(sender)
    }

    /// Makes one small call.
    ///
    /// # Errors
    ///
    /// That the task has ended, or an answer that cannot be decoded.
    pub async fn call(&self) -> io::Result<()> {
        let (reply, answer) = oneshot::channel();
        self.0.send(("EngineVersion", reply)).await.map_err(io::Error::other)?;
        let text = answer.await.map_err(io::Error::other)?;
        let answer: Answer<'_> = serde_json::from_str(&text)?;
        assert!(!answer.result.version.component.is_empty());
        Ok(())
    }
}

async fn own(
    mut client: Client,
    mut queue: mpsc::Receiver<(&'static str, oneshot::Sender<Utf8Bytes>)>,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    #[derive(Deserialize)]
    struct Id {
        id: u64,
    }
    let mut waiting = HashMap::new();
    let mut last = 0;
    loop {
        tokio::select! {
            call = queue.recv() => {
                let mut call = call;
                while let Some((method, reply)) = call {
                    last += 1;
                    waiting.insert(last, reply);
                    client.feed(request(last, method)).await?;
                    call = queue.try_recv().ok();
                }
                client.flush().await?;
            }
            message = client.next() => {
                let mut message = message;
                while let Some(arrived) = message {
                    let text = arrived?.into_text()?;
                    if let Ok(Id { id }) = serde_json::from_str(&text)
                        && let Some(reply) = waiting.remove(&id)
                    {
                        // The caller may have given up.
                        let _: Result<(), Utf8Bytes> = reply.send(text);
                    }
                    message = client.next().now_or_never().flatten();
                }
            }
        }
    }
}

/// Calls `method`, which is `Large` or `Medium`, `calls` times, one after the other, and returns how many bytes came.
///
/// # Errors
///
/// What the socket says.
pub async fn large_calls(client: &mut Client, method: &str, calls: u64) -> io::Result<u64> {
    let mut bytes = 0;
    for id in 1..=calls {
        client.send(request(id, method)).await.map_err(io::Error::other)?;
        let answer = client.next().await.ok_or_else(|| io::Error::other("the peer has gone"))?;
        bytes += answer.map_err(io::Error::other)?.len() as u64;
    }
    Ok(bytes)
}

/// Answers every request with the same small result, with one of [`LARGE`] or [`MEDIUM`] bytes for the methods `Large` and `Medium`,
/// or with the request itself for `Echo`;
/// flushes once per burst.
///
/// # Errors
///
/// What the listener says.
pub async fn engine(listener: TcpListener) -> io::Result<()> {
    engine_over(listener, async |stream| Ok(stream)).await
}

/// The same [`engine`] over what `wrap` makes of each connection, such as TLS.
///
/// # Errors
///
/// What the listener says.
pub async fn engine_over<S, W>(listener: TcpListener, wrap: impl Fn(TcpStream) -> W) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    W: Future<Output = io::Result<S>> + Send + 'static,
{
    let answer =
        |bytes| Utf8Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, result_of(bytes)));
    let big = [("\"Large\"", answer(LARGE)), ("\"Medium\"", answer(MEDIUM))];
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (big, stream) = (big.clone(), wrap(stream));
        tokio::spawn(async move {
            // A client that leaves ends its conversation, and nothing else.
            let Ok(stream) = stream.await else { return };
            if let Ok(socket) = accept_async_with_config(stream, Some(config(Some(16 << 10)))).await {
                let _ = answer_all(socket, &big).await;
            }
        });
    }
}

async fn answer_all<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    big: &[(&str, Utf8Bytes)],
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    while let Some(message) = socket.next().await {
        let mut message = Some(message?);
        while let Some(Message::Text(text)) = message {
            // What is asked stands at the beginning of it.
            let head = text.get(..100).unwrap_or(&text);
            let answer = match big.iter().find(|(method, _)| head.contains(method)) {
                Some((_, answer)) => answer.clone(),
                None if head.contains("\"Echo\"") => text,
                None => {
                    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{SMALL_RESULT}}}"#, id_of(&text)).into()
                }
            };
            socket.feed(Message::Text(answer)).await?;
            message = socket.next().now_or_never().flatten().transpose()?;
        }
        socket.flush().await?;
    }
    Ok(())
}

/// The digits behind `"id":`, found as fast as can be: this server is not what is measured.
fn id_of(text: &str) -> &str {
    let digits = text.split_once("\"id\":").map_or("0", |(_, rest)| rest);
    &digits[..digits.find(|other: char| !other.is_ascii_digit()).unwrap_or(digits.len())]
}

/// Passes messages on in both directions, flushes once per burst, records nothing.
///
/// # Errors
///
/// What the listener says.
pub async fn forwarder(listener: TcpListener, to: SocketAddr) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let Ok(upstream) = connect(to, Some(8 << 10)).await else { return };
            let Ok(client) = accept_async_with_config(stream, Some(config(Some(8 << 10)))).await else {
                return;
            };
            let (client_out, client_in) = client.split();
            let (upstream_out, upstream_in) = upstream.split();
            let up = pin!(pass(client_in, upstream_out));
            let down = pin!(pass(upstream_in, client_out));
            // Either side that ends, ends both.
            match futures_util::future::select(up, down).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        });
    }
}

async fn pass<I, O, E>(mut from: I, mut to: O) -> Result<(), E>
where
    I: futures_util::Stream<Item = Result<Message, E>> + Unpin,
    O: futures_util::Sink<Message, Error = E> + Unpin,
{
    while let Some(message) = from.next().await {
        to.feed(message?).await?;
        while let Some(Some(message)) = from.next().now_or_never() {
            to.feed(message?).await?;
        }
        to.flush().await?;
    }
    Ok(())
}
