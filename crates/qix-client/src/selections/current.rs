//! What is selected now.

use qix_protocol::schema::SelectionObject;
use serde_json::json;

use super::DEFAULT_STATE;
use crate::{Doc, Error, data::Live, lists::Listing};

/// What is selected, once or as a stream; made by [`Doc::current_selections`](crate::Doc::current_selections).
#[derive(Clone, Debug)]
pub struct CurrentSelections {
    doc: Doc,
    state: String,
}

impl Doc {
    /// Reads what is selected.
    pub fn current_selections(&self) -> CurrentSelections {
        CurrentSelections { doc: self.clone(), state: DEFAULT_STATE.to_owned() }
    }
}

impl CurrentSelections {
    /// Reads an alternate state instead of the default one.
    pub fn in_state(self, state: &str) -> Self {
        Self { state: state.to_owned(), ..self }
    }

    /// Reads once what is selected: field by field, and how many steps there are back and forward.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn once(&self) -> Result<SelectionObject, Error> {
        self.listing().await
    }

    /// Reads what is selected, and reads it again after each change.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn live(&self) -> Result<Live<SelectionObject>, Error> {
        self.listing().live().await
    }

    fn listing(&self) -> Listing<SelectionObject> {
        let properties = json!({
            "qInfo": {"qType": "CurrentSelections"},
            "qSelectionObjectDef": {"qStateName": self.state},
        });
        Listing::new(&self.doc, properties, &["qSelectionObject"])
    }
}
