//! What layouts say of cubes and lists, without their data.

use std::{fmt, marker::PhantomData, sync::Arc};

use qix_protocol::{
    Answer, ErrorCode,
    schema::{NxCell, NxDimensionInfo, NxHypercubeMode, NxMeasureInfo, NxValidationError, Size as WireSize},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{DataError, Part};
use crate::{Error, ErrorKind};

/// How large a table is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Size {
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
}

/// A column of a table.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// The label; the field or expression if the author gave none.
    pub title: String,
    /// The field of a dimension; empty if it is not known, as for measures.
    pub field: String,
    /// The id in the app's library; empty if it was defined on the spot.
    pub library_id: String,
    /// Whether it is a measure.
    pub is_measure: bool,
    /// Which of the layout's dimensions or measures it is, counted from 0 within its kind.
    pub index: usize,
    /// The engine's tags of a dimension, such as `$numeric` or `$date`.
    pub tags: Vec<String>,
}

impl Column {
    fn dimension(index: usize, info: &NxDimensionInfo) -> Self {
        let field = info.group_field_defs.get(usize::try_from(info.group_pos).unwrap_or_default());
        Self {
            title: info.fallback_title.clone(),
            field: field.map(|field| field.trim_matches(['[', ']']).to_owned()).unwrap_or_default(),
            library_id: info.library_id.clone(),
            is_measure: false,
            index,
            tags: info.tags.clone(),
        }
    }

    fn measure(index: usize, info: &NxMeasureInfo) -> Self {
        Self {
            title: info.fallback_title.clone(),
            library_id: info.library_id.clone(),
            is_measure: true,
            index,
            ..Self::default()
        }
    }
}

/// What a layout says of a hypercube, without its data.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CubeLayout {
    #[serde(rename = "qSize", deserialize_with = "or_default")]
    size: WireSize,
    #[serde(rename = "qError")]
    error: Option<NxValidationError>,
    /// The dimensions.
    #[serde(rename = "qDimensionInfo", deserialize_with = "or_default")]
    pub dimensions: Vec<NxDimensionInfo>,
    /// The measures.
    #[serde(rename = "qMeasureInfo", deserialize_with = "or_default")]
    pub measures: Vec<NxMeasureInfo>,
    /// The mode: straight, pivot, stacked or tree.
    #[serde(rename = "qMode", deserialize_with = "or_default")]
    pub mode: NxHypercubeMode,
    /// By which columns the rows are sorted.
    #[serde(rename = "qEffectiveInterColumnSortOrder", deserialize_with = "or_default")]
    pub sort_order: Vec<i32>,
    /// The totals of the measures.
    #[serde(rename = "qGrandTotalRow", deserialize_with = "or_default")]
    pub totals: Vec<NxCell>,
    /// The title.
    #[serde(rename = "qTitle", deserialize_with = "or_default")]
    pub title: String,
    /// What the author has to say if the calculation condition does not hold.
    #[serde(rename = "qCalcCondMsg", deserialize_with = "or_default")]
    pub condition_message: String,
    #[serde(rename = "qColumnOrder", deserialize_with = "or_default")]
    column_order: Vec<i32>,
}

impl CubeLayout {
    /// Returns how large the cube is. Of a pivot table the columns are those of its data.
    pub fn size(&self) -> Size {
        size(&self.size)
    }

