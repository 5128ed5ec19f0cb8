//! Steps of a pipeline, as they stand in a file.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One call of a pipeline: a line of JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// What the call is made on.
    #[serde(default)]
    pub(crate) handle: Option<On>,
    /// The method, with its class or without.
    pub(crate) method: String,
    /// Parameters; none if left out.
    #[serde(default)]
    pub(crate) params: Option<Box<RawValue>>,
    /// What later steps call the object that this one opens, as `$name`.
    #[serde(default, rename = "as")]
    pub(crate) name: Option<String>,
}

/// What a step says of its object.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub(crate) enum On {
    /// The engine's number.
    Handle(i32),
    /// `$name` of an earlier step.
    Name(String),
}

/// What is wrong with a line.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {words}")]
pub(crate) struct StepError {
    /// The line, from 1.
    pub(crate) line: usize,
    /// One sentence.
    pub(crate) words: String,
}

impl Step {
    /// Reads all lines; empty ones and those that begin with `#` count for nothing.
    ///
    /// # Errors
    ///
    /// The first line that is no step, or that uses a name that no line before it gives.
    pub(crate) fn read(text: &str) -> Result<Vec<(usize, Self)>, StepError> {
        let mut steps: Vec<(usize, Self)> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let fault = |words: String| StepError { line, words };
            let step: Self = serde_json::from_str(text).map_err(|error| {
                fault(format!(
                    "{error}; a step is an object such as {{\"handle\":-1,\"method\":\"OpenDoc\",\"params\":[\"Sales\"],\"as\":\"app\"}}"
                ))
            })?;
            if let Some(On::Name(name)) = &step.handle {
                let known = |(_, step): &(usize, Self)| step.name.as_deref() == name.strip_prefix('$');
                let given = matches!(name.as_str(), "$global" | "$app" | "$object");
                if !name.starts_with('$') || !(given || steps.iter().any(known)) {
                    return Err(fault(format!(
                        "no step before this one has \"as\":{:?}",
                        name.trim_start_matches('$')
                    )));
                }
            }
            steps.push((line, step));
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_name_what_they_open_and_use_what_was_opened_before() {
        let steps = Step::read(
            "# open\n{\"method\":\"OpenDoc\",\"params\":[\"Sales\"],\"as\":\"doc\"}\n\n{\"handle\":\"$doc\",\"method\":\"GetAppLayout\"}\n{\"handle\":-1,\"method\":\"EngineVersion\"}",
        )
        .unwrap();
        assert_eq!(steps.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(steps[1].1.handle, Some(On::Name("$doc".to_owned())));
        assert_eq!(steps[2].1.handle, Some(On::Handle(-1)));
    }

    #[test]
    fn lines_that_are_no_steps_are_named() {
        for (text, line, says) in [
            ("{\"method\":\"A\"}\n{\"metod\":\"A\"}", 2, "unknown field `metod`"),
            ("{\"handle\":\"$x\",\"method\":\"A\"}", 1, "no step before this one has \"as\":\"x\""),
            ("junk", 1, "expected value"),
        ] {
            let error = Step::read(text).unwrap_err();
            assert_eq!(error.line, line);
            assert!(error.words.contains(says), "{error}");
        }
    }
}
