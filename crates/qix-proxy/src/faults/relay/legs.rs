//! Both connections of a relay, and what waits between them.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

use super::{Ending, deeds::Deeds, message};
use crate::{
    faults::{Act, Due, FaultMachine},
    record::{Side, Tape},
};

/// How many bytes may wait for a side, or for their time, before nothing more is read.
const MOST_WAITING: usize = 1 << 20;

/// Both connections, and what waits between them.
pub(super) struct Legs<C, E> {
    pub(super) client: WebSocketStream<C>,
    pub(super) engine: WebSocketStream<E>,
    machine: FaultMachine,
    to_client: VecDeque<ToClient>,
    pub(super) to_engine: VecDeque<Message>,
    client_bytes: usize,
    engine_bytes: usize,
    later: Deeds,
    /// Whether the engine has ended, so that it is not read any more.
    engine_ended: bool,
    due: Vec<Due>,
    notes: Vec<String>,
}

/// Something for the client, in order.
enum ToClient {
    Message(Message),
    End(Ending),
}

impl<C, E> Legs<C, E>
where
    C: AsyncRead + AsyncWrite + Unpin,
    E: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn new(client: WebSocketStream<C>, engine: WebSocketStream<E>, machine: FaultMachine) -> Self {
        Self {
            client,
            engine,
            machine,
            to_client: VecDeque::new(),
            to_engine: VecDeque::new(),
            client_bytes: 0,
            engine_bytes: 0,
            later: Deeds::default(),
            engine_ended: false,
            due: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Passes messages until it is known how the connection ends, and all before the end is written.
    pub(super) fn poll(&mut self, tape: &mut Tape, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            let mut progress = false;
            while let Poll::Ready(act) = self.later.poll_next(cx) {
                progress = true;
                self.act(act);
            }
            if self.has_room() && self.engine_bytes < MOST_WAITING && tape.poll_ready(cx).is_ready() {
                match Pin::new(&mut self.client).poll_next(cx) {
                    Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                        return Poll::Ready(Ending::Goodbye(Side::Client, frame));
                    }
                    Poll::Ready(Some(Ok(message))) => {
                        progress = true;
                        self.hear_client(message, tape);
                    }
                    Poll::Ready(Some(Err(error))) => return gone(Side::Client, error),
                    Poll::Ready(None) => return Poll::Ready(Ending::Gone(Side::Client, None)),
                    Poll::Pending => {}
                }
            }
            if !self.engine_ended && self.has_room() && tape.poll_ready(cx).is_ready() {
                match Pin::new(&mut self.engine).poll_next(cx) {
                    Poll::Ready(Some(Ok(message))) => {
                        progress = true;
                        self.hear_engine(message);
                    }
                    Poll::Ready(Some(Err(error))) => {
                        progress = true;
                        self.engine_gone(Some(io_error(error)));
                    }
                    Poll::Ready(None) => {
                        progress = true;
                        self.engine_gone(None);
                    }
                    Poll::Pending => {}
                }
            }
            if let Poll::Ready(ending) = self.write_to_client(&mut progress, tape, cx) {
                return Poll::Ready(ending);
            }
            self.write_to_engine(&mut progress, cx);
            if !progress {
                return Poll::Pending;
            }
        }
    }

    /// Returns whether more may be read that could lead to something for the client.
    fn has_room(&self) -> bool {
        self.client_bytes < MOST_WAITING && self.later.bytes() < MOST_WAITING
    }

    fn hear_client(&mut self, message: Message, tape: &mut Tape) {
        let now = Instant::now();
        let text = match &message {
            Message::Text(text) => {
                tape.text(Side::Client, now, text.clone().into());
                text.as_bytes()
            }
            Message::Binary(bytes) => {
                tape.binary(Side::Client, now, bytes.clone());
                bytes
            }
            // Pings are answered by the library.
            _ => return,
        };
        let is_passed_on = self.machine.request(text, &mut self.due, &mut self.notes);
        for note in self.notes.drain(..) {
            tape.note(note);
        }
        if is_passed_on {
            self.engine_bytes += message.len();
            self.to_engine.push_back(message);
        }
        self.plan();
    }

    fn hear_engine(&mut self, message: Message) {
        let as_it_is = match &message {
            Message::Text(text) => self.machine.message(text.as_bytes(), &mut self.due),
            Message::Binary(_) => true,
            Message::Close(frame) => {
                self.engine_ended = true;
                return self.end(Ending::Goodbye(Side::Engine, frame.clone()));
            }
            _ => return,
        };
        if as_it_is {
            self.say(message);
        }
        self.plan();
    }

    fn engine_gone(&mut self, error: Option<io::Error>) {
        self.engine_ended = true;
        self.end(Ending::Gone(Side::Engine, error));
    }

    fn end(&mut self, ending: Ending) {
        self.to_client.push_back(ToClient::End(ending));
    }

    fn say(&mut self, message: Message) {
        self.client_bytes += message.len();
        self.to_client.push_back(ToClient::Message(message));
    }

    /// Does what the machine wants done at once, and keeps the rest for its time.
    fn plan(&mut self) {
        let due = std::mem::take(&mut self.due);
        for due in due {
            if due.after.is_zero() {
                self.act(due.act);
            } else {
                self.later.add(due);
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Text(text) => self.say(message(text)),
            Act::Close(code, reason) => self.end(Ending::Close(code, reason)),
            Act::Abort(half) => self.end(Ending::Abort(half)),
            Act::Release(number) => {
                self.machine.release(number, &mut self.due);
                self.plan();
            }
        }
    }

    fn write_to_client(
        &mut self,
        progress: &mut bool,
        tape: &mut Tape,
        cx: &mut Context<'_>,
    ) -> Poll<Ending> {
        let mut client = Pin::new(&mut self.client);
        while let Some(next) = self.to_client.front() {
            match client.as_mut().poll_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return gone(Side::Client, error),
                Poll::Ready(Ok(())) => {}
            }
            if matches!(next, ToClient::End(_)) {
                break;
            }
            let Some(ToClient::Message(message)) = self.to_client.pop_front() else { break };
            *progress = true;
            self.client_bytes -= message.len();
            match &message {
                Message::Text(text) => tape.text(Side::Engine, Instant::now(), text.clone().into()),
                Message::Binary(bytes) => tape.binary(Side::Engine, Instant::now(), bytes.clone()),
                _ => {}
            }
            if let Err(error) = client.as_mut().start_send(message) {
                return gone(Side::Client, error);
            }
        }
        match client.as_mut().poll_flush(cx) {
            Poll::Ready(Err(error)) => return gone(Side::Client, error),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => {}
        }
        match self.to_client.pop_front() {
            Some(ToClient::End(ending)) => Poll::Ready(ending),
            Some(message) => {
                self.to_client.push_front(message);
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }

    fn write_to_engine(&mut self, progress: &mut bool, cx: &mut Context<'_>) {
        if self.engine_ended {
            self.to_engine.clear();
            self.engine_bytes = 0;
            return;
        }
        let mut engine = Pin::new(&mut self.engine);
        loop {
            let Poll::Ready(ready) = engine.as_mut().poll_ready(cx) else { return };
            let sent = match (ready, self.to_engine.pop_front()) {
                (Ok(()), None) => break,
                (Ok(()), Some(message)) => {
                    *progress = true;
                    self.engine_bytes -= message.len();
                    engine.as_mut().start_send(message)
                }
                (Err(error), _) => Err(error),
            };
            if let Err(error) = sent {
                // What it said before it went is read first, if it can be.
                tracing::debug!(%error, "the engine takes nothing any more");
                self.to_engine.clear();
                self.engine_bytes = 0;
                return;
            }
        }
        let _ = engine.poll_flush(cx);
    }
}

fn gone(by: Side, error: Error) -> Poll<Ending> {
    let error = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => None,
        error => Some(io_error(error)),
    };
    Poll::Ready(Ending::Gone(by, error))
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
