//! `qix-proxy replay`: answer a client from a recording.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use super::{
    exit::{CliError, Outcome, count},
    listen::{ListenArgs, origin, shown},
    redaction::RedactionArgs,
};
use crate::ListenOn;
use crate::chain::chain;
use crate::replay::{Greeting, LoadError, LoadReport, ReplayServer, ReplaySettings, ReplaySummary, Tapes};
use crate::scrub::Anonymizer;

/// Arguments of `qix-proxy replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    listening: ListenArgs,

    /// The origin of a page, with scheme and port, that may read the recording besides pages of this machine, and whose
    /// host is a name of this port; can be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,

    /// What stands for which value, as `scrub --anonymise-map` wrote it, so that a client may name the values themselves
    #[arg(long, value_name = "FILE")]
    anonymise_map: Option<PathBuf>,

    /// The pace: 1 is as recorded, 4 four times as fast [default: as fast as possible]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,

    /// What a new socket hears first: recorded, none, connected (OnConnected alone), or windows (OnAuthenticationInformation before it)
    #[arg(long, value_name = "WHAT", default_value = "recorded")]
    greeting: Greeting,

    /// Treat all recorded connections as those of one session
    #[arg(long)]
    merge: bool,

    #[command(flatten)]
    redaction: RedactionArgs,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| {
        "say a number above 0, such as 1 or 0.5; leave it out for as fast as possible".to_owned()
    })
}

impl ReplayArgs {
    /// Serves the recording until Ctrl-C or SIGTERM.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
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
        let mut settings = ReplaySettings::default().greeting(self.greeting).merge(self.merge);
        if let Some(factor) = self.speed {
            settings = settings.speed(factor);
        }
        let exchanges = match tapes.exchanges() {
            0 => String::new(),
            exchanges => format!(" and {}", count(exchanges as u64, "HTTP exchange")),
        };
        let tls = self.listening.tls()?;
        let mut server = ReplayServer::bind_with(tapes, &self.listening.listen, &settings)
            .await
            .map_err(|error| CliError::network(format!("{} (--listen names it)", chain(&error))))?
            .allowed_origins(self.allow_origin.clone())
            // The terminal may be gone; the exit code tells all the same.
            .on_page_miss(|miss| _ = writeln!(io::stderr(), "not in the recording: {miss}"));
        if let Some(tls) = &tls {
            server = server.front_tls(tls).map_err(|error| CliError::usage(chain(&error)))?;
        }
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
            "replaying {} with {}{exchanges} from {} on {}",
            count(connections as u64, "connection"),
            count(calls as u64, "call"),
            self.name(),
            shown(&places, if tls.is_some() { "wss" } else { "ws" })
        )?;
        if let Some(fingerprint) = server.fingerprint() {
            writeln!(out, "nobody vouches for the certificate; its SHA-256 is {fingerprint}")?;
        }
        out.flush()?;
        let summary = server
            .run(shutdown, |miss| {
                // The terminal may be gone; the exit code tells all the same.
                let _ = writeln!(io::stderr(), "not in the recording: {miss}");
            })
            .await;
        let ReplaySummary { connections, answered, exchanges, missed } = summary;
        let connections = count(connections, "connection");
        let answered = count(answered, "request");
        let exchanges = match exchanges {
            0 => String::new(),
            exchanges => format!(" and {}", count(exchanges, "HTTP exchange")),
        };
        // What happened decides the exit code, whether somebody still reads the summary or not.
        let _ = writeln!(
            out,
            "replayed {connections}, answered {answered}{exchanges}, {missed} not in the recording"
        );
        Ok(if missed == 0 { Outcome::Clean } else { Outcome::Mismatch })
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
