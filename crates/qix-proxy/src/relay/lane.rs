//! One direction of a connection: bytes read, bytes still to be written.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::flow::Flow;

/// How much is read at once from a connection that is quiet.
const SMALLEST_READ: usize = 8 << 10;
/// How much is read at once while reads fill the buffer: what still fits into the cache of a core.
const LARGEST_READ: usize = 256 << 10;
/// How many pieces one system call writes.
const SLICES: usize = 16;

/// How far a lane is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Bytes may come.
    Open,
    /// The sender has ended; what is left is to be written, and the end passed on.
    Ended,
    /// Nothing happens here any more.
    Done,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) flow: Flow,
    pub(super) out: VecDeque<Bytes>,
    pub(super) stage: Stage,
    /// Whether something was written since the last flush.
    unflushed: bool,
    /// Whether something was written since this was last asked.
    progress: bool,
    /// How much to read at once.
    size: usize,
}

impl Lane {
    pub(super) fn new(masked: bool) -> Self {
        Self {
            flow: Flow::new(masked),
            out: VecDeque::new(),
            stage: Stage::Open,
            unflushed: false,
            progress: false,
            size: SMALLEST_READ,
        }
    }

    /// Reads what has come, or `None` at the end. `buffer` is empty before and after; it is only there to be used again.
    pub(super) fn poll_read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Bytes>>> {
        // Takes the whole buffer back if nothing holds a part of it any more.
        buffer.reserve(self.size);
        let read = match ready!(pin!(from.read_buf(buffer)).poll(cx)) {
            Ok(read) => read,
            // A TLS peer that hangs up without saying so has hung up.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if read == 0 {
            return Poll::Ready(Ok(None));
        }
        let capacity = buffer.capacity();
        if read == capacity {
            self.size = (capacity * 4).min(LARGEST_READ);
        } else if read < self.size / 4 {
            self.size = (self.size / 4).max(SMALLEST_READ);
        }
        // A chunk may wait for the recorder for long. It should not keep a buffer alive that is mostly empty, unless that is the
        // smallest, which is free again as soon as the receiver has taken what the recorder copies.
        let chunk = if read >= capacity / 2 || capacity <= SMALLEST_READ {
            buffer.split().freeze()
        } else {
            let chunk = Bytes::copy_from_slice(buffer);
            buffer.clear();
            chunk
        };
        Poll::Ready(Ok(Some(chunk)))
    }

    /// Writes all that waits to be written, and flushes.
    pub(super) fn poll_write(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(front) = self.out.front() {
            let written = if self.out.len() == 1 {
                ready!(Pin::new(&mut *to).poll_write(cx, front))?
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = self.out.len().min(SLICES);
                for (slice, bytes) in slices.iter_mut().zip(&self.out) {
                    *slice = IoSlice::new(bytes);
                }
                ready!(Pin::new(&mut *to).poll_write_vectored(cx, &slices[..count]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.progress = true;
            self.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Returns whether the receiver has taken anything since the last call.
    pub(super) fn made_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(front) = self.out.front_mut() {
            if written < front.len() {
                bytes::Buf::advance(front, written);
                return;
            }
            written -= front.len();
            self.out.pop_front();
        }
    }
}
