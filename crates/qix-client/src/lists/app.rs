//! The lists of an app.

use std::future::IntoFuture as _;

use qix_protocol::schema::{FieldListDef, MediaListItem, NxFieldDescription, NxVariableListItem};
use serde_json::{Value, json};

use super::{Bookmark, Item, Listing, MasterDimension, MasterMeasure, Sheet};
use crate::{Doc, Error, ErrorKind, GenericObject, data::again};

/// What every list is asked to tell.
const TITLES: [(&str, &str); 2] = [("title", "/qMetaDef/title"), ("description", "/qMetaDef/description")];

/// Makes the definition of a list of one type of object.
fn definition(list: &str, kind: &str, members: &[(&str, &str)]) -> Value {
    let data: Value =
        TITLES.iter().chain(members).map(|(name, path)| ((*name).to_owned(), json!(path))).collect();
    json!({"qInfo": {"qType": format!("{kind}List")}, list: {"qType": kind, "qData": data}})
}

impl Doc {
    /// Lists the sheets by their rank, as they are shown; those without one come first.
    pub fn sheets(&self) -> Listing<Vec<Sheet>> {
        let members = [
            ("rank", "/rank"),
            ("columns", "/columns"),
            ("rows", "/rows"),
            ("cells", "/cells"),
            ("thumbnail", "/thumbnail"),
        ];
        Listing::new(self, definition("qAppObjectListDef", "sheet", &members), &["qAppObjectList", "qItems"])
            .arranged(|sheets: &mut Vec<Sheet>| sheets.sort_by(|a, b| a.rank.total_cmp(&b.rank)))
    }

    /// Lists the stories.
    pub fn stories(&self) -> Listing<Vec<Item>> {
        let members = [("rank", "/rank"), ("thumbnail", "/thumbnail")];
        Listing::new(self, definition("qAppObjectListDef", "story", &members), &["qAppObjectList", "qItems"])
    }

    /// Lists the objects of one type, such as `masterobject`. `members` are what to tell of their properties: names, and where they
    /// are, such as `("rank", "/rank")`.
    pub fn objects_of_type(&self, kind: &str, members: &[(&str, &str)]) -> Listing<Vec<Item>> {
        Listing::new(self, definition("qAppObjectListDef", kind, members), &["qAppObjectList", "qItems"])
    }

    /// Lists the bookmarks.
    pub fn bookmarks(&self) -> Listing<Vec<Bookmark>> {
        let members = [
            ("sheetId", "/sheetId"),
            ("selectionFields", "/selectionFields"),
            ("creationDate", "/creationDate"),
        ];
        Listing::new(self, definition("qBookmarkListDef", "bookmark", &members), &["qBookmarkList", "qItems"])
    }

    /// Lists the snapshots of charts.
    pub fn snapshots(&self) -> Listing<Vec<Bookmark>> {
        let members = [("visualizationType", "/visualizationType"), ("creationDate", "/creationDate")];
        Listing::new(self, definition("qBookmarkListDef", "snapshot", &members), &["qBookmarkList", "qItems"])
    }

    /// Lists the dimensions of the library.
    pub fn dimensions(&self) -> Listing<Vec<MasterDimension>> {
        let members = [("dim", "/qDim")];
        Listing::new(
            self,
            definition("qDimensionListDef", "dimension", &members),
            &["qDimensionList", "qItems"],
        )
    }

    /// Lists the measures of the library.
    pub fn measures(&self) -> Listing<Vec<MasterMeasure>> {
        let members = [("measure", "/qMeasure")];
        Listing::new(self, definition("qMeasureListDef", "measure", &members), &["qMeasureList", "qItems"])
    }

    /// Lists the variables, without those that the engine reserves.
    pub fn variables(&self) -> Listing<Vec<NxVariableListItem>> {
        let properties = json!({
            "qInfo": {"qType": "VariableList"},
            "qVariableListDef": {"qType": "variable", "qData": {"tags": "/tags"}},
        });
        Listing::new(self, properties, &["qVariableList", "qItems"])
    }

    /// Lists the fields of the data model that an author works with: hidden and system fields are left out.
    pub fn fields(&self) -> Listing<Vec<NxFieldDescription>> {
        self.fields_with(&FieldListDef {
            show_semantic: true,
            show_src_tables: true,
            show_derived_fields: true,
            ..FieldListDef::default()
        })
    }

    /// Lists the fields of the data model that `def` says.
    pub fn fields_with(&self, def: &FieldListDef) -> Listing<Vec<NxFieldDescription>> {
        let properties = json!({"qInfo": {"qType": "FieldList"}, "qFieldListDef": def});
        Listing::new(self, properties, &["qFieldList", "qItems"])
    }

    /// Lists the images and other media.
    pub fn media(&self) -> Listing<Vec<MediaListItem>> {
        let properties = json!({"qInfo": {"qType": "MediaList"}, "qMediaListDef": {}});
        Listing::new(self, properties, &["qMediaList", "qItems"])
    }
}

impl GenericObject {
    /// Opens the objects within this one: the charts of a sheet. Those that cannot be opened, as another user may destroy them
    /// meanwhile, are left out.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn children(&self) -> Result<Vec<GenericObject>, Error> {
        let infos = again(|| self.get_child_infos()).await?;
        let opened = infos.iter().map(|info| self.get_child(&info.id).into_future());
        let opened = futures_util::future::join_all(opened).await;
        opened
            .into_iter()
            .filter(|child| !child.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound))
            .collect()
    }
}
