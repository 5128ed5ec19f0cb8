//! What an app has.

use crate::support::{app, bounded, engine};

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
    let measure = serde_json::json!({
        "qInfo": {"qType": "measure"},
        "qMeasure": {"qDef": "Count(Sales)"},
        "qMetaDef": {"title": "How many"},
    });
    doc.create_measure(&measure).await.unwrap();
    let now = bounded(live.next()).await.unwrap().unwrap();
    assert_eq!(now.iter().map(|measure| &*measure.title).collect::<Vec<_>>(), ["Total sales", "How many"]);
}
