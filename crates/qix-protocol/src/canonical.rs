//! Parameters in the form in which equal ones are equal texts.

use crate::{
    Tree,
    frame::Raw,
    schema::{self, Kind, MethodInfo},
};

/// Returns the parameters of a call in the form in which equal ones are equal texts, whichever client wrote them.
///
/// Methods that the schema knows have their parameters by position: named ones are put in order, optional ones that have the
/// value the engine assumes anyway (`false`, 0, an empty text, list or object, or `null`) are left out at the end and are that value
/// before it. Parameters of other methods stay by position or by name, as they came. Members of objects are sorted, strings
/// escaped one way, numbers kept as written; absent parameters and `{}` are `[]`.
pub fn canonical_params(class: &str, method: &str, params: Option<Raw<'_>>) -> String {
    let Some(params) = params.and_then(|params| Tree::parse(params.as_bytes()).ok()) else {
        return "[]".to_owned();
    };
    let params = match schema::method(class, method) {
        Some(info) => positional(info, params),
        None => params,
    };
    match params.canonical() {
        empty if empty == "{}" || empty == "null" => "[]".to_owned(),
        params => params,
    }
}

fn positional(info: &MethodInfo, params: Tree) -> Tree {
    let mut elements = match params {
        Tree::Array(elements) => elements,
        Tree::Object(mut members) => {
            let known = |name: &str| info.params.iter().any(|param| param.name == name);
            let is_known = |(name, _): &(Box<[u8]>, Tree)| str::from_utf8(name).is_ok_and(known);
            if !members.iter().all(is_known) {
                return Tree::Object(members);
            }
            let take = |param: &schema::ParamInfo| {
                // Of a repeated name the last counts.
                let at = members.iter().rposition(|(name, _)| **name == *param.name.as_bytes());
                at.map_or_else(|| assumed(param.kind), |at| members.swap_remove(at).1)
            };
            info.params.iter().map(take).collect()
        }
        other => return other,
    };
    for (element, param) in elements.iter_mut().zip(info.params) {
        if is_null(element) {
            *element = assumed(param.kind);
        }
    }
    while let Some(last) = elements.len().checked_sub(1)
        && let Some(param) = info.params.get(last)
        && !param.required
        && elements[last] == assumed(param.kind)
    {
        elements.pop();
    }
    Tree::Array(elements)
}

fn is_null(value: &Tree) -> bool {
    *value == scalar(b"null")
}

/// The value that the engine assumes for a parameter that is not given.
fn assumed(kind: Kind) -> Tree {
    match kind {
        Kind::Bool => scalar(b"false"),
        Kind::Integer | Kind::Number => scalar(b"0"),
        Kind::String => scalar(b"\"\""),
        Kind::Array => Tree::Array(Vec::new()),
        Kind::Object => Tree::Object(Vec::new()),
    }
}

fn scalar(text: &[u8]) -> Tree {
    Tree::Scalar(text.into())
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
