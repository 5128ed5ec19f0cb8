//! What programs do with an app, at a fake engine.

use qix_client::ErrorKind;

use crate::support::{bounded, engine, sales, session};

#[tokio::test]
async fn script_is_read_changed_and_written_by_sections() {
    let engine = engine().await;
    let doc = sales(&session(&engine.url("engineData")).await).await;
    let mut script = bounded(doc.script()).await.unwrap();
    assert!(script.section("Main").unwrap().text.contains("LOAD Region"));
    script.section_mut("Later").text.push_str("SET x = 1;\r\n");
    bounded(doc.set_script(&script.to_string())).await.unwrap();
    assert_eq!(bounded(doc.script()).await.unwrap(), script);
    assert!(bounded(doc.script_faults()).await.unwrap().is_empty());
}

#[tokio::test]
async fn variables_are_set_and_read_by_name() {
    let engine = engine().await;
    let doc = sales(&session(&engine.url("engineData")).await).await;
    let variable = bounded(doc.session_variable("vNew", 2026)).await.unwrap();
    assert_eq!(bounded(doc.variable_value("vNew")).await.unwrap().number, 2026.0);
    bounded(doc.set_variable("vNew", "North")).await.unwrap();
    assert_eq!(bounded(doc.variable_value("vNew")).await.unwrap().text, "North");
    // It goes with what holds it.
    drop(variable);
    assert_eq!(bounded(doc.set_variable("vNew", 1)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn bookmark_brings_back_what_was_selected() {
    let engine = engine().await;
    let doc = sales(&session(&engine.url("engineData")).await).await;
    bounded(doc.field("Region").select_values(["North"])).await.unwrap();
    let bookmark = bounded(doc.bookmark_selections("North only")).await.unwrap();
    bounded(doc.clear_all()).await.unwrap();
    bounded(doc.select_bookmark(bookmark.id().unwrap())).await.unwrap();
    let selected = bounded(doc.current_selections().once()).await.unwrap().selections;
    assert_eq!((selected[0].field.as_str(), selected[0].selected.as_str()), ("Region", "North"));
    let titles: Vec<String> =
        bounded(doc.bookmarks()).await.unwrap().iter().map(|bookmark| bookmark.title.clone()).collect();
    assert!(titles.contains(&"North only".to_owned()), "{titles:?}");
    assert!(bounded(doc.select_bookmark("none")).await.is_err());
}

#[tokio::test]
async fn master_items_are_made_of_a_title_and_an_expression() {
    let engine = engine().await;
    let doc = sales(&session(&engine.url("engineData")).await).await;
    bounded(doc.add_dimension("Place and thing", &["Region", "Product"])).await.unwrap();
    bounded(doc.add_measure("Best", "Max(Sales)")).await.unwrap();
    let dimensions = bounded(doc.dimensions()).await.unwrap();
    let dimension = dimensions.iter().find(|item| item.title == "Place and thing").unwrap();
    assert_eq!(dimension.definition.field_defs, ["Region", "Product"]);
    let measures = bounded(doc.measures()).await.unwrap();
    assert_eq!(measures.iter().find(|item| item.title == "Best").unwrap().definition.def, "Max(Sales)");
}

#[tokio::test]
async fn data_model_has_tables_with_their_fields() {
    let engine = engine().await;
    let doc = sales(&session(&engine.url("engineData")).await).await;
    let model = bounded(doc.data_model()).await.unwrap();
    assert_eq!(model.table("Sales").unwrap().no_of_rows, 200);
    assert!(model.fields().any(|(table, field)| table.name == "Sales" && field.name == "Region"));
    assert!(model.keys.is_empty());
}

#[tokio::test]
async fn check_names_what_an_expression_has_wrong() {
    let engine = engine().await;
    let doc = sales(&session(&engine.url("engineData")).await).await;
    assert!(bounded(doc.check("Sum(Sales)")).await.unwrap().is_fine());
    assert_eq!(bounded(doc.check("Sum(Sails)")).await.unwrap().unknown, ["Sails"]);
    assert!(bounded(doc.check("Sum(")).await.unwrap().error.is_some());
}
