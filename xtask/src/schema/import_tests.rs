use serde_json::{Value, json};

use super::*;
use crate::schema::json::render;

/// A document with one of everything.
fn document() -> Value {
    json!({
        "openrpc": "1.0.0",
        "info": {"title": "QIX", "version": "12.1.0", "description": "Prose."},
        "methods": [
            {
                "name": "Global.OpenDoc",
                "description": "Prose.",
                "params": [
                    {"name": "qDocName", "description": "Prose.", "required": true, "schema": {"type": "string"}},
                    {"name": "qIds", "schema": {"type": "array", "items": {"type": "string"}}},
                ],
                "result": {
                    "name": "Results for Global.OpenDoc",
                    "schema": {
                        "type": "object",
                        "properties": {"qReturn": {"type": "object", "$ref": "#/components/schemas/ObjectInterface"}},
                    },
                },
                "errors": [{"$ref": "#/components/errors/GenericErrors"}],
                "x-qlik-stability": "locked",
                "x-qlik-access-control": ["update"],
            },
            {
                "name": "Doc.Clear",
                "params": [],
                "result": {"name": "Results", "schema": {"type": "object"}},
                "x-qlik-stability": "experimental",
                "x-qlik-deprecated": true,
            },
        ],
        "components": {
            "schemas": {
                "ObjectInterface": {"type": "object", "properties": {"qHandle": {"type": "integer", "format": "int32"}}},
                "Mode": {
                    "type": "string",
                    "oneOf": [
                        {"x-qlik-const": 0, "title": "S", "description": "MODE_STRAIGHT"},
                        {"x-qlik-const": 2, "title": "MODE_PIVOT"},
                        {"x-qlik-const": 3, "title": "X", "description": "Prose it is."},
                    ],
                },
                "Layout": {
                    "type": "object",
                    "x-qlik-stability": "stable",
                    "properties": {
                        "qMode": {"type": "string", "default": "MODE_STRAIGHT", "$ref": "#/components/schemas/Mode"},
                        "qLow": {"type": "number", "format": "double", "default": -1e300},
                        "qRows": {"type": "array", "items": {"$ref": "#/components/schemas/Rows"}, "description": "Prose."},
                    },
                    "additionalProperties": {"anyOf": [
                        {"name": "qMore", "type": "object", "schema": {"$ref": "#/components/schemas/Layout"}},
                    ]},
                },
                "Rows": {"type": "array", "items": {"type": "integer", "format": "byte"}},
                "Blob": {"type": "string", "contentEncoding": "base64"},
            },
            "errors": {},
        },
        "x-qlik-visibility": "public",
        "x-qlik-stability": "locked",
    })
}

fn at<'a>(document: &'a mut Value, pointer: &str) -> &'a mut Value {
    document.pointer_mut(pointer).unwrap()
}

/// The fault of a document that was changed at one place.
fn fault(pointer: &str, value: Value) -> String {
    let mut document = document();
    *at(&mut document, pointer) = value;
    import(&document.to_string()).unwrap_err()
}

#[test]
fn all_facts_are_taken_in_stable_order_and_no_prose() {
    let imported = import(&document().to_string()).unwrap();
    assert_eq!(imported.notes, [""; 0]);
    let text = render(&serde_json::to_value(&imported.facts).unwrap());
    assert!(!text.contains("Prose"));
    assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), imported.facts);
    assert_eq!(
        serde_json::to_value(&imported.facts).unwrap(),
        json!({
            "version": "12.1.0",
            "stability": "locked",
            "methods": [
                {"class": "Doc", "name": "Clear", "stability": "experimental", "deprecated": true, "params": [], "outs": []},
                {
                    "class": "Global", "name": "OpenDoc", "stability": "locked", "access": ["update"],
                    "params": [
                        {"name": "qDocName", "type": "string", "required": true},
                        {"name": "qIds", "type": "[string]"},
                    ],
                    "outs": [{"name": "qReturn", "type": "ObjectInterface"}],
                },
            ],
            "types": [
                {"name": "Blob", "alias": "base64"},
                {
                    "name": "Layout",
                    "stability": "stable",
                    "object": [
                        {"name": "qMode", "type": "Mode", "default": "MODE_STRAIGHT"},
                        {"name": "qLow", "type": "double", "default": -1e300},
                        {"name": "qRows", "type": "[Rows]"},
                    ],
                    "dynamic": [{"name": "qMore", "type": "Layout"}],
                },
                {
                    "name": "Mode",
                    "enum": [
                        {"number": 0, "short": "S", "long": "MODE_STRAIGHT"},
                        {"number": 2, "short": "MODE_PIVOT"},
                        {"number": 3, "short": "X"},
                    ],
                },
                {"name": "ObjectInterface", "object": [{"name": "qHandle", "type": "int32"}]},
                {"name": "Rows", "alias": "[byte]"},
            ],
        })
    );
}

