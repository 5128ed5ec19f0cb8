//! Rules of one's own: a TOML file that says what else is a secret.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use http::HeaderName;
use qix_protocol::schema::METHODS;
use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The file cannot be read.
    #[error("cannot read the rules in {}; check its name and that it may be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not TOML, or has something in it that is no rule.
    #[error("line {line} of the redaction rules cannot be used: {fault}")]
    Rule {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        fault: String,
    },
}

/// Rules that hold together.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) headers: Vec<HeaderName>,
    pub(super) query: Vec<String>,
    pub(super) members: Vec<String>,
    pub(super) paths: Vec<PathRule>,
    pub(super) texts: Vec<Regex>,
    pub(super) methods: HashMap<String, Vec<PathRule>>,
}

/// A place in a message; all below it is secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct PathRule(pub(super) Vec<Part>);

/// One step of a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// `*`: any member or element.
    Any,
    /// A member; digits are the place of an element too.
    Name(String),
}

impl PathRule {
    /// The parameter at this position.
    pub(super) fn position(at: usize) -> Self {
        Self::named(&at.to_string())
    }

    /// The parameter of this name.
    pub(super) fn named(name: &str) -> Self {
        Self(vec![Part::Name("params".to_owned()), Part::Name(name.to_owned())])
    }

