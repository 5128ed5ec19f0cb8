//! What lists are made of.

use std::ops::Deref;

use qix_protocol::schema::{
    JsonObject, NxInfo, NxLibraryDimensionDef, NxLibraryMeasure, NxMeta, Object as _,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// An entry of a list: an object of the app with what the list says of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Wire")]
#[non_exhaustive]
pub struct Item {
    /// The id, by which it can be opened.
    pub id: String,
    /// The author's type, such as `sheet`.
    pub kind: String,
    /// The title.
    pub title: String,
    /// The description.
    pub description: String,
    /// The author's tags.
    pub tags: Vec<String>,
    /// Whether it is published.
    pub is_published: bool,
    /// All that is known of it beside its properties: owner, dates, rights.
    pub meta: NxMeta,
    /// What the list was asked to tell of its properties.
    pub data: JsonObject,
}

/// A sheet.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Item")]
#[non_exhaustive]
pub struct Sheet {
    /// What all entries have.
    pub item: Item,
    /// Its place among the sheets.
    pub rank: f64,
    /// How many columns its grid has.
    pub columns: u32,
    /// How many rows its grid has.
    pub rows: u32,
    /// What is on it.
    pub cells: Vec<SheetCell>,
}

/// A chart or other object on a sheet, in units of the sheet's grid.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
#[non_exhaustive]
pub struct SheetCell {
    /// The id of the object, for `GetObject`.
    pub name: String,
    /// The kind of chart.
    #[serde(rename = "type")]
    pub kind: String,
    /// The first column.
    #[serde(deserialize_with = "count")]
    pub col: u32,
    /// The first row.
    #[serde(deserialize_with = "count")]
    pub row: u32,
    /// How many columns it takes.
    #[serde(rename = "colspan", deserialize_with = "count")]
    pub col_span: u32,
    /// How many rows it takes.
    #[serde(rename = "rowspan", deserialize_with = "count")]
    pub row_span: u32,
}

/// A bookmark.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Item")]
#[non_exhaustive]
pub struct Bookmark {
    /// What all entries have.
    pub item: Item,
    /// The sheet it was made on; empty if none.
    pub sheet_id: String,
    /// The selections in words, as the client that made it wrote them; empty if none.
    pub selection_fields: String,
    /// When it was made.
    pub created: String,
}

/// A dimension of the app's library.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Item")]
#[non_exhaustive]
pub struct MasterDimension {
    /// What all entries have.
    pub item: Item,
    /// Its fields or expressions.
    pub definition: NxLibraryDimensionDef,
}

/// A measure of the app's library.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Item")]
#[non_exhaustive]
pub struct MasterMeasure {
    /// What all entries have.
    pub item: Item,
    /// Its expression.
    pub definition: NxLibraryMeasure,
}

/// An entry as the engine writes it.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Wire {
    #[serde(rename = "qInfo")]
    info: NxInfo,
    #[serde(rename = "qMeta")]
    meta: NxMeta,
    #[serde(rename = "qData")]
    data: JsonObject,
}

impl From<Wire> for Item {
    fn from(wire: Wire) -> Self {
        let Wire { info, meta, data } = wire;
        // Lists that were not asked for the title have it among what is known beside the properties.
        let text = |name: &str| {
            let said: String = member(&data, name);
            if said.is_empty() {
                meta.extra().get(name).and_then(|text| text.decode().ok()).unwrap_or_default()
            } else {
                said
            }
        };
        Self {
            title: text("title"),
            description: text("description"),
            tags: meta.extra().get("tags").and_then(|tags| tags.decode().ok()).unwrap_or_default(),
            is_published: meta.extra().get("published").and_then(|is| is.decode().ok()).unwrap_or_default(),
            id: info.id,
            kind: info.type_,
            meta,
            data,
        }
    }
}

impl From<Item> for Sheet {
    fn from(item: Item) -> Self {
        Self {
            rank: member(&item.data, "rank"),
            columns: member(&item.data, "columns"),
            rows: member(&item.data, "rows"),
            cells: member(&item.data, "cells"),
            item,
        }
    }
}

impl From<Item> for Bookmark {
    fn from(item: Item) -> Self {
        Self {
            sheet_id: member(&item.data, "sheetId"),
            selection_fields: member(&item.data, "selectionFields"),
            created: member(&item.data, "creationDate"),
            item,
        }
    }
}

impl From<Item> for MasterDimension {
    fn from(item: Item) -> Self {
        Self { definition: member(&item.data, "dim"), item }
    }
}

impl From<Item> for MasterMeasure {
    fn from(item: Item) -> Self {
        Self { definition: member(&item.data, "measure"), item }
    }
}

macro_rules! items {
    ($($name:ident)*) => {$(
        impl Deref for $name {
            type Target = Item;

            fn deref(&self) -> &Item {
                &self.item
            }
        }
    )*};
}

items! { Sheet Bookmark MasterDimension MasterMeasure }

/// Returns a member of the author's, which may be missing or of any type.
fn member<T: DeserializeOwned + Default>(data: &JsonObject, name: &str) -> T {
    data.extra().get(name).and_then(|value| value.decode().ok()).unwrap_or_default()
}

/// Reads a count that some authors write as text.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(f64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Count::deserialize(deserializer)? {
        // What is no count is none: a float that does not fit becomes the nearest one that does.
        Count::Number(number) => number as u32,
        Count::Text(text) => text.trim().parse().unwrap_or_default(),
        Count::Other(_) => 0,
    })
}
