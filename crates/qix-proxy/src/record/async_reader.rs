//! Reads recordings without blocking a thread.

use std::{
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Stream;
use tokio::{
    fs::File,
    io::{AsyncBufRead, BufReader},
};

use super::{
    Entry, Header, ReadError,
    follow::{Follower, TornTail},
};

/// Reads a recording as [`RecordingReader`](super::RecordingReader) does, as a stream.
#[derive(Debug)]
pub struct AsyncRecordingReader<R = BufReader<File>> {
    source: R,
    follower: Follower,
}

impl AsyncRecordingReader {
    /// Opens a recording and reads its header.
    ///
    /// # Errors
    ///
    /// As [`RecordingReader::open`](super::RecordingReader::open).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let opened = File::open(path).await;
        let file = opened.map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        Self::new(BufReader::with_capacity(256 * 1024, file), path).await
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRecordingReader<R> {
    /// Reads a recording from any source; `name` stands for it in errors.
    ///
    /// # Errors
    ///
    /// As [`RecordingReader::open`](super::RecordingReader::open).
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the source.
    pub async fn new(source: R, name: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let mut reader = Self { source, follower: Follower::new(name.into()) };
        let line = std::future::poll_fn(|cx| reader.poll_line(cx)).await?;
        reader.follower.header_line(line)?;
        Ok(reader)
    }

    /// Returns the next entry, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the source fails or a line is damaged; nothing comes after that.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Entry, ReadError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        self.follower.header()
    }

    /// Returns the cut last line, once the end was reached.
    pub fn torn(&self) -> Option<TornTail> {
        self.follower.torn()
    }

    /// Returns whether the recording was closed in order, once the end was reached.
    pub fn is_sealed(&self) -> bool {
        self.follower.is_sealed()
    }

    /// Returns the name of the file that continues this one, once the end was reached.
    pub fn next_part(&self) -> Option<&str> {
        self.follower.next_part()
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
        loop {
            let input = match ready!(Pin::new(&mut self.source).poll_fill_buf(cx)) {
                Ok(input) => input,
                Err(error) => return Poll::Ready(Err(self.follower.failed(error))),
            };
            let is_end = input.is_empty();
            let (used, line) = self.follower.feed(input)?;
            Pin::new(&mut self.source).consume(used);
            if line.is_some() {
                return Poll::Ready(Ok(line));
            }
            if is_end {
                self.follower.end();
                return Poll::Ready(Ok(None));
            }
        }
    }
}

impl<R: AsyncBufRead + Unpin> Stream for AsyncRecordingReader<R> {
    type Item = Result<Entry, ReadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.follower.is_done() {
            return Poll::Ready(None);
        }
        let line = ready!(this.poll_line(cx));
        Poll::Ready(this.follower.entry_line(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordingReader;

    #[tokio::test]
    async fn both_readers_read_the_same_compressed_or_not() {
        let bundled: &[u8] = include_bytes!("../../assets/demo.qixrec");
        let frames: Vec<u8> =
            bundled.chunks(5000).flat_map(|part| zstd::bulk::compress(part, 1).unwrap()).collect();
        for bytes in [bundled, &frames, &bundled[..bundled.len() - 7], &frames[..frames.len() - 7]] {
            let mut sync = RecordingReader::new(bytes, "x").unwrap();
            let mut other =
                AsyncRecordingReader::new(BufReader::with_capacity(100, bytes), "x").await.unwrap();
            assert_eq!(sync.header(), other.header());
            let mut count = 0;
            while let Some(entry) = other.next().await {
                assert_eq!(format!("{:?}", entry.unwrap()), format!("{:?}", sync.next().unwrap().unwrap()));
                count += 1;
            }
            assert!(count > 10 && sync.next().is_none());
            assert_eq!((sync.torn(), sync.is_sealed()), (other.torn(), other.is_sealed()));
        }
    }
}
