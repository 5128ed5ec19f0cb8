//! `qix-proxy record`: forward a client's traffic to an engine, and keep it.

use std::{io::Write, net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;
use http::HeaderName;
use qix_transport::Endpoint;

use super::{
    engine::{LoginArgs, ProxyArgs, TrustArgs, unusable},
    exit::{self, CliError, Outcome},
    faults::{self, FaultArgs},
    files::FileArgs,
    inspect::{self, Describe, PageArgs},
    listen::{ListenArgs, origin, shown},
    live::LiveArgs,
    place::Place,
    redaction::RedactionArgs,
    session::SessionArgs,
    units,
};
use crate::{
    Forwarding, Proxy, ProxyBuilder, ProxyError,
    chain::chain,
    count::count,
    hangup,
    inspect::{Exploring, Head, Source},
    record::{Redaction, Sealed},
    systemd,
};

const DEFAULT_OUTPUT: &str = "session-%Y%m%dT%H%M%SZ.qixrec";

/// Arguments of `qix-proxy record`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::RECORD)]
pub(crate) struct RecordArgs {
    /// Where the engine is, as ws:// or wss:// URL; the path that the client asks for is added to it
    #[arg(long, value_name = "URL", required_unless_present_any = ["map", "mode", "intercept"])]
    upstream: Option<String>,

    /// What clients are told: the address of this program as that of the engine, or as that of their proxy
    #[arg(long, value_name = "MODE", default_value = "reverse")]
    mode: Mode,

    /// In forward mode, a host to stand in for and record, such as *.qlikcloud.com or sense.example.com:443; can be repeated. Clients must
    /// trust the authority of `qix-proxy ca`. All else is tunnelled, unread
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with_all = ["upstream", "map"])]
    intercept: Vec<String>,

    /// Another engine for paths that begin with PATH, which the URL's own path replaces; the longest wins. Can be repeated.
    /// All get the same credentials
    #[arg(long, value_name = "PATH=URL")]
    map: Vec<String>,

    /// A header of the client that is not sent to the engine; can be repeated
    #[arg(long, value_name = "NAME")]
    remove_header: Vec<HeaderName>,

    /// The recording to write; an existing file is never overwritten. %Y, %m, %d, %H, %M and %S stand for the time in UTC, and a name
    /// that ends with .zst makes the file compressed [default: session-TIME.qixrec]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How much of each body of plain HTTP is recorded, such as 100kB; 0 for nothing. All of it is passed on
    #[arg(long, value_name = "SIZE", value_parser = units::size_or_zero, default_value = "1MiB")]
    max_body: u64,

    /// How long the engine may take to answer plain HTTP, and then either side to send more of a body
    #[arg(long, value_name = "TIME", value_parser = units::time, default_value = "5m")]
    http_timeout: Duration,

    /// The origin of a page, such as `https://intranet.example.com`, that may use the credentials given here; can be repeated.
    /// Pages of this machine's loopback addresses may, and programs that are no browsers. Its host may also be the name by which
    /// this recorder is asked
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,

    #[command(flatten)]
    listening: ListenArgs,

    #[command(flatten)]
    redaction: RedactionArgs,

    /// Write secrets as they are; the recording must then be kept like the credentials in it
    #[arg(long, conflicts_with_all = ["redact_rules", "redact_script"])]
    no_redact: bool,

    #[command(flatten)]
    files: FileArgs,

    #[command(flatten)]
    live: LiveArgs,

    /// Serve a page that shows calls as they are recorded, and makes calls at --upstream, on an address of this machine alone; port
    /// 0 takes a free one
    #[arg(long, value_name = "ADDRESS", help_heading = "Page", conflicts_with = "per_connection")]
    ui: Option<SocketAddr>,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    faults: FaultArgs,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    way: ProxyArgs,
}

/// What clients take the recorder for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Mode {
    /// The engine: one URL is changed in the client
    Reverse,
    /// A proxy: the client's proxy settings are changed, and no URL
    Forward,
}

