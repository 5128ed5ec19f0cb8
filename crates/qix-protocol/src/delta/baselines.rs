//! The values that an engine's patches refer to.

use std::collections::{BTreeMap, HashMap};

use super::{
    apply::{Target, Work},
    patch,
};
use crate::{
    Handle, ProtocolError,
    frame::Raw,
    tree::{Members, Parser, Tree, escaped, unescaped},
};

/// The values that the engine's next patches refer to, within one socket.
///
/// A baseline belongs to handle, method and out member; parameters are no part of it, so answers must be applied in the order
/// in which they arrive, also those to calls that nobody waits for any more. An answer that is an error changes nothing.
///
/// # Examples
///
/// ```
/// use qix_protocol::{Handle, delta::Baselines, frame::Raw};
///
/// let mut baselines = Baselines::default();
/// let mut answer = |text: &str| baselines.apply(Handle::new(1), "GetLayout", Raw::new(text.as_bytes())?);
/// let first = answer(r#"{"qLayout":[{"op":"add","path":"/","value":{"qInfo":{"qId":"x"},"visits":1}}]}"#)?;
/// let second = answer(r#"{"qLayout":[{"op":"replace","path":"/visits","value":2}]}"#)?;
/// assert_eq!(second.to_string(), r#"{"qLayout":{"qInfo":{"qId":"x"},"visits":2}}"#);
/// // What was given out stays as it was.
/// assert_eq!(first.to_string(), r#"{"qLayout":{"qInfo":{"qId":"x"},"visits":1}}"#);
/// # Ok::<(), qix_protocol::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Baselines {
    of_handle: HashMap<Handle, Vec<Baseline>>,
    /// The handle of each baseline by the time of its latest answer; times are unique.
    by_age: BTreeMap<u64, Handle>,
    now: u64,
    /// The memory that all of them take.
    pub(super) bytes: usize,
    limit: usize,
}

#[derive(Debug)]
struct Baseline {
    method: Box<str>,
    member: Box<str>,
    target: Target,
    answered: u64,
}

impl Baseline {
    fn bytes(&self) -> usize {
        // Its place in the tables counts too, or a million numbers would be nothing.
        2 * size_of::<Self>() + self.method.len() + self.member.len() + self.target.bytes()
    }
}

impl Baselines {
    /// How much the values of one socket may take unless told otherwise: 256 MiB.
    pub const DEFAULT_LIMIT: usize = 256 << 20;

    /// Returns no baselines, as a socket starts.
    ///
    /// `limit` is about how many bytes of memory the values may take, counted as if they shared nothing. Beyond it those that
    /// were answered longest ago are dropped; for them the engine's next answer is an error unless it starts anew.
    pub fn new(limit: usize) -> Self {
        Self { of_handle: HashMap::new(), by_age: BTreeMap::new(), now: 0, bytes: 0, limit }
    }

    /// Returns whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.of_handle.is_empty()
    }

    /// Returns about how many bytes of memory the values take, counted as if they shared nothing.
    pub fn footprint(&self) -> usize {
        self.bytes
    }

    /// Applies a delta result and returns the plain result it stands for: an object of the out members.
    ///
    /// The returned tree shares its values with the baselines. Keeping it makes the next answer copy what that one changes;
    /// dropping it first makes the next answer change the values in place.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Delta`] if an out member is not a list of patches, or a patch does not fit. The baseline of that
    /// member is dropped, so that only a patch of the whole value can follow; the other members have been applied.
    /// Another [`ProtocolError`], with offsets in `result`, if that is not an object in JSON; all baselines of the method
    /// are dropped then.
    pub fn apply(&mut self, handle: Handle, method: &str, result: Raw<'_>) -> Result<Tree, ProtocolError> {
        let outcome = self.apply_members(handle, method, result.as_bytes());
        if !matches!(outcome, Ok(_) | Err(ProtocolError::Delta { .. })) {
            self.plain_answer(handle, method);
        }
        outcome
    }

    fn apply_members(&mut self, handle: Handle, method: &str, result: &[u8]) -> Result<Tree, ProtocolError> {
        let mut parser = Parser::new(result)?;
        if !parser.enter(b'{') {
            return Err(parser.fault());
        }
        let mut plain = Members::default();
        let mut fault = None;
        let mut work = Work::default();
        let mut first = true;
        while parser.next(first, b'}')? {
            first = false;
            let member = unescaped(parser.name()?);
            match self.apply_member(handle, method, &member, &mut parser, &mut work)? {
                Ok(value) => plain.push(escaped(&member), value),
                Err((index, why)) => {
                    let member = member.into_owned();
                    fault = fault.or(Some(ProtocolError::Delta { member, index, fault: why }));
                }
            }
        }
        parser.end()?;
        fault.map_or(Ok(Tree::object(plain)), Err)
    }

    fn apply_member(
        &mut self,
        handle: Handle,
        method: &str,
        member: &str,
        parser: &mut Parser<'_>,
        work: &mut Work,
    ) -> Result<Result<Tree, patch::Fault>, ProtocolError> {
        let mut baseline = self.take(handle, method, member);
        baseline.target.work(std::mem::take(work));
        let outcome = patch::apply_list(parser, &mut baseline.target)?;
        *work = baseline.target.work(Work::default());
        if outcome.is_ok() {
            self.keep(handle, baseline);
        }
        Ok(outcome)
    }

    /// Forgets the baselines of one method: whether a plain answer advances the engine's is not known.
    pub fn plain_answer(&mut self, handle: Handle, method: &str) {
        self.forget(handle, |baseline| &*baseline.method == method);
    }

    /// Forgets all baselines of a closed handle.
    pub fn closed(&mut self, handle: Handle) {
        self.forget(handle, |_| true);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Takes a baseline out, or makes one without a value.
    fn take(&mut self, handle: Handle, method: &str, member: &str) -> Baseline {
        let of_method = |found: &Baseline| &*found.method == method && &*found.member == member;
        let baselines = self.of_handle.get_mut(&handle);
        let found = baselines.and_then(|baselines| {
            let found = baselines.iter().position(of_method)?;
            Some(baselines.swap_remove(found))
        });
        let Some(baseline) = found else {
            let target = Target::default();
            return Baseline { method: method.into(), member: member.into(), target, answered: 0 };
        };
        self.by_age.remove(&baseline.answered);
        self.bytes -= baseline.bytes();
        if self.of_handle.get(&handle).is_some_and(Vec::is_empty) {
            self.of_handle.remove(&handle);
        }
        baseline
    }

    /// Keeps a baseline as the latest, and drops the oldest beyond the limit.
    fn keep(&mut self, handle: Handle, mut baseline: Baseline) {
        self.now += 1;
        baseline.answered = self.now;
        self.by_age.insert(self.now, handle);
        self.bytes += baseline.bytes();
        self.of_handle.entry(handle).or_default().push(baseline);
        while self.bytes > self.limit
            && let Some((oldest, handle)) = self.by_age.pop_first()
        {
            self.forget(handle, |baseline| baseline.answered == oldest);
        }
    }

    fn forget(&mut self, handle: Handle, which: impl Fn(&Baseline) -> bool) {
        let Some(baselines) = self.of_handle.get_mut(&handle) else { return };
        baselines.retain(|baseline| {
            let forgotten = which(baseline);
            if forgotten {
                self.by_age.remove(&baseline.answered);
                self.bytes -= baseline.bytes();
            }
            !forgotten
        });
        if baselines.is_empty() {
            self.of_handle.remove(&handle);
        }
    }
}

impl Default for Baselines {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}
