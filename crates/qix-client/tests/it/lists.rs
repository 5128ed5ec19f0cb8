//! What an app has.

use qix_client::{SessionConfig, testing::ScriptedEngine};
use serde_json::json;

use crate::support::{app, bounded, doc, engine, scripted};

#[tokio::test]
async fn sheets_have_titles_ranks_and_cells_and_their_charts_can_be_opened() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let sheets = doc.sheets().await.unwrap();
    let titles: Vec<(&str, &str, f64)> =
        sheets.iter().map(|sheet| (&*sheet.id, &*sheet.title, sheet.rank)).collect();
    assert_eq!(titles, [("SH01", "Overview", 0.0), ("SH02", "Détails \"all\"", 1.0)]);
    let cell = &sheets[0].cells[0];
    assert_eq!((&*cell.name, &*cell.kind, cell.col_span, cell.row_span), ("CH11", "barchart", 12, 6));
    assert_eq!((sheets[0].columns, sheets[0].rows), (24, 12));
    let children = doc.get_object("SH01").await.unwrap().children().await.unwrap();
    assert_eq!(children.iter().map(|child| child.id().unwrap()).collect::<Vec<_>>(), ["CH11"]);
    assert_eq!(engine.session_objects(), 0, "a list that was read once leaves nothing behind");
}

#[tokio::test]
async fn library_variables_fields_and_bookmarks_are_listed() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let dimensions = doc.dimensions().await.unwrap();
    assert_eq!(
        (&*dimensions[0].title, &dimensions[0].definition.field_defs[..]),
        ("Sales region", &["Region".to_owned()][..])
    );
    assert_eq!(
        (&*dimensions[0].description, &dimensions[0].tags[..]),
        ("Where it was sold", &["geo".to_owned()][..])
    );
    let measures = doc.measures().await.unwrap();
    assert_eq!((&*measures[0].title, &*measures[0].definition.def), ("Total sales", "Sum(Sales)"));
    let bookmarks = doc.bookmarks().await.unwrap();
    assert_eq!((&*bookmarks[0].id, &*bookmarks[0].sheet_id), ("BM01", "SH01"));
    let variables = doc.variables().await.unwrap();
    assert_eq!((&*variables[0].name, &*variables[0].definition), ("vFactor", "2"));
    let fields = doc.fields().await.unwrap();
    assert_eq!(fields.iter().map(|field| &*field.name).collect::<Vec<_>>()[..2], ["Region", "Product"]);
    assert!(doc.stories().await.unwrap().is_empty());
    assert!(doc.objects_of_type("masterobject", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_follow_changes_of_the_app() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let mut live = doc.measures().live().await.unwrap();
    assert_eq!(bounded(live.next()).await.unwrap().unwrap().len(), 1);
    let measure = json!({
        "qInfo": {"qType": "measure"},
        "qMeasure": {"qDef": "Count(Sales)"},
        "qMetaDef": {"title": "How many"},
    });
    doc.create_measure(&measure).await.unwrap();
    let now = bounded(live.next()).await.unwrap().unwrap();
    assert_eq!(now.iter().map(|measure| &*measure.title).collect::<Vec<_>>(), ["Total sales", "How many"]);
}

#[tokio::test(start_paused = true)]
async fn sheets_come_in_the_order_that_they_are_shown_in_and_an_empty_list_is_empty() {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default()).await;
    let doc = doc(&engine, &session).await;
    engine.expect("DestroySessionObject").any_times().answer(json!({"qSuccess": true}));
    let sheet = |id: &str, rank: serde_json::Value| json!({"qInfo": {"qId": id}, "qData": {"rank": rank}});
    let sheets = json!([
        sheet("B", json!(2)),
        sheet("none", json!("NaN")),
        sheet("C", json!(1.5)),
        sheet("A", json!(1))
    ]);
    engine.expect("CreateSessionObject").open(2, "GenericObject");
    engine.expect("GetLayout").answer(json!({"qLayout": {"qAppObjectList": {"qItems": sheets}}}));
    let sheets = bounded(doc.sheets()).await.unwrap();
    let ids: Vec<&str> = sheets.iter().map(|sheet| &*sheet.id).collect();
    assert_eq!(ids, ["none", "A", "C", "B"]);
    // Members that have their default may be left out.
    engine.expect("CreateSessionObject").open(3, "GenericObject");
    engine.expect("GetLayout").answer(json!({"qLayout": {"qBookmarkList": {}}}));
    assert!(bounded(doc.bookmarks()).await.unwrap().is_empty());
    engine.expect("CreateSessionObject").open(4, "GenericObject");
    engine.expect("GetLayout").answer(json!({"qLayout": {}}));
    bounded(doc.bookmarks()).await.unwrap_err();
}
