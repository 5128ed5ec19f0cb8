//! Help, version, and command lines that cannot work.

use crate::support::*;

#[tokio::test]
async fn help_names_the_commands_and_what_the_exit_codes_mean() {
    let ended = run(&["--help"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    for word in [
        "record",
        "replay",
        "repair",
        "doctor",
        "demo",
        "0 done",
        "1 ran",
        "2 wrong usage",
        "3 engine or network",
        "4 recording",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    for command in ["record", "replay", "repair", "doctor", "demo"] {
        let ended = run(&[command, "--help"]).await;
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.contains("Usage: qix-proxy"), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn version_is_that_of_the_package() {
    let ended = run(&["--version"]).await;
    assert_eq!((ended.code, ended.stdout.trim()), (0, concat!("qix-proxy ", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn command_line_that_cannot_work_exits_with_2_and_says_why_on_stderr() {
    for (args, says) in [
        (&[][..], "Usage: qix-proxy [OPTIONS] <COMMAND>"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["--nope"], "unexpected argument '--nope'"),
        (&["replay"], "<FILE>"),
        (&["replay", "x.qixrec", "--nope"], "unexpected argument '--nope'"),
        (&["repair"], "<FILE>"),
        (&["repair", "x.qixrec", "--out", "y", "--in-place"], "cannot be used with"),
        (
            &["replay", "x.qixrec", "--listen", "localhost"],
            "invalid value 'localhost' for '--listen <ADDRESS>'",
        ),
        (&["demo", "x.qixrec"], "unexpected argument 'x.qixrec'"),
        (&["demo", "--out"], "a value is required for '--out <FILE>'"),
    ] {
        let ended = run(args).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn stdout_that_nobody_reads_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new.qixrec");
    let bundled = bundled();
    for args in [
        &["--help"][..],
        &["--version"],
        &["replay", "--listen", "127.0.0.1:0", bundled.to_str().unwrap()],
        &[
            "record",
            "--upstream",
            "ws://127.0.0.1:1",
            "--listen",
            "127.0.0.1:0",
            "--out",
            out.to_str().unwrap(),
        ],
    ] {
        let ended = unread(args).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{args:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn stderr_that_is_no_terminal_gets_no_colours() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/recordings/v1_0/conversation.qixrec");
    let mut command = command(&["replay", "--listen", "192.0.2.1:1", golden]);
    let ended: Ended = bounded(command.env_remove("NO_COLOR").output()).await.unwrap().into();
    assert!(ended.stderr.contains("WARN") && !ended.stderr.contains('\u{1b}'), "{:?}", ended.stderr);
}
