//! Where bodies are kept: small ones in memory, as long as they are few, and all others in a file without a name.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

/// Larger bodies go to the file, in bytes.
const SMALL: usize = 64 << 10;
/// How much is kept in memory altogether, in bytes.
const MEMORY: usize = 16 << 20;

/// Keeps bytes until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Store(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How much is in memory, in bytes.
    held: usize,
    file: Option<File>,
    /// The end of the file.
    end: u64,
}

/// Where something is kept.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Memory(Bytes),
    /// From the first to before the last.
    File(u64, u64),
}

impl Stored {
    /// Returns how many bytes it has.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(from, to) => to - from,
        }
    }
}

impl Store {
    /// Keeps `bytes`.
    pub(super) fn put(&self, bytes: &[u8]) -> io::Result<Stored> {
        let mut inner = self.inner();
        if bytes.len() <= SMALL && inner.held + bytes.len() <= MEMORY {
            inner.held += bytes.len();
            return Ok(Stored::Memory(Bytes::copy_from_slice(bytes)));
        }
        let from = inner.end;
        let file = match &mut inner.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(from))?;
        file.write_all(bytes)?;
        inner.end = from + bytes.len() as u64;
        Ok(Stored::File(from, inner.end))
    }

    /// Returns at most `most` bytes of what is kept there, from the `from`th on. Waits for the disk, if it is not in memory.
    pub(super) fn read(&self, stored: &Stored, from: u64, most: usize) -> io::Result<Bytes> {
        let length = stored.len().saturating_sub(from).min(most as u64) as usize;
        match stored {
            Stored::Memory(bytes) => Ok(bytes.slice(bytes.len().min(from as usize)..).slice(..length)),
            Stored::File(start, _) => {
                let mut bytes = vec![0; length];
                let mut inner = self.inner();
                let file = inner.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
                file.seek(SeekFrom::Start(start + from))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // The end is moved only behind what was written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_or_much_is_not_held_in_memory_and_comes_back_in_pieces() {
        let store = Store::default();
        let small = store.put(b"small").unwrap();
        let large: Vec<u8> = (0..SMALL + 1).map(|at| at as u8).collect();
        let stored = store.put(&large).unwrap();
        assert!(matches!(small, Stored::Memory(_)) && matches!(stored, Stored::File(..)));
        let many: Vec<_> = (0..MEMORY / SMALL + 9).map(|_| store.put(&large[..SMALL]).unwrap()).collect();
        assert!(store.inner().held <= MEMORY && matches!(many.last(), Some(Stored::File(..))));
        let mut read = Vec::new();
        while (read.len() as u64) < stored.len() {
            read.extend(store.read(&stored, read.len() as u64, 1000).unwrap());
        }
        assert!(read == large);
        assert_eq!(store.read(&small, 1, 3).unwrap(), "mal");
        assert_eq!(store.read(&small, 9, 3).unwrap(), "");
        assert!(store.read(many.last().unwrap(), 0, SMALL).unwrap() == large[..SMALL]);
    }
}
