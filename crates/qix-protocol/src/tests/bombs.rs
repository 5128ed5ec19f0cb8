//! Texts that are made to hurt. Each reader gives an error or copes, in time and memory that grow with the text and no faster.

use bytes::Bytes;

use crate::{
    CallError, Connection, ConnectionConfig, ErrorCode, Event, Handle, NewRequest, ProtocolError, RequestId,
    frame::{
        Envelope, Raw,
        client::Request,
        engine::{Frame, Kind, Response},
    },
};

const MANY: usize = 10_000_000;

/// What the three readers of the network say of a text, without what they read.
fn read(text: impl Into<Bytes>) -> [Result<(), ProtocolError>; 3] {
    let text = text.into();
    let mut connection = waiting();
    [Frame::parse(&text).map(drop), connection.handle_text(text.clone()), Request::parse(&text).map(drop)]
}

/// A connection on which call 1 waits for its answer.
fn waiting() -> Connection<()> {
    let mut connection = Connection::new(ConnectionConfig::default());
    let params = Raw::new(b"[]").unwrap();
    let id = connection.ids().reserve();
    connection
        .request(NewRequest { id, to: Handle::GLOBAL, method: "A", params, delta: false, deadline: None }, ())
        .unwrap();
    connection
}

/// The outcome of call 1 when `text` is all that the engine says.
fn outcome(text: impl Into<Bytes>) -> Result<crate::Answer, CallError> {
    let mut connection = waiting();
    connection.handle_text(text.into()).unwrap();
    loop {
        match connection.poll_event() {
            Some(Event::Completed { outcome, .. }) => return outcome,
            Some(_) => {}
            None => panic!("call 1 has no outcome"),
        }
    }
}

/// `element`, `count` times, as an array.
fn array(element: &str, count: usize) -> String {
    let mut text = format!("{element},").repeat(count);
    text.pop();
    format!("[{text}]")
}

