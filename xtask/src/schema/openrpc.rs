//! An OpenRPC document as engines publish it: the parts that are read.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::model::Stability;

/// Members that are not read, to be reported unless they are known to carry no facts.
pub(super) type Rest = BTreeMap<String, IgnoredAny>;

/// Prose, and links to more of it.
pub(super) const PROSE: &[&str] =
    &["description", "summary", "x-qlik-see-also", "x-qlik-deprecation-description", "x-qlik-visibility"];

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) openrpc: String,
    pub(super) info: Info,
    pub(super) methods: Vec<Method>,
    pub(super) components: Components,
    #[serde(rename = "x-qlik-stability", default)]
    pub(super) stability: Stability,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Deserialize)]
pub(super) struct Info {
    pub(super) version: String,
}

#[derive(Deserialize)]
pub(super) struct Components {
    pub(super) schemas: IndexMap<String, Schema>,
}

#[derive(Deserialize)]
pub(super) struct Method {
    pub(super) name: String,
    #[serde(default)]
    pub(super) params: Vec<Param>,
    pub(super) result: MethodResult,
    #[serde(rename = "x-qlik-stability")]
    pub(super) stability: Option<Stability>,
    #[serde(rename = "x-qlik-deprecated", default)]
    pub(super) deprecated: bool,
    #[serde(rename = "x-qlik-access-control", default)]
    pub(super) access: Vec<String>,
    /// Every method may fail with the same errors.
    #[serde(default, rename = "errors")]
    pub(super) _errors: IgnoredAny,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Deserialize)]
pub(super) struct Param {
    pub(super) name: String,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) schema: Schema,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Deserialize)]
pub(super) struct MethodResult {
    /// A title.
    #[serde(default, rename = "name")]
    pub(super) _name: IgnoredAny,
    pub(super) schema: Schema,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Deserialize)]
pub(super) struct Schema {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) format: Option<String>,
    #[serde(rename = "$ref")]
    pub(super) reference: Option<String>,
    pub(super) items: Option<Box<Schema>>,
    pub(super) properties: Option<IndexMap<String, Schema>>,
    #[serde(rename = "oneOf")]
    pub(super) one_of: Option<Vec<Choice>>,
    #[serde(rename = "additionalProperties")]
    pub(super) additional: Option<Additional>,
    #[serde(rename = "contentEncoding")]
    pub(super) encoding: Option<String>,
    pub(super) default: Option<Value>,
    #[serde(rename = "x-qlik-stability")]
    pub(super) stability: Option<Stability>,
    #[serde(rename = "x-qlik-deprecated", default)]
    pub(super) deprecated: bool,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(rename = "x-qlik-const")]
    pub(super) number: i64,
    pub(super) title: String,
    /// Not prose here: the symbolic name.
    pub(super) description: Option<String>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Additional {
    Known {
        #[serde(rename = "anyOf")]
        any_of: Vec<Dynamic>,
    },
    /// JSON Schema's own forms, which say nothing that does not hold anyway.
    Plain(IgnoredAny),
}

/// A well-known member of an open object.
#[derive(Deserialize)]
pub(super) struct Dynamic {
    pub(super) name: String,
    pub(super) schema: Schema,
    #[serde(flatten)]
    pub(super) rest: Rest,
}
