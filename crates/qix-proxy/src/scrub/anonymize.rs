//! Replaces what the data says, so that a recording may leave the house: values of dimensions and measures, and what names them.

use std::{
    borrow::Cow,
    collections::VecDeque,
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use qix_protocol::frame::{Raw, client::Request, elements, members};

use super::{
    ScrubError, line, lines,
    values::{Found, Values},
};
use crate::record::{
    ReadError,
    walk::{Level, Step, Visitor, string, walk},
};

/// Members whose texts are data.
const TEXTS: &[&str] = &["qText", "qMinText", "qMaxText", "qTextSearch"];
/// Members whose numbers are data.
const NUMBERS: &[&str] =
    &["qNum", "qNumber", "qMin", "qMax", "qValue", "qMaxPos", "qMinNeg", "qRangeLo", "qRangeHi"];
/// Members that are captions, often words of the business.
const TITLES: &[&str] =
    &["qFallbackTitle", "qGroupFallbackTitles", "qTitle", "title", "subtitle", "footnote"];
/// Methods with a parameter that names values, as a pattern: where it stands and what it is called.
const PATTERNS: &[(&str, usize, &str)] = &[
    ("SearchListObjectFor", 1, "qMatch"),
    ("Select", 0, "qMatch"),
    ("ToggleSelect", 0, "qMatch"),
    ("SearchAssociations", 1, "qTerms"),
    ("SearchObjects", 1, "qTerms"),
    ("SearchResults", 1, "qTerms"),
    ("SearchSuggest", 1, "qTerms"),
    ("SearchValues", 1, "qTerms"),
    ("SelectAssociations", 1, "qTerms"),
];

/// More requests than any client has in flight.
const MOST_PENDING: usize = 4096;

/// Replaces values consistently: what was equal stays equal, texts among themselves and numbers among themselves keep their order,
/// the sign of numbers, empty texts and nulls stay.
///
/// Needs two passes: [`collect_from`](Self::collect_from) each recording, then [`scrub`](super::scrub) them. Recordings that share an
/// anonymizer are replaced alike.
#[derive(Debug, Default)]
pub struct Anonymizer {
    titles: bool,
    found: Found,
    values: Values,
    /// Requests whose answers are a value and nothing else, by connection and id.
    evaluations: VecDeque<(u64, Bytes)>,
}

/// Why what stands for which value cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnonymizeError {
    /// The file cannot be written.
    #[error("cannot write {}; give a name that does not exist yet, in a folder that may be written to", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {}; check its name and that it may be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} says nothing about values; give a file that `qix-proxy scrub --anonymise-map` has written", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

impl Anonymizer {
    /// Makes an anonymizer that knows no values yet; with `titles`, captions are values too.
    pub fn new(titles: bool) -> Self {
        Self { titles, ..Self::default() }
    }

    /// Takes in the values of a recording.
    ///
    /// # Errors
    ///
    /// [`ScrubError`] if the recording cannot be read.
    pub fn collect_from(&mut self, recording: &Path) -> Result<(), ScrubError> {
        lines(recording, |number, line| {
            let Some(line) = line else { return Ok(()) };
            let damaged = |fault| ReadError::Damaged { path: recording.to_owned(), line: number, fault };
            Ok(line::collect(line, self).map_err(damaged)?)
        })?;
        self.evaluations.clear();
        self.values = self.found.values();
        Ok(())
    }

    /// Writes what stands for which value, for replays of clients that name values. Who has this file can undo everything.
    ///
    /// # Errors
    ///
    /// [`AnonymizeError`] if the file exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), AnonymizeError> {
        let failed = |source| AnonymizeError::Write { path: path.to_owned(), source };
        let text =
            serde_json::to_string(&(self.titles, &self.values)).map_err(|error| failed(error.into()))?;
        crate::private::create(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
    }

    /// Reads what [`save`](Self::save) has written.
    ///
    /// # Errors
    ///
    /// [`AnonymizeError`] if the file cannot be read, or is something else.
    pub fn load(path: &Path) -> Result<Self, AnonymizeError> {
        let text =
            std::fs::read(path).map_err(|source| AnonymizeError::Read { path: path.to_owned(), source })?;
        let (titles, values) =
            serde_json::from_slice(&text).map_err(|_| AnonymizeError::Foreign { path: path.to_owned() })?;
        Ok(Self { titles, values, ..Self::default() })
    }

    /// Returns a client's request with the values in it replaced, if there are any.
    pub fn request(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut pass = Pass::new(text, self.titles, Mode::Replace(&self.values));
        pass.message(true, false)?;
        pass.finish()
    }

    pub(super) fn collect(&mut self, conn: u64, from_client: bool, text: &[u8]) {
        let evaluated = self.is_evaluation(conn, from_client, text);
        let mut pass = Pass::new(text, self.titles, Mode::Collect(&mut self.found));
        let _ = pass.message(from_client, evaluated);
    }

    pub(super) fn frame(&mut self, conn: u64, from_client: bool, text: &[u8]) -> Option<Vec<u8>> {
        let evaluated = self.is_evaluation(conn, from_client, text);
        let mut pass = Pass::new(text, self.titles, Mode::Replace(&self.values));
        pass.message(from_client, evaluated)?;
        pass.finish()
    }

    /// Remembers requests for a bare value, and knows their answers.
    fn is_evaluation(&mut self, conn: u64, from_client: bool, text: &[u8]) -> bool {
        if from_client {
            if let Ok(Request { method, id: Some(id), .. }) = Request::parse(text)
                && method == "Evaluate"
            {
                if self.evaluations.len() == MOST_PENDING {
                    self.evaluations.pop_front();
                }
                self.evaluations.push_back((conn, Bytes::copy_from_slice(id.as_bytes())));
            }
            return false;
        }
        if self.evaluations.is_empty() {
            return false;
        }
        let id = Raw::new(text).ok().and_then(|answer| answer.member("id"));
        let known = |(on, asked): &(u64, Bytes)| *on == conn && id.is_some_and(|id| id.as_bytes() == asked);
        let found = self.evaluations.iter().position(known);
        found.map(|at| self.evaluations.remove(at)).is_some()
    }
}

enum Mode<'v> {
    Collect(&'v mut Found),
    Replace(&'v Values),
}

/// What a scalar is, by the name of its member.
#[derive(Clone, Copy)]
enum Role {
    Text,
    Number,
    /// Texts with a comma and a space between them.
    Texts,
    /// A text with wildcards around it.
    Pattern,
    Other,
}

/// Works on one message.
struct Pass<'v, 't> {
    text: &'t [u8],
    titles: bool,
    mode: Mode<'v>,
    /// What the value is that is walked over, if it is a scalar.
    base: Role,
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'v, 't> Pass<'v, 't> {
    fn new(text: &'t [u8], titles: bool, mode: Mode<'v>) -> Self {
        Self { text, titles, mode, base: Role::Other, edits: Vec::new() }
    }

    /// Goes over the parts of a message that hold data; nothing if it is none.
    fn message(&mut self, from_client: bool, evaluated: bool) -> Option<()> {
        let message = Raw::new(self.text).ok()?;
        if message.as_bytes().first() == Some(&b'[') {
            elements(message).for_each(|one| self.parts(one, from_client, evaluated));
        } else {
            self.parts(message, from_client, evaluated);
        }
        Some(())
    }

    fn parts(&mut self, message: Raw<'t>, from_client: bool, evaluated: bool) {
        if from_client {
            let method: String =
                message.member("method").and_then(|name| name.decode().ok()).unwrap_or_default();
            let pattern = PATTERNS.iter().find(|(name, ..)| *name == method);
            let role = |named: bool| if named { Role::Pattern } else { Role::Other };
            for (_, params) in members(message).filter(|(name, _)| name == "params") {
                for (at, value) in elements(params).enumerate() {
                    self.walk(value, role(pattern.is_some_and(|(_, place, _)| *place == at)));
                }
                for (name, value) in members(params) {
                    self.walk(value, role(pattern.is_some_and(|(.., called)| *called == name)));
                }
            }
            return;
        }
        let delta = message.member("delta").is_some_and(|delta| delta.as_bytes() == b"true");
        for (_, result) in members(message).filter(|(name, _)| name == "result") {
            for (out, value) in members(result) {
                let role = if evaluated && out == "qReturn" { Role::Text } else { self.role(&out) };
                if !delta || value.as_bytes().first() != Some(&b'[') {
                    self.walk(value, role);
                    continue;
                }
                for patch in elements(value) {
                    let path: String =
                        patch.member("path").and_then(|path| path.decode().ok()).unwrap_or_default();
                    let named =
                        path.split('/').rfind(|part| !part.is_empty() && part.parse::<u64>().is_err());
                    let role = named.map_or(role, |name| self.role(name));
                    let values = members(patch).filter(|(name, _)| name == "value");
                    values.for_each(|(_, value)| self.walk(value, role));
                }
            }
        }
    }

    fn walk(&mut self, value: Raw<'t>, role: Role) {
        let start = value.as_bytes().as_ptr().addr() - self.text.as_ptr().addr();
        self.base = role;
        walk(self.text, start..start + value.as_bytes().len(), false, self);
    }

    fn role(&self, name: &str) -> Role {
        match name {
            name if TEXTS.contains(&name) => Role::Text,
            name if NUMBERS.contains(&name) => Role::Number,
            name if self.titles && TITLES.contains(&name) => Role::Text,
            "qSelected" => Role::Texts,
            _ => Role::Other,
        }
    }

    fn number(&mut self, at: Range<usize>) {
        let Some(number) =
            std::str::from_utf8(&self.text[at.clone()]).ok().and_then(|text| text.parse().ok())
        else {
            return;
        };
        match &mut self.mode {
            Mode::Collect(found) => found.number(number),
            Mode::Replace(values) => {
                if let Some(number) = values.number(number) {
                    self.edits.push((at, number.to_string().into_bytes()));
                }
            }
        }
    }

    fn string(&mut self, at: Range<usize>, role: Role) {
        let text = string(&self.text[at.clone()]);
        let replaced = match (&mut self.mode, role) {
            (_, Role::Number) => None,
            (Mode::Collect(found), Role::Text) => {
                found.text(&text);
                None
            }
            (Mode::Collect(found), Role::Texts) => {
                text.split(", ").for_each(|text| found.text(text));
                None
            }
            (Mode::Collect(found), Role::Pattern) => {
                found.text(core(&text));
                None
            }
            (Mode::Collect(_), Role::Other) => None,
            (Mode::Replace(values), Role::Text) => values.text(&text),
            (Mode::Replace(values), Role::Texts) => {
                let each = |text| values.text(text).map_or(Cow::Borrowed(text), Cow::Owned);
                Some(text.split(", ").map(each).collect::<Vec<_>>().join(", "))
            }
            (Mode::Replace(values), Role::Pattern) => {
                let core = core(&text);
                values.text(core).map(|other| text.replacen(core, &other, 1))
            }
            (Mode::Replace(values), Role::Other) => literals(&text, values),
        };
        if let Some(replaced) = replaced.filter(|replaced| *replaced != text) {
            self.edits.push((at, serde_json::Value::from(replaced).to_string().into_bytes()));
        }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(self.text.len());
        let mut copied = 0;
        for (range, with) in self.edits {
            out.extend_from_slice(&self.text[copied..range.start]);
            out.extend_from_slice(&with);
            copied = range.end;
        }
        out.extend_from_slice(&self.text[copied..]);
        Some(out)
    }
}

impl<'t> Visitor<'t> for Pass<'_, 't> {
    fn name(&mut self, at: Range<usize>) -> (Cow<'t, str>, bool) {
        (string(&self.text[at]), false)
    }

    fn scalar(&mut self, at: Range<usize>, levels: &mut [Level<'t>], _secret: bool) {
        let named = levels.iter().rev().find_map(|level| match &level.step {
            Step::Name(name) => Some(name.as_ref()),
            Step::Index(_) => None,
        });
        let in_selections = || {
            let is_one = |level: &Level<'_>| matches!(&level.step, Step::Name(name) if name.ends_with("electedFieldSelectionInfo"));
            levels.iter().any(is_one)
        };
        let role = match named {
            Some("qName") if in_selections() => Role::Text,
            Some(name) => self.role(name),
            None => self.base,
        };
        match self.text[at.start] {
            b'"' => self.string(at, role),
            b'-' | b'0'..=b'9' if matches!(role, Role::Number) => self.number(at),
            _ => {}
        }
    }

    fn end(&mut self, _level: &Level<'t>, _levels: &[Level<'t>]) {}
}

/// Returns a search pattern without its wildcards and quotes.
fn core(pattern: &str) -> &str {
    pattern.trim_matches(['*', '?', '"', '\'', '='])
}

/// Replaces values that stand in quotes, as in expressions.
fn literals(text: &str, values: &Values) -> Option<String> {
    let quotes = ['\'', '"'];
    if !text.contains(quotes) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(quotes) {
        let inner = piece.strip_suffix(quotes).unwrap_or(piece);
        let opened = out.ends_with(quotes) && inner.len() < piece.len();
        match values.text(inner).filter(|_| opened) {
            Some(other) => out += &other,
            None => out += inner,
        }
        out += &piece[inner.len()..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"id":1,"result":{"qDataPages":[{"qMatrix":[[{"qText":"South","qNum":"NaN","qElemNumber":1},{"qText":"12.5","qNum":12.5}],[{"qText":"North","qNum":"NaN","qElemNumber":0},{"qText":"-","qNum":-3}]]}]}}"#;

    fn knowing(texts: &[&str]) -> Anonymizer {
        let mut anonymizer = Anonymizer::new(false);
        texts.iter().for_each(|text| anonymizer.collect(1, false, text.as_bytes()));
        anonymizer.values = anonymizer.found.values();
        anonymizer
    }

    fn frame(anonymizer: &mut Anonymizer, from_client: bool, text: &str) -> String {
        let replaced = anonymizer.frame(1, from_client, text.as_bytes());
        replaced.map_or(text.to_owned(), |text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn cells_are_replaced_and_all_else_stays() {
        let mut anonymizer = knowing(&[ANSWER]);
        let expected =
            ANSWER.replace("South", "v2").replace("North", "v1").replace("12.5", "1").replace("-3", "-1");
        assert_eq!(frame(&mut anonymizer, false, ANSWER), expected);
    }

    #[test]
    fn patches_are_replaced_by_where_they_lead() {
        let mut anonymizer = knowing(&[ANSWER]);
        let patch = r#"{"id":1,"delta":true,"result":{"qDataPages":[{"op":"replace","path":"/0/qMatrix/0/0/qText","value":"North"},{"op":"replace","path":"/0/qMatrix/0/1/qNum","value":12.5},{"op":"add","path":"/0/qArea/qTop","value":12.5}]}}"#;
        let expected = patch.replace("North", "v1").replacen("12.5", "1", 1);
        assert_eq!(frame(&mut anonymizer, false, patch), expected);
    }

    #[test]
    fn requests_that_name_values_are_replaced_alike() {
        let mut anonymizer = knowing(&[ANSWER]);
        for (request, expected) in [
            (
                r#"{"method":"SearchListObjectFor","params":["/qListObjectDef","*North*"]}"#,
                r#"{"method":"SearchListObjectFor","params":["/qListObjectDef","*v1*"]}"#,
            ),
            (
                r#"{"method":"SelectValues","params":[[{"qText":"South"}],false]}"#,
                r#"{"method":"SelectValues","params":[[{"qText":"v2"}],false]}"#,
            ),
            (
                r#"{"method":"Evaluate","params":["Sum({<Region={'North'}>} Sales)"],"id":7}"#,
                r#"{"method":"Evaluate","params":["Sum({<Region={'v1'}>} Sales)"],"id":7}"#,
            ),
            (r#"{"method":"GetObject","params":["North"]}"#, r#"{"method":"GetObject","params":["North"]}"#),
        ] {
            assert_eq!(frame(&mut anonymizer, true, request), expected);
        }
        let answer = r#"{"id":7,"result":{"qReturn":"12.5"}}"#;
        assert_eq!(frame(&mut anonymizer, false, answer), r#"{"id":7,"result":{"qReturn":"1"}}"#);
        assert_eq!(frame(&mut anonymizer, false, answer), answer, "only the answer to that request");
    }
}
