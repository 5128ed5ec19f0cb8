//! One conversation with an upstream: which objects are open there, under which handles. Pure.

use std::{collections::HashMap, ops::Range};

use bytes::Bytes;
use qix_protocol::{
    ChangeSet, EngineError, Handle, Lineage, Lineages, ObjectReference, Tree, creates,
    frame::{
        Raw,
        engine::{Frame, Kind},
        members,
    },
    references,
};

use super::{Body, Told};
use crate::replay::journal::says_no;

/// Which objects of a live session are open at the upstream.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    handles: HashMap<Lineage, Handle>,
    lineages: HashMap<Handle, Lineage>,
    last_id: u64,
}

/// What a frame of the upstream is to whoever waits for an answer.
#[derive(Debug)]
pub(super) enum Heard {
    /// The answer.
    Answer(Answer),
    /// Lists, of which the client may have to know.
    Lists(ChangeSet),
    /// Something else.
    Other,
}

/// An answer that has come.
#[derive(Debug)]
pub(super) struct Answer {
    text: Bytes,
    pub(super) error: Option<EngineError>,
    changes: ChangeSet,
}

impl Mirror {
    /// Returns the handle of an object, if it is open.
    pub(super) fn handle(&self, lineage: &Lineage) -> Option<Handle> {
        if *lineage == Lineage::GLOBAL { Some(Handle::GLOBAL) } else { self.handles.get(lineage).copied() }
    }

    fn lineage(&self, handle: Handle) -> Option<&Lineage> {
        const GLOBAL: &Lineage = &Lineage::GLOBAL;
        if handle == Handle::GLOBAL { Some(GLOBAL) } else { self.lineages.get(&handle) }
    }

    /// Notes that an object is open under a handle.
    pub(super) fn opened(&mut self, lineage: Lineage, handle: Handle) {
        self.handles.insert(lineage.clone(), handle);
        self.lineages.insert(handle, lineage);
    }

