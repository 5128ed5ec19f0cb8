//! Methods and their parameters, as people type them.

use qix_protocol::schema::{self, Kind, METHODS, MethodInfo, ParamInfo};
use serde_json::{Map, Value, value::RawValue};

/// Finds a method by `Class.Method`, or by its name alone if one class has it.
///
/// # Errors
///
/// One sentence, with what may have been meant.
pub(crate) fn method(text: &str) -> Result<&'static MethodInfo, String> {
    if let Some((class, name)) = text.split_once('.') {
        return schema::method(class, name).filter(|_| !class.is_empty()).ok_or_else(|| {
            let full = METHODS.iter().map(|info| format!("{}.{}", info.class, info.name));
            unknown("method", text, full)
        });
    }
    let mut found = METHODS.iter().filter(|info| info.name == text);
    match (found.next(), found.next()) {
        (Some(info), None) => Ok(info),
        (Some(_), Some(_)) => {
            let classes = METHODS.iter().filter(|info| info.name == text);
            let full: Vec<_> = classes.map(|info| format!("{}.{text}", info.class)).collect();
            Err(format!("several classes have a method {text}: say {}", full.join(" or ")))
        }
        (None, _) => Err(unknown("method", text, METHODS.iter().map(|info| info.name.to_owned()))),
    }
}

/// Makes JSON of what was typed: nothing, one array or object, or `name=value` for each parameter.
///
/// # Errors
///
/// One sentence on what is wrong, and what the method takes.
pub(crate) fn params(info: &MethodInfo, typed: &[String]) -> Result<Box<RawValue>, String> {
    let text = match typed {
        [one] if one.trim_start().starts_with(['[', '{']) => one.clone(),
        pairs => of_pairs(info, pairs)?,
    };
    let raw = RawValue::from_string(text).map_err(|error| format!("the parameters are no JSON: {error}"))?;
    check(info, &raw)?;
    Ok(raw)
}

/// Returns how a method is called, such as `Doc.GetField(qFieldName: text, [qStateName: text])`.
fn signature(info: &MethodInfo) -> String {
    let params: Vec<_> = info
        .params
        .iter()
        .map(|param| {
            let text = format!("{}: {}", param.name, kind(param.kind));
            if param.required { text } else { format!("[{text}]") }
        })
        .collect();
    format!("{}.{}({})", info.class, info.name, params.join(", "))
}

/// Returns the name that is most like `name`, if one is like it at all.
fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let lower = name.to_lowercase();
    let most = (name.len() / 3).max(1);
    names
        .map(|other| (strsim::osa_distance(&lower, &other.to_lowercase()), other))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, other)| other)
}

fn unknown(what: &str, name: &str, names: impl Iterator<Item = String>) -> String {
    match nearest(name, names) {
        Some(near) => format!("there is no {what} {name}; did you mean {near}?"),
        None => format!("there is no {what} {name}"),
    }
}

fn of_pairs(info: &MethodInfo, pairs: &[String]) -> Result<String, String> {
    let mut given = Map::new();
    for pair in pairs {
        let (name, text) = pair.split_once('=').ok_or_else(|| {
            format!(
                "{pair:?} is no parameter: write name=value, or one JSON array or object; {}",
                signature(info)
            )
        })?;
        let param = param(info, name)?;
        let value = value(param, text)?;
        if given.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    // By position as far as nothing is left out, as every engine reads it.
    let last = info.params.iter().rposition(|param| given.contains_key(param.name));
    let count = last.map_or(0, |last| last + 1);
    let list: Option<Vec<_>> =
        info.params[..count].iter().map(|param| given.get(param.name).cloned()).collect();
    Ok(match list {
        Some(list) => Value::Array(list).to_string(),
        None => {
            let known = info.params.iter().filter_map(|param| Some((param.name, given.get(param.name)?)));
            let members: Vec<_> =
                known.map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
            format!("{{{}}}", members.join(","))
        }
    })
}

fn param(info: &MethodInfo, name: &str) -> Result<&'static ParamInfo, String> {
    // The schema lives as long as the program.
    let params: &'static [ParamInfo] = info.params;
    params.iter().find(|param| param.name == name).ok_or_else(|| {
        let unknown = unknown("parameter", name, params.iter().map(|param| param.name.to_owned()));
        format!("{unknown} ({})", signature(info))
    })
}

fn value(param: &ParamInfo, text: &str) -> Result<Value, String> {
    let json = || serde_json::from_str::<Value>(text).ok();
    let value = match param.kind {
        Kind::String => Some(Value::from(text)),
        _ => json().filter(|value| fits(param.kind, value)),
    };
    value.ok_or_else(|| format!("{} takes {}, which {text:?} is not", param.name, kind(param.kind)))
}

