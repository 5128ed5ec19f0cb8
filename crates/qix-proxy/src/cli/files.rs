//! The options for the files of a recording.

use std::time::Duration;

use clap::ValueEnum;

use super::{exit::CliError, units};
use crate::record::{FileSettings, OnFull};

/// How a recording is laid out in files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
pub(super) struct FileArgs {
    /// Begin a new file once one has this size, such as 100MB
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    rotate_size: Option<u64>,

    /// Begin a new file once one has this age, such as 1h
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    rotate_every: Option<Duration>,

    /// Write a file for each connection; %c in the name stands for its number
    #[arg(long)]
    per_connection: bool,

    /// Delete the oldest sealed files of this name when there are more than this many, the current one included
    #[arg(long, value_name = "FILES")]
    keep: Option<usize>,

    /// Delete the oldest sealed files of this name when they take more than this, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    keep_size: Option<u64>,

    /// Have the disk take in what was recorded every 50 ms, so that it outlives a loss of power
    #[arg(long)]
    sync: bool,

    /// What to do when the recording cannot be written
    #[arg(long, value_name = "WHAT", default_value = "continue")]
    on_full: WhenFull,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WhenFull {
    /// Forward unrecorded, say so, and go on recording once there is room; the exit code is 3 in the end
    Continue,
    /// Cut all connections and end with exit code 3
    Stop,
}

impl FileArgs {
    /// Returns the settings.
    pub(super) fn settings(&self) -> Result<FileSettings, CliError> {
        if self.keep == Some(0) {
            return Err(CliError::usage("--keep must leave the current file: give 1 or more"));
        }
        let mut settings = FileSettings::default().per_connection(self.per_connection).sync(self.sync);
        settings.rotate_size = self.rotate_size;
        settings.rotate_every = self.rotate_every;
        settings.keep = self.keep;
        settings.keep_size = self.keep_size;
        Ok(settings.on_full(match self.on_full {
            WhenFull::Continue => OnFull::Continue,
            WhenFull::Stop => OnFull::Stop,
        }))
    }
}
