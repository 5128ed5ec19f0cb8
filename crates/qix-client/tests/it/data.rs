//! Hypercubes and list objects.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use qix_client::{
    ErrorKind,
    data::{
        Cell, CellState, CubeDef, DataError, Dimension, Dual, Element, HyperCube, ListDef, ListObject,
        Measure, Part, PivotRow, Size, Sort, stack_paths, tree_paths,
    },
    protocol::ErrorCode,
};
use qix_tests::fake_engine::Request;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{app, bounded, engine, engine_with};

/// Sales by region, in the order of their names.
fn by_region() -> CubeDef {
    CubeDef::new()
        .dimension(Dimension::field("Region").sort(Sort::by_text()))
        .measure(Measure::expression("Sum(Sales)").label("Total sales"))
}

/// A row for each row of the table.
fn wide() -> CubeDef {
    ["Region", "Product", "Month", "Year", "Quantity", "Sales"]
        .into_iter()
        .fold(CubeDef::new(), |def, field| def.dimension(field))
        .measure("Sum(Sales)")
}

/// How many cells each call for data has asked for.
fn cells_asked(requests: &[Request]) -> Vec<u64> {
    let cells = |request: &Request| {
        let pages = request.params[1].as_array().unwrap().clone();
        pages.iter().map(|page| page["qWidth"].as_u64().unwrap() * page["qHeight"].as_u64().unwrap()).sum()
    };
    requests.iter().filter(|request| request.method == "GetHyperCubeData").map(cells).collect()
}

#[tokio::test]
async fn rows_come_as_tuples_structs_and_maps() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct ByName {
        #[serde(rename = "Total sales")]
        sales: f64,
        #[serde(rename = "Region")]
        region: Region,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Region {
        East,
        North,
        South,
        West,
    }

    #[derive(Debug, Deserialize)]
    struct Both(Cell, Dual);

    #[derive(Debug, Deserialize)]
    struct Numbered {
        #[serde(rename = "1")]
        sales: f32,
    }

    let engine = engine().await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(by_region()).await.unwrap();
    assert_eq!(cube.size().await.unwrap(), Size { rows: 4, columns: 2 });
    let tuples: Vec<(String, f64)> = bounded(cube.rows().try_collect()).await.unwrap();
    assert_eq!(tuples.iter().map(|row| &*row.0).collect::<Vec<_>>(), ["East", "North", "South", "West"]);
    let total = doc.evaluate_ex("Sum(Sales)").await.unwrap().number.get();
    assert!((tuples.iter().map(|row| row.1).sum::<f64>() - total).abs() < 1e-9);
    let structs: Vec<ByName> = cube.all().await.unwrap();
    assert_eq!(structs[1], ByName { sales: tuples[1].1, region: Region::North });
    let maps: Vec<HashMap<String, Value>> = cube.all().await.unwrap();
    assert_eq!(maps[3]["Region"], "West");
    assert_eq!(maps[3]["Total sales"].as_f64(), Some(tuples[3].1));
    let both: Vec<Both> = cube.all().await.unwrap();
    assert_eq!((&*both[0].0.text, both[0].0.state, both[0].0.null), ("East", CellState::Optional, false));
    assert!(both[0].0.number.is_nan());
    assert_eq!(both[0].1.number, tuples[0].1);
    let numbered: Vec<Numbered> = cube.all().await.unwrap();
    assert_eq!(f64::from(numbered[2].sales), tuples[2].1);
    let elements: Vec<(Element, Option<f64>)> = cube.all().await.unwrap();
    assert_eq!(elements[0].0, Element(both[0].0.element));
    let lists: Vec<Vec<String>> = cube.all().await.unwrap();
    assert_eq!(lists[0][0], "East");
}

