//! What a replay did not know and what it was never asked, for people and for programs.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use qix_protocol::Lineage;
use serde_json::{Value, json};

use super::{Difference, Key, Miss, PageMiss, ReplaySummary, key::shortened, miss::or_nothing};
use crate::count::count;

/// How many different misses are kept; further ones are counted.
const MOST_MISSES: usize = 10_000;
/// How many bytes of requests are kept, for a request may be as large as a message.
const MOST_BYTES: usize = 32 << 20;
/// How many lines a list for people has.
const MOST_LINES: usize = 20;

/// Gathers the misses of a replay, equal ones once.
#[derive(Debug, Default)]
pub struct Report {
    misses: Vec<(Miss, u64)>,
    /// Where in `misses` a request is.
    places: HashMap<(Key, bool), usize>,
    bytes: usize,
    /// Requests of plain HTTP, in words.
    pages: BTreeMap<String, u64>,
    /// Misses that were too many to be kept.
    beyond: u64,
}

/// Recorded calls of one method on one object that nobody made.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UnusedCalls {
    /// The object, by the way it was opened.
    pub object: Lineage,
    /// The method; empty for texts that are no requests.
    pub method: Box<str>,
    /// How many of them.
    pub count: u64,
}

impl UnusedCalls {
    fn line(&self) -> String {
        let method = if self.method.is_empty() { "text that is no request" } else { &self.method };
        format!("  {:>5} × {method} on {}", self.count, shortened(&self.object.to_string()))
    }
}

impl Report {
    /// Takes a miss in. Returns whether it is the first of its kind, and so worth showing.
    pub fn add(&mut self, miss: Miss) -> bool {
        let place = (miss.key.clone(), matches!(miss.upstream, Some(Ok(()))));
        if let Some(at) = self.places.get(&place) {
            self.misses[*at].1 += 1;
            return false;
        }
        // Once to be found, and once to be shown.
        let bytes =
            2 * miss.key.params.len() + miss.nearest.as_ref().map_or(0, |nearest| nearest.params.len());
        if self.misses.len() == MOST_MISSES || self.bytes + bytes > MOST_BYTES {
            self.beyond += 1;
            return false;
        }
        self.bytes += bytes;
        self.places.insert(place, self.misses.len());
        self.misses.push((miss, 1));
        true
    }

    /// Takes in a request of plain HTTP that is not in the recording. Returns whether it is the first of its kind.
    pub fn add_page(&mut self, miss: &PageMiss) -> bool {
        let text = miss.to_string();
        if let Some(count) = self.pages.get_mut(&text) {
            *count += 1;
            return false;
        }
        if self.pages.len() == MOST_MISSES || self.bytes + text.len() > MOST_BYTES {
            self.beyond += 1;
            return false;
        }
        self.bytes += text.len();
        self.pages.insert(text, 1);
        true
    }

    /// Lists, for people, the requests that got no answer, or nothing if all got one.
    pub fn missed_text(&self) -> String {
        let misses: Vec<_> = self.misses.iter().filter(|(miss, _)| !is_answered(miss)).collect();
        let total =
            misses.iter().map(|(_, count)| count).chain(self.pages.values()).sum::<u64>() + self.beyond;
        if total == 0 {
            return String::new();
        }
        let lines = misses.iter().map(|(miss, count)| format!("  {count:>5} × {}", miss.key));
        let pages = self.pages.iter().map(|(page, count)| format!("  {count:>5} × {page}"));
        let different = misses.len() + self.pages.len();
        list(&format!("not in the recording: {}", count(total, "request")), lines.chain(pages), different)
    }

    /// Lists, for people, recorded calls that nobody made, or nothing if there are none.
    pub fn unused_text(unused: &[UnusedCalls]) -> String {
        if unused.is_empty() {
            return String::new();
        }
        let total = unused.iter().map(|calls| calls.count).sum::<u64>();
        let title = format!("recorded and never asked for: {}", count(total, "call"));
        list(&title, unused.iter().map(UnusedCalls::line), unused.len())
    }

