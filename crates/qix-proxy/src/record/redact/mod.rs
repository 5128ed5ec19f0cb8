//! Takes secrets out of what is to be recorded. `docs/recording-format.md` lists them.

mod bodies;
mod frames;
mod headers;
mod literals;
mod names;
mod rules;
mod search;
mod texts;

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

pub(crate) use headers::Redactor;
use qix_transport::redact_url_where;
pub use rules::RuleError;
use rules::{PathRule, Rules};
use search::{Search, Suspects};

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "***";

/// What is a secret, and that it is to be replaced. Cheap to clone.
///
/// The same rules clean what is written, what a replay compares, and old recordings.
///
/// ```
/// use qix_proxy::record::Redaction;
///
/// let rules = r#"
/// headers = ["x-my-auth"]
///
/// [methods]
/// MyLogin = ["qPin"]
/// "#;
/// let redaction = Redaction::standard().script(true).rules(rules)?;
/// # let _ = redaction;
/// # Ok::<(), qix_proxy::record::RuleError>(())
/// ```
#[derive(Clone)]
pub struct Redaction(Arc<Inner>);

struct Inner {
    on: bool,
    script: bool,
    rules: Rules,
    search: Search,
    /// Parameters by method, from the schema and from the rules.
    methods: std::collections::HashMap<String, Vec<PathRule>>,
}

/// A message without its secrets, and what was replaced.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Redacted {
    pub(crate) text: Vec<u8>,
    pub(crate) redacted: Vec<String>,
}

impl Redaction {
    /// Replaces every secret that is known of the protocol.
    pub fn standard() -> Self {
        Self::new(true, false, Rules::default())
    }

    /// Replaces nothing. What a proxy was told to send by itself stays out of recordings all the same.
    pub fn off() -> Self {
        Self::new(false, false, Rules::default())
    }

    /// Replaces script text too, in requests and answers.
    ///
    /// Default: `false`, so that a replay can be asked for the script.
    #[must_use]
    pub fn script(self, script: bool) -> Self {
        Self::new(self.0.on, script, self.0.rules.clone())
    }

    /// Adds rules of one's own, which are TOML; `docs/recording-format.md` says what can be in it.
    ///
    /// # Errors
    ///
    /// [`RuleError`] if a rule cannot be used; it names the line.
    pub fn rules(self, text: &str) -> Result<Self, RuleError> {
        Ok(Self::new(self.0.on, self.0.script, Rules::parse(text)?))
    }

    /// Adds rules from a file, as [`rules`](Self::rules) does.
    ///
    /// # Errors
    ///
    /// [`RuleError`] if the file cannot be read, or a rule not be used.
    pub fn rules_file(self, path: impl AsRef<Path>) -> Result<Self, RuleError> {
        Ok(Self::new(self.0.on, self.0.script, Rules::read(path.as_ref())?))
    }

    /// Returns whether secrets are replaced at all.
    pub fn is_on(&self) -> bool {
        self.0.on
    }

    fn new(on: bool, script: bool, rules: Rules) -> Self {
        let mut methods: std::collections::HashMap<String, Vec<PathRule>> = rules.methods.clone();
        let is_secret = |name: &str| names::is_secret_member(name) || script && names::SCRIPT.contains(&name);
        for (method, at) in names::positions(is_secret) {
            methods.entry(method.to_owned()).or_default().push(PathRule::position(at));
        }
        // The schema does not have it: provider, command, method, parameters.
        methods
            .entry("SendGenericCommandToCustomConnector".to_owned())
            .or_default()
            .extend([PathRule::position(3), PathRule::named("qParameters")]);
        let mut patterns: Vec<String> = methods.keys().map(|method| format!("\"{method}")).collect();
        patterns.extend(rules.patterns());
        if script {
            patterns.extend(names::SCRIPT.iter().map(|name| (*name).to_owned()));
        }
        patterns.sort_unstable();
        patterns.dedup();
        Self(Arc::new(Inner { on, script, rules, search: Search::new(&patterns), methods }))
    }

    /// Returns `url` without its secrets.
    pub(crate) fn url(&self, url: &str) -> String {
        if self.0.on { redact_url_where(url, &|name| self.is_query(name)) } else { url.to_owned() }
    }

    /// Returns a text that is no message without its secrets.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.0.on {
            return Cow::Borrowed(text);
        }
        match self.frame(text.as_bytes()) {
            Some(clean) => Cow::Owned(String::from_utf8_lossy(&clean.text).into_owned()),
            None => Cow::Borrowed(text),
        }
    }

    /// Finds the parts of `text` that [`frame`](Self::frame) has to look at, if they are messages.
    pub(crate) fn suspects<'a>(&'a self, text: &'a [u8]) -> Suspects<'a> {
        match () {
            () if !self.0.on => Suspects::none(text),
            () if self.0.rules.reads_all() => Suspects::all(text),
            () => self.0.search.suspects(text),
        }
    }

    /// Returns whether the rules of one's own say that the value of this query parameter is a secret.
    pub(crate) fn is_query(&self, name: &str) -> bool {
        self.0.rules.query.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    fn is_member(&self, name: &str) -> bool {
        names::is_secret_member(name)
            || self.0.rules.members.iter().any(|own| own == name)
            || self.0.script && names::SCRIPT.contains(&name)
    }
}

impl Default for Redaction {
    fn default() -> Self {
        Self::standard()
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction")
            .field("on", &self.0.on)
            .field("script", &self.0.script)
            .finish_non_exhaustive()
    }
}
