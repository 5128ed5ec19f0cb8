//! The data model of an app.

use qix_protocol::schema::{FieldInTableData, Size, SourceKeyRecord, TableRecord};

use crate::{Doc, Error};

/// The tables of an app's data and what joins them, made by [`Doc::data_model`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DataModel {
    /// The tables, with their fields.
    pub tables: Vec<TableRecord>,
    /// The fields by which tables are joined, and these tables.
    pub keys: Vec<SourceKeyRecord>,
}

impl DataModel {
    /// Returns a table by its name.
    pub fn table(&self, name: &str) -> Option<&TableRecord> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Returns all fields, each once for each table that it is in, with that table.
    pub fn fields(&self) -> impl Iterator<Item = (&TableRecord, &FieldInTableData)> {
        self.tables.iter().flat_map(|table| table.fields.iter().map(move |field| (table, field)))
    }
}

impl Doc {
    /// Reads the data model as the source tables have it: a synthetic key is not shown as a table of its own.
    ///
    /// # Errors
    ///
    /// Those of `GetTablesAndKeys`.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is changed.
    pub async fn data_model(&self) -> Result<DataModel, Error> {
        // Sizes are for a picture of the model, which nobody draws here.
        let nothing = Size::default();
        let said = self.get_tables_and_keys(&nothing, &nothing, 0, false, false).await?;
        Ok(DataModel { tables: said.tr, keys: said.k })
    }
}
