//! What a session keeps for each of its sockets: handles, baselines, held answers, and frames waiting to leave.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

use super::delta::patches;
use super::errors::EngineError;
use super::eval::Hold;
use super::handles::Handles;
use super::reload::Progress;

/// One thing for the socket task to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Text(Utf8Bytes),
    Binary(Bytes),
    Close(u16, String),
    /// Cut the connection without a close frame.
    Drop,
    /// Cut the connection in the middle of a frame.
    Half,
}

/// A way to end a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection ends without a close frame.
    Drop,
    /// The connection ends after the head and a piece of a text frame.
    MidFrame,
    /// A close frame with a code and a reason of at most 123 bytes.
    Close(u16, String),
}

impl From<Cut> for Outgoing {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Drop => Self::Drop,
            Cut::MidFrame => Self::Half,
            Cut::Close(code, reason) => Self::Close(code, reason),
        }
    }
}

/// The result of a call: the members of `result`, or the error.
pub(crate) type Outcome = Result<Map<String, Value>, EngineError>;

/// A finished call whose answer is not written yet.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The id as it came; `None` means that no answer is wanted.
    pub(crate) id: Option<Value>,
    pub(crate) handle: i64,
    pub(crate) method: String,
    pub(crate) delta: bool,
    pub(crate) outcome: Outcome,
}

/// An answer that waits for others to overtake it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) answer: Answer,
    /// Further answers to wait for; `None` waits for a cancel.
    remaining: Option<u32>,
    /// Leaves at the latest when the client's input is drained.
    until_drained: bool,
    /// The answer to a reload, which takes effect as it leaves.
    pub(crate) is_reload: bool,
}

// A client cannot make the engine keep more than this many unanswered calls.
const MAX_HELD: usize = 10_000;
// Shuffling needs a window; 16 answers make orders enough.
const SHUFFLE_WINDOW: usize = 16;

/// One socket of a session.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) handles: Handles,
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) has_sent: bool,
    /// Whether the session existed before this socket came.
    pub(crate) attached: bool,
    pub(crate) progress: BTreeMap<String, Progress>,
    /// `ConfigureReload` has asked for what is wrong with scripts.
    pub(crate) wants_error_data: bool,
    pub(crate) changed: Vec<i64>,
    pub(crate) closed: Vec<i64>,
    pub(crate) suspended: Vec<i64>,
    baselines: HashMap<(i64, String), Map<String, Value>>,
    held: VecDeque<Held>,
    shuffle: VecDeque<Answer>,
    seed: Option<u64>,
    /// Bytes of text in the outbox.
    pub(crate) waiting_bytes: usize,
}

impl Peer {
    /// Writes an answer, and then those that have waited for it.
    ///
    /// Returns whether the answer of a reload was among them.
    pub(crate) fn emit(&mut self, answer: Answer) -> bool {
        let mut queue = VecDeque::from([answer]);
        let mut reloaded = false;
        while let Some(answer) = queue.pop_front() {
            self.write(answer);
            let mut waiting = VecDeque::new();
            for mut held in self.held.drain(..) {
                held.remaining = held.remaining.map(|left| left.saturating_sub(1));
                if held.remaining == Some(0) {
                    reloaded |= held.is_reload;
                    queue.push_back(held.answer);
                } else {
                    waiting.push_back(held);
                }
            }
            self.held = waiting;
        }
        reloaded
    }

    /// Keeps an answer back.
    pub(crate) fn hold(&mut self, answer: Answer, hold: Hold, until_drained: bool, is_reload: bool) {
        if self.held.len() >= MAX_HELD {
            let outcome = Err(EngineError::new(19, "too many held calls"));
            self.write(Answer { outcome, ..answer });
            return;
        }
        let remaining = match hold {
            Hold::After(answers) => Some(answers),
            Hold::Forever => None,
        };
        self.held.push_back(Held { answer, remaining, until_drained, is_reload });
    }

    /// Takes held answers out, e.g. to answer them with an error instead.
    pub(crate) fn take_held(&mut self, matches: impl Fn(&Held) -> bool) -> Vec<Held> {
        let (taken, kept) = self.held.drain(..).partition::<Vec<_>, _>(|held| matches(held));
        self.held = kept.into();
        taken
    }

