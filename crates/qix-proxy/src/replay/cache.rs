//! Answers that were read lately.

use std::{collections::VecDeque, sync::Arc};

use foldhash::HashMap;

use super::{answer::RecordedAnswer, index::CallId};

/// Answers that were read lately, up to a number of bytes.
#[derive(Debug)]
pub(super) struct Cache {
    answers: HashMap<CallId, Kept>,
    /// Oldest first; one that was asked for meanwhile gets another turn.
    turns: VecDeque<CallId>,
    bytes: usize,
    limit: usize,
}

#[derive(Debug)]
struct Kept {
    answer: Arc<RecordedAnswer>,
    asked_for: bool,
}

impl Cache {
    /// How many bytes of answers are kept: 64 MiB.
    pub(super) const LIMIT: usize = 64 << 20;

    pub(super) fn new(limit: usize) -> Self {
        Self { answers: HashMap::default(), turns: VecDeque::new(), bytes: 0, limit }
    }

    pub(super) fn get(&mut self, call: CallId) -> Option<Arc<RecordedAnswer>> {
        let kept = self.answers.get_mut(&call)?;
        kept.asked_for = true;
        Some(kept.answer.clone())
    }

    pub(super) fn put(&mut self, call: CallId, answer: &Arc<RecordedAnswer>) {
        let bytes = answer.footprint();
        if bytes > self.limit || self.answers.contains_key(&call) {
            return;
        }
        while self.bytes + bytes > self.limit
            && let Some(oldest) = self.turns.pop_front()
        {
            match self.answers.get_mut(&oldest) {
                Some(kept) if kept.asked_for => {
                    kept.asked_for = false;
                    self.turns.push_back(oldest);
                }
                _ => {
                    let gone = self.answers.remove(&oldest);
                    self.bytes -= gone.map_or(0, |gone| gone.answer.footprint());
                }
            }
        }
        self.bytes += bytes;
        self.answers.insert(call, Kept { answer: answer.clone(), asked_for: false });
        self.turns.push_back(call);
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(Self::LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_longest_and_the_limit_holds() {
        let answer = Arc::new(RecordedAnswer::default());
        let mut cache = Cache::new(3 * answer.footprint());
        for call in [0, 1, 2].map(CallId) {
            cache.put(call, &answer);
        }
        assert!(cache.get(CallId(0)).is_some());
        cache.put(CallId(3), &answer);
        let kept: Vec<u32> = (0..4).filter(|call| cache.get(CallId(*call)).is_some()).collect();
        assert_eq!(kept, [0, 2, 3]);
        assert_eq!(cache.bytes, cache.limit);
    }
}
