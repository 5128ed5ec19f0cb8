//! What a recorded engine has said.

use std::{io, path::Path};

use bytes::Bytes;
use qix_protocol::{
    frame::{
        Envelope, Raw,
        client::Request,
        engine::{Frame, Kind, Response},
    },
    references,
};

use super::Loader;
use crate::{
    record::ReadError,
    replay::{
        LoadError, Tapes,
        index::AnswerPlace,
        line::{self, Line},
        lines::Taken,
        listener::{Cause, Listener, Outstanding},
        patches,
        tape::Moment,
        texts::Place,
    },
};

impl Loader {
    /// Takes in what the engine said; returns whether it is a frame.
    pub(super) fn engine(
        &mut self,
        listener: &mut Listener,
        taken: &Taken,
        text: &[u8],
    ) -> Result<bool, LoadError> {
        let Ok(Frame { kind, changes }) = Frame::parse(text) else { return Ok(false) };
        let place = taken.place;
        match kind {
            Kind::Response(response) => match listener.answered(&response) {
                Some(request) => self.answer(listener, request, &response, taken)?,
                None if self.is_repeated(listener, &response) => self.push(listener, place, false),
                // Its id would be taken for that of some live request.
                None if response.id.is_some() => {
                    let seq = line::seq(&taken.line).unwrap_or_default();
                    self.report.left_out.push(format!("entry {seq}: an answer to no request"));
                }
                None => self.push(listener, place, false),
            },
            Kind::Push => self.push(listener, place, true),
            Kind::Notification { method, params, .. } => {
                if method == "OnConnected"
                    && let Some(state) = params.and_then(|params| params.member("qSessionState"))
                {
                    let tape = &mut self.tapes.tapes[listener.tape];
                    tape.session = self.sessions.greeted(listener.tape, &tape.path, state.as_bytes());
                }
                self.push(listener, place, false);
            }
            _ => self.push(listener, place, false),
        }
        for handle in changes.closed {
            listener.lineages.closed(handle);
            listener.patches.closed(handle);
            self.tapes.tapes[listener.tape].history.closed(handle, place);
        }
        Ok(true)
    }

    fn answer(
        &mut self,
        listener: &mut Listener,
        mut request: Outstanding,
        response: &Response<'_>,
        taken: &Taken,
    ) -> Result<(), LoadError> {
        let failed = response.error.is_some();
        if failed && let Some(undo) = request.undo.take() {
            let session = self.tapes.tapes[listener.tape].session;
            self.sessions.state(session).undo(*undo);
        }
        if let Some(result) = response.result.filter(|_| !failed) {
            let method = &self.tapes.methods[request.method as usize];
            let materialised;
            let mut plain = result;
            if response.delta {
                match listener.patches.apply(request.to, method, result, taken.place, &self.tapes.texts) {
                    Ok(None) => {}
                    Ok(Some(text)) => {
                        materialised = text;
                        let spilled = self.spill(materialised.as_bytes(), taken.place);
                        let place = spilled.map_err(|source| ReadError::Io {
                            path: self.tapes.texts.path(taken.place).to_owned(),
                            source,
                        })?;
                        self.tapes.spilled.insert(request.call.0, place);
                        plain = Raw::new(materialised.as_bytes()).unwrap_or(result);
                    }
                    Err(fault) => {
                        self.tapes.index.lost(request.call);
                        let seq = line::seq(&taken.line).unwrap_or_default();
                        self.report.left_out.push(format!("entry {seq}: {fault}"));
                        return Ok(());
                    }
                }
            } else {
                listener.patches.plain_answer(request.to, method);
            }
            self.open(listener, &request, plain, response.delta, taken.place);
        }
        self.tapes.index.answered(request.call, taken.place, failed);
        let cause = Cause(request.call, Moment::After);
        listener.latest = Some(cause);
        self.sessions.note(self.tapes.tapes[listener.tape].session, cause);
        Ok(())
    }

    /// Returns whether an answer has the id of the last one on its connection, of which it is another copy then.
    fn is_repeated(&self, listener: &Listener, response: &Response<'_>) -> bool {
        let (Some(Cause(call, Moment::After)), Some(id)) = (listener.latest, response.id) else {
            return false;
        };
        let AnswerPlace::At(place) = self.tapes.index.answer(call) else { return false };
        let Ok(line) = self.tapes.texts.line(place) else { return false };
        let before = Line::parse(&line).and_then(|line| Envelope::parse(line.json).ok()?.id);
        before.is_some_and(|before| before.as_bytes() == id.as_bytes())
    }

    /// Notes which objects an answer opens.
    fn open(
        &mut self,
        listener: &mut Listener,
        request: &Outstanding,
        result: Raw<'_>,
        delta: bool,
        at: Place,
    ) {
        let rooted;
        let mut result = result;
        if delta && let Some(plain) = patches::plain_reference(result) {
            rooted = plain;
            result = Raw::new(&rooted).unwrap_or(result);
        }
        for reference in references(result) {
            let Some(handle) = reference.handle.filter(|handle| listener.lineages.get(*handle).is_none())
            else {
                continue;
            };
            let params = request.params.as_deref().and_then(|params| Raw::new(params).ok());
            let method = &self.tapes.methods[request.method as usize];
            // Secrets are no part of how an object is known.
            let clean = params.and_then(|params| clean_params(&self.tapes, method, params));
            let params = clean.as_deref().and_then(|clean| Raw::new(clean).ok()).or(params);
            listener.lineages.opened(&reference, request.to, method, params, request.occurrence);
            if method.starts_with("CreateSession") {
                self.tapes.session_objects.extend(reference.generic_id.as_deref().map(Into::into));
            }
            // What an unknown object opens is known by its handle, of which a live client gets another all the same.
            let lineage = listener.lineage_of(handle);
            let object = self.object(&lineage);
            self.tapes.tapes[listener.tape].history.opened(handle, object, at);
        }
    }

    fn spill(&mut self, text: &[u8], near: Place) -> io::Result<Place> {
        let source = match self.spool {
            Some(source) => source,
            None => {
                let path = self.tapes.texts.path(near).to_owned();
                *self.spool.insert(self.tapes.texts.add_spool(Path::new(&path))?)
            }
        };
        self.tapes.texts.spool(source, text)
    }
}

/// Returns parameters without their secrets, if they have any.
fn clean_params(tapes: &Tapes, method: &str, params: Raw<'_>) -> Option<Bytes> {
    let mut text = br#"{"method":"#.to_vec();
    qix_protocol::Tree::string(method).write(&mut text);
    text.extend_from_slice(b",\"params\":");
    text.extend_from_slice(params.as_bytes());
    text.push(b'}');
    let clean = Bytes::from(tapes.redaction.frame(&text)?.text);
    let params = Request::parse(&clean).ok()?.params?;
    Some(clean.slice_ref(params.as_bytes()))
}
