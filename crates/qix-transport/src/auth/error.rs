//! Why credentials could not be had.

use std::{error::Error, sync::Arc};

use http::header::LOCATION;

use crate::{ConnectError, EndpointError, HeaderError, Refusal, printable, redact_url};

/// Codes of OAuth errors that a message repeats; any other text of a server may hold what it was sent.
const CODES: &[&str] = &[
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// Why credentials could not be had. Messages hold no secret and only their own level.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// A credential cannot stand in a header.
    #[error("a credential cannot be sent")]
    Header(#[from] HeaderError),
    /// A path or query made of credentials cannot be requested.
    #[error("a URL made for the credentials cannot be requested")]
    Url(#[from] EndpointError),
    /// The server that gives credentials cannot be reached.
    #[error("cannot ask {service}")]
    Connect {
        /// What the server is for.
        service: &'static str,
        /// Why not.
        source: Arc<ConnectError>,
    },
    /// The server that gives credentials broke off, or does not speak HTTP.
    #[error("{service} at {peer} did not answer as a web server does")]
    Http {
        /// What the server is for.
        service: &'static str,
        /// Whom, as `host:port`.
        peer: Box<str>,
        /// What it did instead.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The server that gives credentials answered that it does not. Redirects are not followed.
    #[error("{service} at {peer} answered with {}{}", refusal.status, details(refusal))]
    Refused {
        /// What the server is for.
        service: &'static str,
        /// Whom, as `host:port`.
        peer: Box<str>,
        /// The answer.
        refusal: Arc<Refusal>,
    },
    /// The server that gives credentials answered without one.
    #[error("the answer of {service} at {peer} {fault}")]
    Answer {
        /// What the server is for.
        service: &'static str,
        /// Whom, as `host:port`.
        peer: Box<str>,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Credentials of the application's own failed.
    #[error("the application's own credentials failed")]
    Own(#[source] Arc<dyn Error + Send + Sync>),
}

impl AuthError {
    /// Wraps an error of credentials outside this crate. Its text must hold no secret, because it is shown.
    pub fn own(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Own(error.into().into())
    }

    /// Returns the answer, if a server that gives credentials refused with one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Returns whether this is what a server said, rather than how one attempt fared on the way to it.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Http { .. } => false,
            Self::Own(source) => match source.downcast_ref::<Self>() {
                Some(error) => error.is_answer(),
                None => !source.is::<ConnectError>(),
            },
            Self::Header(_) | Self::Url(_) | Self::Refused { .. } | Self::Answer { .. } => true,
        }
    }

    /// Returns the OAuth code of a refusal, if it is one that OAuth defines.
    pub fn code(&self) -> Option<&'static str> {
        self.refusal().and_then(code)
    }
}

fn code(refusal: &Refusal) -> Option<&'static str> {
    let body: serde_json::Value = serde_json::from_slice(&refusal.body).ok()?;
    // OAuth's own form, and that of Qlik Cloud's other interfaces.
    let found = body.get("error").or_else(|| body.pointer("/errors/0/code"))?.as_str()?;
    CODES.iter().find(|code| **code == found).copied()
}

fn details(refusal: &Refusal) -> String {
    if let Some(code) = code(refusal) {
        return format!(" ({code})");
    }
    match refusal.headers.get(LOCATION).filter(|_| refusal.status.is_redirection()) {
        Some(location) => {
            let location = redact_url(&String::from_utf8_lossy(location.as_bytes()));
            format!(", a redirect to {}", printable(&location, 200))
        }
        None => String::new(),
    }
}
