//! List objects.

use qix_protocol::schema::{ListObjectDef, NxInfo};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Cell, ListDef, ListLayout, Live, Pages, Rows, Size, Table,
    cube::table,
    source::{Kind, Source},
};
use crate::{Doc, Error, ErrorKind, GenericObject, selections::done};

/// A list object: all values of a dimension with their states. Made by [`Doc::list_object`](crate::Doc::list_object), or that of a
/// list box.
///
/// Cheap to clone. One of its own is destroyed in the engine when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct ListObject(Source);

/// Properties of a session object with a list.
#[derive(Serialize)]
struct Properties {
    #[serde(rename = "qInfo")]
    info: NxInfo,
    #[serde(rename = "qListObjectDef")]
    list: ListObjectDef,
}

/// Where the list of a session object is.
const PATH: &str = "/qListObjectDef";

impl Doc {
    /// Makes a list object that lives as long as what is returned.
    ///
    /// ```no_run
    /// # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
    /// use futures_util::TryStreamExt as _;
    /// use qix_client::data::CellState;
    ///
    /// let regions = doc.list_object("Region").await?;
    /// let mut values = regions.values();
    /// while let Some(value) = values.try_next().await? {
    ///     println!("{}: {:?}", value.text, value.state);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses. A definition that cannot be computed is no error before its data are read.
    pub async fn list_object(&self, def: impl Into<ListDef> + Send) -> Result<ListObject, Error> {
        let info = NxInfo { type_: "listobject".to_owned(), ..NxInfo::default() };
        let object = self.create_session_object(&Properties { info, list: def.into().into() }).await?;
        Ok(ListObject::of(object, PATH))
    }
}

impl ListObject {
    /// Takes the list of an object, such as a list box; `path` is that of its definition, mostly `/qListObjectDef`.
    pub fn of(object: GenericObject, path: &str) -> Self {
        Self(Source::new(object, Kind::List, path))
    }

    /// Returns the object that the list is a part of.
    pub fn object(&self) -> &GenericObject {
        self.0.object()
    }

    /// Returns where the definition is in the object's properties.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Fetches what the layout says of the list, without its values: also how many are in which state.
    ///
    /// # Errors
    ///
    /// [`DataError::Missing`](super::DataError::Missing) if there is no list. What is wrong with it is no error here: see
    /// [`ListLayout::fault`].
    pub async fn layout(&self) -> Result<ListLayout, Error> {
        Ok(self.0.list().await?.layout)
    }

    /// Fetches how large the list is now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] if it cannot be computed.
    pub async fn size(&self) -> Result<Size, Error> {
        let layout = self.layout().await?;
        match layout.fault() {
            None => Ok(layout.size()),
            Some(fault) => Err(Error::because(ErrorKind::Data, fault)),
        }
    }

    /// Reads the values with their states, for lists without expressions.
    pub fn values(&self) -> Rows<Cell> {
        self.rows()
    }

    /// Reads the values, and what expressions there are, as values of your own type.
    pub fn rows<T: DeserializeOwned>(&self) -> Rows<T> {
        Rows::new(self.pages())
    }

    /// Reads the values page by page, by column.
    pub fn pages(&self) -> Pages {
        Pages::new(self.0.clone())
    }

    /// Reads all values of one state of the selections, starting again as often as it changes meanwhile.
    ///
    /// # Errors
    ///
    /// As [`HyperCube::all`](super::HyperCube::all).
    pub async fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        self.table().await?.rows().collect()
    }

    /// Reads all values of one state of the selections by column.
    ///
    /// # Errors
    ///
    /// As [`HyperCube::all`](super::HyperCube::all).
    pub async fn table(&self) -> Result<Table, Error> {
        table(&self.0).await
    }

    /// Reads all values with their states, and reads them again after each change.
    pub fn live_values(&self) -> Live<Vec<Cell>> {
        let list = self.clone();
        Live::new(self.object().clone(), move || {
            let list = list.clone();
            async move { list.all().await }
        })
    }

    /// Searches: until the search is accepted or aborted, the list has only the values that match. `*` and `?` are wildcards.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsuccessful`] if the engine says so.
    ///
    /// # Cancellation
    ///
    /// Dropping the future aborts the search.
    pub async fn search(&self, pattern: &str) -> Result<Search, Error> {
        let search = Search { list: self.clone(), is_on: true };
        done(self.object().search_list_object_for(self.path(), pattern).await?, "SearchListObjectFor")?;
        Ok(search)
    }
}

/// A search in a list object. Dropping it aborts the search.
#[derive(Debug)]
#[must_use = "dropping a search aborts it"]
pub struct Search {
    list: ListObject,
    is_on: bool,
}

impl Search {
    /// Selects what was found instead of what was selected, and ends the search.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses; the search is aborted then.
    pub async fn accept(self) -> Result<(), Error> {
        self.end(false).await
    }

    /// Turns over whether each value that was found is selected, and ends the search.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses; the search is aborted then.
    pub async fn toggle(self) -> Result<(), Error> {
        self.end(true).await
    }

    /// Ends the search without selecting.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn abort(mut self) -> Result<(), Error> {
        let outcome = self.list.object().abort_list_object_search(self.list.path()).await;
        self.is_on = outcome.is_err();
        outcome
    }

    async fn end(mut self, toggle: bool) -> Result<(), Error> {
        self.list.object().accept_list_object_search(self.list.path(), toggle).await?;
        self.is_on = false;
        Ok(())
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if self.is_on {
            self.list.object().abort_list_object_search(self.list.path()).tell();
        }
    }
}
