//! The engine's interface: from its OpenRPC document to facts in `schema/`, and from there to Rust.

mod client;
mod forms;
mod generate;
mod import;
mod json;
mod methods;
mod model;
mod names;
mod openrpc;
mod overrides;
mod resolve;
mod types;
mod write;

use std::{
    fs,
    path::{Path, PathBuf},
};

use model::Facts;
use overrides::Overrides;

use crate::{Outcome, root, say};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Distil an engine's OpenRPC document into schema/qix-VERSION.json: names, types, defaults and marks, no prose
    Import {
        /// The document, as an engine serves it at /api/engine/openrpc
        file: PathBuf,
    },
    /// Write the Rust of crates/qix-protocol/src/schema/gen and crates/qix-client/src/api/gen, and the JSON of
    /// crates/qix-proxy/src/ask/gen, from the facts and schema/overrides.toml
    Generate {
        /// Change nothing, and fail if anything would change or if an override matches nothing
        #[arg(long)]
        check: bool,
        /// The facts, instead of the newest schema/qix-VERSION.json
        #[arg(long, value_name = "FILE")]
        schema: Option<PathBuf>,
    },
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Import { file } => run_import(&file),
        Command::Generate { check, schema } => run_generate(check, schema),
    }
}

fn run_import(file: &Path) -> Outcome {
    let imported = import::import(&read(file)?).map_err(|fault| format!("{}: {fault}", file.display()))?;
    for note in &imported.notes {
        say(&format!("note: {note}"));
    }
    let target = folder().join(format!("qix-{}.json", imported.facts.version));
    fs::create_dir_all(folder())?;
    fs::write(&target, json::render(&serde_json::to_value(&imported.facts)?))?;
    say(&format!("{}: {}", shown(&target), count(&imported.facts)));
    Ok(())
}

fn run_generate(check: bool, schema: Option<PathBuf>) -> Outcome {
    let source = schema.map_or_else(newest, Ok)?;
    let facts: Facts = serde_json::from_str(&read(&source)?).map_err(|error| {
        format!("{}: not written by `cargo xtask schema import`: {error}", source.display())
    })?;
    let file = folder().join("overrides.toml");
    let overrides = Overrides::parse(&read(&file)?).map_err(|fault| format!("{}: {fault}", shown(&file)))?;
    let generated = generate::generate(&facts, &overrides)?;
    for warning in &generated.warnings {
        say(&format!("warning: {warning}"));
    }
    let protocol = root().join("crates/qix-protocol/src/schema/gen");
    let client = root().join("crates/qix-client/src/api/gen");
    let proxy = root().join("crates/qix-proxy/src/ask/gen");
    let targets = [(&generated.files, &protocol), (&generated.client, &client), (&generated.proxy, &proxy)];
    let faults = if check {
        let mut faults = Vec::new();
        for (files, target) in targets {
            faults.extend(generate::differences(files, target)?);
        }
        if !generated.warnings.is_empty() {
            faults.push(format!("{}: the warnings above", shown(&file)));
        }
        faults
    } else {
        for (files, target) in targets {
            generate::store(files, target)?;
        }
        Vec::new()
    };
    for fault in &faults {
        say(fault);
    }
    if faults.is_empty() {
        say(&format!(
            "{}, {} and {} from {}: {}",
            shown(&protocol),
            shown(&client),
            shown(&proxy),
            shown(&source),
            count(&facts)
        ));
        Ok(())
    } else {
        Err("the generated code is not what `cargo xtask schema generate` writes".into())
    }
}

/// The facts of the highest version.
fn newest() -> Result<PathBuf, String> {
    let files = fs::read_dir(folder()).map_err(|error| format!("{}: {error}", shown(&folder())))?;
    let versions = files.filter_map(|file| {
        let path = file.ok()?.path();
        let version = path.file_name()?.to_str()?.strip_prefix("qix-")?.strip_suffix(".json")?.to_owned();
        let numbers: Vec<u64> = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect();
        Some((numbers, path))
    });
    let newest = versions.max().map(|(_, path)| path);
    newest.ok_or_else(|| {
        "schema/ has no qix-VERSION.json: run `cargo xtask schema import FILE` first".to_owned()
    })
}

fn count(facts: &Facts) -> String {
    let classes: std::collections::BTreeSet<_> = facts.methods.iter().map(|method| &method.class).collect();
    format!(
        "{} methods on {} classes, {} types, version {}",
        facts.methods.len(),
        classes.len(),
        facts.types.len(),
        facts.version
    )
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn folder() -> PathBuf {
    root().join("schema")
}

/// A path as a developer knows it.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
