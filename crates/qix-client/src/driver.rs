//! The task that owns the socket.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use qix_protocol::{
    CloseCode, Connection, ConnectionConfig, Event, Handle, NewRequest, Notification, RequestError,
    RequestId, SessionState,
    frame::{Raw, client},
};
use qix_transport::{Closed, ClosedBy, Connect, Message, Socket};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Sleep, sleep_until},
};

use crate::{
    Error, ErrorKind, SessionConfig, State,
    command::{Command, Control, InFlight},
    fatal::FatalNotice,
    object::Change,
    request::Request,
    resume::{Keeper, Loss, Restoring, ResumePolicy},
    session::Shared,
    stopwatch::{Stopwatch, Times},
    tap::{Direction, Taps},
};

/// How many messages are taken in before what they caused is sent: enough to fill a burst, and few enough that calls are not
/// held up by a flood.
const RECEIVE_BUDGET: usize = 256;

/// How many requests are taken up before the socket has taken those before them: a burst, and no more, so that a peer that does
/// not read leaves calls in the queue, where their callers wait.
const MOST_UNTRANSMITTED: usize = 1024;

/// Moves texts between a [`Connection`] and its socket until the session ends, over one socket after the other.
///
/// Each wake-up takes in all that has come, hands all calls that are waiting to the socket, and flushes once.
pub(crate) struct Driver<C: Connect> {
    pub(crate) connector: Arc<C>,
    pub(crate) connection: Connection<InFlight>,
    pub(crate) max_pending: usize,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) controls: mpsc::UnboundedReceiver<Control>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) policy: Arc<ResumePolicy>,
    pub(crate) timer: Option<Pin<Box<Sleep>>>,
    pub(crate) unflushed: bool,
    pub(crate) closing: Option<(CloseCode, Loss)>,
    pub(crate) taps: Taps,
    /// The notification that has announced the end of this socket.
    pub(crate) doom: Option<Box<Notification>>,
    /// Those who wait until the session is suspended.
    pub(crate) suspending: Vec<oneshot::Sender<()>>,
    /// While objects are made again on a new socket.
    pub(crate) restoring: Option<Box<Restoring>>,
    /// What keeps the selections for the next session.
    pub(crate) keeper: Option<Box<Keeper>>,
    pub(crate) stopwatch: Stopwatch,
}

