use serde_json::{Value, json};

use super::*;

const OVERRIDES: &str = r#"
boxed = ["*.qError"]
[provided]
ObjectInterface = "ObjectReference"
[returns]
"Global.OpenDoc" = "Doc"
[types]
"Layout.qCode" = "ErrorCode"
[names]
"Mode.MODE_OTHER" = "Rest"
"#;

fn facts() -> Value {
    json!({
        "version": "12.1.0",
        "stability": "locked",
        "methods": [
            {"class": "Doc", "name": "Clear", "stability": "experimental", "params": [], "outs": []},
            {
                "class": "Global", "name": "OpenDoc", "stability": "locked", "deprecated": true, "access": ["update"],
                "params": [
                    {"name": "qDocName", "type": "string", "required": true},
                    {"name": "qType", "type": "Mode"},
                    {"name": "qPages", "type": "[Layout]"},
                ],
                "outs": [{"name": "qReturn", "type": "ObjectInterface"}],
            },
        ],
        "types": [
            {"name": "Cell", "object": []},
            {
                "name": "Layout",
                "object": [
                    {"name": "qError", "type": "Cell"},
                    {"name": "qCode", "type": "int32"},
                    {"name": "qOn", "type": "boolean", "default": true},
                    {"name": "qOff", "type": "boolean", "default": false},
                    {"name": "qDepth", "type": "int64", "default": -1},
                    {"name": "qLow", "type": "double", "default": -1e300},
                    {"name": "qZoom", "type": "double", "default": 1},
                    {"name": "qState", "type": "string", "default": "$"},
                    {"name": "qMode", "type": "Mode", "default": "MODE_PIVOT"},
                    {"name": "qFirst", "type": "Mode", "default": "S"},
                    {"name": "qNodes", "type": "[Layout]"},
                ],
                "dynamic": [{"name": "qMore", "type": "Layout"}],
            },
            {
                "name": "Mode",
                "enum": [
                    {"number": 1, "short": "P", "long": "MODE_PIVOT"},
                    {"number": 0, "short": "S", "long": "MODE_STRAIGHT"},
                    {"number": 2, "short": "MODE_OTHER"},
                ],
            },
            {"name": "ObjectInterface", "object": []},
            {"name": "Rows", "alias": "[Cell]"},
        ],
    })
}

fn made(facts: &Value, overrides: &str) -> Result<Generated, String> {
    generate(&serde_json::from_value(facts.clone()).unwrap(), &Overrides::parse(overrides).unwrap())
}

#[track_caller]
fn assert_has(generated: &Generated, file: &str, text: &str) {
    let there = &generated.files[Path::new(file)];
    assert!(there.starts_with(FIRST_LINE));
    assert!(there.contains(text), "{there}");
}

#[test]
fn defaults_are_written_where_the_type_has_another() {
    let generated = made(&facts(), OVERRIDES).unwrap();
    for line in [
        "pub on: bool = \"qOn\" (true),",
        "pub off: bool = \"qOff\",",
        "pub depth: i64 = \"qDepth\" (-1),",
        "pub low: Double = \"qLow\" (Double(-1e300)),",
        "pub zoom: Double = \"qZoom\" (Double(1.0)),",
        "pub state: String = \"qState\" (\"$\".to_owned()),",
        "pub mode: Mode = \"qMode\" (Mode::Pivot),",
        "pub first: Mode = \"qFirst\",",
    ] {
        assert_has(&generated, "types/structs.rs", line);
    }
}

#[test]
fn overrides_change_types_and_names() {
    let generated = made(&facts(), OVERRIDES).unwrap();
    assert_eq!(generated.warnings, [""; 0]);
    for line in [
        "pub error: Option<Box<Cell>> = \"qError\",",
        "pub code: ErrorCode = \"qCode\",",
        "pub nodes: Vec<Layout> = \"qNodes\",",
        "pub more: Option<Box<Layout>> = \"qMore\",",
        "pub struct Cell {}",
        "pub type Rows = Vec<Cell>;",
    ] {
        assert_has(&generated, "types/structs.rs", line);
    }
    let all = "        Straight = 0, \"S\" | \"MODE_STRAIGHT\",\n        /// `P`, in full `MODE_PIVOT`, number 1.\n        \
               Pivot = 1, \"P\" | \"MODE_PIVOT\",\n        /// `MODE_OTHER`, number 2.\n        Rest = 2, \"MODE_OTHER\",\n";
    assert_has(&generated, "types/enums.rs", all);
    assert!(!generated.files[Path::new("types/structs.rs")].contains("ObjectInterface"));
}

