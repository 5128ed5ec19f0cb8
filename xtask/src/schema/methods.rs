//! Writes the methods of the schema.

use super::{
    model::{Method, Stability},
    names,
    resolve::{Schema, unique},
    write::{Text, method_page, standing},
};

/// Returns the text of the file of one class.
pub(super) fn class(schema: &Schema<'_>, class: &str) -> Result<String, String> {
    let mut text = Text::default();
    let methods: Vec<_> = schema.facts.methods.iter().filter(|method| method.class == class).collect();
    for method in &methods {
        one(schema, method, &mut text)?;
    }
    let mut items = Vec::new();
    for method in &methods {
        items.push(method.name.clone());
        items.extend((!method.params.is_empty()).then(|| params_name(method)));
        items.extend((!method.outs.is_empty()).then(|| output_name(method)));
    }
    unique(class, items.iter().map(String::as_str))?;
    let types = if text.out.contains("types::") { "use super::super::types;\n" } else { "" };
    Ok(format!("{types}use crate::schema::prelude::*;\n{}", text.out))
}

/// Returns the text of `methods/mod.rs`.
pub(super) fn list(schema: &Schema<'_>) -> String {
    let mut text = Text::default();
    for class in schema.classes() {
        text.doc(
            0,
            &format!(
                "The {} methods of the class `{class}`.",
                schema.facts.methods.iter().filter(|method| method.class == **class).count()
            ),
        );
        text.line(0, &format!("pub mod {};", names::module(class)));
    }
    text.line(0, "");
    text.line(0, "use crate::schema::prelude::*;");
    text.line(0, "");
    text.doc(0, "All methods, sorted by class and name.");
    text.line(0, "pub static METHODS: &[&MethodInfo] = &[");
    for method in &schema.facts.methods {
        text.line(1, &format!("<{}::{} as Method>::INFO,", names::module(&method.class), method.name));
    }
    text.line(0, "];");
    text.out
}

fn one(schema: &Schema<'_>, method: &Method, text: &mut Text) -> Result<(), String> {
    let full = method.full_name();
    let mut params = Vec::new();
    for member in &method.params {
        params.push((member, schema.param(method, member)?, schema.kind(method, member)?));
    }
    let mut outs = Vec::new();
    for member in &method.outs {
        outs.push((member, schema.out(method, member)?));
    }

    text.line(0, "");
    text.doc(
        0,
        &format!("`{full}`. {}", standing(Some(method.stability), method.stability, method.deprecated)),
    );
    text.doc(0, "");
    let takes = params.iter().map(|(member, (field, _), _)| {
        format!("`{}`: {}{}", member.name, field.words, if member.required { "" } else { ", optional" })
    });
    let returns = outs.iter().map(|(member, field)| format!("`{}`: {}", member.name, field.words));
    let access = if method.access.is_empty() {
        String::new()
    } else {
        format!(" Access control: {}.", method.access.join(", "))
    };
    text.doc(
        0,
        &format!(
            "Takes {}. Returns {}.{access} See {}.",
            or_nothing(takes),
            or_nothing(returns),
            method_page(&method.class, &method.name)
        ),
    );
    text.line(0, "#[derive(Clone, Copy, Debug)]");
    text.line(0, &format!("pub struct {};", method.name));

    let borrows = params.iter().any(|(_, (_, borrows), _)| *borrows);
    let life = if borrows { "<'a>" } else { "" };
    if !params.is_empty() {
        text.line(0, "");
        text.line(0, "params! {");
        text.doc(1, &format!("Parameters of [`{}`].", method.name));
        text.line(1, &format!("pub struct {}{life} {{", params_name(method)));
        for (member, (field, _), _) in &params {
            text.doc(2, &format!("`{}`: {}.", member.name, field.words));
            let need = if member.required { "required" } else { "optional" };
            text.pair(2, &format!("{need} {}: {} =", field.name, field.rust), &format!("{:?},", member.name));
        }
        text.line(1, "}");
        text.line(0, "}");
        unique(&full, params.iter().map(|(_, (field, _), _)| field.name.as_str()))?;
    }
    if !outs.is_empty() {
        text.line(0, "");
        text.line(0, "object! {");
        text.doc(1, &format!("What [`{}`] returns.", method.name));
        text.line(1, &format!("pub struct {} {{", output_name(method)));
        for (member, field) in &outs {
            text.doc(2, &format!("`{}`: {}.", member.name, field.words));
            text.pair(2, &format!("pub {}: {} =", field.name, field.rust), &format!("{:?},", member.name));
        }
        text.line(1, "}");
        text.line(0, "}");
        unique(&full, outs.iter().map(|(_, field)| field.name.as_str()).chain(["extra"]))?;
    }

    let stability = match method.stability {
        Stability::Locked => "Locked",
        Stability::Stable => "Stable",
        Stability::Experimental => "Experimental",
    };
    text.line(0, "");
    text.line(0, &format!("impl Method for {} {{", method.name));
    text.line(1, "const INFO: &'static MethodInfo = &MethodInfo {");
    text.line(2, &format!("class: {:?},", method.class));
    text.line(2, &format!("name: {:?},", method.name));
    text.line(2, &format!("stability: Stability::{stability},"));
    text.line(2, &format!("deprecated: {},", method.deprecated));
    text.line(2, "params: &[");
    for (member, _, kind) in &params {
        text.line(
            3,
            &format!(
                "ParamInfo {{ name: {:?}, required: {}, kind: Kind::{kind} }},",
                member.name, member.required
            ),
        );
    }
    text.line(2, "],");
    let names: Vec<_> = method.outs.iter().map(|out| format!("{:?}", out.name)).collect();
    text.line(2, &format!("outs: &[{}],", names.join(", ")));
    text.line(1, "};");
    text.line(1, &format!("type Class = class::{};", method.class));
    let taken =
        if params.is_empty() { "NoParams".to_owned() } else { format!("{}{life}", params_name(method)) };
    text.line(1, &format!("type Params<'a> = {taken};"));
    let output = if outs.is_empty() { "NoOutput".to_owned() } else { output_name(method) };
    text.line(1, &format!("type Output = {output};"));
    text.line(0, "}");
    Ok(())
}

fn params_name(method: &Method) -> String {
    format!("{}Params", method.name)
}

fn output_name(method: &Method) -> String {
    format!("{}Output", method.name)
}

fn or_nothing(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join("; ") }
}
