//! Which recorded connections were sockets of one session, and what its writes have made of it.

use super::{listener::Cause, path::SessionPath, state::State};

/// The sessions of a recording.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    /// The session of each connection that is open.
    open: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Session {
    path: String,
    /// The connection that was its first.
    begun_by: usize,
    state: State,
    /// The latest call, to which lists are tied.
    latest: Option<Cause>,
    /// How many of its connections are open.
    sockets: usize,
}

impl Sessions {
    /// Takes in a new connection and returns its session: that of one which is open on the same path, if the client `names` its
    /// session by an identity or header, until a greeting says more.
    pub(crate) fn open(&mut self, tape: usize, path: &str, names: bool) -> usize {
        let path = &without_ttl(path);
        let joins = |session: &Session| names && session.sockets > 0 && session.path == *path;
        let found = self.sessions.iter().rposition(joins);
        let session = found.unwrap_or_else(|| self.begin(tape, path));
        self.join(tape, session);
        session
    }

    /// Takes in what the greeting says of the session, and returns which one it is.
    pub(crate) fn greeted(&mut self, tape: usize, path: &str, state: &[u8]) -> usize {
        let path = &without_ttl(path);
        let now = self.open[tape].unwrap_or_default();
        let alone = self.sessions[now].sockets == 1 && self.sessions[now].begun_by == tape;
        let session = match state {
            b"\"SESSION_CREATED\"" if alone => return now,
            b"\"SESSION_CREATED\"" => self.begin(tape, path),
            // It may have outlived its last socket.
            b"\"SESSION_ATTACHED\"" if alone => {
                let before = self.sessions[..now].iter().rposition(|session| session.path == *path);
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

    pub(crate) fn close(&mut self, tape: usize) {
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

    fn begin(&mut self, tape: usize, path: &str) -> usize {
        self.sessions.push(Session {
            path: path.to_owned(),
            begun_by: tape,
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
fn without_ttl(path: &str) -> String {
    SessionPath::parse(path).without_ttl
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_name_their_session_share_it_while_one_is_open() {
        let mut sessions = Sessions::default();
        let first = sessions.open(0, "/app/x/ttl/5", true);
        assert_eq!(sessions.open(1, "/app/x/ttl/60", true), first);
        assert_ne!(sessions.open(2, "/app/y", true), first);
        assert_ne!(sessions.open(3, "/app/x", false), first);
        sessions.close(0);
        sessions.close(1);
        assert_ne!(sessions.open(4, "/app/x/ttl/5", true), first);
    }

    #[test]
    fn greeting_says_whether_the_session_is_new_even_if_it_comes_late() {
        let mut sessions = Sessions::default();
        let (created, attached) = (b"\"SESSION_CREATED\"", b"\"SESSION_ATTACHED\"");
        let first = sessions.open(0, "/app/x/ttl/5", false);
        assert_eq!(sessions.greeted(0, "/app/x/ttl/5", created), first);
        sessions.open(1, "/app/x/ttl/7", false);
        assert_eq!(sessions.greeted(1, "/app/x/ttl/7", attached), first);
        sessions.close(0);
        sessions.close(1);
        let fresh = sessions.open(2, "/app/x", false);
        assert_eq!(sessions.greeted(2, "/app/x", created), fresh);
        // It named itself, and the engine says that it is another session all the same.
        let named = sessions.open(3, "/app/x", true);
        assert_eq!(named, fresh);
        let other = sessions.greeted(3, "/app/x", created);
        assert_ne!(other, fresh);
        sessions.close(2);
        sessions.close(3);
        // It has outlived its last socket.
        sessions.open(4, "/app/x", false);
        assert_eq!(sessions.greeted(4, "/app/x", attached), other);
        let unknown = sessions.open(5, "/app/z", false);
        assert_eq!(sessions.greeted(5, "/app/z", attached), unknown);
    }
}
