//! Goes through the entries of a recording.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{Asked, Step, connection::Connection};
use crate::record::{Entry, EntryKind, FrameText, ReadError, Side};

/// Makes steps of entries, such as those of [`RecordingParts`](crate::record::RecordingParts).
///
/// ```no_run
/// use qix_proxy::{calls::{Calls, Step}, record::RecordingParts};
///
/// for step in Calls::new(RecordingParts::open(["session.qixrec"])?) {
///     if let Step::Answered(call) = step? {
///         println!("{} took {:?}", call.asked.method, call.latency());
///     }
/// }
/// # Ok::<(), qix_proxy::record::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Calls<E> {
    entries: E,
    steps: Steps,
    /// What is left to be told once there are no more entries.
    ends: Option<VecDeque<Step>>,
}

impl<E: Iterator<Item = Result<Entry, ReadError>>> Calls<E> {
    /// Reads entries.
    pub fn new(entries: impl IntoIterator<IntoIter = E>) -> Self {
        let entries = entries.into_iter();
        Self { entries, steps: Steps::new(), ends: None }
    }

    /// Leaves [`Answered::result`](super::Answered::result) out of answers with patches, unless they open objects, refuse, say what is
    /// selected or how far a reload is, change a title, or have an error in them: to write what was patched costs more than all else.
    #[must_use]
    pub fn without_patched_results(mut self) -> Self {
        self.steps.without_patched_results();
        self
    }

    /// As [`without_patched_results`](Self::without_patched_results), but for the requests with these numbers, in ascending order.
    #[must_use]
    pub(crate) fn patched_results_of(mut self, wanted: Vec<u64>) -> Self {
        self.steps.results = Results::Of(wanted);
        self
    }

    /// Returns what it reads from.
    pub fn entries(&self) -> &E {
        &self.entries
    }

    /// Returns the requests that the latest step has made too many to wait for their answers any longer: those of engines that do
    /// not answer, and those whose answers a recording misses.
    pub fn given_up(&self) -> &[Arc<Asked>] {
        self.steps.given_up()
    }
}

impl<E: Iterator<Item = Result<Entry, ReadError>>> Iterator for Calls<E> {
    type Item = Result<Step, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(ends) = &mut self.ends {
            return ends.pop_front().map(Ok);
        }
        match self.entries.next() {
            Some(Ok(entry)) => Some(Ok(self.steps.take(entry))),
            Some(Err(error)) => {
                // What was found so far is told all the same.
                self.ends = Some(self.steps.ends());
                Some(Err(error))
            }
            None => {
                self.ends = Some(self.steps.ends());
                self.next()
            }
        }
    }
}

/// Of which requests patched results are written out.
#[derive(Debug)]
enum Results {
    All,
    None,
    Of(Vec<u64>),
}

impl Results {
    fn are_wanted(&self, seq: u64) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Of(wanted) => wanted.binary_search(&seq).is_ok(),
        }
    }
}

/// How much the values that patches are about may take on all connections together, in bytes: a recording may have many at a time.
const BASELINES: usize = 1 << 30;

