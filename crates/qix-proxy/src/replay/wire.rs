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

use crate::faults::{Reset, relay::half_frame};

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
///
/// `reset` resets the stream's TCP connection, which is needed for faults alone.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    first: &[u8],
    conversation: Conversation,
    reset: Option<Reset>,
) {
    let mut wire = Wire {
        stream,
        incoming: Incoming::new(first),
        outbox: Outbox::default(),
        conversation,
        ending: None,
        settled: None,
    };
    if let Err(error) = poll_fn(|cx| wire.poll(cx)).await {
        tracing::debug!(%error, "a client left");
    }
    if let (Some((Ending::Abort, _)), Some(reset)) = (&wire.ending, &reset) {
        reset.arm();
    }
}

struct Wire<S> {
    stream: S,
    incoming: Incoming,
    outbox: Outbox,
    conversation: Conversation,
    ending: Option<(Ending, Pin<Box<Sleep>>)>,
    /// Runs while what was written leaves before a reset.
    settled: Option<Pin<Box<Sleep>>>,
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
    /// Write it, let it leave, and reset the connection.
    Abort,
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
                    (Ending::Abort, Poll::Ready(())) => {
                        let settled = self.settled.get_or_insert_with(|| Box::pin(sleep(Reset::SETTLE)));
                        settled.as_mut().poll(cx).is_ready()
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
            Saying::Abort(half) => {
                if let Some(text) = half {
                    self.outbox.raw(&half_frame(&text));
                }
                self.end(Ending::Abort);
            }
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
                    loop {
                        match self.conversation.say_at_once() {
                            Some(Saying::Text(text)) => self.outbox.text(&text),
                            Some(Saying::Binary(bytes)) => self.outbox.binary(&bytes),
                            Some(Saying::Close(..) | Saying::Drop | Saying::Abort(_)) | None => break,
                        }
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

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };

    use super::*;
    use crate::replay::{ReplaySettings, stage::Stage, tests::tapes};

    type Client = WebSocketStream<DuplexStream>;

    const SCRIPT: &str = r#"
        1+ /app/x/identity/i
        1> {"id":1,"method":"M"}
        1< {"id":1,"result":{"q":1}}
        1> {"id":2,"method":"Bye"}
        1< {"id":2,"result":{}}
        1x 4003
        2+ /app/y
        2> {"id":2,"method":"Cut"}
        2< {"id":2,"result":{}}
        2!
    "#;

    /// A socket that is served over a pipe with this much room.
    fn serve(room: usize) -> (DuplexStream, std::sync::Arc<Stage>, tokio::task::JoinHandle<()>) {
        let stage = std::sync::Arc::new(Stage::new(tapes(SCRIPT).0, &ReplaySettings::default(), |_| {}));
        let (ours, theirs) = duplex(room);
        let conversation = Conversation::open(stage.clone(), &super::super::sessions::Visitor::default());
        let served = tokio::spawn(async move { converse(theirs, b"", conversation, None).await });
        (ours, stage, served)
    }

    async fn client(stream: DuplexStream) -> Client {
        WebSocketStream::from_raw_socket(stream, Role::Client, None).await
    }

    async fn say(client: &mut Client, method: &str) {
        client.send(Message::text(format!(r#"{{"id":7,"method":"{method}"}}"#))).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn pings_and_goodbyes_are_answered() {
        let (stream, _, served) = serve(1000);
        let mut client = client(stream).await;
        client.send(Message::Ping("p".into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("p".into()));
        say(&mut client, "M").await;
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":{"q":1}}"#;
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text(answer));
        client.close(None).await.unwrap();
        assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_a_goodbye_is_answered() {
        let (stream, stage, served) = serve(100_000);
        let mut client = client(stream).await;
        for _ in 0..50 {
            client.feed(Message::text(r#"{"id":7,"method":"M"}"#)).await.unwrap();
        }
        client.close(None).await.unwrap();
        let mut answers = 0;
        while let Some(Ok(Message::Text(_))) = client.next().await {
            answers += 1;
        }
        served.await.unwrap();
        assert_eq!((answers, stage.summary().answered), (50, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn binary_messages_before_a_goodbye_are_said_too() {
        const RECORDING: &str = r#"{"qixrec":[1,1]}
{"seq":1,"t":0,"conn":1,"kind":"open","url":"/","status":101}
{"seq":2,"t":0,"conn":1,"kind":"frame","from":"client","json":{"id":1,"method":"M"}}
{"seq":3,"t":0,"conn":1,"kind":"frame","from":"engine","base64":"AQI=","opcode":2}
{"seq":4,"t":0,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{}}}
"#;
        let reader = crate::record::RecordingReader::new(RECORDING.as_bytes(), "test").unwrap();
        let tapes = crate::replay::Tapes::load(reader).unwrap().0;
        let stage = Stage::new(tapes.into(), &ReplaySettings::default(), |_| {});
        let conversation = Conversation::open(stage.into(), &super::super::sessions::Visitor::default());
        let (stream, theirs) = duplex(1000);
        let mut client = client(stream).await;
        // All of it is there before the replay looks.
        client.feed(Message::text(r#"{"id":7,"method":"M"}"#)).await.unwrap();
        client.close(None).await.unwrap();
        let served = tokio::spawn(async move { converse(theirs, b"", conversation, None).await });
        assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(vec![1, 2]));
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text(answer));
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn recorded_close_comes_after_the_answer_before_it_and_waits_for_the_client() {
        let (stream, _, served) = serve(1000);
        let mut client = client(stream).await;
        say(&mut client, "Bye").await;
        assert!(client.next().await.unwrap().unwrap().is_text());
        let Some(Ok(Message::Close(Some(frame)))) = client.next().await else { panic!() };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4003, "why"));
        while client.next().await.is_some() {}
        served.await.unwrap();
        // A client that never answers is left after a while.
        let (mut stream, _, served) = serve(1000);
        stream.write_all(b"\x81\x98\0\0\0\0{\"id\":7,\"method\":\"Bye\"}\n").await.unwrap();
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn recorded_cut_comes_after_the_answer_before_it() {
        let (stream, _, served) = serve(1000);
        let mut client = client(stream).await;
        say(&mut client, "Cut").await;
        assert!(client.next().await.unwrap().unwrap().is_text());
        assert!(client.next().await.unwrap().is_err());
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_sends_garbage_or_leaves_without_a_word_ends_its_conversation_only() {
        for last in [&b"\x16\x03\x01\x02\0"[..], b"", b"\x81"] {
            let (mut stream, _, served) = serve(1000);
            stream.write_all(last).await.unwrap();
            stream.shutdown().await.unwrap();
            served.await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_more_is_read_from_a_client_that_does_not_read() {
        let (mut stream, stage, served) = serve(64 << 10);
        let request = b"\x81\x95\0\0\0\0{\"id\":7,\"method\":\"M\"}";
        let mut written = 0u64;
        // The pipe holds thousands, what waits for the client tens of thousands.
        let write = async {
            loop {
                stream.write_all(request).await.unwrap();
                written += 1;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(5), write).await.is_err());
        let answered = stage.summary().answered;
        assert!(answered > 1000 && answered < written && answered < 60_000, "{answered} of {written}");
        // All of them come once it reads.
        let mut all = vec![0; 1 << 20];
        let mut bytes = 0;
        while bytes < written as usize * 43 {
            bytes += stream.read(&mut all).await.unwrap();
        }
        drop(stream);
        served.await.unwrap();
        assert_eq!(stage.summary().answered, written);
    }
}
