//! Takes secrets out of messages: by method and parameter, by the names of members, and by what texts look like.

use std::{borrow::Cow, cmp::Reverse, ops::Range};

use qix_protocol::frame::{Raw, elements, members};

use super::{
    MASK, Redacted, Redaction, names,
    rules::{Part, PathRule},
    texts::{self, Kind},
};
use crate::record::walk::{Level, Step, Visitor, string, walk};

/// How many messages inside strings of messages are opened.
const DEEPEST: u8 = 4;
/// How many places an entry lists at most, and how long each may be.
const MOST_NAMES: usize = 100;
const LONGEST_NAME: usize = 200;

impl Redaction {
    /// Returns what to record instead of a message, if it has secrets in it.
    ///
    /// A message that names what holds secrets but cannot be read as JSON is replaced whole: what is where in it, nobody can say.
    pub(crate) fn frame(&self, text: &[u8]) -> Option<Redacted> {
        self.frame_at(text, 0)
    }

    fn frame_at(&self, text: &[u8], depth: u8) -> Option<Redacted> {
        if !self.0.on {
            return None;
        }
        let next = self.0.search.next(text, 0);
        if next.is_none() && !self.0.rules.reads_all() {
            return None;
        }
        let Ok(value) = Raw::new(text) else { return self.no_json(text) };
        let mut cleaner = Cleaner {
            redaction: self,
            text,
            base: Vec::new(),
            rules: Vec::new(),
            edits: Vec::new(),
            names: Vec::new(),
            next,
            depth,
        };
        cleaner.messages(value);
        cleaner.finish()
    }

    fn no_json(&self, text: &[u8]) -> Option<Redacted> {
        let quoted = |name: &str| memchr::memmem::find(text, format!("\"{name}\"").as_bytes()).is_some();
        let clean = if self.0.methods.keys().any(|name| quoted(name)) || names::quoted_somewhere(quoted) {
            (text != MASK.as_bytes()).then(|| MASK.to_owned())
        } else {
            let text = String::from_utf8_lossy(text);
            texts::clean(&text, &|name| self.is_query(name), &self.0.rules.texts, Kind::Loose)
                .map(Cow::into_owned)
        };
        clean.map(|text| Redacted { text: text.into(), redacted: vec!["text".to_owned()] })
    }
}

/// Works on one message.
struct Cleaner<'r, 't> {
    redaction: &'r Redaction,
    text: &'t [u8],
    /// The way to the value that is walked over.
    base: Vec<Step<'t>>,
    /// The rules about places that apply to this message.
    rules: Vec<&'r PathRule>,
    edits: Vec<(Range<usize>, Vec<u8>)>,
    names: Vec<String>,
    /// Where the next thing is that may be a secret: texts before it need no look.
    next: Option<usize>,
    depth: u8,
}