/// Checks parameters against the schema.
///
/// # Errors
///
/// One sentence on what is wrong, and what the method takes.
pub(crate) fn check(info: &MethodInfo, raw: &RawValue) -> Result<(), String> {
    let value: Value =
        serde_json::from_str(raw.get()).map_err(|error| format!("the parameters are no JSON: {error}"))?;
    let wrong =
        |param: &ParamInfo| format!("{} takes {} ({})", param.name, kind(param.kind), signature(info));
    match value {
        Value::Array(items) => {
            if items.len() > info.params.len() {
                let most = info.params.len();
                return Err(format!(
                    "{} parameters are too many, {most} at most: {}",
                    items.len(),
                    signature(info)
                ));
            }
            if let Some((param, _)) =
                info.params.iter().zip(&items).find(|(param, item)| !fits(param.kind, item))
            {
                return Err(wrong(param));
            }
            missing(info, &info.params[items.len()..])
        }
        Value::Object(members) => {
            for (name, item) in &members {
                let param = param(info, name)?;
                if !fits(param.kind, item) {
                    return Err(wrong(param));
                }
            }
            let left: Vec<_> = info.params.iter().filter(|param| !members.contains_key(param.name)).collect();
            missing(info, left)
        }
        _ => Err(format!("the parameters must be a JSON array or object: {}", signature(info))),
    }
}

fn missing<'a>(info: &MethodInfo, left: impl IntoIterator<Item = &'a ParamInfo>) -> Result<(), String> {
    match left.into_iter().find(|param| param.required) {
        Some(param) => Err(format!("{} is missing: {}", param.name, signature(info))),
        None => Ok(()),
    }
}

fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Bool => value.is_boolean(),
        Kind::Integer => value.is_i64() || value.is_u64(),
        Kind::Number => value.is_number(),
        // Enumerations have numbers, too.
        Kind::String => value.is_string() || value.is_i64(),
        Kind::Array => value.is_array(),
        Kind::Object => value.is_object(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Integer => "a whole number",
        Kind::Number => "a number",
        Kind::String => "a text",
        Kind::Array => "a JSON array",
        Kind::Object => "a JSON object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, typed: &[&str]) -> Result<String, String> {
        let typed: Vec<_> = typed.iter().map(|text| (*text).to_owned()).collect();
        params(method(name).unwrap(), &typed).map(|raw| raw.get().to_owned())
    }

    #[test]
    fn methods_are_found_with_and_without_class_and_wrong_ones_name_the_nearest() {
        assert_eq!(method("Global.EngineVersion").unwrap().name, "EngineVersion");
        assert_eq!(method("GetAppLayout").unwrap().class, "Doc");
        assert!(method("GetLayout").unwrap_err().contains("GenericObject.GetLayout or "));
        assert_eq!(
            method("Doc.GetApLayout").unwrap_err(),
            "there is no method Doc.GetApLayout; did you mean Doc.GetAppLayout?"
        );
        assert!(method("EngineVerzion").unwrap_err().ends_with("did you mean EngineVersion?"));
        assert!(method("Nonsense").unwrap_err().ends_with("there is no method Nonsense"));
        assert!(method(".GetLayout").is_err());
    }

    #[test]
    fn pairs_become_a_list_or_where_one_is_left_out_an_object() {
        assert_eq!(made("EngineVersion", &[]).unwrap(), "[]");
        assert_eq!(made("GetField", &["qFieldName=A=B"]).unwrap(), r#"["A=B"]"#);
        assert_eq!(
            made("OpenDoc", &["qNoData=true", "qDocName=12"]).unwrap(),
            r#"{"qDocName":"12","qNoData":true}"#
        );
        assert_eq!(
            made("CreateSessionObject", &[r#"qProp={"qInfo":{"qType":"x"}}"#]).unwrap(),
            r#"[{"qInfo":{"qType":"x"}}]"#
        );
    }

    #[test]
    fn json_is_sent_as_it_was_typed() {
        assert_eq!(made("Evaluate", &[r#"[ "1.0" ]"#]).unwrap(), r#"[ "1.0" ]"#);
    }

    #[test]
    fn wrong_parameters_are_said_in_one_sentence() {
        for (name, typed, says) in [
            ("OpenDoc", &[][..], "qDocName is missing: Global.OpenDoc(qDocName: a text"),
            ("OpenDoc", &["qDocNam=x"], "there is no parameter qDocNam; did you mean qDocName?"),
            ("OpenDoc", &["qDocName=x", "qNoData=yes"], "qNoData takes true or false, which \"yes\" is not"),
            ("OpenDoc", &["x"], "\"x\" is no parameter: write name=value"),
            ("OpenDoc", &["[1.5]"], "qDocName takes a text"),
            ("OpenDoc", &["[\"a\""], "the parameters are no JSON"),
            ("EngineVersion", &["[1]"], "1 parameters are too many, 0 at most"),
            ("OpenDoc", &["qDocName=x", "qDocName=y"], "qDocName is given twice"),
        ] {
            let said = made(name, typed).unwrap_err();
            assert!(said.starts_with(says), "{said}");
        }
    }
}
