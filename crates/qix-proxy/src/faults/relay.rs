//! Passes messages between a client and a live engine, and does to them what rules say.
//!
//! The plain [relay](crate::relay) passes bytes on and understands none of them. This one is only for recordings that are made with
//! faults: it speaks WebSocket with both sides, so that it can add, drop and change messages.

mod deeds;
mod legs;

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use self::legs::Legs;
use super::{FaultMachine, Reset};
use crate::{
    record::{Side, Tape},
    relay::{End, Head},
};

/// How long a side may take for its goodbye, and to take what is written before a connection ends.
const LINGER: Duration = Duration::from_secs(10);

/// How a connection comes to its end.
#[derive(Debug)]
enum Ending {
    /// A side said goodbye.
    Goodbye(Side, Option<CloseFrame>),
    /// A side has gone without a word.
    Gone(Side, Option<io::Error>),
    /// A rule closes it.
    Close(u16, String),
    /// A rule resets it, after half of the frame of a text.
    Abort(Option<Bytes>),
}

/// Passes messages until the end. The bytes are those of the client and of the engine that came with the upgrade.
///
/// Nothing is read from a side while much waits for the other, or for its time.
///
/// # Cancellation
///
/// Dropping the future cuts both connections.
pub(crate) async fn run<C, E>(
    (client, client_first): (C, Bytes),
    (engine, engine_first): (E, Bytes),
    machine: FaultMachine,
    tape: &mut Tape,
    (reset, max_message): (Option<Arc<Reset>>, usize),
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    E: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
        .accept_unmasked_frames(false);
    let client =
        WebSocketStream::from_partially_read(client, client_first.to_vec(), Role::Server, Some(config)).await;
    let engine =
        WebSocketStream::from_partially_read(engine, engine_first.to_vec(), Role::Client, Some(config)).await;
    let mut legs = Legs::new(client, engine, machine);
    let ending = poll_fn(|cx| legs.poll(tape, cx)).await;
    let Legs { client, mut engine, to_engine, .. } = legs;
    if let Ending::Goodbye(Side::Client, _) | Ending::Gone(Side::Client, _) = &ending {
        // What the client said before it went is heard.
        let rest = async {
            for message in to_engine {
                if engine.feed(message).await.is_err() {
                    return;
                }
            }
        };
        _ = timeout(LINGER, rest).await;
    }
    finish(ending, client, engine, tape, reset).await
}

/// Says goodbye where it is due, and hangs up.
async fn finish<C, E>(
    ending: Ending,
    mut client: WebSocketStream<C>,
    mut engine: WebSocketStream<E>,
    tape: &mut Tape,
    reset: Option<Arc<Reset>>,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    E: AsyncRead + AsyncWrite + Unpin,
{
    match ending {
        Ending::Goodbye(by, frame) => {
            let (code, reason) = match &frame {
                Some(frame) => (Some(u16::from(frame.code)), frame.reason.as_str()),
                None => (None, ""),
            };
            tape.goodbye(by, code, reason);
            // Whoever said it gets its answer from the library, once both are read to the end.
            let both = async {
                let first = async {
                    match by {
                        Side::Client => engine.close(frame).await,
                        Side::Engine => client.close(frame).await,
                    }
                };
                _ = first.await;
                tokio::join!(read_out(&mut client), read_out(&mut engine));
            };
            _ = timeout(LINGER, both).await;
            End { by, error: None }
        }
        Ending::Gone(by, error) => {
            // What was said before it went is still passed on.
            let flush = async { tokio::join!(flush(&mut client), flush(&mut engine)) };
            _ = timeout(LINGER, flush).await;
            End { by, error }
        }
        Ending::Close(code, reason) => {
            tape.goodbye(Side::Engine, Some(code), &reason);
            let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
            let both = async {
                let told = async {
                    _ = client.close(Some(frame)).await;
                    read_out(&mut client).await;
                };
                let left = async {
                    _ = engine.close(None).await;
                    read_out(&mut engine).await;
                };
                tokio::join!(told, left)
            };
            _ = timeout(LINGER, both).await;
            End { by: Side::Engine, error: None }
        }
        Ending::Abort(half) => {
            let write = async {
                flush(&mut client).await;
                if let Some(text) = half {
                    let stream = client.get_mut();
                    _ = stream.write_all(&half_frame(&text)).await;
                    _ = stream.flush().await;
                }
            };
            _ = timeout(LINGER, write).await;
            sleep(Reset::SETTLE).await;
            if let Some(reset) = reset {
                reset.arm();
            }
            let error =
                io::Error::new(io::ErrorKind::ConnectionReset, "reset on purpose, by a rule for faults");
            End { by: Side::Engine, error: Some(error) }
        }
    }
}

/// Reads until the other side has hung up.
async fn read_out<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    while let Some(Ok(_)) = socket.next().await {}
}

async fn flush<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    _ = socket.flush().await;
}

/// Writes a frame of a text that ends in its middle.
pub(crate) fn half_frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | Head::TEXT];
    match text.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&text[..text.len() / 2]);
    frame
}

/// Makes a message of a text, a binary one if it is no UTF-8.
fn message(text: Bytes) -> Message {
    match tokio_tungstenite::tungstenite::Utf8Bytes::try_from(text.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(text),
    }
}
