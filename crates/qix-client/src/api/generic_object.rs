//! Sheets, charts, lists: everything with properties and a layout.

use std::ops::Deref;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Nothing, Success};
use crate::{Error, Object};

/// A sheet, chart, list or anything else with properties and a layout. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GenericObject(Object);

/// A rectangle of cells; rows and columns count from 0.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Page {
    /// The first column.
    #[serde(rename = "qLeft")]
    pub left: i64,
    /// The first row.
    #[serde(rename = "qTop")]
    pub top: i64,
    /// How many columns.
    #[serde(rename = "qWidth")]
    pub width: i64,
    /// How many rows. One call returns at most 10,000 cells over all its pages.
    #[serde(rename = "qHeight")]
    pub height: i64,
}

impl GenericObject {
    pub(crate) fn new(object: Object) -> Self {
        Self(object)
    }

    /// Returns the evaluated object (`GetLayout`), and so lets the engine report its next change.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) with code 15 if a selection made the answer stale; a change follows.
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`.
    pub async fn get_layout<L: DeserializeOwned>(&self) -> Result<L, Error> {
        #[derive(Deserialize)]
        struct Out<L> {
            #[serde(rename = "qLayout")]
            layout: L,
        }
        let out: Out<L> = self.call("GetLayout", &[(); 0]).await?;
        Ok(out.layout)
    }

    /// Returns the object's properties (`GetProperties`); members equal to their default may be missing.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`.
    pub async fn get_properties<P: DeserializeOwned>(&self) -> Result<P, Error> {
        #[derive(Deserialize)]
        struct Out<P> {
            #[serde(rename = "qProp")]
            properties: P,
        }
        let out: Out<P> = self.call("GetProperties", &[(); 0]).await?;
        Ok(out.properties)
    }

    /// Replaces the object's properties (`SetProperties`).
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`; the properties may be set all the same.
    pub async fn set_properties(&self, properties: &impl Serialize) -> Result<(), Error> {
        let Nothing {} = self.call("SetProperties", &[properties]).await?;
        Ok(())
    }

    /// Returns cells of a hypercube (`GetHyperCubeData`). `path` is where its definition is, usually `/qHyperCubeDef`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) with code 7009 if the pages hold more than 10,000 cells.
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`.
    pub async fn get_hypercube_data<D: DeserializeOwned>(
        &self,
        path: &str,
        pages: &[Page],
    ) -> Result<Vec<D>, Error> {
        #[derive(Deserialize)]
        struct Out<D> {
            #[serde(rename = "qDataPages")]
            pages: Vec<D>,
        }
        let out: Out<D> = self.call("GetHyperCubeData", &(path, pages)).await?;
        Ok(out.pages)
    }

    /// Selects values of a list object by element number, and returns whether that was possible
    /// (`SelectListObjectValues`). With `toggle` the values are added to or taken from the selection, without they replace it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) with code 6003 if another object holds the modal state.
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`; a selection that was made is not taken back.
    pub async fn select_list_object_values(
        &self,
        path: &str,
        values: &[i64],
        toggle: bool,
    ) -> Result<bool, Error> {
        let out: Success = self.call("SelectListObjectValues", &(path, values, toggle)).await?;
        Ok(out.value)
    }
}

impl Deref for GenericObject {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}
