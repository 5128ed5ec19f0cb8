//! One recorded connection: what is open, what is unanswered.

use std::sync::Arc;

use bytes::Bytes;
use qix_protocol::{
    Handle, Lineages,
    delta::Baselines,
    frame::{
        Raw,
        client::Request,
        engine::{Frame, Kind, Response},
    },
    references,
};

use super::{Answered, Asked};
use crate::record::Entry;

/// How many requests without id wait for an answer: most engines give them none.
const MOST_WITHOUT_ID: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Connection {
    lineages: Lineages,
    baselines: Baselines,
    /// Requests without answer, oldest first.
    unanswered: Vec<Arc<Asked>>,
    /// How many of those have no id.
    without_id: usize,
}

impl Connection {
    /// Takes in what the client said; `None` if it is no request.
    pub(super) fn asked(&mut self, entry: &Entry, conn: u64, text: &Bytes) -> Option<Arc<Asked>> {
        let request = Request::parse(text).ok()?;
        let occurrence = self.lineages.requested(request.handle, &request.method, request.params);
        let asked = Arc::new(Asked {
            seq: entry.seq,
            conn,
            at: entry.at,
            id: request.id.map(|id| text.slice_ref(id.as_bytes())),
            handle: request.handle,
            lineage: self.lineages.get(request.handle).cloned(),
            method: request.method.into_owned(),
            params: request.params.map(|params| text.slice_ref(params.as_bytes())),
            delta: request.delta,
            text: text.clone(),
            occurrence,
        });
        self.without_id += usize::from(asked.id.is_none());
        self.unanswered.push(asked.clone());
        if self.without_id > MOST_WITHOUT_ID
            && let Some(oldest) = self.unanswered.iter().position(|asked| asked.id.is_none())
        {
            self.unanswered.remove(oldest);
            self.without_id -= 1;
        }
        Some(asked)
    }

    /// Takes in what the engine said; `None` if it is no answer to a request.
    pub(super) fn said(&mut self, entry: &Entry, text: &Bytes) -> Option<Answered> {
        let Frame { kind, changes } = Frame::parse(text).ok()?;
        let answered = match kind {
            Kind::Response(response) => self.take(&response).map(|asked| {
                let mut answered = Answered {
                    asked,
                    seq: entry.seq,
                    at: entry.at,
                    bytes: text.len() as u64,
                    error: response.error.clone(),
                    result: None,
                    opened: Vec::new(),
                    changes: changes.clone(),
                    fault: None,
                };
                if answered.error.is_none() {
                    self.read(&mut answered, &response, text);
                }
                answered
            }),
            _ => None,
        };
        for handle in changes.closed {
            self.lineages.closed(handle);
            self.baselines.closed(handle);
        }
        answered
    }

    /// Takes out all requests that were not answered.
    pub(super) fn unanswered(&mut self) -> Vec<Arc<Asked>> {
        self.without_id = 0;
        std::mem::take(&mut self.unanswered)
    }

    /// Forgets what depends on messages that are missing.
    pub(super) fn gap(&mut self) {
        self.baselines.clear();
    }

    /// Takes out the oldest request that the response can belong to. Ids may repeat or be missing; a request without one may be
    /// answered with 0.
    fn take(&mut self, response: &Response<'_>) -> Option<Arc<Asked>> {
        let id = response.id.map(|id| id.as_bytes());
        let exact = self.unanswered.iter().position(|asked| asked.id.as_deref() == id);
        let without = || {
            let zero = matches!(id, None | Some(b"0"));
            self.unanswered.iter().position(|asked| zero && asked.id.is_none())
        };
        let asked = self.unanswered.remove(exact.or_else(without)?);
        self.without_id -= usize::from(asked.id.is_none());
        Some(asked)
    }

    fn read(&mut self, answered: &mut Answered, response: &Response<'_>, text: &Bytes) {
        let asked = answered.asked.clone();
        let Some(result) = response.result else { return };
        let plain = if response.delta {
            match self.baselines.apply(asked.handle, &asked.method, result) {
                Ok(plain) => Bytes::from(plain.to_string()),
                Err(fault) => {
                    answered.fault = Some(fault.to_string());
                    return;
                }
            }
        } else {
            self.baselines.plain_answer(asked.handle, &asked.method);
            text.slice_ref(result.as_bytes())
        };
        if let Ok(plain) = Raw::new(&plain) {
            self.open(answered, &asked, plain);
        }
        answered.result = Some(plain);
    }

    fn open(&mut self, answered: &mut Answered, asked: &Asked, plain: Raw<'_>) {
        let params = asked.params.as_deref().and_then(|params| Raw::new(params).ok());
        for reference in references(plain) {
            let Some(handle) = reference.handle.filter(|handle| *handle != Handle::GLOBAL) else { continue };
            self.lineages.opened(&reference, asked.handle, &asked.method, params, asked.occurrence);
            answered.opened.extend(self.lineages.get(handle).map(|lineage| (handle, lineage.clone())));
        }
    }
}
