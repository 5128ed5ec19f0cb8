//! enigma.js as a client in a process of its own.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::measure::Cost;

/// One session of enigma.js, on the cores that this process has when it starts it.
#[derive(Debug)]
pub struct Enigma {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Enigma {
    /// Installs enigma.js if need be, and connects it, with delta on or off.
    ///
    /// # Errors
    ///
    /// That node or npm are missing, or what they say.
    pub fn start(address: SocketAddr, delta: bool) -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        if !folder.join("node_modules/ws").exists() {
            let mut npm = Command::new("npm");
            let npm = npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).stdout(Stdio::null());
            if !npm.status()?.success() {
                return Err(io::Error::other("npm ci failed"));
            }
        }
        let mut child = Command::new("node")
            .arg(folder.join("enigma-calls.mjs"))
            .arg(format!("ws://{address}/app/engineData"))
            .arg(delta.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        let mut this = Self { child, input: Some(input), output: BufReader::new(output) };
        match &*this.line()? {
            "ready" => Ok(this),
            other => Err(io::Error::other(format!("it says {other:?}"))),
        }
    }

    /// Makes so many calls of `method`, of the object with this handle or of Global, so many at a time.
    ///
    /// # Errors
    ///
    /// That it has ended by itself.
    pub fn calls(&mut self, handle: i32, method: &str, calls: u64, in_flight: u64) -> io::Result<Cost> {
        if let Some(input) = &mut self.input {
            writeln!(input, "{handle} {method} {calls} {in_flight}")?;
        }
        let line = self.line()?;
        let mut times = line.split(' ').map(str::parse::<u64>);
        match (times.next(), times.next()) {
            (Some(Ok(wall)), Some(Ok(cpu))) => {
                Ok(Cost { wall: Duration::from_nanos(wall), cpu: Duration::from_micros(cpu) })
            }
            _ => Err(io::Error::other(format!("enigma.js says {line:?}"))),
        }
    }

    /// Opens so many sessions and returns the KiB of memory that each takes.
    ///
    /// # Errors
    ///
    /// That it has ended by itself.
    pub fn sessions(&mut self, count: usize) -> io::Result<f64> {
        if let Some(input) = &mut self.input {
            writeln!(input, "sessions {count}")?;
        }
        self.line()?.parse().map_err(io::Error::other)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::Error::other("enigma.js has ended by itself"));
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Enigma {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
