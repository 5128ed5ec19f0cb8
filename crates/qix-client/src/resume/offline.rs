//! A session between two sockets.

use std::{
    borrow::Cow,
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{CloseCode, Handle, NewRequest, frame::Raw};
use qix_transport::{Closed, ClosedBy, Connect, Socket};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

use super::{
    loss::Loss,
    restore::{Restored, Restoring, Task},
    waiting::{Waiting, only_reads},
};
use crate::{
    Error, ErrorKind, State, SuspendedBy,
    command::{Asked, Control, InFlight},
    driver::Driver,
    request::Request,
};

/// What a session keeps between two sockets.
#[derive(Default)]
struct Offline {
    waiting: Waiting,
    timer: Option<Pin<Box<Sleep>>>,
    /// Calls for session objects that were dropped meanwhile. They are kept without their session, which would never end.
    farewells: Vec<Farewell>,
    asked: Vec<Asked>,
    only_if_attached: bool,
    /// Whether calls fail rather than wait.
    refuses: bool,
    attempts: u32,
    /// Whether the engine has said that the session is gone.
    was_lost: bool,
    unknown: Vec<qix_protocol::RequestId>,
    cause: Option<Error>,
}

/// A call that destroys a session object.
struct Farewell {
    /// The object to call, by its handle on the socket that is gone.
    to: Handle,
    method: Cow<'static, str>,
    params: Bytes,
}

impl From<Request> for Farewell {
    fn from(request: Request) -> Self {
        Self { to: request.handle(), method: request.method, params: request.params }
    }
}

/// What interrupts whatever a session does between two sockets.
enum Interrupt {
    Resume,
    Suspend,
    End(Error),
}

/// Why there is still no socket.
enum Stop {
    Interrupted(Interrupt),
    /// The attempt failed; `for_good` if the next would fail as well.
    Failed {
        error: Error,
        for_good: bool,
    },
}

impl From<Interrupt> for Stop {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupted(interrupt)
    }
}

