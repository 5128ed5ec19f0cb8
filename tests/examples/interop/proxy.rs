//! The real binary, in a process of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::{LIMIT, Outcome, say, succeed};

/// The binary on a free port.
pub(super) struct Proxy {
    child: Child,
    /// Where it listens, as `127.0.0.1:PORT`.
    address: String,
}

/// One of the binary's commands, to be completed.
pub(super) fn command(name: &str) -> Command {
    let mut command = Command::new(binary());
    command.arg(name);
    command
}

impl Proxy {
    /// Starts a command that listens, and waits until it does.
    pub(super) async fn start(command: Command) -> Outcome<Self> {
        Self::begin(command, true).await
    }

    /// Starts a command that listens, and shows none of its summary.
    pub(super) async fn start_quietly(mut command: Command) -> Outcome<Self> {
        command.args(["--log", "error"]);
        Self::begin(command, false).await
    }

    async fn begin(mut command: Command, shows: bool) -> Outcome<Self> {
        let mut child =
            command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(stdout);
        let address = loop {
            let mut line = String::new();
            if timeout(LIMIT, lines.read_line(&mut line)).await?? == 0 {
                return Err("qix-proxy ends before it names an address".into());
            }
            if let Some(address) = listening(&line) {
                break address;
            }
        };
        // What it prints later is the summary.
        tokio::spawn(async move {
            let mut rest = String::new();
            if lines.read_to_string(&mut rest).await.is_ok() && shows {
                say(rest.trim_end());
            }
        });
        Ok(Self { address, child })
    }

    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Asks it to stop, and fails unless it ends well.
    pub(super) async fn stop(self) -> Outcome {
        match self.end().await? {
            Some(0) => Ok(()),
            code => Err(format!("qix-proxy ends with {code:?}").into()),
        }
    }

    /// Asks it to stop, and returns its exit code.
    pub(super) async fn end(mut self) -> Outcome<Option<i32>> {
        let pid = self.child.id().ok_or("it has ended by itself")?;
        succeed(std::process::Command::new("kill").arg(pid.to_string()))?;
        Ok(timeout(LIMIT, self.child.wait()).await??.code())
    }
}

/// Finds the first address of this machine in a line; the engine's comes later.
fn listening(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("127.0.0.1:{port}"))
}

/// Where cargo has put the binary: one folder above the examples.
pub(super) fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let above = here.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    above.join(format!("qix-proxy{}", std::env::consts::EXE_SUFFIX))
}
