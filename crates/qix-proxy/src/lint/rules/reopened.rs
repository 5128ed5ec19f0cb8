//! `object-opened-again`.

use std::{collections::HashSet, sync::Arc};

use crate::{
    lint::{
        Finding, Rule,
        check::{Check, label, method},
        groups::{Groups, Sight},
        open::Open,
        rule::Limit,
    },
    model::{Event, Object, Weight},
};

/// So often must an object be opened again.
const LEAST: u64 = 3;

pub(super) static RULE: Rule = Rule {
    name: "object-opened-again",
    weight: Weight::Normal,
    finds: "objects that are opened again and again while they are open",
    why: "The engine answers with the handle that the client has already, after a round trip.",
    remedy: "Keep the open object, in a map by its id, and open it only if it is not there.",
    limits: &[Limit::count("openings of an object that is open, at least", LEAST)],
};

#[derive(Debug, Default)]
pub(super) struct Reopened {
    open: Open<Option<Arc<Object>>>,
    /// What was opened by the answer of which the call is still to be told.
    new: HashSet<u64>,
    found: Groups,
}

impl Check for Reopened {
    fn take(&mut self, event: &Event) {
        self.open.follow(event);
        match event {
            Event::Object(object) => {
                if let Some(kept) = self.open.entry(object.number)
                    && kept.replace(Arc::clone(object)).is_none()
                {
                    self.new.insert(object.number);
                }
            }
            Event::Called(called) => {
                let call = &called.call;
                // What is made anew each time, and what a client asks for that does not know what is open.
                let is_lookup = call.method.starts_with("Get")
                    && !matches!(&*call.method, "GetActiveDoc" | "GetParent" | "GetSnapshotObject");
                for number in call.opened.iter().filter(|number| is_lookup && !self.new.contains(number)) {
                    if let Some(Some(object)) = self.open.get(*number) {
                        let sight = Sight { object: Some(*number), ..Sight::wasted(call) };
                        self.found.add(format!("{} by {}", label(object), method(call)), sight);
                    }
                }
                self.new.clear();
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, LEAST, |about, _| format!("{about}, while it was open"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    #[test]
    fn object_that_is_open_need_not_be_opened_again() {
        let open = |script: Script| script.object(2, "sheet", "SH01");
        let script = open(Script::new().app());
        let found = script.clone().repeat(3, |script, _| open(script)).close().found("object-opened-again");
        assert_eq!((found.len(), found[0].count), (1, 3));
        assert!(found[0].words.starts_with("sheet SH01 by GetObject"), "{found:?}");
        let closed = script.repeat(5, |script, _| open(script.push(json!({"close": [2]}))));
        assert!(closed.close().found("object-opened-again").is_empty());
    }
}
