//! Calls that wait for a socket.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use qix_protocol::{Effect, Handle, NewRequest, RequestId, Unanswered, effect_of_call, frame::Raw};

use crate::{
    Error, ErrorKind,
    command::{Command, InFlight},
    driver::now,
    object::Change,
    request::Target,
    stopwatch::Times,
};

/// Calls that wait for a socket.
#[derive(Default)]
pub(crate) struct Waiting {
    calls: Vec<Call>,
    /// No call gives up before this.
    pub(crate) deadline: Option<Instant>,
    /// Those that may have been read by the engine before.
    pub(crate) repeated: Vec<RequestId>,
}

struct Call {
    id: RequestId,
    to: To,
    method: String,
    params: Bytes,
    delta: bool,
    deadline: Option<Instant>,
    call: InFlight,
    times: Option<Arc<Times>>,
}

enum To {
    /// By its handle on the socket that is gone.
    Before(Handle),
    Target(Target),
}

/// Returns whether a call changes nothing, so that it can be sent once more. Progress is asked by the id of a request, which no other
/// socket knows.
pub(crate) fn only_reads(call: &Unanswered<InFlight>) -> bool {
    let params = Raw::new(&call.params).ok();
    !matches!(&*call.method, "GetProgress" | "GetInteract")
        && effect_of_call(&call.class, &call.method, params) == Effect::Reads
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Takes a call whose socket is gone.
    pub(crate) fn again(&mut self, call: Unanswered<InFlight>) {
        // Its caller has given it up, and only what was never written must still be done.
        if call.data.reply.is_closed() && (call.transmitted || !call.data.detached) {
            return;
        }
        if call.transmitted {
            self.repeated.push(call.id);
        }
        let Unanswered { id, data, to, method, params, delta, deadline, .. } = call;
        self.push(Call { id, to: To::Before(to), method, params, delta, deadline, call: data, times: None });
    }

    /// Takes a call that was just made.
    pub(crate) fn take(&mut self, command: Command) {
        let Command { request, reply } = command;
        if reply.is_closed() && !request.detached {
            return;
        }
        let deadline = request.timeout.and_then(|timeout| now().checked_add(timeout));
        let call = InFlight { reply, detached: request.detached, change: Change::of(&request) };
        let (id, method, delta) = (request.id, request.method.into_owned(), request.delta);
        self.push(Call {
            id,
            to: To::Target(request.to),
            method,
            params: request.params,
            delta,
            deadline,
            call,
            times: request.times,
        });
    }

    fn push(&mut self, call: Call) {
        self.deadline = self.deadline.into_iter().chain(call.deadline).min();
        self.calls.push(call);
    }

    /// Forgets calls that their callers have given up.
    pub(crate) fn purge(&mut self) {
        self.calls.retain(|call| !call.call.reply.is_closed() || call.call.detached);
    }

    /// Fails the calls that have waited for too long.
    pub(crate) fn time_out(&mut self) {
        let now = now();
        let due = |call: &mut Call| call.deadline.is_some_and(|deadline| deadline <= now);
        for call in self.calls.extract_if(.., due) {
            // The caller may be gone.
            let _ = call.call.reply.send(Err(Error::new(ErrorKind::TimedOut)));
        }
        self.deadline = self.calls.iter().filter_map(|call| call.deadline).min();
    }

    /// Fails all.
    pub(crate) fn fail(&mut self, cause: &Error) {
        self.deadline = None;
        self.repeated.clear();
        for call in self.calls.drain(..) {
            let _ = call.call.reply.send(Err(cause.clone()));
        }
    }

    /// Sends all, in order, to the handles that `find` gives for those of before, and fails those whose objects are lost.
    pub(crate) fn send(
        &mut self,
        find: impl Fn(Handle) -> Option<Handle>,
        mut send: impl FnMut(NewRequest<'_>, InFlight, Option<Arc<Times>>),
    ) {
        self.deadline = None;
        for Call { id, to, method, params, delta, deadline, call, times } in self.calls.drain(..) {
            if call.reply.is_closed() && !call.detached {
                continue;
            }
            let to = match to {
                To::Before(handle) | To::Target(Target::Handle(_, handle)) => {
                    find(handle).ok_or_else(|| Error::new(ErrorKind::Closed))
                }
                To::Target(target) => target.closed().map_or_else(|| Ok(target.handle()), Err),
            };
            match (to, Raw::new(&params)) {
                (Ok(to), Ok(params)) => {
                    send(NewRequest { id, to, method: &method, params, delta, deadline }, call, times);
                }
                (Err(error), _) => drop(call.reply.send(Err(error))),
                (_, Err(_)) => drop(call.reply.send(Err(Error::new(ErrorKind::Params)))),
            }
        }
    }
}
