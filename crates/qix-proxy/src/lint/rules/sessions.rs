//! `too-many-sessions`.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    lint::{
        Finding, Rule,
        check::Check,
        groups::{Groups, Sight},
        rule::Limit,
    },
    model::{Event, Weight},
};

/// Sense gives a user so many.
const MOST: u64 = 5;

pub(super) static RULE: Rule = Rule {
    name: "too-many-sessions",
    weight: Weight::Odd,
    finds: "more than five sessions at once",
    why: "A user of Qlik Sense may have five sessions at a time: the sixth is refused, or ends another one. A recording does not say whose a connection \
          is, so they are taken for one user's; ignore this rule where they are not.",
    remedy: "Share a session between the parts of a page and between pages (an identity in the URL, a pool of sessions), and close those that are not used.",
    limits: &[Limit::count("sessions at once, more than", MOST)],
};

#[derive(Debug, Default)]
pub(super) struct TooMany {
    /// The session of each open connection that was used.
    sessions: HashMap<u64, u64>,
    /// The session that each open connection would have alone, and when it was opened.
    new: HashMap<u64, (u64, Duration)>,
    /// How many connections a session has.
    open: BTreeMap<u64, u64>,
    found: Groups,
}

impl TooMany {
    fn count(&mut self, conn: u64, session: u64, sight: Sight) {
        match self.sessions.insert(conn, session) {
            Some(before) if before == session => return,
            // It was counted with a session of its own before it was greeted.
            Some(before) => self.leave(before),
            None => {}
        }
        let connections = self.open.entry(session).or_default();
        *connections += 1;
        if *connections == 1 && self.open.len() as u64 > MOST {
            self.found.add("sessions".to_owned(), sight);
        }
    }

    fn leave(&mut self, session: u64) {
        if let Some(connections) = self.open.get_mut(&session) {
            *connections -= 1;
            if *connections == 0 {
                self.open.remove(&session);
            }
        }
    }
}

impl Check for TooMany {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Connected(connection) if connection.refused.is_none() => {
                self.new.insert(connection.conn, (connection.session, connection.at));
            }
            // Only now is it known whether the session is one that others have.
            Event::Greeted { conn, session, .. } => {
                let at = self.new.get(conn).map_or(Duration::ZERO, |(_, at)| *at);
                self.count(*conn, *session, Sight { at, conn: Some(*conn), ..Sight::default() });
            }
            Event::Asked(call) => {
                if !self.sessions.contains_key(&call.conn)
                    && let Some((session, _)) = self.new.get(&call.conn).copied()
                {
                    self.count(call.conn, session, Sight { object: None, ..Sight::of(call) });
                }
            }
            Event::Notice(notice) if notice.words.starts_with("OnMaxParallelSessionsExceeded") => {
                let sight = Sight { at: notice.at, conn: notice.conn, ..Sight::default() };
                self.found.add("the engine's word (OnMaxParallelSessionsExceeded)".to_owned(), sight);
            }
            Event::Disconnected(end) => {
                self.new.remove(&end.conn);
                if let Some(session) = self.sessions.remove(&end.conn) {
                    self.leave(session);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, 1, |about, _| format!("{about} beyond {MOST} at once"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    fn connections(state: &str, close: bool) -> Script {
        (1..8).fold(Script::new(), |script, conn| {
            let state = if conn == 1 { "SESSION_CREATED" } else { state };
            let greeting = json!({"method": "OnConnected", "params": {"qSessionState": state}});
            let script = script.connect(conn).push(greeting).call(-1, "EngineVersion", json!([]), json!({}));
            if close { script.close() } else { script }
        })
    }

    #[test]
    fn sixth_session_and_those_after_it_are_too_many() {
        let found = connections("SESSION_CREATED", false).found("too-many-sessions");
        assert_eq!((found.len(), found[0].count), (1, 2));
        assert!(found[0].at > std::time::Duration::ZERO);
        assert!(
            connections("SESSION_ATTACHED", false).found("too-many-sessions").is_empty(),
            "they share one"
        );
        assert!(
            connections("SESSION_CREATED", true).found("too-many-sessions").is_empty(),
            "they are closed"
        );
    }

    #[test]
    fn sessions_are_too_many_if_the_engine_says_so() {
        let said = json!({"method": "OnMaxParallelSessionsExceeded", "params": {}});
        let found = Script::new().app().push(said).found("too-many-sessions");
        assert!(found[0].words.contains("the engine's word"), "{found:?}");
    }
}
