//! From an OpenRPC document to facts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    model::{Choice, Facts, Member, Method, Node, Shape, Type, is_type_name},
    openrpc::{self, Additional, Document, PROSE, Schema},
};

/// Where references to types point.
const TYPES: &str = "#/components/schemas/";

/// Keywords of JSON Schema that change what a value may be; a document that uses them says more than is understood.
const STRUCTURE: &[&str] = &[
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "enum",
    "const",
    "properties",
    "patternProperties",
    "prefixItems",
    "if",
];

/// What a document says, and what of it was not taken.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) facts: Facts,
    /// One sentence each.
    pub(super) notes: Vec<String>,
}

/// Reads a document.
///
/// # Errors
///
/// One sentence that says what is wrong with it and where.
pub(super) fn import(text: &str) -> Result<Imported, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let document: Document =
        serde_path_to_error::deserialize(&mut json).map_err(|error| match error.inner().classify() {
            serde_json::error::Category::Data => {
                let path = error.path().to_string();
                let place = if path == "." { String::new() } else { format!(" at {path}") };
                format!("no OpenRPC document that is understood{place}: {}", error.inner())
            }
            _ => format!("not JSON: {}", error.inner()),
        })?;
    json.end().map_err(|error| format!("not JSON: {error}"))?;
    let mut importer = Importer { document: &document, ignored: BTreeMap::new() };
    let facts = importer.facts()?;
    let notes = importer
        .ignored
        .into_iter()
        .map(|(keyword, (count, first))| format!("`{keyword}` is left out {count}×, first in {first}"));
    Ok(Imported { facts, notes: notes.collect() })
}

struct Importer<'a> {
    document: &'a Document,
    /// Keywords that were left out: how often, and where first.
    ignored: BTreeMap<String, (usize, String)>,
}

