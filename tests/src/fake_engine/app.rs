//! An app: its data, its objects, its script.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::selection::Fields;
use super::table::Table;

/// The one time stamp of this engine: recordings of the same script must not differ.
pub(crate) const TIMESTAMP: &str = "2026-01-15T08:00:00.000Z";

/// The class of an entity, hence of the handle to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Object,
    Dimension,
    Measure,
    Bookmark,
    Variable,
}

impl Kind {
    /// Returns the name that object references carry in `qType`.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Object => "GenericObject",
            Self::Dimension => "GenericDimension",
            Self::Measure => "GenericMeasure",
            Self::Bookmark => "GenericBookmark",
            Self::Variable => "GenericVariable",
        }
    }
}

/// Anything with properties that a handle can name.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) kind: Kind,
    pub(crate) props: Value,
    /// The properties with soft patches applied, if there are any.
    pub(crate) soft: Option<Value>,
    pub(crate) parent: Option<String>,
    pub(crate) children: Vec<String>,
    /// False for session objects: they are not saved, and not listed among the app's objects.
    pub(crate) persisted: bool,
    /// The selections that a bookmark holds.
    pub(crate) fields: Fields,
    /// Place in the order of creation.
    pub(crate) order: u64,
}

impl Entity {
    pub(crate) fn id(&self) -> &str {
        self.props["qInfo"]["qId"].as_str().unwrap_or_default()
    }

    pub(crate) fn type_(&self) -> &str {
        self.props["qInfo"]["qType"].as_str().unwrap_or_default()
    }

    /// Returns what layouts are made of.
    pub(crate) fn effective(&self) -> &Value {
        self.soft.as_ref().unwrap_or(&self.props)
    }
}

/// One app with all that a save keeps. Sessions work on copies of their own; `DoSave` brings them back to the store.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) table: Arc<Table>,
    pub(crate) entities: BTreeMap<String, Entity>,
    pub(crate) script: String,
    pub(crate) properties: Value,
    pub(crate) is_session_app: bool,
    pub(crate) has_data: bool,
    pub(crate) reloads: u32,
    next_order: u64,
}

impl App {
    pub(crate) fn new(id: &str, title: &str, table: Arc<Table>) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            has_data: table.rows > 0,
            table,
            entities: BTreeMap::new(),
            script: "///$tab Main\r\n".to_owned(),
            properties: json!({ "qTitle": title, "qThumbnail": {} }),
            is_session_app: false,
            reloads: 0,
            next_order: 0,
        }
    }

    /// Adds an entity, whose id must be in its properties and unused, and hangs it under its parent.
    pub(crate) fn insert(&mut self, kind: Kind, props: Value, parent: Option<&str>, persisted: bool) {
        self.next_order += 1;
        let entity = Entity {
            kind,
            props,
            soft: None,
            parent: parent.map(str::to_owned),
            children: Vec::new(),
            persisted,
            fields: Fields::new(),
            order: self.next_order,
        };
        let id = entity.id().to_owned();
        if let Some(parent) = parent.and_then(|parent| self.entities.get_mut(parent)) {
            parent.children.push(id.clone());
        }
        self.entities.insert(id, entity);
    }

    /// Finds an entity of one class by its id.
    pub(crate) fn find(&self, kind: Kind, id: &str) -> Option<&Entity> {
        self.entities.get(id).filter(|entity| entity.kind == kind)
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&Entity> {
        self.in_order()
            .into_iter()
            .find(|entity| entity.kind == Kind::Variable && entity.props["qName"].as_str() == Some(name))
    }

    /// Removes an entity and its descendants; returns their ids, parents first.
    pub(crate) fn remove(&mut self, id: &str) -> Vec<String> {
        let mut removed = Vec::new();
        let mut queue = vec![id.to_owned()];
        while let Some(id) = queue.pop() {
            if let Some(entity) = self.entities.remove(&id) {
                if let Some(parent) = entity.parent.and_then(|parent| self.entities.get_mut(&parent)) {
                    parent.children.retain(|child| *child != id);
                }
                queue.extend(entity.children);
                removed.push(id);
            }
        }
        removed
    }

    /// Returns all entities in the order of their creation.
    pub(crate) fn in_order(&self) -> Vec<&Entity> {
        let mut all: Vec<&Entity> = self.entities.values().collect();
        all.sort_by_key(|entity| entity.order);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_a_parent_removes_its_descendants_and_leaves_its_parent() {
        let mut app = App::new("a", "A", Arc::default());
        for (id, parent) in [("root", None), ("child", Some("root")), ("grandchild", Some("child"))] {
            app.insert(Kind::Object, json!({"qInfo":{"qId":id,"qType":"x"}}), parent, true);
        }
        assert_eq!(app.remove("child"), ["child", "grandchild"]);
        assert!(app.entities["root"].children.is_empty());
        assert_eq!(app.entities.len(), 1);
        assert!(app.remove("child").is_empty());
    }
}