#[tokio::test]
async fn row_that_does_not_fit_says_where_and_why_and_rows_go_on() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(by_region()).await.unwrap();
    let mut rows = cube.rows::<(u32, f64)>();
    for row in 0..4 {
        let error = bounded(rows.try_next()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        let Some(DataError::Row { row: at, reason }) = error.data() else { panic!("{error:?}") };
        assert_eq!(*at, row);
        assert!(
            reason.starts_with("column 0, \"Region\": ") && reason.ends_with("is no whole number"),
            "{reason}"
        );
    }
    assert!(bounded(rows.try_next()).await.unwrap().is_none());
    let error = cube.all::<(String,)>().await.unwrap_err();
    assert!(error.data().unwrap().to_string().contains("there are 2 columns, and 1 are asked for"));

    #[derive(Debug, Deserialize)]
    struct Other {
        #[expect(dead_code, reason = "never read")]
        #[serde(rename = "Umsatz")]
        sales: f64,
    }
    let error = cube.all::<Other>().await.unwrap_err();
    assert!(error.data().unwrap().to_string().contains(r#"the columns are ["Region", "Total sales"]"#));
}

#[tokio::test]
async fn large_cube_comes_in_calls_of_at_most_ten_thousand_cells_and_each_row_once() {
    let engine = engine_with(|config| config.rows = 5_000).await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(wide()).await.unwrap();
    let size = cube.size().await.unwrap();
    let rows: Vec<Vec<Value>> = bounded(cube.rows().prefetch(2).try_collect()).await.unwrap();
    assert_eq!(rows.len(), size.rows);
    let cells = cells_asked(&engine.requests());
    assert!(cells.len() > 2 && cells.iter().all(|cells| *cells <= 10_000), "{cells:?}");
    assert_eq!(cells.iter().sum::<u64>() as usize, size.rows * size.columns);
    let total = doc.evaluate_ex("Sum(Sales)").await.unwrap().number.get();
    let sum: f64 = rows.iter().map(|row| row[6].as_f64().unwrap()).sum();
    assert!((sum - total).abs() < 1e-6 * total);
    // A window costs what it shows.
    let window: Vec<Vec<Value>> = bounded(cube.rows().within(100..110).try_collect()).await.unwrap();
    assert_eq!(window[..], rows[100..110]);
    assert_eq!(cells_asked(&engine.requests()).last(), Some(&70));
}

#[tokio::test]
async fn engine_with_a_lower_limit_is_asked_for_less() {
    for (limit, width) in [(500, 7), (3, 7)] {
        let engine = engine_with(|config| config.cell_limit = limit).await;
        let doc = app(&engine).await;
        let cube = doc.hypercube(wide()).await.unwrap();
        let rows: Vec<Vec<Value>> = bounded(cube.rows().within(..40).try_collect()).await.unwrap();
        assert_eq!((rows.len(), rows[0].len()), (40, width), "limit {limit}");
        // It is found once, and not again with each page.
        let asked = cells_asked(&engine.requests());
        assert!(asked.iter().filter(|cells| **cells > limit as u64).count() < 16, "{asked:?}");
    }
}

#[tokio::test]
async fn first_rows_that_came_with_the_layout_are_not_fetched() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(by_region().initial_rows(100)).await.unwrap();
    assert_eq!(cube.all::<(String, f64)>().await.unwrap().len(), 4);
    assert_eq!(engine.count("GetHyperCubeData"), 0);
    let cube = doc.hypercube(by_region().initial_rows(1)).await.unwrap();
    let rows: Vec<(String, f64)> = cube.all().await.unwrap();
    assert_eq!(rows.iter().map(|row| &*row.0).collect::<Vec<_>>(), ["East", "North", "South", "West"]);
    assert_eq!(cells_asked(&engine.requests()), [6]);
}

#[tokio::test]
async fn errors_inside_layouts_are_errors() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(by_region().only_if("1=0", "Select a region")).await.unwrap();
    let error = cube.all::<(String, f64)>().await.unwrap_err();
    assert!(matches!(error.data(), Some(DataError::Condition { .. })), "{error:?}");
    let cube = doc.hypercube(by_region().dimension("No such field")).await.unwrap();
    let error = cube.size().await.unwrap_err();
    let Some(DataError::Invalid { part, code, .. }) = error.data() else { panic!("{error:?}") };
    assert_eq!((*part, *code), (Part::Cube, ErrorCode::new(7000)));
    assert!(cube.layout().await.unwrap().fault().is_some());
    let chart = doc.get_object("LB01").await.unwrap();
    let error = HyperCube::of(chart, "/qHyperCubeDef").all::<(String,)>().await.unwrap_err();
    assert!(matches!(error.data(), Some(DataError::Missing { .. })), "{error:?}");
}

