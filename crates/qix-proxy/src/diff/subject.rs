//! What a difference is about, in the words of the app: the measure of a column rather than a place in JSON.

use std::fmt;

use qix_protocol::Tree;

use super::{
    labels::{Column, Labels, shown},
    side::Seen,
};

/// What a difference is about.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Subject {
    /// A measure, by its label or expression: cells, totals and the definition.
    Measure(String),
    /// A dimension or field, by its label: values and the definition.
    Dimension(String),
    /// Rows that are there on one side only, or in another order, and how many there are.
    Rows,
    /// Something else: a place in the answer, with `*` for elements.
    Member(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measure(label) => write!(f, "measure {label}"),
            Self::Dimension(label) => write!(f, "dimension {label}"),
            Self::Rows => f.write_str("rows"),
            Self::Member(place) => f.write_str(place),
        }
    }
}

impl From<Column> for Subject {
    fn from(column: Column) -> Self {
        match column {
            Column::Dimension(label) => Self::Dimension(label),
            Column::Measure(label) => Self::Measure(label),
        }
    }
}

impl Subject {
    /// Finds what a place in the result of a call is about.
    pub(super) fn of(place: &str, seen: &Seen, result: &Tree) -> Self {
        let steps: Vec<String> =
            place.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        in_cube(&steps, seen, result)
            .or_else(|| in_list(&steps, result))
            .or_else(|| of_library(seen, &steps, result))
            .unwrap_or_else(|| Self::Member(pattern(&steps)))
    }
}

fn in_cube(steps: &[&str], seen: &Seen, result: &Tree) -> Option<Subject> {
    const CUBES: [&str; 4] = ["qHyperCube", "qHyperCubeDef", "qListObject", "qListObjectDef"];
    let cube = steps.iter().position(|step| CUBES.contains(step));
    let found;
    let (labels, rest) = match cube {
        Some(at) => {
            let mut cube = Some(result);
            for step in &steps[..=at] {
                cube = cube.and_then(|cube| match step.parse() {
                    Ok(at) if cube.is_array() => cube.element(at),
                    _ => cube.member(step),
                });
            }
            found = Labels::of_cube(cube?);
            (&found, &steps[at + 1..])
        }
        None => (&**seen.labels.as_ref()?, steps),
    };
    let number = |step: &&str| step.parse::<usize>().ok();
    match rest {
        [pages, _, "qMatrix", _, column, ..] if pages.ends_with("DataPages") => {
            labels.column(number(column)?).map(Subject::from)
        }
        ["qPivotDataPages" | "qStackedDataPages" | "qDataPages", _, "qData", ..] => {
            labels.only_measure().map(Subject::from)
        }
        ["qDataPages" | "qPivotDataPages" | "qStackedDataPages" | "qSize", ..] => Some(Subject::Rows),
        ["qGrandTotalRow" | "qMeasureInfo" | "qMeasures", at, ..] => Some(labels.measure(number(at)?).into()),
        ["qDimensionInfo" | "qDimensions", at, ..] => {
            // A list object has one, and not in a list.
            Some(labels.dimension(number(at).unwrap_or(0)).into())
        }
        _ => None,
    }
}

/// What lists of measures and dimensions say of one of them.
fn in_list(steps: &[&str], result: &Tree) -> Option<Subject> {
    let at = steps.iter().position(|step| matches!(*step, "qMeasureList" | "qDimensionList"))?;
    let id = steps.get(at + 2)?.strip_prefix('[')?.strip_suffix(']')?;
    let list = steps[..=at].iter().try_fold(result, |value, step| value.member(step))?;
    let items = list.member("qItems")?.elements();
    let item = items.iter().find(|item| {
        item.member("qInfo").and_then(|info| info.member("qId")?.as_str()).as_deref() == Some(id)
    })?;
    let title = item.member("qMeta").and_then(|meta| meta.member("title")?.as_str()).unwrap_or_default();
    let name = shown(if title.is_empty() { id.to_owned() } else { title.into_owned() });
    Some(if steps[at] == "qMeasureList" { Subject::Measure(name) } else { Subject::Dimension(name) })
}

