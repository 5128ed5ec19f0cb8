//! Throw-away certificates, laid out as a Qlik Sense site exports them.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

/// What is wrong, if anything, with the certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertOptions {
    /// The server's certificate names another host.
    pub wrong_host: bool,
    /// The server's certificate has ended.
    pub expired: bool,
    /// The server's certificate is signed by a CA that is not the one in `root.pem`.
    pub other_server_ca: bool,
    /// The client's certificate is signed by a CA that the server does not know.
    pub other_client_ca: bool,
}

/// The five PEM texts of a site.
#[derive(Clone, Debug)]
pub struct Certs {
    /// The certificate of the site's CA.
    pub root: String,
    /// The client's certificate.
    pub client: String,
    /// The client's private key.
    pub client_key: String,
    /// The server's certificate, for `localhost`, `127.0.0.1` and `::1`.
    pub server: String,
    /// The server's private key.
    pub server_key: String,
}

/// The file names under which [`Certs::write`] puts the texts, and [`Certs::read`] finds them.
const FILES: [&str; 5] = ["root.pem", "client.pem", "client_key.pem", "server.pem", "server_key.pem"];

impl Certs {
    /// Makes a CA, a server certificate and a client certificate.
    ///
    /// # Errors
    ///
    /// Whatever the key generator says, which a healthy system never does.
    pub fn generate(options: CertOptions) -> Result<Self, rcgen::Error> {
        let (root, issuer) = authority("Fake site CA")?;
        let (_, stranger) = authority("Another CA")?;
        let names = if options.wrong_host {
            vec!["elsewhere.example".to_owned()]
        } else {
            vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]
        };
        let mut server = leaf("Fake engine", names, ExtendedKeyUsagePurpose::ServerAuth)?;
        if options.expired {
            server.not_before = date_time_ymd(2001, 1, 1);
            server.not_after = date_time_ymd(2002, 1, 1);
        }
        let client = leaf("QlikClient", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)?;
        let (server, server_key) = sign(&server, if options.other_server_ca { &stranger } else { &issuer })?;
        let (client, client_key) = sign(&client, if options.other_client_ca { &stranger } else { &issuer })?;
        Ok(Self { root, client, client_key, server, server_key })
    }

    /// Writes `root.pem`, `client.pem`, `client_key.pem`, `server.pem` and `server_key.pem` into a folder.
    ///
    /// # Errors
    ///
    /// Whatever writing a file can meet.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let texts = [&self.root, &self.client, &self.client_key, &self.server, &self.server_key];
        fs::create_dir_all(dir)?;
        FILES.iter().zip(texts).try_for_each(|(name, text)| fs::write(dir.join(name), text))
    }

    /// Reads what [`Certs::write`] has written.
    ///
    /// # Errors
    ///
    /// Whatever reading a file can meet.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let [root, client, client_key, server, server_key] =
            FILES.map(|name| fs::read_to_string(dir.join(name)));
        Ok(Self {
            root: root?,
            client: client?,
            client_key: client_key?,
            server: server?,
            server_key: server_key?,
        })
    }

    /// Returns an acceptor with the server's certificate, which asks for a client certificate of this CA if told so.
    ///
    /// # Errors
    ///
    /// If the texts are no certificates or keys.
    pub fn acceptor(&self, demands_client: bool) -> io::Result<TlsAcceptor> {
        let chain: Vec<CertificateDer<'static>> = certificates(&self.server)?;
        let key = PrivateKeyDer::from_pem_slice(self.server_key.as_bytes()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = if demands_client {
            let mut roots = RootCertStore::empty();
            for root in certificates(&self.root)? {
                roots.add(root).map_err(io::Error::other)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(io::Error::other)?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(chain, key).map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(io::Error::other)
}

fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(params, key)))
}

fn leaf(
    name: &str,
    hosts: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn sign(params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let pem = params.signed_by(&key, issuer)?.pem();
    Ok((pem, key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let certs = Certs::generate(CertOptions::default()).unwrap();
        certs.write(dir.path()).unwrap();
        let read = Certs::read(dir.path()).unwrap();
        assert_eq!((read.root, read.client_key), (certs.root, certs.client_key));
        assert!(Certs::read(&dir.path().join("nowhere")).is_err());
    }
}
