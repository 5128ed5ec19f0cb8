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
    let hub = path.find("/hub").filter(|at| matches!(path.as_bytes().get(at + 4), None | Some(b'/')))?;
    Some(format!("{}/app/engineData", &path[..hub]))
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
            ("/hub/stream/S?qlikTicket=1", "/app/engineData"),
            ("/vp/single/?appid=ID&sheet=S", "/vp/app/ID"),
        ] {
            assert_eq!(engine_path(page).as_deref(), Some(expected), "{page}");
        }
    }

    #[test]
    fn other_paths_are_no_pages() {
        for path in ["", "/", "/vp", "/app/ID", "/hubs", "/sense/app/", "/single/?sheet=S", "/x?y=/hub"] {
            assert_eq!(engine_path(path), None, "{path}");
        }
    }
}
