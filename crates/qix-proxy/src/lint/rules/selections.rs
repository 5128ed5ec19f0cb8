//! `selection-storm`.

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

/// Selections with longer pauses are those of a person.
const PAUSE: Duration = Duration::from_millis(400);
/// So many must follow each other.
const LEAST: u64 = 5;
/// So many objects must each of them invalidate, on average.
const OBJECTS: u64 = 3;

pub(super) static RULE: Rule = Rule {
    name: "selection-storm",
    weight: Weight::Odd,
    finds: "selections that follow each other so fast that nobody sees what is between them",
    why: "Each one makes the engine invalidate and calculate every open object that depends on it, and clients fetch them all again, only for the next \
          selection to discard the results.",
    remedy: "Select all values in one call, several fields by SelectMultipleFields or a bookmark, and let the user's input rest for a moment before \
             selecting.",
    limits: &[
        Limit::count("selections one after the other, at least", LEAST),
        Limit::time("pause between them, at most", PAUSE),
        Limit::count("objects that each of them invalidated on average, at least", OBJECTS),
    ],
};

#[derive(Debug, Default)]
pub(super) struct Storms {
    connections: HashMap<u64, Run>,
    found: Groups,
}

#[derive(Debug, Default)]
struct Run {
    sight: Sight,
    /// When the latest was done.
    until: Duration,
    /// The call that came last, and how many objects all of them have invalidated.
    last: u64,
    objects: u64,
}

impl Run {
    fn end(self, conn: u64, found: &mut Groups) {
        let selections = self.sight.times;
        if selections >= LEAST && self.objects >= selections * OBJECTS {
            found.add(format!("connection {conn}"), self.sight);
        }
    }
}

impl Check for Storms {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Selected(selection) if !selection.words.is_empty() => {
                let run = self.connections.entry(selection.conn).or_default();
                if run.sight.times == 0 || selection.at.saturating_sub(run.until) > PAUSE {
                    std::mem::take(run).end(selection.conn, &mut self.found);
                    run.sight.at = selection.at;
                    run.sight.conn = Some(selection.conn);
                }
                run.sight.times += 1;
                (run.until, run.last) = (selection.at, selection.seq);
                if run.sight.calls.len() < 5 {
                    run.sight.calls.push(selection.seq);
                }
            }
            Event::Changed(change) => {
                if let Some(run) = self.connections.get_mut(&change.conn)
                    && change.by.is_some_and(|by| by == run.last)
                {
                    run.objects += change.objects.len() as u64;
                }
            }
            Event::Disconnected(end) => {
                if let Some(run) = self.connections.remove(&end.conn) {
                    run.end(end.conn, &mut self.found);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        for (conn, run) in self.connections.drain() {
            run.end(conn, &mut self.found);
        }
        self.found.findings(rule, 1, |about, _| {
            format!("selections on {about}, one right after the other, each invalidating {OBJECTS} objects or more")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lint::script::Script;

    fn select(pause: u64, changed: &[i32]) -> Script {
        let script = (2..6)
            .fold(Script::new().app(), |script, handle| script.object(handle, "kpi", &format!("KP{handle}")));
        let script = script.object(6, "filterpane", "LB01").repeat(5, |script, at| {
            let script = script.wait(pause).changes(changed);
            let params = json!(["/qListObjectDef", [at], true]);
            script.call(6, "SelectListObjectValues", params, json!({"qSuccess": true}))
        });
        script.close()
    }

    #[test]
    fn selections_that_nobody_sees_one_by_one_are_a_storm() {
        let found = select(100, &[2, 3, 4, 5]).found("selection-storm");
        assert_eq!((found.len(), found[0].count, found[0].calls.len()), (1, 5, 5));
        assert!(select(1000, &[2, 3, 4, 5]).found("selection-storm").is_empty());
        assert!(select(100, &[2]).found("selection-storm").is_empty(), "they invalidate little");
    }
}
