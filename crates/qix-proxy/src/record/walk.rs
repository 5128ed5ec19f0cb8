//! Walks over a JSON value as text, once, and tells of each name and each scalar where it stands.

use std::{borrow::Cow, ops::Range};

use qix_protocol::frame::Raw;

/// One step on the way to a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step<'t> {
    /// A member.
    Name(Cow<'t, str>),
    /// An element, from 0.
    Index(usize),
}

/// A container on the way to a value.
#[derive(Debug)]
pub(crate) struct Level<'t> {
    /// Which of its values it is.
    pub(crate) step: Step<'t>,
    /// Whether a name comes next.
    naming: bool,
    /// Whether all in it is secret.
    pub(crate) secret: bool,
    /// Whether the value at `step` is secret.
    pub(crate) secret_step: bool,
    /// In an object that is a patch: whether its path leads to a secret, and where its value stands.
    pub(crate) patches_secret: bool,
    pub(crate) patch: Option<Range<usize>>,
}

/// What looks on.
pub(crate) trait Visitor<'t> {
    /// A name; returns what to call it, and whether its value is secret.
    fn name(&mut self, at: Range<usize>) -> (Cow<'t, str>, bool);
    /// A string, number or literal.
    fn scalar(&mut self, at: Range<usize>, levels: &mut [Level<'t>], secret: bool);
    /// The end of an object.
    fn end(&mut self, level: &Level<'t>, levels: &[Level<'t>]);
}

/// Walks over `text[range]`, a valid JSON value. `secret` says that all in it is.
pub(crate) fn walk<'t>(text: &'t [u8], range: Range<usize>, secret: bool, visitor: &mut impl Visitor<'t>) {
    let mut levels: Vec<Level<'t>> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        match text[at] {
            open @ (b'{' | b'[') => {
                let inherited = is_secret(&levels, secret);
                let step = if open == b'{' { Step::Name(Cow::Borrowed("")) } else { Step::Index(0) };
                levels.push(Level {
                    step,
                    naming: open == b'{',
                    secret: inherited,
                    secret_step: false,
                    patches_secret: false,
                    patch: None,
                });
                at += 1;
            }
            b'}' | b']' => {
                if let Some(level) = levels.pop() {
                    visitor.end(&level, &levels);
                }
                at += 1;
            }
            b',' => {
                match levels.last_mut() {
                    Some(Level { step: Step::Index(index), .. }) => *index += 1,
                    Some(level) => level.naming = true,
                    None => {}
                }
                at += 1;
            }
            b'"' => {
                let end = string_end(text, at);
                match levels.last_mut() {
                    Some(level) if level.naming => {
                        let (name, secret) = visitor.name(at..end);
                        level.step = Step::Name(name);
                        level.secret_step = secret;
                        level.naming = false;
                    }
                    _ => {
                        let secret = is_secret(&levels, secret);
                        visitor.scalar(at..end, &mut levels, secret);
                    }
                }
                at = end;
            }
            b':' | b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            _ => {
                let of_it = |byte: &&u8| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                let end = at + text[at..range.end].iter().take_while(of_it).count();
                let secret = is_secret(&levels, secret);
                visitor.scalar(at..end, &mut levels, secret);
                // A byte that is none of JSON must not stop the walk.
                at = end.max(at + 1);
            }
        }
    }
}

fn is_secret(levels: &[Level<'_>], outside: bool) -> bool {
    levels.last().map_or(outside, |level| level.secret || level.secret_step)
}

/// Returns the end of the string that begins at `at`, quotes included.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[end..]) {
        end += found;
        if text[end] == b'"' {
            return end + 1;
        }
        end = (end + 2).min(text.len());
    }
    text.len()
}

/// Returns what the string literal `text` says; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn string<'t>(text: &'t [u8]) -> Cow<'t, str> {
    let inner = &text[1..text.len().max(2) - 1];
    if memchr::memchr(b'\\', inner).is_none() {
        return String::from_utf8_lossy(inner);
    }
    match Raw::new(text).ok().and_then(|raw| raw.decode::<String>().ok()) {
        Some(decoded) => Cow::Owned(decoded),
        None => String::from_utf8_lossy(inner),
    }
}
