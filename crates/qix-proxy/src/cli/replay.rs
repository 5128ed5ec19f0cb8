//! `qix-proxy replay`: answer a client from a recording.

mod missing;

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use missing::MissArgs;

use super::{
    exit::{CliError, Outcome, count},
    listen::shown,
    redaction::RedactionArgs,
};
use crate::ListenOn;
use crate::chain::chain;
use crate::live::wants_colour;
use crate::replay::{
    LoadError, LoadReport, OnMiss, ReplayServer, ReplaySettings, ReplaySummary, Report, Tapes,
};
use crate::scrub::Anonymizer;

/// Arguments of `qix-proxy replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Where to listen: an address, port 0 takes a free one, or unix:PATH; can be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9077")]
    listen: Vec<ListenOn>,

    /// What stands for which value, as `scrub --anonymise-map` wrote it, so that a client may name the values themselves
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    anonymise_map: Option<PathBuf>,

    /// Fail, with exit code 1, if calls were recorded that nobody has made
    #[arg(long)]
    strict: bool,

    /// Write at the end what was missing in the recording, and what nobody asked for, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    redaction: RedactionArgs,

    #[command(flatten)]
    missing: MissArgs,
}

impl ReplayArgs {
    /// Serves the recording until Ctrl-C or SIGTERM.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        // What was typed wrongly is said before files are read.
        let way = self.missing.way()?;
        let redaction = self.redaction.redaction()?;
        let (tapes, report) = Tapes::open_parts(&self.files, &redaction).map_err(|error| match error {
            LoadError::NoConnection => CliError::recording(format!("{}: {error}", self.name())),
            error => CliError::recording(chain(&error)),
        })?;
        warn(&report);
        let tapes = match &self.anonymise_map {
            None => tapes,
            Some(map) => {
                tapes.anonymized(Anonymizer::load(map).map_err(|error| CliError::usage(chain(&error)))?)
            }
        };
        let (connections, calls) = (tapes.connections(), tapes.calls());
        let on_miss = way.on_miss(&self.files, &redaction)?;
        let settings = ReplaySettings::default().on_miss(on_miss.clone());
        let server = ReplayServer::bind_with(tapes, &self.listen, &settings)
            .await
            .map_err(|error| CliError::network(format!("{} (--listen names it)", chain(&error))))?;
        let places = server.local_addrs();
        for address in places.iter().filter_map(ListenOn::tcp).filter(|address| !address.ip().is_loopback()) {
            tracing::warn!(
                "LISTENING ON {address}: every machine that can reach this one can read the recording"
            );
        }
        // Before anybody is told that this is ready, so that whoever was told can stop it.
        let shutdown = crate::shutdown::requested()?;
        writeln!(
            out,
            "replaying {} with {} from {} on {}",
            count(connections as u64, "connection"),
            count(calls as u64, "call"),
            self.name(),
            shown(&places, "ws")
        )?;
        out.flush()?;
        let (tapes, mut report) = (server.tapes(), Report::default());
        let colour = io::stderr().is_terminal() && wants_colour();
        let summary = server
            .run(shutdown, |miss| {
                let block = miss.block(colour);
                if report.add(miss) {
                    // The terminal may be gone; the exit code tells all the same.
                    let _ = io::stderr().write_all(block.as_bytes());
                }
            })
            .await;
        let added = match &on_miss {
            OnMiss::Upstream(upstream) => upstream.finish().await,
            _ => Ok(0),
        };
        let unused = tapes.unused();
        let ReplaySummary { connections, answered, missed, upstream } = summary;
        // What happened decides the exit code, whether somebody still reads the rest or not.
        let _ = io::stderr().write_all(report.missed_text().as_bytes());
        if connections > 0 || self.strict {
            let _ = out.write_all(Report::unused_text(&unused).as_bytes());
        }
        let asked = match upstream {
            0 => String::new(),
            asked => format!(", {asked} answered by the upstream"),
        };
        let connections = count(connections, "connection");
        let answered = count(answered, "request");
        let _ = writeln!(
            out,
            "replayed {connections}, answered {answered}{asked}, {missed} not in the recording"
        );
        if let Some(file) = &self.report {
            let text = format!("{:#}\n", report.json(&summary, &unused));
            std::fs::write(file, text).map_err(|error| {
                CliError::network(format!("cannot write {}: {error} (--report names it)", file.display()))
            })?;
        }
        added.map_err(|error| CliError::network(chain(&error)))?;
        let is_clean = missed == 0 && (unused.is_empty() || !self.strict);
        Ok(if is_clean { Outcome::Clean } else { Outcome::Mismatch })
    }
}

impl ReplayArgs {
    fn name(&self) -> String {
        let first = self.files.first().map(|file| file.display().to_string()).unwrap_or_default();
        match self.files.len() {
            0 | 1 => first,
            more => format!("{first} and {} more", more - 1),
        }
    }
}

fn warn(report: &LoadReport) {
    if let Some(torn) = report.torn {
        tracing::warn!("line {} was cut after {} bytes, and is left out", torn.line, torn.bytes);
    }
    if report.unanswered > 0 {
        let requests = count(report.unanswered as u64, "request");
        tracing::warn!("{requests} recorded without an answer, and not answered now");
    }
    for left_out in &report.left_out {
        tracing::warn!("left out: {left_out}");
    }
}