/// Makes a step of each entry that it is given.
#[derive(Debug)]
pub(crate) struct Steps {
    connections: BTreeMap<u64, Connection>,
    given_up: Vec<Arc<Asked>>,
    results: Results,
    /// The latest time.
    at: Duration,
    /// How much memory the values that patches are about take, and may take.
    held: usize,
    limit: usize,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            connections: BTreeMap::new(),
            given_up: Vec::new(),
            results: Results::All,
            at: Duration::ZERO,
            held: 0,
            limit: BASELINES,
        }
    }

    /// As [`Calls::without_patched_results`].
    pub(crate) fn without_patched_results(&mut self) {
        self.results = Results::None;
    }

    /// As [`Calls::given_up`].
    pub(crate) fn given_up(&self) -> &[Arc<Asked>] {
        &self.given_up
    }

    /// Takes in an entry.
    pub(crate) fn take(&mut self, entry: Entry) -> Step {
        let conn = entry.conn;
        let held = |steps: &Self| {
            conn.and_then(|conn| steps.connections.get(&conn)).map_or(0, Connection::footprint)
        };
        let before = held(self);
        let step = self.step(entry);
        self.held = self.held.saturating_sub(before).saturating_add(held(self));
        if self.held > self.limit {
            self.forget();
        }
        step
    }

    /// Forgets the values of the connections that were used longest ago, until half of what may be kept is left.
    fn forget(&mut self) {
        let mut connections: Vec<_> =
            self.connections.values_mut().filter(|connection| connection.footprint() > 0).collect();
        connections.sort_unstable_by_key(|connection| std::cmp::Reverse(connection.latest()));
        self.held = 0;
        for connection in connections {
            let held = self.held.saturating_add(connection.footprint());
            match held <= self.limit / 2 || self.held == 0 {
                true => self.held = held,
                false => connection.forget(),
            }
        }
    }

    fn step(&mut self, entry: Entry) -> Step {
        self.given_up.clear();
        self.at = self.at.max(entry.at);
        let Entry { seq, at, conn, .. } = entry;
        if let EntryKind::Gap(_) = entry.kind {
            // Whatever connection it names: messages of all may be missing.
            self.connections.values_mut().for_each(Connection::gap);
            self.held = 0;
        }
        let Some(conn) = conn else { return Step::Other(entry) };
        match &entry.kind {
            EntryKind::Open(opening) => {
                self.connections.entry(conn).or_insert_with(Connection::new);
                Step::Opened { conn, at, opening: opening.clone() }
            }
            EntryKind::Frame { from, text } => {
                let connection = self.connections.get_mut(&conn);
                let step = connection.and_then(|connection| match (from, text) {
                    (Side::Client, FrameText::Text(bytes) | FrameText::Binary(bytes)) => {
                        connection.asked(&entry, conn, bytes, &mut self.given_up).map(Step::Asked)
                    }
                    (Side::Engine, FrameText::Text(bytes) | FrameText::Binary(bytes)) => {
                        let wants = |seq| self.results.are_wanted(seq);
                        connection.said(&entry, bytes, wants).map(Box::new).map(Step::Answered)
                    }
                    (Side::Engine, FrameText::Omitted(_)) => {
                        connection.gap();
                        None
                    }
                    (Side::Client, FrameText::Omitted(_)) => None,
                });
                if let Some(step) = step {
                    return step;
                }
                Step::Said { seq, conn, at, from: *from, text: text.clone() }
            }
            EntryKind::Close(closing) => {
                let unanswered = self.connections.remove(&conn).map(|mut connection| connection.unanswered());
                let unanswered = unanswered.unwrap_or_default();
                Step::Closed { conn, at, closing: Some(closing.clone()), unanswered }
            }
            _ => Step::Other(entry),
        }
    }

    /// Returns the ends of connections of which the recording has none.
    pub(crate) fn ends(&mut self) -> VecDeque<Step> {
        self.given_up.clear();
        let at = self.at;
        let left = std::mem::take(&mut self.connections).into_iter();
        let end = |(conn, mut connection): (u64, Connection)| Step::Closed {
            conn,
            at,
            closing: None,
            unanswered: connection.unanswered(),
        };
        left.map(end).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::record::{Closing, Gap, Opening};

    /// Makes steps of lines such as `> {…}`, said by the client of one connection, and `< {…}`, by its engine; `o ` is an answer that
    /// was not kept, and `g ` a gap.
    fn steps(script: &[&str]) -> Vec<Step> {
        Calls::new(entries(script)).map(Result::unwrap).collect()
    }

    fn entries(script: &[&str]) -> Vec<Result<Entry, ReadError>> {
        let entry = |(at, line): (usize, &&str)| {
            let text = FrameText::Text(Bytes::copy_from_slice(&line.as_bytes()[2..]));
            let kind = match line.as_bytes()[0] {
                b'+' => EntryKind::Open(Opening::default()),
                b'>' => EntryKind::Frame { from: Side::Client, text },
                b'<' => EntryKind::Frame { from: Side::Engine, text },
                b'o' => EntryKind::Frame { from: Side::Engine, text: FrameText::Omitted(1 << 30) },
                b'g' => EntryKind::Gap(Gap::default()),
                _ => EntryKind::Close(Closing::default()),
            };
            let at = at as u64;
            Ok(Entry { seq: at + 1, at: Duration::from_millis(at), conn: Some(1), began: None, kind })
        };
        script.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn answers_find_their_requests_in_any_order_and_patches_are_applied() {
        let steps = steps(&[
            "+ ",
            r#"> {"id":1,"handle":-1,"method":"OpenDoc","params":["a"],"delta":true}"#,
            r#"< {"id":1,"result":{"qReturn":[{"op":"add","path":"/","value":{"qType":"Doc","qHandle":1,"qGenericId":"a"}}]},"delta":true}"#,
            r#"> {"id":2,"handle":1,"method":"GetAppLayout","params":[],"delta":true}"#,
            r#"> {"id":3,"handle":1,"method":"Nothing"}"#,
            r#"< {"id":3,"error":{"code":-32601,"message":"Method not found"}}"#,
            r#"< {"id":2,"result":{"qLayout":[{"op":"add","path":"/","value":{"a":1}}]},"delta":true,"change":[1]}"#,
            r#"< {"change":[1]}"#,
            r#"> {"id":4,"handle":1,"method":"GetAppLayout","params":[],"delta":true}"#,
            r#"< {"id":4,"result":{"qLayout":[{"op":"replace","path":"/a","value":2}]},"delta":true}"#,
            r#"> {"id":5,"handle":7,"method":"GetLayout","params":[]}"#,
            "x ",
        ]);
        let answered = steps.iter().filter_map(|step| match step {
            Step::Answered(answered) => Some(&**answered),
            _ => None,
        });
        let answered: Vec<_> = answered.collect();
        let methods: Vec<_> = answered.iter().map(|answered| &*answered.asked.method).collect();
        assert_eq!(methods, ["OpenDoc", "Nothing", "GetAppLayout", "GetAppLayout"]);
        assert_eq!(answered[0].opened[0].1.as_ref().unwrap().to_string(), "OpenDoc(\"a\")");
        assert_eq!((answered[1].asked.class(), answered[1].error.is_some()), ("Doc", true));
        assert_eq!(answered[2].latency(), Duration::from_millis(3));
        assert_eq!(answered[3].result.as_deref(), Some(&br#"{"qLayout":{"a":2}}"#[..]));
        assert!(matches!(&steps[7], Step::Said { from: Side::Engine, .. }));
        let Some(Step::Closed { closing: Some(_), unanswered, .. }) = steps.last() else { panic!() };
        assert_eq!((unanswered.len(), unanswered[0].class()), (1, ""));
    }

    #[test]
    fn patched_results_that_nobody_wants_are_left_out_unless_they_open_objects() {
        let script = [
            "+ ",
            r#"> {"id":1,"handle":-1,"method":"OpenDoc","params":["a"],"delta":true}"#,
            r#"< {"id":1,"result":{"qReturn":[{"op":"add","path":"/","value":{"qType":"Doc","qHandle":1,"qGenericId":"a"}}]},"delta":true,"close":[1]}"#,
            r#"> {"id":2,"handle":-1,"method":"OpenDoc","params":["a"],"delta":true}"#,
            r#"< {"id":2,"result":{"qReturn":[]},"delta":true}"#,
            r#"> {"id":3,"handle":1,"method":"GetLayout","params":[],"delta":true}"#,
            r#"< {"id":3,"result":{"qLayout":[{"op":"add","path":"/","value":{"a":1}}]},"delta":true}"#,
            r#"> {"id":4,"handle":1,"method":"GetLayout","params":[],"delta":true}"#,
            r#"< {"id":4,"result":{"qLayout":[{"op":"replace","path":"/a","value":2}]},"delta":true}"#,
        ];
        let found = |step: Result<Step, _>| match step.unwrap() {
            Step::Answered(call) => Some((call.opened.len(), call.result.is_some())),
            _ => None,
        };
        let all: Vec<_> = Calls::new(entries(&script)).filter_map(found).collect();
        assert_eq!(all, [(1, true), (1, true), (0, true), (0, true)]);
        let few: Vec<_> = Calls::new(entries(&script)).without_patched_results().filter_map(found).collect();
        assert_eq!(few, [(1, true), (1, true), (0, false), (0, false)]);
    }

    #[test]
    fn requests_that_nobody_answers_are_given_up_in_time_and_each_is_told_once() {
        let request = |id: Option<u64>| match id {
            Some(id) => format!("> {{\"id\":{id},\"method\":\"M\"}}"),
            None => "> {\"method\":\"M\"}".to_owned(),
        };
        for (ids, requests, kept) in [(false, 400, 256), (true, 20_000, 16_384)] {
            let open = std::iter::once("+ ".to_owned());
            let script: Vec<_> = open.chain((0..requests).map(|id| request(ids.then_some(id)))).collect();
            let script: Vec<_> = script.iter().map(|line| &**line).collect();
            let mut calls = Calls::new(entries(&script));
            let (mut given_up, mut unanswered) = (0, 0);
            while let Some(step) = calls.next() {
                given_up += calls.given_up().len() as u64;
                if let Step::Closed { unanswered: left, .. } = step.unwrap() {
                    unanswered = left.len() as u64;
                }
            }
            assert_eq!((given_up, unanswered), (requests - kept, kept));
        }
    }

    #[test]
    fn ids_that_repeat_and_ids_that_are_missing_find_the_oldest_request() {
        let steps = steps(&[
            "+ ",
            r#"> {"id":0,"method":"A"}"#,
            r#"> {"id":0,"method":"B"}"#,
            r#"> {"method":"C"}"#,
            r#"< {"id":0,"result":{}}"#,
            r#"< {"id":0,"result":{}}"#,
            r#"< {"id":0,"result":{}}"#,
            r#"< {"id":0,"result":{}}"#,
        ]);
        let answered = |step: &Step| match step {
            Step::Answered(answered) => Some(answered.asked.method.clone()),
            _ => None,
        };
        assert_eq!(steps.iter().filter_map(answered).collect::<Vec<_>>(), ["A", "B", "C"]);
    }

    #[test]
    fn patches_behind_an_answer_that_is_missing_are_not_applied_to_what_was_before_it() {
        let start = [
            "+ ",
            r#"> {"id":1,"handle":1,"method":"GetLayout","params":[],"delta":true}"#,
            r#"< {"id":1,"result":{"qLayout":[{"op":"add","path":"/","value":{"a":1,"b":1}}]},"delta":true}"#,
        ];
        let end = [
            r#"> {"id":3,"handle":1,"method":"GetLayout","params":[],"delta":true}"#,
            r#"< {"id":3,"result":{"qLayout":[{"op":"replace","path":"/a","value":3}]},"delta":true}"#,
        ];
        for (missing, applies) in [
            (r#"< {"change":[1]}"#, true),
            ("o ", false),
            ("g ", false),
            (
                r#"< {"id":2,"result":{"qLayout":[{"op":"replace","path":"/b","value":2}]},"delta":true}"#,
                false,
            ),
        ] {
            let steps = steps(&[&start[..], &[missing], &end].concat());
            let Some(Step::Answered(last)) = steps.iter().rfind(|step| matches!(step, Step::Answered(_)))
            else {
                panic!()
            };
            assert_eq!((last.result.is_some(), last.fault.is_none()), (applies, applies), "{missing}");
        }
    }

    #[test]
    fn values_of_connections_used_long_ago_are_forgotten_when_all_take_too_much() {
        let layout = "x".repeat(1000);
        let first = format!(
            r#"{{"id":1,"result":{{"qLayout":[{{"op":"add","path":"/","value":{{"a":1,"b":"{layout}"}}}}]}},"delta":true}}"#
        );
        let next = r#"{"id":1,"result":{"qLayout":[{"op":"replace","path":"/a","value":2}]},"delta":true}"#;
        let mut steps = Steps { limit: 20_000, ..Steps::new() };
        let mut seq = 0;
        let mut take = |conn, kind| {
            seq += 1;
            steps.take(Entry { seq, at: Duration::ZERO, conn: Some(conn), began: None, kind })
        };
        let mut ask = |conn, answer: &str| {
            let text = |text: &str| FrameText::Text(Bytes::copy_from_slice(text.as_bytes()));
            let request = text(r#"{"id":1,"handle":1,"method":"GetLayout","params":[],"delta":true}"#);
            take(conn, EntryKind::Open(Opening::default()));
            take(conn, EntryKind::Frame { from: Side::Client, text: request });
            match take(conn, EntryKind::Frame { from: Side::Engine, text: text(answer) }) {
                Step::Answered(answered) => answered.fault.is_none(),
                _ => panic!(),
            }
        };
        for conn in 0..100 {
            assert!(ask(conn, &first));
        }
        assert!(ask(99, next) && !ask(0, next));
        // One that is used is kept while others come and go.
        for conn in 100..200 {
            assert!(ask(conn, &first) && ask(99, next), "{conn}");
        }
    }

    #[test]
    fn request_whose_answer_may_be_missing_is_given_up_when_its_id_comes_again() {
        for (missing, found) in [("o ", ["B", "C"]), ("g ", ["B", "C"]), ("< {}", ["A", "B"])] {
            let script = [
                "+ ",
                r#"> {"id":1,"method":"A"}"#,
                missing,
                r#"> {"id":1,"method":"B"}"#,
                r#"< {"id":1,"result":{}}"#,
                r#"> {"id":1,"method":"C"}"#,
                r#"< {"id":1,"result":{}}"#,
            ];
            let (mut calls, mut given_up, mut answered) = (Calls::new(entries(&script)), 0, Vec::new());
            while let Some(step) = calls.next() {
                given_up += calls.given_up().len();
                if let Step::Answered(call) = step.unwrap() {
                    answered.push(call.asked.method.clone());
                }
            }
            let lost = usize::from(missing != "< {}");
            assert_eq!((answered, given_up), (found.map(str::to_owned).to_vec(), lost), "{missing}");
        }
        // Ids that do not come again find their answers as ever.
        let steps = steps(&[
            "+ ",
            r#"> {"id":1,"method":"A"}"#,
            "g ",
            r#"> {"id":2,"method":"B"}"#,
            r#"< {"id":1,"result":{}}"#,
        ]);
        assert!(matches!(steps.get(4), Some(Step::Answered(call)) if call.asked.method == "A"));
    }

    #[test]
    fn object_is_known_by_what_the_engine_called_it_until_it_is_closed() {
        let steps = steps(&[
            "+ ",
            r#"> {"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}"#,
            r#"< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"app"}}}"#,
            r#"> {"id":2,"handle":1,"method":"GetLayout"}"#,
            r#"< {"id":2,"result":{},"close":[1]}"#,
            r#"> {"id":3,"handle":1,"method":"GetLayout"}"#,
        ]);
        let id = |step: &Step| match step {
            Step::Asked(asked) => Some(asked.object.as_ref().and_then(|object| object.generic_id.clone())),
            _ => None,
        };
        assert_eq!(steps.iter().filter_map(id).collect::<Vec<_>>(), [None, Some("app".to_owned()), None]);
    }

    #[test]
    fn connection_that_is_said_again_to_be_open_goes_on() {
        let again = Opening { continued: true, ..Opening::default() };
        let mut script = entries(&[
            "+ ",
            r#"> {"id":1,"handle":-1,"method":"OpenDoc","params":["a"]}"#,
            "+ ",
            r#"< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}"#,
        ]);
        script[2].as_mut().unwrap().kind = EntryKind::Open(again);
        let last = Calls::new(script).nth(3).unwrap().unwrap();
        assert!(matches!(last, Step::Answered(answered) if answered.opened.len() == 1));
    }

    #[test]
    fn connection_without_an_end_ends_with_the_recording() {
        let steps = steps(&["+ ", r#"> {"id":1,"method":"M"}"#]);
        let Some(Step::Closed { closing: None, unanswered, .. }) = steps.last() else { panic!() };
        assert_eq!(unanswered.len(), 1);
    }
}
