//! `qix-proxy redrive`: make the calls of a recording again, and compare.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    engine::{LoginArgs, ProxyArgs, TrustArgs},
    exit::{self, CliError, Outcome},
    place::Place,
    redaction::RedactionArgs,
    replay::speed,
    session::SessionArgs,
    terminal::Terminal,
    units,
};
use crate::{
    chain::chain,
    count::count,
    record::{RecordConnect, Recorder, RecorderConfig, RecorderError},
    redrive::{Concurrency, DifferentAnswer, Only, Redrive, RedriveError, RedriveSettings, Verdict},
    replay::Ignore,
};

/// Arguments of `qix-proxy redrive`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::REDRIVE)]
pub(crate) struct RedriveArgs {
    /// The recording; all its files, in any order, if it has several. Further recordings are made again one after the other
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The engine, as ws:// or wss:// URL; the paths of the recording are added to it, each session with an identity of its own
    #[arg(long, value_name = "URL")]
    to: String,

    /// Send calls that change what outlives the session or what others see, too: properties of the app's objects, reloads, saves, …
    #[arg(long)]
    allow_writes: bool,

    /// How much numbers may differ, as part of the larger one, and in all if that is below 1 [default: 1e-9, but not at all if both
    /// are whole]
    #[arg(long, value_name = "NUMBER", value_parser = tolerance)]
    tolerance: Option<f64>,

    /// A place in results that is not compared, such as /qLayout/title, /qInfo/qId or GetAppLayout:/qTitle; * is any member or
    /// element; can be repeated
    #[arg(long, value_name = "RULE")]
    ignore: Vec<Ignore>,

    /// Let the rows of hypercubes and list objects come in any order
    #[arg(long)]
    any_row_order: bool,

    /// Take another app for a recorded one, both by id or name; can be repeated
    #[arg(long, value_name = "RECORDED=OTHER", value_parser = app)]
    app: Vec<(String, String)>,

    /// Compare only calls of methods such as GetLayout, Get* or GenericObject.*, or on objects such as '*LB02*'; others are made as
    /// far as these need them; can be repeated
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,

    /// The pace: 1 is as recorded, 4 four times as fast [default: as fast as possible]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,

    /// How many requests are on their way at a time: as many as recorded, or one
    #[arg(long, value_name = "HOW", default_value = "recorded")]
    concurrency: ConcurrencyArg,

    /// How long connecting and an answer may take, besides three times what the answer took in the recording
    #[arg(long, value_name = "TIME", value_parser = units::time, default_value = "60s")]
    timeout: Duration,

    /// End after this many answers that differ
    #[arg(long, value_name = "ANSWERS", value_parser = clap::value_parser!(u64).range(1..))]
    max_differences: Option<u64>,

    /// Write everything that was found as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Record what is said to the engine and by it; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    #[command(flatten)]
    redaction: RedactionArgs,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    way: ProxyArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ConcurrencyArg {
    Recorded,
    One,
}

pub(super) fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| (0.0..1.0).contains(number));
    number.ok_or_else(|| "say a number from 0 to below 1, such as 1e-9 or 0".to_owned())
}

pub(super) fn app(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((recorded, other)) if !recorded.is_empty() && !other.is_empty() => {
            Ok((recorded.to_owned(), other.to_owned()))
        }
        _ => Err("say which app to take for which, such as Sales.qvf=Copy.qvf".to_owned()),
    }
}

