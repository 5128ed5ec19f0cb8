//! Files of a folder.

use std::path::{Path, PathBuf};

use hyper::StatusCode;

use super::super::http::decode;
use super::answers::{Answer, error, set, typed};

/// Answers with the file that a path names, if there is one.
pub(super) async fn serve(folder: &Path, path: &str) -> Answer {
    let missing = || error(StatusCode::NOT_FOUND, "Not found");
    let Some(file) = locate(folder, path) else { return missing() };
    let kind = kind(&file);
    let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
    let Ok(Ok(bytes)) = read else { return missing() };
    let mut answer = typed(StatusCode::OK, kind, bytes);
    // What a browser keeps would not come through a proxy the next time.
    set(&mut answer, "cache-control", "no-store");
    answer
}

fn locate(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut file = folder.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()).map(decode) {
        // Nothing outside of the folder, on whatever system.
        if part.starts_with('.') || part.contains(['/', '\\', ':', '\0']) {
            return None;
        }
        file.push(part);
    }
    if path.is_empty() || path.ends_with('/') {
        file.push("index.html");
    }
    Some(file)
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let folder = Path::new("/pages");
        assert_eq!(locate(folder, "/a/b.js"), Some(PathBuf::from("/pages/a/b.js")));
        assert_eq!(locate(folder, "/a/"), Some(PathBuf::from("/pages/a/index.html")));
        assert_eq!(locate(folder, ""), Some(PathBuf::from("/pages/index.html")));
        for path in ["/../x", "/a/%2e%2e/x", "/a%2fb", "/..%5cx", "/c:x", "/.hidden", "/%00"] {
            assert_eq!(locate(folder, path), None, "{path}");
        }
    }
}
