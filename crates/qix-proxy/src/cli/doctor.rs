//! `qix-proxy doctor`: why an engine cannot be reached.

use std::{io::Write, time::Duration};

use qix_transport::{Endpoint, Limits, WsConnect};

use super::{
    engine::{LoginArgs, ProxyArgs, TrustArgs},
    exit::{CliError, Outcome},
    session::SessionArgs,
};
use crate::{chain::chain, doctor};

/// Arguments of `qix-proxy doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::DOCTOR)]
pub(crate) struct DoctorArgs {
    /// The engine, as it would be connected to: ws://localhost:4848/app/, wss://TENANT.REGION.qlikcloud.com/app/ID, …
    #[arg(value_name = "URL")]
    url: String,

    /// How many seconds connecting may take, and then again the engine's answers
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,

    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    way: ProxyArgs,
}

impl DoctorArgs {
    /// Examines the way to the engine.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        self.trust.warn();
        let connect = self.connect()?;
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let tell = move |step: &doctor::Step| {
            // Nobody hears of it once the output is gone.
            let _ = tell.send(step.to_string());
        };
        let limit = Duration::from_secs(self.timeout);
        // What was found decides the exit code, whether somebody still reads it or not.
        let mut say = |line| {
            if !self.json {
                let _ = writeln!(out, "{line}").and_then(|()| out.flush());
            }
        };
        let mut examination = std::pin::pin!(async move { doctor::examine(&connect, limit, &tell).await });
        let report = loop {
            tokio::select! {
                biased;
                Some(line) = told.recv() => say(line),
                report = &mut examination => break report,
            }
        };
        while let Ok(line) = told.try_recv() {
            say(line);
        }
        if self.json {
            let _ = serde_json::to_writer(&mut *out, &report);
            let _ = writeln!(out).and_then(|()| out.flush());
        }
        Ok(if report.passed() { Outcome::Clean } else { Outcome::Unreachable })
    }

    fn connect(&self) -> Result<WsConnect, CliError> {
        let endpoint = Endpoint::parse(&self.url)
            .map_err(|error| CliError::usage(format!("the URL cannot be used: {error}")))?;
        let limit = Duration::from_secs(self.timeout);
        let limits = Limits::default().connect_timeout(limit).upgrade_timeout(limit);
        WsConnect::builder(endpoint)
            .auth(self.session.auth(&self.login, &self.trust, &self.way)?)
            .headers(self.login.headers()?)
            .tls(self.trust.tls()?)
            .proxies(self.way.proxies()?)
            .limits(limits)
            .build()
            .map_err(|error| CliError::usage(chain(&error)))
    }
}
