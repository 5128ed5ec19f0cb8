//! Each kind of secret in one recorded session: none is in the file, and `scrub --check` finds all that a recording without
//! redaction has.

use qix_proxy::{
    record::Redaction,
    scrub::{Scrubbed, check, scrub},
};

use crate::support::*;

/// `{"alg":"none"}`, `{"sub":"ada"}` and a signature.
const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.czNjcmV0";

/// Who says what, and how the entry names the secret in it, or the patch that has it. `SECRET` stands for the secret.
const FRAMES: &[(bool, &str, &str)] = &[
    (true, r#"{"method":"OpenDoc","handle":-1,"params":["a","SECRET-1"],"id":1}"#, "params.1"),
    (
        true,
        r#"{"id":1,"params":{"qDocName":"a","qPassword":"SECRET"},"method":"OpenDoc"}"#,
        "params.qPassword",
    ),
    (true, r#"{"method":"CreateDocEx","params":["a","","","SECRET-9"],"id":2}"#, "params.3"),
    (
        true,
        r#"{"method":"CreateConnection","params":[{"qName":"x","qConnectionString":"SECRET-2"}]}"#,
        "params.0.qConnectionString",
    ),
    (
        true,
        r#"{"method":"CreateConnection","params":{"qConnection":{"qUserName":"SECRET"}}}"#,
        "params.qConnection.qUserName",
    ),
    (true, r#"{"method":"ModifyConnection","params":["id",{"qPassword":"SECRET"}]}"#, "params.1.qPassword"),
    (
        true,
        r#"{"method":"IsValidConnectionString","params":[{"qConnectionString":"x;pwd=SECRET"}]}"#,
        "params.0.qConnectionString",
    ),
    (
        true,
        r#"{"method":"InteractDone","params":[4,{"qType":"IT_PASSWD","qInput":"SECRET"}]}"#,
        "params.1.qInput",
    ),
    (
        true,
        r#"{"method":"SendGenericCommandToCustomConnector","params":["p","c","m",["SECRET-3"],""]}"#,
        "params.3.0",
    ),
    (
        true,
        r#"{"method":"ApplyPatches","params":[[{"qOp":"add","qPath":"/login/password","qValue":"\"SECRET\""}]]}"#,
        "params.0.0",
    ),
    (true, r#"{"method":"SetProperties","params":[{"my":"{\"apiKey\":\"SECRET\"}"}]}"#, "params.0.my"),
    (
        true,
        r#"{"method":"SetScript","params":["ODBC CONNECT TO [x] (XUserId is a, XPassword is SECRET);"]}"#,
        "params.0",
    ),
    (true, r#"{"method":"\u004fpenDoc","params":["a","","SECRET-4"]}"#, "params.2"),
    (true, r#"{"method":"X","params":{"\u0070assword":"SECRET"}}"#, "params.password"),
    (true, r#"[{"method":"GetDocList"},{"method":"OpenDoc","params":["a","SECRET-5"]}]"#, "params.1"),
    (true, "{\"method\":\"OpenDoc\",\"params\":[\"a\",\"SECRET\"", "text"),
    (true, "POST /login token: SECRET-6", "text"),
    (
        false,
        r#"{"method":"OnAuthenticationInformation","params":{"userId":"SECRET","mustAuthenticate":false}}"#,
        "params.userId",
    ),
    (
        false,
        r#"{"method":"OnAuthenticationInformation","params":{"loginUri":"https://h/login?qlikTicket=SECRET"}}"#,
        "params.loginUri",
    ),
    (
        false,
        r#"{"method":"OnX","params":{"uri":"https://h/?returnto=https%3A%2F%2Fh%2F%3Fcode%3DSECRET%26a%3D1"}}"#,
        "params.uri",
    ),
    (false, r#"{"method":"OnX","params":{"uri":"https:\/\/me:SECRET@h\/x"}}"#, "params.uri"),
    (
        false,
        r#"{"id":1,"result":{"qConnections":[{"qName":"x","qConnectionString":"SECRET-7"}]}}"#,
        "result.qConnections.0.qConnectionString",
    ),
    (
        false,
        r#"{"id":1,"delta":true,"result":{"qConnections":[{"op":"add","path":"/","value":[{"qPassword":"SECRET"}]}]}}"#,
        "result.qConnections.0.qPassword",
    ),
    (
        false,
        r#"{"id":1,"delta":true,"result":{"qConnection":[{"op":"replace","path":"/qConnectionString","value":"SECRET"}]}}"#,
        "result.qConnection.qConnectionString",
    ),
    (
        false,
        r#"{"id":1,"delta":true,"result":{"qLayout":[{"value":"SECRET","path":"/a/token","op":"add"}]}}"#,
        "result.qLayout.a.token",
    ),
    (false, r#"{"id":1,"result":{"qReturn":"UserDirectory=ACME; UserId=SECRET"}}"#, "result.qReturn"),
    (
        false,
        r#"{"id":1,"result":{"qMessage":"sent Authorization: Bearer SECRET-8 to x"}}"#,
        "result.qMessage",
    ),
    (
        false,
        r#"{"id":1,"error":{"code":-1,"parameter":"ODBC;PWD=SECRET;x","message":"y"}}"#,
        "error.parameter",
    ),
    (false, r#"{"id":1,"result":{"qReturn":"JWT"}}"#, "result.qReturn"),
    (
        false,
        r#"{"id":1,"result":{"a":{"access_token":"SECRET","n":[1,{"refreshToken":12345678}]}}}"#,
        "result.a.access_token",
    ),
    (false, "<html>Cookie: a=SECRET</html>", "text"),
];

const SECRET: &str = "TOP-s3cret";

const HEADERS: &[&str] = &[
    "Authorization",
    "Proxy-Authorization",
    "Cookie",
    "X-Qlik-Session",
    "X-Qlik-Session-vp",
    "X-Qlik-Ticket",
    "X-Qlik-ProxySession",
    "X-Qlik-User",
    "X-Qlik-Security",
    "X-Qlik-XrfKey",
    "qlik-csrf-token",
];

const QUERIES: &[&str] = &[
    "qlikTicket",
    "QlikTicket",
    "qlik-csrf-token",
    "accessToken",
    "access_token",
    "xrfkey",
    "code",
    "state",
];

/// Records one session that has every kind of secret in it.
async fn recorded(redaction: Redaction) -> Recording {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.redaction(redaction)).await;
    let headers: String = HEADERS.iter().map(|name| format!("{name}: {SECRET}\r\n")).collect();
    let mut path = format!("/app/x?reloadUri=https%3A%2F%2Fh%2F%3FqlikTicket%3D{SECRET}%26y%3D1");
    path.extend(QUERIES.iter().map(|name| format!("&{name}={SECRET}")));
    let client = async {
        let mut client = Raw::ask(rig.address, &path, &headers).await;
        client.head().await;
        client
    };
    let engine = async {
        let mut engine = next(&engines).await;
        engine.accept(&format!("Set-Cookie: a={SECRET}\r\n"), b"").await;
        engine
    };
    let (mut client, mut engine) = tokio::join!(client, engine);
    for (from_client, text, _) in FRAMES {
        let text = text.replace("SECRET", SECRET).replace("JWT", JWT);
        let bytes = frame(0x81, text.as_bytes(), *from_client);
        let (from, to) = if *from_client { (&mut client, &mut engine) } else { (&mut engine, &mut client) };
        from.write(&bytes).await;
        to.expect(&bytes).await;
    }
    // A gateway's reason may repeat what it was asked.
    engine.write(&frame(0x88, format!("\x10\x6ctoken={SECRET}").as_bytes(), false)).await;
    client.expect(&frame(0x88, format!("\x10\x6ctoken={SECRET}").as_bytes(), false)).await;
    rig.cut().await
}

/// Puts a recording where it can be scrubbed.
fn kept(recording: &Recording) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept.qixrec");
    std::fs::write(&path, &recording.text).unwrap();
    (dir, path)
}

fn has_secrets(text: &str) -> bool {
    ["s3cret", "eyJ", "12345678"].iter().any(|secret| text.contains(secret))
}

/// Asserts that what was found is each secret of the session.
fn assert_all(found: &Scrubbed) {
    let whats: Vec<_> = found.places.iter().map(|place| (place.line, &*place.what)).collect();
    assert!(whats.iter().any(|(_, what)| *what == "url"), "{whats:?}");
    for name in HEADERS {
        let name = format!("request.{}", name.to_lowercase());
        assert!(whats.iter().any(|(_, what)| *what == name), "{name}: {whats:?}");
    }
    assert!(whats.iter().any(|(_, what)| *what == "response.set-cookie"), "{whats:?}");
    assert!(whats.iter().any(|(_, what)| *what == "reason"), "{whats:?}");
    for ((_, text, name), line) in FRAMES.iter().zip(3..) {
        assert!(
            whats.contains(&(line, *name)),
            "{text}: {:?}",
            whats.iter().filter(|(at, _)| *at == line).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn no_secret_of_any_kind_is_recorded_and_the_check_is_clean() {
    let recording = recorded(Redaction::standard()).await;
    assert!(!has_secrets(&recording.text), "{}", recording.text);
    let frames = recording.kind("frame");
    for ((_, text, name), line) in FRAMES.iter().zip(frames) {
        assert!(
            line["redacted"].as_array().is_some_and(|list| list.iter().any(|listed| listed == name)),
            "{text}: {line}"
        );
    }
    let (_dir, path) = kept(&recording);
    assert_eq!(check(&path, &Redaction::standard()).unwrap().places, []);
}

#[tokio::test]
async fn every_secret_of_a_recording_without_redaction_is_found_and_can_be_taken_out() {
    let recording = recorded(Redaction::off()).await;
    for text in ["s3cret", JWT, "12345678"] {
        assert!(recording.text.contains(text), "{text}");
    }
    let (dir, path) = kept(&recording);
    assert_all(&check(&path, &Redaction::standard()).unwrap());
    let out = dir.path().join("clean.qixrec");
    assert_all(&scrub(&path, &out, &Redaction::standard(), None).unwrap());
    let clean = std::fs::read_to_string(&out).unwrap();
    assert!(!has_secrets(&clean), "{clean}");
    assert_eq!(check(&out, &Redaction::standard()).unwrap().places, []);
    // What is clean stays as it is, byte for byte, and nothing is overwritten.
    let again = dir.path().join("again.qixrec");
    scrub(&out, &again, &Redaction::standard(), None).unwrap();
    assert_eq!(std::fs::read_to_string(&again).unwrap(), clean);
    let error = scrub(&path, &out, &Redaction::standard(), None).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("exists already and is never overwritten; give another name or move it away")
    );
    assert_eq!(std::fs::read_to_string(&out).unwrap(), clean);
}

#[tokio::test]
async fn script_and_own_rules_are_applied_when_asked_for() {
    let rules = "headers = ['x-own']\nquery = ['sid']\nmembers = ['pin']\npaths = ['/result/qLayout/*/inner']\n\
                 texts = ['SK-[0-9]+']\n[methods]\nMine = ['qA', '1/b']\n";
    let redaction = Redaction::standard().script(true).rules(rules).unwrap();
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.redaction(redaction.clone())).await;
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x?sid=s3cret", "X-Own: s3cret\r\n").await;
        client.head().await;
        client
    };
    let engine = async {
        let mut engine = next(&engines).await;
        engine.accept("", b"").await;
        engine
    };
    let (mut client, mut engine) = tokio::join!(client, engine);
    for text in [
        r#"{"method":"SetScript","params":["s3cret"]}"#,
        r#"{"id":1,"delta":true,"result":{"qScript":[{"op":"add","path":"/","value":"s3cret"}]}}"#,
        r#"{"result":{"x":{"pin":"s3cret"}}}"#,
        r#"{"result":{"qLayout":{"any":{"inner":{"deep":["s3cret"]}}}}}"#,
        r#"{"delta":true,"result":{"qLayout":[{"op":"add","path":"/any/inner/deep","value":"s3cret"}]}}"#,
        r#"{"method":"Mine","params":{"qA":"s3cret"}}"#,
        r#"{"method":"Mine","params":["x",{"b":"s3cret"}]}"#,
        r#"{"result":{"a":"code SK-12345678"}}"#,
    ] {
        let bytes = frame(0x81, text.as_bytes(), false);
        engine.write(&bytes).await;
        client.expect(&bytes).await;
    }
    let recording = rig.cut().await;
    assert!(!has_secrets(&recording.text), "{}", recording.text);
    assert_eq!(recording.kind("frame").len(), 8);
}
