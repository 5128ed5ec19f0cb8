//! The options of commands that connect to an engine: credentials, trust, and the way out.

use std::{env, path::PathBuf};

use qix_transport::{Auth, ClientIdentity, Headers, Proxies, Proxy, QlikUser, Secret, TlsSettings};

use super::exit::CliError;
use crate::chain::chain;

/// Credentials that are the same in each attempt. Secrets come from the environment, for everybody can read command lines.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Credentials")]
pub(super) struct LoginArgs {
    /// The environment variable that holds an API key or another bearer token
    #[arg(long, value_name = "NAME")]
    api_key_env: Option<String>,

    /// A cookie to send, and the environment variable that holds its value, such as X-Qlik-Session=MY_SESSION; can be repeated
    #[arg(long, value_name = "COOKIE=NAME")]
    cookie_env: Vec<String>,

    /// A header to send to the engine, and to whoever makes the --session, in the place of another of that name; can be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// A folder with client.pem, client_key.pem and root.pem, as the QMC exports them for an engine's port 4747
    #[arg(long, value_name = "DIR", group = "identity", requires = "user")]
    cert_dir: Option<PathBuf>,

    /// A PEM file with a client certificate and its key
    #[arg(long, value_name = "FILE", group = "identity", requires = "user")]
    cert: Option<PathBuf>,

    /// A PKCS#12 file with a client certificate and its key, as the QMC exports it for Windows
    #[arg(long, value_name = "FILE", group = "identity", requires = "user")]
    pfx: Option<PathBuf>,

    /// The environment variable that holds the password of the key or the PKCS#12 file
    #[arg(long, value_name = "NAME", requires = "identity")]
    key_password_env: Option<String>,

    /// For whom the certificate acts, as directory and id
    #[arg(long, value_name = r"DIRECTORY\ID", requires = "identity")]
    user: Option<String>,
}

/// Whose certificates to trust.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Trust")]
pub(super) struct TrustArgs {
    /// A PEM file with the certificates to trust, instead of those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// A PEM file with certificates to trust besides those that the system trusts; can be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "ca")]
    extra_ca: Vec<PathBuf>,

    /// Trust the public roots that came with this program, instead of those that the system trusts
    #[arg(long, conflicts_with = "ca")]
    bundled_roots: bool,

    /// Trust exactly the server certificate with this SHA-256, whoever issued it; can be repeated
    #[arg(long, value_name = "HEX", conflicts_with_all = ["ca", "insecure"])]
    pin: Vec<String>,

    /// Expect the server's certificate to be for this name, instead of the URL's host
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,

    /// Accept any certificate of the engine, and of the service of --qps; whoever sits in between can then read and change everything
    #[arg(long)]
    insecure: bool,
}

/// Proxies on the way to the engine.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Way out")]
pub(super) struct ProxyArgs {
    /// The proxy to go through, as http://, socks5:// or socks5h:// URL
    #[arg(long, value_name = "URL", conflicts_with = "env_proxies")]
    proxy: Option<String>,

    /// The environment variable that holds the URL of the proxy, for one with a password in it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["proxy", "env_proxies"])]
    proxy_env: Option<String>,

    /// Go through the proxies that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name
    #[arg(long)]
    env_proxies: bool,
}

impl LoginArgs {
    pub(super) fn auth(&self) -> Result<Auth, CliError> {
        // What was typed wrongly is said before files are looked for.
        let user = self.user.as_ref().map(|_| self.user()).transpose()?;
        let auth = match (&self.api_key_env, self.identity()?.zip(user)) {
            (Some(_), Some(_)) => {
                return Err(CliError::usage(
                    "a client certificate and --api-key-env are two ways to log in; leave one of them out",
                ));
            }
            (Some(name), None) => Auth::bearer(secret("--api-key-env", name, "the API key")?),
            (None, Some((identity, user))) => Auth::client_cert(identity, user),
            (None, None) => Auth::none(),
        };
        Ok(auth.and(self.cookies()?))
    }

    pub(super) fn cookies(&self) -> Result<Auth, CliError> {
        let mut auth = Auth::none();
        for cookie in &self.cookie_env {
            let (cookie, name) = cookie.split_once('=').ok_or_else(|| {
                CliError::usage(
                    "--cookie-env must have the form COOKIE=NAME, where NAME is an environment variable",
                )
            })?;
            auth = auth.and(Auth::cookie(cookie, secret("--cookie-env", name, "the cookie's value")?));
        }
        Ok(auth)
    }

    pub(super) fn headers(&self) -> Result<Headers, CliError> {
        let mut headers = Headers::new();
        for (name, value) in self.header_pairs()? {
            headers = headers
                .header(name, value)
                .map_err(|error| CliError::usage(format!("--header cannot be used: {error}")))?;
        }
        Ok(headers)
    }

