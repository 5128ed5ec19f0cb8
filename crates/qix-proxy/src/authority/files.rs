//! The two files of an authority.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::AuthorityError;
use crate::private::is_open_to_others;

const CERTIFICATE: &str = "authority.pem";
const KEY: &str = "authority.key";
/// No certificate or key is as large, in bytes.
const LARGEST: u64 = 1 << 20;

/// What is in the files.
pub(super) struct Found {
    /// The file with the certificate.
    pub(super) path: PathBuf,
    pub(super) der: Vec<u8>,
    pub(super) key: KeyPair,
}

/// Writes both files, the key for its owner alone, or neither.
pub(super) fn write(dir: &Path, certificate: &str, key: &str) -> Result<(), AuthorityError> {
    let (certificate_path, key_path) = (dir.join(CERTIFICATE), dir.join(KEY));
    for path in [&certificate_path, &key_path] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(AuthorityError::Exists { path: path.clone() });
        }
    }
    make_folder(dir).map_err(|source| AuthorityError::Write { path: dir.to_owned(), source })?;
    put(&key_path, key, 0o600)?;
    put(&certificate_path, certificate, 0o644).inspect_err(|_| {
        // Of no use alone, and in the way of the next try.
        let _ = fs::remove_file(&key_path);
    })
}

pub(super) fn read(dir: &Path) -> Result<Found, AuthorityError> {
    let (path, key_path) = (dir.join(CERTIFICATE), dir.join(KEY));
    let pem = text(&path, dir, |_| Ok(()))?;
    let key = text(&key_path, dir, |file| refuse_open(file, &key_path))?;
    let garbage = |path: &Path| AuthorityError::Garbage { path: path.to_owned() };
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| garbage(&path))?.to_vec();
    let key = KeyPair::from_pem(&key).map_err(|_| garbage(&key_path))?;
    Ok(Found { path, der, key })
}

fn text(
    path: &Path,
    dir: &Path,
    check: impl FnOnce(&File) -> Result<(), AuthorityError>,
) -> Result<String, AuthorityError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => AuthorityError::Missing { dir: dir.to_owned() },
        io::ErrorKind::InvalidData => AuthorityError::Garbage { path: path.to_owned() },
        _ => AuthorityError::Read { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(failed)?;
    check(&file)?;
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn refuse_open(file: &File, path: &Path) -> Result<(), AuthorityError> {
    match is_open_to_others(file) {
        Ok(false) => Ok(()),
        Ok(true) => Err(AuthorityError::Open { path: path.to_owned() }),
        Err(source) => Err(AuthorityError::Read { path: path.to_owned(), source }),
    }
}

/// Writes a file that must not exist yet, to the disk, or leaves none behind.
fn put(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    let mut file = create(path, mode).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => AuthorityError::Exists { path: path.to_owned() },
        _ => AuthorityError::Write { path: path.to_owned(), source },
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
        let _ = fs::remove_file(path);
        AuthorityError::Write { path: path.to_owned(), source }
    })
}

#[cfg(unix)]
fn create(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn make_folder(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn make_folder(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}