    /// Returns the columns in the order of the data: dimensions, then measures, unless the definition says otherwise by
    /// `qColumnOrder` (that the data follow it is inferred from its name; the schema does not say). Those whose
    /// own calculation condition does not hold are not there.
    pub fn columns(&self) -> Vec<Column> {
        let shown = |error: &Option<Box<NxValidationError>>| {
            error.as_ref().is_none_or(|error| error.error_code != ErrorCode::CALC_EVAL_CONDITION_FAILED)
        };
        let dimensions = self.dimensions.iter().enumerate();
        let measures = self.measures.iter().enumerate();
        // `None` where one is left out: the order counts it.
        let mut columns: Vec<Option<Column>> = dimensions
            .map(|(index, info)| shown(&info.error).then(|| Column::dimension(index, info)))
            .chain(measures.map(|(index, info)| shown(&info.error).then(|| Column::measure(index, info))))
            .collect();
        let order: Vec<usize> = self.column_order.iter().filter_map(|at| usize::try_from(*at).ok()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted.into_iter().eq(0..columns.len()) {
            columns = order.into_iter().map(|at| columns[at].take()).collect();
        }
        columns.into_iter().flatten().collect()
    }

    /// Returns what is wrong with the cube, if anything is.
    pub fn fault(&self) -> Option<DataError> {
        if let Some(error) = &self.error {
            return Some(DataError::embedded(Part::Cube, error, &self.condition_message));
        }
        // A column whose own condition does not hold is left out of the data, and no fault.
        let invalid = |part: Part, error: &Option<Box<NxValidationError>>| {
            let error = error.as_ref()?;
            (error.error_code != ErrorCode::CALC_EVAL_CONDITION_FAILED)
                .then(|| DataError::embedded(part, error, ""))
        };
        let mut dimensions = self.dimensions.iter().enumerate();
        let mut measures = self.measures.iter().enumerate();
        dimensions
            .find_map(|(at, info)| invalid(Part::Dimension(at), &info.error))
            .or_else(|| measures.find_map(|(at, info)| invalid(Part::Measure(at), &info.error)))
    }
}

/// What a layout says of a list object, without its data.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ListLayout {
    #[serde(rename = "qSize", deserialize_with = "or_default")]
    size: WireSize,
    #[serde(rename = "qError")]
    error: Option<NxValidationError>,
    /// The dimension; its `state_counts` are how many values are in which state.
    #[serde(rename = "qDimensionInfo", deserialize_with = "or_default")]
    pub dimension: NxDimensionInfo,
    #[serde(rename = "qExpressions", deserialize_with = "or_default")]
    expressions: Vec<qix_protocol::schema::NxListObjectExpression>,
}

impl ListLayout {
    /// Returns how large the list is. While a search is on, that is what it has found.
    pub fn size(&self) -> Size {
        size(&self.size)
    }

    /// Returns the columns: the values, then the expressions.
    pub fn columns(&self) -> Vec<Column> {
        let expression = |(index, _)| Column { is_measure: true, index, ..Column::default() };
        let values = Column::dimension(0, &self.dimension);
        std::iter::once(values).chain(self.expressions.iter().enumerate().map(expression)).collect()
    }

    /// Returns what is wrong with the list, if anything is.
    pub fn fault(&self) -> Option<DataError> {
        if let Some(error) = &self.error {
            return Some(DataError::embedded(Part::List, error, &self.dimension.calc_cond_msg));
        }
        let error = self.dimension.error.as_ref()?;
        Some(DataError::embedded(Part::Dimension(0), error, &self.dimension.calc_cond_msg))
    }
}

/// What cubes and lists have in common.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) size: Size,
    pub(super) columns: Arc<[Column]>,
}

fn size(size: &WireSize) -> Size {
    let count = |count: i32| usize::try_from(count).unwrap_or_default();
    Size { rows: count(size.cy), columns: count(size.cx) }
}

/// Takes `null` for a member that is not there.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads one value of an answer, in one pass; `None` if there is none at this path.
pub(crate) fn read_at<T: for<'de> Deserialize<'de>>(
    answer: &Answer,
    path: &[&str],
) -> Result<Option<T>, Error> {
    let read = match answer.tree() {
        Some(tree) => {
            let found = path.iter().try_fold(tree, |tree, name| tree.member(name));
            found.map(|tree| tree.decode()).transpose()
        }
        None => {
            let text = answer.text();
            At { path, value: PhantomData }.deserialize(&mut serde_json::Deserializer::from_slice(&text))
        }
    };
    read.map_err(|error| Error::because(ErrorKind::Protocol, error))
}

/// Reads the value at the end of a path, if there is one.
struct At<'p, T> {
    path: &'p [&'p str],
    value: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for At<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        if self.path.is_empty() {
            Option::deserialize(deserializer)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for At<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match self.path.split_first() {
                Some((wanted, rest)) if name == *wanted => {
                    found = map.next_value_seed(At { path: rest, value: PhantomData })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<T>, A::Error> {
        let Some((wanted, rest)) = self.path.split_first() else { return Ok(None) };
        let wanted: Option<usize> = wanted.parse().ok();
        let mut found = None;
        let mut at = 0;
        while let Some(value) = if Some(at) == wanted {
            seq.next_element_seed(At { path: rest, value: PhantomData })?.map(|value| found = value)
        } else {
            seq.next_element::<IgnoredAny>()?.map(|_| ())
        } {
            let () = value;
            at += 1;
        }
        Ok(found)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }
}
