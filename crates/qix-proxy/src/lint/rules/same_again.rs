//! `same-layout-again`.

use std::collections::HashMap;

use crate::{
    lint::{
        Finding, Rule,
        answers::{Answered, answered, hash},
        check::{Check, call_of},
        groups::{Groups, Sight},
        open::Open,
        rule::Limit,
    },
    model::{Event, Fetch, Weight},
};

/// So often must an answer come again.
const LEAST: u64 = 2;
/// After a change that was none for the object, smaller answers are no loss.
const LARGE: u64 = 10_000;
/// The most answers that are known.
const MOST: usize = 100_000;

pub(super) static RULE: Rule = Rule {
    name: "same-layout-again",
    weight: Weight::Normal,
    finds: "layouts and data that came a second time, equal to the byte: on another handle or connection of the same session, or after a change that \
            was none for the object",
    why: "Two parts of a page that each open the object for themselves have the engine answer, and the network carry, everything twice. After a change \
          that makes no difference to an object, a delta answer is empty, and a whole one is as large as before.",
    remedy: "Share one open object and its layout between the parts of a page; turn deltas on for large layouts.",
    limits: &[
        Limit::count("equal answers, at least", LEAST),
        Limit::bytes("size of an equal answer on the same handle, at least", LARGE),
    ],
};

#[derive(Debug, Default)]
pub(super) struct SameAgain {
    /// The session of each connection.
    sessions: HashMap<u64, u64>,
    /// The latest answer to a question, by what was asked of which object of which session.
    answers: HashMap<u64, Known>,
    /// The questions that were put to an object.
    questions: Open<Vec<u64>>,
    found: Groups,
}

#[derive(Debug)]
struct Known {
    answer: u64,
    object: u64,
}

impl SameAgain {
    /// Forgets the answers of objects that an event closes.
    fn forget(&mut self, objects: &[u64]) {
        for number in objects {
            for question in self.questions.get(*number).into_iter().flatten() {
                if self.answers.get(question).is_some_and(|known| known.object == *number) {
                    self.answers.remove(question);
                }
            }
        }
    }
}

impl Check for SameAgain {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Connected(connection) => {
                self.sessions.insert(connection.conn, connection.session);
            }
            Event::Greeted { conn, session, .. } => {
                self.sessions.insert(*conn, *session);
            }
            Event::Disconnected(end) => {
                self.sessions.remove(&end.conn);
            }
            Event::Closed { objects, .. } => self.forget(objects),
            _ => {}
        }
        self.questions.follow(event);
        let Event::Called(called) = event else { return };
        let (call, body) = (&called.call, &called.body);
        let (Some(fetch), Some(answer), Some(came)) = (call.fetch, &call.answer, answered(body)) else {
            return;
        };
        let Some(lineage) = &call.object.lineage else { return };
        let session = self.sessions.get(&call.conn);
        let question = hash((session, lineage.to_string(), &*call.method, &body.params));
        let came = match came {
            Answered::Whole(value) => hash(value.as_bytes()),
            Answered::AsBefore => return,
            Answered::Part => {
                self.answers.remove(&question);
                return;
            }
        };
        let known = Known { answer: came, object: call.object.number };
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        let before = self.answers.insert(question, known);
        if let Some(questions) = self.questions.entry(call.object.number)
            && questions.len() < 64
            && !questions.contains(&question)
        {
            questions.push(question);
        }
        // The other rule is about what was asked for without a change.
        let is_again = |before: &Known| before.answer == came && fetch != Fetch::Unchanged;
        let Some(before) = before.filter(is_again) else { return };
        if before.object != call.object.number {
            self.found.add(format!("{} on another handle", call_of(call)), Sight::wasted(call));
        } else if answer.bytes >= LARGE && !call.delta {
            self.found
                .add(format!("{} after a change that was none for it", call_of(call)), Sight::wasted(call));
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, LEAST, |about, _| format!("{about}: the same answer again"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::lint::script::Script;

    fn layout(text: &str) -> Value {
        json!({"qLayout": {"title": "Sales", "text": text}})
    }

    #[test]
    fn two_handles_of_one_session_need_not_fetch_the_same() {
        let again = |greeting, text| {
            let mut script = Script::new().connect(1);
            script =
                script.push(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_CREATED"}}));
            script =
                script.opened_app().object(2, "kpi", "KP01").call(2, "GetLayout", json!([]), layout("a"));
            script = script
                .connect(2)
                .push(json!({"method": "OnConnected", "params": {"qSessionState": greeting}}));
            script = script.opened_app().object(2, "kpi", "KP01");
            script = script.call(2, "GetLayout", json!([]), layout(text));
            script = script
                .connect(3)
                .push(json!({"method": "OnConnected", "params": {"qSessionState": greeting}}));
            script = script.opened_app().object(2, "kpi", "KP01");
            script.call(2, "GetLayout", json!([]), layout(text)).found("same-layout-again")
        };
        let found = again("SESSION_ATTACHED", "a");
        assert_eq!((found.len(), found[0].count), (1, 2), "{found:?}");
        assert!(found[0].words.contains("on another handle"));
        assert!(again("SESSION_CREATED", "a").is_empty(), "sessions of their own");
        assert_eq!(again("SESSION_ATTACHED", "b").len(), 0, "another answer, and only one more like it");
    }

    #[test]
    fn large_answer_that_is_as_before_after_a_change_is_found_and_one_that_differs_is_not() {
        let run = |texts: [String; 3]| {
            let script = Script::new().app().object(2, "table", "TB01");
            texts
                .iter()
                .fold(script, |script, text| {
                    script.push(json!({"change": [2]})).call(2, "GetLayout", json!([]), layout(text))
                })
                .found("same-layout-again")
        };
        let found = run(["x".repeat(10_000), "x".repeat(10_000), "x".repeat(10_000)]);
        assert_eq!((found.len(), found[0].count), (1, 2));
        assert!(run(["x".repeat(10_000), "y".repeat(10_000), "z".repeat(10_000)]).is_empty());
        assert!(run(["x".to_owned(), "x".to_owned(), "x".to_owned()]).is_empty());
    }
}
