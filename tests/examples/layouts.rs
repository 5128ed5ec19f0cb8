//! Reads recorded layouts and frames as the protocol does, and checks that nothing is lost: `cargo xtask layouts`.

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use qix_client::protocol::{
    Handle, Tree,
    delta::Baselines,
    frame::{Raw, client::Request, engine},
    schema::{self, GenericObjectLayout},
};
use qix_tests::fake_engine::patches;
use serde::Deserialize;
use serde_json::{Value, json};

/// Decode recorded layouts and frames, write them back, and patch those of one file into those of the next.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask layouts")]
struct Args {
    /// JSON files with `{"data": {id: layout}}`, oldest first
    files: Vec<PathBuf>,
    /// A file with one `{"dir": "C>S" or "S>C", "frame": text}` a line
    #[arg(long)]
    frames: Option<PathBuf>,
}

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = layouts(&args.files).and_then(|()| args.frames.map_or(Ok(()), |file| frames(&file)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn layouts(files: &[PathBuf]) -> Outcome {
    let mut baselines = Baselines::default();
    let mut before: BTreeMap<String, (Handle, Value)> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(file)?;
        let whole = Tree::parse(text.as_bytes())?;
        let data = whole.member("data").ok_or("it has no member data")?;
        let (mut count, mut changed, mut steps, mut bytes) = (0, 0, 0, 0);
        for (id, layout) in data.members() {
            let fails = |what: &str| format!("{}: {id} {what}", file.display());
            written_back(layout).map_err(|error| fails(&error.to_string()))?;
            let next = Handle::new(i32::try_from(before.len())? + 1);
            let value: Value = layout.decode()?;
            let (handle, old) = before.get(&*id).map_or((next, None), |(handle, old)| (*handle, Some(old)));
            let list = patches(old, &value);
            changed += usize::from(old.is_some() && !list.is_empty());
            count += 1;
            steps += list.len();
            let result = json!({ "qLayout": list }).to_string();
            bytes += result.len();
            let plain = baselines.apply(handle, "GetLayout", Raw::new(result.as_bytes())?)?;
            let patched = plain.member("qLayout").ok_or("no qLayout")?;
            if patched.decode::<Value>()? != value {
                return Err(fails("is not patched into what it is here").into());
            }
            // Decoding what was patched takes the way that decoding text does not.
            if patched.decode::<GenericObjectLayout>()? != layout.decode()? {
                return Err(fails("does not decode from its patches").into());
            }
            before.insert(id.into_owned(), (handle, value));
        }
        say(&format!(
            "{}: {count} layouts decoded and written back to the same text; {changed} had changed since the file before, by {steps} patches in {bytes} bytes",
            file.display(),
        ));
    }
    Ok(())
}

/// Decodes a layout from its text, from its tree and by `serde_json`, and compares what is written back: members in the same
/// order, numbers of the same digits.
fn written_back(layout: &Tree) -> Outcome {
    let text = layout.to_string();
    let decoded: GenericObjectLayout = schema::decode(Raw::new(text.as_bytes())?)?;
    let ways = [decoded, serde_json::from_str(&text)?, layout.decode()?];
    for (way, decoded) in ["text", "serde_json", "tree"].iter().zip(&ways) {
        let again = serde_json::to_string(decoded)?;
        if again != text {
            let at = again.bytes().zip(text.bytes()).take_while(|(ours, theirs)| ours == theirs).count();
            let around = |text: &str| text.chars().skip(at.saturating_sub(40)).take(80).collect::<String>();
            return Err(format!(
                "is written back otherwise, read by {way}: {} for {}",
                around(&again),
                around(&text)
            )
            .into());
        }
    }
    Ok(())
}

fn frames(file: &PathBuf) -> Outcome {
    #[derive(Deserialize)]
    struct Line {
        dir: String,
        frame: String,
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for line in fs::read_to_string(file)?.lines() {
        let Line { dir, frame } = serde_json::from_str(line)?;
        let kind = if dir == "C>S" {
            Request::parse(frame.as_bytes())?;
            "requests"
        } else {
            match engine::Frame::parse(frame.as_bytes())?.kind {
                engine::Kind::Response(response) if response.delta => "delta answers",
                engine::Kind::Response(response) if response.error.is_some() => "errors",
                engine::Kind::Response(_) => "answers",
                engine::Kind::Notification { .. } => "notifications",
                engine::Kind::Push => "pushes",
                _ => return Err(format!("a frame of no known kind: {frame}").into()),
            }
        };
        *kinds.entry(kind).or_default() += 1;
    }
    say(&format!("{}: {} frames: {kinds:?}", file.display(), kinds.values().sum::<usize>()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a developer reads it")]
fn say(line: &str) {
    println!("{line}");
}
