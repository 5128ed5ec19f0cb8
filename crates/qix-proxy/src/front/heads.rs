//! Looks over a client's HTTP bytes for what two parsers could read in two ways.
//!
//! Hyper takes a `Content-Length` beside a `Transfer-Encoding` without a word, and shows only one of them. A front server that goes
//! by the other one sees requests where hyper sees a body.

/// Where in the bytes of a connection the next one is. Follows requests, one after the other, as strictly as the standard allows.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    state: State,
    /// The line that is coming in, as far as it matters; without its end.
    line: Vec<u8>,
    /// Whether a carriage return has come that must be followed by a line feed.
    returned: bool,
    /// What the head says so far of the body.
    head: Head,
    /// Requests whose head is complete.
    complete: u64,
}

#[derive(Debug, Default)]
enum State {
    /// Before a request, where empty lines are passed over, and in its first line.
    #[default]
    First,
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Nobody can say what follows.
    Lost,
}

#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ambiguous {
    /// The request, from 0.
    pub(crate) request: u64,
    /// Whether it is its body, whose head was handed on already.
    pub(crate) in_body: bool,
    pub(crate) what: &'static str,
}

/// Header lines are looked at up to this length; those that matter are shorter.
const LINE: usize = 256;

impl Heads {
    /// Takes bytes in. Returns what is wrong with them, once.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Ambiguous> {
        while !bytes.is_empty() {
            bytes = self.step(bytes)?;
        }
        Ok(())
    }

    /// Takes bytes of one request in, and returns what comes behind it, if it is complete.
    pub(crate) fn one<'b>(&mut self, mut bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Ambiguous> {
        while !self.is_behind_one() {
            if bytes.is_empty() {
                return Ok(None);
            }
            bytes = self.step(bytes)?;
        }
        Ok(Some(bytes))
    }

    fn is_behind_one(&self) -> bool {
        self.complete > 0 && matches!(self.state, State::First)
    }

    /// Takes in what is of one kind, and returns the rest.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Ambiguous> {
        if let State::Body(left) | State::Chunk(left) = &mut self.state {
            let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            *left -= taken as u64;
            if *left == 0 {
                self.state = match self.state {
                    State::Chunk(_) => State::ChunkEnd,
                    _ => State::First,
                };
            }
            return Ok(&bytes[taken..]);
        }
        if matches!(self.state, State::Lost) {
            return Ok(&[]);
        }
        let end = memchr::memchr2(b'\r', b'\n', bytes);
        let (part, ended) = bytes.split_at(end.unwrap_or(bytes.len()));
        if !part.is_empty() && self.returned {
            return self.fail("has a carriage return without a line feed");
        }
        let room = LINE - self.line.len();
        self.line.extend_from_slice(&part[..part.len().min(room)]);
        match ended.first() {
            Some(b'\r') if self.returned => {
                return self.fail("has a carriage return without a line feed");
            }
            Some(b'\r') => self.returned = true,
            Some(_) if !self.returned => return self.fail("has a line feed without a carriage return"),
            Some(_) => {
                self.returned = false;
                let line = std::mem::take(&mut self.line);
                let read = self.end_line(&line);
                self.line = line;
                self.line.clear();
                if let Err(what) = read {
                    return self.fail(what);
                }
            }
            None => return Ok(&[]),
        }
        Ok(&ended[1..])
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.state = match self.state {
            State::First if line.is_empty() => return Ok(()),
            State::First => {
                self.head = Head::default();
                State::Head
            }
            State::Head if line.is_empty() => {
                if self.head.chunked && self.head.length.is_some() {
                    return Err("has both a Content-Length and a Transfer-Encoding");
                }
                self.complete += 1;
                match self.head {
                    Head { chunked: true, .. } => State::ChunkSize,
                    Head { length: Some(length @ 1..), .. } => State::Body(length),
                    Head { .. } => State::First,
                }
            }
            State::Head => {
                self.header(line)?;
                State::Head
            }
            // What is cut off could be digits.
            State::ChunkSize if line.len() == LINE && !line.contains(&b';') => {
                return Err("has a chunk without a size");
            }
            State::ChunkSize => match chunk_size(line) {
                Some(0) => State::Trailers,
                Some(size) => State::Chunk(size),
                None => return Err("has a chunk without a size"),
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err("has a chunk that is longer than it says"),
            State::Trailers if line.is_empty() => State::First,
            State::Trailers => State::Trailers,
            State::Body(_) | State::Chunk(_) | State::Lost => return Ok(()),
        };
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err("has a header that is folded over two lines");
        }
        let Some(colon) = memchr::memchr(b':', line) else { return Ok(()) };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.trim_ascii_end().eq_ignore_ascii_case(b"content-length") {
            // What is cut off could be digits.
            if line.len() == LINE {
                return Err("has a Content-Length that is no number");
            }
            let length = std::str::from_utf8(value).ok().filter(|text| is_number(text.as_bytes(), 10));
            let length =
                length.and_then(|text| text.parse().ok()).ok_or("has a Content-Length that is no number")?;
            if self.head.length.is_some_and(|other| other != length) {
                return Err("has two Content-Lengths");
            }
            self.head.length = Some(length);
        } else if name.trim_ascii_end().eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("has a Transfer-Encoding other than chunked");
            }
            self.head.chunked = true;
        }
        Ok(())
    }

    fn fail<T>(&mut self, what: &'static str) -> Result<T, Ambiguous> {
        let in_body = matches!(self.state, State::ChunkSize | State::ChunkEnd | State::Trailers);
        self.state = State::Lost;
        let request = if in_body { self.complete - 1 } else { self.complete };
        Err(Ambiguous { request, in_body, what })
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    let digits = std::str::from_utf8(digits).ok().filter(|text| is_number(text.as_bytes(), 16))?;
    u64::from_str_radix(digits, 16).ok()
}

