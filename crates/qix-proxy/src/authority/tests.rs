use std::fs;

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn settings(constraints: &[&str]) -> AuthoritySettings {
    constraints.iter().fold(AuthoritySettings::default(), |settings, host| settings.name_constraint(*host))
}

/// Says whether somebody who trusts the authority takes its leaf for `host`.
fn accepted(authority: &Authority, leaf: &[u8], host: &str) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.certificate_path()).unwrap()).unwrap();
    let provider = ring::default_provider().into();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    verifier.verify_server_cert(&leaf.to_vec().into(), &[], &name, &[], UnixTime::now()).map(|_| ())
}

#[test]
fn leaves_are_accepted_by_whoever_trusts_the_authority() {
    for constraints in
        [&[][..], &["*.qlikcloud.com", "localhost", "127.0.0.0/8", "::1"], &["127.0.0.1", "::1"]]
    {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path().join("a/b"), &settings(constraints)).unwrap();
        let hosts = ["tenant.eu.qlikcloud.com", "localhost", "127.0.0.1", "::1"];
        for host in hosts.into_iter().filter(|host| authority.permits(host).is_ok()) {
            let leaf = authority.leaf(host).unwrap();
            accepted(&authority, leaf.certificate(), host).unwrap();
            assert!(accepted(&authority, leaf.certificate(), "other.example").is_err());
        }
    }
}

#[test]
fn no_two_leaves_have_the_same_number_for_browsers_refuse_the_second() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path(), &settings(&[])).unwrap();
    let serial = |host: &str| {
        let leaf = authority.leaf(host).unwrap();
        let (_, x509) = x509_parser::parse_x509_certificate(leaf.certificate()).unwrap();
        x509.raw_serial().to_vec()
    };
    let serials = [serial("a.example"), serial("b.example")];
    assert_ne!(serials[0], serials[1]);
    // RFC 5280 has them positive, and of 20 bytes at most.
    assert!(serials.iter().all(|serial| (1..=20).contains(&serial.len()) && serial[0] < 0x80));
}

#[test]
fn authority_that_would_be_of_no_use_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    for validity in [Duration::ZERO, Duration::from_millis(1), DAY * 365 * 1000] {
        let error = Authority::create(dir.path(), &settings(&[]).validity(validity)).unwrap_err();
        assert!(matches!(error, AuthorityError::Validity), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn host_outside_the_name_constraints_gets_no_leaf_and_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path(), &settings(&["*.qlikcloud.com"])).unwrap();
    for host in ["bank.example", "127.0.0.1"] {
        let error = authority.leaf(host).unwrap_err().to_string();
        assert!(error.contains("qlikcloud.com only") && error.contains(host), "{error}");
    }
    assert_eq!(authority.name_constraints().collect::<Vec<_>>(), ["qlikcloud.com"]);
}

#[test]
fn others_refuse_leaves_outside_the_name_constraints_too() {
    for (constraints, host) in [
        (&["qlikcloud.com"][..], "bank.example"),
        (&["qlikcloud.com"], "127.0.0.1"),
        (&["10.0.0.0/8"], "a.example"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut authority = Authority::create(dir.path(), &settings(constraints)).unwrap();
        // As whoever has stolen the key would do.
        authority.constraints = Constraints::default();
        let leaf = authority.leaf(host).unwrap();
        assert!(accepted(&authority, leaf.certificate(), host).is_err(), "{host}");
    }
}

#[test]
fn authority_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::create(dir.path(), &settings(&[])).unwrap();
    let before = fs::read(first.certificate_path()).unwrap();
    let error = Authority::create(dir.path(), &settings(&[])).unwrap_err();
    assert!(matches!(error, AuthorityError::Exists { .. }), "{error}");
    fs::remove_file(first.certificate_path()).unwrap();
    let error = Authority::create(dir.path(), &settings(&[])).unwrap_err();
    assert!(matches!(error, AuthorityError::Exists { .. }), "{error}");
    fs::write(first.certificate_path(), before).unwrap();
    Authority::open(dir.path()).unwrap();
}

#[cfg(unix)]
#[test]
fn key_is_for_its_owner_and_refused_if_others_can_read_it() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new");
    Authority::create(&folder, &settings(&[])).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let key = folder.join("authority.key");
    assert_eq!((mode(&folder), mode(&key)), (0o700, 0o600));
    for open in [0o640, 0o604, 0o666] {
        fs::set_permissions(&key, fs::Permissions::from_mode(open)).unwrap();
        let error = Authority::open(&folder).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod 600 {}", key.display())), "{error}");
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Authority::create(one.path(), &settings(&[])).unwrap();
    let second = Authority::create(two.path(), &settings(&[])).unwrap();
    fs::copy(first.certificate_path(), second.certificate_path()).unwrap();
    assert!(matches!(Authority::open(two.path()), Err(AuthorityError::Mismatch { .. })));
    fs::write(second.certificate_path(), "nothing").unwrap();
    assert!(matches!(Authority::open(two.path()), Err(AuthorityError::Garbage { .. })));
    let leaf = first.leaf("localhost").unwrap();
    let pem = rcgen::CertificateParams::default().self_signed(first.issuer.key()).unwrap().pem();
    fs::write(first.certificate_path(), pem).unwrap();
    assert!(matches!(Authority::open(one.path()), Err(AuthorityError::NoAuthority { .. })));
    assert!(!leaf.certificate().is_empty());
    assert!(matches!(Authority::open(one.path().join("none")), Err(AuthorityError::Missing { .. })));
}

#[test]
fn expired_authority_is_refused_and_makes_nothing() {
    let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let authority = Authority::create_at(dir.path(), &settings(&[]).validity(10 * DAY), now).unwrap();
    assert!(Authority::open_at(dir.path(), now + 9 * DAY).is_ok());
    let later = now + 11 * DAY;
    assert!(matches!(Authority::open_at(dir.path(), later), Err(AuthorityError::Expired { .. })));
    assert!(matches!(authority.leaf_for(&["localhost".into()], later), Err(AuthorityError::Expired { .. })));
}

#[test]
fn leaves_live_a_month_at_most_and_not_longer_than_the_authority() {
    let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let authority = Authority::create_at(dir.path(), &settings(&[]).validity(40 * DAY), now).unwrap();
    let leaf = |now| authority.leaf_for(&["localhost".into()], now).unwrap();
    let first = leaf(now);
    assert_eq!(first.not_after(), now + 30 * DAY);
    assert_eq!(leaf(now + 20 * DAY).certificate(), first.certificate(), "the same as long as it is good");
    let second = leaf(now + 30 * DAY);
    assert!(second.certificate() != first.certificate());
    assert_eq!(second.not_after(), authority.certificate().not_after());
}

#[test]
fn leaves_that_were_not_used_for_long_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path(), &settings(&[])).unwrap();
    let first = authority.leaf("localhost").unwrap();
    for host in 0..300 {
        authority.leaf(&format!("h{host}.example")).unwrap();
        assert_eq!(authority.leaf("localhost").unwrap().certificate(), first.certificate());
    }
    assert_eq!(authority.leaves.lock().unwrap().len(), 256);
}

#[test]
fn debug_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path(), &settings(&[])).unwrap();
    let shown = format!("{authority:?} {:?}", authority.leaf("localhost").unwrap());
    assert!(!shown.contains("PRIVATE") && shown.len() < 3000, "{shown}");
}
