//! WebSocket frames as a server reads and writes them.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Text, text::Piece};
use crate::relay::{Head, unmask};

/// The largest message that a client may send, in bytes. Requests of this size were never seen; a limit there must be.
const LARGEST: usize = 256 << 20;
/// What a buffer has at first, and again after something large.
const SMALL_BUFFER: usize = 8 << 10;
/// A buffer of this size takes in any burst of requests.
const BURST_BUFFER: usize = 64 << 10;
/// How many pieces are written together.
const MOST_SLICES: usize = 16;

/// The frames that come in.
#[derive(Debug)]
pub(super) struct Incoming {
    /// What was read lies between `start` and `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The fragments of a message that is not complete, and its opcode.
    message: Option<(u8, Vec<u8>)>,
    /// Whether `message` was handed out, and is to be emptied.
    handed_out: bool,
}

/// Something that a client said.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Heard<'a> {
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Close(&'a [u8]),
}

/// What ends a connection without a goodbye: a client broke the rules, and would not understand anything.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Broken(pub(super) &'static str);

impl Incoming {
    /// Starts with what was read before.
    pub(super) fn new(first: &[u8]) -> Self {
        let mut buffer = first.to_vec();
        buffer.resize(first.len().max(SMALL_BUFFER), 0);
        Self { buffer, start: 0, end: first.len(), message: None, handed_out: false }
    }

    /// Reads what is there; returns how much, which is 0 at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: Pin<&mut (impl AsyncRead + ?Sized)>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut buffer = ReadBuf::new(&mut self.buffer[self.end..]);
        ready!(stream.poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        self.end += read;
        Poll::Ready(Ok(read))
    }

    /// Returns the next thing that is complete.
    pub(super) fn next(&mut self) -> Result<Option<Heard<'_>>, Broken> {
        if std::mem::take(&mut self.handed_out) {
            self.message = None;
        }
        loop {
            let bytes = &self.buffer[self.start..self.end];
            let Some(size) = bytes.get(1).map(|second| Head::size(*second)) else { return Ok(None) };
            if bytes.len() < size {
                return Ok(None);
            }
            let head = Head::parse(&bytes[..size]);
            let length = self.check(&head)?;
            if bytes.len() - size < length {
                return Ok(None);
            }
            let from = self.start + size;
            self.start = from + length;
            let payload = from..self.start;
            if let Some(mask) = head.mask {
                unmask(&mut self.buffer[payload.clone()], mask, 0);
            }
            match head.opcode {
                Head::PING => return Ok(Some(Heard::Ping(&self.buffer[payload]))),
                Head::CLOSE => return Ok(Some(Heard::Close(&self.buffer[payload]))),
                Head::PONG => continue,
                _ => {}
            }
            if head.fin && self.message.is_none() {
                return data(head.opcode, &self.buffer[payload]).map(Some);
            }
            let (_, fragments) = self.message.get_or_insert_with(|| (head.opcode, Vec::new()));
            fragments.extend_from_slice(&self.buffer[payload]);
            if head.fin {
                self.handed_out = true;
                let Some((opcode, whole)) = &self.message else { return Ok(None) };
                return data(*opcode, whole).map(Some);
            }
        }
    }

    /// Returns the length of a frame that follows the rules.
    fn check(&self, head: &Head) -> Result<usize, Broken> {
        if head.mask.is_none() {
            return Err(Broken("a client's frame has no mask"));
        }
        if head.reserved != 0 {
            return Err(Broken("a frame uses an extension, and none was agreed on"));
        }
        let before = match (head.opcode, &self.message) {
            (Head::CONTINUATION, Some((_, fragments))) => fragments.len(),
            (Head::CONTINUATION, None) => return Err(Broken("a fragment continues no message")),
            (Head::TEXT | Head::BINARY, Some(_)) => {
                return Err(Broken("a message begins before the one before it has ended"));
            }
            (Head::TEXT | Head::BINARY, None) => 0,
            (Head::PING | Head::PONG | Head::CLOSE, _) if !head.fin || head.length > 125 => {
                return Err(Broken("a control frame is long or in fragments"));
            }
            (Head::PING | Head::PONG | Head::CLOSE, _) => 0,
            _ => return Err(Broken("a frame has a reserved opcode")),
        };
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if length.saturating_add(before) > LARGEST {
            return Err(Broken("a message is larger than 256 MiB"));
        }
        Ok(length)
    }

    fn make_room(&mut self) {
        let (unread, size) = (self.end - self.start, self.buffer.len());
        if unread == 0 {
            if size > BURST_BUFFER {
                self.buffer = vec![0; SMALL_BUFFER];
            } else if self.end == size && size < BURST_BUFFER {
                // It was filled to the brim: more comes at once than it holds.
                self.buffer.resize(size * 2, 0);
            }
            (self.start, self.end) = (0, 0);
        } else if self.end == size {
            if self.start >= size / 2 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, unread);
            } else {
                // By what has come, not by what a header claims will.
                self.buffer.resize(size * 2, 0);
            }
        }
    }
}

