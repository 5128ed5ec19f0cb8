//! `qix-proxy replay`.

use std::{fs, net::TcpListener, path::PathBuf};

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;

/// A folder with the bundled recording, changed.
fn changed(name: &str, change: impl FnOnce(String) -> String) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, change(fs::read_to_string(bundled()).unwrap())).unwrap();
    (dir, path)
}

fn line(text: &str, number: usize, replacement: &str) -> String {
    let lines = text.lines().zip(1..).map(|(line, at)| if at == number { replacement } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn file_that_cannot_be_replayed_is_one_sentence_and_exit_code_4() {
    let har = r#"{"log":{"version":"1.2","creator":{"name":"WebInspector"},"entries":[]}}"#;
    for ((_dir, path), says) in [
        (changed("empty.qixrec", |_| String::new()), "PATH is empty: record into it first"),
        (
            changed("capture.har", |_| har.to_owned()),
            "PATH is no recording: its first line is not the header of a .qixrec file; give a file that `qix-proxy record` has written",
        ),
        (
            changed("picture.qixrec", |_| "\u{0}\u{1}GIF89a".to_owned()),
            "PATH is no recording: its first line is not the header of a .qixrec file; give a file that `qix-proxy record` has written",
        ),
        (
            changed("new.qixrec", |text| text.replacen("[1,1]", "[2,3]", 1)),
            "PATH has format 2.3 and this program reads 1.x: take a newer qix-proxy",
        ),
        (
            changed("old.qixrec", |text| text.replacen("[1,1]", "[0,9]", 1)),
            "PATH has format 0.9, which is no longer read: take an older qix-proxy",
        ),
        (
            changed("damaged.qixrec", |text| line(&text, 5, r#"{"seq":4,"t":1,"conn":1,"kind":"fra"#)),
            "line 5 of PATH is damaged: it is not JSON; remove the line to read the rest",
        ),
        (
            changed("strange.qixrec", |text| line(&text, 7, r#"{"seq":6,"kind":"frame"}"#)),
            "line 7 of PATH is damaged: it has no number `t`; remove the line to read the rest",
        ),
        (
            changed("bare.qixrec", |text| text.lines().take(1).map(|line| format!("{line}\n")).collect()),
            "PATH: the recording holds no connection: record a client first",
        ),
    ] {
        let ended = run(&["replay", "--listen", "127.0.0.1:0", path.to_str().unwrap()]).await;
        let expected = format!("error: {}\n", says.replace("PATH", path.to_str().unwrap()));
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr), (4, "", expected));
    }
}

#[tokio::test]
async fn missing_file_is_named_and_exit_code_4() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing.qixrec");
    let ended = run(&["replay", path.to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
    assert!(ended.stderr.starts_with(&format!("error: cannot read {}", path.display())), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn port_in_use_is_one_sentence_and_exit_code_3() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let ended = run(&["replay", "--listen", &address, bundled().to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let (start, end) =
        (format!("error: cannot listen on {address}, because another program does"), "(--listen names it)\n");
    assert!(ended.stderr.starts_with(&start) && ended.stderr.ends_with(end), "{}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn recording_is_served_until_sigterm_and_summed_up() {
    let server = Server::replay(&bundled()).await;
    assert!(server.line.starts_with("replaying 1 connection"), "{}", server.line);
    let mut told = 0;
    let answers = qix_proxy::demo::play(server.session().await, |_| {
        told += 1;
        Ok(())
    });
    assert_eq!(bounded(answers).await.unwrap().len(), 10);
    assert_eq!(told, 10);
    let ended = server.terminate().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.starts_with("replayed 1 connection"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with(", 0 not in the recording\n"), "{}", ended.stdout);
}

#[cfg(unix)]
#[tokio::test]
async fn request_that_is_not_in_the_recording_is_told_at_once_and_makes_exit_code_1() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let mut server = Server::replay(&bundled()).await;
    let mut stderr = BufReader::new(server.child.stderr.take().unwrap()).lines();
    let session = server.session().await;
    let doc = bounded(session.global().open_doc("Sales.qvf")).await.unwrap();
    let error = bounded(doc.call::<Value>("DestroyObject", &["x"]).into_future()).await.unwrap_err();
    assert_eq!(error.engine().unwrap().code.get(), -32099);
    let mut block = async || {
        let mut lines = Vec::new();
        for _ in 0..3 {
            lines.push(bounded(stderr.next_line()).await.unwrap().unwrap());
        }
        lines
    };
    let first = block().await;
    assert_eq!(first[0], r#"not in the recording: DestroyObject("x") on OpenDoc("Sales.qvf")"#);
    assert!(first[1].starts_with("  - "), "{first:?}");
    assert_eq!(first[2], "  the method was not recorded, only others of that object");
    // An equal one is counted, and shown once.
    bounded(doc.call::<Value>("DestroyObject", &["x"]).into_future()).await.unwrap_err();
    let error = bounded(doc.get_object("no such thing")).await.unwrap_err();
    assert_eq!(error.engine().unwrap().code.get(), -32099);
    let second = block().await;
    assert_eq!(second[0], r#"not in the recording: GetObject("no such thing") on OpenDoc("Sales.qvf")"#);
    assert_eq!(second[1..], [r#"  - /qId: "no such object""#, r#"  + /qId: "no such thing""#]);
    assert!(bounded(stderr.next_line()).await.unwrap().unwrap().starts_with("  nearest recorded call: "));
    bounded(session.close()).await;
    let ended = server.terminate().await;
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.ends_with(", 3 not in the recording\n"), "{}", ended.stdout);
    let list: Vec<String> = {
        let mut lines = Vec::new();
        while let Some(line) = bounded(stderr.next_line()).await.unwrap() {
            lines.push(line);
        }
        lines
    };
    assert_eq!(list[0], "not in the recording: 3 requests");
    assert!(list[1].starts_with("      2 × DestroyObject(\"x\") on "), "{list:?}");
    assert_eq!(list.len(), 3, "{list:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn calls_that_nobody_makes_are_listed_and_strict_makes_them_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.json");
    for (strict, code) in [(false, 0), (true, 1)] {
        let bundled = bundled();
        let mut args = vec!["replay", "--listen", "127.0.0.1:0", "--report", report.to_str().unwrap()];
        args.extend(strict.then_some("--strict"));
        args.push(bundled.to_str().unwrap());
        let server = Server::start(&args).await;
        let session = server.session().await;
        bounded(session.global().open_doc("Sales.qvf")).await.unwrap();
        bounded(session.close()).await;
        let ended = server.terminate().await;
        assert_eq!((ended.code, &*ended.stderr), (code, ""));
        assert!(ended.stdout.contains("recorded and never asked for: "), "{}", ended.stdout);
        assert!(
            ended.stdout.lines().last().unwrap().starts_with("replayed 1 connection"),
            "{}",
            ended.stdout
        );
        let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
        assert_eq!((&report["missed"], &report["misses"]), (&0.into(), &Value::Array(Vec::new())));
        let unused = report["unused"].as_array().unwrap();
        assert!(unused.iter().any(|calls| calls["method"] == "GetObject"), "{unused:?}");
        assert!(!unused.iter().any(|calls| calls["method"] == "OpenDoc"), "{unused:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_listed_if_nobody_came_unless_strict() {
    for (more, code, lists) in [(None, 0, false), (Some("--strict"), 1, true)] {
        let bundled = bundled();
        let mut args = vec!["replay", "--listen", "127.0.0.1:0", bundled.to_str().unwrap()];
        args.extend(more);
        let ended = Server::start(&args).await.terminate().await;
        assert_eq!((ended.code, ended.stdout.contains("never asked for")), (code, lists), "{}", ended.stdout);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn options_say_how_often_answers_are_given_and_what_does_not_count() {
    let bundled = bundled();
    for (options, codes) in [
        (&["--repeat", "sticky"][..], [0, 0, -32099]),
        (&["--repeat", "once"], [0, -32099, -32099]),
        (&["--repeat", "cycle", "--ignore", "OpenDoc:/qDocName"], [0, 0, 0]),
    ] {
        let args = ["replay", "--listen", "127.0.0.1:0", bundled.to_str().unwrap()];
        let server = Server::start(&[&args[..], options].concat()).await;
        let mut client = RawClient::connect(server.address).await;
        let mut found = Vec::new();
        for app in ["Sales.qvf", "Sales.qvf", "Other.qvf"] {
            let answer = client.call(1, -1, "OpenDoc", serde_json::json!([app])).await;
            found.push(answer["error"]["code"].as_i64().unwrap_or_default());
        }
        assert_eq!(found, codes, "{options:?}");
        client.close().await;
        server.terminate().await;
    }
    let ended = run(&["replay", "--ignore", "qInfo", bundled.to_str().unwrap()]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--ignore"), "{}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn closing_on_a_miss_tells_first_and_uses_a_code_after_which_nobody_comes_back() {
    let bundled = bundled();
    let args = ["replay", "--listen", "127.0.0.1:0", "--on-miss", "close", bundled.to_str().unwrap()];
    let server = Server::start(&args).await;
    let mut client = RawClient::connect(server.address).await;
    let answer = client.call(1, -1, "OpenDoc", serde_json::json!(["Other.qvf"])).await;
    assert_eq!(answer["error"]["code"], -32099);
    let (code, reason) = client.closed().await;
    assert_eq!(code, 4202);
    assert_eq!(reason, r#"not in the recording: OpenDoc("Other.qvf") on Global"#);
    assert_eq!(server.terminate().await.code, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn upstream_fills_the_recording_compressed_or_not_and_a_further_replay_needs_none() {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let url = engine.base_url();
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.qixrec", "a.qixrec.zst"] {
        let path = dir.path().join(name);
        let (_dir, cut) = changed("cut.qixrec", |text| text[..text.trim_end().len() - 5].to_owned());
        let made = run(&["repair", cut.to_str().unwrap(), "--out", path.to_str().unwrap()]).await;
        assert_eq!(made.code, 0, "{}", made.stderr);
        let ask = async |more: &[&str]| -> Ended {
            let args = [&["replay", "--listen", "127.0.0.1:0", path.to_str().unwrap()], more].concat();
            let mut command = command(&args);
            command.env_remove("CI");
            let server = Server::spawn(command).await;
            let session = server.session().await;
            let doc = bounded(session.global().open_doc("Sales.qvf")).await.unwrap();
            let answer = doc.call::<Value>("Evaluate", &["6*7"]);
            assert_eq!(bounded(answer.into_future()).await.unwrap()["qReturn"], "42");
            bounded(session.close()).await;
            server.terminate().await
        };
        let ended = ask(&["--upstream", &url]).await;
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let shown =
            "not in the recording, answered by the upstream: Evaluate(\"6*7\") on OpenDoc(\"Sales.qvf\")";
        assert!(ended.stderr.starts_with(shown), "{}", ended.stderr);
        let summary = ", 1 answered by the upstream, 0 not in the recording\n";
        assert!(ended.stdout.ends_with(summary), "{}", ended.stdout);
        let ended = ask(&[]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        let checked = run(&["repair", path.to_str().unwrap()]).await;
        assert!(checked.stdout.contains(" is whole, with 2 connections"), "{}", checked.stdout);
    }
    bounded(engine.shutdown()).await;
}

#[tokio::test]
async fn upstream_is_refused_in_ci_and_with_options_that_contradict_it() {
    let bundled = bundled();
    let bundled = bundled.to_str().unwrap();
    let before = fs::read(bundled).unwrap();
    let run = async |args: &[&str], ci: Option<&str>| -> Ended {
        let mut command = command(&[&["replay", "--listen", "127.0.0.1:0", bundled], args].concat());
        command.env_remove("CI").envs(ci.map(|ci| ("CI", ci)));
        bounded(command.output()).await.unwrap().into()
    };
    let upstream = ["--upstream", "ws://127.0.0.1:1"];
    let ended = run(&upstream, Some("true")).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.starts_with("error: CI is set, so that no engine is asked"), "{}", ended.stderr);
    let ended = run(&["--on-miss", "close", upstream[0], upstream[1]], None).await;
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--upstream is for --on-miss upstream"), "{}", ended.stderr);
    let ended = run(&["--on-miss", "upstream"], None).await;
    assert!(ended.code == 2 && ended.stderr.contains("--upstream <URL>"), "{}", ended.stderr);
    assert!(fs::read(bundled).unwrap() == before);
}

#[cfg(unix)]
#[tokio::test]
async fn torn_recording_is_served_with_a_warning() {
    let (_dir, path) = changed("torn.qixrec", |text| text[..text.trim_end().len() - 20].to_owned());
    let lines = fs::read_to_string(&path).unwrap().lines().count();
    let server = Server::replay(&path).await;
    let session = server.session().await;
    assert_eq!(bounded(session.global().engine_version()).await.unwrap().component_version, "12.2528.0");
    bounded(session.close()).await;
    let ended = server.terminate().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("WARN line {lines} was cut after ")), "{}", ended.stderr);
    assert!(ended.stderr.contains("left out"), "{}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn misses_make_exit_code_1_even_if_nobody_reads_the_summary() {
    let server = Server::replay(&bundled()).await;
    let session = server.session().await;
    bounded(session.global().open_doc("Other.qvf")).await.unwrap_err();
    bounded(session.close()).await;
    assert_eq!(server.terminate_unheard().await.code, 1);
}

#[tokio::test]
async fn file_that_cannot_be_opened_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(&["replay", dir.path().join("missing.qixrec").to_str().unwrap()]).await;
    assert!(ended.stderr.contains("; check "), "{}", ended.stderr);
}
