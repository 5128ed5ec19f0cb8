//! What the objects of one connection are called, for rules that name them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use qix_protocol::{
    Handle, Lineages, ObjectReference,
    frame::{Raw, client::Request, elements, engine::Response, members},
    references,
};

use super::pattern::Pattern;

/// Calls whose answers are waited for, at most; later ones open objects that rules do not know.
const MOST_CALLS: usize = 10_000;
/// Objects that are known, at most.
const MOST_OBJECTS: usize = 100_000;

/// The open objects of one connection.
#[derive(Debug)]
pub(super) struct Objects {
    lineages: Lineages,
    calls: HashMap<Box<[u8]>, Call>,
    open: BTreeMap<Handle, ObjectReference>,
}

#[derive(Debug)]
struct Call {
    on: Handle,
    method: Box<str>,
    params: Option<Bytes>,
    occurrence: u32,
}

impl Objects {
    pub(super) fn new() -> Self {
        Self { lineages: Lineages::new(MOST_OBJECTS), calls: HashMap::new(), open: BTreeMap::new() }
    }

    /// Notes a call.
    pub(super) fn asked(&mut self, request: &Request<'_>) {
        let occurrence = self.lineages.requested(request.handle, &request.method, request.params);
        if let Some(id) = request.id
            && self.calls.len() < MOST_CALLS
        {
            let params = request.params.map(|params| Bytes::copy_from_slice(params.as_bytes()));
            let method = (*request.method).into();
            self.calls.insert(id.as_bytes().into(), Call { on: request.handle, method, params, occurrence });
        }
    }

    /// Notes an answer, and what it opens.
    pub(super) fn answered(&mut self, response: &Response<'_>) {
        let Some(call) = response.id.and_then(|id| self.calls.remove(id.as_bytes())) else { return };
        let Some(result) = response.result else { return };
        if !response.delta {
            return references(result).for_each(|reference| self.opened(&reference, &call));
        }
        for (_, patches) in members(result).filter(|(_, value)| value.as_bytes().starts_with(b"[")) {
            // What is added is a member of its patch, as an object reference is one of a result.
            for patch in elements(patches) {
                references(patch).for_each(|reference| self.opened(&reference, &call));
            }
        }
    }

    /// Notes that the engine closed handles.
    pub(super) fn closed(&mut self, handles: &[Handle]) {
        for handle in handles {
            self.lineages.closed(*handle);
            self.open.remove(handle);
        }
    }

    /// Returns whether the class, id, type or lineage of an object is meant.
    pub(super) fn is(&self, handle: Handle, pattern: &Pattern) -> bool {
        if handle == Handle::GLOBAL {
            return pattern.matches("Global");
        }
        let reference = self.open.get(&handle);
        let names = reference.into_iter().flat_map(|reference| {
            [&reference.object_type, &reference.generic_id, &reference.generic_type].into_iter().flatten()
        });
        names.into_iter().any(|name| pattern.matches(name))
            || self.lineages.get(handle).is_some_and(|lineage| pattern.matches(&lineage.to_string()))
    }

    /// Returns the open objects that are meant, in the order of their handles.
    pub(super) fn all(&self, pattern: &Pattern) -> Vec<Handle> {
        self.open.keys().copied().filter(|handle| self.is(*handle, pattern)).collect()
    }

    fn opened(&mut self, reference: &ObjectReference, call: &Call) {
        let Some(handle) = reference.handle else { return };
        let params = call.params.as_ref().and_then(|params| Raw::new(params).ok());
        self.lineages.opened(reference, call.on, &call.method, params, call.occurrence);
        if self.open.len() < MOST_OBJECTS {
            self.open.entry(handle).or_insert_with(|| reference.clone());
        }
    }
}