impl<'t> Cleaner<'_, 't> {
    fn messages(&mut self, value: Raw<'t>) {
        match value.as_bytes().first() {
            Some(b'[') => elements(value).for_each(|item| self.message(item)),
            _ => self.message(value),
        }
    }

    fn message(&mut self, value: Raw<'t>) {
        let redaction = self.redaction;
        let mut delta = false;
        self.rules = redaction.0.rules.paths.iter().collect();
        for (name, value) in members(value) {
            delta |= name == "delta" && value.as_bytes() == b"true";
            // Members may be repeated, and engines differ in which one counts.
            if name == "method"
                && let Ok(method) = value.decode::<String>()
            {
                self.rules.extend(redaction.0.methods.get(&method).into_iter().flatten());
            }
        }
        if value.as_bytes().first() != Some(&b'{') {
            return self.walk(value, false);
        }
        for (name, value) in members(value) {
            let secret = redaction.is_member(&name);
            let patched = delta && name == "result" && value.as_bytes().first() == Some(&b'{');
            self.base = vec![Step::Name(name)];
            if !patched {
                self.walk(value, secret);
                continue;
            }
            for (out, patches) in members(value) {
                let secret = redaction.is_member(&out);
                self.base.truncate(1);
                self.base.push(Step::Name(out));
                if patches.as_bytes().first() == Some(&b'[') {
                    elements(patches).for_each(|patch| self.patch(patch, secret));
                } else {
                    self.walk(patches, secret);
                }
            }
        }
    }

    /// Cleans one patch of an answer as if its value stood where its path leads.
    fn patch(&mut self, patch: Raw<'t>, secret: bool) {
        let path = patch.member("path").and_then(|path| path.decode::<String>().ok()).unwrap_or_default();
        let out = self.base.len();
        for (name, value) in members(patch) {
            if name == "value" {
                let step = |part: &str| match part.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Name(Cow::Owned(part.to_owned())),
                };
                self.base.extend(path.split('/').filter(|part| !part.is_empty()).map(step));
                let secret = secret || path.split('/').any(|part| self.redaction.is_member(part));
                self.walk(value, secret);
            } else {
                self.base.push(Step::Name(name));
                self.walk(value, false);
            }
            self.base.truncate(out);
        }
    }

    fn walk(&mut self, value: Raw<'t>, secret: bool) {
        let range = self.range_of(value.as_bytes());
        if !matches!(value.as_bytes().first(), Some(b'{' | b'[')) {
            return self.scalar(range, &mut [], secret);
        }
        walk(self.text, range, secret, self);
    }

    fn range_of(&self, part: &[u8]) -> Range<usize> {
        let start = part.as_ptr().addr() - self.text.as_ptr().addr();
        start..start + part.len()
    }

    /// Returns whether something in the text at `range` may be a secret.
    fn is_suspect(&mut self, range: &Range<usize>) -> bool {
        if self.redaction.0.rules.reads_all() {
            return true;
        }
        while let Some(next) = self.next
            && next < range.start
        {
            self.next = self.redaction.0.search.next(self.text, range.start);
        }
        self.next.is_some_and(|next| next < range.end)
    }

    /// Returns what a string says without its secrets, if it has any.
    fn clean_string(&self, text: &str) -> Option<String> {
        let nested = text.trim_start().starts_with(['{', '[', '"']) && self.depth < DEEPEST;
        if nested && Raw::new(text.as_bytes()).is_ok() {
            let clean = self.redaction.frame_at(text.as_bytes(), self.depth + 1)?;
            return Some(String::from_utf8_lossy(&clean.text).into_owned());
        }
        let query = |name: &str| self.redaction.is_query(name);
        texts::clean(text, &query, &self.redaction.0.rules.texts, Kind::Value).map(Cow::into_owned)
    }

    fn is_ruled(&self, levels: &[Level<'t>]) -> bool {
        let steps = || self.base.iter().chain(levels.iter().map(|level| &level.step));
        self.rules.iter().any(|PathRule(parts)| {
            let mut steps = steps();
            parts.iter().all(|part| match (part, steps.next()) {
                (_, None) => false,
                (Part::Any, Some(_)) => true,
                (Part::Name(name), Some(Step::Name(step))) => name == step,
                (Part::Name(name), Some(Step::Index(step))) => name.parse() == Ok(*step),
            })
        })
    }

    fn edit(&mut self, range: Range<usize>, with: Vec<u8>, levels: &[Level<'t>]) {
        self.edits.push((range, with));
        if self.names.len() > MOST_NAMES {
            return;
        }
        let mut name = String::new();
        for step in self.base.iter().chain(levels.iter().map(|level| &level.step)) {
            if !name.is_empty() {
                name.push('.');
            }
            match step {
                Step::Name(step) => name.push_str(step),
                Step::Index(index) => name += &index.to_string(),
            }
        }
        if name.is_empty() {
            name.push_str("text");
        }
        if name.len() > LONGEST_NAME {
            let end = (0..=LONGEST_NAME).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
            name.truncate(end);
            name.push('…');
        }
        if self.names.len() == MOST_NAMES {
            name = "…".to_owned();
        }
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn finish(mut self) -> Option<Redacted> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(range, _)| (range.start, Reverse(range.end)));
        let mut clean = Vec::with_capacity(self.text.len());
        let mut copied = 0;
        for (range, with) in self.edits {
            if range.start >= copied {
                clean.extend_from_slice(&self.text[copied..range.start]);
                clean.extend_from_slice(&with);
                copied = range.end;
            }
        }
        clean.extend_from_slice(&self.text[copied..]);
        Some(Redacted { text: clean, redacted: self.names })
    }
}

impl<'t> Visitor<'t> for Cleaner<'_, 't> {
    fn name(&mut self, at: Range<usize>) -> (Cow<'t, str>, bool) {
        let mut name = string(&self.text[at.clone()]);
        if self.is_suspect(&at)
            && let Some(clean) = self.clean_string(&name)
        {
            self.edits.push((at, quoted(&clean)));
            self.names.push("name".to_owned());
            name = Cow::Owned(clean);
        }
        let secret = self.redaction.is_member(&name);
        (name, secret)
    }

