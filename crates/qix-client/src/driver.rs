//! The task that owns the socket.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use qix_protocol::{
    CloseCode, Connection, Event, NewRequest, RequestError, RequestId,
    frame::{Raw, client},
};
use qix_transport::{Closed, ClosedBy, Message, Socket};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Sleep, sleep_until},
};

use crate::{
    Error, ErrorKind,
    command::{Command, Control, Reply},
    request::Request,
    session::Shared,
    stopwatch::Stopwatch,
};

/// How many messages are taken in before what they caused is sent: enough to fill a burst, and few enough that calls are not
/// held up by a flood.
const RECEIVE_BUDGET: usize = 256;

/// How many requests are taken up before the socket has taken those before them: a burst, and no more, so that a peer that does
/// not read leaves calls in the queue, where their callers wait.
const MOST_UNTRANSMITTED: usize = 1024;

/// Moves texts between a [`Connection`] and its socket until either ends.
///
/// Each wake-up takes in all that has come, hands all calls that are waiting to the socket, and flushes once.
pub(crate) struct Driver<S> {
    socket: S,
    connection: Connection<Reply>,
    max_pending: usize,
    commands: mpsc::Receiver<Command>,
    controls: mpsc::UnboundedReceiver<Control>,
    shared: Arc<Shared>,
    timer: Option<Pin<Box<Sleep>>>,
    unflushed: bool,
    closing: Option<(CloseCode, Error)>,
    stopwatch: Stopwatch,
}