#[tokio::test]
async fn change_between_pages_is_an_error_and_before_the_first_one_none() {
    let engine = engine_with(|config| config.rows = 5_000).await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(wide()).await.unwrap();
    let mut pages = cube.pages().prefetch(0);
    let first = bounded(pages.try_next()).await.unwrap().unwrap();
    assert_eq!((first.top(), first.len()), (0, 10_000 / 7));
    doc.field("Region").select_values(["North"]).await.unwrap();
    let error = bounded(pages.try_next()).await.unwrap_err();
    assert!(matches!(error.data(), Some(DataError::Changed)), "{error:?}");
    assert!(bounded(pages.try_next()).await.unwrap().is_none());
    let all: Vec<Vec<Value>> = bounded(cube.all()).await.unwrap();
    assert!(all.iter().all(|row| row[0] == "North"));
}

#[tokio::test]
async fn charts_of_the_app_can_be_read_and_are_left_alone() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let chart = doc.get_object("CH01").await.unwrap();
    let rows: Vec<(String, f64)> = HyperCube::of(chart, "/qHyperCubeDef").all().await.unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(engine.count("DestroySessionObject"), 0);
    let cube = doc.hypercube(by_region()).await.unwrap();
    drop(cube.clone());
    assert_eq!(engine.session_objects(), 1);
    drop(cube);
    doc.session().global().engine_version().await.unwrap();
    assert_eq!(engine.session_objects(), 0);
}

#[tokio::test]
async fn live_rows_follow_the_selections() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(by_region()).await.unwrap();
    let mut live = cube.live_rows::<(String, f64)>();
    assert_eq!(bounded(live.next()).await.unwrap().unwrap().len(), 4);
    doc.field("Region").select_values(["North", "South"]).await.unwrap();
    let names = |rows: &[(String, f64)]| rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&bounded(live.next()).await.unwrap().unwrap()), ["North", "South"]);
    doc.field("Region").clear().await.unwrap();
    doc.field("Region").select_values(["West"]).await.unwrap();
    assert_eq!(names(&bounded(live.next()).await.unwrap().unwrap()), ["West"]);
    doc.session().close().await;
    assert!(bounded(live.next()).await.is_none());
}

