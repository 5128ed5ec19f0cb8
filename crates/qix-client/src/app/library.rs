//! New bookmarks, dimensions and measures by little more than a title.

use serde_json::json;

use crate::{Doc, Error, GenericBookmark, GenericDimension, GenericMeasure, selections::done};

impl Doc {
    /// Makes a bookmark of what is selected now.
    ///
    /// # Errors
    ///
    /// Those of `CreateBookmark`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled leaves it open whether the bookmark is there.
    pub async fn bookmark_selections(&self, title: &str) -> Result<GenericBookmark, Error> {
        let properties = json!({"qInfo": {"qType": "bookmark"}, "qMetaDef": {"title": title}});
        Ok(self.create_bookmark(&properties).await?.object)
    }

    /// Selects what a bookmark has, by its id. The generated `apply_bookmark` returns `false` for one that cannot be applied, which is
    /// easily missed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsuccessful`](crate::ErrorKind::Unsuccessful) if it cannot be applied, or those of any call.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled leaves it open whether the selections are made.
    pub async fn select_bookmark(&self, id: &str) -> Result<(), Error> {
        done(self.apply_bookmark(id).await?, "ApplyBookmark")
    }

    /// Makes a dimension of the library: of one field or expression, or of several that are drilled down into in this order.
    ///
    /// # Errors
    ///
    /// Those of `CreateDimension`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled leaves it open whether the dimension is there.
    pub async fn add_dimension(&self, title: &str, fields: &[&str]) -> Result<GenericDimension, Error> {
        let grouping = if fields.len() > 1 { "H" } else { "N" };
        let properties = json!({
            "qInfo": {"qType": "dimension"},
            "qDim": {"qGrouping": grouping, "qFieldDefs": fields, "qFieldLabels": fields},
            "qMetaDef": {"title": title},
        });
        Ok(self.create_dimension(&properties).await?.object)
    }

    /// Makes a measure of the library.
    ///
    /// # Errors
    ///
    /// Those of `CreateMeasure`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled leaves it open whether the measure is there.
    pub async fn add_measure(&self, title: &str, expression: &str) -> Result<GenericMeasure, Error> {
        let properties = json!({
            "qInfo": {"qType": "measure"},
            "qMeasure": {"qLabel": title, "qDef": expression},
            "qMetaDef": {"title": title},
        });
        Ok(self.create_measure(&properties).await?.object)
    }
}