#[test]
fn text_that_is_no_document_is_refused() {
    assert!(import("").unwrap_err().starts_with("not JSON: "));
    assert!(import("{\"openrpc\": ").unwrap_err().starts_with("not JSON: "));
    assert!(import(&format!("{} x", document())).unwrap_err().starts_with("not JSON: "));
    assert!(import("{\"structs\": {}}").unwrap_err().contains("missing field `openrpc`"));
    assert!(import("[]").unwrap_err().starts_with("no OpenRPC document"));
    assert!(import(&"[".repeat(100_000)).is_err());
}

#[test]
fn faults_say_where_they_are() {
    let node = "/components/schemas/Layout/properties/qLow";
    for (pointer, value, expected) in [
        ("/openrpc", json!("2.0.0"), "OpenRPC 2.0.0 is not understood, only version 1"),
        ("/info/version", json!("../1"), "info.version: `../1` is no version"),
        ("/methods/0/name", json!("OpenDoc"), "method `OpenDoc`: its name is not of the form Class.Method"),
        ("/methods/1/name", json!("Global.OpenDoc"), "methods: `Global.OpenDoc` is there twice"),
        ("/methods/0/params/1/name", json!("qDocName"), "Global.OpenDoc: `qDocName` is there twice"),
        ("/methods/1/result/schema/type", json!("array"), "Doc.Clear: its result is no object"),
        (node, json!({"type": "strin"}), "Layout.qLow: the type `strin` is not known"),
        (node, json!({}), "Layout.qLow: neither a type nor a reference"),
        (
            node,
            json!({"$ref": "#/components/schemas/Gone"}),
            "Layout.qLow: refers to `#/components/schemas/Gone`, which is not there",
        ),
        (
            node,
            json!({"type": "object", "properties": {}}),
            "Layout.qLow: `properties` is not understood here; the document has a newer shape",
        ),
        (
            node,
            json!({"type": "string", "allOf": []}),
            "Layout.qLow: `allOf` is not understood here; the document has a newer shape",
        ),
        (
            node,
            json!({"type": "integer", "format": "int32", "default": 5_000_000_000_i64}),
            "Layout.qLow: the default 5000000000 is no value of the type int32",
        ),
        (
            "/components/schemas/Layout/properties/qMode/default",
            json!("MODE_NONE"),
            "Layout.qMode: the default \"MODE_NONE\" is no value of the type Mode",
        ),
        ("/components/schemas/Mode/oneOf", json!([]), "Mode: an enumeration without options"),
    ] {
        assert_eq!(fault(pointer, value), expected);
    }
}

#[test]
fn values_of_the_wrong_kind_are_found_by_path() {
    let fault = fault("/components/schemas/Layout/properties/qLow/type", json!(["number", "null"]));
    assert!(
        fault.contains("components.schemas.Layout.properties.qLow.type: invalid type: sequence"),
        "{fault}"
    );
    let fault = self::fault("/methods/0/x-qlik-stability", json!("wobbly"));
    assert!(fault.contains("methods[0].x-qlik-stability: unknown variant `wobbly`"), "{fault}");
}

#[test]
fn keywords_that_are_not_known_are_reported_once_each() {
    let mut document = document();
    at(&mut document, "/methods/0")["x-new"] = json!(1);
    at(&mut document, "/methods/0/params/0/schema")["x-new"] = json!(1);
    at(&mut document, "/components/schemas/ObjectInterface/properties/qHandle")["format"] = json!("uint16");
    let imported = import(&document.to_string()).unwrap();
    assert_eq!(
        imported.notes,
        [
            "`format uint16` is left out 1×, first in ObjectInterface.qHandle",
            "`x-new` is left out 2×, first in Global.OpenDoc",
        ]
    );
}
