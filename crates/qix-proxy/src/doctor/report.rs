//! What an examination found.

use std::{fmt, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};

/// What an examination found. As JSON: `{"url", "passed", "steps": […]}`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The endpoint, without secrets.
    pub url: String,
    /// Whether the engine can be talked to.
    pub passed: bool,
    /// In their order; the last one failed if any did.
    pub steps: Vec<Step>,
}

impl Report {
    /// Returns whether the engine can be talked to.
    pub fn passed(&self) -> bool {
        self.passed
    }
}

/// One step on the way to an engine.
///
/// `Display` writes a line, further lines with what was found, and the hint:
///
/// ```text
/// ✗ TLS              3.1 ms  TLS with sense:4747 failed: the server's certificate "CN=sense" expired on 2026-02-03
///                            certificate CN=sense, for sense; issued by CN=site-CA; from 2021-02-03 until 2026-02-03 (expired)
///                            → the server's certificate has expired: …
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// `credentials`, `name`, `TCP`, `tunnel`, `TLS`, `upgrade`, `greeting`, `engine`, or `notice` for other news.
    pub step: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    #[serde(rename = "ms", serialize_with = "in_milliseconds")]
    pub took: Duration,
    /// What happened, in one sentence.
    pub says: String,
    /// What else is good to know, a line each.
    #[serde(skip)]
    pub lines: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The same as `says` and `lines`, for programs.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// How a step went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// Well.
    Passed,
    /// Well enough to go on.
    Warned,
    /// Not; this is where the way ends.
    Failed,
}

impl Step {
    pub(super) fn new(step: &'static str, verdict: Verdict, says: impl Into<String>) -> Self {
        Self {
            step,
            verdict,
            took: Duration::ZERO,
            says: says.into(),
            lines: Vec::new(),
            hint: None,
            details: Map::new(),
        }
    }

    pub(super) fn passed(step: &'static str, says: impl Into<String>) -> Self {
        Self::new(step, Verdict::Passed, says)
    }

    pub(super) fn failed(step: &'static str, says: impl Into<String>) -> Self {
        Self::new(step, Verdict::Failed, says)
    }

    pub(super) fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    pub(super) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub(super) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Passed => '✓',
            Verdict::Warned => '!',
            Verdict::Failed => '✗',
        };
        write!(f, "{mark} {:<11} {:>8.1} ms  {}", self.step, milliseconds(self.took), self.says)?;
        let hint = self.hint.iter().map(|hint| format!("→ {hint}"));
        for line in self.lines.iter().cloned().chain(hint) {
            write!(f, "\n{:<27}{line}", "")?;
        }
        Ok(())
    }
}

/// Microseconds are as much as anybody reads out of a network.
fn milliseconds(took: Duration) -> f64 {
    took.as_micros() as f64 / 1e3
}

fn in_milliseconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(milliseconds(*took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_is_a_line_with_more_below_it() {
        let step = Step::failed("TCP", "refused").line("tried ::1").hint(Some("start it"));
        let indent = " ".repeat(27);
        assert_eq!(
            step.to_string(),
            format!("✗ TCP              0.0 ms  refused\n{indent}tried ::1\n{indent}→ start it")
        );
    }

    #[test]
    fn json_has_what_programs_need_and_no_more() {
        let mut step = Step::passed("TCP", "connected").detail("address", "::1").line("shown only");
        step.took = Duration::from_micros(1500);
        assert_eq!(
            serde_json::to_string(&step).unwrap(),
            r#"{"step":"TCP","verdict":"passed","ms":1.5,"says":"connected","details":{"address":"::1"}}"#
        );
    }
}
