//! The state of one socket.

use std::{
    collections::{HashSet, VecDeque},
    ops::Range,
    sync::Arc,
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use crate::{
    Answer, AuthenticationInformation, CallError, Cause, ConnectionConfig, Event, Handle, Lineage, NotFound,
    Notification, ObjectReference, ProtocolError, RequestError, RequestId, RequestIds, SessionState,
    Unanswered,
    delta::Baselines,
    frame::{
        Raw,
        client::{Head, Written},
        engine::{Frame, Kind, Response},
    },
    greeting::Greetings,
    lineage::Lineages,
    pending::{Entry, Pending},
    reference::{references, references_of},
};

/// The state of one socket, without the socket: requests go in, texts to send and events come out.
///
/// A driver owns it and calls, in any order, the commands ([`request`](Self::request), [`cancel`](Self::cancel)) and the news
/// from outside (`handle_…`), and after each of them empties [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), and looks at [`poll_timeout`](Self::poll_timeout). `T` is whatever the driver wants back
/// with a call's outcome.
#[derive(Debug)]
pub struct Connection<T> {
    config: ConnectionConfig,
    ids: RequestIds,
    pending: Pending<T>,
    lineages: Lineages,
    baselines: Baselines,
    greetings: Greetings,
    /// Where a request is written.
    line: Vec<u8>,
    /// Where it is kept until it was answered.
    scratch: BytesMut,
    /// How many sockets of the same owner came before.
    socket: u32,
    transmits: VecDeque<Bytes>,
    events: VecDeque<Event<T>>,
    ended: bool,
}

/// Requests are kept in pieces of memory of this many bytes, so that small ones cost no allocation each. A piece is freed
/// once all its requests were answered.
const SCRATCH: usize = 4096;

/// A request to be sent.
///
/// Parameters are text, as a [`Raw`], or anything that can be written as an array or object, as [`Typed`].
#[derive(Clone, Copy, Debug)]
pub struct NewRequest<'a, P = Raw<'a>> {
    /// An id from [`Connection::ids`].
    pub id: RequestId,
    /// The object.
    pub to: Handle,
    /// The method, without its class.
    pub method: &'a str,
    /// The parameters: a JSON array or object.
    pub params: P,
    /// Whether to ask for a delta answer: patches to the answer before it to the same method of the same object, which the
    /// connection applies. Worth it for large results that change little.
    pub delta: bool,
    /// When the caller gives up.
    pub deadline: Option<Instant>,
}

/// Parameters as a request carries them: [`Raw`] or [`Typed`].
pub trait Params {
    /// Writes the whole request.
    #[doc(hidden)]
    fn write(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Result<Written, serde_json::Error>;
}

/// Parameters that are written as they are sent, such as those of the [schema](crate::schema).
#[derive(Clone, Copy, Debug)]
pub struct Typed<'a, P>(pub &'a P);

impl Params for Raw<'_> {
    fn write(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Result<Written, serde_json::Error> {
        Ok(head.write_raw(out, *self))
    }
}

impl<P: Serialize> Params for Typed<'_, P> {
    fn write(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Result<Written, serde_json::Error> {
        head.write(out, self.0)
    }
}

impl<T> Connection<T> {
    /// Returns the state of a socket on which nothing was said yet.
    pub fn new(config: ConnectionConfig) -> Self {
        Self {
            pending: Pending::new(config.max_cancelled),
            lineages: Lineages::new(config.max_handles),
            baselines: Baselines::new(config.max_delta_bytes),
            config,
            ids: RequestIds::new(),
            greetings: Greetings::default(),
            line: Vec::new(),
            scratch: BytesMut::new(),
            socket: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            ended: false,
        }
    }

    /// Returns the state of the next socket of the same owner: ids go on, and answers say by
    /// [`Answer::socket`] over which socket they came.
    pub fn successor(&self) -> Self {
        Self { ids: self.ids.clone(), socket: self.socket.wrapping_add(1), ..Self::new(self.config.clone()) }
    }

    /// Returns how many sockets of the same owner came before this one.
    pub fn socket(&self) -> u32 {
        self.socket
    }

    /// Returns where ids for requests come from; a clone can be given away, so that callers know theirs before they send.
    pub fn ids(&self) -> &RequestIds {
        &self.ids
    }

    /// Returns how an open object was opened.
    pub fn lineage(&self, handle: Handle) -> Option<&Lineage> {
        self.lineages.get(handle)
    }

    /// Returns the state that the latest `OnConnected` named; `None` before it came.
    pub fn session_state(&self) -> Option<&SessionState> {
        self.greetings.session_state.as_ref()
    }

    /// Returns what the latest `OnAuthenticationInformation` said; `None` before it came.
    pub fn authentication(&self) -> Option<&AuthenticationInformation> {
        self.greetings.authentication.as_ref()
    }

    /// Returns how many calls wait for their answer, cancelled ones not counted.
    pub fn in_flight(&self) -> usize {
        self.pending.live()
    }

    /// Returns how many texts wait for [`poll_transmit`](Self::poll_transmit).
    pub fn untransmitted(&self) -> usize {
        self.transmits.len()
    }

    /// Queues a request.
    ///
    /// # Errors
    ///
    /// [`RequestError`], with the caller's data handed back.
    pub fn request<P: Params>(
        &mut self,
        request: NewRequest<'_, P>,
        data: T,
    ) -> Result<(), (RequestError, T)> {
        if self.ended {
            return Err((RequestError::Closed, data));
        }
        if self.pending.live() >= self.config.max_pending {
            return Err((RequestError::TooManyPending { limit: self.config.max_pending }, data));
        }
        if self.pending.contains(request.id) {
            return Err((RequestError::IdInUse(request.id), data));
        }
        let mut data = Some(data);
        match (self.transmit(request, &mut data), data) {
            (Err(error), Some(data)) => Err((RequestError::Params(error.to_string().into()), data)),
            _ => Ok(()),
        }
    }

    /// Gives a call up: queues `CancelRequest` and hands the caller's data back. The late answer is still expected.
    ///
    /// Returns `None` and does nothing if the call was answered, cancelled or never made.
    pub fn cancel(&mut self, id: RequestId) -> Option<T> {
        let data = self.pending.cancel(id)?;
        let params = format!("[{id}]");
        let cancel = NewRequest {
            id: self.ids.reserve(),
            to: Handle::GLOBAL,
            method: "CancelRequest",
            params: Raw::scanned(params.as_bytes()),
            delta: false,
            deadline: None,
        };
        // Text can always be written.
        let _ = self.transmit(cancel, &mut None);
        while let Some(forgotten) = self.pending.forget() {
            // Its patches will be missed.
            if forgotten.delta {
                self.baselines.plain_answer(forgotten.to, &forgotten.method());
            }
        }
        Some(data)
    }

    /// Hands the data of a call back that could not be sent. No answer is expected.
    pub fn abandon(&mut self, id: RequestId) -> Option<T> {
        let entry = self.pending.take(id)?;
        self.transmits.retain(|text| text.as_ptr() != entry.text.as_ptr());
        entry.data
    }

    /// Takes in one text message.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the text is no frame of an engine. Nothing has happened then; whether to go on is the driver's
    /// choice, since some intermediaries put a page of HTML into the conversation.
    pub fn handle_text(&mut self, text: Bytes) -> Result<(), ProtocolError> {
        if self.ended {
            return Ok(());
        }
        let Frame { kind, mut changes } = Frame::parse(&text)?;
        changes.let_close_win();
        let mut completed = None;
        match self.answer_if_expected(kind) {
            Kind::Response(response) => {
                let delta = response.delta;
                let entry = response.request_id().and_then(|id| Some((id, self.pending.take(id)?)));
                match entry {
                    Some((id, entry)) => completed = self.answered(id, entry, response, &text),
                    None => {
                        if delta {
                            // Nobody knows to which value the engine's next patches refer.
                            self.baselines.clear();
                        }
                        self.events.push_back(Event::Orphan(text.clone()));
                    }
                }
            }
            Kind::Notification { method, params, .. } => {
                self.greetings.latch(&method, params);
                let params = params.map(|params| range(&text, params));
                let notification = Notification::new(method.into_owned(), text.clone(), params);
                self.events.push_back(Event::Notification(notification));
            }
            Kind::Push => {}
        }
        // References of the answer are registered by now, so that nobody hears of a change of an unknown handle; and the
        // caller resumes after the news, as with enigma.js and enigma-go.
        for handle in &changes.closed {
            self.lineages.closed(*handle);
            self.baselines.closed(*handle);
        }
        if !changes.is_empty() {
            self.events.push_back(Event::Changes(changes));
        }
        self.events.extend(completed);
        Ok(())
    }

    /// Takes a frame with a `method` for the answer that it is if its id is that of a call.
    fn answer_if_expected<'a>(&self, kind: Kind<'a>) -> Kind<'a> {
        let Kind::Notification { id: id @ Some(_), .. } = kind else { return kind };
        let response = Response { id, result: None, error: None, delta: false };
        match response.request_id() {
            Some(id) if self.pending.contains(id) => Kind::Response(response),
            _ => kind,
        }
    }

    /// Takes in that time has passed: calls whose deadline is not after `now` are cancelled and fail.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((deadline, id)) = self.pending.first_deadline()
            && deadline <= now
        {
            if let Some(data) = self.cancel(id) {
                self.events.push_back(Event::Completed { id, data, outcome: Err(CallError::TimedOut) });
            }
        }
    }

    /// Takes in that the socket ended: everything pending fails, once, with this cause, and nothing more is taken.
    pub fn handle_close(&mut self, cause: impl std::error::Error + Send + Sync + 'static) {
        let cause = Cause(Arc::new(cause));
        self.ended = true;
        self.transmits.clear();
        let failed = self.pending.drain().map(|(id, data)| Event::Completed {
            id,
            data,
            outcome: Err(CallError::Closed(cause.clone())),
        });
        self.events.extend(failed);
    }

    /// Takes in that the socket is gone, as [`handle_close`](Self::handle_close) does, but hands the calls back that somebody
    /// waits for, the oldest first, so that they can be made again.
    pub fn take_unanswered(&mut self) -> Vec<Unanswered<T>> {
        self.ended = true;
        let transmits = std::mem::take(&mut self.transmits);
        let unsent: HashSet<*const u8> = transmits.iter().map(|text| text.as_ptr()).collect();
        let entries = self.pending.drain_entries();
        let calls = entries.map(|(id, entry, data)| {
            let class = self.lineages.get(entry.to).map_or("", Lineage::class).to_owned();
            Unanswered {
                id,
                data,
                to: entry.to,
                class,
                method: entry.method(),
                params: entry.text.slice(entry.params.clone()),
                delta: entry.delta,
                deadline: entry.deadline,
                transmitted: !unsent.contains(&entry.text.as_ptr()),
            }
        });
        calls.collect()
    }

    /// Returns the next text to send.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// Returns the next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.first_deadline().map(|(deadline, _)| deadline)
    }

    /// Writes a request and expects its answer; takes the data if it could be written.
    fn transmit<P: Params>(
        &mut self,
        request: NewRequest<'_, P>,
        data: &mut Option<T>,
    ) -> Result<(), serde_json::Error> {
        let NewRequest { id, to, method, params, delta, deadline } = request;
        self.line.clear();
        let head = Head { id, to, method, delta };
        let written = params.write(&head, &mut self.line)?;
        if self.scratch.capacity() < self.line.len() {
            self.scratch.reserve(SCRATCH.max(self.line.len()));
        }
        self.scratch.extend_from_slice(&self.line);
        if self.line.capacity() > SCRATCH {
            self.line = Vec::new();
        }
        let text = self.scratch.split().freeze();
        self.transmits.push_back(text.clone());
        let Written { method, params } = written;
        let occurrence = self.lineages.requested(to, head.method, Some(Raw::scanned(&text[params.clone()])));
        let entry = Entry { data: data.take(), to, text, method, params, occurrence, delta, deadline };
        self.pending.insert(id, entry);
        Ok(())
    }

    fn answered(
        &mut self,
        id: RequestId,
        entry: Entry<T>,
        response: Response<'_>,
        text: &Bytes,
    ) -> Option<Event<T>> {
        let outcome = self.outcome(&entry, response, text);
        match entry.data {
            Some(data) => Some(Event::Completed { id, data, outcome }),
            // A cancelled call has nobody to tell, but what it has opened may have to be given back.
            None => match outcome {
                Ok(answer) if answer.lineage().is_some() => {
                    Some(Event::OpenedForNobody { on: entry.to, answer })
                }
                _ => None,
            },
        }
    }

    /// Takes in what the answer to a request says, whether or not somebody waits for it.
    fn outcome(
        &mut self,
        entry: &Entry<T>,
        response: Response<'_>,
        text: &Bytes,
    ) -> Result<Answer, CallError> {
        if let Some(error) = response.error {
            return Err(CallError::Engine(error));
        }
        match response.result {
            Some(result) if response.delta && !result.is_null() => {
                let outs =
                    self.baselines.apply(entry.to, &entry.method(), result).map_err(CallError::Delta)?;
                let lineage = self.opened(entry, references_of(&outs))?;
                Ok(Answer::patched(text.clone(), outs).opening(lineage).over(self.socket))
            }
            result => {
                if !self.baselines.is_empty() {
                    self.baselines.plain_answer(entry.to, &entry.method());
                }
                let lineage = result.map_or(Ok(None), |result| self.opened(entry, references(result)))?;
                let answer = Answer::plain(text.clone(), result.map(|result| range(text, result)));
                Ok(answer.opening(lineage).over(self.socket))
            }
        }
    }

    /// Registers the objects that a call has opened; returns the lineage of the last.
    fn opened(
        &mut self,
        entry: &Entry<T>,
        references: impl Iterator<Item = ObjectReference>,
    ) -> Result<Option<Lineage>, CallError> {
        let mut found = Ok(None);
        for reference in references {
            if reference.is_null() {
                found = Err(CallError::NotFound(NotFound));
            }
            let params = Some(entry.params());
            self.lineages.opened(&reference, entry.to, &entry.method(), params, entry.occurrence);
            if let (Ok(found), Some(handle)) = (&mut found, reference.handle) {
                *found = self.lineages.get(handle).cloned();
            }
        }
        found
    }
}

fn range(text: &[u8], part: Raw<'_>) -> Range<usize> {
    let start = part.as_bytes().as_ptr().addr() - text.as_ptr().addr();
    start..start + part.as_bytes().len()
}
