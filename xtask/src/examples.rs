//! Runs the examples of qix-client and qix-proxy on their recordings, and makes those of qix-client.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{Outcome, root, say, status};

/// Which examples, and whether to record.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Record them anew from the fake engine first
    #[arg(long)]
    record: bool,
    /// The examples to run; all if none is named
    examples: Vec<String>,
}

/// The packages that have examples.
const PACKAGES: [&str; 2] = ["qix-client", "qix-proxy"];

/// Longer than any example takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// What an example looks at; nothing of it may come from whoever runs this.
const VARIABLES: &[&str] = &[
    "CI",
    "QIX_API_KEY",
    "QIX_APP",
    "QIX_CA",
    "QIX_CERT_DIR",
    "QIX_JWT",
    "QIX_RECORD",
    "QIX_URL",
    "QIX_USER",
    "QIX_WEB_INTEGRATION_ID",
];

pub(crate) fn run(args: &Args) -> Outcome {
    let names = if args.examples.is_empty() { all()? } else { args.examples.clone() };
    for package in PACKAGES {
        cargo(&["build", "--quiet", "--package", package, "--all-features", "--examples"])?;
    }
    let mut wrong = Vec::new();
    for name in &names {
        let source = source(name).ok_or_else(|| format!("there is no example '{name}'"))?;
        // Those of qix-proxy read a recording that is there already.
        if args.record && source.starts_with(folder(PACKAGES[0])) {
            record(name)?;
        }
        let promised = promised(&source)?;
        let printed = output(&mut example(name))?;
        if printed.trim_end() == promised.trim_end() {
            say(&format!("✓ {name}"));
        } else {
            say(&format!("✗ {name} prints\n{printed}and its head comment says\n{promised}"));
            wrong.push(name.as_str());
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("not as documented: {}", wrong.join(", ")).into()) }
}

/// Returns where the examples of a package are.
fn folder(package: &str) -> PathBuf {
    root().join("crates").join(package).join("examples")
}

/// Returns the file of an example.
fn source(name: &str) -> Option<PathBuf> {
    let files = PACKAGES.iter().map(|package| folder(package).join(format!("{name}.rs")));
    files.into_iter().find(|file| file.is_file())
}

fn all() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for package in PACKAGES {
        for entry in fs::read_dir(folder(package))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Returns the first block of text in the head comment: what the example prints.
fn promised(path: &Path) -> Result<String, String> {
    let source = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = head
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    if lines.is_empty() {
        return Err(format!(
            "{}: the head comment has no block ```text that says what is printed",
            path.display()
        ));
    }
    Ok(lines.join("\n") + "\n")
}

/// Runs the example at a new fake engine.
fn record(name: &str) -> Outcome {
    cargo(&["build", "--quiet", "--package", "qix-tests", "--bin", "fake-engine"])?;
    let mut engine = Command::new(built(Path::new("fake-engine")))
        .arg("--until-eof")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(engine.stdout.take().ok_or("the fake engine has no output")?).read_line(&mut line)?;
    let url =
        line.trim_end().strip_prefix("listening on ").ok_or("the fake engine does not say where it is")?;
    let url = format!("{url}/app/engineData");
    let outcome = output(example(name).env("QIX_URL", url).env("QIX_RECORD", "1"));
    drop(engine.stdin.take());
    engine.wait()?;
    outcome.map(|_| ())
}

fn example(name: &str) -> Command {
    let mut command = Command::new(built(&Path::new("examples").join(name)));
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// Returns where cargo puts it: beside this program.
fn built(name: &Path) -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let file = format!("{}{}", name.display(), std::env::consts::EXE_SUFFIX);
    here.parent().unwrap_or(Path::new(".")).join(file)
}

fn cargo(arguments: &[&str]) -> Outcome {
    match status(Command::new(env!("CARGO")).args(arguments).current_dir(root())) {
        Some(0) => Ok(()),
        _ => Err("the examples do not build".into()),
    }
}

/// Returns what a program prints; one that fails or does not end is an error.
fn output(command: &mut Command) -> Result<String, Box<dyn std::error::Error>> {
    let name = command.get_program().display().to_string();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut out = child.stdout.take().ok_or("no output")?;
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = out.read_to_string(&mut text);
        // Nobody waits any more if this took too long.
        let _ = sender.send(read.map(|_| text));
    });
    // The output ends with the program.
    let Ok(text) = received.recv_timeout(DEADLINE) else {
        child.kill()?;
        child.wait()?;
        return Err(format!("{name} does not end").into());
    };
    let text = text?;
    if child.wait()?.success() { Ok(text) } else { Err(format!("{name} failed; it printed:\n{text}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_example_prints_is_the_first_block_of_text_in_its_head() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.rs");
        fs::write(&path, "//! Does it.\n//!\n//! ```console\n//! $ x\n//! ```\n//! ```text\n//! a\n//!   b\n//! ```\n\nfn main() {}\n")
            .unwrap();
        assert_eq!(promised(&path).unwrap(), "a\n  b\n");
        fs::write(&path, "//! Does it.\n\n//! ```text\n").unwrap();
        assert!(promised(&path).unwrap_err().contains("x.rs"));
    }
}
