//! Finds the engine behind the address of a page.

use super::target::{is_parameter, pairs};

/// Returns the engine's path behind a page of the Qlik client, or nothing if the path is that of no such page.
///
/// Sheets are at `/sense/app/ID`, as `@qlik/api` writes them into `reloadUri`; the hub is at `/hub`; single objects are at
/// `/single/?appid=ID`. What stands before is the virtual proxy's prefix. The rest, query and fragment are for the page alone.
pub(super) fn engine_path(page: &str) -> Option<String> {
    let page = &page[..page.find('#').unwrap_or(page.len())];
    let (path, query) = page.split_once('?').map_or((page, None), |(path, query)| (path, Some(query)));
    if let Some((prefix, tail)) = path.split_once("/sense/app/") {
        let app = tail.split('/').next().filter(|app| !app.is_empty())?;
        return Some(format!("{prefix}/app/{app}"));
    }
    if let Some(prefix) = path.trim_end_matches('/').strip_suffix("/single") {
        let (_, app) = pairs(query).find(|(name, _)| is_parameter(name, "appid"))?;
        // A slash would end the app's place in the path.
        return Some(format!("{prefix}/app/{}", app.replace('/', "%2F")));
    }
    let prefix = match path.trim_end_matches('/').strip_suffix("/hub") {
        Some(prefix) => prefix,
        None => path.split_once("/hub/").filter(|(_, page)| HUB_PAGES.contains(&first(page)))?.0,
    };
    // An app, or an identity, may be called so.
    if prefix.split('/').any(|segment| segment == "app") {
        return None;
    }
    Some(format!("{prefix}/app/engineData"))
}

/// The pages below the hub; other things may lie there that are no pages of Qlik.
const HUB_PAGES: &[&str] = &["my", "stream", "insights", "insightadvisor"];

fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_to_their_engine() {
        for (page, expected) in [
            ("/sense/app/ID", "/app/ID"),
            ("/a/b/sense/app/ID/sheet/S/state/analysis?x=1#y", "/a/b/app/ID"),
            ("/sense/app/C%3A%5CSales.qvf/overview", "/app/C%3A%5CSales.qvf"),
            ("/vp/hub", "/vp/app/engineData"),
            ("/hub/", "/app/engineData"),
            ("/vp/hub/my/work", "/vp/app/engineData"),
            ("/hub/stream/S?qlikTicket=1", "/app/engineData"),
            ("/vp/single/?appid=ID&sheet=S", "/vp/app/ID"),
        ] {
            assert_eq!(engine_path(page).as_deref(), Some(expected), "{page}");
        }
    }

    #[test]
    fn other_paths_are_no_pages() {
        for path in [
            "",
            "/",
            "/vp",
            "/app/ID",
            "/hubs",
            "/sense/app/",
            "/single/?sheet=S",
            "/x?y=/hub",
            "/hub/api/rest/oauth2/token",
            "/app/hub",
            "/vp/app/ID/identity/hub",
        ] {
            assert_eq!(engine_path(path), None, "{path}");
        }
    }
}
