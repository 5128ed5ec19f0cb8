//! Every command that reads recordings, on every odd file: an answer or one clear sentence, and never a panic.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::*;

/// A command line; `FILE` stands for the odd file, `NEW` for a file that is not there yet.
///
/// Commands that this program does not have yet are passed over, so that a row can be here before its command is.
const COMMANDS: [&[&str]; 14] = [
    &["show", "FILE"],
    &["stats", "FILE"],
    &["report", "FILE", "--out", "NEW"],
    &["lint", "FILE"],
    &["diff", "FILE", "FILE"],
    &["diff", "FILE", "GOOD"],
    &["export", "FILE", "--as", "har", "--out", "NEW"],
    &["export", "FILE", "--as", "calls", "--out", "NEW"],
    &["export", "FILE", "--as", "parquet", "--out", "NEW"],
    &["redrive", "FILE", "--to", "ws://127.0.0.1:9/", "--timeout", "1s"],
    &["scrub", "FILE", "--out", "NEW"],
    &["scrub", "FILE", "--check"],
    &["repair", "FILE", "--out", "NEW"],
    &["replay", "FILE", "--listen", "not an address"],
];

/// What is odd about a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Odd {
    Empty,
    HeaderOnly,
    Torn,
    HttpOnly,
    NoJson,
    NewerMinor,
    TwoMixed,
    Folder,
    Missing,
    Foreign,
}

impl Odd {
    const ALL: [Self; 10] = [
        Self::Empty,
        Self::HeaderOnly,
        Self::Torn,
        Self::HttpOnly,
        Self::NoJson,
        Self::NewerMinor,
        Self::TwoMixed,
        Self::Folder,
        Self::Missing,
        Self::Foreign,
    ];

    /// What is said of a file that cannot be read, the same by all commands; nothing of one that can.
    fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("is empty: record into it first"),
            Self::TwoMixed => Some("another recording begins there"),
            Self::Folder | Self::Missing => Some("check its name and that it may be read"),
            Self::Foreign => Some("is no recording"),
            Self::HeaderOnly | Self::Torn | Self::HttpOnly | Self::NoJson | Self::NewerMinor => None,
        }
    }

    fn make(self, dir: &Path) -> PathBuf {
        let path = dir.join("odd.qixrec");
        let good = std::fs::read_to_string(bundled()).unwrap();
        let header = good.lines().next().unwrap();
        let open = good.lines().nth(1).unwrap();
        let text = match self {
            Self::Empty => String::new(),
            Self::HeaderOnly => format!("{header}\n"),
            Self::Torn => good[..good.len() * 2 / 3].to_owned(),
            Self::HttpOnly => format!(
                "{header}\n{}\n",
                r#"{"seq":1,"t":900,"kind":"http","method":"GET","url":"/hub","status":200,"took":100,"request":[],"response":[]}"#
            ),
            Self::NoJson => format!(
                "{header}\n{open}\n{}\n{}\n{}\n",
                r#"{"seq":2,"t":3000,"conn":1,"kind":"frame","from":"client","text":"hello"}"#,
                r#"{"seq":3,"t":3100,"conn":1,"kind":"frame","from":"engine","text":"not {json"}"#,
                r#"{"seq":4,"t":3200,"conn":1,"kind":"frame","from":"engine","base64":"AAEC","opcode":2}"#
            ),
            Self::NewerMinor => {
                let later = |line: &str| line.replacen("{\"seq\"", "{\"later\":{\"a\":[1]},\"seq\"", 1);
                let mut lines: Vec<_> = good.lines().map(later).collect();
                lines[0] = lines[0].replace("[1,1]", "[1,99]");
                lines.insert(2, r#"{"seq":2,"t":2900,"conn":1,"kind":"telepathy","thought":{}}"#.to_owned());
                // Numbers go up, whatever stands in between.
                for line in &mut lines[3..] {
                    *line = line.replacen("\"seq\":", "\"seq\":1", 1);
                }
                lines.join("\n") + "\n"
            }
            Self::TwoMixed => good.clone() + &good,
            Self::Foreign => "{\"log\":{\"version\":\"1.2\"}}\n".to_owned(),
            Self::Folder => {
                std::fs::create_dir(&path).unwrap();
                return path;
            }
            Self::Missing => return path,
        };
        std::fs::write(&path, text).unwrap();
        path
    }
}

async fn on(odd: Odd, command: &[&str]) -> Ended {
    let dir = TempDir::new().unwrap();
    let file = odd.make(dir.path());
    let (file, new) =
        (file.to_str().unwrap().to_owned(), dir.path().join("new").to_str().unwrap().to_owned());
    let good = bundled().to_str().unwrap().to_owned();
    let words: Vec<&str> = command
        .iter()
        .map(|word| match *word {
            "FILE" => &*file,
            "NEW" => &*new,
            "GOOD" => &*good,
            word => word,
        })
        .collect();
    run(&words).await
}

#[tokio::test]
async fn every_command_answers_on_odd_files_or_says_one_clear_sentence() {
    let help = run(&["--help"]).await.stdout;
    let exists = |name: &str| help.lines().any(|line| line.trim_start().starts_with(&format!("{name} ")));
    for command in COMMANDS.into_iter().filter(|command| exists(command[0])) {
        for odd in Odd::ALL {
            let ended = on(odd, command).await;
            let told = format!("{command:?} on {odd:?}: {ended:?}");
            assert!((0..=4).contains(&ended.code) && !ended.stderr.contains("panicked"), "{told}");
            // What was typed wrongly is said before files are read, and what is damaged is a matter of repair.
            let reads = match command[0] {
                "replay" | "repair" => false,
                // One copies lines, whatever they mean; the other makes again what can be read, and says where that ends.
                "scrub" | "redrive" => odd != Odd::TwoMixed,
                _ => true,
            };
            match odd.refusal().filter(|_| reads) {
                Some(says) => {
                    assert_eq!(ended.code, 4, "{told}");
                    let error: Vec<_> =
                        ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
                    assert_eq!(error.len(), 1, "{told}");
                    assert!(error[0].contains(says) && error[0].contains("odd.qixrec"), "{told}");
                }
                None if reads && command[0] != "redrive" => {
                    // Some have nothing to write of a file without calls, and say so.
                    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
                    assert_eq!(errors, usize::from(ended.code > 1), "{told}");
                }
                None => {}
            }
        }
    }
}

#[tokio::test]
async fn output_that_nobody_reads_ends_every_command_quietly() {
    let good = bundled();
    let good = good.to_str().unwrap();
    for args in [&["diff", good, good][..], &["completions", "bash"], &["man"], &["--help"]] {
        let ended = unread(args).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{args:?}");
    }
}
