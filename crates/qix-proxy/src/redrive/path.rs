//! The path of a live connection, from that of the recorded one.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::RedriveSettings;
use crate::{record::MASK, replay::SessionPath};

/// What a segment of a path cannot have as it is.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'\\');

/// Returns path and query: those of the recording, with an identity of this run so that nobody else is in the session, the app that
/// is taken for the recorded one, and without secrets that the recording does not have.
pub(super) fn live(recorded: &str, identity: &str, settings: &RedriveSettings) -> String {
    let (path, query) = recorded.split_once('?').unwrap_or((recorded, ""));
    let parsed = SessionPath::parse(path);
    let mut live = parsed.bare.clone();
    if !parsed.app.is_empty() {
        let name = percent_decode_str(&parsed.app).decode_utf8_lossy();
        if let Some(other) = settings.other_app(&name) {
            let (from, to) = (format!("/app/{}", parsed.app), utf8_percent_encode(other, SEGMENT));
            live = live.replacen(&from, &format!("/app/{to}"), 1);
        }
        live.push_str(&format!("/identity/{identity}"));
        if let Some(ttl) = parsed.ttl {
            live.push_str(&format!("/ttl/{}", ttl.as_secs()));
        }
    } else if path.ends_with('/') || live.is_empty() {
        live.push('/');
    }
    let kept: Vec<_> = query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(MASK)).collect();
    if !kept.is_empty() {
        live.push_str(&format!("?{}", kept.join("&")));
    }
    live
}

/// Returns the app that a path names, if it names one.
pub(super) fn app(path: &str) -> Option<String> {
    let parsed = SessionPath::parse(path);
    let name = percent_decode_str(&parsed.app).decode_utf8_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_path_has_an_identity_of_its_own_the_other_app_and_no_masked_secrets() {
        let settings = RedriveSettings::default().app("a/b", "c d");
        for (recorded, path) in [
            ("/app/x", "/app/x/identity/me"),
            ("/vp/app/x/identity/1/ttl/60?a=1", "/vp/app/x/identity/me/ttl/60?a=1"),
            ("/app/a%2Fb?qlikTicket=***&reloadUri=1", "/app/c%20d/identity/me?reloadUri=1"),
            ("/app/", "/app/"),
            ("/", "/"),
            ("", "/"),
        ] {
            assert_eq!(live(recorded, "me", &settings), path, "{recorded}");
        }
        assert_eq!((app("/app/a%2Fb/ttl/1").as_deref(), app("/")), (Some("a/b"), None));
    }
}
