//! One message of a WebSocket, as tools write it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use qix_protocol::frame::{Raw, members};

use super::time;
use crate::record::Side;

/// A message, or what stands among messages.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Text(Side, Vec<u8>),
    Binary(Side, Vec<u8>),
    /// Only its size is known.
    Omitted(Side, u64),
    Close(Side, Option<u16>, String),
    /// What broke, in words.
    Error(String),
    /// A ping or a pong.
    Control,
    /// Nothing that is known here, and why not.
    Unknown(&'static str),
}

/// Reads an element of `_webSocketMessages`: when it was, if it says so, and what.
pub(super) fn read(text: &[u8]) -> (Option<u64>, Message) {
    let Ok(value) = Raw::new(text) else { return (None, Message::Unknown("it is no JSON")) };
    let (mut time, mut side, mut opcode, mut data, mut code, mut reason, mut omitted) =
        (None, None, None, None, None, None, None);
    for (name, value) in members(value) {
        match &*name {
            "time" | "timestamp" => time = time::of_message(value),
            "type" | "direction" => side = value.decode::<String>().ok(),
            "opcode" | "opCode" => opcode = Some(value),
            "data" if !value.is_null() => data = Some(value),
            "text" | "payload" | "payloadData" if data.is_none() && !value.is_null() => data = Some(value),
            "code" => code = value.as_integer(),
            "reason" => reason = value.decode::<String>().ok(),
            "_omitted" => omitted = value.as_integer(),
            _ => {}
        }
    }
    let side = match side.as_deref().unwrap_or_default() {
        "send" | "sent" | "client" | "outgoing" | "request" => Side::Client,
        "receive" | "received" | "server" | "incoming" | "response" => Side::Engine,
        "error" => return (time, Message::Error(data.map(string).unwrap_or_default())),
        _ => return (time, Message::Unknown("it does not say who sent it")),
    };
    if let Some(bytes) = omitted {
        return (time, Message::Omitted(side, bytes));
    }
    let message = match (opcode.map_or(1, number), data) {
        (8, data) => {
            let (told, because) = closing(&data.map(string).unwrap_or_default());
            Message::Close(side, code.or(told), reason.unwrap_or(because))
        }
        (9 | 10, _) => Message::Control,
        (_, None) => Message::Unknown("it has no data"),
        (2, Some(data)) => {
            let text = string(data);
            match STANDARD.decode(text.trim()) {
                Ok(bytes) => Message::Binary(side, bytes),
                // Whoever wrote it has meant the text itself.
                Err(_) => Message::Text(side, text.into_bytes()),
            }
        }
        (0 | 1, Some(data)) => Message::Text(side, string(data).into_bytes()),
        _ => Message::Unknown("its opcode is none of a message"),
    };
    (time, message)
}

/// Returns whether a text is of an engine or its client: JSON-RPC, whatever it says.
pub(super) fn is_of_engine(text: Raw<'_>) -> bool {
    let (mut method, mut handle, mut id, mut answer) = (false, false, false, false);
    for (name, value) in members(text) {
        match &*name {
            "jsonrpc" => return true,
            "method" => method = value.as_bytes().starts_with(b"\""),
            "handle" => handle = value.as_integer::<i64>().is_some(),
            "id" => id = value.as_integer::<i64>().is_some(),
            "result" | "error" => answer = value.as_bytes().starts_with(b"{"),
            _ => {}
        }
    }
    method && handle || id && answer
}

/// Returns what a string says, and of anything else, the JSON: some tools embed messages as what they are.
fn string(value: Raw<'_>) -> String {
    match value.decode::<String>() {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
    }
}

fn number(opcode: Raw<'_>) -> i64 {
    if let Some(number) = opcode.as_integer() {
        return number;
    }
    match &*string(opcode) {
        "text" => 1,
        "binary" => 2,
        "close" => 8,
        "ping" => 9,
        "pong" => 10,
        other => other.parse().unwrap_or(-1),
    }
}