    fn parse(path: &str) -> Self {
        let part = |part: &str| match part {
            "*" => Part::Any,
            part => Part::Name(part.replace("~1", "/").replace("~0", "~")),
        };
        Self(path.trim_start_matches('/').split('/').map(part).collect())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    headers: Vec<Spanned<String>>,
    #[serde(default)]
    query: Vec<Spanned<String>>,
    #[serde(default)]
    members: Vec<Spanned<String>>,
    #[serde(default)]
    paths: Vec<Spanned<String>>,
    #[serde(default)]
    texts: Vec<Spanned<String>>,
    #[serde(default)]
    methods: HashMap<String, Vec<Spanned<String>>>,
}

impl Rules {
    pub(super) fn read(path: &Path) -> Result<Self, RuleError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RuleError::Io { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    pub(super) fn parse(text: &str) -> Result<Self, RuleError> {
        let fault = |at: usize, fault: String| RuleError::Rule {
            line: 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count(),
            fault,
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let says = error.message().replace('\n', ", ");
            fault(error.span().map_or(0, |span| span.start), says)
        })?;
        let filled = |rules: Vec<Spanned<String>>| {
            rules
                .into_iter()
                .map(|rule| match rule.get_ref().trim() {
                    "" => Err(fault(
                        rule.span().start,
                        "a rule is empty; write a name, or remove it".to_owned(),
                    )),
                    _ => Ok((rule.span().start, rule.into_inner())),
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let header = |(at, name): (usize, String)| {
            let wrong = |_| fault(at, format!("`{name}` is no name of a header"));
            name.to_ascii_lowercase().parse().map_err(wrong)
        };
        let path = |(at, path): (usize, String)| match path.starts_with('/') {
            true => Ok(PathRule::parse(&path)),
            false => Err(fault(
                at,
                format!("`{path}` is no path; begin it with a slash, as in /result/qLayout/*/pin"),
            )),
        };
        let regex = |(at, text): (usize, String)| {
            let wrong = |error: regex::Error| {
                let says = error.to_string();
                let says = says.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                fault(at, format!("`{text}` is no regular expression: {says}"))
            };
            Regex::new(&text).map_err(wrong)
        };
        let mut methods: HashMap<String, Vec<PathRule>> = HashMap::new();
        for (method, params) in file.methods {
            for (_, param) in filled(params)? {
                methods.entry(method.clone()).or_default().extend(of_param(&method, &param));
            }
        }
        let names = |rules| Ok(filled(rules)?.into_iter().map(|(_, name)| name).collect::<Vec<_>>());
        Ok(Self {
            headers: filled(file.headers)?.into_iter().map(header).collect::<Result<_, _>>()?,
            query: names(file.query)?,
            members: names(file.members)?,
            paths: filled(file.paths)?.into_iter().map(path).collect::<Result<_, _>>()?,
            texts: filled(file.texts)?.into_iter().map(regex).collect::<Result<_, _>>()?,
            methods,
        })
    }

    /// Returns texts of which a message has one if a rule can apply to it, expressions apart.
    pub(super) fn patterns(&self) -> impl Iterator<Item = String> {
        let last = |rule: &PathRule| {
            rule.0.iter().rev().find_map(|part| match part {
                Part::Name(name) if name.parse::<usize>().is_err() => Some(name.clone()),
                _ => None,
            })
        };
        // Short ones would be found everywhere, and slow the search down.
        self.query.iter().chain(&self.members).cloned().chain(self.paths.iter().filter_map(last))
    }

    /// Returns whether every message has to be read, because nothing else tells where a rule applies.
    pub(super) fn reads_all(&self) -> bool {
        let nameless = |rule: &PathRule| {
            rule.0.iter().all(|part| !matches!(part, Part::Name(name) if name.parse::<usize>().is_err()))
        };
        !self.texts.is_empty() || self.paths.iter().any(nameless)
    }
}

/// Makes the rules of one parameter, such as `qPin`, `2` or `qConnection/qKey`: by name, and by position if the schema has it.
fn of_param(method: &str, param: &str) -> Vec<PathRule> {
    let PathRule(parts) = PathRule::parse(&format!("/params/{param}"));
    let known = METHODS.iter().find(|info| info.name == method);
    let first = param.split('/').next().unwrap_or_default();
    let twin = known.and_then(|info| match first.parse::<usize>() {
        Ok(at) => info.params.get(at).map(|param| param.name.to_owned()),
        Err(_) => info.params.iter().position(|param| param.name == first).map(|at| at.to_string()),
    });
    let twin = twin.map(|twin| {
        let mut parts = parts.clone();
        parts[1] = Part::Name(twin);
        PathRule(parts)
    });
    std::iter::once(PathRule(parts)).chain(twin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_every_kind_are_read() {
        let rules = Rules::parse(
            "headers = ['X-My-Auth']\nquery = ['sid']\nmembers = ['pin']\npaths = ['/result/*/0/a~1b']\n\
             texts = ['SK-\\d+']\n[methods]\nGetObject = ['qId']\nMine = ['1/x']\n",
        )
        .unwrap();
        assert_eq!(rules.headers, ["x-my-auth"]);
        let parts = ["result", "*", "0", "a/b"].map(|part| match part {
            "*" => Part::Any,
            name => Part::Name(name.to_owned()),
        });
        assert_eq!(rules.paths, [PathRule(parts.to_vec())]);
        assert_eq!(rules.methods["GetObject"], [PathRule::named("qId"), PathRule::position(0)]);
        assert_eq!(rules.methods["Mine"].len(), 1);
        assert_eq!(rules.patterns().collect::<Vec<_>>(), ["sid", "pin", "a/b"]);
    }

    #[test]
    fn rule_that_cannot_be_used_is_named_with_its_line() {
        for (text, says) in [
            (
                "headers = [\n'a b']",
                "line 2 of the redaction rules cannot be used: `a b` is no name of a header",
            ),
            (
                "\npaths = ['result']",
                "line 2 of the redaction rules cannot be used: `result` is no path; begin it with a slash, as in /result/qLayout/*/pin",
            ),
            (
                "texts = ['(']",
                "line 1 of the redaction rules cannot be used: `(` is no regular expression: unclosed group",
            ),
            (
                "query = ['']",
                "line 1 of the redaction rules cannot be used: a rule is empty; write a name, or remove it",
            ),
        ] {
            assert_eq!(Rules::parse(text).unwrap_err().to_string(), says);
        }
        let unknown = Rules::parse("members = []\ncookies = ['a']").unwrap_err().to_string();
        assert!(unknown.starts_with("line 2 ") && unknown.contains("`cookies`"), "{unknown}");
        assert!(Rules::parse("headers = [").unwrap_err().to_string().starts_with("line 1 "));
    }
}
