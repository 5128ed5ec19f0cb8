//! Parameters in the form in which equal ones are equal texts.

mod direct;

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
    if params.as_bytes() == b"[]" {
        return "[]".to_owned();
    }
    let info = schema::method(class, method);
    direct::list(params.as_bytes(), info).unwrap_or_else(|| by_tree(info, params))
}

fn by_tree(info: Option<&MethodInfo>, params: Raw<'_>) -> String {
    let canonical = match Tree::parse(params.as_bytes()) {
        Ok(params) => match info {
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
    Tree::parse(assumed_text(kind).as_bytes()).unwrap_or_default()
}

fn assumed_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "false",
        Kind::Integer | Kind::Number => "0",
        Kind::String => "\"\"",
        Kind::Array => "[]",
        Kind::Object => "{}",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn no_way_of_writing_them_differs_from_that_of_the_tree(
            texts in prop::collection::vec(
                prop::sample::select(&[
                    "[", "]", "{", "}", ",", ":", " ", "\"a\"", "\"b\"", "\"\"", "\"\\n\"", "\"é\"", "\"a!\"", "0", "01", "-1.5e3",
                    "true", "false", "null", "[]", "{}", "\"b\":1,\"a\":2", "\"a\":1,\"a!\":2", "\"a\":0,\"a\":1", "[1,2]", "{\"b\":[],\"a\":{}}",
                ][..]),
                0..9,
            ),
            separator in prop::sample::select(&["", ","][..]),
            (class, method) in prop::sample::select(&[
                ("Global", "OpenDoc"), ("Doc", "GetObject"), ("GenericObject", "GetHyperCubeData"), ("", "Nonsense"),
            ][..]),
        ) {
            let text = format!("[{}]", texts.join(separator));
            let info = schema::method(class, method);
            if let Some(direct) = direct::list(text.as_bytes(), info) {
                prop_assert_eq!(direct, by_tree(info, Raw::scanned(text.as_bytes())));
            }
        }
    }

    #[test]
    fn usual_parameters_need_no_tree() {
        let info = schema::method("GenericObject", "GetHyperCubeData");
        let text = br#"["/qHyperCubeDef", [{"qTop":0,"qLeft":1,"qHeight":50,"qWidth":10}]]"#;
        let expected = r#"["/qHyperCubeDef",[{"qHeight":50,"qLeft":1,"qTop":0,"qWidth":10}]]"#;
        assert_eq!(direct::list(text, info).as_deref(), Some(expected));
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
