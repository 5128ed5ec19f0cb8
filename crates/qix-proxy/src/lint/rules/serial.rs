//! `serial-calls`.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{Effect, frame::Raw};

use crate::{
    lint::{
        Finding, Rule,
        answers::texts,
        check::{Check, method},
        groups::{Groups, Sight},
        rule::Limit,
    },
    model::{Body, Call, Event, Weight},
};

/// A client that takes longer than this before its next call may have done something meanwhile.
const THINKING: Duration = Duration::from_millis(20);
/// So many calls must follow each other.
const LEAST: u64 = 5;
/// Sending them together must save so much: at an engine next door, calls that were sent together look as if they waited.
const SAVED: Duration = Duration::from_millis(10);
/// In how many answers before a call it is looked for what the call says.
const ANSWERS: usize = 4;
/// Larger answers are not searched: what follows them may need them.
const SEARCHED: usize = 1 << 20;
/// Shorter texts are found everywhere.
const SHORTEST: usize = 5;

/// Calls that say more are taken to need what was told: to look for each text takes too long.
const MOST_TEXTS: usize = 100;

pub(super) static RULE: Rule = Rule {
    name: "serial-calls",
    weight: Weight::Odd,
    finds: "calls that wait for each other though none needs what the others said",
    why: "A socket takes any number of requests at once. One request after the other costs a round trip each; together they cost one.",
    remedy: "Send them together and wait for all: Promise.all in JavaScript, join! in Rust, asyncio.gather in Python.",
    limits: &[
        Limit::count("reading calls one after the other, at least", LEAST),
        Limit::time("pause between an answer and the next call, at most", THINKING),
        Limit::time("time that sending them together would save, at least", SAVED),
    ],
};

#[derive(Debug, Default)]
pub(super) struct Serial {
    connections: HashMap<u64, Line>,
    found: Groups,
}

/// What happens on one connection.
#[derive(Debug, Default)]
struct Line {
    /// How many calls wait for an answer.
    waiting: u64,
    /// The call that was made when no other waited, and whether right after an answer.
    alone: Option<(u64, bool)>,
    /// When the latest answer was there.
    answered: Option<Duration>,
    /// The latest answers of the run.
    answers: VecDeque<Bytes>,
    run: Run,
}

#[derive(Debug, Default)]
struct Run {
    sight: Sight,
    methods: Vec<String>,
    /// What the calls have opened.
    opened: Vec<u64>,
    longest: Duration,
    /// The object of the latest call.
    last: u64,
}

impl Line {
    fn end(&mut self, found: &mut Groups) {
        let Run { mut sight, methods, longest, .. } = std::mem::take(&mut self.run);
        self.answers.clear();
        // Together they would have taken as long as the longest.
        sight.time = sight.time.saturating_sub(longest);
        if sight.times >= LEAST && sight.time >= SAVED {
            found.add(methods.join(", "), sight);
        }
    }

    fn answered(&mut self, call: &Call, body: &Body, found: &mut Groups) {
        self.waiting = self.waiting.saturating_sub(1);
        let alone = self.alone.take().filter(|(seq, _)| *seq == call.seq);
        let Some((answer, is_next)) = call.answer.as_ref().zip(alone.map(|(_, is_next)| is_next)) else {
            self.answered = call.answer.as_ref().map(|answer| answer.at);
            return self.end(found);
        };
        self.answered = Some(answer.at);
        // Who watches a reload waits on purpose, and what changes something may be meant to come first.
        let counts = call.effect == Effect::Reads && call.failure.is_none() && &*call.method != "GetProgress";
        if !counts {
            return self.end(found);
        }
        // Pages of one object have a rule of their own.
        let is_page = call.method.starts_with("GetHyperCube") || call.method.starts_with("GetListObject");
        let is_next_page = is_page && self.run.last == call.object.number;
        if !is_next || is_next_page || self.needs_answers(call, body) {
            self.end(found);
        }
        let run = &mut self.run;
        run.last = call.object.number;
        if run.sight.times == 0 {
            run.sight = Sight { calls: Vec::new(), object: None, ..Sight::of(call) };
        }
        run.sight.times += 1;
        if run.sight.calls.len() < 5 {
            run.sight.calls.push(call.seq);
        }
        let latency = call.latency().unwrap_or_default();
        run.sight.time += latency;
        run.longest = run.longest.max(latency);
        let method = method(call);
        if !run.methods.contains(&method) && run.methods.len() < 5 {
            run.methods.push(method);
        }
        run.opened.extend_from_slice(&call.opened);
        if run.opened.len() > 10_000 {
            return self.end(found);
        }
        self.answers.extend(body.answer.clone());
        if self.answers.len() > ANSWERS {
            self.answers.pop_front();
        }
    }

