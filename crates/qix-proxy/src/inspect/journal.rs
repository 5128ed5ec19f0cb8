//! The batches of a page, in their order, for pages that come late or are slow.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::spool::Spool;

/// How much of the journal is given out at a time, in bytes.
const HELPING: usize = 512 << 10;

/// Batches as JSON, which pages read from the first one on.
#[derive(Debug)]
pub(crate) struct Journal {
    spool: Mutex<Spool>,
    news: watch::Sender<News>,
}

/// How far the journal is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct News {
    /// How many batches there are.
    pub(crate) batches: u64,
    /// What comes next.
    pub(crate) phase: Phase,
}

/// What is being done with the recording.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Phase {
    /// It is being read.
    #[default]
    Reading,
    /// All that is there was read; more may come.
    Following,
    /// It was read to its end.
    Ended,
    /// Nothing more comes, for this reason.
    Failed(Arc<str>),
}

impl Phase {
    /// Returns its name, as the page knows it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Following => "following",
            Self::Ended => "ended",
            Self::Failed(_) => "failed",
        }
    }
}

impl Journal {
    /// Takes batches until they need about `limit` bytes, compressed.
    pub(crate) fn new(limit: u64) -> Self {
        Self { spool: Mutex::new(Spool::new(limit)), news: watch::Sender::default() }
    }

    /// Takes in a batch.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be written, or there are too many batches: a page needs all of them, so that none can be forgotten.
    pub(crate) fn add(&self, batch: &[u8]) -> io::Result<()> {
        let mut spool = self.lock();
        if spool.is_full() {
            return Err(io::Error::other(
                "this is more than a page can show; the recording is complete, and `qix-proxy show` reads all of it",
            ));
        }
        let number = spool.add(batch)?;
        drop(spool);
        self.news.send_modify(|news| news.batches = number + 1);
        Ok(())
    }

    /// Says what is being done.
    pub(crate) fn set(&self, phase: Phase) {
        self.news.send_if_modified(|news| std::mem::replace(&mut news.phase, phase.clone()) != phase);
    }

    /// Returns where to hear of news.
    pub(crate) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Returns batches from `first` on as elements of a JSON array, without its brackets, and the number of the next one.
    ///
    /// # Errors
    ///
    /// What the system says if the temporary file cannot be read.
    pub(crate) fn read(&self, first: u64) -> io::Result<(Vec<u8>, u64)> {
        let (mut text, mut next) = (Vec::new(), first);
        while text.len() < HELPING {
            let Some(batch) = self.lock().read(next)? else { break };
            if !text.is_empty() {
                text.push(b',');
            }
            text.extend(batch);
            next += 1;
        }
        Ok((text, next))
    }

    fn lock(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_page_reads_all_batches_in_helpings() {
        let journal = Journal::new(1 << 30);
        let batch = vec![b'7'; HELPING / 2 + 1];
        for _ in 0..5 {
            journal.add(&batch).unwrap();
        }
        let (first, next) = journal.read(0).unwrap();
        assert_eq!((first.len(), next), (2 * batch.len() + 1, 2));
        let (last, next) = journal.read(4).unwrap();
        assert_eq!((last, next), (batch, 5));
        assert_eq!(journal.read(5).unwrap(), (Vec::new(), 5));
        assert_eq!(journal.news().borrow().batches, 5);
    }

    #[test]
    fn journal_that_is_full_says_so_and_keeps_what_it_has() {
        let journal = Journal::new(1);
        journal.add(b"{}").unwrap();
        assert!(journal.add(b"{}").unwrap_err().to_string().contains("more than a page can show"));
        assert_eq!(journal.read(0).unwrap().0, b"{}");
    }
}
