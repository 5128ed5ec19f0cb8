//! TLS: whom to trust, whom to expect, what to show, and what was wrong with what came.

mod certificate;
mod error;
mod refused;
mod settings;
mod verify;
mod watch;

pub use certificate::CertificateInfo;
pub use error::TlsError;
pub(crate) use refused::explained;
pub use refused::{CertificateFault, CertificateRefused};
pub use settings::TlsSettings;
pub(crate) use watch::TlsClient;