impl RecordArgs {
    /// Records until Ctrl-C or SIGTERM.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        self.trust.warn();
        if self.no_redact {
            tracing::warn!(
                "NOTHING IS REDACTED: passwords, tokens and cookies are written as they are; `qix-proxy scrub` takes them out later"
            );
        }
        let watch = self.live.prepare().await?;
        if self.ui.is_none() && self.page.is_said() {
            return Err(CliError::usage("--allow-writes and --open are about the page that --ui serves"));
        }
        let page = match self.ui {
            Some(address) => Some((inspect::bind(address).await?, self.exploring()?)),
            None => None,
        };
        let (mut config, page_args) = self.config()?;
        config.observer = watch.observer();
        let rules = config.faults.clone();
        let (secure, forward) = (config.front_tls.is_some(), config.forward.is_some());
        let proxy = config.bind().await.map_err(refused)?;
        // Before anybody is told that this is ready, so that whoever was told can stop it.
        let asked = exit::requested()?;
        let hung_up = hangup::rotating(proxy.recorder().clone())?;
        let (file, upstream) = (proxy.recorder().path().display(), proxy.upstream());
        let scheme = match (forward, secure) {
            (true, false) => "http",
            (true, true) => "https",
            (false, false) => "ws",
            (false, true) => "wss",
        };
        let places = shown(proxy.local_addrs(), scheme);
        if forward {
            writeln!(
                out,
                "recording {upstream} to {file}, for clients whose proxy is {places}; other hosts are not recorded"
            )?;
        } else {
            writeln!(out, "recording {places} to {file}, engine at {upstream}")?;
        }
        if let Some(fingerprint) = proxy.fingerprint() {
            writeln!(out, "nobody vouches for the certificate; its SHA-256 is {fingerprint}")?;
        }
        if let Some(rules) = &rules {
            faults::announce(rules, out)?;
            tracing::warn!("FAULTS ARE MADE ON PURPOSE: clients do not experience what the engine does");
        }
        out.flush()?;
        let serving = match page {
            Some((server, exploring)) => {
                let path = proxy.recorder().path().to_owned();
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let source = Some(Source::Follow(path));
                let head = Head { upstream: proxy.upstream().to_string(), ..Head::default() };
                Some(page_args.serve(
                    server,
                    Describe { name, is_live: true, head, source, exploring },
                    out,
                )?)
            }
            None => None,
        };
        let watched = watch.start(proxy.recorder(), out)?;
        systemd::ready(&format!("recording {places} to {file}"));
        let alive = tokio::spawn(systemd::keep_alive());
        let stopping = async {
            tokio::select! {
                () = asked => {}
                () = hung_up => {}
            }
            systemd::stopping();
            tracing::warn!(
                "stopping; open connections get a few seconds to end, Ctrl-C once more stops at once"
            );
        };
        // Signals are caught for the second time only after the first: each would be taken for both otherwise.
        let at_once = async {
            match crate::shutdown::requested() {
                Ok(again) => again.await,
                Err(_) => std::future::pending().await,
            }
        };
        let sealed = proxy.run_until(stopping, at_once).await;
        watched.stop();
        drop(serving);
        alive.abort();
        // What happened decides the exit code, whether somebody still reads the summary or not.
        if let Some(rules) = &rules {
            faults::report(rules, out);
        }
        let _ = writeln!(out, "{}", summary(&sealed));
        match sealed.fault {
            None if sealed.missing > 0 => Err(CliError::network(format!(
                "{} is incomplete: {} could not be recorded, and it says where they are missing",
                sealed.path.display(),
                match sealed.missing {
                    1 => "a message or HTTP exchange".to_owned(),
                    missing => format!("{missing} messages or HTTP exchanges"),
                }
            ))),
            None => Ok(Outcome::Clean),
            Some(error) => {
                let path = sealed.path.display();
                Err(CliError::network(format!(
                    "{path} is incomplete, because it could not be written: {error}"
                )))
            }
        }
    }

    /// Turns what was typed into settings.
    fn config(self) -> Result<(ProxyBuilder, PageArgs), CliError> {
        let auth = self.session.auth(&self.login, &self.trust, &self.way)?;
        let headers = self.login.headers()?;
        let (tls, proxies) = (self.trust.tls()?, self.way.proxies()?);
        let redaction = if self.no_redact { Redaction::off() } else { self.redaction.redaction()? };
        let output = self.out.unwrap_or_else(|| DEFAULT_OUTPUT.into());
        let mut config = Proxy::builder(output)
            .files(self.files.settings()?)
            .headers(headers)
            .auth(auth)
            .tls(tls)
            .proxies(proxies)
            .redaction(redaction)
            .max_body(usize::try_from(self.max_body).unwrap_or(usize::MAX))
            .http_timeout(self.http_timeout)
            .allowed_origins(self.allow_origin);
        config.remove_headers = self.remove_header;
        config.faults = self.faults.rules()?;
        if let Some(url) = &self.upstream {
            config = config.upstream(Endpoint::parse(url).map_err(|error| unusable("--upstream", &error))?);
        }
        for map in &self.map {
            let (path, url) = map.split_once('=').ok_or_else(|| {
                CliError::usage("--map must have the form PATH=URL, such as /a=wss://sense.example.com/sales")
            })?;
            config = config.map(path, Endpoint::parse(url).map_err(|error| unusable("--map", &error))?);
        }
        match (self.mode, self.intercept.is_empty()) {
            (Mode::Reverse, true) => {}
            (Mode::Reverse, false) => {
                return Err(CliError::usage(
                    "--intercept is for --mode forward; give --upstream, or that mode",
                ));
            }
            (Mode::Forward, _) => {
                let mut forwarding = Forwarding::new(self.listening.authority()?);
                for host in &self.intercept {
                    forwarding =
                        forwarding.intercept(host).map_err(|error| CliError::usage(error.to_string()))?;
                }
                config = config.forward(forwarding);
            }
        }
        Ok((self.listening.apply(config)?, self.page))
    }

    /// Returns where the page's explorer makes its calls: in a session of its own, past the recorder.
    fn exploring(&self) -> Result<Option<Exploring>, CliError> {
        let Some(url) = &self.upstream else {
            if self.page.allow_writes {
                return Err(CliError::usage(
                    "--allow-writes is for the API explorer, which needs --upstream",
                ));
            }
            return Ok(None);
        };
        let place = Place::new("--upstream", url, &self.login, &self.session, &self.trust, &self.way)?;
        let identity = format!("explorer-{:08x}", fastrand::u32(..));
        self.page.exploring(place, format!("/app/engineData/identity/{identity}")).map(Some)
    }
}