    /// Puts an answer into the shuffle; it leaves when the window is full or the input is drained.
    pub(crate) fn shuffle(&mut self, answer: Answer, seed: u64) -> bool {
        self.seed.get_or_insert(seed);
        self.shuffle.push_back(answer);
        self.shuffle.len() >= SHUFFLE_WINDOW && self.flush_shuffle()
    }

    fn flush_shuffle(&mut self) -> bool {
        let mut reloaded = false;
        while !self.shuffle.is_empty() {
            // A linear congruential step; its high bits are random enough for an order.
            let seed = self.seed.unwrap_or_default();
            let seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.seed = Some(seed);
            let at = (seed >> 33) as usize % self.shuffle.len();
            if let Some(answer) = self.shuffle.remove(at) {
                reloaded |= self.emit(answer);
            }
        }
        reloaded
    }

    /// Tells that nothing more is to be read for now: answers that waited only to be overtaken leave.
    pub(crate) fn input_drained(&mut self) -> bool {
        let mut reloaded = self.flush_shuffle();
        for held in self.take_held(|held| held.until_drained) {
            reloaded |= self.emit(held.answer);
        }
        reloaded
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.shuffle.is_empty() && !self.held.iter().any(|held| held.until_drained)
    }

    fn write(&mut self, answer: Answer) {
        let Some(id) = answer.id else { return self.push_lists() };
        let mut text = Vec::with_capacity(256);
        text.extend(b"{\"jsonrpc\":\"2.0\",\"id\":");
        append(&mut text, &id);
        match answer.outcome {
            Err(error) => {
                text.extend(b",\"error\":");
                append(&mut text, &error.to_json());
            }
            Ok(result) if answer.delta => {
                text.extend(b",\"delta\":true,\"result\":");
                let key = (answer.handle, answer.method);
                let old = self.baselines.get(&key);
                let deltas: Map<String, Value> = result
                    .iter()
                    .map(|(name, value)| {
                        (name.clone(), patches(old.and_then(|old| old.get(name)), value).into())
                    })
                    .collect();
                append(&mut text, &deltas);
                // Global and every open handle may keep a baseline; a closed one has lost its own already.
                if self.handles.get(key.0).is_some() {
                    self.baselines.insert(key, result);
                }
            }
            Ok(result) => {
                // Clients drop their baseline at a plain answer, so the next delta has to start at the root.
                if !self.baselines.is_empty() {
                    self.baselines.remove(&(answer.handle, answer.method));
                }
                text.extend(b",\"result\":");
                append(&mut text, &result);
            }
        }
        self.finish(text);
    }

    /// Sends the lists that are due in a frame of their own.
    pub(crate) fn push_lists(&mut self) {
        if self.changed.is_empty() && self.closed.is_empty() && self.suspended.is_empty() {
            return;
        }
        self.finish(b"{\"jsonrpc\":\"2.0\"".to_vec());
    }

    /// Adds the lists that are due to a frame, and queues it.
    fn finish(&mut self, mut text: Vec<u8>) {
        self.write_lists(&mut text);
        text.push(b'}');
        // The writer of JSON writes UTF-8 only.
        self.send(String::from_utf8(text).unwrap_or_default());
    }

    fn write_lists(&mut self, text: &mut Vec<u8>) {
        // Close wins over change: nobody can fetch the layout of a handle that is gone.
        let closed = std::mem::take(&mut self.closed);
        let mut changed = std::mem::take(&mut self.changed);
        changed.retain(|handle| !closed.contains(handle));
        for handle in &closed {
            self.baselines.retain(|(owner, _), _| owner != handle);
        }
        let lists =
            [("change", changed), ("close", closed), ("suspend", std::mem::take(&mut self.suspended))];
        for (name, list) in lists {
            if !list.is_empty() {
                text.extend(format!(",\"{name}\":{}", json!(list)).as_bytes());
            }
        }
    }

