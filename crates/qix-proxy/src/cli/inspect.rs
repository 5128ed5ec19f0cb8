//! `qix-proxy inspect`: a recording in the browser, live.

use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use qix_transport::Endpoint;

use super::{
    engine::{LoginArgs, ProxyArgs, TrustArgs, unusable},
    exit::{self, CliError, Outcome},
    place::Place,
    session::SessionArgs,
    units,
};
use crate::{
    chain::chain,
    inspect::{Details, Exploring, Feed, Head, InspectError, InspectServer, Journal, Shown, Source},
    record::{Header, RecordingParts},
};

/// How much of the batches of a page is kept, compressed: some ten million calls.
const JOURNAL: u64 = 512 << 20;

const EXAMPLES: &str = "\
Examples:
  qix-proxy inspect session.qixrec
      Look at a recording in a browser
  qix-proxy inspect session.qixrec --follow
      The same while it is written
  qix-proxy inspect session.qixrec --upstream ws://localhost:4848/app/
      And make calls at an engine, beside it
  qix-proxy inspect --upstream ws://localhost:4848/app/
      Make calls without a recording";

/// Arguments of `qix-proxy inspect`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    mut_group("LoginArgs", |group| group.requires("upstream")),
    mut_group("SessionArgs", |group| group.requires("upstream")),
    mut_group("TrustArgs", |group| group.requires("upstream")),
    mut_group("ProxyArgs", |group| group.requires("upstream"))
)]
pub(crate) struct InspectArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required_unless_present = "upstream", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Go on when the recording does: it is being written, and calls appear as they come; of several files, give the first
    #[arg(long)]
    follow: bool,

    /// Where to serve the page: an address of this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    ui: SocketAddr,

    /// The engine that the API explorer makes calls at, as it would be connected to: ws://localhost:4848/app/, …
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    way: ProxyArgs,
}

/// What `inspect` and `record --ui` have in common.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Page")]
pub(super) struct PageArgs {
    /// Let the API explorer make calls that change what outlives the session or what others see; they must be switched on in the
    /// page, too
    #[arg(long)]
    pub(super) allow_writes: bool,

    /// How much of what is said in calls is kept for the page, compressed, in temporary files; the oldest goes first
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = "1GiB")]
    keep_bodies: u64,

    /// Open the page in the browser; users of this machine can read its address, with the token, in the list of processes for a moment
    #[arg(long)]
    open: bool,
}

/// A page that is served.
#[derive(Debug)]
pub(super) struct Serving {
    _feed: Option<Feed>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl InspectArgs {
    /// Serves the page until Ctrl-C.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        self.trust.warn();
        if self.follow && self.files.len() != 1 {
            return Err(CliError::usage("--follow follows one recording: give the first of its files"));
        }
        let exploring = self.exploring()?;
        // What cannot be read is said here rather than in the page.
        let header = match self.files.is_empty() || self.follow {
            true => None,
            false => Some(
                RecordingParts::open(&self.files)
                    .map_err(|error| CliError::recording(chain(&error)))?
                    .header()
                    .clone(),
            ),
        };
        if let (true, Some(file)) = (self.follow, self.files.first()) {
            std::fs::File::open(file)
                .map_err(|error| CliError::recording(format!("cannot read {}: {error}", file.display())))?;
        }
        let server = bind(self.ui).await?;
        // Before anybody is told that this is ready, so that whoever was told can stop it.
        let asked = exit::requested()?;
        let source = match self.files.first() {
            None => None,
            Some(file) if self.follow => Some(Source::Follow(file.clone())),
            Some(_) => Some(Source::Files(self.files.clone())),
        };
        let name = self
            .files
            .first()
            .and_then(|file| file.file_name())
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| "API explorer".to_owned());
        let head = header.map(|header| head(&header)).unwrap_or_default();
        let serving =
            self.page.serve(server, Describe { name, is_live: self.follow, head, source, exploring }, out)?;
        asked.await;
        drop(serving);
        Ok(Outcome::Clean)
    }

    fn exploring(&self) -> Result<Option<Exploring>, CliError> {
        let Some(url) = &self.upstream else {
            if self.page.allow_writes {
                return Err(CliError::usage(
                    "--allow-writes is for the API explorer, which needs --upstream",
                ));
            }
            return Ok(None);
        };
        let endpoint = Endpoint::parse(url).map_err(|error| unusable("--upstream", &error))?;
        let path = endpoint.path_and_query().to_owned();
        let bare = endpoint.with_path("/").map_err(|error| unusable("--upstream", &error))?;
        let place = Place::of(bare, &self.login, &self.session, &self.trust, &self.way)?;
        self.page.exploring(place, path).map(Some)
    }
}

/// What is to be served.
pub(super) struct Describe {
    /// What the recording is called.
    pub(super) name: String,
    /// Whether it is being written.
    pub(super) is_live: bool,
    /// What its header says, as far as that is known.
    pub(super) head: Head,
    /// Where calls come from.
    pub(super) source: Option<Source>,
    /// Where calls can be made.
    pub(super) exploring: Option<Exploring>,
}

impl PageArgs {
    /// Returns whether something was said that is of use only with a page.
    pub(super) fn is_said(&self) -> bool {
        self.allow_writes || self.open
    }

    /// Makes an engine one that calls can be made at.
    pub(super) fn exploring(&self, place: Place, path: String) -> Result<Exploring, CliError> {
        // What was typed wrongly is said now rather than in the page.
        place.connect(&path).map_err(CliError::usage)?;
        let shown = place.shown();
        Ok(Exploring {
            dial: Box::new(move |path| place.connect(path)),
            shown,
            path,
            writes: self.allow_writes,
            limit: Duration::from_secs(60),
        })
    }

    /// Begins to serve, and says where.
    pub(super) fn serve(
        &self,
        server: InspectServer,
        what: Describe,
        out: &mut dyn Write,
    ) -> Result<Serving, CliError> {
        let (journal, details) = (Arc::new(Journal::new(JOURNAL)), Arc::new(Details::new(self.keep_bodies)));
        let feed = match what.source {
            Some(source) => {
                Some(Feed::start(source, Arc::clone(&journal), Arc::clone(&details)).map_err(|error| {
                    CliError::network(format!("the system gives no thread for the page: {error}"))
                })?)
            }
            None => {
                journal.set(crate::inspect::Phase::Ended);
                None
            }
        };
        let url = server.url();
        let Describe { name, is_live, head, exploring, .. } = what;
        let shown = Shown { name, is_live, head, journal, details, exploring: exploring.map(Arc::new) };
        writeln!(out, "look at it at {url}")?;
        out.flush()?;
        if self.open {
            open(&url);
        }
        Ok(Serving { _feed: feed, task: tokio::spawn(server.run(Arc::new(shown))) })
    }
}

/// Takes the port of a page.
pub(super) async fn bind(address: SocketAddr) -> Result<InspectServer, CliError> {
    InspectServer::bind(address).await.map_err(|error| match error {
        InspectError::NotLoopback(_) => CliError::usage(format!("--ui: {error}")),
        error => CliError::network(format!("{error} (--ui names the address)")),
    })
}

fn head(header: &Header) -> Head {
    Head { started: header.started.to_string(), tool: header.tool.clone(), upstream: header.upstream.clone() }
}

/// Opens the page in the browser of whoever is logged in.
fn open(url: &str) {
    let (program, before): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = std::process::Command::new(program);
    command.args(before).arg(url).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    if let Err(error) = command.stderr(std::process::Stdio::null()).spawn() {
        tracing::warn!("no browser can be opened: {program}: {error}");
    }
}
