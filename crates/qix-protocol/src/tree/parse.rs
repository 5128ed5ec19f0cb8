//! From text to tree, in one pass that checks what it reads.

use std::sync::Arc;

use smol_str::SmolStr;

use super::{Members, Node, Tree};
use crate::{MAX_DEPTH, ProtocolError, scan};

impl Tree {
    /// Reads a value; white space around it is allowed.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if `text` is not one JSON value in UTF-8, or nests deeper than [`MAX_DEPTH`].
    pub fn parse(text: &[u8]) -> Result<Self, ProtocolError> {
        let mut parser = Parser::new(text)?;
        let value = parser.value()?;
        parser.end()?;
        Ok(value)
    }
}

/// A place in a text, and what is kept while values are read from it.
pub(crate) struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// The finished values of all open containers, so that each container is allocated once, at its size.
    values: Vec<Tree>,
    /// The names of the open objects that are not like the object before them.
    names: Vec<SmolStr>,
    /// By level, the names of the latest object; the next one there probably has the same.
    latest: Vec<Option<Arc<Vec<SmolStr>>>>,
}

impl<'a> Parser<'a> {
    /// Starts at the front of a text.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self, ProtocolError> {
        let text = str::from_utf8(text).map_err(|error| scan::fault(error.valid_up_to()))?;
        Ok(Self { text, at: 0, values: Vec::new(), names: Vec::new(), latest: Vec::new() })
    }

    /// Reads a value.
    pub(crate) fn value(&mut self) -> Result<Tree, ProtocolError> {
        self.space();
        self.value_at_level(0)
    }

    /// Reads a string and returns what stands between its quotes, or `None` after reading a value of another kind.
    pub(crate) fn string_or_other(&mut self) -> Result<Option<&'a str>, ProtocolError> {
        if self.space() == Some(b'"') {
            return self.string().map(Some);
        }
        self.value().map(|_| None)
    }

    /// Steps into the container that opens with `bracket`; returns whether there is one.
    pub(crate) fn enter(&mut self, bracket: u8) -> bool {
        let found = self.space() == Some(bracket);
        self.at += usize::from(found);
        found
    }

    /// Steps to the next item of the container that was entered, or out of it over `bracket`.
    pub(crate) fn next(&mut self, first: bool, bracket: u8) -> Result<bool, ProtocolError> {
        match self.space() {
            Some(byte) if byte == bracket => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(self.fault()),
        }
    }

    /// Reads a name and its colon; returns the name as it is written between its quotes.
    pub(crate) fn name(&mut self) -> Result<&'a str, ProtocolError> {
        if self.space() != Some(b'"') {
            return Err(self.fault());
        }
        let name = self.string()?;
        self.colon()?;
        Ok(name)
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), ProtocolError> {
        if self.space().is_some() { Err(self.fault()) } else { Ok(()) }
    }

    pub(crate) fn fault(&self) -> ProtocolError {
        scan::fault(self.at)
    }

    /// Steps over white space and returns the byte that follows.
    #[inline]
    fn space(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at).copied() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    fn colon(&mut self) -> Result<(), ProtocolError> {
        if self.space() != Some(b':') {
            return Err(self.fault());
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the string that starts here.
    #[inline]
    fn string(&mut self) -> Result<&'a str, ProtocolError> {
        let start = self.at;
        self.at = scan::string(self.text.as_bytes(), start, &mut 0)?;
        Ok(self.text.get(start + 1..self.at - 1).unwrap_or_default())
    }

    /// Reads the value that starts here. Levels are bounded, so recursion is.
    fn value_at_level(&mut self, level: usize) -> Result<Tree, ProtocolError> {
        let (text, start) = (self.text.as_bytes(), self.at);
        self.at = match text.get(start) {
            Some(b'"') => scan::string(text, start, &mut 0)?,
            Some(b'-' | b'0'..=b'9') => scan::number(text, start)?,
            Some(b'{') => return self.object(level),
            Some(b'[') => return self.array(level),
            Some(b't') => scan::literal(text, start, b"true")?,
            Some(b'f') => scan::literal(text, start, b"false")?,
            Some(b'n') => scan::literal(text, start, b"null")?,
            _ => return Err(self.fault()),
        };
        Ok(Tree(Node::Scalar(SmolStr::new(self.text.get(start..self.at).unwrap_or_default()))))
    }

    fn array(&mut self, level: usize) -> Result<Tree, ProtocolError> {
        let start = self.values.len();
        if self.first_item(level, b']')? {
            loop {
                let element = self.value_at_level(level + 1)?;
                self.values.push(element);
                if !self.next(false, b']')? {
                    break;
                }
                self.space();
            }
        }
        Ok(Tree::array(self.values.drain(start..).collect()))
    }

    fn object(&mut self, level: usize) -> Result<Tree, ProtocolError> {
        if !self.first_item(level, b'}')? {
            return Ok(Tree::object(Members::default()));
        }
        let (start, names_start) = (self.values.len(), self.names.len());
        let latest = self.latest.get_mut(level).and_then(Option::take);
        let expected = latest.as_deref().map_or(&[][..], Vec::as_slice);
        let mut alike = true;
        loop {
            let count = self.values.len() - start;
            if !(alike && expected.get(count).is_some_and(|name| self.skip_name(name))) {
                if alike {
                    self.names.extend_from_slice(&expected[..count]);
                    alike = false;
                }
                if self.space() != Some(b'"') {
                    return Err(self.fault());
                }
                let name = self.string()?;
                self.names.push(SmolStr::new(name));
            }
            self.colon()?;
            self.space();
            let value = self.value_at_level(level + 1)?;
            self.values.push(value);
            if !self.next(false, b'}')? {
                break;
            }
        }
        let values: Vec<_> = self.values.drain(start..).collect();
        let names = match latest {
            Some(latest) if alike && latest.len() == values.len() => latest,
            latest if alike => {
                Arc::new(latest.iter().flat_map(|names| names.iter()).take(values.len()).cloned().collect())
            }
            _ => Arc::new(self.names.drain(names_start..).collect()),
        };
        if self.latest.len() <= level {
            self.latest.resize(level + 1, None);
        }
        self.latest[level] = Some(Arc::clone(&names));
        Ok(Tree::object(Members { names, values }))
    }

    /// Steps into the container that starts here, to its first item or out again over `bracket`.
    fn first_item(&mut self, level: usize, bracket: u8) -> Result<bool, ProtocolError> {
        let offset = self.at;
        self.at += 1;
        if self.space() == Some(bracket) {
            self.at += 1;
            return Ok(false);
        }
        // As the scanner counts: a container without content is no level.
        if level == MAX_DEPTH { Err(ProtocolError::TooDeep { offset, limit: MAX_DEPTH }) } else { Ok(true) }
    }

    /// Steps over the name that starts here if it is written as `expected`.
    #[inline]
    fn skip_name(&mut self, expected: &str) -> bool {
        if self.space() != Some(b'"') {
            return false;
        }
        let (start, end) = (self.at + 1, self.at + 1 + expected.len());
        let text = self.text.as_bytes();
        // What was a valid name once is one again if a quote follows.
        let same = text.get(start..end) == Some(expected.as_bytes()) && text.get(end) == Some(&b'"');
        if same {
            self.at = end + 1;
        }
        same
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(tree: &Tree) -> String {
        let mut out = Vec::new();
        tree.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn accepts_what_the_scanner_accepts(
            text in r#"([{}\[\],: "\\]|"[a-zé\\u0-9/"]{0,12}"|-?[0-9]{1,3}([.][0-9]{0,2})?([eE][+-]?[0-9]{0,2})?|true|false|null|[\t\n\x00-\x1f]){0,12}"#
        ) {
            prop_assert_eq!(Tree::parse(text.as_bytes()).is_ok(), scan::document(text.as_bytes()).is_ok());
        }

        #[test]
        fn text_that_may_be_anything_does_not_panic(text in any::<Vec<u8>>()) {
            prop_assert_eq!(Tree::parse(&text).is_ok(), serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() && str::from_utf8(&text).is_ok());
        }
    }

    #[test]
    fn digits_escapes_and_order_survive() {
        let text =
            r#"{"z":[1e+300,1.0,-0,"\u00e9\/","\ud800"],"a":{},"b":[],"c":{"d":null},"c":9007199254740993}"#;
        assert_eq!(written(&Tree::parse(text.as_bytes()).unwrap()), text);
        let spaced = " { \"z\" : [ 1 , 2 ] , \"a\" : { } } ";
        assert_eq!(written(&Tree::parse(spaced.as_bytes()).unwrap()), r#"{"z":[1,2],"a":{}}"#);
    }

    #[test]
    fn neighbours_that_differ_keep_their_own_names() {
        let text = r#"[{"a":1,"b":2},{"a":3,"b":{"a":0}},{"a":4},{},{"a":5,"c":6},{"a":7,"b":8,"c":9},{"b":1},{"b\"":1}]"#;
        assert_eq!(written(&Tree::parse(text.as_bytes()).unwrap()), text);
    }

    #[test]
    fn like_neighbours_share_their_names() {
        let tree = Tree::parse(br#"[{"a":1,"b":2},{"a":3 , "b":4}]"#).unwrap();
        let names = |index: usize| match &tree.element(index).unwrap().0 {
            Node::Object(members) => Arc::as_ptr(&members.names),
            _ => unreachable!(),
        };
        assert_eq!(names(0), names(1));
    }

    #[test]
    fn faults_are_located() {
        let fault = |text: &[u8]| match Tree::parse(text).unwrap_err() {
            ProtocolError::MalformedFrame { offset } => offset,
            other => panic!("{other}"),
        };
        assert_eq!(fault(br#"{"a":1 "b":2}"#), 7);
        assert_eq!(fault(b"[1,]"), 3);
        assert_eq!(fault(br#"{"a":1,}"#), 7);
        assert_eq!(fault(b"[1] 2"), 4);
        assert_eq!(fault(b"[\"\xff\"]"), 2);
        assert_eq!(fault(b""), 0);
    }

    #[test]
    fn nesting_bomb_is_refused() {
        for bracket in ["[", "{\"a\":"] {
            let bomb = bracket.repeat(1_000_000);
            let offset = bracket.len() * MAX_DEPTH;
            assert_eq!(
                Tree::parse(bomb.as_bytes()),
                Err(ProtocolError::TooDeep { offset, limit: MAX_DEPTH })
            );
        }
        let nested = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(Tree::parse(nested(MAX_DEPTH).as_bytes()).unwrap().measure().depth, MAX_DEPTH);
        assert!(Tree::parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    }
}