impl<S: Socket> Driver<S> {
    pub(crate) fn new(
        socket: S,
        connection: Connection<Reply>,
        max_pending: usize,
        commands: mpsc::Receiver<Command>,
        controls: mpsc::UnboundedReceiver<Control>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            socket,
            connection,
            max_pending,
            commands,
            controls,
            shared,
            timer: None,
            unflushed: false,
            closing: None,
            stopwatch: Stopwatch::default(),
        }
    }

    /// Runs to the end of the session.
    pub(crate) async fn run(mut self) {
        let cause = poll_fn(|cx| self.poll(cx)).await;
        tracing::debug!(error = &cause as &dyn std::error::Error, "session ended");
        let cause = self.shared.end.get_or_init(|| cause).clone();
        self.shared.objects.end();
        self.connection.handle_close(cause.clone());
        self.dispatch();
        self.commands.close();
        while let Ok(Command { reply, .. }) = self.commands.try_recv() {
            // The caller may be gone.
            let _ = reply.send(Err(cause.clone()));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Some((code, cause)) = &self.closing {
            return self.socket.poll_close(cx, *code, "").map(|_| cause.clone());
        }
        match self.poll_open(cx) {
            // The goodbye itself has to be polled at least once.
            Ok(()) if self.closing.is_some() => self.poll(cx),
            Ok(()) => Poll::Pending,
            Err(closed) => Poll::Ready(Error::closed(closed)),
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Result<(), Closed> {
        self.receive(cx)?;
        self.take_commands(cx);
        self.check_deadlines(cx);
        self.send(cx)?;
        if self.unflushed && self.socket.poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }

    fn receive(&mut self, cx: &mut Context<'_>) -> Result<(), Closed> {
        for _ in 0..RECEIVE_BUDGET {
            let message = match self.socket.poll_receive(cx) {
                Poll::Ready(message) => message?,
                Poll::Pending => return Ok(()),
            };
            let handled = match message {
                Message::Text(text) => self.connection.handle_text(text).map_err(|error| {
                    self.closing =
                        Some((CloseCode::PROTOCOL_ERROR, Error::because(ErrorKind::Protocol, error)));
                }),
                _ => {
                    let cause = Closed::new(CloseCode::new(1003), "binary message", ClosedBy::Us);
                    self.closing = Some((CloseCode::new(1003), Error::because(ErrorKind::Protocol, cause)));
                    Err(())
                }
            };
            if handled.is_err() {
                return Ok(());
            }
            self.dispatch();
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn take_commands(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(control)) = self.controls.poll_recv(cx) {
            match control {
                Control::Cancel(id) => {
                    self.stopwatch.forget(id);
                    drop(self.connection.cancel(id));
                }
                Control::Tell(request) => {
                    let (reply, _) = oneshot::channel();
                    self.take_call(Command { request: *request, reply });
                }
                Control::Close => self.say_goodbye(),
            }
        }
        // At a limit, calls wait in the queue; an answer, or a socket that takes texts again, wakes this task.
        while self.closing.is_none()
            && self.connection.in_flight() < self.max_pending
            && self.connection.untransmitted() < MOST_UNTRANSMITTED
        {
            match self.commands.poll_recv(cx) {
                // Its caller gave it up while it was waiting.
                Poll::Ready(Some(command)) if command.reply.is_closed() && !command.request.detached => {}
                Poll::Ready(Some(command)) => self.take_call(command),
                Poll::Ready(None) => self.say_goodbye(),
                Poll::Pending => return,
            }
        }
    }

    fn take_call(&mut self, command: Command) {
        let Command { request, reply } = command;
        let Request { id, to, method, params, timeout, delta, detached: _, times } = request;
        let to = to.handle();
        // `serde_json` has just written these parameters; only a user's raw value could make them invalid.
        let Ok(params) = Raw::new(&params) else {
            let _ = reply.send(Err(Error::new(ErrorKind::Params)));
            return;
        };
        let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
        let request = NewRequest { id, to, method: &method, params, delta, deadline };
        if let Err((error, reply)) = self.connection.request(request, reply) {
            let kind = match error {
                RequestError::Closed => ErrorKind::Closed,
                _ => ErrorKind::Params,
            };
            let _ = reply.send(Err(Error::because(kind, error)));
        } else if let Some(times) = times {
            self.stopwatch.taken_up(id, times, self.connection.untransmitted());
        }
    }

    fn say_goodbye(&mut self) {
        let cause = Closed::new(CloseCode::NORMAL, "", ClosedBy::Us);
        self.closing.get_or_insert((CloseCode::NORMAL, Error::closed(cause)));
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Closed> {
        while self.socket.poll_ready(cx)?.is_ready() {
            let Some(text) = self.connection.poll_transmit() else { return Ok(()) };
            self.stopwatch.handed_over(text.len(), now);
            match self.socket.send(text.clone()) {
                Ok(()) => self.unflushed = true,
                // Too large for the socket, which is as good as before; only this call has failed.
                Err(refused) if refused.by == ClosedBy::Us && refused.code == CloseCode::TOO_BIG => {
                    let id = client::Request::parse(&text).ok().and_then(|request| request.id?.as_integer());
                    if let Some(reply) = id.and_then(|id| self.connection.abandon(RequestId::new(id))) {
                        let _ = reply.send(Err(Error::because(ErrorKind::Params, refused)));
                    }
                }
                Err(closed) => return Err(closed),
            }
        }
        Ok(())
    }

    fn check_deadlines(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(deadline) = self.connection.poll_timeout() else {
                self.timer = None;
                return;
            };
            let deadline = tokio::time::Instant::from_std(deadline);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.connection.handle_timeout(now());
            self.timer = None;
            self.dispatch();
        }
    }

    /// Tells the application.
    fn dispatch(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Completed { id, data: reply, outcome, .. } => {
                    self.stopwatch.answered(id, now);
                    // A caller that went away has cancelled; its answer is of no use to anybody.
                    let _ = reply.send(outcome.map_err(Error::from));
                }
                Event::Changes(changes) => self.shared.objects.apply(&changes),
                Event::Notification(notification) => {
                    tracing::debug!(method = notification.method, "notification");
                    if let Some(state) = self.connection.session_state() {
                        self.shared.connected.send_replace(Some(state.as_str().to_owned()));
                    }
                }
                Event::Orphan(text) => tracing::warn!(bytes = text.len(), "answer to no request"),
                _ => {}
            }
        }
    }
}

/// Tokio's clock, which tests can own.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
