//! Where frames begin and end in what the peer sends.

/// Follows the headers of frames, so that it is known when nothing of a message is under way.
#[derive(Debug, Default)]
pub(super) struct FrameWalk {
    /// The first two bytes of the header under way.
    start: [u8; 2],
    /// How many bytes of that header have come.
    seen: u8,
    /// The header's length field, as far as it has come; afterwards how much of the payload is to come.
    payload: u64,
    /// Whether the message has more fragments to come.
    fragmented: bool,
}

impl FrameWalk {
    /// Returns whether all that came were whole messages.
    pub(super) fn is_between_messages(&self) -> bool {
        self.seen == 0 && self.payload == 0 && !self.fragmented
    }

    /// Takes in the next bytes.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        loop {
            if self.seen == 0 {
                let skipped = self.payload.min(bytes.len() as u64);
                self.payload -= skipped;
                bytes = &bytes[skipped as usize..];
            }
            // Most frames are short, and their headers arrive whole.
            while self.seen == 0
                && let [first, length @ 0..126, rest @ ..] = bytes
                && let Some((_, rest)) = rest.split_at_checked(usize::from(*length))
            {
                self.header_ends(*first);
                bytes = rest;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return };
            self.header_byte(byte);
            bytes = rest;
        }
    }

    fn header_byte(&mut self, byte: u8) {
        if let Some(place) = self.start.get_mut(usize::from(self.seen)) {
            *place = byte;
        }
        self.seen += 1;
        let [first, second] = self.start;
        let (length_field, short) = match second & 0x7f {
            127 => (8, None),
            126 => (2, None),
            short => (0, Some(short)),
        };
        match self.seen {
            1 => return,
            2 => self.payload = short.unwrap_or(0).into(),
            seen if seen <= 2 + length_field => self.payload = self.payload << 8 | u64::from(byte),
            // The mask, which no server should send.
            _ => {}
        }
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        if self.seen == 2 + length_field + mask {
            self.seen = 0;
            self.header_ends(first);
        }
    }

    fn header_ends(&mut self, first: u8) {
        // Control frames may come between fragments.
        if first & 0x08 == 0 {
            self.fragmented = first & 0x80 == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns after how many bytes, counted from one, nothing is under way.
    fn gaps(bytes: &[u8]) -> Vec<usize> {
        let mut walk = FrameWalk::default();
        let mut gaps = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            walk.follow(&[*byte]);
            if walk.is_between_messages() {
                gaps.push(at + 1);
            }
        }
        // It does not matter in which pieces they come.
        for size in [2, 3, 7, 1000, bytes.len()] {
            let mut walk = FrameWalk::default();
            let mut taken = 0;
            for piece in bytes.chunks(size) {
                walk.follow(piece);
                taken += piece.len();
                assert_eq!(walk.is_between_messages(), gaps.contains(&taken), "{size} {taken}");
            }
        }
        gaps
    }

    #[test]
    fn lengths_of_all_three_forms_are_followed() {
        let mut bytes = vec![0x81, 3, 1, 2, 3, 0x81, 0, 0x81, 126, 1, 4];
        bytes.extend([0xff; 260]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 2]);
        bytes.extend([0x81; 65538]);
        assert_eq!(gaps(&bytes), [5, 7, 271, 271 + 10 + 65538]);
    }

    #[test]
    fn fragments_are_one_message_and_pings_between_them_do_not_end_it() {
        assert_eq!(gaps(&[0x01, 1, 0, 0x89, 1, 0, 0x00, 0, 0x80, 1, 9, 0x89, 0]), [11, 13]);
    }

    #[test]
    fn mask_belongs_to_the_header() {
        assert_eq!(gaps(&[0x81, 0x82, 1, 2, 3, 4, 5, 6, 0x81, 0x80, 1, 2, 3, 4]), [8, 14]);
    }
}
