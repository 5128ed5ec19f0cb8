//! `session-object-leaked`.

use std::{collections::HashMap, time::Duration};

use crate::{
    lint::{
        Finding, Rule,
        answers::hash,
        check::{Check, label},
        groups::{Groups, Sight},
        open::Open,
        rule::Limit,
    },
    model::{Event, Weight},
};

/// An object that was not called for so long before the end of its connection may be forgotten.
const UNUSED: Duration = Duration::from_secs(60);
/// If its connection has answered so many other calls meanwhile.
const CALLS: u64 = 10;
/// An object that has changed so often since it was called last is forgotten.
const CHANGES: u64 = 3;

pub(super) static RULE: Rule = Rule {
    name: "session-object-leaked",
    weight: Weight::Bad,
    finds: "session objects that nobody uses any more and nobody has destroyed",
    why: "The engine keeps each of them, calculates whether it changes with every selection, and tells the client so, until the session ends; \
          a dashboard that runs for days grows until the engine runs out of memory.",
    remedy: "Call DestroySessionObject when the view that made the object goes, or keep one object and change its properties.",
    limits: &[
        Limit::time("not called before its connection ended, for at least", UNUSED),
        Limit::count("while its connection made at least so many other calls", CALLS),
        Limit::count("or: changes since it was called last, at least", CHANGES),
    ],
};

#[derive(Debug, Default)]
pub(super) struct Leaked {
    open: Open<Kept>,
    /// Calls answered so far, by connection.
    calls: HashMap<u64, u64>,
    /// The latest object made by equal calls.
    twins: HashMap<u64, u64>,
    found: Groups,
}

#[derive(Debug, Default)]
struct Kept {
    label: String,
    sight: Sight,
    used: Duration,
    /// How many calls its connection had made then.
    calls: u64,
    changes: u64,
    /// The hash of the call that made it.
    twin: Option<u64>,
    /// Whether an equal one was made while it was open.
    is_replaced: bool,
}

impl Kept {
    /// Returns why it seems to be forgotten.
    fn why(&self, end: Duration, calls: u64) -> Option<&'static str> {
        let unused = end.saturating_sub(self.used) >= UNUSED && calls - self.calls >= CALLS;
        match () {
            () if self.is_replaced => Some("open while an equal one was made"),
            () if self.changes >= CHANGES => Some("changed again and again, and nobody asked for it"),
            () if unused => Some("not used any more"),
            () => None,
        }
    }
}

impl Check for Leaked {
    fn take(&mut self, event: &Event) {
        if let Some((end, open)) = self.open.follow(event) {
            let calls = self.calls.remove(&end.conn).unwrap_or_default();
            for (number, kept) in open {
                if let Some(why) = kept.why(end.at, calls) {
                    self.found.add(format!("{}, {why}", kept.label), kept.sight);
                }
                if let Some(twin) = kept.twin.filter(|twin| self.twins.get(twin) == Some(&number)) {
                    self.twins.remove(&twin);
                }
            }
        }
        match event {
            Event::Object(object) if object.is_session_object => {
                let calls = self.calls.get(&object.conn).copied().unwrap_or_default();
                if let Some(kept) = self.open.entry(object.number) {
                    kept.label = label(object);
                    if kept.sight.object.is_none() {
                        kept.sight = Sight {
                            at: object.opened,
                            conn: Some(object.conn),
                            calls: object.by.into_iter().collect(),
                            object: Some(object.number),
                            ..Sight::default()
                        };
                        (kept.used, kept.calls) = (object.opened, calls);
                    }
                }
            }
            Event::Called(called) => {
                let call = &called.call;
                let calls = self.calls.entry(call.conn).or_default();
                *calls += 1;
                if let Some(kept) = self.open.get_mut(call.object.number) {
                    (kept.used, kept.calls, kept.changes) = (call.at, *calls, 0);
                }
                for number in &call.opened {
                    let Some(kept) = self.open.get_mut(*number) else { continue };
                    let twin = hash((call.conn, call.object.number, &*call.method, &called.body.params));
                    kept.twin = Some(twin);
                    let before = self.twins.insert(twin, *number).filter(|before| before != number);
                    if let Some(before) = before.and_then(|before| self.open.get_mut(before)) {
                        before.is_replaced = true;
                    }
                }
                // Only what is open counts; what is left of closed ones is found again at most once.
                if self.twins.len() > 200_000 {
                    self.twins.clear();
                }
            }
            Event::Changed(change) if !change.is_suspended => {
                for number in &change.objects {
                    if let Some(kept) = self.open.get_mut(*number) {
                        kept.changes += 1;
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, 1, |about, _| format!("{about}, never destroyed"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    fn dashboard() -> Script {
        Script::new().app().session_object(2, "hypercube", "Sales")
    }

    #[test]
    fn object_that_nobody_destroys_is_leaked_once_nobody_uses_it() {
        let script = dashboard().call(2, "GetLayout", json!([]), json!({"qLayout": {}}));
        let later = script.clone().wait(61_000).repeat(10, |script, at| {
            script.call(1, "Evaluate", json!([at.to_string()]), json!({"qReturn": "1"}))
        });
        let found = later.clone().close().found("session-object-leaked");
        assert_eq!(found[0].words, "hypercube Sales, not used any more, never destroyed");
        assert_eq!((found.len(), found[0].count, &*found[0].calls), (1, 1, &[4][..]));
        let destroyed = later.closes(&[2]).call(1, "DestroySessionObject", json!(["2"]), json!({}));
        assert!(destroyed.close().found("session-object-leaked").is_empty());
        assert!(script.close().found("session-object-leaked").is_empty());
    }

    #[test]
    fn object_that_changes_with_nobody_asking_is_leaked() {
        let selected = |fetch: bool| {
            let script = dashboard().repeat(3, |script, at| {
                let script = script.changes(&[2]).call(1, "ClearAll", json!([at > 9]), json!({}));
                if fetch { script.call(2, "GetLayout", json!([]), json!({"qLayout": {}})) } else { script }
            });
            script.close().found("session-object-leaked")
        };
        assert!(selected(false)[0].words.contains("changed again and again"));
        assert!(selected(true).is_empty());
    }

    #[test]
    fn object_that_is_made_again_while_it_is_open_is_leaked() {
        let twice = dashboard().session_object(3, "hypercube", "Sales").close();
        let found = twice.found("session-object-leaked");
        assert_eq!((found.len(), found[0].count), (1, 1));
        assert!(found[0].words.contains("equal one"), "{found:?}");
        let once = dashboard().session_object(3, "hypercube", "Costs").close();
        assert!(once.found("session-object-leaked").is_empty());
    }
}