impl RedriveArgs {
    /// Makes the calls again until the end of the recording or Ctrl-C.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        // What was typed wrongly is said before files are read.
        self.trust.warn();
        let place = Place::new("--to", &self.to, &self.login, &self.session, &self.trust, &self.way)?;
        place.connect("/").map_err(CliError::usage)?;
        let redrive = Redrive::open(&self.files, self.settings()?).map_err(|error| match error {
            RedriveError::Read(error) => CliError::recording(chain(&error)),
            error => CliError::recording(chain(&error)),
        })?;
        let recorder = self.record.as_deref().map(|file| self.recorder(file, &place)).transpose()?;
        // Before anybody is told that this has begun, so that whoever was told can stop it.
        let shutdown = exit::requested()?;
        let refused = match redrive.refused() {
            0 => String::new(),
            writes => format!("; {} will not be sent, as they write (--allow-writes)", count(writes, "call")),
        };
        let (connections, calls) =
            (count(redrive.connections(), "connection"), count(redrive.calls(), "call"));
        writeln!(out, "making {connections} with {calls} again at {}{refused}", place.shown())?;
        out.flush()?;
        let colour = Terminal::stdout().colour;
        // What is found decides the exit code, whether somebody still reads it or not.
        let different = |answer: &DifferentAnswer| {
            let _ = out.write_all(answer.block(colour).as_bytes()).and_then(|()| out.flush());
        };
        let report = match &recorder {
            None => redrive.run(|path: &str| place.connect(path), shutdown, different).await,
            Some(recorder) => {
                let connect =
                    |path: &str| Ok(RecordConnect::new(place.connect(path)?, recorder.clone()).url(path));
                redrive.run(connect, shutdown, different).await
            }
        };
        let sealed = match recorder {
            Some(recorder) => recorder.seal().await.fault,
            None => None,
        };
        let _ = out.write_all(report.text(colour).as_bytes()).and_then(|()| out.flush());
        let unwritten = |file: &Path, option: &str, error: &io::Error| {
            CliError::network(format!("cannot write {}: {error} ({option} names it)", file.display()))
        };
        if let Some(file) = &self.report {
            let text = format!("{:#}\n", report.json());
            std::fs::write(file, text).map_err(|error| unwritten(file, "--report", &error))?;
        }
        if let (Some(fault), Some(file)) = (sealed, &self.record) {
            return Err(unwritten(file, "--record", &fault));
        }
        match report.verdict() {
            Verdict::Equal => Ok(Outcome::Clean),
            Verdict::Different => Ok(Outcome::Mismatch),
            Verdict::Unreachable => Ok(Outcome::Unreachable),
            Verdict::Unreadable => {
                Err(CliError::recording("not all can be read; what can be was made again, and is equal"))
            }
        }
    }

    fn settings(&self) -> Result<RedriveSettings, CliError> {
        let only = Only::new(&self.only).map_err(|error| CliError::usage(format!("--only: {error}")))?;
        let concurrency = match self.concurrency {
            ConcurrencyArg::Recorded => Concurrency::Recorded,
            ConcurrencyArg::One => Concurrency::One,
        };
        let mut settings = RedriveSettings::default()
            .allow_writes(self.allow_writes)
            .any_row_order(self.any_row_order)
            .only(only)
            .timeout(self.timeout)
            .redaction(self.redaction.redaction()?)
            .concurrency(concurrency);
        settings = self.ignore.iter().cloned().fold(settings, RedriveSettings::ignore);
        settings = self.app.iter().fold(settings, |settings, (one, other)| settings.app(one, other));
        if let Some(tolerance) = self.tolerance {
            settings = settings.tolerance(tolerance);
        }
        if let Some(speed) = self.speed {
            settings = settings.speed(speed);
        }
        if let Some(most) = self.max_differences {
            settings = settings.max_differences(usize::try_from(most).unwrap_or(usize::MAX));
        }
        Ok(settings)
    }

    fn recorder(&self, file: &Path, place: &Place) -> Result<Recorder, CliError> {
        let redaction = self.redaction.redaction()?;
        let config = RecorderConfig { upstream: place.shown(), redaction, ..RecorderConfig::default() };
        Recorder::create(file, config).map_err(|error| match &error {
            RecorderError::Create { .. } => CliError::network(chain(&error)),
            _ => CliError::usage(format!("{} (--record names the file)", chain(&error))),
        })
    }
}
