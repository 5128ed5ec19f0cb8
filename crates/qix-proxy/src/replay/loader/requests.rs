//! What a recorded client has said.

use std::rc::Rc;

use qix_protocol::{Lineage, frame::client::Request};

use super::Loader;
use crate::replay::{
    LoadError,
    index::CallId,
    key::{ParamsHash, hash_of, hash_text, names_a_request},
    lines::Taken,
    listener::{AskedBefore, Cause, Listener, Outstanding},
    state,
    tape::Moment,
    texts::Place,
    volatile,
};

/// How many objects' methods a connection keeps for the next call of them.
const MOST_ASKED: usize = 1 << 16;

impl Loader {
    /// Takes in a request; returns whether it is one.
    pub(super) fn client(
        &mut self,
        listener: &mut Listener,
        taken: &Taken,
        text: &[u8],
    ) -> Result<bool, LoadError> {
        let Ok(request) = Request::parse(text) else { return Ok(false) };
        let asked = self.asked_before(listener, &request);
        let lineage = &asked.lineage;
        // A recording that was made without redaction is compared as if it had been made with it.
        let (redaction, masks) = (&self.tapes.redaction, &mut self.tapes.masks);
        let mut canonical = || {
            let clean = redaction.frame(text).map(|clean| clean.text);
            let reread = clean.as_deref().and_then(|clean| Request::parse(clean).ok());
            let canonical = listener.requests.canonical(lineage.class(), reread.as_ref().unwrap_or(&request));
            masks.learn(&request.method, &canonical);
            canonical
        };
        let rules = &self.tapes.ignored;
        let class = lineage.class();
        let mut written = None;
        let params = if asked.writes || asked.names_a_request {
            let canonical = canonical();
            let hash = ParamsHash::new(rules, class, &request.method, &canonical);
            written = asked
                .writes
                .then(|| volatile::ignoring(rules, class, &request.method, &canonical).into_owned());
            hash
        } else {
            self.known.get(rules, class, &request, canonical)
        };
        let session = self.tapes.tapes[listener.tape].session;
        let state = self.sessions.state(session);
        let before = state.of(lineage);
        let undo = written.map(|params| Box::new(state.write(lineage, &request.method, &params)));
        let hash = hash_of(lineage, &request.method, params.exact);
        let call =
            self.tapes.index.push(hash, taken.place, asked.subject, before).ok_or(LoadError::TooMany)?;
        if let Some(general) = params.general {
            self.tapes.index.push_general(hash_of(lineage, &request.method, general), call);
        }
        if request.id.is_none() {
            self.tapes.without_id.push(call.0);
        }
        listener.requests.remember(&request);
        let occurrence = listener.lineages.requested(request.handle, &request.method, request.params);
        let params = request.params.map(|params| params.as_bytes()).filter(|params| *params != b"[]");
        listener.asks(Outstanding {
            id: request.id.map(|id| hash_text(id.as_bytes())),
            call,
            to: request.handle,
            method: asked.method,
            params: params.map(Into::into),
            occurrence,
            undo,
        });
        self.note_asked(listener, call);
        Ok(true)
    }

    fn asked_before(&mut self, listener: &mut Listener, request: &Request<'_>) -> Rc<AskedBefore> {
        let called = (request.handle, hash_text(request.method.as_bytes()));
        let object = listener.lineages.get(request.handle);
        if let Some(asked) = listener.asked.get(&called)
            // The handle may have been closed, or opened, since.
            && object.map_or(asked.guessed, |object| *object == asked.lineage)
        {
            return asked.clone();
        }
        let guessed = object.is_none();
        self.tapes.tapes[listener.tape].opens_app |= opens_app(&request.method);
        let lineage = listener.lineage_of(request.handle);
        let method = self.method(&request.method);
        let asked = Rc::new(AskedBefore {
            subject: self.subject(listener.tape, &lineage, method),
            method,
            lineage,
            guessed,
            writes: state::writes(&request.method),
            names_a_request: names_a_request(&request.method),
        });
        if listener.asked.len() == MOST_ASKED {
            listener.asked.clear();
        }
        listener.asked.insert(called, asked.clone());
        asked
    }

    /// Takes in what a client said that is no request.
    pub(super) fn odd_request(
        &mut self,
        listener: &mut Listener,
        place: Place,
        text: &[u8],
    ) -> Result<(), LoadError> {
        let clean = self.tapes.redaction.frame(text).map(|clean| clean.text);
        let text = String::from_utf8_lossy(clean.as_deref().unwrap_or(text));
        let hash = hash_of(&Lineage::GLOBAL, "", hash_text(text.as_bytes()));
        let method = self.method("");
        let subject = self.subject(listener.tape, &Lineage::GLOBAL, method);
        let session = self.tapes.tapes[listener.tape].session;
        let state = self.sessions.state(session).of(&Lineage::GLOBAL);
        let call = self.tapes.index.push(hash, place, subject, state).ok_or(LoadError::TooMany)?;
        self.note_asked(listener, call);
        Ok(())
    }

    fn note_asked(&mut self, listener: &mut Listener, call: CallId) {
        let cause = Cause(call, Moment::Before);
        listener.latest = Some(cause);
        let tape = &mut self.tapes.tapes[listener.tape];
        tape.first_call.get_or_insert(call);
        self.sessions.note(tape.session, cause);
    }
}

/// Whether a method makes an app the open one of its session.
fn opens_app(method: &str) -> bool {
    matches!(method, "OpenDoc" | "CreateDocEx" | "CreateSessionApp" | "CreateSessionAppFromApp")
}