    /// Whether a call says or is about what the answers of the run have told.
    fn needs_answers(&self, call: &Call, body: &Body) -> bool {
        if self.run.opened.contains(&call.object.number) {
            return true;
        }
        if self.answers.iter().any(|answer| answer.len() > SEARCHED) {
            return true;
        }
        let Some(params) = body.params.as_deref().and_then(|params| Raw::new(params).ok()) else {
            return false;
        };
        let texts = texts(params);
        if texts.len() > MOST_TEXTS {
            return true;
        }
        texts
            .into_iter()
            .filter(|text| text.len() >= SHORTEST)
            .any(|text| self.answers.iter().any(|answer| memchr::memmem::find(answer, text).is_some()))
    }
}

impl Check for Serial {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Asked(call) => {
                let line = self.connections.entry(call.conn).or_default();
                line.waiting += 1;
                if line.waiting > 1 {
                    line.alone = None;
                    return;
                }
                let pause = line.answered.map(|answered| call.at.saturating_sub(answered));
                line.alone = Some((call.seq, pause.is_some_and(|pause| pause <= THINKING)));
            }
            Event::Called(called) => {
                if let Some(line) = self.connections.get_mut(&called.call.conn) {
                    line.answered(&called.call, &called.body, &mut self.found);
                }
            }
            Event::Disconnected(end) => {
                if let Some(mut line) = self.connections.remove(&end.conn) {
                    line.end(&mut self.found);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.connections.values_mut().for_each(|line| line.end(&mut self.found));
        self.found
            .findings(rule, 1, |about, _| format!("{about}, each sent after the answer to the one before"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    fn expressions(script: Script, pause: u64) -> Script {
        script.repeat(6, |script, at| {
            let expression = format!("Sum(Sales{at})");
            script.wait(pause).call(1, "Evaluate", json!([expression]), json!({"qReturn": at.to_string()}))
        })
    }

    #[test]
    fn calls_that_need_nothing_of_each_other_could_be_sent_together() {
        let found = expressions(Script::new().app(), 1).close().found("serial-calls");
        assert_eq!((found.len(), found[0].count), (1, 6));
        // Five of six round trips of 10 ms.
        assert_eq!(found[0].time.as_millis(), 50);
        assert_eq!(found[0].words, "Evaluate, each sent after the answer to the one before");
        assert!(expressions(Script::new().app(), 50).close().found("serial-calls").is_empty(), "a pause");
    }

    #[test]
    fn calls_that_were_sent_together_are_as_they_should_be() {
        let asked =
            (0..6).fold(Script::new().app(), |script, at| script.ask(1, "Evaluate", json!([at.to_string()])));
        let answered = (0..6).fold(asked, |script, at| script.answer(at, json!({"qReturn": "1"})));
        assert!(answered.close().found("serial-calls").is_empty());
    }

    #[test]
    fn calls_that_say_what_an_answer_told_need_it() {
        let script = (0..8).fold(Script::new().app(), |script, at| {
            let result = json!({"qReturn": format!("next-{}", at + 1)});
            script.call(1, "Evaluate", json!([format!("next-{at}")]), result)
        });
        assert!(script.close().found("serial-calls").is_empty());
        let script = (2..8).fold(Script::new().app(), |script, handle| {
            let script = script.object(handle, "kpi", &format!("KP{handle:02}"));
            script.call(handle, "GetLayout", json!([]), json!({"qLayout": {}}))
        });
        assert!(script.close().found("serial-calls").is_empty(), "a layout needs the handle");
    }
    #[test]
    fn call_of_very_many_texts_is_not_searched_for_each_of_them() {
        let texts: Vec<_> = (0..20_000).map(|number| format!("text {number}")).collect();
        let long = "x".repeat(900_000);
        let script = Script::new().app().repeat(4, |script: Script, _| {
            script.call(1, "Evaluate", json!(["1"]), json!({"qReturn": long}))
        });
        let script = script.call(1, "EvaluateEx", json!(texts), json!({"qReturn": "1"}));
        assert!(script.found("serial-calls").is_empty());
    }
}
