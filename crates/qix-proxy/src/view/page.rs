//! The files of the page, and how they become one.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::lint;

/// The page without styles and scripts; comments say where they go.
const PAGE: &str = include_str!("ui/page.html");

/// How everything looks.
pub(crate) const STYLE: &str = include_str!("ui/style.css");

/// The scripts that every page has, by name, in the order in which they are loaded. What starts the page comes after them.
pub(crate) const SCRIPTS: &[(&str, &str)] = &[
    ("words.js", include_str!("ui/words.js")),
    ("store.js", include_str!("ui/store.js")),
    ("filter.js", include_str!("ui/filter.js")),
    ("table.js", include_str!("ui/table.js")),
    ("tree.js", include_str!("ui/tree.js")),
    ("detail.js", include_str!("ui/detail.js")),
    ("rows.js", include_str!("ui/rows.js")),
    ("paint.js", include_str!("ui/paint.js")),
    ("arrows.js", include_str!("ui/arrows.js")),
    ("overview.js", include_str!("ui/overview.js")),
    ("timeline.js", include_str!("ui/timeline.js")),
    ("gestures.js", include_str!("ui/gestures.js")),
    ("charts.js", include_str!("ui/charts.js")),
    ("tables.js", include_str!("ui/tables.js")),
    ("session.js", include_str!("ui/session.js")),
    ("keys.js", include_str!("ui/keys.js")),
    ("app.js", include_str!("ui/app.js")),
];

/// What starts the page of a report.
const REPORT: &str = include_str!("ui/report.js");

/// A page around data that is written between its two halves.
#[derive(Debug)]
pub(crate) struct Halves {
    /// All up to the data: styles, the bare page, and the scripts, which begin when the page is whole.
    pub(crate) before: String,
    /// All after it.
    pub(crate) after: &'static str,
}

/// Makes the page of a report: everything in it, nothing from a network, and no script but these.
pub(crate) fn report() -> Halves {
    let mut scripts = String::new();
    let mut hashes = String::new();
    for text in SCRIPTS.iter().map(|(_, text)| *text).chain([REPORT]) {
        let _ = writeln!(scripts, "<script>{text}</script>");
        let _ = write!(hashes, " '{}'", hash(text));
    }
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src{hashes}; style-src '{}'; img-src data:; \
         base-uri 'none'; form-action 'none'\">",
        hash(STYLE)
    );
    let style = format!("<style>{STYLE}</style>");
    let page = PAGE.replacen("<!--policy-->", &policy, 1).replacen("<!--style-->", &style, 1);
    let (before, after) = page.split_once("<!--scripts-->").unwrap_or((&page, ""));
    debug_assert_eq!(after.trim(), AFTER.trim());
    Halves { before: format!("{before}{scripts}"), after: AFTER }
}

/// Makes the page of a server, which links these scripts after [`SCRIPTS`], and all of them with `suffix`, such as a token.
pub(crate) fn linked(more: &[&str], suffix: &str) -> String {
    let mut scripts = String::new();
    for name in SCRIPTS.iter().map(|(name, _)| name).chain(more) {
        let _ = writeln!(scripts, "<script src=\"{name}{suffix}\"></script>");
    }
    let style = format!("<link rel=\"stylesheet\" href=\"style.css{suffix}\">");
    PAGE.replacen("<!--policy-->", "", 1).replacen("<!--style-->", &style, 1).replacen(
        "<!--scripts-->",
        &scripts,
        1,
    )
}

/// Says of each rule why it is there and what to do, by its name.
pub(crate) fn explained() -> Value {
    lint::rules()
        .map(|rule| (rule.name.to_owned(), json!({ "reason": rule.why, "remedy": rule.remedy })))
        .collect()
}

/// How every page ends.
const AFTER: &str = "\n</body>\n</html>\n";

/// Returns what a content security policy calls a text.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_or_style_ends_the_element_that_it_is_in() {
        for (name, text) in SCRIPTS.iter().chain([&("report.js", REPORT)]) {
            assert!(!text.contains("</script") && !text.contains("<!--"), "{name}");
            assert!(text.starts_with("'use strict';"), "{name}");
            assert!(text.lines().count() < 400, "{name} is too long");
        }
        assert!(!STYLE.contains("</style"));
    }

    #[test]
    fn no_script_makes_elements_of_text() {
        for (name, text) in SCRIPTS.iter().chain([&("report.js", REPORT)]) {
            for way in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
            {
                assert!(!text.contains(way), "{name} has {way}");
            }
        }
    }

    #[test]
    fn report_has_everything_and_its_policy_names_each_script() {
        let Halves { before, after } = report();
        assert!(!before.contains("<!--") && !before.contains(" src=") && !before.contains("http://"));
        assert_eq!(before.matches("<script>").count(), SCRIPTS.len() + 1);
        assert_eq!(before.matches("sha256-").count(), SCRIPTS.len() + 2);
        assert!(after.ends_with("</html>\n"));
    }
}
