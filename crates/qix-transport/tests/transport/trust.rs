//! Which certificates of a server are accepted, and what is said of those that are not.

use qix_transport::{CertificateFault, CertificateInfo, CertificateRefused, ConnectError, TlsSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ALL_VERSIONS,
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use crate::{
    site::{Site, connect, serve},
    support::within,
};

const V1_ROOT: &str = include_str!("../certificates/v1_root.pem");
const V3_BY_V1_ROOT: &str = include_str!("../certificates/v3_by_v1_root.pem");
const V1_LEAF: &str = include_str!("../certificates/v1_leaf.pem");
const SHA1_LEAF: &str = include_str!("../certificates/sha1_leaf.pem");
const SHORT_ROOT: &str = include_str!("../certificates/short_root.pem");
const LEAF_BY_SHORT_ROOT: &str = include_str!("../certificates/leaf_by_short_root.pem");
const SERVER_KEY: &str = include_str!("../certificates/server_key.pem");

fn trusting(root: &str) -> TlsSettings {
    TlsSettings::default().ca_pem(root.as_bytes()).unwrap()
}

fn pin(pem: &str) -> TlsSettings {
    TlsSettings::default().pin_certificate(&sha256(pem)).unwrap()
}

fn sha256(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    CertificateInfo::parse(&der).unwrap().sha256()
}

/// Serves `chain` and returns why it was refused.
async fn refused(chain: &str, key: &str, tls: TlsSettings) -> CertificateRefused {
    let (port, task) = serve(chain, key, ALL_VERSIONS).await;
    let error = connect(port, tls).await.unwrap_err();
    within(task).await.unwrap();
    let hint = error.hint();
    let ConnectError::Tls { source, .. } = error else { panic!("{error:?}") };
    let refused = source.downcast_ref::<CertificateRefused>().unwrap_or_else(|| panic!("{source:?}"));
    assert_eq!(hint, Some(refused.fault().hint()));
    refused.clone()
}

async fn accepted(chain: &str, key: &str, tls: TlsSettings) {
    let (port, task) = serve(chain, key, ALL_VERSIONS).await;
    connect(port, tls).await.unwrap();
    within(task).await.unwrap();
}

/// A certificate that nobody issued, for no name, long expired.
fn worst() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn expired_certificate_is_shown_with_its_day() {
    let site = Site::new();
    let (cert, key) = site.issue("localhost", |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 3, 4);
    });
    let refused = refused(&cert, &key, site.trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::Expired);
    assert!(refused.to_string().ends_with("expired on 2002-03-04"), "{refused}");
}

#[tokio::test]
async fn expired_issuer_is_told_from_an_expired_certificate() {
    let site = Site::new();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "between");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 3, 4);
    let between = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &site.ca).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &between).unwrap();
    let chain = leaf.pem() + &between.pem();
    let refused = refused(&chain, &key.serialize_pem(), site.trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::Expired);
    let shown = refused.to_string();
    assert!(shown.contains("an issuer of") && shown.contains("CN=between"), "{shown}");
}

#[tokio::test]
async fn certificate_not_valid_yet_is_shown_with_its_day() {
    let site = Site::new();
    let (cert, key) = site.issue("localhost", |params| params.not_before = date_time_ymd(2999, 1, 2));
    let refused = refused(&cert, &key, site.trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::NotValidYet);
    assert!(refused.to_string().ends_with("is not valid before 2999-01-02"), "{refused}");
}

#[tokio::test]
async fn wrong_name_is_shown_with_the_right_ones() {
    let site = Site::new();
    let (cert, key) = site.issue("sense.internal", |_| ());
    let refused = refused(&cert, &key, site.trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::WrongName);
    assert!(refused.to_string().ends_with("is not for localhost, but for sense.internal"), "{refused}");
}

#[tokio::test]
async fn of_many_names_some_are_shown() {
    let site = Site::new();
    let (cert, key) = site.issue("n0", |params| {
        let names = (0..300).map(|n| format!("n{n}")).collect::<Vec<_>>();
        params.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
    });
    let refused = refused(&cert, &key, site.trusted()).await;
    assert!(refused.to_string().ends_with("but for n0, n1, n2, n3, n4 and 95 more"), "{refused}");
}

#[tokio::test]
async fn common_name_alone_is_told_apart_and_can_be_pinned() {
    let site = Site::new();
    let (cert, key) = site.issue("localhost", |params| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(DnType::CommonName, "localhost");
    });
    let refused = refused(&cert, &key, site.trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::NoNames);
    // What the message shows is what the pin takes.
    assert!(refused.to_string().ends_with(&sha256(&cert)), "{refused}");
    accepted(&cert, &key, pin(&cert)).await;
}