impl<C: Connect + 'static> Driver<C> {
    /// Lives without a socket until there is another on which everything is as it was, or the session ends.
    pub(crate) async fn offline(&mut self, loss: Loss) -> Result<C::Socket, Error> {
        let mut off = Offline::default();
        let (mut by, mut schedule) = match loss {
            Loss::Ended(cause) => return Err(cause),
            Loss::Unconnected => match self.first(&mut off).await? {
                Some(socket) => return Ok(socket),
                None => (Some(SuspendedBy::Hand), None),
            },
            Loss::Suspended => (Some(SuspendedBy::Hand), None),
            Loss::Waits(cause) => {
                off.cause = Some(cause);
                (Some(SuspendedBy::Peer), None)
            }
            Loss::Resumes { cause, at_once } => {
                off.cause = Some(cause);
                (None, Some(at_once))
            }
        };
        self.timer = None;
        self.sort_out_calls(&mut off, by);
        loop {
            if let Some(by) = by {
                off.refuse(by);
                self.shared.state.send_replace(State::Suspended { by, cause: off.cause.clone() });
                for done in self.suspending.drain(..) {
                    // Whoever waited may be gone.
                    let _ = done.send(());
                }
                match self.interruption(&mut off).await {
                    Interrupt::Resume => off.refuses = false,
                    Interrupt::Suspend => continue,
                    Interrupt::End(cause) => return Err(off.end(cause)),
                }
            }
            let outcome = match schedule {
                Some(at_once) => self.attempts(&mut off, at_once).await,
                None => self.attempt(&mut off, Duration::ZERO).await,
            };
            match outcome {
                Ok(socket) => return Ok(socket),
                Err(Stop::Interrupted(Interrupt::End(cause))) => return Err(off.end(cause)),
                Err(Stop::Interrupted(_)) => {
                    (by, schedule) = (Some(SuspendedBy::Hand), None);
                    off.answer(&Err(Error::new(ErrorKind::Suspended)));
                }
                Err(Stop::Failed { error, .. }) => {
                    off.cause = Some(error.clone());
                    off.answer(&Err(error.clone()));
                    let only_asked = error.kind() == ErrorKind::NotAttached && !self.policy.only_if_attached;
                    if schedule.is_some() && !only_asked {
                        return Err(off.end(error.of_kind(ErrorKind::Closed)));
                    }
                    // It was asked for by hand, and is no reason to end a session that goes on by itself.
                    (by, schedule) = (by.or(Some(SuspendedBy::Peer)), None);
                }
            }
        }
    }

    /// Makes the first connection; returns none if the session is to be suspended instead.
    async fn first(&mut self, off: &mut Offline) -> Result<Option<C::Socket>, Error> {
        match self.connect(off).await {
            Ok(socket) => {
                self.shared.state.send_replace(State::Open { greeting: None, report: None });
                off.waiting.send(Some, |request, call, times| self.make_call(request, call, times));
                off.answer(&Ok(self.shared.report()));
                Ok(Some(socket))
            }
            Err(Stop::Failed { error, .. }) => Err(off.end(error)),
            Err(Stop::Interrupted(Interrupt::End(cause))) => Err(off.end(cause)),
            Err(Stop::Interrupted(_)) => {
                off.answer(&Err(Error::new(ErrorKind::Suspended)));
                Ok(None)
            }
        }
    }

    /// Decides what becomes of the calls that the socket took with it.
    fn sort_out_calls(&mut self, off: &mut Offline, by: Option<SuspendedBy>) {
        let cause = off.cause.clone().unwrap_or_else(|| Error::new(ErrorKind::Suspended));
        for call in self.connection.take_unanswered() {
            let harmless = !call.transmitted || only_reads(&call);
            if harmless && by.is_none() {
                off.waiting.again(call);
                continue;
            }
            if !harmless {
                off.unknown.push(call.id);
            }
            let kind = if harmless { ErrorKind::Suspended } else { ErrorKind::OutcomeUnknown };
            // The caller may be gone.
            let _ = call.data.reply.send(Err(cause.clone().of_kind(kind)));
        }
    }

    /// Tries until it works, or the policy gives up.
    async fn attempts(&mut self, off: &mut Offline, at_once: bool) -> Result<C::Socket, Stop> {
        let policy = self.policy.clone();
        let start = Instant::now();
        loop {
            let pause = policy.pause_before(off.attempts + 1, at_once);
            match self.attempt(off, pause).await {
                Err(Stop::Failed { error, for_good }) => {
                    let given_up = off.attempts >= policy.max_attempts || start.elapsed() >= policy.max_time;
                    if for_good || given_up {
                        return Err(Stop::Failed { error, for_good });
                    }
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        attempt = off.attempts,
                        "not resumed"
                    );
                    off.cause = Some(error);
                }
                outcome => return outcome,
            }
        }
    }

    /// Makes one attempt, after a pause.
    async fn attempt(&mut self, off: &mut Offline, pause: Duration) -> Result<C::Socket, Stop> {
        off.attempts += 1;
        let state = State::Resuming { attempt: off.attempts, cause: off.cause.clone() };
        self.shared.state.send_replace(state);
        if !pause.is_zero() {
            match self.meanwhile(off, sleep(pause)).await {
                Ok(()) | Err(Interrupt::Resume) => {}
                Err(interrupt) => return Err(interrupt.into()),
            }
        }
        let mut socket = self.connect(off).await?;
        match self.restore(off, &mut socket).await {
            Ok(restored) => {
                self.take_over(off, restored);
                Ok(socket)
            }
            Err(stop) => {
                // The next attempt may attach to what this one has created.
                off.was_lost |= self.restoring.take().is_some_and(|restoring| restoring.created);
                self.connection.take_unanswered();
                poll_fn(|cx| socket.poll_close(cx, CloseCode::NORMAL, "")).await;
                Err(stop)
            }
        }
    }

    async fn connect(&mut self, off: &mut Offline) -> Result<C::Socket, Stop> {
        let connector = self.connector.clone();
        let mut connecting = Box::pin(async move { connector.connect().await });
        loop {
            match self.meanwhile(off, connecting.as_mut()).await {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(error)) => {
                    let refused =
                        error.refusal().is_some_and(|refusal| [401, 403].contains(&refusal.status.as_u16()));
                    return Err(Stop::Failed { error: error.into(), for_good: refused });
                }
                Err(Interrupt::Resume) => {}
                Err(interrupt) => return Err(interrupt.into()),
            }
        }
    }

    /// Makes the objects of the session again.
    async fn restore(&mut self, off: &mut Offline, socket: &mut C::Socket) -> Result<Restored, Stop> {
        self.connection = self.connection.successor();
        (self.unflushed, self.closing, self.doom) = (false, None, None);
        self.stopwatch.forget_queued();
        let (steps, queue) = mpsc::unbounded_channel();
        let (greeted, greeting) = oneshot::channel();
        self.restoring = Some(Box::new(Restoring {
            steps: queue,
            greeted: Some(greeted),
            created: false,
            closed: Vec::new(),
        }));
        let task = Task {
            steps,
            greeting,
            greeting_timeout: self.policy.greeting_timeout,
            only_if_attached: off.only_if_attached || (self.policy.only_if_attached && self.policy.automatic),
            was_lost: off.was_lost,
            objects: self.shared.objects.held(),
            selections: self.keeper.as_ref().and_then(|keeper| keeper.stored()),
        };
        let mut task = pin!(timeout(self.policy.restore_timeout, task.run()));
        let outcome = poll_fn(|cx| {
            // Until nothing more is asked for, or this task would not be woken by it.
            while let Poll::Ready(interrupt) = self.attend(off, cx) {
                if !matches!(interrupt, Interrupt::Resume) {
                    return Poll::Ready(Err(interrupt.into()));
                }
            }
            if let Err(closed) = self.poll_restoring(socket, cx) {
                return Poll::Ready(Err(self.failed(closed)));
            }
            if let Some((_, Loss::Ended(error))) = &self.closing {
                return Poll::Ready(Err(Stop::Failed { error: error.clone(), for_good: false }));
            }
            match task.as_mut().poll(cx) {
                Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
                Poll::Pending => {
                    // It may have made calls.
                    if let Err(closed) = self.poll_restoring(socket, cx) {
                        return Poll::Ready(Err(self.failed(closed)));
                    }
                    if self.closing.is_some() {
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            }
        });
        match outcome.await? {
            Ok(Ok(restored)) => Ok(restored),
            Ok(Err(error)) if error.kind() == ErrorKind::NotAttached => {
                Err(Stop::Failed { error, for_good: true })
            }
            // The socket is about to say why.
            Ok(Err(error)) => match timeout(self.policy.greeting_timeout, self.last_words(socket)).await {
                Ok(stop) => Err(stop),
                Err(_) => Err(Stop::Failed { error, for_good: false }),
            },
            Err(_) => Err(Stop::Failed { error: Error::new(ErrorKind::TimedOut), for_good: false }),
        }
    }

    async fn last_words(&mut self, socket: &mut C::Socket) -> Stop {
        poll_fn(|cx| match self.receive(socket, cx) {
            Ok(()) => Poll::Pending,
            Err(closed) => Poll::Ready(self.failed(closed)),
        })
        .await
    }

    fn failed(&mut self, closed: Closed) -> Stop {
        match self.lost(closed) {
            Loss::Ended(error) => Stop::Failed { error, for_good: true },
            Loss::Waits(error) | Loss::Resumes { cause: error, .. } => {
                Stop::Failed { error, for_good: false }
            }
            Loss::Unconnected | Loss::Suspended => {
                Stop::Failed { error: Error::new(ErrorKind::Closed), for_good: false }
            }
        }
    }

    fn poll_restoring(&mut self, socket: &mut C::Socket, cx: &mut Context<'_>) -> Result<(), Closed> {
        self.receive(socket, cx)?;
        while let Some(restoring) = &mut self.restoring
            && let Poll::Ready(Some(step)) = restoring.steps.poll_recv(cx)
        {
            let call = InFlight { reply: step.reply, detached: false, change: None };
            let Ok(params) = Raw::new(&step.params) else { continue };
            let id = self.shared.ids.reserve();
            let request =
                NewRequest { id, to: step.to, method: &step.method, params, delta: false, deadline: None };
            self.make_call(request, call, None);
        }
        self.send(socket, cx)
    }

    /// Lets the session go on over the new socket.
    fn take_over(&mut self, off: &mut Offline, restored: Restored) {
        let Restored { greeting, mut report, objects } = restored;
        let closed = self.restoring.take().map(|restoring| restoring.closed).unwrap_or_default();
        let handles: std::collections::HashMap<Handle, Handle> =
            objects.iter().filter_map(|(state, handle)| Some((state.handle(), (*handle)?))).collect();
        self.shared.objects.take_over(self.connection.socket(), &objects, closed);
        drop(objects);
        // It may have come after nobody waited for it any more.
        let greeting = greeting.or_else(|| self.connection.session_state().cloned());
        report.attempts = off.attempts;
        report.repeated = mem::take(&mut off.waiting.repeated);
        report.unknown = mem::take(&mut off.unknown);
        let attached = report.attached;
        let report = Arc::new(report);
        self.shared.state.send_replace(State::Open { greeting, report: Some(report.clone()) });
        off.answer(&Ok(report));
        // What has queued up was made before there was this socket.
        while off.waiting.len() < self.max_pending
            && let Ok(command) = self.commands.try_recv()
        {
            off.waiting.take(command);
        }
        let find = |handle: Handle| match handle {
            Handle::GLOBAL => Some(handle),
            handle => handles.get(&handle).copied(),
        };
        off.waiting.send(find, |request, call, times| self.make_call(request, call, times));
        for Farewell { to, method, params } in mem::take(&mut off.farewells) {
            if let (true, Some(to), Ok(params)) = (attached, find(to), Raw::new(&params)) {
                let (reply, _) = oneshot::channel();
                let id = self.shared.ids.reserve();
                let request = NewRequest { id, to, method: &method, params, delta: false, deadline: None };
                self.make_call(request, InFlight { reply, detached: true, change: None }, None);
            }
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.start_anew();
        }
    }

    /// Waits for `work` and attends to the session meanwhile.
    async fn meanwhile<F: Future>(&mut self, off: &mut Offline, work: F) -> Result<F::Output, Interrupt> {
        let mut work = pin!(work);
        poll_fn(|cx| match self.attend(off, cx) {
            Poll::Ready(interrupt) => Poll::Ready(Err(interrupt)),
            Poll::Pending => work.as_mut().poll(cx).map(Ok),
        })
        .await
    }

    async fn interruption(&mut self, off: &mut Offline) -> Interrupt {
        poll_fn(|cx| self.attend(off, cx)).await
    }

    /// Takes in what the session asks for, and lets calls wait or fail.
    fn attend(&mut self, off: &mut Offline, cx: &mut Context<'_>) -> Poll<Interrupt> {
        let mut must_purge = false;
        let mut interrupt = Poll::Pending;
        while interrupt.is_pending()
            && let Poll::Ready(control) = self.controls.poll_recv(cx)
        {
            match control {
                Some(Control::Cancel(_)) => must_purge = true,
                Some(Control::Tell(request)) => off.farewells.push((*request).into()),
                Some(Control::Suspend(done)) => {
                    self.suspending.push(done);
                    interrupt = Poll::Ready(Interrupt::Suspend);
                }
                Some(Control::Resume { only_if_attached, asked }) => {
                    off.only_if_attached = only_if_attached;
                    off.asked.push(asked);
                    interrupt = Poll::Ready(Interrupt::Resume);
                }
                Some(Control::Close) | None => interrupt = Poll::Ready(Interrupt::End(goodbye())),
            }
        }
        if must_purge {
            off.waiting.purge();
        }
        loop {
            while off.refuses || off.waiting.len() < self.max_pending {
                match self.commands.poll_recv(cx) {
                    Poll::Ready(Some(command)) if off.refuses => {
                        let error = off.cause.clone().unwrap_or_else(|| Error::new(ErrorKind::Suspended));
                        let _ = command.reply.send(Err(error.of_kind(ErrorKind::Suspended)));
                    }
                    Poll::Ready(Some(command)) => off.waiting.take(command),
                    Poll::Ready(None) => return Poll::Ready(Interrupt::End(goodbye())),
                    Poll::Pending => break,
                }
            }
            let was_full = off.waiting.len() >= self.max_pending;
            off.check_deadlines(cx);
            // Those that have given up make room for others.
            if !was_full || off.waiting.len() >= self.max_pending {
                return interrupt;
            }
        }
    }
}

impl Offline {
    /// Fails what waits, and what will be called.
    fn refuse(&mut self, by: SuspendedBy) {
        self.refuses = true;
        self.only_if_attached = false;
        let cause = match by {
            SuspendedBy::Hand => None,
            SuspendedBy::Peer => self.cause.clone(),
        };
        let cause = cause.unwrap_or_else(|| Error::new(ErrorKind::Suspended));
        self.waiting.fail(&cause.of_kind(ErrorKind::Suspended));
    }

    fn answer(&mut self, outcome: &Result<Arc<super::ResumeReport>, Error>) {
        for asked in self.asked.drain(..) {
            // Whoever asked may be gone.
            let _ = asked.send(outcome.clone());
        }
    }

    fn end(&mut self, cause: Error) -> Error {
        self.waiting.fail(&cause);
        self.answer(&Err(cause.clone()));
        cause
    }

    fn check_deadlines(&mut self, cx: &mut Context<'_>) {
        while let Some(deadline) = self.waiting.deadline {
            let deadline = Instant::from_std(deadline);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            self.waiting.time_out();
        }
    }
}

fn goodbye() -> Error {
    Error::closed(Closed::new(CloseCode::NORMAL, "", ClosedBy::Us))
}
