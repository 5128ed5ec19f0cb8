//! Goes through the entries of a recording.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{Step, connection::Connection};
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
    connections: BTreeMap<u64, Connection>,
    /// The latest time.
    at: Duration,
    /// What is left to be told once there are no more entries.
    ends: Option<VecDeque<Step>>,
}

impl<E: Iterator<Item = Result<Entry, ReadError>>> Calls<E> {
    /// Reads entries.
    pub fn new(entries: E) -> Self {
        Self { entries, connections: BTreeMap::new(), at: Duration::ZERO, ends: None }
    }

    /// Returns what it reads from.
    pub fn entries(&self) -> &E {
        &self.entries
    }

    fn step(&mut self, entry: Entry) -> Step {
        self.at = self.at.max(entry.at);
        let Entry { seq, at, conn, .. } = entry;
        let Some(conn) = conn else {
            if let EntryKind::Gap(_) = entry.kind {
                self.connections.values_mut().for_each(Connection::gap);
            }
            return Step::Other(entry);
        };
        match &entry.kind {
            EntryKind::Open(opening) => {
                self.connections.entry(conn).or_default();
                Step::Opened { conn, at, opening: opening.clone() }
            }
            EntryKind::Frame { from, text } => {
                if let (Some(connection), FrameText::Text(bytes) | FrameText::Binary(bytes)) =
                    (self.connections.get_mut(&conn), text)
                {
                    let step = match from {
                        Side::Client => connection.asked(&entry, conn, bytes).map(Step::Asked),
                        Side::Engine => connection.said(&entry, bytes).map(Box::new).map(Step::Answered),
                    };
                    if let Some(step) = step {
                        return step;
                    }
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
    fn ends(&mut self) -> VecDeque<Step> {
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

impl<E: Iterator<Item = Result<Entry, ReadError>>> Iterator for Calls<E> {
    type Item = Result<Step, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(ends) = &mut self.ends {
            return ends.pop_front().map(Ok);
        }
        match self.entries.next() {
            Some(Ok(entry)) => Some(Ok(self.step(entry))),
            Some(Err(error)) => {
                // What was found so far is told all the same.
                self.ends = Some(self.ends());
                Some(Err(error))
            }
            None => {
                self.ends = Some(self.ends());
                self.next()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::record::{Closing, Opening};

    /// Makes steps of lines such as `> {…}`, said by the client of one connection, and `< {…}`, by its engine.
    fn steps(script: &[&str]) -> Vec<Step> {
        let entry = |(at, line): (usize, &&str)| {
            let text = FrameText::Text(Bytes::copy_from_slice(&line.as_bytes()[2..]));
            let kind = match line.as_bytes()[0] {
                b'+' => EntryKind::Open(Opening::default()),
                b'>' => EntryKind::Frame { from: Side::Client, text },
                b'<' => EntryKind::Frame { from: Side::Engine, text },
                _ => EntryKind::Close(Closing::default()),
            };
            let at = at as u64;
            Ok(Entry { seq: at + 1, at: Duration::from_millis(at), conn: Some(1), kind })
        };
        Calls::new(script.iter().enumerate().map(entry)).map(Result::unwrap).collect()
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
        assert_eq!(answered[0].opened[0].1.to_string(), "OpenDoc(\"a\")");
        assert_eq!((answered[1].asked.class(), answered[1].error.is_some()), ("Doc", true));
        assert_eq!(answered[2].latency(), Duration::from_millis(3));
        assert_eq!(answered[3].result.as_deref(), Some(&br#"{"qLayout":{"a":2}}"#[..]));
        assert!(matches!(&steps[7], Step::Said { from: Side::Engine, .. }));
        let Some(Step::Closed { closing: Some(_), unanswered, .. }) = steps.last() else { panic!() };
        assert_eq!((unanswered.len(), unanswered[0].class()), (1, ""));
    }

    #[test]
    fn connection_without_an_end_ends_with_the_recording() {
        let steps = steps(&["+ ", r#"> {"id":1,"method":"M"}"#]);
        let Some(Step::Closed { closing: None, unanswered, .. }) = steps.last() else { panic!() };
        assert_eq!(unanswered.len(), 1);
    }
}
