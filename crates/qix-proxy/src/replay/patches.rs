//! Answers that are patches, as what they stand for. Most set the whole, and are only looked at when one follows that does not.

use std::collections::HashMap;

use qix_protocol::{
    Handle, ProtocolError, Tree,
    delta::Baselines,
    frame::{
        Raw,
        engine::{Frame, Kind},
        members,
    },
};

use super::{
    answer::root_value,
    key::hash_text,
    line::Line,
    texts::{Place, Texts},
};
use crate::record::{EntryKind, FrameText, entry_of};

/// The values that the patches of one recorded connection refer to.
#[derive(Debug, Default)]
pub(super) struct Patches {
    baselines: Baselines,
    /// Where the whole was set last, of answers with one out member.
    whole: HashMap<Handle, Vec<Whole>>,
}

#[derive(Debug)]
struct Whole {
    method: Box<str>,
    out: u64,
    at: Place,
}

impl Patches {
    /// Applies the answer at a place. Returns the plain result, or none if the answer sets all to what it says.
    ///
    /// # Errors
    ///
    /// A patch does not fit.
    pub(super) fn apply(
        &mut self,
        to: Handle,
        method: &str,
        result: Raw<'_>,
        at: Place,
        texts: &Texts,
    ) -> Result<Option<String>, ProtocolError> {
        let mut outs = members(result);
        let only = outs.next().filter(|_| outs.next().is_none());
        if let Some((name, value)) = only
            && root_value(value).is_some()
        {
            let out = hash_text(name.as_bytes());
            let wholes = self.whole.entry(to).or_default();
            match wholes.iter_mut().find(|whole| *whole.method == *method) {
                Some(whole) if whole.out == out => whole.at = at,
                Some(_) => {
                    self.catch_up(to, method, texts);
                    self.baselines.apply(to, method, result)?;
                }
                None => wholes.push(Whole { method: method.into(), out, at }),
            }
            return Ok(None);
        }
        self.catch_up(to, method, texts);
        self.baselines.apply(to, method, result).map(|plain| Some(plain.to_string()))
    }

    /// Applies what was only noted so far.
    fn catch_up(&mut self, to: Handle, method: &str, texts: &Texts) {
        let Some(wholes) = self.whole.get_mut(&to) else { return };
        let Some(found) = wholes.iter().position(|whole| *whole.method == *method) else { return };
        let at = wholes.swap_remove(found).at;
        let Ok(line) = texts.line(at) else { return };
        let parsed = Line::parse(&line).map(|line| line.json);
        let entry = if parsed.is_none() { entry_of(&line).ok() } else { None };
        let text = match (&parsed, &entry) {
            (Some(json), _) => json,
            (None, Some(entry)) => match &entry.kind {
                EntryKind::Frame { text: FrameText::Text(text), .. } => &text[..],
                _ => return,
            },
            (None, None) => return,
        };
        if let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(text)
            && let Some(result) = response.result
        {
            // What does not fit comes to light with the patches that follow.
            let _ = self.baselines.apply(to, method, result);
        }
    }

    /// Forgets the values of one method: whether a plain answer advances the engine's is not known.
    pub(super) fn plain_answer(&mut self, to: Handle, method: &str) {
        self.baselines.plain_answer(to, method);
        if let Some(wholes) = self.whole.get_mut(&to) {
            wholes.retain(|whole| *whole.method != *method);
        }
    }

    /// Forgets the values of a closed handle.
    pub(super) fn closed(&mut self, handle: Handle) {
        self.baselines.closed(handle);
        self.whole.remove(&handle);
    }
}

/// Returns a result whose patches set the whole, as a plain one, if it is short enough to hold references only.
pub(super) fn plain_reference(result: Raw<'_>) -> Option<Vec<u8>> {
    const LONGEST: usize = 16 << 10;
    if result.as_bytes().len() > LONGEST || memchr::memmem::find(result.as_bytes(), b"qHandle").is_none() {
        return None;
    }
    let mut plain = b"{".to_vec();
    for (name, value) in members(result) {
        if plain.len() > 1 {
            plain.push(b',');
        }
        Tree::string(&name).write(&mut plain);
        plain.push(b':');
        plain.extend_from_slice(root_value(value)?.as_bytes());
    }
    plain.push(b'}');
    Some(plain)
}
