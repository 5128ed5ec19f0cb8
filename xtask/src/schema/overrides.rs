//! What the document does not say, says wrongly, or would give an odd name.

use std::{cell::RefCell, collections::BTreeSet};

use indexmap::IndexMap;
use serde::Deserialize;

use super::model::Node;

/// The file `schema/overrides.toml`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Overrides {
    /// Types that the crate has already, by the name in the schema.
    provided: IndexMap<String, String>,
    /// The class of the object that a method returns.
    returns: IndexMap<String, String>,
    /// Types of members.
    types: IndexMap<String, String>,
    /// Names of members and options.
    names: IndexMap<String, String>,
    /// Members that are written `Option<Box<…>>`; `*.qError` is that member of any type in which it is an object.
    boxed: Vec<String>,
    #[serde(skip)]
    used: RefCell<BTreeSet<String>>,
}

impl Overrides {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in one sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!("line {line}: {}", error.message().replace('\n', ", "))
        })
    }

    pub(super) fn provided(&self, name: &str) -> Option<&str> {
        self.find(&self.provided, "provided", name)
    }

    pub(super) fn class_returned(&self, method: &str) -> Option<&str> {
        self.find(&self.returns, "returns", method)
    }

    pub(super) fn type_of(&self, path: &str) -> Option<Result<Node, String>> {
        self.find(&self.types, "types", path).map(str::parse)
    }

    pub(super) fn name_of(&self, path: &str) -> Option<&str> {
        self.find(&self.names, "names", path)
    }

    /// Whether a member of a type, which is an object or is not, is boxed.
    ///
    /// # Errors
    ///
    /// The member is named, and is no object.
    pub(super) fn is_boxed(&self, owner: &str, member: &str, object: bool) -> Result<bool, String> {
        let [named, any] = [format!("{owner}.{member}"), format!("*.{member}")].map(|pattern| {
            let there = self.boxed.contains(&pattern);
            if there && object {
                self.used.borrow_mut().insert(format!("boxed: {pattern}"));
            }
            there
        });
        match object {
            false if named => {
                Err(format!("the override boxed: {owner}.{member}: only an object can be boxed"))
            }
            object => Ok(object && (named || any)),
        }
    }

    /// What has never been asked for, one sentence each.
    pub(super) fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        let tables = [
            ("provided", &self.provided),
            ("returns", &self.returns),
            ("types", &self.types),
            ("names", &self.names),
        ];
        let keys =
            tables.into_iter().flat_map(|(table, map)| map.keys().map(move |key| format!("{table}: {key}")));
        let boxed = self.boxed.iter().map(|pattern| format!("boxed: {pattern}"));
        keys.chain(boxed)
            .filter(|entry| !used.contains(entry))
            .map(|entry| format!("the override `{entry}` matches nothing in this schema"))
            .collect()
    }

    fn find<'a>(&self, map: &'a IndexMap<String, String>, table: &str, key: &str) -> Option<&'a str> {
        let value = map.get(key)?;
        self.used.borrow_mut().insert(format!("{table}: {key}"));
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_that_nothing_asked_for_are_named() {
        let overrides = Overrides::parse(
            "boxed = [\"*.qError\", \"A.qB\"]\n[returns]\n\"Doc.GetField\" = \"Field\"\n\"Doc.Gone\" = \"Doc\"\n",
        )
        .unwrap();
        assert_eq!(overrides.class_returned("Doc.GetField"), Some("Field"));
        assert!(overrides.is_boxed("HyperCube", "qError", true).unwrap());
        assert!(!overrides.is_boxed("ReloadError", "qError", false).unwrap());
        assert!(overrides.is_boxed("A", "qB", false).is_err());
        assert_eq!(
            overrides.unused(),
            [
                "the override `returns: Doc.Gone` matches nothing in this schema",
                "the override `boxed: A.qB` matches nothing in this schema",
            ]
        );
    }

    #[test]
    fn mistakes_are_found_by_line() {
        let fault = |text| Overrides::parse(text).err().unwrap();
        assert!(fault("[returns]\n\"Doc.X\" = 3\n").starts_with("line 2: "));
        assert!(fault("boxed = []\n[retruns]\n").contains("retruns"));
    }
}
