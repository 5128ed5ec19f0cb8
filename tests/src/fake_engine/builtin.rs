//! The apps that exist from the start: `Sales.qvf` and `Empty.qvf`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::app::{App, Kind};
use super::config::Otherwise;
use super::selection::{FieldSelection, Fields};
use super::table::{Table, sales};

/// Returns the built-in apps.
pub(crate) fn apps(rows: usize, otherwise: &Otherwise) -> Vec<App> {
    vec![sales_app(rows, otherwise), App::new("Empty.qvf", "Empty", Arc::new(Table::default()))]
}

fn sales_app(rows: usize, otherwise: &Otherwise) -> App {
    let mut table = sales(rows);
    if let Some((row, quarters)) = otherwise.sales {
        table.set_number("Sales", row, quarters as f64 / 4.0);
    }
    let mut app = App::new("Sales.qvf", "Sales", Arc::new(table));
    app.script = "///$tab Main\r\nSales:\r\nLOAD Region, Product, Month, Year, Sales, Quantity\r\n\
                  FROM [lib://Data/sales.qvd] (qvd);\r\n"
        .to_owned();
    for (kind, props) in library() {
        app.insert(kind, props, None, true);
    }
    if let Some(bookmark) = app.entities.get_mut("BM01") {
        let values = [0].into();
        bookmark.fields = Fields::from([("Region".to_owned(), FieldSelection { values, locked: false })]);
    }
    if let (Some(definition), Some(measure)) = (&otherwise.measure, app.entities.get_mut("MEA01")) {
        measure.props["qMeasure"]["qDef"] = json!(definition);
    }
    for (parent, props) in objects() {
        app.insert(Kind::Object, props, parent, true);
    }
    app
}

fn library() -> Vec<(Kind, Value)> {
    vec![
        (
            Kind::Dimension,
            json!({
                "qInfo": {"qId": "DIM01", "qType": "dimension"},
                "qDim": {"qGrouping": "N", "qFieldDefs": ["Region"], "qFieldLabels": ["Region"]},
                "qMetaDef": {"title": "Sales region", "description": "Where it was sold", "tags": ["geo"]},
            }),
        ),
        (
            Kind::Measure,
            json!({
                "qInfo": {"qId": "MEA01", "qType": "measure"},
                "qMeasure": {"qLabel": "Total sales", "qDef": "Sum(Sales)"},
                "qMetaDef": {"title": "Total sales", "description": "", "tags": []},
            }),
        ),
        (
            Kind::Bookmark,
            json!({
                "qInfo": {"qId": "BM01", "qType": "bookmark"},
                "qMetaDef": {"title": "First region", "description": ""},
                "creationDate": "2026-01-15T08:00:00.000Z",
                "sheetId": "SH01",
            }),
        ),
        (
            Kind::Variable,
            json!({
                "qInfo": {"qId": "VAR01", "qType": "variable"},
                "qName": "vFactor",
                "qComment": "A factor for what-if sums",
                "qNumberPresentation": {},
                "qDefinition": "2",
                "qIncludeInBookmark": false,
            }),
        ),
    ]
}

fn objects() -> Vec<(Option<&'static str>, Value)> {
    let sheet = |id: &str, title: &str, rank: u32, chart: &str, kind: &str| {
        json!({
            "qInfo": {"qId": id, "qType": "sheet"},
            "qMetaDef": {"title": title, "description": ""},
            "rank": rank,
            "thumbnail": {"qStaticContentUrlDef": {}},
            "columns": 24,
            "rows": 12,
            "cells": [{"name": chart, "type": kind, "col": 0, "row": 0, "colspan": 12, "rowspan": 6}],
            "qChildListDef": {"qData": {"title": "/title"}},
        })
    };
    vec![
        (None, sheet("SH01", "Overview", 0, "CH11", "barchart")),
        (None, sheet("SH02", "Détails \"all\"", 1, "CH12", "kpi")),
        (Some("SH01"), bar_chart("CH11", "Sales by product", "Product")),
        (
            Some("SH02"),
            json!({
                "qInfo": {"qId": "CH12", "qType": "kpi"},
                "title": {"qStringExpression": {"qExpr": "='Sales of ' & Count(DISTINCT Region) & ' regions'"}},
                "doubled": {"qValueExpression": {"qExpr": "=Sum(Sales)*vFactor"}},
                "qHyperCubeDef": {
                    "qDimensions": [],
                    "qMeasures": [{"qLibraryId": "MEA01"}],
                    "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 1, "qHeight": 1}],
                },
            }),
        ),
        (
            None,
            json!({
                "qInfo": {"qId": "LB01", "qType": "listbox"},
                "title": "Region",
                "qListObjectDef": {
                    "qStateName": "$",
                    "qDef": {"qFieldDefs": ["Region"], "qSortCriterias": [{"qSortByLoadOrder": 1}]},
                    "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 1, "qHeight": 100}],
                },
            }),
        ),
        (None, bar_chart("CH01", "Sales by region", "Region")),
    ]
}

fn bar_chart(id: &str, title: &str, field: &str) -> Value {
    json!({
        "qInfo": {"qId": id, "qType": "barchart"},
        "title": title,
        "visualization": "barchart",
        "qHyperCubeDef": {
            "qDimensions": [{"qDef": {"qFieldDefs": [field], "qSortCriterias": [{"qSortByAscii": 1}]}}],
            "qMeasures": [{"qDef": {"qDef": "Sum(Sales)", "qLabel": "Sales"}}],
            "qInterColumnSortOrder": [0, 1],
            "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 500}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_under_its_own_id_and_children_hang_under_their_sheet() {
        let apps = apps(50, &Otherwise::default());
        let sales = &apps[0];
        assert_eq!((sales.id.as_str(), sales.title.as_str()), ("Sales.qvf", "Sales"));
        assert!(sales.entities.iter().all(|(id, entity)| id == entity.id()));
        assert_eq!(sales.entities["SH01"].children, ["CH11"]);
        assert_eq!(sales.entities["CH12"].parent.as_deref(), Some("SH02"));
        assert!(apps[1].entities.is_empty());
    }
}
