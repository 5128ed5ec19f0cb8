//! Small messages that wait to be looked through for secrets.
//!
//! The search for secrets is fast over long texts, and takes longer to begin than to look through a call of a hundred bytes. So
//! small messages are put one behind the other first.

use std::ops::Range;

use super::{
    Side,
    redact::{Redacted, Redaction},
};

/// Larger messages are not worth the copy, in bytes.
const LARGEST: usize = 8 << 10;
/// How much is gathered, in bytes: less than what a core keeps close.
const ENOUGH: usize = 32 << 10;

/// Small messages in the order in which they came, over all connections.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    text: Vec<u8>,
    messages: Vec<(Message, Range<usize>)>,
}

/// Where a message belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) conn: u64,
    pub(super) t: u64,
    pub(super) from: Side,
    pub(super) opcode: u8,
    /// When its first byte came, if that was earlier than `t`.
    pub(super) began: Option<u64>,
}

impl Gathered {
    /// Takes a message in, if it is small; returns whether it was.
    pub(super) fn take(&mut self, message: Message, bytes: &[u8]) -> bool {
        if bytes.len() > LARGEST {
            return false;
        }
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        self.messages.push((message, start..self.text.len()));
        // No name of a secret goes on behind a line feed, and be it that of the next message.
        self.text.push(b'\n');
        true
    }

    /// Returns whether it is time to hand them out.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= ENOUGH
    }

    /// Hands out all messages in their order, each with what says what to record in its place if it has secrets.
    pub(super) fn hand_out(
        &mut self,
        redaction: &Redaction,
        mut each: impl FnMut(Message, &[u8], &mut dyn FnMut() -> Option<Redacted>),
    ) {
        if self.messages.is_empty() {
            return;
        }
        let mut suspects = redaction.suspects(&self.text);
        for (message, range) in self.messages.drain(..) {
            let bytes = &self.text[range.clone()];
            each(message, bytes, &mut || {
                suspects.within(range.clone()).then(|| redaction.frame(bytes)).flatten()
            });
        }
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(conn: u64) -> Message {
        Message { conn, t: conn, from: Side::Client, opcode: 1, began: None }
    }

    #[test]
    fn large_messages_are_not_gathered() {
        let mut gathered = Gathered::default();
        assert!(gathered.take(message(1), &[b'x'; LARGEST]));
        assert!(!gathered.take(message(2), &[b'x'; LARGEST + 1]));
        assert!(!gathered.is_full());
        while gathered.take(message(3), &[b'x'; LARGEST]) && !gathered.is_full() {}
        assert_eq!(gathered.messages.len(), ENOUGH / LARGEST);
    }

    proptest! {
        #[test]
        fn each_message_is_cleaned_as_it_is_alone(
            texts in prop::collection::vec(
                prop_oneof![
                    Just(r#"{"method":"OpenDoc","params":["a","me","s3cret"]}"#.to_owned()),
                    Just(r#"{"result":{"qText":"x","qNum":7}}"#.to_owned()),
                    Just(r#"{"a":"https://host/picture.png","b":"https://me:pw@host/"}"#.to_owned()),
                    Just(r#"{"password":"#.to_owned()),
                    Just(r#""y"}"#.to_owned()),
                    Just(r#"{"own-name":"s3cret","token":"t"}"#.to_owned()),
                    Just(String::new()),
                ],
                0..40,
            ),
            kind in 0..3,
        ) {
            let redaction = match kind {
                0 => Redaction::off(),
                1 => Redaction::standard(),
                _ => Redaction::standard().rules("members = [\"own-name\"]\ntexts = ['pict.re']").unwrap(),
            };
            let mut gathered = Gathered::default();
            for (at, text) in texts.iter().enumerate() {
                prop_assert!(gathered.take(message(at as u64), text.as_bytes()));
            }
            let mut found = Vec::new();
            gathered.hand_out(&redaction, |message, bytes, clean| {
                found.push((message, String::from_utf8(bytes.to_vec()).unwrap(), clean()));
            });
            let expected: Vec<_> = texts
                .iter()
                .enumerate()
                .map(|(at, text)| (message(at as u64), text.clone(), redaction.frame(text.as_bytes())))
                .collect();
            prop_assert_eq!(found, expected);
            prop_assert!(gathered.text.is_empty() && gathered.messages.is_empty());
        }
    }
}
