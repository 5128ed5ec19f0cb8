//! Faults on purpose, from the command line.

use std::fs;

use serde_json::json;

use crate::support::*;

const REPLAY: [&str; 3] = ["replay", "--listen", "127.0.0.1:0"];

#[tokio::test]
async fn wrong_rules_are_one_sentence_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let json = file("rules.json", "{\"fault\": []}");
    let negative = file("negative.toml", "[[fault]]\nmethod = \"GetLayout\"\nnth = -1\nerror = 15\n");
    let missing = dir.path().join("missing.toml");
    for (args, says) in [
        (["--fault", "GetLayout eror=15"], "'error' was meant"),
        (["--fault", "GetLayout close=1005"], "may be sent"),
        (["--fault", "GetLayout delay=-1s"], "above zero"),
        (["--fault", "GetLayout error=NO_SUCH_CODE"], "no error is called NO_SUCH_CODE"),
        (["--faults", &json], "this is no TOML"),
        (["--faults", &negative], "line 3 of "),
        (["--faults", missing.to_str().unwrap()], "cannot read the fault rules"),
        (["--fault-seed", "3"], "nothing to decide"),
    ] {
        for command in [&REPLAY[..], &["record", "--upstream", "ws://127.0.0.1:1", "--out", "never.qixrec"]] {
            let mut all = command.to_vec();
            all.extend(args);
            let bundled = bundled();
            if command[0] == "replay" {
                all.push(bundled.to_str().unwrap());
            }
            let ended = run(&all).await;
            assert_eq!(ended.code, 2, "{all:?}: {}", ended.stderr);
            assert!(
                ended.stderr.contains(says) && ended.stderr.lines().count() == 1,
                "{all:?}: {}",
                ended.stderr
            );
        }
    }
    // Of two rules that contradict each other, both are named.
    let both =
        ["--fault", "GetLayout error=15", "--fault", "GetLayout drop=answer", bundled().to_str().unwrap()]
            .map(str::to_owned);
    let ended = run(&REPLAY.iter().copied().chain(both.iter().map(|arg| &**arg)).collect::<Vec<_>>()).await;
    assert!(ended.code == 2 && ended.stderr.contains("strikes the same calls"), "{}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn both_ends_of_a_run_tell_of_its_faults() {
    let bundled = bundled();
    let mut args = REPLAY.to_vec();
    args.extend([
        "--fault",
        "EngineVersion error=15",
        "--fault",
        "GetLayuot delay=1h",
        "--log",
        "warn,qix_proxy::faults=info",
    ]);
    args.push(bundled.to_str().unwrap());
    let mut server = Server::start(&args).await;
    let line = server.next_line().await;
    let seed = line.split("--fault-seed ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    assert!(
        line.starts_with("FAULTS ARE MADE ON PURPOSE, by 2 rules") && seed.parse::<u64>().is_ok(),
        "{line}"
    );
    let mut client = RawClient::connect(server.address).await;
    let answer = client.call(1, -1, "EngineVersion", json!([])).await;
    assert_eq!(answer["error"], json!({"code": 15, "parameter": "", "message": "Request aborted"}));
    client.close().await;
    let ended = server.terminate().await;
    // Neither answered from the recording nor missing there.
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("answered 0 requests, 0 not in the recording"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("fault 1 struck 1 of 1 that matched: EngineVersion error=15"),
        "{}",
        ended.stdout
    );
    for says in [
        "no method of the engine that is known is called GetLayuot; GetLayout was meant?",
        "fault 1 (EngineVersion error=15): EngineVersion, request 1: answered with error 15",
        "fault 2 never struck: nothing matched it: GetLayuot delay=1h",
    ] {
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn record_says_loudly_that_faults_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.qixrec");
    let upstream = Server::replay(&bundled()).await;
    let url = format!("ws://{}", upstream.address);
    let server = Server::start(&[
        "record",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        &url,
        "--out",
        out.to_str().unwrap(),
        "--fault-seed",
        "7",
        "--fault",
        "EngineVersion nth=2 error=15",
    ])
    .await;
    let mut client = RawClient::connect(server.address).await;
    assert!(client.call(1, -1, "EngineVersion", json!([])).await["result"].is_object());
    assert_eq!(client.call(2, -1, "EngineVersion", json!([])).await["error"]["code"], 15);
    client.close().await;
    let ended = server.terminate().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("FAULTS ARE MADE ON PURPOSE"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("--fault-seed 7") && ended.stdout.contains("fault 1 struck 1 of 2"),
        "{}",
        ended.stdout
    );
    let recording = fs::read_to_string(out).unwrap();
    assert!(recording.contains(
        r#""kind":"note","text":"fault 1 (EngineVersion nth=2 error=15): EngineVersion, request 2"#
    ));
}
