//! One cell, as serde sees it.

use qix_protocol::columns::{self, CellState};
use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer, Visitor,
        value::{BorrowedStrDeserializer, MapDeserializer},
    },
    forward_to_deserialize_any,
};

use super::row::RowError;

/// A cell with all it says. Structs of your own with some of these members can be read from a cell too.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[non_exhaustive]
pub struct Cell {
    /// The text, as the engine formats it.
    pub text: String,
    /// The number, NaN if there is none. Dates are days since 30 December 1899, the time of day as fraction.
    pub number: f64,
    /// The index of the value in its field, which selections take; −1 for totals, −2 for null, −3 for others, −4 for empty cells.
    pub element: i32,
    /// How the value stands to the selections.
    #[serde(deserialize_with = "state")]
    pub state: CellState,
    /// Whether the value is null, or there is none.
    pub null: bool,
}

/// A cell's text and number: Qlik's dual value.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Dual {
    /// The text, as the engine formats it.
    pub text: String,
    /// The number, NaN if there is none.
    pub number: f64,
}

/// The index of a cell's value in its field, which selections take; negative for what is no value, see [`Cell::element`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename = "qix_client::data::Element")]
pub struct Element(pub i32);

const ELEMENT: &str = "qix_client::data::Element";

const MEMBERS: [&str; 5] = ["text", "number", "element", "state", "null"];

/// One cell of a page.
#[derive(Clone, Copy)]
pub(super) struct CellRef<'a> {
    pub(super) values: columns::Column<'a>,
    pub(super) row: usize,
    pub(super) is_measure: bool,
}

impl<'a> CellRef<'a> {
    pub(super) fn text(&self) -> &'a str {
        self.values.text(self.row).unwrap_or_default()
    }

    pub(super) fn number(&self) -> f64 {
        self.values.numbers()[self.row]
    }

    fn element(&self) -> i32 {
        self.values.elements()[self.row]
    }

    /// Whether there is no value: marked so, a dimension's element −2 or −4, or a measure that has no number and the
    /// text `-`, which old engines do not mark.
    pub(super) fn is_null(&self) -> bool {
        let marks = self.values.marks()[self.row];
        let unmarked = if self.is_measure {
            self.number().is_nan() && self.text() == "-"
        } else {
            matches!(self.element(), -2 | -4)
        };
        marks.is_null() || marks.is_empty() || unmarked
    }

    fn whole(&self) -> Result<i64, RowError> {
        let number = self.number();
        // Beyond this, not every whole number is a double.
        if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
            return Ok(number as i64);
        }
        let why = if self.is_null() { "null, which takes an Option" } else { "no whole number" };
        Err(RowError::custom(format_args!("{:?} is {why}", self.text())))
    }
}

macro_rules! whole {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
            visitor.visit_i64(self.whole()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for CellRef<'de> {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self.number() {
            _ if self.is_null() => visitor.visit_unit(),
            number if number.is_nan() => visitor.visit_borrowed_str(self.text()),
            number => match self.whole() {
                Ok(whole) => visitor.visit_i64(whole),
                Err(_) => visitor.visit_f64(number),
            },
        }
    }

    whole! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_f64(self.number())
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_f64(self.number())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        // True is −1 in the engine's expressions.
        match self.number() {
            number if number.is_nan() => {
                Err(RowError::custom(format_args!("{:?} is no truth value", self.text())))
            }
            number => visitor.visit_bool(number != 0.0),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_borrowed_str(self.text())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_borrowed_str(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_borrowed_str(self.text())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        if name == ELEMENT {
            return visitor
                .visit_newtype_struct(IntoDeserializer::<RowError>::into_deserializer(self.element()));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let members = MEMBERS.into_iter().map(|name| (name, Member { name, cell: self }));
        visitor.visit_map(MapDeserializer::new(members))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.text()))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct seq tuple tuple_struct identifier }
}

/// One member of a cell that is read as a struct.
#[derive(Clone, Copy)]
struct Member<'a> {
    name: &'static str,
    cell: CellRef<'a>,
}

impl<'de> IntoDeserializer<'de, RowError> for Member<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Member<'de> {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let cell = &self.cell;
        match self.name {
            "text" => visitor.visit_borrowed_str(cell.text()),
            "number" => visitor.visit_f64(cell.number()),
            "element" => visitor.visit_i32(cell.element()),
            "state" => visitor.visit_borrowed_str(letters(cell.values.states()[cell.row])),
            _ => visitor.visit_bool(cell.is_null()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let absent = self.name == "number" && self.cell.number().is_nan();
        if absent { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The states with their short forms.
const STATES: [(CellState, &str); 9] = [
    (CellState::Locked, "L"),
    (CellState::Selected, "S"),
    (CellState::Optional, "O"),
    (CellState::Deselected, "D"),
    (CellState::Alternative, "A"),
    (CellState::Excluded, "X"),
    (CellState::ExcludedSelected, "XS"),
    (CellState::ExcludedLocked, "XL"),
    (CellState::NStates, "NSTATES"),
];

fn letters(state: CellState) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, letters)| letters)
}

fn state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CellState, D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    Ok(STATES.iter().find(|(_, letters)| *letters == text).map_or(CellState::Unknown, |(state, _)| *state))
}
