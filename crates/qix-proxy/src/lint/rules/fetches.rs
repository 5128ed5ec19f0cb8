//! `layout-without-change` and `delta-off`.

use crate::{
    lint::{
        Finding, Rule,
        check::{Check, call_of},
        groups::{Groups, Sight},
        open::Open,
        rule::Limit,
    },
    model::{Event, Fetch, Weight},
};

/// So often must something be fetched without need.
const LEAST: u64 = 2;

/// Smaller answers are no loss.
const LARGE: u64 = 100_000;
/// So often must an object send all of a large answer.
const LARGE_LEAST: u64 = 3;

pub(super) static WITHOUT_CHANGE: Rule = Rule {
    name: "layout-without-change",
    weight: Weight::Odd,
    finds: "layouts, properties and data that are fetched again on the same handle though the engine has not said that the object changed",
    why: "The engine lists every object that may have changed in the answer to what changed it. As long as it has not, the answer is the one that the \
          client has already: the round trip and the bytes are for nothing.",
    remedy: "Keep the layout, and fetch it again only when the engine has listed the handle as changed (enigma.js: the event 'changed').",
    limits: &[Limit::count("fetches without a change, at least", LEAST)],
};

pub(super) static DELTA_OFF: Rule = Rule {
    name: "delta-off",
    weight: Weight::Normal,
    finds: "large layouts that come whole after each change, because deltas were not asked for",
    why: "With \"delta\": true in the request, the engine sends only what differs from its last answer.",
    remedy: "Turn deltas on (enigma.js: protocol.delta, which is on by default), or fetch less with each layout.",
    limits: &[
        Limit::bytes("size of an answer, at least", LARGE),
        Limit::count("such answers of an object, at least", LARGE_LEAST),
    ],
};

#[derive(Debug, Default)]
pub(super) struct WithoutChange {
    /// Methods that failed, by object: a second try is no second fetch.
    failed: Open<Vec<std::sync::Arc<str>>>,
    found: Groups,
}

impl Check for WithoutChange {
    fn take(&mut self, event: &Event) {
        self.failed.follow(event);
        let Event::Called(called) = event else { return };
        let call = &called.call;
        if call.fetch.is_none() {
            return;
        }
        let number = call.object.number;
        if call.answer.is_none() || call.failure.is_some() {
            if let Some(failed) = self.failed.entry(number)
                && !failed.contains(&call.method)
                && failed.len() < 20
            {
                failed.push(call.method.clone());
            }
            return;
        }
        if let Some(failed) = self.failed.get_mut(number)
            && let Some(at) = failed.iter().position(|method| *method == call.method)
        {
            failed.swap_remove(at);
            return;
        }
        if call.fetch == Some(Fetch::Unchanged) {
            self.found.add(call_of(call), Sight::wasted(call));
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, LEAST, |about, _| format!("{about}, though nothing had changed"))
    }
}

#[derive(Debug, Default)]
pub(super) struct DeltaOff {
    found: Groups,
}

impl Check for DeltaOff {
    fn take(&mut self, event: &Event) {
        let Event::Called(called) = event else { return };
        let call = &called.call;
        let Some(answer) = &call.answer else { return };
        if matches!(call.fetch, Some(Fetch::Changed(_))) && !call.delta && answer.bytes >= LARGE {
            self.found.add(call_of(call), Sight::wasted(call));
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, LARGE_LEAST, |about, _| format!("{about}, whole after each change"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    fn look(script: Script) -> Script {
        script.call(2, "GetLayout", json!([]), json!({"qLayout": {"qInfo": {"qId": "CH01"}}}))
    }

    #[test]
    fn layout_need_not_be_fetched_before_it_changes() {
        let script = look(Script::new().app().object(2, "barchart", "CH01"));
        let found = look(look(script.clone())).found("layout-without-change");
        assert_eq!((found.len(), found[0].count, found[0].time.as_millis()), (1, 2, 20));
        assert_eq!(found[0].words, "GetLayout of barchart CH01, though nothing had changed");
        let changed = script.repeat(3, |script, _| look(script.push(json!({"change": [2]}))));
        assert!(changed.found("layout-without-change").is_empty());
    }

    #[test]
    fn fetch_after_one_that_failed_is_no_second_one() {
        let script = Script::new().app().object(2, "barchart", "CH01");
        let retried = script.repeat(3, |script, _| look(script.fails(2, "GetLayout", json!([]), 15)));
        assert_eq!(retried.found("layout-without-change").len(), 0);
    }

    #[test]
    fn large_layouts_that_change_are_cheaper_as_deltas() {
        let large = json!({"qLayout": {"text": "x".repeat(100_000)}});
        let run = |delta: bool| {
            let script = Script::new().app().object(2, "table", "TB01").delta(delta);
            let script = script.repeat(4, |script, _| {
                let patched = json!({"qLayout": [{"op": "add", "path": "/", "value": &large["qLayout"]}]});
                let result = if delta { patched } else { large.clone() };
                script.push(json!({"change": [2]})).call(2, "GetLayout", json!([]), result)
            });
            script.found("delta-off")
        };
        let found = run(false);
        assert_eq!((found.len(), found[0].count), (1, 3));
        assert!(found[0].bytes > 300_000, "{found:?}");
        assert!(run(true).is_empty());
    }
}
