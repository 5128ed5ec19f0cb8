//! Reads in answers what rules need of them.

use std::hash::BuildHasher;

use qix_protocol::frame::{Raw, elements, members};

use crate::model::{Body, whole};

/// Returns an out member of an answer, if the answer has it whole: not patched, or replaced as a whole by its patch.
pub(super) fn out<'b>(body: &'b Body, name: &str) -> Option<Raw<'b>> {
    if let Some(result) = &body.result {
        return Raw::new(result).ok()?.member(name);
    }
    let patches = Raw::new(body.answer.as_deref()?).ok()?.member("result")?.member(name)?;
    whole(patches)
}

/// What an answer has of its result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answered<'b> {
    /// All of it.
    Whole(Raw<'b>),
    /// That it is as it was.
    AsBefore,
    /// What is different.
    Part,
}

/// Returns what an answer has of its first out member.
pub(super) fn answered(body: &Body) -> Option<Answered<'_>> {
    if let Some(result) = &body.result {
        return members(Raw::new(result).ok()?).next().map(|(_, value)| Answered::Whole(value));
    }
    let result = Raw::new(body.answer.as_deref()?).ok()?.member("result")?;
    let (_, patches) = members(result).next()?;
    if patches.as_bytes() == b"[]" {
        return Some(Answered::AsBefore);
    }
    Some(whole(patches).map_or(Answered::Part, Answered::Whole))
}

/// Returns a parameter by its place or its name.
pub(super) fn parameter<'b>(body: &'b Body, at: usize, name: &str) -> Option<Raw<'b>> {
    let params = Raw::new(body.params.as_deref()?).ok()?;
    match params.as_bytes().first() {
        Some(b'{') => params.member(name),
        _ => elements(params).nth(at),
    }
}

/// Returns the texts among parameters, those inside other values too.
pub(super) fn texts(params: Raw<'_>) -> Vec<&[u8]> {
    let mut texts = Vec::new();
    let mut open = vec![params];
    while let Some(value) = open.pop() {
        match value.as_bytes().first() {
            Some(b'"') => texts.push(value.as_bytes()),
            Some(b'[') => open.extend(elements(value)),
            Some(b'{') => open.extend(members(value).map(|(_, value)| value)),
            _ => {}
        }
    }
    texts
}

/// Returns a number that is the same for equal values.
pub(super) fn hash(value: impl std::hash::Hash) -> u64 {
    foldhash::fast::FixedState::default().hash_one(value)
}