/// What measures and dimensions of the library say of themselves.
fn of_library(seen: &Seen, steps: &[&str], result: &Tree) -> Option<Subject> {
    let out = result.member(steps.first()?)?;
    let own = |part: &str, label: &str| Some(out.member(part)?.member(label)?.as_str()?.into_owned());
    let (title, wrap): (_, fn(String) -> Subject) = match &*seen.class {
        "GenericMeasure" => (own("qMeasure", "qLabel"), Subject::Measure),
        "GenericDimension" => (own("qDim", "title"), Subject::Dimension),
        _ => return None,
    };
    let known = if seen.object.title.is_empty() { &seen.object.id } else { &seen.object.title };
    Some(wrap(if known.is_empty() { shown(title?) } else { known.clone() }))
}

/// Returns a place without what tells elements apart.
fn pattern(steps: &[&str]) -> String {
    let step = |step: &&str| {
        let is_element = step.bytes().all(|byte| byte.is_ascii_digit()) || step.starts_with('[');
        format!(
            "/{}",
            if is_element && !step.is_empty() { "*".to_owned() } else { shown((*step).to_owned()) }
        )
    };
    if steps.is_empty() { "the answer".to_owned() } else { steps.iter().map(step).collect() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{diff::side::Outcome, model::names::Object};

    fn about(place: &str, result: &serde_json::Value) -> String {
        let seen = Seen {
            seq: 1,
            key: 1,
            object_key: 1,
            object: Arc::new(Object::default()),
            class: "GenericObject".to_owned(),
            method: "GetLayout".to_owned(),
            params: None,
            labels: None,
            print: 1,
            latency: None,
            outcome: Outcome::Unanswered,
        };
        Subject::of(place, &seen, &Tree::parse(result.to_string().as_bytes()).unwrap()).to_string()
    }

    #[test]
    fn cells_totals_and_definitions_are_about_their_column() {
        let mut layout = json!({"qLayout": {"qHyperCube": {
            "qDimensionInfo": [{"qFallbackTitle": "Region"}],
            "qMeasureInfo": [{"qFallbackTitle": "Total sales"}, {"qFallbackTitle": "Margin"}],
        }}});
        let cube = "/qLayout/qHyperCube";
        for (place, subject) in [
            ("/qDataPages/0/qMatrix/[a~1b]/1/qNum", "measure Total sales"),
            ("/qDataPages/0/qMatrix/3/0/qText", "dimension Region"),
            ("/qDataPages/0/qMatrix/[Nordic]", "rows"),
            ("/qGrandTotalRow/1/qNum", "measure Margin"),
            ("/qMeasureInfo/0/qMax", "measure Total sales"),
            ("/qSize/qcy", "rows"),
            ("/qMode", "/qLayout/qHyperCube/qMode"),
        ] {
            assert_eq!(about(&format!("{cube}{place}"), &layout), subject, "{place}");
        }
        layout["qLayout"]["qHyperCube"]["qColumnOrder"] = json!([2, 0, 1]);
        let first = format!("{cube}/qDataPages/0/qMatrix/[x]/0/qNum");
        assert_eq!(about(&first, &layout), "measure Margin");
    }

    #[test]
    fn lists_say_what_they_are_about_by_title_and_other_places_lose_what_tells_elements_apart() {
        let list = json!({"qLayout": {"qMeasureList": {"qItems": [
            {"qInfo": {"qId": "M1"}, "qMeta": {"title": "Total sales"}},
        ]}}});
        assert_eq!(about("/qLayout/qMeasureList/qItems/[M1]/qData/x", &list), "measure Total sales");
        assert_eq!(about("/qLayout/qItems/[S1]/a/0/b", &list), "/qLayout/qItems/*/a/*/b");
        assert_eq!(about("", &list), "the answer");
    }
}