    /// Writes everything as JSON.
    pub fn json(&self, summary: &ReplaySummary, unused: &[UnusedCalls]) -> Value {
        let call = |key: &Key| json!({"object": key.lineage.to_string(), "method": key.method, "params": params(key)});
        let miss = |(miss, count): &(Miss, u64)| {
            json!({
                "request": call(&miss.key),
                "nearest": miss.nearest.as_ref().map(call),
                "difference": difference(&miss.difference),
                "text": miss.to_string(),
                "count": count,
                "upstream": match &miss.upstream {
                    None => Value::Null,
                    Some(Ok(())) => json!({"answered": true}),
                    Some(Err(error)) => json!({"answered": false, "error": error}),
                },
            })
        };
        let unused = unused.iter().map(
            |calls| json!({"object": calls.object.to_string(), "method": calls.method, "count": calls.count}),
        );
        json!({
            "connections": summary.connections,
            "answered": summary.answered,
            "missed": summary.missed,
            "upstream": summary.upstream,
            "misses": self.misses.iter().map(miss).collect::<Vec<_>>(),
            "exchanges": summary.exchanges,
            "missed_pages": self.pages.iter().map(|(page, count)| json!({"text": page, "count": count})).collect::<Vec<_>>(),
            "more_misses": self.beyond,
            "unused": unused.collect::<Vec<_>>(),
        })
    }
}

fn is_answered(miss: &Miss) -> bool {
    matches!(miss.upstream, Some(Ok(())))
}

fn list(title: &str, lines: impl Iterator<Item = String>, total: usize) -> String {
    let mut text = format!("{title}\n");
    for line in lines.take(MOST_LINES) {
        text.push_str(&line);
        text.push('\n');
    }
    if total > MOST_LINES {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  … and {} more", total - MOST_LINES);
    }
    text
}

fn params(key: &Key) -> Value {
    serde_json::from_str(&key.params).unwrap_or_else(|_| Value::from(&*key.params))
}

fn difference(difference: &Difference) -> Value {
    match difference {
        Difference::Object => json!({"kind": "object"}),
        Difference::Method => json!({"kind": "method"}),
        Difference::Parameter { path, recorded, live } => {
            json!({"kind": "parameter", "path": path, "recorded": recorded, "live": live})
        }
        Difference::State { times, recorded_after } => {
            let after = recorded_after.as_ref().map(ToString::to_string);
            json!({"kind": "state", "times": times, "recorded_after": after})
        }
        Difference::Departed => json!({"kind": "departed"}),
        Difference::Repeated { times } => json!({"kind": "repeated", "times": times}),
        Difference::Lost => json!({"kind": "lost"}),
        Difference::Unreadable(why) => json!({"kind": "unreadable", "why": why}),
        Difference::Nothing => json!({"kind": "nothing"}),
    }
}

