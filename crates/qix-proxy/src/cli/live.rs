//! The options for watching a recorder: on the terminal, in the log, by metrics.

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use clap::ValueEnum;
use tokio::task::JoinHandle;

use super::{exit::CliError, log, units};
use crate::{
    filter::Filter,
    live::{CALLS, Feed, Screen, Viewer, Watching, is_capable},
    metrics::{Counts, MetricsServer, Sources},
    record::{Observer, Recorder},
};

/// What is shown while a recording is made.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Live view")]
pub(super) struct LiveArgs {
    /// Whether to show calls as they are answered, plain HTTP, reloads and where the recording stands
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    live: When,

    /// Show only calls of methods like this, such as 'Get*', or 'HTTP *' for plain HTTP; can be repeated
    #[arg(long, value_name = "PATTERN")]
    method: Vec<String>,

    /// Show only calls on objects whose name, title, id or type is like this, such as 'Sheet*', and plain HTTP whose path is; can
    /// be repeated
    #[arg(long, value_name = "PATTERN")]
    object: Vec<String>,

    /// Show only what took at least this long, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    slower: Option<Duration>,

    /// Show only what failed
    #[arg(long)]
    errors: bool,

    /// Serve numbers for Prometheus at /metrics on this address, such as 127.0.0.1:9464; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum When {
    /// If standard output is a terminal
    Auto,
    /// In any case; without a terminal one line after the other
    Always,
    /// Not at all
    Never,
}

/// What watches, before there is a recorder.
pub(super) struct Prepared {
    feed: Option<Arc<Feed>>,
    watching: Watching,
    metrics: Option<MetricsServer>,
}

/// What watches a recorder.
pub(super) struct Watched {
    viewer: Option<Viewer>,
    metrics: Option<JoinHandle<()>>,
}

impl LiveArgs {
    /// Takes the port of the metrics, before any file is made.
    pub(super) async fn prepare(&self) -> Result<Prepared, CliError> {
        let mut filter = Filter::new(&self.method, &self.object)
            .map_err(|error| CliError::usage(format!("--method or --object cannot be a pattern: {error}")))?;
        (filter.slower, filter.errors) = (self.slower, self.errors);
        let shows = match self.live {
            When::Auto => io::stdout().is_terminal(),
            When::Always => true,
            When::Never => false,
        };
        let logs = tracing::enabled!(target: CALLS, tracing::Level::INFO);
        if self.live == When::Never && !logs && !filter.is_open() {
            return Err(CliError::usage(
                "--method, --object, --slower and --errors choose what is shown, and --live never shows nothing; leave one out, or \
                 log calls with --log warn,qix_proxy::calls=info",
            ));
        }
        let metrics = match self.metrics {
            Some(address) => Some(MetricsServer::bind(address).await.map_err(|error| {
                CliError::network(format!(
                    "cannot serve metrics on {address}: {error}; choose another address or port for --metrics"
                ))
            })?),
            None => None,
        };
        let feed = (shows || logs || metrics.is_some()).then(|| Arc::new(Feed::new()));
        let counts = metrics.as_ref().map(|_| Arc::new(Counts::default()));
        Ok(Prepared {
            feed,
            watching: Watching { screen: shows.then(Screen::stdout), filter, counts },
            metrics,
        })
    }
}

impl Prepared {
    /// Returns what the recorder is to tell.
    pub(super) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.feed.clone().map(|feed| feed as Arc<dyn Observer>)
    }

    /// Begins to show and to serve, and says where the metrics are.
    pub(super) fn start(self, recorder: &Recorder, out: &mut dyn Write) -> Result<Watched, CliError> {
        let Self { feed: Some(feed), watching, metrics } = self else {
            return Ok(Watched { viewer: None, metrics: None });
        };
        let mut serving = None;
        if let (Some(server), Some(counts)) = (metrics, watching.counts.clone()) {
            writeln!(out, "metrics at http://{}/metrics", server.local_addr())?;
            out.flush()?;
            let sources = Sources { feed: Arc::clone(&feed), counts, recorder: recorder.clone() };
            serving = Some(tokio::spawn(server.run(sources)));
        }
        let shares = watching.screen.is_some() && is_capable();
        let viewer = Viewer::start(Arc::clone(&feed), watching).map_err(|error| {
            CliError::network(format!("the system gives no thread for the live view: {error}"))
        })?;
        if shares {
            log::share_terminal(feed);
        }
        Ok(Watched { viewer: Some(viewer), metrics: serving })
    }
}

impl Watched {
    /// Stops serving, shows the rest and gives the terminal back.
    pub(super) fn stop(self) {
        if let Some(metrics) = self.metrics {
            metrics.abort();
        }
        if let Some(viewer) = self.viewer {
            viewer.stop();
        }
    }
}