    /// Returns the headers as credentials of whoever makes a session.
    pub(super) fn header_auth(&self) -> Result<Auth, CliError> {
        let pairs = self.header_pairs()?;
        Ok(pairs.into_iter().fold(Auth::none(), |auth, (name, value)| auth.and(Auth::header(name, value))))
    }

    fn header_pairs(&self) -> Result<Vec<(&str, &str)>, CliError> {
        let pairs = self.header.iter().map(|header| {
            // The text may be a secret without its name, so it is not repeated.
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| CliError::usage("--header must have the form 'Name: value', with a colon"))?;
            Ok((name.trim(), value.trim()))
        });
        pairs.collect()
    }

    /// Reads the client certificate, if there is one.
    pub(super) fn identity(&self) -> Result<Option<ClientIdentity>, CliError> {
        let password = match &self.key_password_env {
            Some(name) => Some(secret("--key-password-env", name, "the password")?),
            None => None,
        };
        let (option, identity) = if let Some(dir) = &self.cert_dir {
            let identity = match &password {
                Some(password) => ClientIdentity::from_pem_dir_with_password(dir, password),
                None => ClientIdentity::from_pem_dir(dir),
            };
            ("--cert-dir", identity)
        } else if let Some(file) = &self.cert {
            ("--cert", ClientIdentity::from_pem_file(file, password.as_ref()))
        } else if let Some(file) = &self.pfx {
            let password = password.unwrap_or_else(|| Secret::new(""));
            ("--pfx", ClientIdentity::from_pfx_file(file, &password))
        } else {
            return Ok(None);
        };
        match identity {
            Ok(identity) => Ok(Some(identity)),
            Err(error) => Err(unusable(option, &error)),
        }
    }

    pub(super) fn user(&self) -> Result<QlikUser, CliError> {
        let parts = self.user.as_deref().and_then(|user| user.split_once('\\'));
        match parts {
            Some((directory, id)) if !directory.is_empty() && !id.is_empty() => {
                Ok(QlikUser::new(directory, id))
            }
            _ => Err(CliError::usage(
                r"--user must be a directory and an id, such as 'INTERNAL\sa_engine'; quote the backslash for your shell",
            )),
        }
    }
}

impl TrustArgs {
    /// Says aloud what is dangerous.
    pub(super) fn warn(&self) {
        if self.insecure {
            tracing::warn!("--insecure: any certificate is accepted, so the engine may be somebody else");
        }
    }

    pub(super) fn tls(&self) -> Result<TlsSettings, CliError> {
        let mut tls = TlsSettings::default();
        if let Some(path) = &self.ca {
            tls = tls.ca_file(path).map_err(|error| unusable("--ca", &error))?;
        }
        for path in &self.extra_ca {
            tls = tls.extra_ca_file(path).map_err(|error| unusable("--extra-ca", &error))?;
        }
        for pin in &self.pin {
            tls = tls.pin_certificate(pin).map_err(|error| unusable("--pin", &error))?;
        }
        if let Some(name) = &self.server_name {
            tls = tls.server_name(name.as_str());
        }
        if self.bundled_roots {
            tls = tls.bundled_roots();
        }
        if self.insecure {
            tls = tls.danger_accept_any_server_certificate();
        }
        Ok(tls)
    }
}

impl ProxyArgs {
    pub(super) fn proxies(&self) -> Result<Proxies, CliError> {
        if self.env_proxies {
            return Proxies::from_env().map_err(|error| unusable("--env-proxies", &error));
        }
        let (option, proxy) = match (&self.proxy, &self.proxy_env) {
            (Some(url), _) => ("--proxy", Proxy::parse(url)),
            (None, Some(name)) => {
                let url = secret("--proxy-env", name, "the proxy's URL")?;
                ("--proxy-env", Proxy::parse(url.expose().trim()))
            }
            (None, None) => return Ok(Proxies::none()),
        };
        proxy.map(Proxies::all).map_err(|error| unusable(option, &error))
    }
}

/// Reads a secret from the environment, without the line ends that come with a file. Blanks may belong to a password.
pub(super) fn secret(option: &str, name: &str, what: &str) -> Result<Secret, CliError> {
    match env::var(name) {
        Ok(value) => match value.trim_matches(['\r', '\n']) {
            "" => {
                Err(CliError::usage(format!("the environment variable {name} is empty; put {what} into it")))
            }
            text => Ok(Secret::new(text)),
        },
        Err(env::VarError::NotPresent) => Err(CliError::usage(format!(
            "the environment variable {name} is not set; put {what} into it, or give another name to {option}"
        ))),
        Err(env::VarError::NotUnicode(_)) => {
            Err(CliError::usage(format!("the environment variable {name} holds no text")))
        }
    }
}

pub(super) fn unusable(option: &str, error: &dyn std::error::Error) -> CliError {
    CliError::usage(format!("{option} cannot be used: {}", chain(error)))
}
