//! Rules in a TOML file.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    FaultError, FaultRule, check,
    fields::{Fields, Value},
};

/// What a file with rules says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FaultFile {
    /// The rules, in order.
    pub rules: Vec<FaultRule>,
    /// The seed, if the file has one.
    pub seed: Option<u64>,
}

impl FaultFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`FaultError`] if it cannot be read, or as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, FaultError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| FaultError::Io { path: path.to_owned(), source })?;
        Self::parse_named(&text, &path.display().to_string())
    }

    /// Reads the text of a file: `[[fault]]` tables, and a `seed` if the faults are to be had again.
    ///
    /// # Errors
    ///
    /// [`FaultError::Rule`] that says what is wrong, in which line, and what would be right.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        Self::parse_named(text, "the fault rules")
    }

    fn parse_named(text: &str, name: &str) -> Result<Self, FaultError> {
        let at = |from: usize| {
            let before = &text.as_bytes()[..from.min(text.len())];
            format!("line {} of {name}", 1 + before.iter().filter(|byte| **byte == b'\n').count())
        };
        let document = DeTable::parse(text).map_err(|error| {
            let place = at(error.span().map_or(0, |span| span.start));
            let says = error.message().replace('\n', ", ");
            FaultError::at(
                place,
                format!("this is no TOML: {says}; rules are tables that begin with [[fault]]"),
            )
        })?;
        let mut file = Self::default();
        for (key, value) in document.get_ref() {
            let place = at(key.span().start);
            match (&**key.get_ref(), value.get_ref()) {
                ("seed", DeValue::Integer(_)) => match plain(value.get_ref()) {
                    Some(Value::Integer(seed @ 0..)) => file.seed = Some(seed.unsigned_abs()),
                    _ => return Err(FaultError::at(place, "'seed' must be a whole number from 0")),
                },
                ("seed", _) => return Err(FaultError::at(place, "'seed' must be a whole number from 0")),
                ("fault", DeValue::Array(tables)) => {
                    for table in tables.iter() {
                        let number = file.rules.len() + 1;
                        file.rules.push(rule(table, number, &at)?);
                    }
                }
                (other, _) => {
                    let fault =
                        format!("'{other}' is nothing here; write rules below [[fault]], and seed = NUMBER");
                    return Err(FaultError::at(place, fault));
                }
            }
        }
        if file.rules.is_empty() {
            return Err(FaultError::at(name, "there is no rule in it; begin one with [[fault]]"));
        }
        Ok(file)
    }
}

fn rule(
    table: &Spanned<DeValue<'_>>,
    number: usize,
    at: &impl Fn(usize) -> String,
) -> Result<FaultRule, FaultError> {
    let place = at(table.span().start);
    let DeValue::Table(members) = table.get_ref() else {
        return Err(FaultError::at(place, "a rule must be a table that begins with [[fault]]"));
    };
    let mut fields = Fields::default();
    // In the order of the file, so that the first fault is the one that is named.
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(key, _)| key.span().start);
    let mut shown = Vec::new();
    for (key, value) in members {
        let place = at(key.span().start);
        let Some(plain) = plain(value.get_ref()) else {
            let fault = format!("'{}' has a value that rules have no use for", key.get_ref());
            return Err(FaultError::at(place, fault));
        };
        shown.push(match &plain {
            Value::Text(text) if &**key.get_ref() == "method" => text.clone(),
            Value::Text(text) => format!("{}={text}", key.get_ref()),
            Value::Integer(number) => format!("{}={number}", key.get_ref()),
            Value::Float(number) => format!("{}={number}", key.get_ref()),
            Value::Bool(is) => format!("{}={is}", key.get_ref()),
            Value::Json(json) => format!("{}={json}", key.get_ref()),
        });
        fields.add(key.get_ref(), plain, place)?;
    }
    let place = format!("fault {number}, {place}");
    check::rule(fields, shown.join(" "), &place)
}

/// Takes a value out of the document; `None` for numbers beyond 64 bits.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(is) => Value::Bool(*is),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(array) => Value::Json(list(array)?),
        DeValue::Table(table) => Value::Json(object(table)?),
    })
}

