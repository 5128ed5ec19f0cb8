use std::collections::BTreeSet;

use super::super::{folder, generate::generate, model::Facts, newest, overrides::Overrides, read};
use super::*;

fn stored() -> (Facts, String) {
    let facts = serde_json::from_str(&read(&newest().unwrap()).unwrap()).unwrap();
    (facts, read(&folder().join("overrides.toml")).unwrap())
}

/// The text of a class without line breaks that rustfmt puts where it likes.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(")
}

#[test]
fn every_method_of_the_schema_has_a_client_method_and_a_result() {
    let (facts, overrides) = stored();
    let overrides = Overrides::parse(&overrides).unwrap();
    let client = generate(&facts, &overrides).unwrap().client;
    assert_eq!(facts.methods.len(), 336);
    let mut found = 0;
    for method in &facts.methods {
        let module = names::module(&method.class);
        let text = flat(&client[std::path::Path::new(&format!("{module}.rs"))]);
        let full = format!("{module}::{}", method.name);
        let one = format!("pub fn {}(&self", names::method(&method.name));
        assert_eq!(text.matches(&one).count(), 1, "{full}");
        assert!(text.contains(&format!("-> Call<{full}> {{ Call::on(self)")), "{full}");
        assert!(text.contains(&format!("{full} => {{")), "{full}");
        found += 1;
        // What may be left out has a setter, and the method says so.
        let optional: Vec<_> = method.params.iter().filter(|member| !member.required).collect();
        assert_eq!(text.contains(&format!("impl Call<{full}> {{")), !optional.is_empty(), "{full}");
        let setters = text.split(&format!("impl Call<{full}> {{")).nth(1).unwrap_or_default();
        let setters = setters.split(" impl Call<").next().unwrap_or_default();
        for member in optional {
            assert!(setters.contains(&format!("/// Sets `{}`: ", member.name)), "{full} {}", member.name);
        }
    }
    let all: usize = client.values().map(|text| text.matches("-> Call<").count()).sum();
    assert_eq!((found, all), (336, 336));
}

#[test]
fn names_of_methods_and_setters_are_unique_and_hide_nothing_of_a_call_or_an_object() {
    // What `Call`, `Object` and the objects' own files have already: an inherent method of the same name would be another, unseen.
    const OF_CALL: &[&str] = &[
        "request_id",
        "timeout",
        "delta",
        "detach",
        "raw",
        "call_into",
        "value",
        "into_request",
        "into_future",
    ];
    const OF_OBJECT: &[&str] = &[
        "session",
        "handle",
        "id",
        "kind",
        "generic_type",
        "lineage",
        "is_closed",
        "closed",
        "keep",
        "changes",
        "call",
    ];
    let (facts, overrides) = stored();
    let overrides = Overrides::parse(&overrides).unwrap();
    let schema = Schema::new(&facts, &overrides).unwrap();
    for class in schema.classes() {
        let of_class = facts.methods.iter().filter(|method| method.class == *class);
        let mut seen = BTreeSet::new();
        for method in of_class {
            let name = names::method(&method.name);
            assert!(!OF_OBJECT.contains(&&*name), "{class}.{name}");
            assert!(seen.insert(name.clone()), "{class}.{name}");
            let mut setters = BTreeSet::new();
            for member in &method.params {
                let setter = argument(&schema, method, member).unwrap().name;
                assert!(!OF_CALL.contains(&&*setter) || member.required, "{class}.{name} {setter}");
                assert!(setters.insert(setter.clone()), "{class}.{name} {setter}");
            }
        }
    }
}

#[test]
fn required_parameters_are_arguments_and_options_are_documented() {
    let facts: Facts = serde_json::from_value(serde_json::json!({
        "version": "1.0.0",
        "stability": "locked",
        "methods": [{
            "class": "Doc", "name": "DoIt", "stability": "locked",
            "params": [
                {"name": "qName", "type": "string", "required": true},
                {"name": "qSoft", "type": "boolean"},
                {"name": "qCount", "type": "integer", "required": true},
            ],
            "outs": [],
        }],
        "types": [],
    }))
    .unwrap();
    let overrides = Overrides::parse("").unwrap();
    let schema = Schema::new(&facts, &overrides).unwrap();
    let text = flat(&class(&schema, "Doc").unwrap());
    for part in [
        "Takes `name`: string; `count`: integer. Options: `soft`. Returns nothing.",
        "pub fn do_it(&self, name: &str, count: i64) -> Call<doc::DoIt> { Call::on(self).with(0, name).with(2, &count) }",
        "impl Call<doc::DoIt> { /// Sets `qSoft`: boolean.",
        "pub fn soft(self, soft: bool) -> Self { self.with(1, &soft) }",
        "doc::DoIt => { nothing }",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