fn data(opcode: u8, bytes: &[u8]) -> Result<Heard<'_>, Broken> {
    if opcode == Head::BINARY {
        return Ok(Heard::Binary(bytes));
    }
    if !bytes.is_ascii() && str::from_utf8(bytes).is_err() {
        return Err(Broken("a text is not UTF-8"));
    }
    Ok(Heard::Text(bytes))
}

/// The frames that go out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Complete parts, in order.
    parts: VecDeque<Bytes>,
    /// What follows them, and still grows.
    tail: BytesMut,
    unsent: usize,
}

impl Outbox {
    /// Returns how many bytes wait to be written.
    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Adds a text message, or a binary one if it is no UTF-8: recorded text was UTF-8 when the client's library took it.
    pub(super) fn text(&mut self, text: &Text) {
        let opcode = if text.is_utf8() { Head::TEXT } else { Head::BINARY };
        self.head(opcode, text.len());
        text.pieces(|piece| match piece {
            Piece::Own(bytes) => self.write(bytes),
            Piece::Shared(bytes) => self.share(bytes),
        });
    }

    /// Adds bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.write(bytes);
    }

    /// Adds a binary message.
    pub(super) fn binary(&mut self, bytes: &Bytes) {
        self.head(Head::BINARY, bytes.len());
        self.share(bytes);
    }

    /// Adds the answer to a ping.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        self.head(Head::PONG, payload.len());
        self.write(payload);
    }

    /// Adds a close frame.
    pub(super) fn close(&mut self, code: Option<u16>, reason: &str) {
        let Some(code) = code else { return self.head(Head::CLOSE, 0) };
        // A control frame holds no more.
        let end = (0..=reason.len().min(123)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
        self.head(Head::CLOSE, 2 + end);
        self.write(&code.to_be_bytes());
        self.write(&reason.as_bytes()[..end]);
    }

    /// Writes as much as the other side takes; pending while something is left.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        while self.unsent > 0 {
            let written = if self.parts.is_empty() {
                ready!(stream.as_mut().poll_write(cx, &self.tail))?
            } else {
                let mut slices = [IoSlice::new(&[]); MOST_SLICES];
                let tail: &[u8] = &self.tail;
                let all = self.parts.iter().map(|part| &**part).chain([tail]);
                let mut used = 0;
                for (slice, part) in slices.iter_mut().zip(all) {
                    *slice = IoSlice::new(part);
                    used += 1;
                }
                ready!(stream.as_mut().poll_write_vectored(cx, &slices[..used]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent(written);
        }
        Poll::Ready(Ok(()))
    }

    fn sent(&mut self, mut bytes: usize) {
        self.unsent -= bytes;
        while let Some(part) = self.parts.front_mut() {
            if bytes < part.len() {
                return part.advance(bytes);
            }
            bytes -= part.len();
            self.parts.pop_front();
        }
        self.tail.advance(bytes);
        if self.tail.is_empty() {
            if self.tail.capacity() > BURST_BUFFER {
                self.tail = BytesMut::new();
            } else {
                self.tail.clear();
            }
        }
    }

    fn head(&mut self, opcode: u8, length: usize) {
        let mut head = [0x80 | opcode; 10];
        let size = match length {
            0..126 => {
                head[1] = length as u8;
                2
            }
            126..65536 => {
                head[1] = 126;
                head[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            _ => {
                head[1] = 127;
                head[2..].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        self.write(&head[..size]);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.unsent += bytes.len();
    }

    fn share(&mut self, bytes: &Bytes) {
        if Text::small_size(bytes.len()) > 0 || bytes.is_empty() {
            return self.write(bytes);
        }
        if !self.tail.is_empty() {
            self.parts.push_back(self.tail.split().freeze());
        }
        self.unsent += bytes.len();
        self.parts.push_back(bytes.clone());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            length @ 0..126 => out.push(0x80 | length as u8),
            length => {
                out.push(0x80 | 127);
                out.extend((length as u64).to_be_bytes());
            }
        }
        out.extend(MASK);
        let mut payload = payload.to_vec();
        unmask(&mut payload, MASK, 0);
        [out, payload].concat()
    }

    /// What is heard of bytes that come in chunks of this size, in words.
    fn read(bytes: &[u8], chunk: usize) -> Vec<String> {
        let mut incoming = Incoming::new(b"");
        let mut heard = Vec::new();
        for mut chunk in bytes.chunks(chunk) {
            while !chunk.is_empty() {
                let mut cx = Context::from_waker(std::task::Waker::noop());
                assert!(incoming.poll_read(&mut cx, Pin::new(&mut chunk)).is_ready());
                loop {
                    match incoming.next() {
                        Ok(None) => break,
                        Ok(Some(Heard::Text(text))) => heard.push(format!("text {}", text.len())),
                        Ok(Some(other)) => heard.push(format!("{other:?}")),
                        Err(broken) => {
                            heard.push(broken.0.to_owned());
                            return heard;
                        }
                    }
                }
            }
        }
        heard
    }

    proptest! {
        #[test]
        fn messages_are_found_however_the_bytes_come(
            sizes in proptest::collection::vec((0..300usize, 1..4usize), 0..8),
            chunk in 1..4000usize,
            large in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (size, fragments) in &sizes {
                let size = if large { size * 60 } else { *size };
                for at in 0..*fragments {
                    let fin = if at + 1 == *fragments { 0x80 } else { 0 };
                    bytes.extend(frame(fin | u8::from(at == 0), &vec![b'x'; size]));
                    bytes.extend(frame(0x89, b"p"));
                    // The ping between fragments is heard before the message that they make.
                    if fin == 0 {
                        expected.push("Ping([112])".to_owned());
                    }
                }
                expected.push(format!("text {}", size * fragments));
                expected.push("Ping([112])".to_owned());
            }
            prop_assert_eq!(read(&bytes, chunk), expected);
        }
    }

    #[test]
    fn clients_that_break_the_rules_are_cut() {
        for (bytes, why) in [
            (b"\x81\x01a".to_vec(), "no mask"),
            (frame(0xc1, b"a"), "extension"),
            (frame(0x80, b"a"), "continues no message"),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), "begins before"),
            (frame(0x09, b"a"), "control frame"),
            (frame(0x89, &[0; 126]), "control frame"),
            (frame(0x83, b"a"), "reserved opcode"),
            (frame(0x81, b"\xff"), "UTF-8"),
            ([frame(0x01, b"\xc3"), frame(0x80, b"(")].concat(), "UTF-8"),
            (b"\x81\xff\x00\x00\x00\x00\x10\x00\x00\x01\x01\x02\x03\x04".to_vec(), "256 MiB"),
        ] {
            let heard = read(&bytes, 7);
            assert!(heard.len() == 1 && heard[0].contains(why), "{why}: {heard:?}");
        }
        // A character may be cut by the end of a fragment.
        assert_eq!(read(&[frame(0x01, b"\xc3"), frame(0x80, b"\xa9")].concat(), 3), ["text 2"]);
    }

    #[tokio::test]
    async fn what_is_said_together_is_written_in_order_and_large_pieces_are_not_copied() {
        let large = Bytes::from(vec![b'y'; 100_000]);
        let mut outbox = Outbox::default();
        let mut text = Text::default();
        text.write(b"<");
        text.share(large.clone());
        text.write(b">");
        outbox.text(&Text::from(Bytes::from_static(b"ab")));
        outbox.text(&text);
        outbox.text(&Text::from(Bytes::from_static(b"\xff")));
        outbox.close(Some(4204), &"é".repeat(100));
        assert!(outbox.parts.iter().any(|part| part.as_ptr() == large.as_ptr()));
        let (mut ours, mut theirs) = duplex(1000);
        let mut got = Vec::new();
        let mut chunk = [0; 333];
        loop {
            let written =
                std::future::poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut ours))).now_or_never();
            if written.is_some() {
                break;
            }
            let read = theirs.read(&mut chunk).await.unwrap();
            got.extend_from_slice(&chunk[..read]);
        }
        ours.shutdown().await.unwrap();
        theirs.read_to_end(&mut got).await.unwrap();
        let reason = "é".repeat(61);
        let expected = [
            &b"\x81\x02ab"[..],
            b"\x81\x7f\0\0\0\0\0\x01\x86\xa2<",
            &large,
            b">\x82\x01\xff",
            b"\x88\x7c\x10\x6c",
            reason.as_bytes(),
        ];
        assert!(got == expected.concat());
        assert_eq!(outbox.unsent(), 0);
    }
}
