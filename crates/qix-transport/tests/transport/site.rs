//! A site with its own certificates, and a server that shows them.

use std::sync::Arc;

use futures_util::StreamExt;
use qix_transport::{Connect, ConnectError, Endpoint, TlsSettings, WsConnect, WsSocket};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async;

use crate::support::{server, within};

/// A site with its own CA, as QSEoW has one.
pub(crate) struct Site {
    pub(crate) ca: CertifiedIssuer<'static, KeyPair>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::named("site-CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        (params.signed_by(&key, &self.ca).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn client(&self) -> (String, String) {
        self.issue("client", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// Trusts this site's root, and nothing else.
    pub(crate) fn trusted(&self) -> TlsSettings {
        TlsSettings::default().ca_pem(self.ca.pem().as_bytes()).unwrap()
    }

    /// Shows a certificate and wants one of this site.
    pub(crate) fn acceptor(&self, (cert, key): (String, String)) -> TlsAcceptor {
        acceptor(&cert, &key, self.ca.der())
    }

    /// Serves one WebSocket with a certificate for `name`.
    pub(crate) async fn serve(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (u16, JoinHandle<()>) {
        let (cert, key) = self.issue(name, change);
        serve(&cert, &key, rustls::ALL_VERSIONS).await
    }
}

/// Shows a certificate and wants one that `root` issued.
pub(crate) fn acceptor(cert: &str, key: &str, root: &CertificateDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_cert_resolver(shown(cert, key));
    TlsAcceptor::from(Arc::new(config))
}

/// Shows a certificate and wants none.
pub(crate) fn open_acceptor(
    chain: &str,
    key: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(shown(chain, key));
    TlsAcceptor::from(Arc::new(config))
}

/// Serves one WebSocket with any chain and key in PEM, readable for the TLS library or not.
pub(crate) async fn serve(
    chain: &str,
    key: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> (u16, JoinHandle<()>) {
    let acceptor = open_acceptor(chain, key, versions);
    server(move |stream| async move {
        let Ok(stream) = acceptor.accept(stream).await else { return };
        let mut engine = accept_async(stream).await.unwrap();
        while engine.next().await.is_some() {}
    })
    .await
}

fn shown(chain: &str, key: &str) -> Arc<SingleCertAndKey> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = ring::default_provider().key_provider.load_private_key(key).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)))
}

pub(crate) async fn connect(port: u16, tls: TlsSettings) -> Result<WsSocket, ConnectError> {
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}/app/engineData")).unwrap();
    let connect = WsConnect::builder(endpoint).tls(tls).build().unwrap();
    within(connect.connect()).await
}

/// Expects a certificate error with a hint that says `what`.
pub(crate) async fn check_refused(port: u16, task: JoinHandle<()>, tls: TlsSettings, what: &str) {
    let error = connect(port, tls).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains(what), "{hint}");
    assert_eq!(error.to_string(), format!("TLS with localhost:{port} failed"));
    within(task).await.unwrap();
}
