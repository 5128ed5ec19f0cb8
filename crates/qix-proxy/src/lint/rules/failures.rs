//! `same-failure-again`.

use qix_protocol::ErrorCode;

use crate::{
    lint::{
        Finding, Rule,
        check::{Check, call_of},
        groups::{Groups, Sight},
        rule::Limit,
    },
    model::{Event, Weight},
};

/// So often must a call fail in the same way.
const LEAST: u64 = 3;

pub(super) static RULE: Rule = Rule {
    name: "same-failure-again",
    weight: Weight::Odd,
    finds: "calls that fail again and again in the same way",
    why: "Nobody looks at the error, or the client tries again what cannot succeed: users see nothing, or wait for nothing.",
    remedy: "Read what the engine says, show it or mend the call, and try again only where the error can pass (docs of qix-protocol: ErrorCode::judgement).",
    limits: &[Limit::count("equal failures, at least", LEAST)],
};

#[derive(Debug, Default)]
pub(super) struct Repeated {
    found: Groups,
}

impl Check for Repeated {
    fn take(&mut self, event: &Event) {
        let Event::Called(called) = event else { return };
        let call = &called.call;
        let Some(failure) = &call.failure else { return };
        // What was aborted has a rule of its own, and a layout with an error in it is an answer.
        let is_aborted = failure.code == Some(ErrorCode::GENERIC_ABORTED.get());
        if is_aborted || call.fetch.is_some() && called.body.error.is_none() {
            return;
        }
        let code = failure.code.map_or("failure".to_owned(), |code| code.to_string());
        let name = failure.name.map_or(String::new(), |name| format!(" {name}"));
        self.found.add(format!("{}: {code}{name}", call_of(call)), Sight::wasted(call));
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, LEAST, |about, _| format!("{about}, again and again"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    #[test]
    fn call_that_fails_in_the_same_way_again_is_found_once_with_its_count() {
        let fails = |script: Script, at: u64| script.fails(1, "GetObject", json!([at.to_string()]), -32602);
        let found = Script::new().app().repeat(3, fails).found("same-failure-again");
        assert_eq!((found.len(), found[0].count), (1, 3));
        assert!(found[0].words.starts_with("GetObject of app Sales: -32602"), "{found:?}");
        assert!(Script::new().app().repeat(2, fails).found("same-failure-again").is_empty());
    }
    #[test]
    fn aborted_calls_and_errors_within_layouts_are_not_counted_here() {
        let aborted = |script: Script, _| script.fails(2, "GetLayout", json!([]), 15);
        let layout = json!({"qLayout": {"qHyperCube": {"qError": {"qErrorCode": 7005}}}});
        let unmet = |script: Script, _| script.call(2, "GetLayout", json!([]), layout.clone());
        let script = Script::new().app().object(2, "kpi", "KP01").repeat(4, aborted).repeat(4, unmet);
        assert!(script.found("same-failure-again").is_empty());
    }
}
