//! `qix-proxy replay`: answer a client from a recording.

mod missing;

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use missing::MissArgs;

use super::{
    exit::{self, CliError, Outcome},
    faults::{self, FaultArgs},
    listen::{ListenArgs, origin, shown},
    redaction::RedactionArgs,
};
use crate::ListenOn;
use crate::chain::chain;
use crate::count::count;
use crate::live::wants_colour;
use crate::replay::{
    Greeting, Ignore, LoadError, LoadReport, LoadSettings, OnMiss, Repeat, ReplayServer, ReplaySettings,
    ReplaySummary, Report, Tapes,
};
use crate::scrub::Anonymizer;

/// Arguments of `qix-proxy replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::REPLAY)]
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
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    anonymise_map: Option<PathBuf>,

    /// What a request gets that is made more often than it was recorded: the last answer again (sticky), an error (once), or the
    /// answers from the first one on (cycle)
    #[arg(long, value_name = "HOW", default_value = "sticky")]
    repeat: RepeatArg,

    /// A place in parameters that does not count when requests are compared, such as /qInfo/qId, /qProp/qInfo/qId or
    /// CreateSessionObject:/qInfo/qId; * is any member or element; can be repeated
    #[arg(long, value_name = "RULE")]
    ignore: Vec<Ignore>,

    /// The pace: 1 is as recorded, 4 four times as fast [default: as fast as possible]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,

    /// What a new socket hears first: recorded, none, connected (OnConnected alone), or windows (OnAuthenticationInformation before it)
    #[arg(long, value_name = "WHAT", default_value = "recorded")]
    greeting: Greeting,

    /// Treat all recorded connections as those of one session
    #[arg(long)]
    merge: bool,

    /// Fail, with exit code 1, if calls were recorded that nobody has made
    #[arg(long)]
    strict: bool,

    /// Write at the end what was missing in the recording, and what nobody asked for, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    redaction: RedactionArgs,

    #[command(flatten)]
    faults: FaultArgs,

    #[command(flatten)]
    missing: MissArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum RepeatArg {
    Sticky,
    Once,
    Cycle,
}

impl From<RepeatArg> for Repeat {
    fn from(how: RepeatArg) -> Self {
        match how {
            RepeatArg::Sticky => Self::Sticky,
            RepeatArg::Once => Self::Once,
            RepeatArg::Cycle => Self::Cycle,
        }
    }
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| {
        "say a number above 0, such as 1 or 0.5; leave it out for as fast as possible".to_owned()
    })
}

impl ReplayArgs {
    /// Serves the recording until Ctrl-C or SIGTERM.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        // What was typed wrongly is said before files are read.
        let way = self.missing.way()?;
        let rules = self.faults.rules()?;
        let redaction = self.redaction.redaction()?;
        let load = self.ignore.iter().cloned().fold(LoadSettings::default(), LoadSettings::ignore);
        let (tapes, report) =
            Tapes::open_set(&self.files, &load.redaction(&redaction)).map_err(|error| match error {
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
        let mut settings = ReplaySettings::default()
            .greeting(self.greeting)
            .merge(self.merge)
            .repeat(self.repeat.into())
            .on_miss(on_miss.clone());
        if let Some(factor) = self.speed {
            settings = settings.speed(factor);
        }
        if let Some(rules) = &rules {
            settings = settings.faults(rules.clone());
        }
        let exchanges = match tapes.exchanges() {
            0 => String::new(),
            exchanges => format!(" and {}", count(exchanges as u64, "HTTP exchange")),
        };
        let tls = self.listening.tls()?;
        let report = Arc::new(Mutex::new(Report::default()));
        let pages = report.clone();
        let mut server = ReplayServer::bind_with(tapes, &self.listening.listen, &settings)
            .await
            .map_err(|error| CliError::network(format!("{} (--listen names it)", chain(&error))))?
            .allowed_origins(self.allow_origin.clone())
            .on_page_miss(move |miss| {
                // It is only added to.
                if pages.lock().unwrap_or_else(PoisonError::into_inner).add_page(&miss) {
                    // The terminal may be gone; the exit code tells all the same.
                    let _ = writeln!(io::stderr(), "not in the recording: {miss}");
                }
            });
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
        let shutdown = exit::requested()?;
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
        if let Some(rules) = &rules {
            faults::announce(rules, out)?;
        }
        out.flush()?;
        let tapes = server.tapes();
        let report = || report.lock().unwrap_or_else(PoisonError::into_inner);
        let colour = io::stderr().is_terminal() && wants_colour();
        let summary = server
            .run(shutdown, |miss| {
                let block = miss.block(colour);
                if report().add(miss) {
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
        // What happened decides the exit code, whether somebody still reads the rest or not.
        let _ = io::stderr().write_all(report().missed_text().as_bytes());
        if summary.connections > 0 || self.strict {
            let _ = out.write_all(Report::unused_text(&unused).as_bytes());
        }
        if let Some(rules) = &rules {
            faults::report(rules, out);
        }
        let _ = writeln!(out, "{}", in_words(&summary));
        if let Some(file) = &self.report {
            let text = format!("{:#}\n", report().json(&summary, &unused));
            std::fs::write(file, text).map_err(|error| {
                CliError::network(format!("cannot write {}: {error} (--report names it)", file.display()))
            })?;
        }
        added.map_err(|error| CliError::network(chain(&error)))?;
        let is_clean = summary.missed == 0 && (unused.is_empty() || !self.strict);
        Ok(if is_clean { Outcome::Clean } else { Outcome::Mismatch })
    }
}

fn in_words(summary: &ReplaySummary) -> String {
    let ReplaySummary { connections, answered, upstream, exchanges, missed } = summary;
    let connections = count(*connections, "connection");
    let answered = count(*answered, "request");
    let exchanges = match exchanges {
        0 => String::new(),
        exchanges => format!(" and {}", count(*exchanges, "HTTP exchange")),
    };
    let asked = match upstream {
        0 => String::new(),
        asked => format!(", {asked} answered by the upstream"),
    };
    format!("replayed {connections}, answered {answered}{exchanges}{asked}, {missed} not in the recording")
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