/// Reads the payload of a close frame: in base64, as it is, or in words.
fn closing(data: &str) -> (Option<u16>, String) {
    if let Some((code, reason)) = STANDARD.decode(data).ok().as_deref().and_then(<[u8]>::split_first_chunk) {
        let code = u16::from_be_bytes(*code);
        if (1000..5000).contains(&code) {
            return (Some(code), String::from_utf8_lossy(reason).into_owned());
        }
    }
    let digits = data.len().min(4);
    match data.get(..digits).and_then(|code| code.parse::<u16>().ok()).filter(|code| *code >= 1000) {
        Some(code) => (Some(code), data[digits..].trim_start_matches([' ', ':', ',', '-']).to_owned()),
        None => (None, data.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Message {
        Message::Text(Side::Client, text.into())
    }

    #[test]
    fn data_is_a_text_wherever_it_stands_and_whatever_it_is() {
        for (json, expected) in [
            (r#"{"type":"send","opcode":1,"data":"{\"id\":1}"}"#, text(r#"{"id":1}"#)),
            (r#"{"type":"send","data":{"id": 1}}"#, text(r#"{"id": 1}"#)),
            (r#"{"type":"send","opcode":1,"data":null,"text":"x"}"#, text("x")),
            (r#"{"opcode":"text","direction":"outgoing","payload":"x"}"#, text("x")),
            (r#"{"type":"send","opcode":2,"data":"/wA="}"#, Message::Binary(Side::Client, vec![255, 0])),
            (r#"{"type":"send","opcode":2,"data":"{}"}"#, text("{}")),
            (r#"{"type":"receive","opcode":9,"data":""}"#, Message::Control),
            (r#"{"type":"error","opcode":-1,"data":"it broke"}"#, Message::Error("it broke".into())),
            (r#"{"type":"send","data":"","_omitted":7}"#, Message::Omitted(Side::Client, 7)),
            (r#"{"type":"send"}"#, Message::Unknown("it has no data")),
            (r#"{"opcode":1,"data":"x"}"#, Message::Unknown("it does not say who sent it")),
            ("null", Message::Unknown("it does not say who sent it")),
            // Half of a pair, where a tool has cut the text.
            (r#"{"type":"send","opcode":1,"data":"a\ud83d"}"#, text("a\u{fffd}")),
        ] {
            assert_eq!(read(json.as_bytes()).1, expected, "{json}");
        }
    }

    #[test]
    fn close_frames_are_read_in_base64_in_words_and_in_members() {
        let payload = STANDARD.encode([&1001u16.to_be_bytes()[..], b"bye"].concat());
        for json in [
            format!(r#"{{"type":"receive","opcode":8,"data":"{payload}"}}"#),
            r#"{"type":"receive","opcode":8,"data":"1001 bye"}"#.to_owned(),
            r#"{"type":"receive","opcode":8,"code":1001,"reason":"bye","data":""}"#.to_owned(),
        ] {
            let bye = Message::Close(Side::Engine, Some(1001), "bye".to_owned());
            assert_eq!(read(json.as_bytes()).1, bye, "{json}");
        }
        let none = read(br#"{"type":"send","opcode":8}"#).1;
        assert_eq!(none, Message::Close(Side::Client, None, String::new()));
    }

    #[test]
    fn messages_of_engines_are_told_from_others() {
        for (text, is) in [
            (r#"{"jsonrpc":"2.0","method":"OnConnected","params":{}}"#, true),
            (r#"{"id":1,"handle":-1,"method":"OpenDoc","params":[]}"#, true),
            (r#"{"id":1,"result":{}}"#, true),
            (r#"{"type":1,"target":"changed","arguments":[]}"#, false),
            (r#"{"type":"hot-update","id":1}"#, false),
            (r#"{"id":1,"method":"subscribe"}"#, false),
            ("[1]", false),
        ] {
            assert_eq!(is_of_engine(Raw::new(text.as_bytes()).unwrap()), is, "{text}");
        }
    }
}