#[test]
fn methods_say_what_they_take_and_return() {
    let generated = made(&facts(), OVERRIDES).unwrap();
    for line in [
        "/// `Global.OpenDoc`. Stability: locked. Deprecated.\n",
        "Access control: update.",
        "    pub struct OpenDocParams<'a> {",
        "required doc_name: &'a str = \"qDocName\",",
        "optional type_: types::Mode = \"qType\",",
        "optional pages: &'a [types::Layout] = \"qPages\",",
        "pub return_: Reference<class::Doc> = \"qReturn\",",
        "ParamInfo { name: \"qType\", required: false, kind: Kind::String },",
        "outs: &[\"qReturn\"],",
    ] {
        assert_has(&generated, "methods/global.rs", line);
    }
    assert_has(&generated, "methods/doc.rs", "type Params<'a> = NoParams;\n    type Output = NoOutput;");
    assert_has(
        &generated,
        "methods/mod.rs",
        "&[<doc::Clear as Method>::INFO, <global::OpenDoc as Method>::INFO]",
    );
}

#[test]
fn objects_of_unknown_class_and_idle_overrides_are_warned_of() {
    let overrides = OVERRIDES.replace("\"Global.OpenDoc\" = \"Doc\"", "\"Global.Gone\" = \"Doc\"");
    let generated = made(&facts(), &overrides).unwrap();
    assert_has(&generated, "methods/global.rs", "pub return_: ObjectReference = \"qReturn\",");
    assert_eq!(
        generated.warnings,
        [
            "Global.OpenDoc returns an object of unknown class; name it in the overrides under [returns]",
            "the override `returns: Global.Gone` matches nothing in this schema",
        ]
    );
}

#[test]
fn what_cannot_be_rust_is_refused() {
    let more = |name: &str, of: &str| json!([{"name": name, "type": of}]);
    for (pointer, value, expected) in [
        ("/types/0/object", more("qLoop", "Layout"), None),
        ("/types/1/object/4/type", json!("Layout"), Some("Layout contains itself; box a member of Layout")),
        (
            "/types/0/object",
            more("qExtra", "string"),
            Some("Cell: the name extra is there twice; change one in the overrides"),
        ),
        ("/types/0/object", more("qX", "Gone"), Some("Cell.qX: there is no type Gone")),
        (
            "/types/0/object",
            more("qX", "[any]"),
            Some("Cell.qX: a list of unknown items; give it a type in the overrides"),
        ),
        ("/types/0/name", json!("String"), Some("a type cannot be called String, the crate uses that name")),
        (
            "/types/1/object/8/default",
            json!("MODE_NONE"),
            Some("Layout.qMode: the default \"MODE_NONE\" is no value of the type Mode"),
        ),
        (
            "/types/2/enum/0/long",
            json!("MODE_STRAIGHT"),
            Some("Mode: the name Straight is there twice; change one in the overrides"),
        ),
    ] {
        let mut facts = facts();
        *facts.pointer_mut(pointer).unwrap() = value;
        assert_eq!(made(&facts, OVERRIDES).err().as_deref(), expected, "{pointer}");
    }
}

#[test]
fn stored_files_do_not_differ_and_stale_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let files =
        Files::from([("a.rs".into(), "1\n".to_owned()), (Path::new("in").join("b.rs"), "2\n".to_owned())]);
    assert_eq!(differences(&files, path).unwrap().len(), 2);
    store(&files, path).unwrap();
    assert_eq!(differences(&files, path).unwrap(), [""; 0]);
    fs::write(path.join("a.rs"), "3\n").unwrap();
    fs::write(path.join("in/old.rs"), "").unwrap();
    assert_eq!(differences(&files, path).unwrap().len(), 2);
    store(&files, path).unwrap();
    assert_eq!(differences(&files, path).unwrap(), [""; 0]);
    assert!(!path.join("in/old.rs").exists());
}