fn is_number(text: &[u8], radix: u32) -> bool {
    !text.is_empty() && text.iter().all(|byte| char::from(*byte).is_digit(radix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(bytes: &str, parts: usize) -> Result<u64, Ambiguous> {
        let mut heads = Heads::default();
        for part in bytes.as_bytes().chunks(parts) {
            heads.push(part)?;
        }
        Ok(heads.complete)
    }

    const FINE: &str = "\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\na\nb\rc\
                        POST /2 HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\n\r\n\n\r\n0A \r\n0123456789\r\n0\r\nX: y\r\n\r\n\
                        GET /3 HTTP/1.1\r\n\r\nPOST /4 HTTP/1.1\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn requests_are_told_apart_however_the_bytes_are_split() {
        for parts in 1..FINE.len() {
            assert_eq!(run(FINE, parts), Ok(4), "{parts}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_found_and_said_of_which_request() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (text, in_body, what) in [
            ("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false, "both"),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", false, "both"),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                false,
                "two Content-Lengths",
            ),
            ("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", false, "no number"),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", false, "other than chunked"),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                false,
                "other",
            ),
            ("GET / HTTP/1.1\r\nTransfer-Encoding : x\r\n\r\n", false, "other than chunked"),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", false, "folded"),
            ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", false, "carriage return"),
            ("GET / HTTP/1.1\nA: b\r\n\r\n", false, "line feed"),
            (&format!("{chunked}x\r\n"), true, "size"),
            (&format!("{chunked}1\r\nab\r\n"), true, "longer"),
            (&format!("{chunked}0x1\r\n"), true, "size"),
            (&format!("{chunked}1\n"), true, "line feed"),
        ] {
            for parts in [1, 7, 1000] {
                let found = run(&(FINE.to_owned() + text), parts).unwrap_err();
                assert_eq!((found.request, found.in_body), (4, in_body), "{text}");
                assert!(found.what.contains(what), "{text}: {}", found.what);
            }
        }
    }

    #[test]
    fn numbers_too_long_to_look_at_are_not_taken_for_their_beginning() {
        let zeros = "0".repeat(LINE);
        let length = format!("POST / HTTP/1.1\r\nContent-Length: {zeros}5\r\n\r\n");
        assert!(run(&length, 1000).unwrap_err().what.contains("no number"));
        let chunk = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{zeros}5\r\n");
        assert!(run(&chunk, 1000).unwrap_err().what.contains("without a size"));
        let extended = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{zeros}\r\na\r\n");
        assert_eq!(run(&extended, 1000), Ok(1));
    }

    #[test]
    fn what_is_behind_one_request_is_not_taken_for_a_part_of_it() {
        let body = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n";
        for (one, behind) in [(body, "GET /2"), ("GET / HTTP/1.1\r\n\r\n", "x"), (body, "")] {
            for at in 0..one.len() {
                let (first, second) = (&one[..at], format!("{}{behind}", &one[at..]));
                let mut heads = Heads::default();
                assert_eq!(heads.one(first.as_bytes()), Ok(None), "{at}");
                assert_eq!(heads.one(second.as_bytes()), Ok(Some(behind.as_bytes())), "{at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), parts in 1..40usize) {
            let mut heads = Heads::default();
            for part in bytes.chunks(parts) {
                let _ = heads.push(part);
                prop_assert!(heads.line.len() <= LINE);
            }
        }
    }
}
