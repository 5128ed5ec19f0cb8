//! The fake engine on a port.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use qix_tests::certs::Certs;
use qix_tests::fake_engine::{
    AnswerOrder, FakeEngine, FakeEngineConfig, Front, Greeting, Login, NoDoc, Reopen,
};
use serde_json::json;
use tokio::io::AsyncReadExt;

/// A stateful QIX engine for tests.
#[derive(Debug, Parser)]
#[command(name = "fake-engine")]
struct Cli {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Folder with root.pem, server.pem and server_key.pem: serve wss
    #[arg(long)]
    tls_dir: Option<PathBuf>,
    /// Demand a client certificate that root.pem has signed
    #[arg(long, requires = "tls_dir")]
    client_certificates: bool,
    /// Write new certificates into the folder first
    #[arg(long, requires = "tls_dir")]
    make_certificates: bool,
    /// Demand this bearer token
    #[arg(long)]
    bearer: Option<String>,
    /// When to greet: at-once, after-first-request or never
    #[arg(long, default_value = "at-once", value_parser = ["at-once", "after-first-request", "never"])]
    greeting: String,
    /// Send OnAuthenticationInformation first, as a proxy does
    #[arg(long)]
    qps: bool,
    /// Answer plainly even if asked for deltas
    #[arg(long)]
    no_delta: bool,
    /// Shuffle the answers of a burst with this seed
    #[arg(long)]
    shuffle: Option<u64>,
    /// Split answers into WebSocket frames of so many bytes
    #[arg(long)]
    fragment: Option<usize>,
    /// Longest time to live of a session, in seconds
    #[arg(long, default_value_t = 1800)]
    max_ttl: u64,
    /// Rows of the table in Sales.qvf
    #[arg(long, default_value_t = 200)]
    rows: usize,
    /// Most cells that one call may ask for
    #[arg(long, default_value_t = 10_000)]
    cell_limit: usize,
    /// Fail a second OpenDoc of the open app with 1002
    #[arg(long)]
    reopen_fails: bool,
    /// What GetActiveDoc says without an app: 1007, 1017 or null
    #[arg(long, default_value = "1007", value_parser = ["1007", "1017", "null"])]
    no_doc: String,
    /// Answer requests without id with "id":0
    #[arg(long)]
    answer_missing_id: bool,
    /// Serve HTTP beside the sockets, with the files of this folder
    #[arg(long, value_name = "DIR")]
    pages: Option<PathBuf>,
    /// Serve HTTP beside the sockets, behind the form of a Sense virtual proxy
    #[arg(long, value_name = r"DIRECTORY\ID:PASSWORD")]
    login: Option<String>,
    /// The prefix of the virtual proxy
    #[arg(long, value_name = "PREFIX", default_value = "", requires = "login")]
    prefix: String,
    /// Serve HTTP beside the sockets, also under this host name; can be repeated
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
    /// Stop when standard input ends
    #[arg(long)]
    until_eof: bool,
}

impl Cli {
    fn config(&self) -> io::Result<FakeEngineConfig> {
        let mut config = FakeEngineConfig::default();
        config.listen.clone_from(&self.listen);
        config.bearer.clone_from(&self.bearer);
        config.delta = !self.no_delta;
        config.fragment = self.fragment;
        config.max_ttl = Duration::from_secs(self.max_ttl);
        config.rows = self.rows;
        config.cell_limit = self.cell_limit;
        config.answer_missing_id = self.answer_missing_id;
        // Nobody can ask the process for its log.
        config.log_limit = 0;
        if let Some(dir) = &self.tls_dir {
            if self.make_certificates {
                Certs::generate(qix_tests::certs::CertOptions::default())
                    .map_err(io::Error::other)?
                    .write(dir)?;
            }
            config.tls = Some(Certs::read(dir)?.acceptor(self.client_certificates)?);
        }
        config.greeting = match self.greeting.as_str() {
            "never" => Greeting::Never,
            "after-first-request" => Greeting::AfterFirstRequest,
            _ => Greeting::AtOnce,
        };
        if self.qps {
            let user = json!({"userId": "ada", "userDirectory": "ACME", "logoutUri": "/qps/user", "mustAuthenticate": false});
            config.authentication_information = Some(user);
        }
        if self.pages.is_some() || self.login.is_some() || !self.host_name.is_empty() {
            let mut front = Front::default();
            front.pages.clone_from(&self.pages);
            front.names.clone_from(&self.host_name);
            if let Some(login) = &self.login {
                let (user, password) = login.split_once(':').ok_or_else(|| {
                    io::Error::other("--login needs a user and a password, with a colon between")
                })?;
                front.login = Some(Login::new(self.prefix.trim_matches('/'), user, password));
            }
            config.front = Some(front);
        }
        if let Some(seed) = self.shuffle {
            config.order = AnswerOrder::Shuffled { seed };
        }
        if self.reopen_fails {
            config.reopen = Reopen::AlreadyOpen;
        }
        config.no_doc = match self.no_doc.as_str() {
            "1017" => NoDoc::NotOpen,
            "null" => NoDoc::NullReference,
            _ => NoDoc::Invalid,
        };
        Ok(config)
    }

    async fn run(&self) -> io::Result<()> {
        let engine = FakeEngine::start(self.config()?).await?;
        {
            let mut out = io::stdout().lock();
            writeln!(out, "listening on {}", engine.base_url())?;
            out.flush()?;
        }
        let until_eof = self.until_eof;
        let input = async move {
            if !until_eof {
                return std::future::pending().await;
            }
            let mut buffer = [0; 256];
            let mut input = tokio::io::stdin();
            while input.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        };
        tokio::select! {
            () = input => {}
            () = stop_signal() => {}
        }
        engine.shutdown().await;
        Ok(())
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error),
    };
    let result = runtime.block_on(cli.run());
    // A blocking read of standard input must not keep the process alive.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn report(error: &io::Error) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "fake-engine: {error}");
    ExitCode::FAILURE
}
