//! The options for faults on purpose.

use std::{io::Write, path::PathBuf};

use super::exit::CliError;
use crate::{
    chain::chain,
    count::count,
    faults::{FaultFile, FaultRule, FaultRules},
};

/// Which faults are made.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Faults")]
pub(super) struct FaultArgs {
    /// Rules for faults to make on purpose, as TOML; docs/faults.md has the words
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// A rule for a fault to make on purpose, such as 'GetHyperCubeData nth=3 error=15', 'OpenDoc close=4204' or
    /// 'upgrade every=2 refuse=503'; can be repeated
    #[arg(long, value_name = "RULE")]
    fault: Vec<String>,

    /// The number that decides what chance decides: the same seed gives the same faults [default: that of the file, or a random one,
    /// which is said at start]
    #[arg(long, value_name = "N")]
    fault_seed: Option<u64>,
}

impl FaultArgs {
    /// Returns the rules, if there are any, and warns of what is odd about them.
    pub(super) fn rules(&self) -> Result<Option<FaultRules>, CliError> {
        let usage = |error| CliError::usage(chain(&error));
        let mut file = match &self.faults {
            Some(path) => FaultFile::read(path).map_err(usage)?,
            None => FaultFile::default(),
        };
        for line in &self.fault {
            file.rules.push(line.parse::<FaultRule>().map_err(usage)?);
        }
        if file.rules.is_empty() {
            return match self.fault_seed {
                Some(_) => {
                    Err(CliError::usage("--fault-seed has nothing to decide; give --fault or --faults"))
                }
                None => Ok(None),
            };
        }
        // Short enough to be typed again.
        let seed = self.fault_seed.or(file.seed).unwrap_or_else(|| fastrand::u64(..1_000_000));
        let rules = FaultRules::new(file.rules, seed).map_err(usage)?;
        for warning in rules.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(Some(rules))
    }
}

/// Says at start that faults are made, and how to have the same again.
pub(super) fn announce(rules: &FaultRules, out: &mut dyn Write) -> Result<(), CliError> {
    let (number, seed) = (count(rules.rules().len() as u64, "rule"), rules.seed());
    writeln!(out, "FAULTS ARE MADE ON PURPOSE, by {number}; --fault-seed {seed} gives the same again")?;
    Ok(())
}

/// Says at the end how often each rule struck, and warns of those that never did.
pub(super) fn report(rules: &FaultRules, out: &mut dyn Write) {
    for (index, counted) in rules.counts().iter().enumerate() {
        // What happened decides the exit code, whether somebody still reads this or not.
        let _ = writeln!(out, "fault {} {counted}", index + 1);
        if counted.struck == 0 {
            let why = match counted.matched {
                0 => "nothing matched it".to_owned(),
                matched => format!("{matched} matched it, and its count or its chance never came up"),
            };
            tracing::warn!("fault {} never struck: {why}: {}", index + 1, counted.rule);
        }
    }
}