impl<C: Connect + 'static> Driver<C> {
    pub(crate) fn new(
        connector: Arc<C>,
        connection: Connection<InFlight>,
        config: SessionConfig,
        commands: mpsc::Receiver<Command>,
        controls: mpsc::UnboundedReceiver<Control>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            connector,
            connection,
            max_pending: config.max_pending.max(1),
            commands,
            controls,
            shared,
            timer: None,
            unflushed: false,
            closing: None,
            stopwatch: Stopwatch::default(),
            taps: config.taps,
            doom: None,
            suspending: Vec::new(),
            restoring: None,
            keeper: config.resume.selections.map(|ttl| Box::new(Keeper::new(ttl))),
            policy: Arc::new(config.resume),
        }
    }

    /// Returns the state of the first socket.
    pub(crate) fn connection() -> Connection<InFlight> {
        // The driver counts calls itself; what it says of its own accord must not be refused.
        Connection::new(ConnectionConfig::default().max_pending(usize::MAX))
    }

    /// Runs to the end of the session.
    pub(crate) async fn run(mut self, mut socket: Option<C::Socket>) {
        let cause = loop {
            let loss = match &mut socket {
                Some(socket) => poll_fn(|cx| self.poll(socket, cx)).await,
                None => Loss::Unconnected,
            };
            // What is left of it is of no use, and takes memory.
            drop(socket.take());
            if let Loss::Ended(cause) = loss {
                break cause;
            }
            match Box::pin(self.offline(loss)).await {
                Ok(next) => socket = Some(next),
                Err(cause) => break cause,
            }
        };
        let (mut commands, mut controls) = self.end(cause.clone());
        // Who had found a place in a queue a moment before it closed is still to fill it: what is left there would be kept
        // alive by its own session, and its caller would wait for ever.
        while let Some(Command { reply, .. }) = commands.recv().await {
            let _ = reply.send(Err(cause.clone()));
        }
        while controls.recv().await.is_some() {}
    }

    /// Tells everybody, and returns the closed queues.
    fn end(mut self, cause: Error) -> (mpsc::Receiver<Command>, mpsc::UnboundedReceiver<Control>) {
        tracing::debug!(error = &cause as &dyn std::error::Error, "session ended");
        let cause = self.shared.end.get_or_init(|| cause).clone();
        self.shared.objects.end();
        self.shared.notices.end();
        for call in self.connection.take_unanswered() {
            let error = if call.transmitted && !crate::resume::only_reads(&call) {
                cause.clone().of_kind(ErrorKind::OutcomeUnknown)
            } else {
                cause.clone()
            };
            // The caller may be gone.
            let _ = call.data.reply.send(Err(error));
        }
        // Those who wait for the queue to close look at the state next.
        self.shared.state.send_replace(State::Closed(cause));
        self.commands.close();
        self.controls.close();
        (self.commands, self.controls)
    }

    fn poll(&mut self, socket: &mut C::Socket, cx: &mut Context<'_>) -> Poll<Loss> {
        if let Some((code, loss)) = &mut self.closing {
            return socket.poll_close(cx, *code, "").map(|_| mem::replace(loss, Loss::Unconnected));
        }
        match self.poll_open(socket, cx) {
            // The goodbye itself has to be polled at least once.
            Ok(()) if self.closing.is_some() => self.poll(socket, cx),
            Ok(()) => Poll::Pending,
            Err(closed) => Poll::Ready(self.lost(closed)),
        }
    }

    fn poll_open(&mut self, socket: &mut C::Socket, cx: &mut Context<'_>) -> Result<(), Closed> {
        self.receive(socket, cx)?;
        self.take_commands(cx);
        let was_full = self.is_full();
        if self.keeper.is_some() {
            self.keep_selections(cx);
        }
        self.check_deadlines(cx);
        self.send(socket, cx)?;
        if was_full && !self.is_full() {
            // Nobody has looked at the queue since there is room again.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Whether calls are to wait in the queue.
    fn is_full(&self) -> bool {
        self.connection.in_flight() >= self.max_pending
            || self.connection.untransmitted() >= MOST_UNTRANSMITTED
    }

    /// Judges the end of the socket.
    pub(crate) fn lost(&mut self, closed: Closed) -> Loss {
        let notice = self.doom.take().map(|notice| FatalNotice::new(&notice, closed.clone()));
        Loss::of(&self.policy, closed, notice)
    }

    pub(crate) fn receive(&mut self, socket: &mut C::Socket, cx: &mut Context<'_>) -> Result<(), Closed> {
        for _ in 0..RECEIVE_BUDGET {
            let message = match socket.poll_receive(cx) {
                Poll::Ready(message) => message?,
                Poll::Pending => return Ok(()),
            };
            let handled = match message {
                Message::Text(text) => {
                    self.taps.show(Direction::Received, &text);
                    self.connection.handle_text(text).map_err(|error| {
                        let cause = Error::because(ErrorKind::Protocol, error);
                        self.closing = Some((CloseCode::PROTOCOL_ERROR, Loss::Ended(cause)));
                    })
                }
                _ => {
                    let cause = Closed::new(CloseCode::new(1003), "binary message", ClosedBy::Us);
                    let cause = Error::because(ErrorKind::Protocol, cause);
                    self.closing = Some((CloseCode::new(1003), Loss::Ended(cause)));
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
                Control::Suspend(done) => {
                    self.suspending.push(done);
                    self.closing.get_or_insert((CloseCode::SUSPENDED, Loss::Suspended));
                }
                Control::Resume { asked, .. } => {
                    // There is nothing to resume. Whoever asked may be gone.
                    let _ = asked.send(Ok(self.shared.report()));
                }
                Control::Close => self.say_goodbye(),
            }
        }
        // At a limit, calls wait in the queue; an answer, a deadline, or a socket that takes texts again, wakes this task.
        while self.closing.is_none() && !self.is_full() {
            match self.commands.poll_recv(cx) {
                // Its caller gave it up while it was waiting.
                Poll::Ready(Some(command)) if command.reply.is_closed() && !command.request.detached => {}
                Poll::Ready(Some(command)) => self.take_call(command),
                Poll::Ready(None) => self.say_goodbye(),
                Poll::Pending => return,
            }
        }
    }

    pub(crate) fn take_call(&mut self, command: Command) {
        let Command { request, reply } = command;
        // Once there was another socket, the handle of what was not made again may be that of something else.
        if self.connection.socket() > 0
            && let Some(error) = request.to.closed()
        {
            let _ = reply.send(Err(error));
            return;
        }
        let change = Change::of(&request);
        let Request { id, to, method, params, timeout, delta, detached, times } = request;
        let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
        let call = InFlight { reply, detached, change };
        // `serde_json` has just written these parameters; only a user's raw value could make them invalid.
        let Ok(params) = Raw::new(&params) else {
            let _ = call.reply.send(Err(Error::new(ErrorKind::Params)));
            return;
        };
        let request = NewRequest { id, to: to.handle(), method: &method, params, delta, deadline };
        self.make_call(request, call, times);
    }

    pub(crate) fn make_call(&mut self, request: NewRequest<'_>, call: InFlight, times: Option<Arc<Times>>) {
        let id = request.id;
        if let Err((error, call)) = self.connection.request(request, call) {
            let kind = match error {
                RequestError::Params(_) => ErrorKind::Params,
                _ => ErrorKind::Closed,
            };
            let _ = call.reply.send(Err(Error::because(kind, error)));
        } else {
            self.stopwatch.taken_up(id, times, self.connection.untransmitted());
        }
    }

    fn say_goodbye(&mut self) {
        let cause = Closed::new(CloseCode::NORMAL, "", ClosedBy::Us);
        self.closing.get_or_insert((CloseCode::NORMAL, Loss::Ended(Error::closed(cause))));
    }

    /// Hands over what the socket takes, and flushes.
    pub(crate) fn send(&mut self, socket: &mut C::Socket, cx: &mut Context<'_>) -> Result<(), Closed> {
        while socket.poll_ready(cx)?.is_ready() {
            let Some(text) = self.connection.poll_transmit() else { break };
            self.stopwatch.handed_over(text.len(), now);
            self.taps.show(Direction::Sent, &text);
            match socket.send(text.clone()) {
                Ok(()) => self.unflushed = true,
                // Too large for the socket, which is as good as before; only this call has failed.
                Err(refused) if refused.by == ClosedBy::Us && refused.code == CloseCode::TOO_BIG => {
                    let id = client::Request::parse(&text).ok().and_then(|request| request.id?.as_integer());
                    let id = id.map(RequestId::new);
                    if let Some((id, call)) = id.and_then(|id| Some((id, self.connection.abandon(id)?))) {
                        self.stopwatch.answered(id, now);
                        let _ = call.reply.send(Err(Error::because(ErrorKind::Params, refused)));
                    }
                }
                Err(closed) => return Err(closed),
            }
        }
        if self.unflushed && socket.poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }

    pub(crate) fn check_deadlines(&mut self, cx: &mut Context<'_>) {
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
    pub(crate) fn dispatch(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Completed { id, data, outcome, .. } => {
                    self.stopwatch.answered(id, now);
                    let InFlight { reply, detached, change } = data;
                    if let (Some(change), Ok(_)) = (change, &outcome) {
                        change.happened();
                    }
                    // A caller that has just gone away has no use for its answer.
                    if let (Err(Ok(answer)), false) = (reply.send(outcome.map_err(Error::from)), detached)
                        && let Some(app) = self.shared.objects.find(|object| object.kind() == "Doc")
                    {
                        self.give_back(app.handle(), &answer);
                    }
                }
                Event::Changes(changes) => match &mut self.restoring {
                    None => {
                        self.shared.objects.apply(&changes);
                        if let Some(keeper) = &mut self.keeper {
                            keeper.touch();
                        }
                    }
                    // Nobody knows the new handles yet, and everybody will be told of a change.
                    Some(restoring) => restoring.closed.extend(changes.closed),
                },
                Event::Notification(notification) => self.hear(notification),
                Event::OpenedForNobody { on, answer } => self.give_back(on, &answer),
                Event::Orphan(text) => tracing::warn!(bytes = text.len(), "answer to no request"),
                _ => {}
            }
        }
    }

    fn hear(&mut self, notification: Notification) {
        tracing::debug!(method = notification.method, "notification");
        if notification.is_fatal() {
            self.doom = Some(Box::new(notification.clone()));
        }
        if let ("OnConnected", Some(state)) = (&*notification.method, self.connection.session_state()) {
            let state = state.clone();
            if let Some(restoring) = &mut self.restoring {
                restoring.created |= state != SessionState::Attached;
                if let Some(greeted) = restoring.greeted.take() {
                    // An attempt that was given up does not listen.
                    let _ = greeted.send(state.clone());
                }
            }
            self.shared.state.send_if_modified(|now| match now {
                State::Open { greeting, .. } => {
                    *greeting = Some(state);
                    true
                }
                _ => false,
            });
        }
        self.shared.notices.push(notification);
    }

    /// Destroys the session object that an answer brings which nobody waits for: it would be calculated as long as the session lives.
    fn give_back(&mut self, on: Handle, answer: &qix_protocol::Answer) {
        let Some((method, params)) = crate::object::farewell_to(answer) else { return };
        let Ok(params) = Raw::new(&params) else { return };
        let (reply, _) = oneshot::channel();
        let id = self.shared.ids.reserve();
        let request = NewRequest { id, to: on, method, params, delta: false, deadline: None };
        self.make_call(request, InFlight { reply, detached: true, change: None }, None);
    }
}

/// Tokio's clock, which tests can own.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
