//! Calls of the first recording that wait for their counterparts.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use bytes::Bytes;

use super::side::{Outcome, Seen};
use crate::compare::makes;

/// How many bytes of results wait in memory; more go to a temporary file.
const MEMORY: usize = 64 << 20;

/// Calls whose results are in memory, or in a temporary file once there are too many.
#[derive(Debug, Default)]
pub(super) struct Held {
    calls: HashMap<u64, (Seen, Option<(u64, usize)>)>,
    memory: usize,
    spool: Option<(File, u64)>,
}

impl Held {
    /// Keeps a call.
    ///
    /// # Errors
    ///
    /// What the system says of the temporary file.
    pub(super) fn put(&mut self, mut seen: Seen) -> io::Result<()> {
        // They keep the whole request.
        seen.params = seen.params.filter(|_| makes(&seen.method));
        let mut place = None;
        if let Outcome::Result(Some(result)) = &seen.outcome {
            if self.memory + result.len() > MEMORY {
                let (file, end) = match &mut self.spool {
                    Some(spool) => spool,
                    none => none.insert((tempfile::tempfile()?, 0)),
                };
                file.seek(SeekFrom::Start(*end))?;
                file.write_all(result)?;
                place = Some((*end, result.len()));
                *end += result.len() as u64;
                seen.outcome = Outcome::Result(None);
            } else {
                self.memory += result.len();
            }
        }
        self.calls.insert(seen.seq, (seen, place));
        Ok(())
    }

    pub(super) fn has(&self, seq: u64) -> bool {
        self.calls.contains_key(&seq)
    }

    /// Takes a call out.
    ///
    /// # Errors
    ///
    /// What the system says of the temporary file.
    pub(super) fn take(&mut self, seq: u64) -> io::Result<Option<Seen>> {
        let Some((mut seen, place)) = self.calls.remove(&seq) else { return Ok(None) };
        match (place, &mut self.spool) {
            (Some((at, length)), Some((file, _))) => {
                let mut result = vec![0; length];
                file.seek(SeekFrom::Start(at))?;
                file.read_exact(&mut result)?;
                seen.outcome = Outcome::Result(Some(Bytes::from(result)));
            }
            _ => {
                if let Outcome::Result(Some(result)) = &seen.outcome {
                    self.memory -= result.len();
                }
            }
        }
        Ok(Some(seen))
    }
}