fn refused(error: ProxyError) -> CliError {
    let text = chain(&error);
    match error {
        ProxyError::Config(_) => CliError::usage(text),
        ProxyError::Recorder(_) => CliError::usage(format!("{text} (--out names the file)")),
        ProxyError::FrontTls(_) => CliError::usage(text),
        ProxyError::Listen(_) => CliError::network(format!("{text} (--listen names the address)")),
    }
}

fn summary(sealed: &Sealed) -> String {
    let refused = match sealed.refused {
        0 => String::new(),
        refused => format!(", {} refused", count(refused, "upgrade")),
    };
    let exchanges = match sealed.exchanges {
        0 => String::new(),
        exchanges => format!(", {}", count(exchanges, "HTTP exchange")),
    };
    let files = match sealed.files {
        0 | 1 => String::new(),
        files => format!(" and {} more", files - 1),
    };
    format!(
        "recorded {}, {}{exchanges}{refused}, {} to {}{files}",
        count(sealed.connections, "connection"),
        count(sealed.frames, "frame"),
        size(sealed.bytes),
        sealed.path.display()
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => count(bytes, "byte"),
        // Only shown, so that the last digit may be off.
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_units_people_read() {
        for (bytes, shown) in [
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_234, "1.2 kB"),
            (1_200_000, "1.2 MB"),
            (5_600_000_000, "5.6 GB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
