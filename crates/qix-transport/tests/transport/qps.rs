//! Tickets from a proxy service that wants a client certificate.

use std::sync::Arc;

use qix_transport::{
    Auth, ClientIdentity, ConnectError, Dialer, Endpoint, Limits, QlikUser, QpsTicket, TlsSettings,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use crate::web::{Web, answer, web, web_tls};

/// A proxy service that gives ticket after ticket, and the TLS settings that it wants.
async fn qps() -> (Web, TlsSettings, ClientIdentity) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "site-CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str, usage: Vec<_>| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = usage;
        (params.signed_by(&key, &ca).unwrap().pem(), key.serialize_pem())
    };
    let (cert, key) = issue("localhost", vec![]);
    let (client_cert, client_key) = issue("client", vec![ExtendedKeyUsagePurpose::ClientAuth]);

    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();

    let qps = web_tls(TlsAcceptor::from(Arc::new(config)), |asked, before| {
        let key = asked.header("X-Qlik-Xrfkey").unwrap();
        let well = key.len() == 16
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && asked.is(&format!("POST /qps/sales/ticket?xrfkey={key} "));
        if !well {
            return answer("403 Forbidden", "", "XSRF prevention check failed");
        }
        let body = format!(r#"{{"UserDirectory":"ACME","UserId":"ada","Attributes":[],"Ticket":"t{before}","TargetUri":null}}"#);
        answer("201 Created", "Content-Type: application/json\r\n", &body)
    })
    .await;
    let trusted = TlsSettings::default().ca_pem(ca.pem().as_bytes()).unwrap();
    let identity = ClientIdentity::from_pem(client_cert.as_bytes(), client_key.as_bytes()).unwrap();
    (qps, trusted, identity)
}

fn ticket(qps: &Web, tls: &TlsSettings) -> QpsTicket {
    let to = Endpoint::parse(&format!("https://localhost:{}", qps.port)).unwrap();
    let dialer = Dialer::new(tls, &Limits::default()).unwrap();
    QpsTicket::new(to, dialer, QlikUser::new("ACME", "ada"))
        .virtual_proxy("/sales/")
        .attribute("Group", "finance")
        .attribute("Group", "sales")
}

#[tokio::test]
async fn ticket_is_fetched_over_mutual_tls_for_each_attempt() {
    let (qps, tls, identity) = qps().await;
    let proxy = web(|asked, _| asked.switched("")).await;
    let auth = Auth::new(ticket(&qps, &tls.identity(identity)));
    proxy.connect(auth.clone()).await.unwrap();
    proxy.connect(auth).await.unwrap();
    assert_eq!(proxy.lines(), ["GET /app/engineData?qlikTicket=t0", "GET /app/engineData?qlikTicket=t1"]);
    assert_eq!(
        qps.asked()[0].json(),
        json!({
            "UserDirectory":"ACME","UserId":"ada","Attributes":[{"Group":"finance"},{"Group":"sales"}],"TargetId":""
        })
    );
    let keys: Vec<_> =
        qps.asked().iter().map(|asked| asked.header("X-Qlik-Xrfkey").unwrap().to_owned()).collect();
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn ticket_endpoint_that_misses_the_certificate_says_so() {
    let (qps, tls, _) = qps().await;
    let proxy = web(|asked, _| asked.switched("")).await;
    let error = proxy.connect(Auth::new(ticket(&qps, &tls))).await.unwrap_err();
    assert!(matches!(error, ConnectError::Auth { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("client certificate"), "{error:?}");
    assert_eq!(proxy.upgrades(), 0);
}