fn list(array: &DeArray<'_>) -> Option<serde_json::Value> {
    array.iter().map(|value| json(value.get_ref())).collect::<Option<Vec<_>>>().map(serde_json::Value::Array)
}

fn object(table: &DeTable<'_>) -> Option<serde_json::Value> {
    let member = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        Some((key.to_string(), json(value.get_ref())?))
    };
    table.iter().map(member).collect::<Option<serde_json::Map<_, _>>>().map(serde_json::Value::Object)
}

fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match plain(value)? {
        Value::Text(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Bool(is) => is.into(),
        Value::Json(json) => json,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        FaultFile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn file_has_rules_and_a_seed() {
        let file = FaultFile::parse(
            "seed = 7\n[[fault]]\nmethod = \"Get*\"\nnth = 2\nerror = \"GENERIC_ABORTED\"\n\n[[fault]]\nupgrade = true\nevery = 2\nrefuse = 503\nheaders = { Retry-After = 3 }\n",
        )
        .unwrap();
        assert_eq!((file.seed, file.rules.len()), (Some(7), 2));
        assert_eq!(file.rules[0].to_string(), "Get* nth=2 error=GENERIC_ABORTED");
        assert!(file.rules[1].when.upgrade);
        let line: FaultRule = "Get* nth=2 error=15".parse().unwrap();
        assert_eq!((&line.when, &line.what), (&file.rules[0].when, &file.rules[0].what));
    }

    #[test]
    fn wrong_files_are_told_by_line() {
        for (text, place, says) in [
            ("{\"fault\": []}", "line 1", "this is no TOML"),
            ("[[fault]]\nmethod = \n", "line 2", "this is no TOML"),
            ("", "the fault rules", "no rule"),
            ("seed = -1\n[[fault]]\nerror = 15", "line 1", "from 0"),
            ("rules = []\n", "line 1", "'rules' is nothing here"),
            ("fault = [3]\n", "line 1", "must be a table"),
            ("[[fault]]\nmethod = \"GetLayout\"\neror = 15\n", "line 3", "'error' was meant"),
            ("[[fault]]\nmethod = \"GetLayout\"\nnth = -3\nerror = 15\n", "line 3", "1 or more"),
            ("[[fault]]\nerror = \"x\"\n\n[[fault]]\n", "line 2", "no error is called x"),
            ("[[fault]]\nerror = 15\n\n[[fault]]\nmethod = \"Get*\"\n", "fault 2, line 4", "does nothing"),
        ] {
            let found = fault(text);
            assert!(found.contains(place) && found.contains(says), "{text}: {found}");
        }
    }

    #[test]
    fn examples_of_the_documentation_are_rules() {
        let page = include_str!("../../../../docs/faults.md");
        let blocks = |kind: &str| {
            let begin = format!("```{kind}\n");
            page.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap()).collect::<Vec<_>>()
        };
        let mut lines = 0;
        let mut all = Vec::new();
        for line in blocks("text").iter().flat_map(|block| block.lines()) {
            let rule = line.strip_prefix("--fault '").and_then(|rest| rest.strip_suffix('\'')).unwrap();
            all.push(rule.parse::<FaultRule>().unwrap_or_else(|error| panic!("{error}")));
            lines += 1;
        }
        for block in blocks("toml") {
            all.extend(FaultFile::parse(block).unwrap_or_else(|error| panic!("{error}")).rules);
        }
        assert!(lines >= 10 && all.len() >= lines + 4);
        let rules = crate::faults::FaultRules::new(all, 1).unwrap();
        assert_eq!(rules.warnings(), [""; 0]);
        // Every word is explained.
        for key in crate::faults::fields::KEYS {
            assert!(page.contains(&format!("`{key}`")), "{key}");
        }
    }

    #[test]
    fn missing_file_is_named() {
        let error = FaultFile::read(Path::new("/nowhere/at-all.toml")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at-all.toml"));
    }
}
