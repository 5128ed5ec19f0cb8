//! Parameters in the form in which equal ones are equal texts.

use crate::{
    Tree,
    frame::Raw,
    schema::{self, Kind, MethodInfo, ParamInfo},
};

/// Returns the parameters of a call in the form in which equal ones are equal texts, whichever client wrote them.
///
/// Methods that the schema knows have their parameters by position: named ones are put in order, optional ones that have the
/// value the engine assumes anyway (`false`, 0, an empty text, list or object, or `null`) are left out at the end and are that value
/// before it. Parameters of other methods stay by position or by name, as they came. Members of objects are sorted, strings
/// escaped one way, numbers kept as written; absent parameters and `{}` are `[]`.
pub fn canonical_params(class: &str, method: &str, params: Option<Raw<'_>>) -> String {
    let Some(params) = params else { return "[]".to_owned() };
    let canonical = match Tree::parse(params.as_bytes()) {
        Ok(params) => match schema::method(class, method) {
            Some(info) => positional(info, params).canonical(),
            None => params.canonical(),
        },
        // No JSON at all: equal texts are equal still.
        Err(_) => String::from_utf8_lossy(params.as_bytes()).into_owned(),
    };
    if canonical == "{}" || canonical == "null" { "[]".to_owned() } else { canonical }
}

fn positional(info: &MethodInfo, params: Tree) -> Tree {
    let mut elements: Vec<Tree> = if params.is_array() {
        params.elements().to_vec()
    } else if params.members().all(|(name, _)| info.params.iter().any(|param| param.name == name))
        && params.is_object()
    {
        let value = |param: &ParamInfo| params.member(param.name).cloned().unwrap_or_default();
        info.params.iter().map(value).collect()
    } else {
        return params;
    };
    for (element, param) in elements.iter_mut().zip(info.params).filter(|(element, _)| element.is_null()) {
        *element = assumed(param.kind);
    }
    while let Some(last) = elements.len().checked_sub(1)
        && let Some(param) = info.params.get(last)
        && !param.required
        && elements[last] == assumed(param.kind)
    {
        elements.pop();
    }
    Tree::array(elements)
}

/// The value that the engine assumes for a parameter that is not given.
fn assumed(kind: Kind) -> Tree {
    let text: &[u8] = match kind {
        Kind::Bool => b"false",
        Kind::Integer | Kind::Number => b"0",
        Kind::String => b"\"\"",
        Kind::Array => b"[]",
        Kind::Object => b"{}",
    };
    Tree::parse(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(class: &str, method: &str, params: &str) -> String {
        canonical_params(class, method, Some(Raw::new(params.as_bytes()).unwrap()))
    }

    #[test]
    fn empty_parameters_are_the_same_however_they_are_written() {
        for text in ["[]", "[ ]", "{}", "{ }", "null"] {
            assert_eq!(canonical("Global", "EngineVersion", text), "[]");
            assert_eq!(canonical("Global", "NoSuchMethod", text), "[]");
        }
        assert_eq!(canonical_params("Global", "EngineVersion", None), "[]");
    }

    #[test]
    fn named_and_positional_parameters_are_the_same() {
        let same = r#"["Sales"]"#;
        for text in [
            same,
            r#"{"qDocName":"Sales"}"#,
            r#"["Sales","","","",false]"#,
            r#"["\u0053ales",null]"#,
            r#"{"qNoData":false,"qDocName":"Sales"}"#,
        ] {
            assert_eq!(canonical("Global", "OpenDoc", text), same, "{text}");
        }
        for text in [r#"{"qNoData":true,"qDocName":"Sales"}"#, r#"["Sales","","","",true]"#] {
            assert_eq!(canonical("Global", "OpenDoc", text), r#"["Sales","","","",true]"#, "{text}");
        }
    }

    #[test]
    fn required_parameters_are_kept_whatever_their_value() {
        assert_eq!(canonical("Doc", "GetObject", r#"{"qId":""}"#), r#"[""]"#);
    }

    #[test]
    fn names_and_methods_that_the_schema_does_not_know_stay_as_they_came() {
        assert_eq!(
            canonical("Global", "OpenDoc", r#"{"qX":1,"qDocName":"a"}"#),
            r#"{"qDocName":"a","qX":1}"#
        );
        assert_eq!(
            canonical("Global", "GetConfiguration", r#"[ "", {"b":1,"a":2} ]"#),
            r#"["",{"a":2,"b":1}]"#
        );
    }
}