    fn scalar(&mut self, at: Range<usize>, levels: &mut [Level<'t>], secret: bool) {
        let raw = &self.text[at.clone()];
        let is_string = raw.first() == Some(&b'"');
        if secret || !self.rules.is_empty() && self.is_ruled(levels) {
            if !matches!(raw, b"\"\"" | b"null" | b"true" | b"false" | b"\"***\"") {
                self.edit(at, b"\"***\"".to_vec(), levels);
            }
            return;
        }
        // A patch of an object's properties has its value as JSON in a string.
        if let Some(level) = levels.last_mut()
            && let Step::Name(name) = &level.step
        {
            match &**name {
                "qPath" | "path" if is_string => {
                    let path = string(raw);
                    level.patches_secret |= path.split('/').any(|part| self.redaction.is_member(part));
                }
                "qValue" | "value" => level.patch = Some(at.clone()),
                _ => {}
            }
        }
        if is_string && self.is_suspect(&at) {
            let text = string(&self.text[at.clone()]);
            if let Some(clean) = self.clean_string(&text) {
                self.edit(at, quoted(&clean), levels);
            }
        }
    }

    fn end(&mut self, level: &Level<'t>, levels: &[Level<'t>]) {
        let Some(range) = level.patch.clone().filter(|_| level.patches_secret) else { return };
        let value = string(&self.text[range.clone()]);
        if matches!(&*value, "" | "\"\"" | "null" | "\"***\"" | "***") {
            return;
        }
        let mask = if value.starts_with('"') { quoted("\"***\"") } else { quoted(MASK) };
        // Only the last edits can be in this patch, of which there may be very many.
        let behind = self.edits.iter().rev().take_while(|(edited, _)| edited.start >= range.start).count();
        let behind = self.edits.split_off(self.edits.len() - behind);
        self.edits.extend(behind.into_iter().filter(|(edited, _)| *edited != range));
        self.edit(range, mask, levels);
    }
}

