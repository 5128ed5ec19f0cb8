//! `aborted-not-retried`.

use std::{sync::Arc, time::Duration};

use qix_protocol::ErrorCode;

use crate::{
    lint::{
        Finding, Rule,
        check::{Check, call_of},
        groups::{Groups, Sight},
        open::Open,
        rule::Limit,
    },
    model::{Event, Weight},
};

/// So long must the connection have gone on for the client to have had time.
const TIME: Duration = Duration::from_secs(1);
/// The most methods of an object that wait for a second try.
const MOST: usize = 50;

pub(super) static RULE: Rule = Rule {
    name: "aborted-not-retried",
    weight: Weight::Bad,
    finds: "calls that the engine aborted, and that were never made again",
    why: "The engine aborts what it calculates when something changes meanwhile (error 15, GENERIC_ABORTED). That is no fault of the call: whoever does not \
          repeat it shows old data, or none.",
    remedy: "Make the call again (enigma.js: an interceptor for code 15; qix-client: the layer RetryAborted).",
    limits: &[Limit::time("time until the connection ended, at least", TIME)],
};

#[derive(Debug, Default)]
pub(super) struct NotRetried {
    /// What was aborted, by object.
    aborted: Open<Vec<Aborted>>,
    found: Groups,
}

#[derive(Debug)]
struct Aborted {
    method: Arc<str>,
    about: String,
    at: Duration,
    sight: Sight,
}

impl Check for NotRetried {
    fn take(&mut self, event: &Event) {
        if let Some((end, open)) = self.aborted.follow(event) {
            for aborted in open.into_iter().flat_map(|(_, aborted)| aborted) {
                if end.at.saturating_sub(aborted.at) >= TIME {
                    self.found.add(aborted.about, aborted.sight);
                }
            }
        }
        let Event::Called(called) = event else { return };
        let call = &called.call;
        let number = call.object.number;
        let code = call.failure.as_ref().and_then(|failure| failure.code);
        if code != Some(ErrorCode::GENERIC_ABORTED.get()) {
            // Whatever became of it: the client has tried again.
            if let Some(aborted) = self.aborted.get_mut(number) {
                aborted.retain(|aborted| aborted.method != call.method);
                if aborted.is_empty() {
                    self.aborted.remove(number);
                }
            }
            return;
        }
        let Some(answer) = &call.answer else { return };
        let Some(aborted) = self.aborted.entry(number) else { return };
        aborted.retain(|aborted| aborted.method != call.method);
        if aborted.len() < MOST {
            let method = call.method.clone();
            aborted.push(Aborted { method, about: call_of(call), at: answer.at, sight: Sight::of(call) });
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found
            .findings(rule, 1, |about, _| format!("{about}, aborted by the engine and never made again"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    fn aborted() -> Script {
        Script::new().app().object(2, "kpi", "KP01").fails(2, "GetLayout", json!([]), 15)
    }

    #[test]
    fn call_that_was_aborted_has_to_be_made_again() {
        let found = aborted().wait(2000).close().found("aborted-not-retried");
        assert_eq!(found[0].words, "GetLayout of kpi KP01, aborted by the engine and never made again");
        let again = aborted().call(2, "GetLayout", json!([]), json!({"qLayout": {}}));
        assert!(again.wait(2000).close().found("aborted-not-retried").is_empty());
        assert!(aborted().close().found("aborted-not-retried").is_empty(), "there was no time to");
        let gone = aborted().push(json!({"close": [2]}));
        assert!(gone.wait(2000).close().found("aborted-not-retried").is_empty(), "nobody needs it");
    }
}
