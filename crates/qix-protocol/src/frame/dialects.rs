//! Requests as the clients of the field write them.
//!
//! Each test is one habit that was seen on the wire; the members and their order are the clients', the values made up.

use crate::{
    Handle,
    frame::{Raw, client::Request, members},
};

fn request(text: &str) -> Request<'_> {
    Request::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn id(text: &str) -> Option<String> {
    request(text).id.map(|id| format!("{id:?}"))
}

fn params(text: &str) -> Option<String> {
    request(text).params.map(|params| format!("{params:?}"))
}

#[test]
fn each_clients_order_of_members_is_read() {
    for text in [
        // enigma.js, and @qlik/api in its default run time.
        r#"{"delta":true,"handle":1,"method":"GetObject","params":["LB01"],"id":4,"jsonrpc":"2.0"}"#,
        // The client that earlier Sense pages had built in.
        r#"{"delta":true,"method":"GetObject","handle":1,"params":["LB01"],"id":4,"jsonrpc":"2.0"}"#,
        // @qlik/api with automatic resume.
        r#"{"jsonrpc":"2.0","handle":1,"id":4,"delta":true,"method":"GetObject","params":["LB01"]}"#,
        // enigma-go, gopherciser and corectl.
        r#"{"jsonrpc":"2.0","delta":true,"method":"GetObject","handle":1,"id":4,"params":["LB01"]}"#,
        // The Python SDK.
        r#"{"id":4,"method":"GetObject","handle":1,"delta":true,"params":["LB01"],"jsonrpc":"2.0"}"#,
        // Written by hand, with tabs and line ends.
        "{\n\t\"handle\": 1,\r\n\t\"method\": \"GetObject\",\n\t\"params\": [\"LB01\"],\n\t\"delta\": true,\n\t\"id\": 4\n}\n",
    ] {
        let request = request(text);
        assert_eq!(request.id.unwrap().as_integer(), Some(4u64), "{text}");
        assert_eq!(request.handle, Handle::new(1), "{text}");
        assert_eq!(request.method, "GetObject", "{text}");
        assert_eq!(request.params.unwrap().as_bytes(), br#"["LB01"]"#, "{text}");
        assert!(request.delta, "{text}");
    }
}

#[test]
fn ids_may_start_at_zero_repeat_decrease_be_random_or_huge() {
    for (written, number) in
        [("0", 0u64), ("0", 0), ("3", 3), ("1", 1), ("715223671", 715_223_671), ("9007199254740992", 1 << 53)]
    {
        let text = format!(r#"{{"method":"GetDocList","handle":-1,"id":{written},"params":[]}}"#);
        assert_eq!(request(&text).id.unwrap().as_integer(), Some(number));
        assert_eq!(id(&text).as_deref(), Some(written));
    }
}

#[test]
fn id_may_be_missing_null_or_a_string_and_is_kept_as_written() {
    assert_eq!(id(r#"{"method":"CreateApp","handle":-1,"params":{"qAppName":"a"}}"#), None);
    assert_eq!(id(r#"{"method":"CreateApp","handle":-1,"params":[],"id":null}"#), None);
    let text = r#"{"id":"7f\u002d1","method":"CreateApp","handle":-1,"params":[]}"#;
    assert_eq!(id(text).unwrap(), r#""7f\u002d1""#);
    assert_eq!(request(text).id.unwrap().as_integer::<u64>(), None);
}

#[test]
fn params_may_be_absent_null_empty_positional_or_named() {
    assert_eq!(params(r#"{"id":0,"handle":-1,"method":"GetDocList"}"#), None);
    assert_eq!(params(r#"{"id":0,"handle":-1,"method":"GetDocList","params":null}"#), None);
    for written in ["{}", "[]", r#"["a","","",false]"#, r#"{"qDocName":"a","qNoData":true}"#] {
        let text = format!(r#"{{"id":0,"handle":-1,"method":"OpenDoc","params":{written}}}"#);
        assert_eq!(params(&text).as_deref(), Some(written));
    }
}

#[test]
fn jsonrpc_and_handle_may_be_missing() {
    let request = request(r#"{"method":"GetDocList","id":1,"params":[]}"#);
    assert_eq!(request.handle, Handle::GLOBAL);
    assert!(!request.delta);
}

#[test]
fn members_that_no_engine_knows_harm_nothing_and_survive() {
    let text = r#"{"handle":-1,"method":"GetDocList","params":[],"outKey":-1,"cont":false,"return_empty":true,"mine":{"id":9,"method":["x"]},"id":5,"jsonrpc":"2.0"}"#;
    assert_eq!(request(text).method, "GetDocList");
    assert_eq!(id(text).as_deref(), Some("5"));
    let extra: Vec<_> = members(Raw::new(text.as_bytes()).unwrap())
        .filter(|(name, _)| !matches!(&**name, "handle" | "method" | "params" | "id" | "jsonrpc" | "delta"))
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    assert_eq!(extra, ["outKey=-1", "cont=false", "return_empty=true", r#"mine={"id":9,"method":["x"]}"#]);
}

#[test]
fn last_of_repeated_members_counts() {
    let request = request(
        r#"{"id":1,"method":"A","params":[1],"id":2,"method":"B","params":[2],"handle":3,"handle":4}"#,
    );
    assert_eq!(request.id.unwrap().as_integer(), Some(2u64));
    assert_eq!((&*request.method, request.handle), ("B", Handle::new(4)));
    assert_eq!(request.params.unwrap().as_bytes(), b"[2]");
}
