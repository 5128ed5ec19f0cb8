//! Moves the frames of one conversation over a stream.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use qix_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep},
};

use super::{
    conversation::{Conversation, Saying},
    frames::{Heard, Incoming, Outbox},
};

/// How much may wait for a client that does not read before nothing more is read from it.
const MOST_UNSENT: usize = 1 << 20;
/// The same in messages that wait for their time.
const MOST_UNSAID: usize = 100_000;
/// How long a client may take for its goodbye, or to take ours.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(30);

/// Converses until either side ends it.
///
/// All that has come is answered before anything is written, and what is written then goes out together.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    first: &[u8],
    conversation: Conversation,
) {
    let mut wire = Wire {
        stream,
        incoming: Incoming::new(first),
        outbox: Outbox::default(),
        conversation,
        ending: None,
    };
    if let Err(error) = poll_fn(|cx| wire.poll(cx)).await {
        tracing::debug!(%error, "a client left");
    }
}

struct Wire<S> {
    stream: S,
    incoming: Incoming,
    outbox: Outbox,
    conversation: Conversation,
    ending: Option<(Ending, Pin<Box<Sleep>>)>,
}

/// What is still to be done before the stream is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// Write what was said.
    Cut,
    /// Write it, and say goodbye on the levels below.
    Answered,
    /// Write it, and wait for the client's goodbye.
    Closing,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.take_in();
        loop {
            let mut is_full = false;
            while self.ending.is_none() {
                is_full = self.outbox.unsent() >= MOST_UNSENT;
                if is_full {
                    break;
                }
                let Poll::Ready(saying) = self.conversation.poll_say(cx) else { break };
                self.say(saying);
            }
            let written = self.outbox.poll_write(cx, Pin::new(&mut self.stream))?;
            if let Some((ending, deadline)) = &mut self.ending {
                let over = match (*ending, written) {
                    (Ending::Cut, Poll::Ready(())) => true,
                    (Ending::Answered, Poll::Ready(())) => {
                        Pin::new(&mut self.stream).poll_shutdown(cx).is_ready()
                    }
                    _ => false,
                };
                if over || deadline.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
            }
            if is_full && written.is_ready() {
                continue;
            }
            if self.outbox.unsent() >= MOST_UNSENT
                || self.conversation.unsaid() > MOST_UNSAID
                || self.ending.as_ref().is_some_and(|(ending, _)| *ending != Ending::Closing)
            {
                return Poll::Pending;
            }
            let Poll::Ready(read) = self.incoming.poll_read(cx, Pin::new(&mut self.stream))? else {
                return Poll::Pending;
            };
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            self.take_in();
        }
    }

    fn say(&mut self, saying: Saying) {
        match saying {
            Saying::Text(text) => self.outbox.text(&text),
            Saying::Binary(bytes) => self.outbox.binary(&bytes),
            Saying::Close(code, reason) => {
                let code = code.filter(|code| CloseCode::new(*code).is_sendable());
                self.outbox.close(code, &reason);
                self.end(Ending::Closing);
            }
            Saying::Drop => self.end(Ending::Cut),
        }
    }

    /// Answers all that is complete.
    fn take_in(&mut self) {
        let closing = match self.ending {
            None => false,
            Some((Ending::Closing, _)) => true,
            Some(_) => return,
        };
        let ending = loop {
            match self.incoming.next() {
                Ok(None) => return,
                // After our goodbye nothing but the client's counts.
                Ok(Some(Heard::Close(_))) if closing => break Ending::Answered,
                Ok(Some(_)) if closing => {}
                Ok(Some(Heard::Text(text) | Heard::Binary(text))) => self.conversation.hear(text),
                Ok(Some(Heard::Ping(payload))) => self.outbox.pong(payload),
                Ok(Some(Heard::Close(payload))) => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    let code = code.filter(|code| CloseCode::new(*code).is_sendable());
                    // What it asked before is answered, should it still listen.
                    while let Some(Saying::Text(text)) = self.conversation.say_at_once() {
                        self.outbox.text(&text);
                    }
                    self.outbox.close(code, "");
                    break Ending::Answered;
                }
                Err(broken) => {
                    tracing::warn!("a client was cut, because {}", broken.0);
                    break Ending::Cut;
                }
            }
        };
        self.end(ending);
    }

    fn end(&mut self, ending: Ending) {
        // Before the client hears of it, so that its next socket finds the session free.
        self.conversation.leave();
        self.ending = Some((ending, Box::pin(sleep(GOODBYE_TIMEOUT))));
    }
}
