//! `socket-left-open` and `call-after-the-end`.

use std::{collections::HashMap, time::Duration};

use crate::{
    lint::{
        Finding, Rule,
        check::Check,
        groups::{Groups, Sight},
        rule::Limit,
    },
    model::{Event, Weight},
};

/// A connection on which nothing was said for so long is idle.
const IDLE: Duration = Duration::from_secs(600);

pub(super) static LEFT_OPEN: Rule = Rule {
    name: "socket-left-open",
    weight: Weight::Normal,
    finds: "connections that stay open long after their last call",
    why: "An open connection keeps the session, its app and all its objects in the engine's memory, and counts among the user's sessions.",
    remedy: "Close the session when the last view of the app goes, and when a page is hidden for long (enigma.js: session.close, or suspend).",
    limits: &[Limit::time("open after the last message, at least", IDLE)],
};

pub(super) static AFTER_END: Rule = Rule {
    name: "call-after-the-end",
    weight: Weight::Bad,
    finds: "calls on a connection of which the engine, or the proxy before it, has said that it is over",
    why: "After such a notification nothing is answered any more: the calls hang, and the user does not learn why.",
    remedy: "Listen to notifications; at a fatal one stop, say why, and open a new session if that can help.",
    limits: &[],
};

#[derive(Debug, Default)]
pub(super) struct LeftOpen {
    /// When something was said last, and whether there was any call.
    latest: HashMap<u64, (Duration, bool)>,
    found: Groups,
}

impl Check for LeftOpen {
    fn take(&mut self, event: &Event) {
        let mut heard = |conn: u64, at: Duration, is_call: bool| {
            let latest = self.latest.entry(conn).or_default();
            *latest = (latest.0.max(at), latest.1 || is_call);
        };
        match event {
            Event::Connected(connection) if connection.refused.is_none() => {
                heard(connection.conn, connection.at, false);
            }
            Event::Asked(call) => heard(call.conn, call.at, true),
            Event::Called(called) => {
                if let Some(answer) = &called.call.answer {
                    heard(called.call.conn, answer.at, true);
                }
            }
            Event::Changed(change) => heard(change.conn, change.at, false),
            Event::Disconnected(end) => {
                let Some((at, used)) = self.latest.remove(&end.conn) else { return };
                if end.at.saturating_sub(at) < IDLE {
                    return;
                }
                let about = match (used, end.is_open) {
                    (false, _) => "connection on which no call was ever made",
                    (true, true) => "connection that is open at the end of the recording",
                    (true, false) => "connection that was closed at last",
                };
                self.found.add(about.to_owned(), Sight { at, conn: Some(end.conn), ..Sight::default() });
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        let idle = IDLE.as_secs() / 60;
        self.found.findings(rule, 1, |about, _| format!("{about}, idle for {idle} minutes or more"))
    }
}

#[derive(Debug, Default)]
pub(super) struct AfterEnd {
    /// The first word of what the engine said, by connection.
    ended: HashMap<u64, String>,
    found: Groups,
}

impl Check for AfterEnd {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Notice(notice) if notice.weight == Weight::Bad => {
                if let Some(conn) = notice.conn {
                    let said = notice.words.split(':').next().unwrap_or_default();
                    self.ended.entry(conn).or_insert_with(|| said.to_owned());
                }
            }
            Event::Asked(call) => {
                if let Some(said) = self.ended.get(&call.conn) {
                    self.found.add(said.clone(), Sight::of(call));
                }
            }
            Event::Disconnected(end) => {
                self.ended.remove(&end.conn);
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, 1, |about, _| format!("calls after {about}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    #[test]
    fn connection_that_stays_open_for_long_is_found_whether_it_is_closed_or_not() {
        let minutes = |minutes: u64| Script::new().app().wait(minutes * 60_000);
        assert!(minutes(11).close().found("socket-left-open")[0].words.contains("closed at last"));
        assert!(minutes(9).close().found("socket-left-open").is_empty());
        let open = minutes(11).connect(2).close().found("socket-left-open");
        assert!(open[0].words.contains("open at the end"), "{open:?}");
        let unused = Script::new().connect(1).wait(700_000).close().found("socket-left-open");
        assert!(unused[0].words.contains("no call was ever made"), "{unused:?}");
    }

    #[test]
    fn calls_after_the_end_of_the_session_are_found() {
        let call = |script: Script| script.ask(1, "GetAppLayout", json!([]));
        let ended = |severity: &str| {
            let params = json!({"message": "idle too long", "severity": severity});
            call(Script::new().app().push(json!({"method": "OnSessionTimedOut", "params": params})))
        };
        let found = ended("fatal").close().found("call-after-the-end");
        assert_eq!((found[0].count, &*found[0].words), (1, "calls after OnSessionTimedOut"));
        let greeted = json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_CREATED"}});
        assert!(call(Script::new().app().push(greeted)).close().found("call-after-the-end").is_empty());
    }
}
