//! Reloads: what a script says, and the progress that is told meanwhile.

use serde_json::{Value, json};

use super::table::{Column, Symbol, Table};

/// What a script makes of a reload. Only these statements are understood; all others are passed over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// `Sleep n;`: the answer is held back until so many further answers have left on the socket.
    pub(crate) answers: u32,
    /// `Fail;` or `Error text;`: the reload returns false.
    pub(crate) fails: bool,
    /// `Error text;`: what is wrong, for clients that have asked for error data.
    pub(crate) errors: Vec<String>,
    /// `Ask text;`: the reload stands still until a client has answered.
    pub(crate) question: Option<String>,
    /// `LOAD * INLINE [ … ];` (the first one), else the table of Sales if the script loads anything at all.
    pub(crate) table: Option<Table>,
}

/// Reads a script.
pub(crate) fn plan(script: &str, sales: &dyn Fn() -> Table) -> Plan {
    let mut plan = Plan::default();
    for statement in script.split(';') {
        let words: Vec<&str> = statement
            .lines()
            .filter(|line| !line.starts_with("//"))
            .flat_map(str::split_whitespace)
            .collect();
        match words.as_slice() {
            [first, number] if first.eq_ignore_ascii_case("sleep") => {
                plan.answers = number.parse::<u32>().unwrap_or(0).min(1000);
            }
            [first] if first.eq_ignore_ascii_case("fail") => plan.fails = true,
            [first, text @ ..] if first.eq_ignore_ascii_case("error") => {
                plan.fails = true;
                plan.errors.push(text.join(" "));
            }
            [first, text @ ..] if first.eq_ignore_ascii_case("ask") => plan.question = Some(text.join(" ")),
            _ => {}
        }
    }
    let lower = script.to_ascii_lowercase();
    plan.table = inline(script, &lower);
    if plan.table.is_none() && lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "load") {
        plan.table = Some(sales());
    }
    plan
}

// A table that a client sends must stay small, since each value is looked up among the distinct ones.
const MAX_INLINE_ROWS: usize = 10_000;

fn inline(script: &str, lower: &str) -> Option<Table> {
    let at = lower.find("inline")?;
    let open = at + script.get(at..)?.find('[')?;
    let close = open + script.get(open..)?.find(']')?;
    let mut lines = script.get(open + 1..close)?.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next()?.split(',').map(str::trim).collect();
    let name = script.get(..at)?.rsplit(':').nth(1).and_then(|head| head.split_whitespace().last());
    let column = |name: &&str| Column { name: (*name).to_owned(), symbols: Vec::new(), cells: Vec::new() };
    let mut table = Table {
        name: name.unwrap_or("Table").to_owned(),
        columns: names.iter().map(column).collect(),
        rows: 0,
    };
    for line in lines.take(MAX_INLINE_ROWS) {
        let mut cells = line.split(',').map(str::trim);
        for column in &mut table.columns {
            let text = cells.next().unwrap_or_default();
            let known = column.symbols.iter().position(|symbol| symbol.text == text);
            let at = known.unwrap_or_else(|| {
                let num = text.parse().ok().filter(|num: &f64| num.is_finite());
                column.symbols.push(Symbol { text: text.to_owned(), num });
                column.symbols.len() - 1
            });
            column.cells.push(at as u32);
        }
        table.rows += 1;
    }
    Some(table)
}

/// What `GetProgress` tells about one reload; each call consumes what it tells.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    steps: u32,
    told: u32,
    finished: bool,
    drained: bool,
    errors: Vec<String>,
    question: Option<String>,
}

impl Progress {
    pub(crate) fn new(answers: u32) -> Self {
        Self { steps: answers, told: 0, finished: false, drained: false, errors: Vec::new(), question: None }
    }