/// Writes a JSON string.
fn quoted(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> Option<(String, Vec<String>)> {
        let found = Redaction::standard().frame(text.as_bytes())?;
        Some((String::from_utf8(found.text).unwrap(), found.redacted))
    }

    #[test]
    fn very_many_secret_patches_take_no_more_than_their_number_asks_for() {
        let start = std::time::Instant::now();
        let patch = r#"{"qOp":"add","qPath":"/password","qValue":"\"a\""},"#;
        let text = format!(r#"{{"id":1,"method":"ApplyPatches","params":[[{}0]]}}"#, patch.repeat(60_000));
        let (clean, _) = clean(&text).unwrap();
        assert_eq!(clean.matches(r#"\"***\""#).count(), 60_000);
        assert!(start.elapsed().as_secs() < 20);
    }

    #[test]
    fn text_that_is_not_utf8_is_cleaned_all_the_same() {
        let text = b"{\"method\":\"OpenDoc\",\"params\":[\"Sal\xffes\",\"me\",\"s3cret\"]}";
        let found = Redaction::standard().frame(text).unwrap();
        assert_eq!(found.redacted, ["params.1", "params.2"]);
        assert!(memchr::memmem::find(&found.text, b"s3cret").is_none());
    }

    #[test]
    fn passwords_are_replaced_by_position() {
        let text = r#"{"method":"OpenDoc","handle":-1,"params":["Sales", "ada" ,"p\"w","",true],"id":1}"#;
        let expected = r#"{"method":"OpenDoc","handle":-1,"params":["Sales", "***" ,"***","",true],"id":1}"#;
        assert_eq!(
            clean(text).unwrap(),
            (expected.to_owned(), vec!["params.1".to_owned(), "params.2".to_owned()])
        );
    }

    #[test]
    fn passwords_are_replaced_by_name_wherever_they_stand() {
        let text = r#"{"params":{"qPassword":"x","qDocName":"a","qSerial":1234,"qUserName":null},"method":"CreateDocEx"}"#;
        let (text, redacted) = clean(text).unwrap();
        assert_eq!(
            text,
            r#"{"params":{"qPassword":"***","qDocName":"a","qSerial":"***","qUserName":null},"method":"CreateDocEx"}"#
        );
        assert_eq!(redacted, ["params.qPassword", "params.qSerial"]);
    }

    #[test]
    fn passwords_are_found_in_odd_spellings() {
        for text in [
            r#"{"method":"\u004fpenDoc","params":["a","","s3cret"]}"#,
            r#"{"method":"OpenDoc","params":{"\u0071Password":"s3cret"}}"#,
            r#"{"method":"OpenDoc","params":[],"params":["a","s3cret"]}"#,
            r#"[{"method":"GetDocList"},{"method":"OpenDoc","params":["a","s3cret"]}]"#,
            "{\n\"method\" : \"OpenDoc\",\n\"params\" : [\"a\",\n\"s3cret\"]}",
            r#"{"method":"OpenDoc","params":["a","s3cret"]"#,
            r#"{"method":"OpenDoc","params":["a",{"b":"s3cret"}]}"#,
        ] {
            assert!(!clean(text).unwrap().0.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn messages_without_secrets_are_left_alone() {
        for text in [
            r#"{"method":"OpenDoc","params":["Sales"]}"#,
            r#"{"method":"OpenDoc","params":["Sales","","",""]}"#,
            r#"{"method":"OpenDoc"}"#,
            r#"{"method":"Evaluate","params":["OpenDoc","a","b"]}"#,
            r#"{"method":"GetObject","params":["\u00e9","b","c"]}"#,
            "OpenDoc failed",
            r#"{"method":"OpenDoc","params":["a","***"]}"#,
        ] {
            assert_eq!(clean(text), None, "{text}");
        }
    }

    /// JSON of the kind that engines and clients write, with what looks like secrets here and there.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let text = prop_oneof![
            "[a-z\"\\\\é=;: ]{0,12}",
            "(token|password|PWD|ticket)[=:] ?[a-z0-9'\"]{0,6}",
            Just("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.x".to_owned()),
            Just("https://a:b@h/?code=1&x=%3FqlikTicket%3Dy".to_owned()),
            Just("{\"password\":\"x\"}".to_owned()),
            Just("Bearer a1".to_owned()),
        ];
        let scalar = prop_oneof![
            text.prop_map(serde_json::Value::from),
            any::<i32>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        scalar.prop_recursive(4, 40, 5, |inner| {
            let name = prop_oneof![
                "[a-z]{1,4}",
                Just("qPassword".to_owned()),
                Just("token".to_owned()),
                Just("path".to_owned()),
                Just("value".to_owned()),
                Just("qPath".to_owned()),
                Just("qValue".to_owned()),
                Just("result".to_owned()),
                Just("method".to_owned()),
                Just("params".to_owned()),
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                proptest::collection::hash_map(name, inner, 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn cleaning_leaves_valid_json_and_nothing_to_clean(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            if let Some((once, redacted)) = clean(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&once).is_ok(), "{}", once);
                prop_assert!(!redacted.is_empty());
                prop_assert_ne!(&once, &text);
                prop_assert_eq!(clean(&once), None, "{}", once);
            }
        }

        #[test]
        fn messages_with_nothing_like_a_secret_stay_as_they_are(
            // No name of a secret, such as qPwd, is made of these letters.
            members in proptest::collection::vec(("q[A-Z][aeiou]{0,3}", "[ -~é]{0,12}"), 0..8),
        ) {
            let plain = |text: &str| !text.contains(['=', ':', '%', '.', '@', '\\']);
            let members = members.into_iter().filter(|(name, text)| plain(name) && plain(text));
            let text = serde_json::Value::Object(members.map(|(name, text)| (name, text.into())).collect());
            prop_assert_eq!(clean(&text.to_string()), None);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..200usize) {
            let mut text = bytes.clone();
            text.splice(at.min(bytes.len())..at.min(bytes.len()), *b"\"qPassword\":\"eyJ earer \\u0041 token=");
            let _ = Redaction::standard().frame(&text);
        }
    }

    #[test]
    fn requests_inside_strings_are_cleaned_as_those_outside() {
        let inner = r#"{"method":"OpenDoc","params":["a","","s3cret"]}"#;
        let text = serde_json::json!({"method": "Log", "params": [inner]}).to_string();
        assert!(!clean(&text).unwrap().0.contains("s3cret"));
    }

    #[test]
    fn a_name_that_is_a_token_is_replaced() {
        let text = r#"{"result":{"a":{"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.x":1}}}"#;
        assert_eq!(clean(text).unwrap().0, r#"{"result":{"a":{"***":1}}}"#);
    }

    #[test]
    fn an_entry_lists_only_so_many_places() {
        let text = format!(r#"{{"result":[{}1]}}"#, r#"{"token":"x"},"#.repeat(1000));
        let (text, redacted) = clean(&text).unwrap();
        assert!(!text.contains("\"x\""));
        assert_eq!(redacted.len(), MOST_NAMES + 1);
        assert_eq!(redacted[MOST_NAMES], "…");
    }
}
