//! What a difference is about, in the words of the app: the measure of a column rather than a place in JSON.

use std::{borrow::Cow, collections::HashMap, fmt};

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

/// Of how many places is kept what they are about.
const MOST: usize = 1 << 12;

/// Says what places in one result are about.
pub(super) struct Subjects<'r> {
    seen: &'r Seen,
    result: &'r Tree,
    /// What was found out, by place; rows are all one.
    known: HashMap<String, Subject>,
    /// What lists of measures and dimensions call them, by list and id.
    titles: HashMap<String, HashMap<String, String>>,
}

impl<'r> Subjects<'r> {
    /// Takes the result of a call.
    pub(super) fn of(seen: &'r Seen, result: &'r Tree) -> Self {
        Self { seen, result, known: HashMap::new(), titles: HashMap::new() }
    }

    /// Finds what a place in the result is about.
    pub(super) fn at(&mut self, path: &[Cow<'_, str>]) -> Subject {
        let mut steps: Vec<&str> = path.iter().map(|step| &**step).collect();
        if let Some(matrix) = steps.iter().position(|step| *step == "qMatrix")
            && let Some(row) = steps.get_mut(matrix + 1)
        {
            *row = "*";
        }
        let place = steps.join("\0");
        if let Some(subject) = self.known.get(&place) {
            return subject.clone();
        }
        let subject = in_cube(&steps, self.seen, self.result)
            .or_else(|| self.in_list(&steps))
            .or_else(|| of_library(self.seen, &steps, self.result))
            .unwrap_or_else(|| Subject::Member(pattern(&steps)));
        if self.known.len() < MOST {
            self.known.insert(place, subject.clone());
        }
        subject
    }

    /// What lists of measures and dimensions say of one of them.
    fn in_list(&mut self, steps: &[&str]) -> Option<Subject> {
        let at = steps.iter().position(|step| matches!(*step, "qMeasureList" | "qDimensionList"))?;
        let id = steps.get(at + 2)?.strip_prefix('[')?.strip_suffix(']')?;
        let titles = self.titles.entry(steps[..=at].join("\0")).or_insert_with(|| {
            let list = steps[..=at].iter().try_fold(self.result, |value, step| value.member(step));
            let items = list.and_then(|list| list.member("qItems")).map_or(&[][..], Tree::elements);
            let text = |item: &Tree, part: &str, name: &str| {
                Some(item.member(part)?.member(name)?.as_str()?.into_owned())
            };
            let titled = items.iter().filter_map(|item| {
                Some((text(item, "qInfo", "qId")?, text(item, "qMeta", "title").unwrap_or_default()))
            });
            titled.collect()
        });
        let title = titles.get(id)?;
        let name = shown(if title.is_empty() { id.to_owned() } else { title.clone() });
        Some(if steps[at] == "qMeasureList" { Subject::Measure(name) } else { Subject::Dimension(name) })
    }
}

fn in_cube(steps: &[&str], seen: &Seen, result: &Tree) -> Option<Subject> {
    const CUBES: [&str; 4] = ["qHyperCube", "qHyperCubeDef", "qListObject", "qListObjectDef"];
    let cube = steps.iter().position(|step| CUBES.contains(step));
    let found;
    let (labels, rest) = match cube {
        Some(at) => {
            found = Labels::of_cube(steps[..=at].iter().try_fold(result, |value, step| child(value, step))?);
            (&found, &steps[at + 1..])
        }
        None => (&**seen.labels.as_ref()?, steps),
    };
    let number = |step: &&str| step.parse::<usize>().ok();
    match rest {
        [pages, page, "qMatrix", _, column, ..] if pages.ends_with("DataPages") => {
            let before = &steps[..steps.len() - rest.len()];
            let pages = before.iter().chain([pages]).try_fold(result, |value, step| child(value, step));
            let area = pages.and_then(|pages| pages.element(number(page)?)?.member("qArea"));
            let left = area.and_then(|area| area.member("qLeft")?.as_u64()).unwrap_or(0);
            let column = number(column)?.checked_add(usize::try_from(left).ok()?)?;
            labels.column(column).map(Subject::from)
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

fn child<'t>(value: &'t Tree, step: &str) -> Option<&'t Tree> {
    match step.parse() {
        Ok(at) if value.is_array() => value.element(at),
        _ => value.member(step),
    }
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
        let is_element =
            *step == "*" || step.bytes().all(|byte| byte.is_ascii_digit()) || step.starts_with('[');
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
        about_with(place, result, None)
    }

    fn about_with(place: &str, result: &serde_json::Value, labels: Option<Arc<Labels>>) -> String {
        let seen = Seen {
            seq: 1,
            key: 1,
            object_key: 1,
            object: Arc::new(Object::default()),
            class: "GenericObject".to_owned(),
            method: "GetLayout".to_owned(),
            params: None,
            labels,
            print: 1,
            latency: None,
            outcome: Outcome::Unanswered,
        };
        let result = Tree::parse(result.to_string().as_bytes()).unwrap();
        let unescaped = |step: &str| Cow::Owned(step.replace("~1", "/"));
        let path: Vec<_> = place.split('/').skip(1).map(unescaped).collect();
        Subjects::of(&seen, &result).at(&path).to_string()
    }

    #[test]
    fn columns_of_a_page_are_counted_from_its_left_edge() {
        let cube = json!({
            "qDimensionInfo": [{"qFallbackTitle": "Region"}],
            "qMeasureInfo": [{"qFallbackTitle": "Total sales"}, {"qFallbackTitle": "Margin"}],
        });
        let labels = Labels::of_cube(&Tree::parse(cube.to_string().as_bytes()).unwrap());
        let labels = Some(Arc::new(labels));
        let pages = json!({"qDataPages": [
            {"qMatrix": [], "qArea": {"qLeft": 1}}, {"qMatrix": []}, {"qMatrix": [], "qArea": {"qLeft": u64::MAX}},
        ]});
        let about = |place: &str| about_with(place, &pages, labels.clone());
        assert_eq!(about("/qDataPages/0/qMatrix/[x]/1/qNum"), "measure Margin");
        assert_eq!(about("/qDataPages/1/qMatrix/[x]/1/qNum"), "measure Total sales");
        assert_eq!(about("/qDataPages/2/qMatrix/[x]/1/qNum"), "/qDataPages/*/qMatrix/*/*/qNum");
        let mut layout = json!({"qLayout": {"qHyperCube": cube}});
        layout["qLayout"]["qHyperCube"]["qDataPages"] = pages["qDataPages"].clone();
        assert_eq!(
            about_with("/qLayout/qHyperCube/qDataPages/0/qMatrix/[x]/1/qNum", &layout, None),
            "measure Margin"
        );
    }

    #[test]
    fn column_that_cannot_be_is_no_panic() {
        let layout = json!({"qLayout": {"qHyperCube": {}}});
        let place = format!("/qLayout/qHyperCube/qMeasureInfo/{}/qMax", usize::MAX);
        assert_eq!(about(&place, &layout), format!("measure {}", usize::MAX));
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
