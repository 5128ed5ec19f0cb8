//! Structs that a careful programmer would write to decode layouts and data with serde in one pass.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::value::RawValue;

/// A frame whose result stays text.
#[derive(Debug, Deserialize)]
pub struct RawEnvelope<'a> {
    /// The id.
    pub id: Option<u64>,
    /// The method of a notification.
    #[serde(borrow)]
    pub method: Option<Cow<'a, str>>,
    /// Its parameters.
    #[serde(borrow)]
    pub params: Option<&'a RawValue>,
    /// The out members.
    #[serde(borrow)]
    pub result: Option<&'a RawValue>,
    /// Why the engine refused.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    /// Handles that changed.
    #[serde(default)]
    pub change: Vec<i32>,
    /// Handles that closed.
    #[serde(default)]
    pub close: Vec<i32>,
}

/// A frame whose result is decoded with it.
#[derive(Debug, Deserialize)]
pub struct Answer<R> {
    /// The id.
    pub id: u64,
    /// The out members.
    pub result: R,
    /// Handles that changed.
    #[serde(default)]
    pub change: Vec<i32>,
}

macro_rules! structs {
    ($($(#[$doc:meta])* $name:ident { $($field:ident $wire:literal: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        #[expect(missing_docs, reason = "the names are the protocol's")]
        pub struct $name { $(#[serde(rename = $wire)] pub $field: $type,)* }
    )*};
}

structs! {
    /// What `GetLayout` returns.
    LayoutResult { layout "qLayout": Layout, }
    /// What `GetHyperCubeData` returns.
    DataResult { pages "qDataPages": Vec<Page>, }
    /// A layout; members of the author's own are left out.
    Layout {
        info "qInfo": Info,
        hypercube "qHyperCube": HyperCube,
        title "title": String,
        visualization "visualization": String,
    }
    /// `NxInfo`.
    Info { id "qId": String, kind "qType": String, }
    /// `HyperCube`.
    HyperCube {
        size "qSize": Size,
        dimensions "qDimensionInfo": Vec<DimensionInfo>,
        measures "qMeasureInfo": Vec<MeasureInfo>,
        order "qEffectiveInterColumnSortOrder": Vec<i32>,
        totals "qGrandTotalRow": Vec<Cell>,
        pages "qDataPages": Vec<Page>,
        mode "qMode": String,
        left_dimensions "qNoOfLeftDims": i32,
    }
    /// `Size`.
    Size { cx "qcx": i32, cy "qcy": i32, }
    /// `NxDimensionInfo`.
    DimensionInfo {
        title "qFallbackTitle": String,
        glyphs "qApprMaxGlyphCount": i32,
        cardinal "qCardinal": i32,
        sort "qSortIndicator": String,
        titles "qGroupFallbackTitles": Vec<String>,
        position "qGroupPos": i32,
        counts "qStateCounts": StateCounts,
        tags "qTags": Vec<String>,
        kind "qDimensionType": String,
        grouping "qGrouping": String,
        format "qNumFormat": Format,
        definitions "qGroupFieldDefs": Vec<String>,
        min "qMin": Double,
        max "qMax": Double,
        library "qLibraryId": String,
    }
    /// `NxStateCounts`.
    StateCounts {
        locked "qLocked": i32,
        selected "qSelected": i32,
        option "qOption": i32,
        deselected "qDeselected": i32,
        alternative "qAlternative": i32,
        excluded "qExcluded": i32,
    }
    /// `FieldAttributes`.
    Format {
        kind "qType": String,
        decimals "qnDec": i32,
        thousands "qUseThou": i32,
        format "qFmt": String,
        point "qDec": String,
        comma "qThou": String,
    }
    /// `NxMeasureInfo`.
    MeasureInfo {
        title "qFallbackTitle": String,
        glyphs "qApprMaxGlyphCount": i32,
        cardinal "qCardinal": i32,
        sort "qSortIndicator": String,
        format "qNumFormat": Format,
        min "qMin": Double,
        max "qMax": Double,
    }
    /// `NxDataPage`.
    Page { matrix "qMatrix": Vec<Vec<Cell>>, area "qArea": Area, is_reduced "qIsReduced": bool, }
    /// `Rect`.
    Area { left "qLeft": i32, top "qTop": i32, width "qWidth": i32, height "qHeight": i32, }
    /// `NxCell`.
    Cell {
        text "qText": String,
        number "qNum": Double,
        element "qElemNumber": i32,
        state "qState": State,
        is_empty "qIsEmpty": bool,
        is_total "qIsTotalCell": bool,
        is_other "qIsOtherCell": bool,
        is_null "qIsNull": bool,
    }
}

/// `StateEnumType` in the form that engines write.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum State {
    #[default]
    L,
    S,
    O,
    D,
    A,
    X,
    XS,
    XL,
}

/// A number that may be written as the string `NaN`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Double(pub f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Double;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or its name")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Double, E> {
                Ok(Double(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Double, E> {
                name.parse().map(Double).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Number)
    }
}
