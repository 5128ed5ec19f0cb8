//! `large-page` and `tiny-pages`.

use std::time::Duration;

use qix_protocol::frame::{Raw, elements};

use crate::{
    lint::{
        Finding, Rule,
        answers::{out, parameter},
        check::{Check, call_of},
        groups::{Groups, Sight},
        open::Open,
        rule::Limit,
    },
    model::{Body, Call, Event, Weight},
};

/// More cells than a screen shows, with room for a large table or a chart of many points.
const SHOWN: u64 = 5_000;

/// Pages of fewer cells are tiny: an engine gives up to 10,000 in one answer.
const SMALL: u64 = 500;
/// So many of them must follow each other.
const LEAST: u64 = 5;
/// Longer pauses are those of a person who scrolls.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) static LARGE: Rule = Rule {
    name: "large-page",
    weight: Weight::Odd,
    finds: "answers with more cells than anybody sees",
    why: "The engine calculates, the network carries and the client parses every cell, before the first one is shown; with each selection again.",
    remedy: "Ask for the rows that are shown, in qInitialDataFetch and in GetHyperCubeData, and for more when the user scrolls. Export what nobody looks at \
             with ExportData.",
    limits: &[Limit::count("cells in an answer, more than", SHOWN)],
};

pub(super) static TINY: Rule = Rule {
    name: "tiny-pages",
    weight: Weight::Odd,
    finds: "data that is fetched by many small pages, one behind the other",
    why: "Each page is a round trip, and costs more than its few cells; an engine gives 10,000 cells in one answer.",
    remedy: "Ask for larger pages, or for several pages in one call.",
    limits: &[
        Limit::count("cells of a page, fewer than", SMALL),
        Limit::count("adjacent pages one after the other, at least", LEAST),
        Limit::time("pause between them, at most", PAUSE),
    ],
};

#[derive(Debug, Default)]
pub(super) struct LargePages {
    found: Groups,
}

impl Check for LargePages {
    fn take(&mut self, event: &Event) {
        let Event::Called(called) = event else { return };
        if called.call.fetch.is_some() && cells(&called.call, &called.body) > SHOWN {
            self.found.add(call_of(&called.call), Sight::wasted(&called.call));
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, 1, |about, _| format!("{about}: more than {SHOWN} cells"))
    }
}

/// Returns how many cells an answer has.
fn cells(call: &Call, body: &Body) -> u64 {
    let pages = |pages: Raw<'_>| {
        elements(pages)
            .filter_map(|page| area(page.member("qArea")?))
            .map(Area::cells)
            .fold(0, u64::saturating_add)
    };
    if call.method.starts_with("GetHyperCube") || call.method.starts_with("GetListObject") {
        return out(body, "qDataPages").map_or(0, pages);
    }
    let Some(layout) = (&*call.method == "GetLayout").then(|| out(body, "qLayout")).flatten() else {
        return 0;
    };
    let parts = ["qHyperCube", "qListObject"].into_iter().filter_map(|part| layout.member(part));
    let kinds = ["qDataPages", "qPivotDataPages", "qStackedDataPages"];
    parts
        .flat_map(|part| kinds.iter().filter_map(move |kind| part.member(kind)))
        .map(pages)
        .fold(0, u64::saturating_add)
}

/// A page, by its place in the data.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Area {
    left: u64,
    top: u64,
    width: u64,
    height: u64,
}

impl Area {
    fn cells(self) -> u64 {
        self.width.saturating_mul(self.height)
    }

    /// Whether it begins where the other one ends.
    fn follows(self, other: Self) -> bool {
        let below = (self.left, self.width) == (other.left, other.width)
            && Some(self.top) == other.top.checked_add(other.height);
        let beside = (self.top, self.height) == (other.top, other.height)
            && Some(self.left) == other.left.checked_add(other.width);
        below || beside
    }
}

fn area(area: Raw<'_>) -> Option<Area> {
    let number = |name| area.member(name).and_then(|number| number.as_integer());
    let (width, height) = (number("qWidth")?, number("qHeight")?);
    Some(Area { left: number("qLeft").unwrap_or(0), top: number("qTop").unwrap_or(0), width, height })
}

#[derive(Debug, Default)]
pub(super) struct TinyPages {
    /// The latest pages of an object.
    runs: Open<Run>,
    found: Groups,
}

#[derive(Debug, Default)]
struct Run {
    about: String,
    last: Area,
    /// When the latest answer was there.
    until: Duration,
    sight: Sight,
}

impl Run {
    fn end(self, found: &mut Groups) {
        if self.sight.times >= LEAST {
            found.add(self.about, self.sight);
        }
    }
}

