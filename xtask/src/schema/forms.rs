//! The interface as JSON, for those who fill in parameters by hand: `qix-proxy call` and the explorer in the browser.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    model::{Facts, Member, Method, Shape, Stability, Type},
    overrides::Overrides,
};

/// Writes methods and types, one a line.
pub(super) fn forms(facts: &Facts, overrides: &Overrides) -> Result<String, String> {
    let methods = facts.methods.iter().map(|method| of_method(method, overrides));
    let types = facts.types.iter().map(|item| of_type(item, overrides));
    let lines = |items: Vec<Value>| {
        let lines: Vec<String> = items.iter().map(Value::to_string).collect();
        lines.join(",\n")
    };
    Ok(format!(
        "{{\"version\":{},\"methods\":[\n{}\n],\"types\":[\n{}\n]}}\n",
        Value::from(facts.version.as_str()),
        lines(methods.collect::<Result<_, _>>()?),
        lines(types.collect::<Result<_, _>>()?),
    ))
}

fn of_method(method: &Method, overrides: &Overrides) -> Result<Value, String> {
    let full = method.full_name();
    let mut value = json!({
        "class": method.class,
        "name": method.name,
        "params": members(&full, &method.params, overrides)?,
        "outs": members(&full, &method.outs, overrides)?,
    });
    let object = value.as_object_mut().ok_or("a method is an object")?;
    if method.stability == Stability::Experimental {
        object.insert("experimental".to_owned(), true.into());
    }
    if method.deprecated {
        object.insert("deprecated".to_owned(), true.into());
    }
    if let Some(class) = overrides.class_returned(&full) {
        object.insert("returns".to_owned(), class.into());
    }
    Ok(value)
}

fn of_type(item: &Type, overrides: &Overrides) -> Result<Value, String> {
    Ok(match &item.shape {
        Shape::Object(inner) => json!({"name": item.name, "object": members(&item.name, inner, overrides)?}),
        Shape::Enum(choices) => {
            let options: Vec<_> = choices.iter().map(|choice| choice.short.as_str()).collect();
            let long: Vec<_> = choices.iter().map(|choice| choice.symbol()).collect();
            json!({"name": item.name, "enum": options, "long": long})
        }
        Shape::Alias(node) => json!({"name": item.name, "alias": node}),
    })
}

fn members(owner: &str, members: &[Member], overrides: &Overrides) -> Result<Vec<Value>, String> {
    let mut written = Vec::new();
    for member in members {
        let node = match overrides.type_of(&format!("{owner}.{}", member.name)) {
            Some(node) => node?,
            None => member.node.clone(),
        };
        #[derive(Serialize)]
        struct Written<'a> {
            name: &'a str,
            #[serde(rename = "type")]
            node: String,
            #[serde(skip_serializing_if = "is_false")]
            required: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            default: Option<&'a Value>,
        }
        let node = node.to_string();
        let line =
            Written { name: &member.name, node, required: member.required, default: member.default.as_ref() };
        written.push(serde_json::to_value(line).map_err(|error| error.to_string())?);
    }
    Ok(written)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_say_what_they_take_and_which_class_they_open() {
        let facts: Facts = serde_json::from_value(json!({
            "version": "1", "stability": "locked",
            "methods": [{"class": "Doc", "name": "GetField", "stability": "experimental", "params": [
                {"name": "qFieldName", "type": "string", "required": true},
                {"name": "qStateName", "type": "string", "default": "$"}], "outs": [{"name": "qReturn", "type": "ObjectInterface"}]}],
            "types": [{"name": "Mode", "enum": [{"number": 0, "short": "M", "long": "MODE"}]}],
        }))
        .unwrap();
        let overrides = Overrides::parse("[returns]\n\"Doc.GetField\" = \"Field\"\n").unwrap();
        let value: Value = serde_json::from_str(&forms(&facts, &overrides).unwrap()).unwrap();
        assert_eq!(value["methods"][0]["returns"], "Field");
        assert_eq!(value["methods"][0]["experimental"], true);
        assert_eq!(
            value["methods"][0]["params"][1],
            json!({"name": "qStateName", "type": "string", "default": "$"})
        );
        assert_eq!(value["types"][0], json!({"name": "Mode", "enum": ["M"], "long": ["MODE"]}));
    }
}
