//! What the columns of a hypercube or list object are called.

use qix_protocol::{
    Tree,
    frame::{Raw, elements},
};
use qix_transport::printable;

/// How much of a label is kept, in characters.
const LONGEST: usize = 80;
/// The most columns that are known by name.
const MOST: usize = 1000;

/// A column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Column {
    Dimension(String),
    Measure(String),
}

/// The columns of a hypercube, or the field of a list object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Labels {
    dimensions: Vec<String>,
    measures: Vec<String>,
    /// The order of the columns in rows, if it is none of dimensions before measures.
    order: Vec<usize>,
    /// Whether they are those of a list object.
    is_list: bool,
}

impl Labels {
    /// Reads the labels of the hypercube or list object in a layout.
    pub(super) fn of(layout: Raw<'_>) -> Option<Self> {
        let (cube, is_list) = match layout.member("qHyperCube") {
            Some(cube) => (cube, false),
            None => (layout.member("qListObject")?, true),
        };
        let titles = |name: &str| {
            let infos: Vec<_> = match cube.member(name) {
                Some(list) if list.as_bytes().first() == Some(&b'[') => elements(list).take(MOST).collect(),
                one => one.into_iter().collect(),
            };
            let title = |info: &Raw<'_>| info.member("qFallbackTitle").and_then(|title| title.decode().ok());
            infos.iter().map(|info| shown(title(info).unwrap_or_default())).collect()
        };
        let order = cube.member("qColumnOrder").and_then(|order| order.decode().ok()).unwrap_or_default();
        Some(Self { dimensions: titles("qDimensionInfo"), measures: titles("qMeasureInfo"), order, is_list })
    }

    /// Returns whether a call with these parameters is about them: the first says where the definition is.
    pub(super) fn are_meant(&self, params: &[u8]) -> bool {
        let Ok(params) = Raw::new(params) else { return false };
        let path = params.member("qPath").or_else(|| elements(params).next());
        let path = path.and_then(|path| path.decode::<String>().ok()).unwrap_or_default();
        path == if self.is_list { "/qListObjectDef" } else { "/qHyperCubeDef" }
    }

    /// Reads the labels of a hypercube or list object, in a layout or in properties.
    pub(super) fn of_cube(cube: &Tree) -> Self {
        let list = |names: [&str; 2], title: &dyn Fn(&Tree) -> Option<String>| {
            let infos = names.iter().find_map(|name| cube.member(name));
            let all = infos.map_or(&[][..], |infos| {
                if infos.is_array() { infos.elements() } else { std::slice::from_ref(infos) }
            });
            all.iter().take(MOST).map(|info| shown(title(info).unwrap_or_default())).collect()
        };
        let text = |value: &Tree| Some(value.as_str().filter(|text| !text.is_empty())?.into_owned());
        let first = |def: &Tree, name: &str| def.member(name)?.element(0).and_then(text);
        let dimension = |info: &Tree| {
            let def = info.member("qDef");
            let defined = def.and_then(|def| first(def, "qFieldLabels").or_else(|| first(def, "qFieldDefs")));
            info.member("qFallbackTitle").and_then(text).or(defined)
        };
        let measure = |info: &Tree| {
            let def = info.member("qDef");
            let defined =
                def.and_then(|def| ["qLabel", "qDef"].iter().find_map(|name| text(def.member(name)?)));
            let library = || info.member("qLibraryId").and_then(text);
            info.member("qFallbackTitle").and_then(text).or(defined).or_else(library)
        };
        let order = cube.member("qColumnOrder").map_or(&[][..], Tree::elements);
        Self {
            dimensions: list(["qDimensionInfo", "qDimensions"], &dimension),
            measures: list(["qMeasureInfo", "qMeasures"], &measure),
            order: order.iter().filter_map(|at| usize::try_from(at.as_i64()?).ok()).collect(),
            is_list: false,
        }
    }

    pub(super) fn dimension(&self, at: usize) -> Column {
        let label = self.dimensions.get(at).filter(|label| !label.is_empty());
        Column::Dimension(label.cloned().unwrap_or_else(|| at.saturating_add(1).to_string()))
    }

    pub(super) fn measure(&self, at: usize) -> Column {
        let label = self.measures.get(at).filter(|label| !label.is_empty());
        Column::Measure(label.cloned().unwrap_or_else(|| at.saturating_add(1).to_string()))
    }

    /// Returns the column of a cell in a row; `None` if there are not so many.
    pub(super) fn column(&self, at: usize) -> Option<Column> {
        let all = self.dimensions.len() + self.measures.len();
        let at = if self.order.len() == all { *self.order.get(at)? } else { at };
        match at.checked_sub(self.dimensions.len()) {
            None => Some(self.dimension(at)),
            Some(at) if at < self.measures.len() => Some(self.measure(at)),
            Some(_) => None,
        }
    }

    /// Returns the measure, if there is but one.
    pub(super) fn only_measure(&self) -> Option<Column> {
        (self.measures.len() == 1).then(|| self.measure(0))
    }
}

pub(super) fn shown(text: String) -> String {
    printable(text.trim(), LONGEST)
}