impl Miss {
    /// Shows the miss in a few lines, in the manner of a diff: what was recorded in red, what the client says in green.
    pub fn block(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let title = match &self.upstream {
            None => "not in the recording",
            Some(Ok(())) => "not in the recording, answered by the upstream",
            Some(Err(_)) => "not in the recording, nor to be had from the upstream",
        };
        let mut text = format!("{}: {}\n", paint("1", title), self.key);
        let mut line = |mark: &str, what: &str| {
            let code = if mark == "-" { "31" } else { "32" };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "  {}", paint(code, &format!("{mark} {what}")));
        };
        let object = |key: &Key| shortened(&key.lineage.to_string());
        match (&self.difference, &self.nearest) {
            (Difference::Parameter { path, recorded, live }, Some(nearest)) => {
                let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
                line("-", &format!("{place}{}", or_nothing(recorded)));
                line("+", &format!("{place}{}", or_nothing(live)));
                let _ = writeln!(text, "  nearest recorded call: {nearest}");
            }
            (Difference::Object, Some(nearest)) => {
                line("-", &format!("on {}", object(nearest)));
                line("+", &format!("on {}", object(&self.key)));
                let _ = writeln!(text, "  nearest recorded call: {nearest}");
            }
            (Difference::Method, Some(nearest)) => {
                line("-", &nearest.to_string());
                let _ = writeln!(text, "  {}", self.why());
            }
            _ => {
                let _ = writeln!(text, "  {}", self.why());
            }
        }
        if let Some(Err(error)) = &self.upstream {
            // In the place of what is known least well.
            let kept = text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>();
            return format!("{kept}  upstream: {error}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use qix_protocol::frame::Raw;

    use super::*;

    fn doc() -> Lineage {
        Lineage::GLOBAL.child("OpenDoc", Raw::new(br#"["Sales"]"#).ok(), 0, "Doc")
    }

    fn key(lineage: Lineage, method: &str, params: &str) -> Key {
        Key { lineage, method: method.into(), params: params.into() }
    }

    fn near(method: &str, params: &str, nearest: Key) -> Miss {
        Miss::new(key(doc(), method, params), Some(nearest))
    }

    #[test]
    fn each_kind_of_miss_is_a_block_of_at_most_four_lines() {
        let other = doc().child("GetObject", Raw::new(br#"["a"]"#).ok(), 0, "GenericObject");
        let cases = [
            (
                near("GetObject", r#"["b"]"#, key(doc(), "GetObject", r#"["a"]"#)),
                r#"not in the recording: GetObject("b") on OpenDoc("Sales")
  - /qId: "a"
  + /qId: "b"
  nearest recorded call: GetObject("a") on OpenDoc("Sales")
"#,
            ),
            (
                near("GetLayout", "[]", key(other, "GetLayout", "[]")),
                r#"not in the recording: GetLayout() on OpenDoc("Sales")
  - on OpenDoc("Sales") / GetObject("a")
  + on OpenDoc("Sales")
  nearest recorded call: GetLayout() on OpenDoc("Sales") / GetObject("a")
"#,
            ),
            (
                near("DoSave", "[]", key(doc(), "GetAppLayout", "[]")),
                r#"not in the recording: DoSave() on OpenDoc("Sales")
  - GetAppLayout() on OpenDoc("Sales")
  the method was not recorded, only others of that object
"#,
            ),
            (
                Miss::new(key(doc(), "DoSave", "[]"), None),
                r#"not in the recording: DoSave() on OpenDoc("Sales")
  nothing like it was recorded
"#,
            ),
        ];
        for (miss, block) in cases {
            assert_eq!(miss.block(false), block);
            assert!(block.lines().count() <= 4);
        }
    }

    #[test]
    fn colour_is_that_of_a_diff_and_only_if_asked_for() {
        let miss = near("GetObject", r#"["b"]"#, key(doc(), "GetObject", r#"["a"]"#));
        let painted = miss.block(true);
        assert!(painted.contains("\x1b[31m- /qId: \"a\"\x1b[0m"), "{painted:?}");
        assert!(painted.contains("\x1b[32m+ /qId: \"b\"\x1b[0m"), "{painted:?}");
        assert!(!miss.block(false).contains('\x1b'));
    }

    #[test]
    fn failure_of_the_upstream_has_a_line_of_the_four() {
        let mut miss = near("GetObject", r#"["b"]"#, key(doc(), "GetObject", r#"["a"]"#));
        miss.upstream = Some(Err("it hung up".to_owned()));
        let block = miss.block(false);
        assert_eq!(block.lines().count(), 4);
        assert!(block.ends_with("  upstream: it hung up\n"), "{block}");
    }

    #[test]
    fn equal_misses_are_counted_and_shown_once() {
        let mut report = Report::default();
        let miss = |params: &str| Miss::new(key(doc(), "GetObject", params), None);
        let shown: Vec<_> = ["[1]", "[2]", "[1]", "[1]"].map(|params| report.add(miss(params))).into();
        assert_eq!(shown, [true, true, false, false]);
        assert_eq!(
            report.missed_text(),
            "not in the recording: 4 requests\n      3 × GetObject(1) on OpenDoc(\"Sales\")\n      \
             1 × GetObject(2) on OpenDoc(\"Sales\")\n"
        );
        let json = report.json(&ReplaySummary::default(), &[]);
        assert_eq!(json["misses"][0]["count"], 3);
        assert_eq!(json["misses"][0]["request"]["params"], json!([1]));
        assert_eq!(json["misses"][0]["difference"]["kind"], "nothing");
    }

    #[test]
    fn lists_for_people_end_and_say_how_much_more_there_is() {
        let calls = |at: usize| UnusedCalls { object: doc(), method: format!("M{at}").into(), count: 2 };
        let unused: Vec<UnusedCalls> = (0..25).map(calls).collect();
        let text = Report::unused_text(&unused);
        assert!(
            text.starts_with("recorded and never asked for: 50 calls\n      2 × M0 on OpenDoc"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1 + MOST_LINES + 1);
        assert!(text.ends_with("  … and 5 more\n"), "{text}");
        assert_eq!(Report::unused_text(&[]), "");
        assert_eq!(Report::default().missed_text(), "");
    }
}
