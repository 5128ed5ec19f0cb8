//! The options for credentials that are asked for before each attempt.

use clap::ValueEnum;
use qix_transport::{Auth, CloudSession, Dialer, Endpoint, Limits, OAuth, ProxySession, QpsTicket};

use super::{
    engine::{LoginArgs, ProxyArgs, TrustArgs, secret, unusable},
    exit::CliError,
};

/// Credentials that another server gives.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Credentials that another server gives")]
pub(super) struct SessionArgs {
    /// The id of an OAuth client that may get access tokens for itself, or with --oauth-subject for a user
    #[arg(long, value_name = "CLIENT_ID", requires = "oauth_secret_env", conflicts_with = "api_key_env")]
    oauth: Option<String>,

    /// The environment variable that holds the OAuth client's secret
    #[arg(long, value_name = "NAME", requires = "oauth")]
    oauth_secret_env: Option<String>,

    /// The user to act as, by the subject that the identity provider knows
    #[arg(long, value_name = "SUBJECT", requires = "oauth")]
    oauth_subject: Option<String>,

    /// What the access token is for [default: user_default]
    #[arg(long, value_name = "SCOPE", requires = "oauth")]
    oauth_scope: Option<String>,

    /// Where access tokens come from [default: /oauth/token of the host that is connected to]
    #[arg(long, value_name = "URL", requires = "oauth")]
    oauth_url: Option<String>,

    /// The environment variable that holds a ticket; it serves one attempt only
    #[arg(long, value_name = "NAME", conflicts_with = "qps")]
    ticket_env: Option<String>,

    /// The Qlik Sense Proxy Service, such as `https://sense.example.com:4243`, that gives tickets for --user to whoever has the
    /// certificate
    #[arg(long, value_name = "URL", requires = "identity", conflicts_with = "api_key_env")]
    qps: Option<String>,

    /// Make a session of the other credentials first, and connect with its cookies and a CSRF token
    #[arg(long, value_name = "KIND")]
    session: Option<Kind>,

    /// The id of the web integration that lists the origin
    #[arg(long, value_name = "ID", requires = "session")]
    web_integration: Option<String>,

    /// The origin to act as, such as `https://portal.example.com` [default: that of the URL]
    #[arg(long, value_name = "ORIGIN", requires = "session")]
    origin: Option<String>,
}

/// Who makes a session.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Qlik Cloud, of a JWT
    Cloud,
    /// The proxy of a Qlik Sense Enterprise site, of whatever the virtual proxy takes
    Proxy,
}

impl SessionArgs {
    /// Returns the credentials to connect with.
    pub(super) fn auth(
        &self,
        login: &LoginArgs,
        trust: &TrustArgs,
        way: &ProxyArgs,
    ) -> Result<Auth, CliError> {
        let mut auth = match &self.qps {
            Some(url) => self.ticket_of(url, login, trust, way)?,
            None => login.auth()?,
        };
        if let (Some(client), Some(name)) = (&self.oauth, &self.oauth_secret_env) {
            auth = auth.and(Auth::bearer_from(self.oauth(client, name)?));
        }
        if let Some(name) = &self.ticket_env {
            auth = auth.and(Auth::ticket(secret("--ticket-env", name, "the ticket")?));
        }
        let Some(kind) = self.session else { return Ok(auth) };
        let (auth, origin) = (auth.and(login.header_auth()?), self.origin()?);
        Ok(match kind {
            Kind::Cloud => {
                let mut session = CloudSession::new(auth);
                if let Some(id) = &self.web_integration {
                    session = session.web_integration(id.as_str());
                }
                if let Some(origin) = origin {
                    session = session.origin(origin);
                }
                Auth::new(session)
            }
            Kind::Proxy => {
                if self.web_integration.is_some() {
                    return Err(CliError::usage("--web-integration is for --session cloud only"));
                }
                let mut session = ProxySession::new(auth);
                if let Some(origin) = origin {
                    session = session.origin(origin);
                }
                Auth::new(session)
            }
        })
    }

    fn origin(&self) -> Result<Option<&str>, CliError> {
        let Some(origin) = self.origin.as_deref() else { return Ok(None) };
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let bare = host.is_some_and(|host| !host.contains(['/', '?', '#', '@']));
        if bare && Endpoint::parse(origin).is_ok() {
            return Ok(Some(origin));
        }
        Err(CliError::usage(
            "--origin must be a scheme, a host and maybe a port, such as https://portal.example.com, without a path",
        ))
    }

    fn oauth(&self, client: &str, name: &str) -> Result<OAuth, CliError> {
        let client_secret = secret("--oauth-secret-env", name, "the OAuth client's secret")?;
        let mut oauth = match &self.oauth_subject {
            Some(subject) => OAuth::impersonate_subject(client, client_secret, subject.as_str()),
            None => OAuth::client_credentials(client, client_secret),
        };
        if let Some(scope) = &self.oauth_scope {
            oauth = oauth.scope(scope.as_str());
        }
        if let Some(url) = &self.oauth_url {
            oauth = oauth.token_url(Endpoint::parse(url).map_err(|error| unusable("--oauth-url", &error))?);
        }
        Ok(oauth)
    }

    /// Uses the certificate for the service that gives tickets, and not for the engine.
    fn ticket_of(
        &self,
        url: &str,
        login: &LoginArgs,
        trust: &TrustArgs,
        way: &ProxyArgs,
    ) -> Result<Auth, CliError> {
        let qps = Endpoint::parse(url).map_err(|error| unusable("--qps", &error))?;
        let Some(identity) = login.identity()? else {
            return Err(CliError::usage("--qps needs a client certificate: --cert-dir, --cert or --pfx"));
        };
        let tls = trust.tls()?.identity(identity);
        let dialer =
            Dialer::new(&tls, &Limits::default()).map_err(|error| unusable("the TLS settings", &error))?;
        Ok(Auth::new(QpsTicket::new(qps, dialer.proxies(way.proxies()?), login.user()?))
            .and(login.cookies()?))
    }
}
