//! Checks what no compiler checks.

use std::{collections::BTreeSet, fs, process::Command};

use crate::{Outcome, root, say};

/// All that qix-protocol may depend on, directly or not: data and its grammar, nothing that reads or writes anything.
const PURE: &[&str] = &[
    "bytemuck",
    "bytes",
    "itoa",
    "memchr",
    "proc-macro2",
    "qix-protocol",
    "quote",
    "safe_arch",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "smol_str",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
    "wide",
    "zmij",
];

/// Files longer than this are split, tests and generated code apart.
const LONGEST: usize = 500;

pub(crate) fn run() -> Outcome {
    let mut faults = impurities()?;
    faults.extend(long_files()?);
    faults.extend(versions_said_twice()?);
    for fault in &faults {
        say(fault);
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("{} faults", faults.len()).into()) }
}

/// What qix-protocol depends on and should not.
fn impurities() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "qix-protocol",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let used: BTreeSet<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    if !used.contains("serde_json") {
        return Err("cargo tree does not list what qix-protocol depends on".into());
    }
    let found = used.iter().filter(|name| !PURE.contains(name));
    Ok(found.map(|name| format!("qix-protocol depends on {name}, which is not known to be pure")).collect())
}

fn long_files() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let output = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root()).output()?;
    let mut faults = Vec::new();
    for file in String::from_utf8(output.stdout)?.lines() {
        let test = file.contains("/tests/") || file.ends_with("tests.rs") || file.starts_with("tests/e2e/");
        let text = fs::read_to_string(root().join(file))?;
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if !test && lines > LONGEST {
            faults.push(format!("{file} has {lines} lines, more than {LONGEST}: split it"));
        }
    }
    Ok(faults)
}

/// The oldest compiler is named once, in the root's Cargo.toml.
fn versions_said_twice() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let line =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).ok_or("no rust-version")?;
    let version = line.trim_matches('"');
    let mut faults = Vec::new();
    for file in ["README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", ".github/workflows/ci.yml"] {
        if fs::read_to_string(root().join(file))?.contains(version) {
            faults.push(format!("{file} repeats the version of the oldest compiler, {version}"));
        }
    }
    Ok(faults)
}
