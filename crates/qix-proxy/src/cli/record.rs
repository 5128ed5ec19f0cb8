//! `qix-proxy record`: forward a client's traffic to an engine, and keep it.

use std::{env, io::Write, net::SocketAddr, path::PathBuf};

use qix_transport::{Auth, ClientIdentity, Endpoint, Headers, QlikUser, TlsSettings};

use super::exit::{CliError, Outcome, chain, count};
use crate::{ProxyError, RecordConfig, RecordProxy, record::Sealed};

/// Arguments of `qix-proxy record`.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    /// Where the engine is, as ws:// or wss:// URL; the path that the client asks for is added to it
    #[arg(long, value_name = "URL")]
    upstream: String,

    /// Where the client connects to; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9077")]
    listen: SocketAddr,

    /// The recording to write; an existing file is never overwritten [default: session-TIME.qixrec]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// A header to send to the engine, instead of the client's own of that name; can be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// The environment variable that holds an API key or another bearer token
    #[arg(long, value_name = "NAME")]
    api_key_env: Option<String>,

    /// A folder with client.pem, client_key.pem and root.pem, as the QMC exports them for an engine's port 4747
    #[arg(long, value_name = "DIR", requires = "user")]
    cert_dir: Option<PathBuf>,

    /// For whom the certificate acts, as directory and id
    #[arg(long, value_name = r"DIRECTORY\ID", requires = "cert_dir")]
    user: Option<String>,

    /// The origin of a page, such as `https://intranet.example.com`, that may use the credentials given here; can be repeated.
    /// Pages of this machine's loopback addresses may, and programs that are no browsers
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// A PEM file with the certificates to trust, instead of those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Accept any certificate of the engine; whoever sits in between can then read and change everything
    #[arg(long)]
    insecure: bool,
}

impl RecordArgs {
    /// Records until Ctrl-C or SIGTERM.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        if self.insecure {
            tracing::warn!("--insecure: any certificate is accepted, so the engine may be somebody else");
        }
        let proxy = RecordProxy::bind(self.config()?).await.map_err(refused)?;
        // Before anybody is told that this is ready, so that whoever was told can stop it.
        let asked = crate::shutdown::requested()?;
        writeln!(
            out,
            "recording ws://{} to {}, engine at {}",
            proxy.local_addr(),
            proxy.recorder().path().display(),
            proxy.upstream()
        )?;
        out.flush()?;
        let stopping = async {
            asked.await;
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
        // What happened decides the exit code, whether somebody still reads the summary or not.
        let _ = writeln!(out, "{}", summary(&sealed));
        match sealed.fault {
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
    fn config(self) -> Result<RecordConfig, CliError> {
        let upstream = Endpoint::parse(&self.upstream)
            .map_err(|error| CliError::usage(format!("--upstream cannot be used: {error}")))?;
        let (auth, headers, tls) = (self.auth()?, self.headers()?, self.tls()?);
        let output = self.out.unwrap_or_else(default_output);
        Ok(RecordConfig::new(upstream, output)
            .listen(self.listen)
            .headers(headers)
            .auth(auth)
            .tls(tls)
            .allowed_origins(self.allow_origin))
    }

    fn auth(&self) -> Result<Auth, CliError> {
        let bearer = match &self.api_key_env {
            Some(name) => Some(api_key(name)?),
            None => None,
        };
        match (&self.cert_dir, &self.user, bearer) {
            (Some(_), _, Some(_)) => Err(CliError::usage(
                "--cert-dir and --api-key-env are two ways to log in; leave one of them out",
            )),
            (Some(dir), Some(user), None) => {
                let (directory, id) = user.split_once('\\').filter(|(directory, id)| !directory.is_empty() && !id.is_empty())
                    .ok_or_else(|| {
                        CliError::usage(r"--user must be a directory and an id, such as 'INTERNAL\sa_engine'; quote the backslash for your shell")
                    })?;
                let identity = ClientIdentity::from_pem_dir(dir).map_err(|error| {
                    CliError::usage(format!("--cert-dir cannot be used: {}", chain(&error)))
                })?;
                Ok(Auth::client_cert(identity, QlikUser::new(directory, id)))
            }
            (_, _, Some(token)) => Ok(Auth::bearer(token)),
            _ => Ok(Auth::none()),
        }
    }

    fn headers(&self) -> Result<Headers, CliError> {
        let mut headers = Headers::new();
        for header in &self.header {
            // The text may be a secret without its name, so it is not repeated.
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| CliError::usage("--header must have the form 'Name: value', with a colon"))?;
            headers = headers
                .header(name.trim(), value.trim())
                .map_err(|error| CliError::usage(format!("--header cannot be used: {error}")))?;
        }
        Ok(headers)
    }

    fn tls(&self) -> Result<TlsSettings, CliError> {
        let mut tls = TlsSettings::default();
        if let Some(path) = &self.ca {
            tls = tls
                .ca_file(path)
                .map_err(|error| CliError::usage(format!("--ca cannot be used: {}", chain(&error))))?;
        }
        Ok(if self.insecure { tls.danger_accept_any_server_certificate() } else { tls })
    }
}

fn api_key(name: &str) -> Result<String, CliError> {
    match env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(key.trim().to_owned()),
        Ok(_) => {
            Err(CliError::usage(format!("the environment variable {name} is empty; put the API key into it")))
        }
        Err(env::VarError::NotPresent) => Err(CliError::usage(format!(
            "the environment variable {name} is not set; put the API key into it, or give another name to --api-key-env"
        ))),
        Err(env::VarError::NotUnicode(_)) => {
            Err(CliError::usage(format!("the environment variable {name} holds no text")))
        }
    }
}

fn default_output() -> PathBuf {
    jiff::Timestamp::now().strftime("session-%Y%m%dT%H%M%SZ.qixrec").to_string().into()
}

fn refused(error: ProxyError) -> CliError {
    let text = chain(&error);
    match error {
        ProxyError::Config(_) => CliError::usage(text),
        ProxyError::Recorder(_) => CliError::usage(format!("{text} (--out names the file)")),
        ProxyError::Listen { .. } => CliError::network(format!("{text} (--listen names the address)")),
    }
}

fn summary(sealed: &Sealed) -> String {
    let refused = match sealed.refused {
        0 => String::new(),
        refused => format!(", {} refused", count(refused, "upgrade")),
    };
    format!(
        "recorded {}, {}{refused}, {} to {}",
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