impl Importer<'_> {
    fn facts(&mut self) -> Result<Facts, String> {
        let document = self.document;
        if document.openrpc.split('.').next() != Some("1") {
            return Err(format!("OpenRPC {} is not understood, only version 1", document.openrpc));
        }
        let version = document.info.version.clone();
        if version.is_empty()
            || !version.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-".contains(letter))
        {
            return Err(format!("info.version: `{version}` is no version"));
        }
        self.ignore("the document", &document.rest);
        let mut types = Vec::new();
        for (name, schema) in &document.components.schemas {
            types.push(self.named(name, schema)?);
        }
        let mut methods = Vec::new();
        for method in &document.methods {
            methods.push(self.method(method)?);
        }
        types.sort_by(|a, b| a.name.cmp(&b.name));
        methods.sort_by(|a, b| (&a.class, &a.name).cmp(&(&b.class, &b.name)));
        let names: Vec<_> = methods.iter().map(Method::full_name).collect();
        distinct("methods", names.iter().map(String::as_str))?;
        Ok(Facts { version, stability: document.stability, methods, types })
    }

    fn method(&mut self, method: &openrpc::Method) -> Result<Method, String> {
        let whole = &method.name;
        let (class, name) = whole
            .split_once('.')
            .filter(|(class, name)| is_type_name(class) && is_type_name(name))
            .ok_or_else(|| format!("method `{whole}`: its name is not of the form Class.Method"))?;
        self.ignore(whole, &method.rest);
        let mut params = Vec::new();
        for param in &method.params {
            let place = format!("{whole}, parameter {}", param.name);
            self.ignore(&place, &param.rest);
            params.push(Member {
                required: param.required,
                ..self.member(&place, &param.name, &param.schema)?
            });
        }
        let result = &method.result.schema;
        if result.kind.as_deref() != Some("object") || result.reference.is_some() {
            return Err(format!("{whole}: its result is no object"));
        }
        self.ignore(whole, &method.result.rest);
        self.ignore(whole, &result.rest);
        let mut outs = Vec::new();
        for (name, schema) in result.properties.iter().flatten() {
            outs.push(self.member(&format!("{whole}, result {name}"), name, schema)?);
        }
        distinct(whole, params.iter().map(|param| param.name.as_str()))?;
        Ok(Method {
            class: class.to_owned(),
            name: name.to_owned(),
            stability: method.stability.unwrap_or(self.document.stability),
            deprecated: method.deprecated,
            access: method.access.clone(),
            params,
            outs,
        })
    }

    fn named(&mut self, name: &str, schema: &Schema) -> Result<Type, String> {
        if !is_type_name(name) || name.parse::<Node>() != Ok(Node::Named(name.to_owned())) {
            return Err(format!("`{name}`: no type can be called that"));
        }
        let mut dynamic = Vec::new();
        if let Some(Additional::Known { any_of }) = &schema.additional {
            for member in any_of {
                let place = format!("{name}.{}", member.name);
                // It repeats the type of what the schema refers to.
                let rest = member.rest.iter().filter(|(keyword, _)| *keyword != "type");
                self.ignore(&place, &rest.map(|(keyword, value)| (keyword.clone(), *value)).collect());
                dynamic.push(self.member(&place, &member.name, &member.schema)?);
            }
        }
        let shape = match (schema.kind.as_deref(), &schema.one_of) {
            (Some("string"), Some(choices)) => Shape::Enum(self.choices(name, choices)?),
            (_, Some(_)) => return Err(format!("{name}: options of something that is no string")),
            (Some("object"), None) if schema.reference.is_none() => {
                let mut members = Vec::new();
                for (member, schema) in schema.properties.iter().flatten() {
                    members.push(self.member(&format!("{name}.{member}"), member, schema)?);
                }
                Shape::Object(members)
            }
            _ => Shape::Alias(self.node(name, schema)?),
        };
        if matches!(shape, Shape::Object(_)) {
            self.ignore(name, &schema.rest);
        }
        Ok(Type {
            name: name.to_owned(),
            stability: schema.stability,
            deprecated: schema.deprecated,
            shape,
            dynamic,
        })
    }

    fn choices(&mut self, name: &str, choices: &[openrpc::Choice]) -> Result<Vec<Choice>, String> {
        let mut found = Vec::new();
        for choice in choices {
            self.ignore(name, &choice.rest);
            let symbol = choice.description.clone().filter(|text| is_symbol(text) && *text != choice.title);
            found.push(Choice { number: choice.number, short: choice.title.clone(), long: symbol });
        }
        if found.is_empty() {
            return Err(format!("{name}: an enumeration without options"));
        }
        distinct(name, found.iter().map(|choice| choice.short.as_str()))?;
        Ok(found)
    }

    fn member(&mut self, place: &str, name: &str, schema: &Schema) -> Result<Member, String> {
        if !is_symbol(name) {
            return Err(format!("{place}: `{name}` is no name of a member"));
        }
        let node = self.node(place, schema)?;
        let default = schema.default.clone();
        if let Some(value) = &default {
            self.check_default(place, &node, value)?;
        }
        Ok(Member {
            name: name.to_owned(),
            node,
            required: false,
            default,
            stability: schema.stability,
            deprecated: schema.deprecated,
        })
    }

    fn node(&mut self, place: &str, schema: &Schema) -> Result<Node, String> {
        self.ignore(place, &schema.rest);
        let unread = [
            ("properties", schema.properties.is_some()),
            ("oneOf", schema.one_of.is_some()),
            ("anyOf", matches!(schema.additional, Some(Additional::Known { .. }))),
        ];
        let unread = unread.iter().find(|(_, there)| *there).map(|(keyword, _)| *keyword);
        let unread =
            unread.or_else(|| STRUCTURE.iter().find(|word| schema.rest.contains_key(**word)).copied());
        if let Some(keyword) = unread {
            return Err(format!(
                "{place}: `{keyword}` is not understood here; the document has a newer shape"
            ));
        }
        if let Some(reference) = &schema.reference {
            let name = reference
                .strip_prefix(TYPES)
                .filter(|name| self.document.components.schemas.contains_key(*name));
            return name
                .map(|name| Node::Named(name.to_owned()))
                .ok_or_else(|| format!("{place}: refers to `{reference}`, which is not there"));
        }
        let format = schema.format.as_deref();
        let (node, known) = match schema.kind.as_deref() {
            Some("boolean") => (Node::Boolean, false),
            Some("integer") => match format {
                Some("int8") => (Node::Int8, true),
                Some("int32") => (Node::Int32, true),
                Some("int64") => (Node::Int64, true),
                Some("byte") => (Node::Byte, true),
                _ => (Node::Integer, false),
            },
            Some("number") if format == Some("double") => (Node::Double, true),
            Some("number") => (Node::Number, false),
            Some("string") if schema.encoding.as_deref() == Some("base64") => (Node::Base64, false),
            Some("string") => (Node::String, false),
            Some("object") => (Node::Object, false),
            Some("array") => match &schema.items {
                Some(items) => (Node::Array(Box::new(self.node(place, items)?)), false),
                None => (Node::Array(Box::new(Node::Any)), false),
            },
            Some(other) => return Err(format!("{place}: the type `{other}` is not known")),
            None => return Err(format!("{place}: neither a type nor a reference")),
        };
        if let (Some(format), false) = (format, known) {
            self.note(place, &format!("format {format}"));
        }
        Ok(node)
    }

    fn check_default(&self, place: &str, node: &Node, value: &Value) -> Result<(), String> {
        let fits = match node {
            Node::Boolean => value.is_boolean(),
            Node::Integer | Node::Int64 => value.is_i64(),
            Node::Int8 => value.as_i64().is_some_and(|number| i8::try_from(number).is_ok()),
            Node::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Node::Byte => value.as_i64().is_some_and(|number| u8::try_from(number).is_ok()),
            Node::Number | Node::Double => value.is_number(),
            Node::String | Node::Base64 => value.is_string(),
            Node::Array(_) => value.as_array().is_some_and(Vec::is_empty),
            Node::Object | Node::Any => value.as_object().is_some_and(serde_json::Map::is_empty),
            Node::Named(name) => {
                let choices =
                    self.document.components.schemas.get(name).and_then(|schema| schema.one_of.as_ref());
                match choices {
                    Some(choices) => choices.iter().any(|choice| {
                        let forms = [Some(&choice.title), choice.description.as_ref()];
                        forms.into_iter().flatten().any(|form| value == form) || value == choice.number
                    }),
                    None => value.as_object().is_some_and(serde_json::Map::is_empty),
                }
            }
        };
        if fits {
            Ok(())
        } else {
            Err(format!("{place}: the default {value} is no value of the type {node}"))
        }
    }

    fn ignore(&mut self, place: &str, rest: &openrpc::Rest) {
        for keyword in rest.keys().filter(|keyword| !PROSE.contains(&keyword.as_str())) {
            self.note(place, keyword);
        }
    }

    fn note(&mut self, place: &str, keyword: &str) {
        let entry = self.ignored.entry(keyword.to_owned()).or_insert_with(|| (0, place.to_owned()));
        entry.0 += 1;
    }
}

/// Whether a text can be an identifier, as against prose.
fn is_symbol(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn distinct<'a>(place: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("{place}: `{name}` is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
