//! `huge-frame`.

use crate::{
    lint::{
        Finding, Rule,
        check::{Check, call_of},
        groups::{Groups, Sight},
        rule::Limit,
    },
    model::{Event, Weight},
};

/// Messages from here on stop others for long, and come near the limits of proxies.
const HUGE: u64 = 4_000_000;

pub(super) static RULE: Rule = Rule {
    name: "huge-frame",
    weight: Weight::Odd,
    finds: "requests and answers of many megabytes",
    why: "A message goes over the socket in one piece, and everything else of the connection waits behind it; proxies on the way cut connections whose \
          messages exceed their limits, and a browser stands still while it parses.",
    remedy: "Fetch pages, leave out of layouts what is not shown, and write large properties by ApplyPatches.",
    limits: &[Limit::bytes("size of a message, at least", HUGE)],
};

#[derive(Debug, Default)]
pub(super) struct HugeFrames {
    found: Groups,
}

impl Check for HugeFrames {
    fn take(&mut self, event: &Event) {
        let Event::Called(called) = event else { return };
        let call = &called.call;
        if call.sent >= HUGE {
            let sight = Sight { bytes: call.sent, ..Sight::of(call) };
            self.found.add(format!("request: {}", call_of(call)), sight);
        }
        if call.answer.as_ref().is_some_and(|answer| answer.bytes >= HUGE) {
            self.found.add(format!("answer: {}", call_of(call)), Sight::wasted(call));
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, 1, |about, _| format!("{about}, a message of many megabytes"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    #[test]
    fn messages_of_many_megabytes_are_found_in_both_directions() {
        let run = |asked: usize, answered: usize| {
            let result = json!({"qReturn": "x".repeat(answered)});
            let script = Script::new().app().call(1, "Evaluate", json!(["x".repeat(asked)]), result);
            script.found("huge-frame").into_iter().map(|found| found.words).collect::<Vec<_>>()
        };
        assert!(run(4_000_000, 1)[0].starts_with("request: Evaluate of app Sales"));
        assert!(run(1, 4_000_000)[0].starts_with("answer: "));
        assert!(run(3_999_000, 3_999_000).is_empty());
    }
}