#[tokio::test]
async fn pivot_tables_stacks_and_trees_have_the_same_numbers() {
    let engine = engine_with(|config| config.cell_limit = 40).await;
    let doc = app(&engine).await;
    let flat = || CubeDef::new().dimension("Region").dimension("Year").measure("Sum(Sales)");
    let straight = doc.hypercube(flat()).await.unwrap();
    let mut expected: Vec<(String, String, f64)> = straight.all().await.unwrap();
    expected.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));

    let pivot = doc.hypercube(flat().pivot(1)).await.unwrap();
    let pages: Vec<_> = bounded(pivot.pivot().await.unwrap().try_collect()).await.unwrap();
    let mut found = Vec::new();
    for page in &pages {
        for row in PivotRow::of(page) {
            for cell in row.cells {
                let above = cell.headers[0].text.clone();
                found.push((row.headers[0].text.clone(), above, cell.value.num.get()));
            }
        }
    }
    found.retain(|value| !value.2.is_nan());
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    assert_eq!(found, expected);

    let error = pivot.all::<(String, String, f64)>().await.unwrap_err();
    assert!(error.data().unwrap().to_string().ends_with("which HyperCube::pivot reads"));
    assert!(
        straight.pivot().await.unwrap_err().data().unwrap().to_string().contains("HyperCube::rows reads")
    );

    let stack = doc.hypercube(flat().stacked()).await.unwrap();
    let pages = stack.stacked(40).await.unwrap();
    let sum: f64 = pages.iter().flat_map(stack_paths).map(|path| path[path.len() - 1].value.get()).sum();
    let total: f64 = expected.iter().map(|row| row.2).sum();
    assert!((sum - total).abs() < 1e-9);

    let tree = doc.hypercube(flat().tree()).await.unwrap();
    let nodes = tree.tree(None::<&()>).await.unwrap();
    let mut found: Vec<_> = tree_paths(&nodes)
        .filter(|path| path.len() == 3)
        .map(|path| (path[1].text.clone(), path[2].text.clone(), path[2].values[0].value.get()))
        .collect();
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn list_objects_have_values_states_counts_and_searches() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let list = doc.list_object(ListDef::new("Region").sort(Sort::by_text())).await.unwrap();
    let values: Vec<Cell> = bounded(list.values().try_collect()).await.unwrap();
    let texts: Vec<&str> = values.iter().map(|value| &*value.text).collect();
    assert_eq!(texts, ["East", "North", "South", "West"]);
    let north = i64::from(values[1].element);
    list.select(&[north], qix_client::selections::Mode::Replace).await.unwrap();
    let states: Vec<CellState> = list.all::<Cell>().await.unwrap().iter().map(|value| value.state).collect();
    use CellState::{Alternative as A, Selected as S};
    assert_eq!(states, [A, S, A, A]);
    let counts = list.layout().await.unwrap().dimension.state_counts;
    assert_eq!((counts.selected, counts.alternative), (1, 3));

    let search = list.search("*th").await.unwrap();
    assert_eq!(list.size().await.unwrap().rows, 2);
    search.accept().await.unwrap();
    let states: Vec<CellState> = list.all::<Cell>().await.unwrap().iter().map(|value| value.state).collect();
    assert_eq!(states, [A, S, S, A]);
    let search = list.search("East").await.unwrap();
    assert_eq!(list.size().await.unwrap().rows, 1);
    drop(search);
    doc.session().global().engine_version().await.unwrap();
    assert_eq!(list.size().await.unwrap().rows, 4);

    let listbox = ListObject::of(doc.get_object("LB01").await.unwrap(), "/qListObjectDef");
    assert_eq!(listbox.all::<String>().await.unwrap().len(), 4);
}

#[tokio::test]
async fn columns_come_in_the_order_that_was_asked_for_with_their_own_names() {
    #[derive(Debug, Deserialize)]
    struct ByName {
        #[serde(rename = "Region")]
        region: String,
    }

    let engine = engine().await;
    let doc = app(&engine).await;
    let cube = doc.hypercube(by_region().column_order(&[1, 0])).await.unwrap();
    let table = cube.table().await.unwrap();
    let titles: Vec<&str> = table.header().iter().map(|column| &*column.title).collect();
    assert_eq!(titles, ["Total sales", "Region"]);
    let rows: Vec<(f64, String)> = table.rows().collect::<Result<_, _>>().unwrap();
    assert!(rows[0].0 > 0.0);
    assert_eq!(rows[0].1, "East");
    assert_eq!(cube.all::<ByName>().await.unwrap()[0].region, "East");
}

#[tokio::test]
async fn library_items_labels_and_totals_are_in_the_layout() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let def = CubeDef::new().dimension(Dimension::library("DIM01")).measure(Measure::library("MEA01"));
    let layout = doc.hypercube(def).await.unwrap().layout().await.unwrap();
    let columns = layout.columns();
    let titles: Vec<(&str, &str, &str)> =
        columns.iter().map(|column| (&*column.title, &*column.field, &*column.library_id)).collect();
    assert_eq!(titles, [("Region", "Region", "DIM01"), ("Total sales", "", "MEA01")]);
    assert_eq!(layout.totals.len(), 1);
    let first = CubeDef::new()
        .dimension("Region")
        .measure(Measure::expression("Sum(Sales)").sort(Sort::by_number().descending()))
        .sorted_by(&[1]);
    let rows: Vec<(String, f64)> = doc.hypercube(first).await.unwrap().all().await.unwrap();
    assert!(rows.is_sorted_by(|a, b| a.1 >= b.1));
}
