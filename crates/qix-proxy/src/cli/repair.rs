//! `qix-proxy repair`: make a whole recording of what a crash has left.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    exit::{CliError, Outcome},
    progress::Working,
};
use crate::{
    chain::chain,
    count::count,
    record::{self, RepairError},
};

/// Arguments of `qix-proxy repair`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::REPAIR)]
pub(crate) struct RepairArgs {
    /// The recording
    file: PathBuf,

    /// The repaired recording, compressed if its name ends with .zst; an existing file is never overwritten [default: FILE with
    /// -repaired in its name]
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    out: Option<PathBuf>,

    /// Put the repaired recording in the place of the other
    #[arg(long)]
    in_place: bool,
}

impl RepairArgs {
    /// Repairs the file, unless it is whole.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let file = self.file.display();
        let working = Working::new("checking and repairing", &self.file);
        let found = record::check(&self.file).map_err(|error| CliError::recording(chain(&error)))?;
        let exchanges = match found.exchanges {
            0 => String::new(),
            exchanges => format!(", {}", count(exchanges, "HTTP exchange")),
        };
        let what = format!(
            "{} and {}{exchanges}",
            count(found.connections, "connection"),
            count(found.frames, "frame")
        );
        if found.is_whole() {
            drop(working);
            writeln!(out, "{file} is whole, with {what}: nothing to repair")?;
            return Ok(Outcome::Clean);
        }
        let to = if self.in_place {
            record::repair_in_place(&self.file).map_err(refused)?;
            self.file.clone()
        } else {
            let to = self.out.unwrap_or_else(|| beside(&self.file));
            record::repair(&self.file, &to).map_err(refused)?;
            to
        };
        drop(working);
        writeln!(out, "repaired {file}: {}", found.in_words())?;
        writeln!(out, "{} is whole, with {what}", to.display())?;
        Ok(Outcome::Clean)
    }
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dot = name.find('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    path.with_file_name(format!("{}-repaired{}", &name[..dot], &name[dot..]))
}

fn refused(error: RepairError) -> CliError {
    let text = chain(&error);
    match error {
        RepairError::Read(_) => CliError::recording(text),
        RepairError::Exists { .. } => CliError::usage(format!("{text} (--out names the file)")),
        RepairError::Write { .. } => CliError::network(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repaired_file_stands_beside_the_other() {
        for (path, other) in [
            ("a/b.qixrec", "a/b-repaired.qixrec"),
            ("b.qixrec.zst", "b-repaired.qixrec.zst"),
            ("b", "b-repaired"),
        ] {
            assert_eq!(beside(Path::new(path)), Path::new(other));
        }
    }
}
