//! Which recorded connections were sockets of one session.

use super::{path::SessionPath, tape::Tape};

/// A session of the recording.
#[derive(Debug)]
pub(super) struct RecordedSession {
    pub(super) path: SessionPath,
    /// Its connections, in recorded order.
    pub(super) tapes: Vec<usize>,
    /// Whether two of them were open at the same time.
    pub(super) overlaps: bool,
}

impl RecordedSession {
    /// Returns the sessions of a recording, or all of it as one.
    pub(super) fn all(tapes: &[Tape], merge: bool) -> Vec<Self> {
        let mut sessions: Vec<(usize, Self)> = Vec::new();
        // What an upstream has added is looked up, and played by nobody who could play what a client has recorded.
        let only_added = tapes.iter().all(|tape| tape.added);
        for (number, tape) in tapes.iter().enumerate().filter(|(_, tape)| !tape.added || only_added) {
            match sessions.iter_mut().find(|(session, _)| merge || *session == tape.session) {
                Some((_, session)) => {
                    let overlaps =
                        |other: &usize| tapes[*other].closed.is_none_or(|closed| closed > tape.opened);
                    session.overlaps |= session.tapes.iter().any(overlaps) && !merge;
                    session.tapes.push(number);
                }
                None => {
                    let path = SessionPath::parse(&tape.path);
                    sessions.push((tape.session, Self { path, tapes: vec![number], overlaps: false }));
                }
            }
        }
        sessions.into_iter().map(|(_, session)| session).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tape(path: &str, session: usize, from: u64, to: u64) -> Tape {
        let closed = Some(Duration::from_secs(to));
        Tape { path: path.to_owned(), session, opened: Duration::from_secs(from), closed, ..Tape::default() }
    }

    #[test]
    fn sessions_have_their_connections_in_recorded_order() {
        let tapes = [
            tape("/app/x/ttl/5", 0, 0, 10),
            tape("/app/y", 1, 1, 2),
            tape("/app/x/ttl/7", 0, 3, 11),
            tape("/app/x/ttl/5", 2, 20, 21),
            tape("/app/x/ttl/5", 2, 22, 23),
        ];
        let groups = |merge| {
            let sessions = RecordedSession::all(&tapes, merge).into_iter();
            sessions.map(|session| (session.tapes, session.overlaps)).collect::<Vec<_>>()
        };
        assert_eq!(groups(false), [(vec![0, 2], true), (vec![1], false), (vec![3, 4], false)]);
        assert_eq!(groups(true), [(vec![0, 1, 2, 3, 4], false)]);
    }
}