#[test]
fn nesting_bombs_are_refused_where_the_limit_is() {
    for open in ["[", r#"{"a":"#] {
        let bomb = open.repeat(1_000_000);
        for member in ["result", "change", "error", "params", "x"] {
            let text = format!(r#"{{"id":1,"method":"A","{member}":{bomb}"#);
            for said in read(text) {
                assert!(matches!(said, Err(ProtocolError::TooDeep { .. })), "{open} as {member}: {said:?}");
            }
        }
    }
    assert!(read("[".repeat(1_000_000)).iter().all(Result::is_err));
}

#[test]
fn ten_million_elements_in_a_result_stay_text() {
    let text = format!(r#"{{"id":1,"result":{}}}"#, array("7", MANY));
    let answer = outcome(text).unwrap();
    assert_eq!(answer.text().len(), 2 * MANY + 1);
}

#[test]
fn ten_million_handles_cost_four_bytes_each() {
    let text = format!(r#"{{"change":{}}}"#, array("7", MANY));
    let frame = Frame::parse(text.as_bytes()).unwrap();
    assert_eq!(frame.changes.changed.len(), MANY);
    assert!(frame.changes.changed.capacity() <= 2 * MANY);
}

#[test]
fn long_lists_of_changed_and_closed_handles_are_compared_in_one_go() {
    let list = |from| format!("{:?}", (from..from + 300_000).collect::<Vec<i32>>());
    let mut connection = waiting();
    let text = format!(r#"{{"change":{},"close":{}}}"#, list(0), list(100_000));
    connection.handle_text(text.into()).unwrap();
    let Some(Event::Changes(changes)) = connection.poll_event() else { panic!("no lists") };
    assert!(changes.changed.iter().copied().eq((0..100_000).map(Handle::new)));
}

#[test]
fn of_a_member_repeated_a_hundred_thousand_times_the_last_counts() {
    let mut text = "{".to_owned();
    text += &r#""id":7,"result":{"a":1},"#.repeat(100_000);
    text += r#""id":1,"result":{"a":2}}"#;
    assert_eq!(&*outcome(text).unwrap().text(), br#"{"a":2}"#);
}

#[test]
fn lone_surrogates_may_stand_in_every_string() {
    let texts = [
        r#"{"id":1,"result":{"\ud800":"\udc00","a":"\udfff\ud800"}}"#,
        r#"{"id":"\ud800","result":{}}"#,
        r#"{"\ud800":1,"id":1,"result":{}}"#,
        r#"{"jsonrpc":"\ud800","id":1,"result":{}}"#,
        r#"{"method":"On\ud800","params":{"\ud800":"\ud800"}}"#,
        r#"{"method":"OnConnected","params":{"qSessionState":"\ud800"}}"#,
        r#"{"id":1,"error":{"code":15,"message":"\ud800","parameter":"\udc00","\ud800":0}}"#,
        r#"{"id":1,"result":{"qReturn":{"qType":"\ud800","qHandle":1,"qGenericId":"\ud800"}}}"#,
        r#"{"id":1,"method":"\ud800","params":["\ud800",{"\udc00":"\ud800\ud800"}]}"#,
    ];
    for text in texts {
        let [frame, heard, _] = read(text);
        assert_eq!((frame, heard), (Ok(()), Ok(())), "{text}");
    }
    let Err(CallError::Engine(error)) = outcome(texts[6]) else { panic!("no error") };
    assert_eq!(error.code, ErrorCode::GENERIC_ABORTED);
    let answer = outcome(texts[0]).unwrap();
    assert_eq!(&*answer.text(), br#"{"\ud800":"\udc00","a":"\udfff\ud800"}"#);
}

#[test]
fn lone_surrogates_in_a_list_are_no_handles() {
    for text in
        [r#"{"change":["\ud800"]}"#, r#"{"id":1,"delta":"\ud800"}"#, r#"{"method":"A","handle":"\ud800"}"#]
    {
        assert!(read(text)[..2].iter().all(Result::is_err), "{text}");
    }
}

#[test]
fn numbers_beyond_all_widths_are_kept_as_text_or_refused() {
    for number in ["1e400", "-1e400", "1E+99999999999999999999", "99999999999999999999999999999999999999999"]
    {
        let answer = outcome(format!(r#"{{"id":1,"result":{{"a":{number}}}}}"#)).unwrap();
        assert_eq!(&*answer.text(), format!(r#"{{"a":{number}}}"#).as_bytes());
        let Err(CallError::Engine(error)) = outcome(format!(r#"{{"id":1,"error":{{"code":{number}}}}}"#))
        else {
            panic!("no error");
        };
        assert_eq!(error.code.name(), Some("LOCERR_GENERIC_UNKNOWN"), "a code that no i32 holds is not read");
        for text in [format!(r#"{{"change":[{number}]}}"#), format!(r#"{{"method":"A","handle":{number}}}"#)]
        {
            assert!(read(text).iter().any(Result::is_err), "{number}");
        }
        let mut connection = waiting();
        connection.handle_text(format!(r#"{{"id":{number},"result":{{}}}}"#).into()).unwrap();
        assert!(matches!(connection.poll_event(), Some(Event::Orphan(_))), "{number}");
    }
    let digits = format!(r#"{{"id":{},"result":{{}}}}"#, "9".repeat(10_000_000));
    assert_eq!(read(digits)[..2], [Ok(()), Ok(())]);
}

#[test]
fn ids_of_two_to_the_53_and_beyond_are_exact_up_to_64_bits() {
    let id = |text: &str| {
        let frame = format!(r#"{{"id":{text},"result":{{}}}}"#);
        match Frame::parse(frame.as_bytes()).unwrap().kind {
            Kind::Response(Response { id: Some(raw), .. }) => {
                assert_eq!(raw.as_bytes(), text.as_bytes());
                raw.as_integer().map(RequestId::new)
            }
            _ => panic!("no response"),
        }
    };
    for number in [1 << 53, (1 << 53) + 1, u64::MAX] {
        assert_eq!(id(&number.to_string()), Some(RequestId::new(number)));
    }
    for text in ["18446744073709551616", "-1", "1.0", "9007199254740993.0", r#""1""#] {
        assert_eq!(id(text), None, "{text}");
    }
}

#[test]
fn string_of_300_megabytes_is_stepped_over() {
    const SIZE: usize = 300_000_000;
    let mut text = br#"{"id":1,"result":{"a":""#.to_vec();
    let start = text.len() - 6;
    text.resize(text.len() + SIZE, b'x');
    text.extend_from_slice(br#""}}"#);
    let answer = outcome(text).unwrap();
    let result = &*answer.text();
    assert_eq!(
        (result.len(), result.as_ptr()),
        (SIZE + 8, answer.frame()[start..].as_ptr()),
        "nothing is copied"
    );
}

#[test]
fn half_of_a_frame_is_an_error_wherever_it_is_cut() {
    let text = br#"{"jsonrpc":"2.0","id":1,"method":"A","params":[1.5e3,"\u00e9\\"],"result":{"a":{"b":[true,null]}},"change":[1,-2]}"#;
    for end in 0..text.len() {
        for said in read(&text[..end]) {
            assert!(
                matches!(said, Err(ProtocolError::MalformedFrame { offset }) if offset <= end),
                "{end}: {said:?}"
            );
        }
    }
}

#[test]
fn bytes_that_are_no_json_are_errors() {
    for text in [
        &b"\0"[..],
        b"{\0}",
        b"{\"id\":1}\0",
        b"{\"id\":1,\"result\":\"\0\"}",
        b"\xef\xbb\xbf{\"id\":1}",
        b"\xff\xfe{\0}\0",
        b"\xff",
        b"{\"id\":1,\xff}",
        b"{\"id\":1,\"result\":\xc3\xa9}",
    ] {
        for said in read(text) {
            assert!(matches!(said, Err(ProtocolError::MalformedFrame { .. })), "{text:?}: {said:?}");
        }
    }
}

#[test]
fn bytes_inside_strings_that_are_no_utf8_do_no_harm() {
    // Sockets check texts. Who reads bytes from elsewhere gets an error once a string is decoded.
    let text =
        b"{\"id\":1,\"\xff\":0,\"method\":\"\xc3(\",\"result\":{\"a\xff\":\"\xed\xa0\x80\"},\"error\":null}";
    assert_eq!(read(&text[..]), [Ok(()), Ok(()), Ok(())]);
    assert!(outcome(&text[..]).unwrap().decode::<serde_json::Value>().is_err());
    assert_eq!(Envelope::parse(text).unwrap().method.unwrap(), "\u{fffd}(");
    let error = b"{\"id\":1,\"error\":{\"code\":15,\"message\":\"\xff\"}}";
    assert!(
        matches!(outcome(&error[..]), Err(CallError::Engine(error)) if error.code == ErrorCode::GENERIC_ABORTED)
    );
}