    /// Takes what waits to leave.
    pub(crate) fn take_outbox(&mut self) -> VecDeque<Outgoing> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.outbox)
    }

    /// Queues a text and wakes the socket task.
    pub(crate) fn send(&mut self, text: String) {
        self.waiting_bytes += text.len();
        self.queue(Outgoing::Text(text.into()));
    }

    pub(crate) fn queue(&mut self, outgoing: Outgoing) {
        self.outbox.push_back(outgoing);
        self.wake.notify_one();
    }

    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }
}

/// Appends a value as JSON, straight into the frame: answers can be many megabytes.
fn append(text: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Writing JSON values into memory cannot fail.
    let _ = serde_json::to_writer(text, value);
}

#[cfg(test)]
mod tests {
    use super::super::handles::Target;
    use super::*;

    fn answer(id: u64, value: Value, delta: bool) -> Answer {
        let result = Map::from_iter([("qReturn".to_owned(), value)]);
        Answer { id: Some(json!(id)), handle: -1, method: "M".into(), delta, outcome: Ok(result) }
    }

    fn texts(peer: &mut Peer) -> Vec<String> {
        peer.outbox
            .drain(..)
            .map(|out| match out {
                Outgoing::Text(text) => text.to_string(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn ids(peer: &mut Peer) -> Vec<u64> {
        texts(peer)
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap()["id"].as_u64().unwrap())
            .collect()
    }

    #[test]
    fn a_held_answer_leaves_after_the_wanted_number_of_others() {
        let mut peer = Peer::default();
        peer.hold(answer(1, json!(1), false), Hold::After(2), false, false);
        peer.hold(answer(2, json!(1), false), Hold::Forever, false, false);
        peer.hold(answer(3, json!(1), false), Hold::After(3), false, false);
        peer.emit(answer(4, json!(1), false));
        assert_eq!(ids(&mut peer), [4]);
        // The released answer counts itself, so it releases the next.
        peer.emit(answer(5, json!(1), false));
        assert_eq!(ids(&mut peer), [5, 1, 3]);
        assert_eq!(peer.take_held(|_| true).len(), 1);
    }

    #[test]
    fn shuffling_is_the_same_for_the_same_seed_and_loses_nothing() {
        let order = |seed| {
            let mut peer = Peer::default();
            for id in 0..40 {
                peer.shuffle(answer(id, json!(0), false), seed);
            }
            peer.input_drained();
            assert!(peer.is_settled());
            ids(&mut peer)
        };
        let mut one = order(7);
        assert_eq!(one, order(7));
        assert_ne!(one, (0..40).collect::<Vec<_>>());
        one.sort_unstable();
        assert_eq!(one, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn deltas_start_at_the_root_and_again_after_a_plain_answer() {
        let mut peer = Peer::default();
        for (value, delta) in [(1, true), (1, true), (2, true), (2, false), (2, true)] {
            peer.emit(answer(1, json!({ "a": value }), delta));
        }
        let results: Vec<Value> = texts(&mut peer)
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap()["result"]["qReturn"].clone())
            .collect();
        let root = |value: i32| json!([{"op":"add","path":"/","value":{"a":value}}]);
        assert_eq!(
            results,
            [root(1), json!([]), json!([{"op":"replace","path":"/a","value":2}]), json!({"a":2}), root(2)]
        );
    }

    #[test]
    fn closing_drops_the_baseline_and_hides_the_change() {
        let mut peer = Peer::default();
        let (handle, _) = peer.handles.open(Target::Field("x".into()));
        peer.emit(Answer { handle, ..answer(1, json!(1), true) });
        assert_eq!(peer.baselines.len(), 1);
        peer.changed = vec![handle, 9];
        peer.closed = vec![handle];
        peer.push_lists();
        assert!(peer.baselines.is_empty());
        assert_eq!(texts(&mut peer)[1], r#"{"jsonrpc":"2.0","change":[9],"close":[1]}"#);
        peer.push_lists();
        assert!(peer.outbox.is_empty());
    }

    #[test]
    fn a_call_without_id_is_not_answered_but_its_changes_are_told() {
        let mut peer = Peer { changed: vec![3], ..Peer::default() };
        peer.emit(Answer { id: None, ..answer(1, json!(1), false) });
        assert_eq!(texts(&mut peer), [r#"{"jsonrpc":"2.0","change":[3]}"#]);
    }
}
