//! Servers as child processes: the bench runs itself again with a role.

use std::{
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

use crate::bare;

const ROLE: &str = "QIX_BENCH_ROLE";

/// A server in a process of its own; it ends when this value is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Takes over a program of somebody else's that was told to listen on `address`, and waits until it does.
    ///
    /// # Errors
    ///
    /// That it ended, or did not listen within 20 seconds.
    pub async fn foreign(mut child: Child, address: SocketAddr) -> io::Result<Self> {
        for _ in 0..200 {
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if TcpStream::connect(address).await.is_ok() {
                return Ok(Self { child, address });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // It is ended with this value.
        drop(Self { child, address });
        Err(io::Error::other("it did not listen within 20 seconds"))
    }

    /// Returns the CPU seconds that the threads of the process have used so far; Linux only.
    pub fn cpu(&self) -> Option<f64> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let spent = threads.flatten().filter_map(|thread| {
            let times = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            times.split_whitespace().next()?.parse::<f64>().ok()
        });
        Some(spent.sum::<f64>() / 1e9)
    }

    /// Starts this program again as `role`, with `args`, and waits until it says where it listens.
    ///
    /// # Errors
    ///
    /// What the system says, or that the child said nothing.
    pub fn start(role: &str, args: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(ROLE, role)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(|_| io::Error::other(format!("{role} did not start")))?;
        Ok(Self { child, address })
    }

    /// Returns the memory that the process has in use, in KiB.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns whether this process was started for a role.
pub fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Runs the role that this process was started for, if it is a child; `more` adds roles to those known here.
///
/// Returns `false` in the bench itself.
///
/// # Errors
///
/// What the server's sockets say.
pub async fn run(more: impl AsyncFn(&str, Vec<String>) -> io::Result<()>) -> io::Result<bool> {
    let Ok(role) = std::env::var(ROLE) else { return Ok(false) };
    let args: Vec<String> = std::env::args().skip(1).collect();
    match (&*role, &*args) {
        ("engine", _) => bare::engine(listen().await?).await?,
        ("forwarder", [to, ..]) => {
            let to = to.parse().map_err(io::Error::other)?;
            bare::forwarder(listen().await?, to).await?;
        }
        (other, _) => more(other, args).await?,
    }
    Ok(true)
}

/// Listens on a free port and tells the parent which; the process ends when the parent does.
///
/// # Errors
///
/// What the system says.
pub async fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?);
    Ok(listener)
}

/// Tells the parent where this process listens, and ends the process when the parent has gone.
pub fn announce(address: SocketAddr) {
    crate::measure::line(&address.to_string());
    std::thread::spawn(|| {
        // The parent never writes; the pipe ends with it.
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}