    /// Adds what is wrong with the script, to be told once.
    pub(crate) fn with_errors(mut self, errors: Vec<String>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds what the reload waits for.
    pub(crate) fn with_question(mut self, question: Option<String>) -> Self {
        self.question = question;
        self
    }

    /// Returns what the reload waits for, as `GetInteract` tells it.
    pub(crate) fn interaction(&self) -> Option<Value> {
        let text = self.question.as_ref()?;
        Some(json!({
            "qType": "IT_MSGBOX", "qTitle": "Script", "qMsg": text, "qButtons": 1, "qLine": "", "qOldLineNr": 0,
            "qNewLineNr": 1, "qPath": "", "qHidden": false, "qResult": 0, "qInput": "",
        }))
    }

    /// Takes note that a client has answered; false if nothing was asked.
    pub(crate) fn answered(&mut self) -> bool {
        self.question.take().is_some()
    }

    pub(crate) fn finish(&mut self) {
        self.finished = true;
        self.question = None;
    }

    /// Returns the news since the last call, or nothing if all has been told.
    pub(crate) fn take(&mut self) -> Option<Value> {
        if self.drained {
            return None;
        }
        let mut texts = Vec::new();
        let mut messages = Vec::new();
        if self.told == 0 {
            texts.push("Connected".to_owned());
            messages.push(json!({"qMessageCode": 5, "qMessageParameters": []}));
        }
        self.told += 1;
        let lines = i64::from(self.told) * 100;
        texts.push(format!("Sales << sales {lines} lines fetched"));
        messages.push(json!({"qMessageCode": 21, "qMessageParameters": [lines.to_string()]}));
        if self.finished {
            texts.push("Reload done".to_owned());
            messages.push(json!({"qMessageCode": 11, "qMessageParameters": []}));
            self.drained = true;
        }
        let errors: Vec<Value> = std::mem::take(&mut self.errors)
            .into_iter()
            .map(|text| {
                json!({
                    "qErrorString": text, "qLineEnd": "", "qLine": format!("Error {text}"),
                    "qErrorDataCode": "EDC_ERROR", "qMessage": {"qMessageCode": 0, "qMessageParameters": []},
                })
            })
            .collect();
        Some(json!({
            "qStarted": true,
            "qFinished": self.finished,
            "qCompleted": self.told,
            "qTotal": self.steps.max(self.told),
            "qKB": 4,
            "qMillisecs": lines,
            "qUserInteractionWanted": self.question.is_some(),
            "qPersistentProgress": texts.iter().map(|text| format!("{text}\n")).collect::<String>(),
            "qTransientProgress": lines.to_string(),
            "qErrorData": errors,
            "qPersistentProgressMessages": messages,
            "qTransientProgressMessage": {"qMessageCode": 21, "qMessageParameters": [lines.to_string()]},
        }))
    }
}

/// Returns what `GetProgress` says about an id it does not know: finished, with nothing done.
pub(crate) fn unknown_progress() -> Value {
    json!({
        "qStarted": true,
        "qFinished": true,
        "qCompleted": 0,
        "qTotal": 0,
        "qKB": 0,
        "qMillisecs": 0,
        "qUserInteractionWanted": false,
        "qPersistentProgress": "",
        "qTransientProgress": "",
        "qErrorData": [],
        "qPersistentProgressMessages": [],
        "qTransientProgressMessage": {"qMessageCode": 0, "qMessageParameters": [""]},
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::sales;
    use super::*;

    #[test]
    fn a_script_may_sleep_fail_and_load() {
        let read = |script: &str| plan(script, &|| sales(5));
        assert_eq!(read("Sleep 3;\r\nLOAD * FROM x;").answers, 3);
        assert!(read("// a remark\nFail;").fails);
        assert!(read("SET x = 1;").table.is_none());
        assert_eq!(read("LOAD a FROM b;").table.unwrap().rows, 5);
        let table = read("Colours:\nLOAD * INLINE [\nName, Code\nred, 1\nblue, 2\nred, 3\n];").table.unwrap();
        assert_eq!((table.name.as_str(), table.rows, table.columns[0].symbols.len()), ("Colours", 3, 2));
        assert!(read("load inline").table.is_some());
        assert!(read("LOAD * INLINE [").table.is_some());
    }

    #[test]
    fn progress_is_consumed_and_ends() {
        let mut progress = Progress::new(2);
        assert_eq!(progress.take().unwrap()["qFinished"], json!(false));
        progress.finish();
        let last = progress.take().unwrap();
        assert_eq!(last["qFinished"], json!(true));
        assert_eq!(last["qPersistentProgressMessages"].as_array().unwrap().len(), 2);
        assert!(progress.take().is_none());
    }
}
