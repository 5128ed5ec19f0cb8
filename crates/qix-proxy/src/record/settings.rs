//! Settings of the files that a recording consists of.

use std::time::Duration;

/// What to do when a recording cannot be written, because the disk is full or broken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnFull {
    /// Traffic goes on unrecorded, which is said loudly. Once there is room again, recording goes on, and the recording says what it
    /// misses.
    #[default]
    Continue,
    /// The proxy cuts all connections and ends, so that nothing goes on unrecorded.
    Stop,
}

/// How a recording is laid out in files. A name that ends with `.zst` makes files compressed.
///
/// ```
/// use std::time::Duration;
///
/// use qix_proxy::record::FileSettings;
///
/// let settings = FileSettings::default().rotate_size(100_000_000).rotate_every(Duration::from_secs(3600)).keep(24);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct FileSettings {
    /// The size in bytes from which on a file is followed by the next. It is exceeded by less than one burst of messages.
    ///
    /// Default: none.
    pub rotate_size: Option<u64>,
    /// The age from which on a file is followed by the next, as soon as there is something to record.
    ///
    /// Default: none.
    pub rotate_every: Option<Duration>,
    /// Whether each connection gets files of its own. The first file then has what belongs to no connection.
    ///
    /// Default: no.
    pub per_connection: bool,
    /// Whether what was recorded is on the disk within 50 ms and what the disk takes, so that it outlives a loss of power. Without it,
    /// what was recorded outlives the process, which is enough but for that.
    ///
    /// Default: no.
    pub sync: bool,
    /// What to do when nothing can be written.
    ///
    /// Default: [`OnFull::Continue`].
    pub on_full: OnFull,
    /// How many files to keep, the current one included. Only sealed recordings with a name that this recorder could have given are
    /// deleted, oldest first.
    ///
    /// Default: all.
    pub keep: Option<usize>,
    /// How many bytes of files to keep, the current one included; deletes as [`keep`](Self::keep) does.
    ///
    /// Default: all.
    pub keep_size: Option<u64>,
}

impl FileSettings {
    /// Sets [`rotate_size`](Self::rotate_size), in bytes.
    #[must_use]
    pub fn rotate_size(mut self, bytes: u64) -> Self {
        self.rotate_size = Some(bytes);
        self
    }

    /// Sets [`rotate_every`](Self::rotate_every).
    #[must_use]
    pub fn rotate_every(mut self, age: Duration) -> Self {
        self.rotate_every = Some(age);
        self
    }

    /// Sets [`per_connection`](Self::per_connection).
    #[must_use]
    pub fn per_connection(mut self, yes: bool) -> Self {
        self.per_connection = yes;
        self
    }

    /// Sets [`sync`](Self::sync).
    #[must_use]
    pub fn sync(mut self, yes: bool) -> Self {
        self.sync = yes;
        self
    }

    /// Sets [`on_full`](Self::on_full).
    #[must_use]
    pub fn on_full(mut self, what: OnFull) -> Self {
        self.on_full = what;
        self
    }

    /// Sets [`keep`](Self::keep).
    #[must_use]
    pub fn keep(mut self, files: usize) -> Self {
        self.keep = Some(files);
        self
    }

    /// Sets [`keep_size`](Self::keep_size), in bytes.
    #[must_use]
    pub fn keep_size(mut self, bytes: u64) -> Self {
        self.keep_size = Some(bytes);
        self
    }
}