impl Check for TinyPages {
    fn take(&mut self, event: &Event) {
        if let Event::Closed { objects, .. } = event {
            for number in objects {
                if let Some(run) = self.runs.get_mut(*number) {
                    std::mem::take(run).end(&mut self.found);
                }
            }
        }
        self.runs.follow(event);
        let Event::Called(called) = event else { return };
        let (call, body) = (&called.call, &called.body);
        let is_data = call.method.starts_with("GetHyperCube") || call.method.starts_with("GetListObject");
        let Some(answer) = call.answer.as_ref().filter(|_| is_data) else { return };
        let Some(pages) = parameter(body, 1, "qPages") else { return };
        let mut pages = elements(pages).filter_map(area);
        let (Some(page), None) = (pages.next(), pages.next()) else { return };
        let Some(run) = self.runs.entry(call.object.number) else { return };
        let goes_on = run.sight.times > 0
            && page.cells() < SMALL
            && page.follows(run.last)
            && call.at.saturating_sub(run.until) <= PAUSE;
        if !goes_on {
            std::mem::take(run).end(&mut self.found);
            if page.cells() >= SMALL {
                return;
            }
            run.about = call_of(call);
            run.sight = Sight { calls: Vec::new(), ..Sight::of(call) };
        }
        run.sight.times += 1;
        run.last = page;
        run.until = answer.at;
        let sight = Sight::wasted(call);
        run.sight.time += sight.time;
        run.sight.bytes += sight.bytes;
        if run.sight.calls.len() < 5 {
            run.sight.calls.push(call.seq);
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        self.found.findings(rule, 1, |about, _| {
            format!("{about}: pages of fewer than {SMALL} cells, one after the other")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::lint::script::Script;

    fn area(top: u64, height: u64) -> Value {
        json!({"qLeft": 0, "qTop": top, "qWidth": 10, "qHeight": height})
    }

    fn fetch(script: Script, top: u64, height: u64) -> Script {
        let page = json!({"qArea": area(top, height), "qMatrix": []});
        script.call(
            2,
            "GetHyperCubeData",
            json!(["/qHyperCubeDef", [area(top, height)]]),
            json!({"qDataPages": [page]}),
        )
    }

    fn table() -> Script {
        Script::new().app().object(2, "table", "TB01")
    }

    #[test]
    fn page_with_more_than_a_screen_shows_is_large_in_data_and_in_layouts() {
        let found = fetch(table(), 0, 501).found("large-page");
        assert_eq!(found[0].words, "GetHyperCubeData of table TB01: more than 5000 cells");
        assert!(fetch(table(), 0, 500).found("large-page").is_empty());
        let layout = |height| {
            let page = json!([{"qArea": area(0, height)}]);
            let layout = json!({"qLayout": {"qHyperCube": {"qDataPages": page}}});
            let patched = json!({"qLayout": [{"op": "add", "path": "/", "value": &layout["qLayout"]}]});
            [(false, layout), (true, patched)].map(|(delta, result)| {
                table().delta(delta).call(2, "GetLayout", json!([]), result).found("large-page").len()
            })
        };
        assert_eq!((layout(501), layout(500)), ([1, 1], [0, 0]));
    }

    #[test]
    fn many_adjacent_small_pages_could_be_one() {
        let rows = |rows: u64, pause: u64| {
            let script = (0..6).fold(table(), |script, page| fetch(script.wait(pause), page * rows, rows));
            script.close().found("tiny-pages")
        };
        let found = rows(10, 0);
        assert_eq!((found.len(), found[0].time.as_millis(), found[0].calls.len()), (1, 60, 5));
        assert_eq!((found[0].count, &found[0].words[..30]), (6, "GetHyperCubeData of table TB01"));
        assert!(rows(10, 400).is_empty(), "somebody scrolls");
        assert!(rows(100, 0).is_empty(), "the pages are not small");
        let apart = (0..6).fold(table(), |script, page| fetch(script, page * 100, 10));
        assert!(apart.close().found("tiny-pages").is_empty());
    }
    #[test]
    fn areas_of_absurd_size_are_large_and_no_fault() {
        let area = json!({"qArea": {"qLeft": 0, "qTop": 0, "qWidth": u64::MAX, "qHeight": u64::MAX}});
        let pages = json!({"qDataPages": [area, area]});
        let script = Script::new().app().object(2, "table", "T1");
        let found = script.call(2, "GetHyperCubeData", json!([]), pages).found("large-page");
        assert_eq!(found.len(), 1);
    }
}
