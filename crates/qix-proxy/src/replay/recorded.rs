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
    /// Finds the sessions of a recording, or takes all of it for one.
    ///
    /// The greeting says whether a socket was attached to a session that existed. Without one, sockets with the same path that
    /// were open at the same time count as one session.
    pub(super) fn all(tapes: &[Tape], merge: bool) -> Vec<Self> {
        let mut sessions: Vec<Self> = Vec::new();
        for (number, tape) in tapes.iter().enumerate() {
            let path = SessionPath::parse(&tape.path);
            let overlaps = |session: &Self| {
                session
                    .tapes
                    .iter()
                    .any(|other| tapes[*other].closed.is_none_or(|closed| closed > tape.opened))
            };
            let belongs = |session: &&mut Self| {
                let same = session.path.without_ttl == path.without_ttl;
                merge
                    || same
                        && match tape.attached {
                            Some(attached) => attached,
                            None => overlaps(session) && (path.has_identity || tape.has_session_header),
                        }
            };
            // The latest, because a session that was created anew replaces its predecessor.
            match sessions.iter_mut().rev().find(belongs) {
                Some(session) => {
                    session.overlaps |= overlaps(session) && !merge;
                    session.tapes.push(number);
                }
                None => sessions.push(Self { path, tapes: vec![number], overlaps: false }),
            }
        }
        sessions
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tape(path: &str, attached: Option<bool>, from: u64, to: u64) -> Tape {
        let closed = Some(Duration::from_secs(to));
        Tape { path: path.to_owned(), attached, opened: Duration::from_secs(from), closed, ..Tape::default() }
    }

    fn groups(tapes: &[Tape], merge: bool) -> Vec<Vec<usize>> {
        RecordedSession::all(tapes, merge).into_iter().map(|session| session.tapes).collect()
    }

    #[test]
    fn greeting_says_which_socket_was_attached() {
        let tapes = [
            tape("/app/x/ttl/5", Some(false), 0, 10),
            tape("/app/y", Some(false), 1, 2),
            tape("/app/x/ttl/7", Some(true), 3, 11),
            tape("/app/x/ttl/5", Some(false), 20, 21),
            tape("/app/x/ttl/5", Some(true), 22, 23),
            tape("/app/z", Some(true), 30, 31),
        ];
        assert_eq!(groups(&tapes, false), [vec![0, 2], vec![1], vec![3, 4], vec![5]]);
        assert_eq!(groups(&tapes, true), [vec![0, 1, 2, 3, 4, 5]]);
        let overlaps: Vec<bool> =
            RecordedSession::all(&tapes, false).iter().map(|session| session.overlaps).collect();
        assert_eq!(overlaps, [true, false, false, false]);
    }

    #[test]
    fn without_greeting_sockets_with_one_identity_that_overlap_share_a_session() {
        let path = "/app/x/identity/i";
        let tapes = [tape(path, None, 0, 10), tape(path, None, 5, 6), tape(path, None, 10, 12)];
        assert_eq!(groups(&tapes, false), [vec![0, 1], vec![2]]);
        assert_eq!(groups(&[tape("/app/x", None, 0, 9), tape("/app/x", None, 1, 9)], false), [[0], [1]]);
    }
}
