//! What each name and type of the facts is in Rust, overrides included.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    model::{Choice, Facts, Member, Method, Node, Shape, Type},
    names,
    overrides::Overrides,
};

/// Types that the crate has beside the generated ones and that overrides may name.
const CODES: &[&str] = &["ErrorCode", "MessageCode", "WarningCode"];

/// Names that the generated files take from the crate, so that no type may be called that.
const TAKEN: &[&str] = &[
    "Box",
    "Double",
    "Extra",
    "Json",
    "Kind",
    "Method",
    "MethodInfo",
    "NoOutput",
    "NoParams",
    "ObjectReference",
    "Option",
    "ParamInfo",
    "Reference",
    "Some",
    "Stability",
    "String",
    "Vec",
];

/// The facts with their overrides.
pub(super) struct Schema<'a> {
    pub(super) facts: &'a Facts,
    pub(super) overrides: &'a Overrides,
    types: BTreeMap<&'a str, &'a Type>,
    classes: BTreeSet<&'a str>,
}

/// A field of a generated type.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) rust: String,
    /// The default as an expression, if it is not that of the type.
    pub(super) default: Option<String>,
    /// The type in words.
    pub(super) words: String,
}

/// What a call of the client returns.
pub(super) struct Returned {
    /// As the client's macro takes it.
    pub(super) form: String,
    pub(super) words: String,
}

/// An option of a generated enumeration.
pub(super) struct Variant<'a> {
    pub(super) name: String,
    pub(super) choice: &'a Choice,
}

impl<'a> Schema<'a> {
    pub(super) fn new(facts: &'a Facts, overrides: &'a Overrides) -> Result<Self, String> {
        let types: BTreeMap<_, _> = facts.types.iter().map(|of| (of.name.as_str(), of)).collect();
        let classes = facts.methods.iter().map(|method| method.class.as_str()).collect();
        let taken = |name: &&&str| TAKEN.contains(name) || CODES.contains(name);
        if let Some(name) = types.keys().find(taken) {
            return Err(format!("a type cannot be called {name}, the crate uses that name"));
        }
        let schema = Self { facts, overrides, types, classes };
        schema.check_recursion()?;
        Ok(schema)
    }

