//! What a player does about requests that the recording cannot answer.

use std::{sync::Arc, time::Duration};

use qix_protocol::{
    Lineage,
    frame::{Raw, client::Request, members},
};

use super::{ENVELOPE, Outgoing, Player, Said, at};
use crate::replay::{
    Ask, Miss, OnMiss, Text,
    answer::{self, Lists, RecordedAnswer},
    journal::{Deed, says_no},
    key::names_a_request,
    session::Heard,
    upstream::{Body, Told},
};

/// The close code for clients that are to be turned away: "bad request".
const BAD_REQUEST: u16 = 4202;
/// The longest reason that a close frame has room for, in bytes.
const LONGEST_REASON: usize = 123;

impl Player {
    /// Takes in what the upstream has said to a question, or why it has not, in words, and says what the client gets.
    pub(in super::super) fn told(&mut self, ask: &Ask, told: Result<Told, String>, out: &mut Vec<Said>) {
        let mut miss = ask.miss.clone();
        match told {
            Ok(told) => {
                self.pass_on(ask, told, out);
                miss.upstream = Some(Ok(()));
            }
            Err(error) => {
                miss.upstream = Some(Err(error));
                refuse(ask.id.as_deref(), &miss, out);
            }
        }
        out.push(at(Duration::ZERO, Outgoing::Missed(miss)));
    }

    /// Returns whether an upstream is asked for what is not in the recording.
    pub(super) fn asks(&self) -> bool {
        matches!(self.on_miss, OnMiss::Upstream(_))
    }

    /// Does about a request what is to be done about those that the recording cannot answer. `original` is what the client said.
    pub(super) fn missed(&self, original: &[u8], miss: Miss, out: &mut Vec<Said>) {
        if self.asks()
            && let Some(ask) = self.ask(original, &miss)
        {
            return out.push(at(Duration::ZERO, Outgoing::Ask(Box::new(ask))));
        }
        // An id is answered, be it that of a proper request or not.
        let whole = Raw::new(original).ok();
        let id = whole.and_then(|whole| members(whole).filter(|(name, _)| name == "id").last());
        refuse(id.map(|(_, id)| id.as_bytes()), &miss, out);
        let reason = format!("not in the recording: {}", miss.key);
        out.push(at(Duration::ZERO, Outgoing::Missed(miss)));
        if matches!(self.on_miss, OnMiss::Close) {
            let end = (0..=LONGEST_REASON.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
            let reason = reason[..end.unwrap_or_default()].to_owned();
            out.push(at(Duration::ZERO, Outgoing::Close(Some(BAD_REQUEST), reason)));
        }
    }

    /// Makes the question for the upstream, if the request is one that means something there.
    fn ask(&self, original: &[u8], miss: &Miss) -> Option<Ask> {
        let request = Request::parse(original).ok()?;
        if names_a_request(&request.method) {
            return None;
        }
        let params = |params: Raw<'_>| params.as_bytes().to_vec().into();
        let redacted = self.redaction.frame(original);
        let clean = redacted.as_ref().and_then(|redacted| Request::parse(&redacted.text).ok());
        Some(Ask {
            miss: miss.clone(),
            on: self.lineage_of(request.handle),
            id: request.id.map(|id| id.as_bytes().to_vec().into()),
            delta: request.delta,
            params: request.params.map(params),
            clean: clean.as_ref().unwrap_or(&request).params.map(params),
            after: self.seat.session().journal().length(),
            method: request.method.into(),
        })
    }

    /// Notes a call that was answered from the recording, so that an upstream can be brought to the same state.
    pub(super) fn note(&mut self, original: &[u8], answer: &RecordedAnswer) {
        let opens = std::mem::take(&mut self.opened);
        let Ok(request) = Request::parse(original) else { return };
        let on = self.lineage_of(request.handle);
        let params = request.params.map(|params| params.as_bytes().to_vec().into());
        let in_vain = match &answer.body {
            answer::Body::Result(members) => members.iter().any(|(name, value)| says_no(name, value.text())),
            _ => false,
        };
        self.seat.session().journal().note(Deed {
            on,
            method: request.method.into(),
            params,
            opens,
            in_vain,
        });
    }

    /// Says what the upstream has said, in the client's dialect and with the handles of this connection.
    fn pass_on(&mut self, ask: &Ask, told: Told, out: &mut Vec<Said>) {
        let mut text = Text::with_room(ENVELOPE);
        text.write(br#"{"jsonrpc":"2.0""#);
        if let Some(id) = ask.id.as_ref().or(told.id.as_ref()) {
            text.write(br#","id":"#);
            text.write(id);
        }
        match &told.body {
            Body::Result(members) => {
                // A patch of the whole document is right whatever the client had before.
                let (head, before, after): (&[u8], &[u8], &[u8]) = if ask.delta {
                    (br#","delta":true,"result":{"#, br#":[{"op":"add","path":"/","value":"#, b"}]")
                } else {
                    (br#","result":{"#, b":", b"")
                };
                text.write(head);
                for (index, (name, value, hole)) in members.iter().enumerate() {
                    text.write(if index > 0 { b"," } else { b"" });
                    text.write(name);
                    text.write(before);
                    match hole {
                        None => text.write(value),
                        Some((place, lineage)) => {
                            let handle = self.open_handle(lineage);
                            text.write(&value[..place.start]);
                            text.write(itoa::Buffer::new().format(handle.get()).as_bytes());
                            text.write(&value[place.end..]);
                        }
                    }
                    text.write(after);
                }
                text.write(b"}");
            }
            Body::Odd(Some(result)) => {
                text.write(br#","result":"#);
                text.write(result);
            }
            Body::Odd(None) => {}
            Body::Error(error) => {
                text.write(br#","error":"#);
                text.write(error);
            }
        }
        let [changed, closed, suspended] = told.lists;
        let mut lists = Lists { changed, closed, suspended };
        for lineage in &lists.closed {
            self.seat.session().lock().known.forget(lineage);
        }
        if told.moved || !lists.is_empty() {
            let heard = Heard::Told { lists: Arc::new(lists.clone()), all: told.moved };
            self.seat.tell_guests(|_| false, &heard);
        }
        if told.moved {
            lists = self.with_all_changed(lists);
        }
        self.write_lists(&mut text, &lists);
        text.write(b"}");
        out.push(at(Duration::ZERO, Outgoing::Text(text)));
    }

    /// Adds all objects that are open here to those that were changed.
    pub(super) fn with_all_changed(&self, mut lists: Lists) -> Lists {
        let others: Vec<Lineage> =
            self.handles.keys().filter(|lineage| !lists.changed.contains(lineage)).cloned().collect();
        lists.changed.extend(others);
        lists
    }
}

/// Tells the client that its request has no answer, if it has an id.
fn refuse(id: Option<&[u8]>, miss: &Miss, out: &mut Vec<Said>) {
    let Some(id) = id else { return };
    let mut text = Text::with_room(ENVELOPE);
    text.write(br#"{"jsonrpc":"2.0","id":"#);
    text.write(id);
    text.write(br#","error":"#);
    let error = serde_json::json!({
        "code": Miss::CODE,
        "parameter": miss.to_string(),
        "message": "Not in the recording",
    });
    text.write(error.to_string().as_bytes());
    text.write(b"}");
    out.push(at(Duration::ZERO, Outgoing::Text(text)));
}