    /// Writes a request, plain, with an id of this conversation unless the client's has none. Returns its id and text.
    pub(super) fn request(
        &mut self,
        on: Handle,
        method: &str,
        params: Option<&Bytes>,
        with_id: bool,
    ) -> (Option<u64>, Bytes) {
        let mut text = br#"{"jsonrpc":"2.0","#.to_vec();
        let id = with_id.then(|| {
            self.last_id += 1;
            text.extend_from_slice(format!(r#""id":{},"#, self.last_id).as_bytes());
            self.last_id
        });
        text.extend_from_slice(format!(r#""delta":false,"handle":{},"method":"#, on.get()).as_bytes());
        Tree::string(method).write(&mut text);
        text.extend_from_slice(br#","params":"#);
        text.extend_from_slice(params.map_or(b"[]", |params| params));
        text.push(b'}');
        (id, text.into())
    }

    /// Takes in what the upstream says while the answer to `id` is waited for.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer, in words.
    pub(super) fn heard(&mut self, text: &Bytes, id: Option<u64>) -> Result<Heard, String> {
        let Ok(frame) = Frame::parse(text) else { return Ok(Heard::Other) };
        let heard = match &frame.kind {
            Kind::Response(response) => {
                let its_id = response.id.and_then(|id| id.as_integer::<u64>());
                if id.is_some() && its_id != id {
                    // Of a question that nobody waits for any more.
                    return Ok(Heard::Other);
                }
                if response.delta {
                    return Err("it answers in patches, for which it was not asked".to_owned());
                }
                Heard::Answer(Answer {
                    text: text.clone(),
                    error: response.error.clone(),
                    changes: frame.changes.clone(),
                })
            }
            Kind::Push => Heard::Lists(frame.changes.clone()),
            _ => Heard::Other,
        };
        Ok(heard)
    }

    /// Returns the handles in an answer, in order.
    pub(super) fn handles_in(answer: &Answer) -> Vec<Handle> {
        let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(&answer.text) else {
            return Vec::new();
        };
        response
            .result
            .map(references)
            .into_iter()
            .flatten()
            .filter_map(|reference| reference.handle)
            .collect()
    }

    /// Returns whether an answer says that nothing was done.
    pub(super) fn says_no(answer: &Answer) -> bool {
        let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(&answer.text) else {
            return false;
        };
        let mut outs = response.result.map(members).into_iter().flatten();
        outs.any(|(name, value)| says_no(format!("\"{name}\"").as_bytes(), value.as_bytes()))
    }

    /// Reads an answer for the client. `name` names an object that was not open before, of which it gets the place that
    /// the recording would give it.
    pub(super) fn tell(
        &mut self,
        answer: &Answer,
        also: &[ChangeSet],
        mut name: impl FnMut(&Self, &ObjectReference) -> Lineage,
    ) -> Result<Told, String> {
        let unreadable = || "its answer cannot be read".to_owned();
        let frame = Frame::parse(&answer.text).map_err(|_| unreadable())?;
        let Kind::Response(response) = frame.kind else { return Err(unreadable()) };
        let whole = Raw::new(&answer.text).map_err(|_| unreadable())?;
        let body = match response.result {
            _ if response.error.is_some() => {
                let error = members(whole).filter(|(name, _)| name == "error").last();
                Body::Error(
                    error.map(|(_, error)| answer.text.slice_ref(error.as_bytes())).unwrap_or_default(),
                )
            }
            Some(result) if result.as_bytes().first() == Some(&b'{') => {
                for reference in references(result) {
                    if let Some(handle) = reference.handle
                        && self.lineage(handle).is_none()
                    {
                        let lineage = name(self, &reference);
                        self.opened(lineage, handle);
                    }
                }
                let member = |(name, value): (std::borrow::Cow<'_, str>, Raw<'_>)| {
                    let mut written = Vec::new();
                    Tree::string(&name).write(&mut written);
                    let hole =
                        hole(value).and_then(|(place, handle)| Some((place, self.lineage(handle)?.clone())));
                    (written.into(), answer.text.slice_ref(value.as_bytes()), hole)
                };
                Body::Result(members(result).map(member).collect())
            }
            other => Body::Odd(other.map(|result| answer.text.slice_ref(result.as_bytes()))),
        };
        let sets = || also.iter().chain([&answer.changes]);
        let lineages = |pick: fn(&ChangeSet) -> &Vec<Handle>| {
            sets().flat_map(pick).filter_map(|handle| self.lineage(*handle)).cloned().collect()
        };
        let lists =
            [lineages(|set| &set.changed), lineages(|set| &set.closed), lineages(|set| &set.suspended)];
        Ok(Told { body, lists, id: response.id.map(|id| answer.text.slice_ref(id.as_bytes())), moved: false })
    }

    /// Forgets the objects that the upstream has closed.
    pub(super) fn close(&mut self, closed: &[Handle]) {
        for handle in closed {
            if let Some(lineage) = self.lineages.remove(handle) {
                self.handles.remove(&lineage);
            }
        }
    }

    /// Names an object that a call has just opened, as the loader of recordings will name it.
    pub(super) fn name(
        &self,
        reference: &ObjectReference,
        on: &Lineage,
        method: &str,
        params: Option<Raw<'_>>,
        is_taken: impl Fn(&Lineage) -> bool,
    ) -> Lineage {
        if *on == Lineage::GLOBAL && matches!(method, "OpenDoc" | "GetActiveDoc") {
            let mut lineages = Lineages::default();
            lineages.opened(reference, Handle::GLOBAL, method, params, 0);
            if let Some(lineage) = reference.handle.and_then(|handle| lineages.get(handle)) {
                return lineage.clone();
            }
        }
        let class = reference.object_type.as_deref().unwrap_or_default();
        if !creates(method) {
            return on.child(method, params, 0, class);
        }
        let named = (1..=u32::MAX).map(|occurrence| on.child(method, params, occurrence, class));
        let mut free = named.filter(|lineage| !self.handles.contains_key(lineage) && !is_taken(lineage));
        free.next().unwrap_or_else(|| on.child(method, params, 0, class))
    }
}

impl Answer {
    /// What the answer says of handles.
    pub(super) fn changes(&self) -> &ChangeSet {
        &self.changes
    }
}

/// Finds the handle in an object reference.
fn hole(value: Raw<'_>) -> Option<(Range<usize>, Handle)> {
    if !members(value).any(|(name, _)| name == "qType") {
        return None;
    }
    let (_, number) = members(value).filter(|(name, _)| name == "qHandle").last()?;
    let start = number.as_bytes().as_ptr().addr() - value.as_bytes().as_ptr().addr();
    Some((start..start + number.as_bytes().len(), Handle::new(number.as_integer()?)))
}
