//! The files of the page: those that all pages have, and those of a live one.

use std::sync::LazyLock;

use bytes::Bytes;
use qix_protocol::{Effect, effect_of, schema::METHODS};
use serde_json::{Map, Value};

use crate::{
    ask::FORMS,
    view::page::{SCRIPTS, STYLE, linked},
};

/// How the explorer looks.
const EXPLORER_STYLE: &str = include_str!("ui/explorer.css");

/// The scripts that a live page has besides those of all pages, in the order in which they are loaded.
const LIVE: &[(&str, &str)] = &[
    ("live.js", include_str!("ui/live.js")),
    ("skeleton.js", include_str!("ui/skeleton.js")),
    ("form.js", include_str!("ui/form.js")),
    ("snippets.js", include_str!("ui/snippets.js")),
    ("methods.js", include_str!("ui/methods.js")),
    ("explorer.js", include_str!("ui/explorer.js")),
    ("start.js", include_str!("ui/start.js")),
];

static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let names: Vec<_> = LIVE.iter().map(|(name, _)| *name).collect();
    // Browsers ask for an icon where the token is not, unless they are told that there is none.
    let more =
        "<link rel=\"stylesheet\" href=\"explorer.css\">\n<link rel=\"icon\" href=\"data:,\">\n</head>";
    linked(&names, "").replacen("</head>", more, 1).into()
});

/// The interface, and what the calls of each method may change.
static INTERFACE: LazyLock<Bytes> = LazyLock::new(|| {
    let effects: Map<String, Value> = METHODS
        .iter()
        .map(|info| {
            (format!("{}.{}", info.class, info.name), effect(effect_of(info.class, info.name)).into())
        })
        .collect();
    format!("{{\"effects\":{},\"interface\":{}}}", Value::Object(effects), FORMS.trim_end()).into()
});

/// Returns the kind and the text of a file.
pub(super) fn file(path: &str) -> Option<(&'static str, Bytes)> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const LOOK: &str = "text/css; charset=utf-8";
    match path {
        "" => return Some(("text/html; charset=utf-8", PAGE.clone())),
        "style.css" => return Some((LOOK, Bytes::from_static(STYLE.as_bytes()))),
        "explorer.css" => return Some((LOOK, Bytes::from_static(EXPLORER_STYLE.as_bytes()))),
        "interface.json" => return Some(("application/json", INTERFACE.clone())),
        _ => {}
    }
    let script = SCRIPTS.iter().chain(LIVE).find(|(name, _)| *name == path);
    script.map(|(_, text)| (SCRIPT, Bytes::from_static(text.as_bytes())))
}

/// Returns the effect by the number that batches have for it.
fn effect(effect: Effect) -> u8 {
    match effect {
        Effect::Reads => 0,
        Effect::Session => 1,
        Effect::App => 2,
        Effect::Engine => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_names_files_that_are_there_and_has_nothing_inline() {
        let page = String::from_utf8(file("").unwrap().1.to_vec()).unwrap();
        let mut names = Vec::new();
        for part in page.split("src=\"").skip(1).chain(page.split("href=\"").skip(1)) {
            let name = part.split('"').next().unwrap();
            if !name.starts_with('#') && name != "data:," {
                assert!(file(name).is_some(), "{name}");
                names.push(name.to_owned());
            }
        }
        assert!(names.contains(&"live.js".to_owned()) && names.contains(&"explorer.css".to_owned()));
        assert!(!page.contains("<style") && !page.contains("style=\"") && !page.contains("onclick"));
        assert_eq!(page.matches("<script").count(), page.matches("<script src=").count());
    }

    #[test]
    fn scripts_make_no_elements_of_text_and_are_short() {
        for (name, text) in LIVE {
            assert!(text.starts_with("'use strict';") && text.lines().count() < 400, "{name}");
            for way in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
            {
                assert!(!text.contains(way), "{name} has {way}");
            }
        }
    }

    #[test]
    fn interface_has_all_methods_with_types_and_effects() {
        let value: Value = serde_json::from_slice(&file("interface.json").unwrap().1).unwrap();
        assert_eq!(value["interface"]["methods"].as_array().unwrap().len(), METHODS.len());
        assert_eq!(value["effects"]["Doc.DoSave"], 2);
        let names = value["interface"]["methods"].as_array().unwrap();
        let open = names.iter().find(|method| method["name"] == "OpenDoc").unwrap();
        assert_eq!(open["returns"], "Doc");
        assert_eq!(open["params"][0]["type"], "string");
    }
}
