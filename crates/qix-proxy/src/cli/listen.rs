//! The options for where clients come in.

use std::{env, path::PathBuf, sync::Arc};

use url::Url;

use super::{ca::authority_dir, engine::unusable, exit::CliError};
use crate::{Authority, AuthorityError, FrontTls, ListenOn, ProxyBuilder};

/// Where clients connect to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Listening")]
pub(super) struct ListenArgs {
    /// Where clients connect to: an address, port 0 takes a free one, or unix:PATH; can be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9077")]
    pub(super) listen: Vec<ListenOn>,

    /// Speak TLS with clients, with the certificate in this PEM file, followed by those that vouch for it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The PEM file with the key of --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Speak TLS with clients, with a certificate for this machine that is made now: by the authority of `qix-proxy ca` if there is one
    #[arg(long, conflicts_with = "tls_cert")]
    tls_self_signed: bool,

    /// Another name or address of this machine for --tls-self-signed; can be repeated
    #[arg(long, value_name = "HOST", requires = "tls_self_signed")]
    tls_name: Vec<String>,

    /// The folder of the authority that `qix-proxy ca create` has made [default: that of QIX_PROXY_CA_DIR, or qix-proxy among your programs' data]
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,
}

impl ListenArgs {
    /// Adds what was said to the settings of a proxy.
    pub(super) fn apply(&self, mut config: ProxyBuilder) -> Result<ProxyBuilder, CliError> {
        for place in &self.listen {
            config = config.listen_on(place.clone());
        }
        Ok(match self.tls()? {
            Some(tls) => config.front_tls(tls),
            None => config,
        })
    }

    /// Returns with what certificate clients are spoken to, if they are spoken to over TLS.
    pub(super) fn tls(&self) -> Result<Option<FrontTls>, CliError> {
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            let tls = FrontTls::from_pem_files(certificate, key);
            return tls.map(Some).map_err(|error| unusable("--tls-cert", &error));
        }
        if !self.tls_self_signed {
            return Ok(None);
        }
        let tls = match self.authority() {
            Ok(authority) => FrontTls::signed_by(authority),
            // Without one, nobody vouches for the certificate, which is what was asked for.
            Err(NoAuthority::Nowhere | NoAuthority::Broken(AuthorityError::Missing { .. })) => {
                FrontTls::self_signed()
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Some(self.tls_name.iter().fold(tls, |tls, name| tls.name(name.as_str()))))
    }

    /// Reads the local authority.
    pub(super) fn authority(&self) -> Result<Arc<Authority>, NoAuthority> {
        let dir = authority_dir(self.ca_dir.clone(), |name| env::var_os(name)).ok_or(NoAuthority::Nowhere)?;
        Authority::open(dir).map(Arc::new).map_err(NoAuthority::Broken)
    }
}

/// Reads the origin of a page, and writes it as browsers do.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let is_bare = |url: &Url| {
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
    };
    url.filter(is_bare).map(|url| url.origin().ascii_serialization()).ok_or_else(|| {
        "write scheme, host and port if it is not the usual one, and nothing behind, such as https://intranet.example.com".to_owned()
    })
}

/// Names what is listened on, as clients write it.
pub(super) fn shown(places: &[ListenOn], scheme: &str) -> String {
    let shown = places.iter().map(|place| match place {
        ListenOn::Tcp(address) => format!("{scheme}://{address}"),
        ListenOn::Unix(_) => place.to_string(),
    });
    shown.collect::<Vec<_>>().join(" and ")
}

/// Why the local authority cannot be used.
pub(super) enum NoAuthority {
    /// Nobody knows where it should be.
    Nowhere,
    Broken(AuthorityError),
}

impl From<NoAuthority> for CliError {
    fn from(error: NoAuthority) -> Self {
        match error {
            NoAuthority::Nowhere => {
                Self::usage("there is no home folder to keep an authority in; name a folder with --ca-dir")
            }
            NoAuthority::Broken(error) => unusable("the authority", &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_of_browsers_or_refused() {
        for (text, read) in [
            ("https://Intranet.example", "https://intranet.example"),
            ("https://intranet.example/", "https://intranet.example"),
            ("https://intranet.example:443", "https://intranet.example"),
            ("http://10.0.0.5:8080", "http://10.0.0.5:8080"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(read));
        }
        for text in [
            "intranet.example",
            "intranet.example:80",
            "*",
            "https://x/hub",
            "wss://x",
            "https://u@x",
            "null",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