#[tokio::test]
async fn unknown_issuer_is_named() {
    let (cert, key) = Site::named("their-CA").issue("localhost", |_| ());
    let refused = refused(&cert, &key, Site::new().trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::UnknownIssuer);
    assert!(refused.to_string().contains("CN=their-CA"), "{refused}");
}

#[tokio::test]
async fn issuer_made_anew_under_its_old_name_is_told_apart() {
    let (cert, key) = Site::named("site-CA").issue("localhost", |_| ());
    let refused = refused(&cert, &key, Site::named("site-CA").trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::OtherIssuerKey);
}

#[tokio::test]
async fn certificate_of_a_client_is_no_certificate_for_a_server() {
    let site = Site::new();
    let (cert, key) = site.client();
    let refused = refused(&cert, &key, site.trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::WrongPurpose);
}

#[tokio::test]
async fn root_of_version_1_can_be_trusted() {
    accepted(V3_BY_V1_ROOT, SERVER_KEY, trusting(V1_ROOT)).await;
}

#[tokio::test]
async fn root_of_version_1_that_is_only_presented_is_told_apart() {
    let chain = format!("{V3_BY_V1_ROOT}{V1_ROOT}");
    let refused = refused(&chain, SERVER_KEY, Site::new().trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::Version1);
    assert!(refused.to_string().contains("an issuer of"), "{refused}");
    assert!(refused.to_string().contains("CN=old-site-CA"), "{refused}");
}

#[tokio::test]
async fn certificate_of_version_1_is_told_apart() {
    let refused = refused(V1_LEAF, SERVER_KEY, trusting(V1_ROOT)).await;
    assert_eq!(refused.fault(), CertificateFault::Version1);
    assert!(refused.to_string().contains("is of version 1"), "{refused}");
}

#[tokio::test]
async fn signature_over_sha1_is_told_apart() {
    let refused = refused(SHA1_LEAF, SERVER_KEY, trusting(V1_ROOT)).await;
    assert_eq!(refused.fault(), CertificateFault::OldHash);
    assert!(refused.to_string().contains("SHA-1"), "{refused}");
}

#[tokio::test]
async fn issuer_with_a_short_key_is_told_apart() {
    let chain = format!("{LEAF_BY_SHORT_ROOT}{SHORT_ROOT}");
    let refused = refused(&chain, SERVER_KEY, trusting(SHORT_ROOT)).await;
    assert_eq!(refused.fault(), CertificateFault::ShortKey);
}

#[tokio::test]
async fn certificate_that_is_none_is_told_apart() {
    let chain = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    let refused = refused(chain, SERVER_KEY, Site::new().trusted()).await;
    assert_eq!(refused.fault(), CertificateFault::Unreadable);
}

#[tokio::test]
async fn pinned_certificate_is_accepted_whatever_else_is_wrong_with_it() {
    let (cert, key) = worst();
    for (cert, key) in [(&*cert, &*key), (V1_LEAF, SERVER_KEY), (SHA1_LEAF, SERVER_KEY)] {
        for version in [&TLS12, &TLS13] {
            let (port, task) = serve(cert, key, &[version]).await;
            connect(port, pin(cert)).await.unwrap();
            within(task).await.unwrap();
        }
    }
}

#[tokio::test]
async fn one_of_several_pins_is_enough() {
    let (old, _) = worst();
    accepted(V1_LEAF, SERVER_KEY, pin(&old).pin_certificate(&sha256(V1_LEAF)).unwrap()).await;
}

#[tokio::test]
async fn another_than_the_pinned_certificate_is_refused_although_its_issuer_is_trusted() {
    let site = Site::new();
    let (cert, key) = site.issue("localhost", |_| ());
    let tls = site.trusted().pin_certificate(&sha256(V1_LEAF)).unwrap();
    let refused = refused(&cert, &key, tls).await;
    assert_eq!(refused.fault(), CertificateFault::NotPinned);
    assert!(refused.to_string().ends_with(&sha256(&cert)), "{refused}");
}

#[tokio::test]
async fn pinned_certificate_without_its_key_is_refused() {
    let (_, other_key) = worst();
    for version in [&TLS12, &TLS13] {
        let (port, task) = serve(V1_LEAF, &other_key, &[version]).await;
        let error = connect(port, pin(V1_LEAF)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn extra_root_is_trusted_beside_the_bundled_ones() {
    let site = Site::new();
    let (cert, key) = site.issue("localhost", |_| ());
    let tls = TlsSettings::default().bundled_roots();
    accepted(&cert, &key, tls.clone().extra_ca_pem(site.ca.pem().as_bytes()).unwrap()).await;
    assert_eq!(refused(&cert, &key, tls).await.fault(), CertificateFault::UnknownIssuer);
}
