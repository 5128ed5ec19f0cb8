//! `get-progress-hammering`.

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

/// Nobody sees what changes faster.
const SOON: Duration = Duration::from_millis(200);
/// So many calls must come so soon after each other.
const LEAST: u64 = 10;

pub(super) static RULE: Rule = Rule {
    name: "get-progress-hammering",
    weight: Weight::Normal,
    finds: "progress that is asked for more often than anybody can see",
    why: "The engine answers GetProgress while it reloads; each answer takes time from the reload, and others on the socket wait.",
    remedy: "Ask once a second, and show what was told last meanwhile.",
    limits: &[Limit::time("between two calls, less than", SOON), Limit::count("such calls, at least", LEAST)],
};

#[derive(Debug, Default)]
pub(super) struct Hammering {
    /// The latest call of each connection.
    latest: HashMap<u64, Duration>,
    found: Groups,
}

impl Check for Hammering {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Asked(call) if &*call.method == "GetProgress" => {
                let before = self.latest.insert(call.conn, call.at);
                if before.is_some_and(|before| call.at.saturating_sub(before) < SOON) {
                    self.found.add(format!("connection {}", call.conn), Sight::of(call));
                }
            }
            Event::Disconnected(end) => {
                self.latest.remove(&end.conn);
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        let soon = SOON.as_millis();
        self.found.findings(rule, LEAST, |about, _| {
            format!("GetProgress on {about}, within {soon} ms of the one before")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    fn poll(pause: u64) -> Script {
        Script::new().app().repeat(11, |script, _| {
            script.wait(pause).call(-1, "GetProgress", json!([0]), json!({"qProgressData": {}}))
        })
    }

    #[test]
    fn progress_is_asked_for_at_a_pace_that_people_see() {
        let found = poll(50).found("get-progress-hammering");
        assert_eq!((found.len(), found[0].count, found[0].conn), (1, 10, Some(1)));
        assert!(poll(500).found("get-progress-hammering").is_empty());
    }
}
