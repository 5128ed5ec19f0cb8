//! The page that compares clients names tests that are there.

use std::path::Path;

#[test]
fn every_link_of_the_comparison_leads_to_a_file_and_a_test() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = std::fs::read_to_string(docs.join("comparison.md")).unwrap();
    let mut count = 0;
    for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let (path, name) = link.split_once('#').unwrap_or((link, ""));
        let text = std::fs::read_to_string(docs.join(path)).unwrap_or_else(|error| panic!("{link}: {error}"));
        assert!(name.is_empty() || text.contains(&format!("fn {name}(")), "{link}: no such test");
        count += 1;
    }
    assert!(count > 50, "only {count} links were found");
}
