//! Writes the types of the schema.

use super::{
    model::{Member, Shape, Type},
    resolve::{Schema, unique},
    write::{Text, standing, type_page},
};

/// Returns the text of `structs.rs`: objects, and other names for types.
pub(super) fn structs(schema: &Schema<'_>) -> Result<String, String> {
    let mut text = Text::default();
    text.line(0, "use super::enums::*;");
    text.line(0, "use crate::schema::prelude::*;");
    for of in &schema.facts.types {
        if schema.overrides.provided(&of.name).is_some() {
            continue;
        }
        match &of.shape {
            Shape::Object(members) => object(schema, of, members, &mut text)?,
            Shape::Alias(node) => {
                let rust = schema.rust(&of.name, node, "")?;
                text.line(0, "");
                text.doc(0, &format!("{} In full {}.", head(schema, of), schema.words(node)));
                text.line(0, &format!("pub type {} = {rust};", of.name));
            }
            Shape::Enum(_) => {}
        }
    }
    Ok(text.out)
}

/// Returns the text of `enums.rs`.
pub(super) fn enums(schema: &Schema<'_>) -> Result<String, String> {
    let mut text = Text::default();
    text.line(0, "use crate::schema::prelude::*;");
    for of in &schema.facts.types {
        let Shape::Enum(choices) = &of.shape else { continue };
        let variants = schema.variants(&of.name, choices)?;
        // A text that stands for two options reads as the first; a second pattern would never match.
        let mut forms: Vec<&str> = variants.iter().map(|variant| variant.choice.short.as_str()).collect();
        text.line(0, "");
        text.line(0, "enumeration! {");
        text.doc(1, &head(schema, of));
        text.line(1, &format!("pub enum {} {{", of.name));
        for variant in &variants {
            let choice = variant.choice;
            let mut doc = format!("`{}`", choice.short);
            let mut texts = format!("{:?}", choice.short);
            if let Some(long) = &choice.long {
                doc.push_str(&format!(", in full `{long}`"));
                if !forms.contains(&long.as_str()) {
                    forms.push(long);
                    texts.push_str(&format!(" | {long:?}"));
                }
            }
            text.doc(2, &format!("{doc}, number {}.", choice.number));
            text.pair(2, &format!("{} = {},", variant.name, choice.number), &format!("{texts},"));
        }
        text.line(1, "}");
        text.line(0, "}");
    }
    Ok(text.out)
}

fn object(schema: &Schema<'_>, of: &Type, members: &[Member], text: &mut Text) -> Result<(), String> {
    text.line(0, "");
    text.line(0, "object! {");
    text.doc(1, &head(schema, of));
    let mut names = vec!["extra".to_owned()];
    if members.is_empty() && of.dynamic.is_empty() {
        text.line(1, &format!("pub struct {} {{}}", of.name));
    } else {
        text.line(1, &format!("pub struct {} {{", of.name));
        for (member, dynamic) in
            members.iter().map(|member| (member, false)).chain(of.dynamic.iter().map(|member| (member, true)))
        {
            let field = schema.property(&of.name, member, dynamic)?;
            let mut doc = format!("`{}`: {}", member.name, field.words);
            if let Some(default) = member.default.as_ref().filter(|_| field.default.is_some()) {
                doc.push_str(&format!(", default `{}`", plain(default)));
            }
            doc.push('.');
            if member.stability.is_some() || member.deprecated {
                doc.push_str(&format!(
                    " {}",
                    standing(member.stability, schema.facts.stability, member.deprecated)
                ));
            }
            text.doc(2, &doc);
            let default = field.default.map(|default| format!(" ({default})")).unwrap_or_default();
            let head = format!("pub {}: {} =", field.name, field.rust);
            text.pair(2, &head, &format!("{:?}{default},", member.name));
            names.push(field.name);
        }
        text.line(1, "}");
    }
    text.line(0, "}");
    unique(&of.name, names.iter().map(String::as_str))
}

fn head(schema: &Schema<'_>, of: &Type) -> String {
    let standing = standing(of.stability, schema.facts.stability, of.deprecated);
    format!("`{}`. {standing} See {}.", of.name, type_page(&of.name))
}

/// A default without the quotes of JSON.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
