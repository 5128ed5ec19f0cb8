//! Whether a file is its owner's alone.

use std::{fs::File, io};

/// Returns whether others than its owner can read or write a file.
#[cfg(unix)]
pub(crate) fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;

    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Returns whether others than its owner can read or write a file. Where rights are not those of Unix, the folder decides.
#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}
