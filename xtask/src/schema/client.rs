//! Writes the methods of the client's objects.

use std::fmt::Write as _;

use super::{
    model::{Member, Method, Node, Shape},
    names,
    resolve::{Schema, unique},
    write::{Text, method_page, standing},
};

/// Returns the text of the file of one class.
pub(super) fn class(schema: &Schema<'_>, class: &str) -> Result<String, String> {
    let module = names::module(class);
    let methods: Vec<_> = schema.facts.methods.iter().filter(|method| method.class == class).collect();
    let mut calls = Text::default();
    let mut setters = Text::default();
    let mut results = Text::default();
    for method in &methods {
        one(schema, method, &module, &mut calls)?;
        optional(schema, method, &module, &mut setters)?;
        result(schema, method, &module, &mut results)?;
    }
    let names: Vec<_> = methods.iter().map(|method| names::method(&method.name)).collect();
    unique(class, names.iter().map(String::as_str))?;
    let mut out = String::from("use crate::api::prelude::*;\n\n");
    // Writing to a text cannot fail.
    let _ = write!(out, "impl {class} {{{}}}\n{}\nresults! {{\n{}}}\n", calls.out, setters.out, results.out);
    Ok(out)
}

/// Returns the text of `mod.rs`.
pub(super) fn list(schema: &Schema<'_>) -> String {
    schema.classes().iter().map(|class| format!("mod {};\n", names::module(class))).collect()
}

/// The method that makes a call with the parameters that must be given.
fn one(schema: &Schema<'_>, method: &Method, module: &str, text: &mut Text) -> Result<(), String> {
    let mut taken = String::new();
    let mut given = String::new();
    let mut words = Vec::new();
    for (at, member) in method.params.iter().enumerate() {
        let argument = argument(schema, method, member)?;
        if member.required {
            let _ = write!(taken, ", {}: {}", argument.name, argument.rust);
            let _ = write!(given, ".with({at}, {})", argument.value);
            words.push(format!("`{}`: {}", argument.name, argument.words));
        }
    }
    text.line(0, "");
    text.doc(
        1,
        &format!(
            "Makes a call of `{}`. {}",
            method.full_name(),
            standing(Some(method.stability), method.stability, method.deprecated)
        ),
    );
    text.doc(1, "");
    let takes = if words.is_empty() { String::new() } else { format!("Takes {}. ", words.join("; ")) };
    let options: Vec<_> = method
        .params
        .iter()
        .filter(|member| !member.required)
        .map(|member| Ok(format!("`{}`", argument(schema, method, member)?.name)))
        .collect::<Result<_, String>>()?;
    let options =
        if options.is_empty() { String::new() } else { format!("Options: {}. ", options.join(", ")) };
    let returns = schema.returned(method)?;
    text.doc(
        1,
        &format!(
            "{takes}{options}Returns {}. See {}.",
            returns.words,
            method_page(&method.class, &method.name)
        ),
    );
    let lints = if taken.matches(": ").count() > 6 {
        "#[allow(clippy::too_many_arguments, reason = \"the method takes that many\")]"
    } else {
        ""
    };
    if !lints.is_empty() {
        text.line(1, lints);
    }
    text.line(
        1,
        &format!(
            "pub fn {}(&self{taken}) -> Call<{module}::{}> {{ Call::on(self){given} }}",
            names::method(&method.name),
            method.name
        ),
    );
    Ok(())
}

/// The setters of the parameters that may be given.
fn optional(schema: &Schema<'_>, method: &Method, module: &str, text: &mut Text) -> Result<(), String> {
    if method.params.iter().all(|member| member.required) {
        return Ok(());
    }
    text.line(0, "");
    text.line(0, &format!("impl Call<{module}::{}> {{", method.name));
    for (at, member) in method.params.iter().enumerate().filter(|(_, member)| !member.required) {
        let argument = argument(schema, method, member)?;
        text.doc(1, &format!("Sets `{}`: {}.", member.name, argument.words));
        text.line(
            1,
            &format!(
                "pub fn {}(self, {}: {}) -> Self {{ self.with({at}, {}) }}",
                argument.name, argument.name, argument.rust, argument.value
            ),
        );
    }
    text.line(0, "}");
    Ok(())
}

/// What awaiting the call returns.
fn result(schema: &Schema<'_>, method: &Method, module: &str, text: &mut Text) -> Result<(), String> {
    let returns = schema.returned(method)?;
    text.pair(1, &format!("{module}::{} =>", method.name), &format!("{{ {} }}", returns.form));
    Ok(())
}

/// A parameter as an argument.
struct Argument {
    name: String,
    rust: String,
    /// The expression that is written as JSON.
    value: String,
    words: String,
}

fn argument(schema: &Schema<'_>, method: &Method, member: &Member) -> Result<Argument, String> {
    let (field, _) = schema.param(method, member)?;
    let name = field.name;
    let node = schema.param_node(method, member)?;
    let anything = "&(impl Serialize + ?Sized)".to_owned();
    let (rust, value) = match &node {
        _ if member.name == "qRequestId" => ("RequestId".to_owned(), format!("&{name}")),
        Node::Boolean => ("bool".to_owned(), format!("&{name}")),
        Node::Integer | Node::Int8 | Node::Int32 | Node::Int64 | Node::Byte => {
            ("i64".to_owned(), format!("&{name}"))
        }
        Node::Number | Node::Double => ("impl Into<Double>".to_owned(), format!("&{name}.into()")),
        Node::String | Node::Base64 => ("&str".to_owned(), name.clone()),
        Node::Array(item) => match &**item {
            Node::String => ("&[impl AsRef<str> + Serialize]".to_owned(), name.clone()),
            Node::Integer | Node::Int32 | Node::Int64 => ("&[i64]".to_owned(), name.clone()),
            Node::Boolean => ("&[bool]".to_owned(), name.clone()),
            _ => ("&[impl Serialize]".to_owned(), name.clone()),
        },
        Node::Named(of) => match schema.shape(of) {
            Some(Shape::Enum(_)) => (format!("types::{of}"), format!("&{name}")),
            Some(Shape::Alias(Node::Array(_))) => ("&[impl Serialize]".to_owned(), name.clone()),
            Some(Shape::Alias(_)) => ("&str".to_owned(), name.clone()),
            _ => (anything, name.clone()),
        },
        Node::Object | Node::Any => (anything, name.clone()),
    };
    Ok(Argument { name, rust, value, words: field.words })
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
