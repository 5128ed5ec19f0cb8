//! Which recorded connections were sockets of one session, and what its writes have made of it.

use super::{listener::Cause, state::State};

/// The sessions of a recording.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: Vec<Session>,
    /// The session of each connection that is open.
    open: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Session {
    path: String,
    state: State,
    /// The latest call, to which lists are tied.
    latest: Option<Cause>,
    /// How many of its connections are open.
    sockets: usize,
}

impl Sessions {
    /// Takes in a new connection and returns its session: that of one which is open on the same path, until a greeting says more.
    pub(super) fn open(&mut self, tape: usize, path: &str) -> usize {
        let path = without_ttl(path);
        let found = self.sessions.iter().rposition(|session| session.sockets > 0 && session.path == path);
        let session = found.unwrap_or_else(|| self.begin(path));
        self.join(tape, session);
        session
    }

    /// Takes in what the greeting says of the session, and returns which one it is.
    pub(super) fn greeted(&mut self, tape: usize, path: &str, state: &[u8]) -> usize {
        let path = without_ttl(path);
        let now = self.open[tape].unwrap_or_default();
        let alone = self.sessions[now].sockets <= 1 && self.sessions[now].latest.is_none();
        let session = match state {
            b"\"SESSION_CREATED\"" if alone => return now,
            b"\"SESSION_CREATED\"" => self.begin(path),
            // It may have outlived its last socket.
            b"\"SESSION_ATTACHED\"" if alone => {
                let before = self.sessions[..now].iter().rposition(|session| session.path == path);
                match before {
                    Some(before) => before,
                    None => return now,
                }
            }
            _ => return now,
        };
        self.close(tape);
        self.join(tape, session);
        session
    }

    pub(super) fn close(&mut self, tape: usize) {
        if let Some(session) = self.open.get_mut(tape).and_then(Option::take) {
            self.sessions[session].sockets -= 1;
        }
    }

    /// Returns what the writes of a session have made of it.
    pub(super) fn state(&mut self, session: usize) -> &mut State {
        &mut self.sessions[session].state
    }

    /// Notes the latest call of a session.
    pub(super) fn note(&mut self, session: usize, cause: Cause) {
        self.sessions[session].latest = Some(cause);
    }

    pub(super) fn latest(&self, session: usize) -> Option<Cause> {
        self.sessions[session].latest
    }

    fn begin(&mut self, path: &str) -> usize {
        self.sessions.push(Session {
            path: path.to_owned(),
            state: State::default(),
            latest: None,
            sockets: 0,
        });
        self.sessions.len() - 1
    }

    fn join(&mut self, tape: usize, session: usize) {
        if self.open.len() <= tape {
            self.open.resize(tape + 1, None);
        }
        self.open[tape] = Some(session);
        self.sessions[session].sockets += 1;
    }
}

/// Returns a path without the part that says how long its session is to live.
fn without_ttl(path: &str) -> &str {
    match path.find("/ttl/") {
        Some(at) => &path[..at],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_one_path_share_a_session_while_one_is_open_or_if_the_greeting_says_so() {
        let mut sessions = Sessions::default();
        let first = sessions.open(0, "/app/x/ttl/5");
        assert_eq!(sessions.open(1, "/app/x/ttl/60"), first);
        assert_ne!(sessions.open(2, "/app/y"), first);
        let other = sessions.open(3, "/app/x");
        assert_eq!(other, first);
        let created = sessions.greeted(3, "/app/x", b"\"SESSION_CREATED\"");
        assert_ne!(created, first);
        sessions.close(3);
        sessions.close(0);
        sessions.close(1);
        // All have left: a new session, unless the engine says that it is the old one.
        let fresh = sessions.open(4, "/app/x");
        assert!(fresh != first && fresh != created);
        assert_eq!(sessions.greeted(4, "/app/x", b"\"SESSION_ATTACHED\""), created);
    }
}
