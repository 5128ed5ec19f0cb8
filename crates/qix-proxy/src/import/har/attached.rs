//! Files beside a HAR, as Playwright writes them with `content: 'attach'`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// Reads a body.
pub(super) fn read(folder: Option<&Path>, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut open(folder, name)?, &mut bytes).map_err(|error| unreadable(name, &error))?;
    Ok(bytes)
}

/// Opens a file that has a message in each line.
pub(super) fn lines(folder: Option<&Path>, name: &str) -> Result<io::Lines<BufReader<File>>, String> {
    Ok(BufReader::new(open(folder, name)?).lines())
}

fn open(folder: Option<&Path>, name: &str) -> Result<File, String> {
    let Some(folder) = folder else {
        return Err("its content lies in a file beside the HAR, which standard input has not".to_owned());
    };
    // Whoever has made the HAR must not choose among the files of whoever imports it.
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_name || name.starts_with('.') {
        return Err("its content lies in a file that is not beside the HAR".to_owned());
    }
    let path = folder.join(name);
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() => File::open(path).map_err(|error| unreadable(name, &error)),
        Ok(_) => Err(format!("its content, {name}, is no file")),
        Err(error) => Err(unreadable(name, &error)),
    }
}

/// Says that a file beside the HAR cannot be read.
pub(super) fn unreadable(name: &str, error: &io::Error) -> String {
    format!("its content, in {name} beside the HAR, cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_beside_the_har_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("har");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        std::fs::write(inner.join("a.jsonl"), "1\n2\n").unwrap();
        assert_eq!(read(Some(&inner), "a.jsonl").unwrap(), b"1\n2\n");
        assert_eq!(lines(Some(&inner), "a.jsonl").unwrap().count(), 2);
        for name in ["../secret", "/etc/hostname", "..", ".", "", "missing"] {
            assert!(read(Some(&inner), name).is_err(), "{name}");
        }
        assert!(read(None, "a.jsonl").unwrap_err().contains("standard input"));
    }
}