    /// The classes that have methods.
    pub(super) fn classes(&self) -> &BTreeSet<&'a str> {
        &self.classes
    }

    /// A property of a type.
    pub(super) fn property(&self, owner: &str, member: &Member, dynamic: bool) -> Result<Field, String> {
        let path = format!("{owner}.{}", member.name);
        let node = self.node(&path, member)?;
        let mut rust = self.rust(&path, &node, "")?;
        let mut default = self.default(&path, &node, member)?;
        if self.overrides.is_boxed(owner, &member.name, self.is_object(&node))? || dynamic {
            rust = format!("Option<Box<{rust}>>");
            default = None;
        }
        Ok(Field { name: self.field_name(&path, &member.name)?, rust, default, words: self.words(&node) })
    }

    /// An out member of a method.
    pub(super) fn out(&self, method: &Method, member: &Member) -> Result<Field, String> {
        let path = format!("{}.{}", method.full_name(), member.name);
        let node = self.node(&path, member)?;
        let name = self.field_name(&path, &member.name)?;
        if let Node::Named(of) = &node
            && self.overrides.provided(of) == Some("ObjectReference")
            && let Some(class) = self.overrides.class_returned(&method.full_name())
        {
            if !self.classes.contains(class) {
                return Err(format!(
                    "the override returns: {}: there is no class {class}",
                    method.full_name()
                ));
            }
            let rust = format!("Reference<class::{class}>");
            return Ok(Field { name, rust, default: None, words: format!("a `{class}`") });
        }
        let rust = self.rust(&path, &node, "types::")?;
        Ok(Field { name, rust, default: None, words: self.words(&node) })
    }

    /// A parameter of a method, and whether it borrows.
    pub(super) fn param(&self, method: &Method, member: &Member) -> Result<(Field, bool), String> {
        let path = format!("{}.{}", method.full_name(), member.name);
        let node = self.node(&path, member)?;
        let owned = |node| self.rust(&path, node, "types::");
        let (rust, borrows) = match &node {
            Node::Boolean => ("bool".to_owned(), false),
            Node::Integer | Node::Int8 | Node::Int32 | Node::Int64 | Node::Byte => ("i64".to_owned(), false),
            Node::Number | Node::Double => ("Double".to_owned(), false),
            Node::String | Node::Base64 => ("&'a str".to_owned(), true),
            Node::Array(item) => (format!("&'a [{}]", owned(item)?), true),
            Node::Named(name) => match self.types.get(name.as_str()).map(|of| &of.shape) {
                Some(Shape::Enum(_)) => (owned(&node)?, false),
                Some(Shape::Alias(Node::Array(item))) => (format!("&'a [{}]", owned(item)?), true),
                Some(Shape::Alias(_)) => ("&'a str".to_owned(), true),
                _ => (format!("&'a {}", owned(&node)?), true),
            },
            Node::Object | Node::Any => (format!("&'a {}", owned(&node)?), true),
        };
        let name = self.field_name(&path, &member.name)?;
        Ok((Field { name, rust, default: None, words: self.words(&node) }, borrows))
    }

    /// What a parameter is, overrides included.
    pub(super) fn param_node(&self, method: &Method, member: &Member) -> Result<Node, String> {
        self.node(&format!("{}.{}", method.full_name(), member.name), member)
    }

    /// What a type of the schema is.
    pub(super) fn shape(&self, name: &str) -> Option<&'a Shape> {
        self.types.get(name).map(|of| &of.shape)
    }

    /// What a call of the client returns: nothing, the one out member, or all of them; references are objects.
    pub(super) fn returned(&self, method: &Method) -> Result<Returned, String> {
        let mut fields = Vec::new();
        let mut object = None;
        for member in &method.outs {
            let field = self.out(method, member)?;
            if let Some(class) = field.rust.strip_prefix("Reference<class::") {
                object = Some((field.name.clone(), class.trim_end_matches('>').to_owned()));
            }
            fields.push((member, field));
        }
        let output = format!("{}::{}Output", names::module(&method.class), method.name);
        Ok(match (&fields[..], object) {
            ([], _) => Returned { form: "nothing".to_owned(), words: "nothing".to_owned() },
            ([_], Some((field, class))) => {
                Returned { form: format!("object {field}: {class}"), words: format!("the `{class}`") }
            }
            ([(member, field)], None) => Returned {
                form: format!("value {}: {}", field.name, field.rust),
                words: format!("`{}`: {}", member.name, field.words),
            },
            (several, object) => {
                let mut words: Vec<_> = several
                    .iter()
                    .map(|(member, field)| format!("`{}`: {}", member.name, field.words))
                    .collect();
                let last = words.pop().unwrap_or_default();
                let words = format!("{} and {last}", words.join(", "));
                match object {
                    None => Returned { form: format!("all {output}"), words },
                    Some((field, class)) => {
                        // Such a reference often has no id of its own.
                        let id = several
                            .iter()
                            .find(|(member, field)| member.name.ends_with("Id") && field.rust == "String");
                        let id = id.map(|(_, field)| format!(" known by {}", field.name)).unwrap_or_default();
                        Returned { form: format!("opened {field}: {class} in {output}{id}"), words }
                    }
                }
            }
        })
    }

    /// The kind of JSON value that a parameter is.
    pub(super) fn kind(&self, method: &Method, member: &Member) -> Result<&'static str, String> {
        let node = self.node(&format!("{}.{}", method.full_name(), member.name), member)?;
        Ok(match &node {
            Node::Boolean => "Bool",
            Node::Integer | Node::Int8 | Node::Int32 | Node::Int64 | Node::Byte => "Integer",
            Node::Number | Node::Double => "Number",
            Node::String | Node::Base64 => "String",
            Node::Array(_) => "Array",
            Node::Object | Node::Any => "Object",
            Node::Named(name) => match self.types.get(name.as_str()).map(|of| &of.shape) {
                Some(Shape::Enum(_)) => "String",
                Some(Shape::Alias(Node::Array(_))) => "Array",
                Some(Shape::Alias(_)) => "String",
                _ => "Object",
            },
        })
    }

    /// The options of an enumeration, the default first.
    pub(super) fn variants(&self, owner: &str, choices: &'a [Choice]) -> Result<Vec<Variant<'a>>, String> {
        let symbols: Vec<_> = choices.iter().map(Choice::symbol).collect();
        let mut variants = Vec::new();
        for (choice, name) in choices.iter().zip(names::variants(&symbols)) {
            let path = format!("{owner}.{}", choice.symbol());
            variants.push(Variant { name: self.checked(&path, name)?, choice });
        }
        if let Some(zero) = variants.iter().position(|variant| variant.choice.number == 0) {
            variants[..=zero].rotate_right(1);
        }
        let names = variants.iter().map(|variant| variant.name.as_str()).chain(["Other"]);
        unique(owner, names)?;
        Ok(variants)
    }

    /// The type of a value in Rust; `prefix` is the path to generated types.
    pub(super) fn rust(&self, path: &str, node: &Node, prefix: &str) -> Result<String, String> {
        Ok(match node {
            Node::Boolean => "bool".to_owned(),
            Node::Integer | Node::Int64 => "i64".to_owned(),
            Node::Int8 => "i8".to_owned(),
            Node::Int32 => "i32".to_owned(),
            Node::Byte => "u8".to_owned(),
            Node::Number | Node::Double => "Double".to_owned(),
            Node::String | Node::Base64 => "String".to_owned(),
            Node::Object if self.types.contains_key("JsonObject") => format!("{prefix}JsonObject"),
            Node::Object => {
                return Err(format!("{path}: an object of unknown type; give it one in the overrides"));
            }
            Node::Any => {
                return Err(format!("{path}: a list of unknown items; give it a type in the overrides"));
            }
            Node::Array(item) => format!("Vec<{}>", self.rust(path, item, prefix)?),
            Node::Named(name) => match self.overrides.provided(name) {
                Some(rust) => rust.to_owned(),
                None if CODES.contains(&name.as_str()) => name.clone(),
                None if self.types.contains_key(name.as_str()) => format!("{prefix}{name}"),
                None => return Err(format!("{path}: there is no type {name}")),
            },
        })
    }

    /// The type of a value in words.
    pub(super) fn words(&self, node: &Node) -> String {
        match node {
            Node::Array(item) => format!("array of {}", self.words(item)),
            Node::Named(name) => match self.overrides.provided(name) {
                Some(rust) => format!("`{rust}`"),
                None => format!("`{name}`"),
            },
            simple => simple.to_string(),
        }
    }

    fn is_object(&self, node: &Node) -> bool {
        let Node::Named(name) = node else { return false };
        self.types.get(name.as_str()).is_some_and(|of| matches!(of.shape, Shape::Object(_)))
    }

    fn node(&self, path: &str, member: &Member) -> Result<Node, String> {
        let node = self.overrides.type_of(path).transpose();
        Ok(node
            .map_err(|fault| format!("the override types: {path}: {fault}"))?
            .unwrap_or_else(|| member.node.clone()))
    }

    fn field_name(&self, path: &str, wire: &str) -> Result<String, String> {
        self.checked(path, names::field(wire))
    }

    fn checked(&self, path: &str, rule: String) -> Result<String, String> {
        match self.overrides.name_of(path) {
            Some(name) if names::is_valid(name) => Ok(name.to_owned()),
            Some(name) => Err(format!("the override names: {path}: `{name}` is no name in Rust")),
            None => Ok(rule),
        }
    }

    /// The default of a member as an expression, if it is not what the type has by itself.
    fn default(&self, path: &str, node: &Node, member: &Member) -> Result<Option<String>, String> {
        let Some(value) = &member.default else { return Ok(None) };
        let misfit = || format!("{path}: the default {value} is no value of the type {node}");
        let number = || value.as_i64().ok_or_else(misfit);
        let expression = match (node, value) {
            (Node::Boolean, Value::Bool(flag)) => flag.then(|| "true".to_owned()),
            (Node::Integer | Node::Int8 | Node::Int32 | Node::Int64 | Node::Byte, _) => {
                Some(number()?).filter(|number| *number != 0).map(|number| number.to_string())
            }
            (Node::Number | Node::Double, _) => {
                let number = value.as_f64().ok_or_else(misfit)?;
                (number != 0.0).then(|| format!("Double({number:?})"))
            }
            (Node::String | Node::Base64, Value::String(text)) => {
                (!text.is_empty()).then(|| format!("{text:?}.to_owned()"))
            }
            (Node::Array(_), Value::Array(items)) if items.is_empty() => None,
            (Node::Named(name), value) => match self.types.get(name.as_str()).map(|of| &of.shape) {
                Some(Shape::Enum(choices)) => {
                    let variants = self.variants(name, choices)?;
                    let is_it = |variant: &Variant<'_>| {
                        let choice = variant.choice;
                        value == &choice.short
                            || choice.long.as_ref().is_some_and(|long| value == long)
                            || value == choice.number
                    };
                    let at = variants.iter().position(is_it).ok_or_else(misfit)?;
                    (at > 0).then(|| format!("{name}::{}", variants[at].name))
                }
                _ if value.as_object().is_some_and(serde_json::Map::is_empty) || value == 0 => None,
                _ => return Err(misfit()),
            },
            _ => return Err(misfit()),
        };
        Ok(expression)
    }

    /// A type that contains itself must do so through a list or a box.
    fn check_recursion(&self) -> Result<(), String> {
        let mut done = BTreeSet::new();
        for name in self.types.keys() {
            self.descend(name, &mut Vec::new(), &mut done)?;
        }
        Ok(())
    }

    fn descend(
        &self,
        name: &'a str,
        above: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Result<(), String> {
        if above.contains(&name) {
            return Err(format!("{name} contains itself; box a member of {}", above.join(" or ")));
        }
        let Some(Shape::Object(members)) = self.types.get(name).map(|of| &of.shape) else { return Ok(()) };
        if done.contains(name) {
            return Ok(());
        }
        above.push(name);
        for member in members {
            if let Node::Named(of) = &member.node
                && self.is_object(&member.node)
                && !self.overrides.is_boxed(name, &member.name, true)?
            {
                self.descend(of, above, done)?;
            }
        }
        above.pop();
        done.insert(name);
        Ok(())
    }
}

/// Fails if two are the same.
pub(super) fn unique<'a>(owner: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("{owner}: the name {name} is there twice; change one in the overrides"));
        }
    }
    Ok(())
}
