//! What patching a layout costs beside the json-patch crate and enigma.js.

use std::{
    hint::black_box,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use json_patch::PatchOperation;
use qix_benches::{
    measure::{self, median, row, spread},
    updates,
};
use qix_client::protocol::{
    Handle, Tree,
    delta::Baselines,
    frame::engine::{Frame, Kind},
};
use serde_json::Value;

const ROUNDS: usize = 11;
/// Frames that are applied in turn.
const FRAMES: usize = 128;
/// Updates of each program in a round.
const UPDATES: usize = 2_048;
/// The same where everything is copied: each frame once.
const COPIES: usize = FRAMES;

fn main() -> io::Result<()> {
    // The peer may use every core, for its garbage collector; we use one.
    let mut enigma = Enigma::start();
    measure::pin(0);
    let layout = updates::layout();
    measure::line(&format!(
        "delta: {} patches on a layout of {:.2} MB: medians of same-round ratios, and the lowest and highest\n",
        updates::PATCHES,
        layout.len() as f64 / 1e6
    ));
    let mut ours = Ours::new(&layout);
    let mut crates = Crates::new(&layout);
    check(&mut ours, &mut crates, &mut enigma)?;
    let mut rounds: Vec<Round> = Vec::new();
    for round in 0..=ROUNDS {
        let nanoseconds = Round {
            ours: time(UPDATES, |update| ours.patch(update, false)),
            ours_apply: time(UPDATES, |update| ours.apply(update)),
            unsafe_patch: time(UPDATES, |update| crates.patch(update, json_patch::patch_unsafe)),
            safe_patch: time(UPDATES, |update| crates.patch(update, json_patch::patch)),
            enigma: enigma.run("patch", UPDATES)?,
            held: time(UPDATES, |update| ours.patch(update, true)),
            held_crates: time(COPIES, |update| crates.copy(update)),
            held_enigma: enigma.run("copy", COPIES)?,
        };
        // The first warms up.
        if round > 0 {
            rounds.push(nanoseconds);
        }
    }
    report(&rounds);
    Ok(())
}

/// Nanoseconds an update, or none if the program is not there.
struct Round {
    /// Envelope, patches, apply.
    ours: f64,
    /// Patches, apply.
    ours_apply: f64,
    unsafe_patch: f64,
    safe_patch: f64,
    enigma: Option<f64>,
    held: f64,
    held_crates: f64,
    held_enigma: Option<f64>,
}

fn report(rounds: &[Round]) {
    let compare =
        |what: &str, least: Option<f64>, peer: &dyn Fn(&Round) -> Option<f64>, ours: fn(&Round) -> f64| {
            let ratios: Vec<_> = rounds.iter().filter_map(|round| Some(peer(round)? / ours(round))).collect();
            if ratios.is_empty() {
                measure::line(&format!("{what:<66} SKIPPED: needs node and npm"));
                return;
            }
            let (ratio, spread) = (median(ratios.clone()), spread(&ratios));
            match least {
                Some(least) => row(what, ratio, &format!("at least {least:.2}"), ratio >= least),
                None => measure::line(&format!("{what:<66} {ratio:>7.2}")),
            }
            measure::line(&format!("{:<66} {spread:>7}", ""));
        };
    let ours = |round: &Round| round.ours;
    let apply = |round: &Round| round.ours_apply;
    let held = |round: &Round| round.held;
    compare(
        "parse and apply, × json-patch without undo",
        Some(1.0),
        &|round| Some(round.unsafe_patch),
        apply,
    );
    compare("  × json-patch with undo", Some(1.0), &|round| Some(round.safe_patch), apply);
    compare("  with the envelope, × enigma.js without its copy", Some(2.0), &|round| round.enigma, ours);
    compare("the caller holds the value, × enigma.js", Some(50.0), &|round| round.held_enigma, held);
    compare("  × json-patch and a clone", None, &|round| Some(round.held_crates), held);
    let microseconds =
        |of: &dyn Fn(&Round) -> Option<f64>| median(rounds.iter().filter_map(of).collect()) / 1e3;
    measure::line(&format!(
        "  µs an update: ours {:.1} ({:.1} with the envelope, {:.1} held), json-patch {:.1} ({:.1} with undo, {:.0} with a clone), enigma.js {:.1} ({:.0} with its copy)",
        microseconds(&|round| Some(round.ours_apply)),
        microseconds(&|round| Some(round.ours)),
        microseconds(&|round| Some(round.held)),
        microseconds(&|round| Some(round.unsafe_patch)),
        microseconds(&|round| Some(round.safe_patch)),
        microseconds(&|round| Some(round.held_crates)),
        microseconds(&|round| round.enigma),
        microseconds(&|round| round.held_enigma),
    ));
}

/// Times `count` updates and returns nanoseconds an update.
fn time(count: usize, mut update: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    for at in 0..count {
        update(at % FRAMES);
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

struct Ours {
    baselines: Baselines,
    frames: Vec<String>,
    held: Option<Tree>,
}

impl Ours {
    fn new(layout: &str) -> Self {
        let mut ours = Self { baselines: Baselines::default(), frames: vec![root(layout)], held: None };
        ours.patch(0, true);
        ours.frames = frames();
        ours
    }

    /// Reads a frame and patches the value; the caller may go on holding it.
    fn patch(&mut self, frame: usize, hold: bool) {
        let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(self.frames[frame].as_bytes())
        else {
            panic!("a frame of ours is read");
        };
        let result = response.result.expect("it has a result");
        let value = self.baselines.apply(Handle::new(1), "GetLayout", result).expect("patches fit");
        self.held = hold.then_some(value);
    }

    /// The same with the envelope taken off before.
    fn apply(&mut self, frame: usize) {
        let frame = &self.frames[frame];
        let result = frame.find(r#"{"qLayout""#).map(|start| &frame.as_bytes()[start..frame.len() - 1]);
        let result = result.and_then(|result| qix_client::protocol::frame::Raw::new(result).ok());
        let result = result.expect("it has a result");
        black_box(self.baselines.apply(Handle::new(1), "GetLayout", result).expect("patches fit"));
    }
}

struct Crates {
    value: Value,
    lists: Vec<String>,
    held: Value,
}

impl Crates {
    fn new(layout: &str) -> Self {
        let value: Value = serde_json::from_str(layout).expect("a layout of ours is JSON");
        let lists = (0..FRAMES).map(|seed| format!("[{}]", updates::patches(seed))).collect();
        Self { held: value.clone(), value, lists }
    }

    fn patch(
        &mut self,
        list: usize,
        patch: fn(&mut Value, &[PatchOperation]) -> Result<(), json_patch::PatchError>,
    ) {
        let patches: Vec<PatchOperation> =
            serde_json::from_str(&self.lists[list]).expect("patches are RFC 6902 too");
        patch(&mut self.value, &patches).expect("patches fit");
    }

    fn copy(&mut self, list: usize) {
        self.patch(list, json_patch::patch_unsafe);
        self.held = black_box(self.value.clone());
    }
}

fn root(layout: &str) -> String {
    updates::frame(1, &format!(r#"{{"op":"add","path":"/","value":{layout}}}"#))
}

fn frames() -> Vec<String> {
    (0..FRAMES).map(|seed| updates::frame(seed + 2, &updates::patches(seed))).collect()
}

/// enigma.js in a process of its own.
struct Enigma(Option<(Child, ChildStdin, BufReader<ChildStdout>, tempfile::NamedTempFile)>);

impl Enigma {
    /// Installs it if need be, and starts it; says so if that cannot be done.
    fn start() -> Self {
        let started = Self::try_start();
        if let Err(error) = &started {
            measure::line(&format!("enigma.js cannot be run, ITS ROWS ARE SKIPPED: {error}\n"));
        }
        Self(started.ok())
    }

    fn try_start() -> io::Result<(Child, ChildStdin, BufReader<ChildStdout>, tempfile::NamedTempFile)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        if !folder.join("node_modules/enigma.js").exists() {
            let mut npm = Command::new("npm");
            let npm = npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).stdout(Stdio::null());
            if !npm.status()?.success() {
                return Err(io::Error::other("npm ci failed"));
            }
        }
        let mut file = tempfile::NamedTempFile::new()?;
        writeln!(file, "{}\n{}", root(&updates::layout()), frames().join("\n"))?;
        let mut child = Command::new("node")
            .arg(folder.join("enigma-delta.mjs"))
            .arg(file.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok((child, input, BufReader::new(output), file))
    }

    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        let Some((_, input, output, _)) = &mut self.0 else { return Ok(None) };
        writeln!(input, "{question}")?;
        let mut answer = String::new();
        if output.read_line(&mut answer)? == 0 {
            return Err(io::Error::other("enigma.js has ended by itself"));
        }
        Ok(Some(answer.trim().to_owned()))
    }

    fn run(&mut self, how: &str, count: usize) -> io::Result<Option<f64>> {
        let answer = self.ask(&format!("{how} {count}"))?;
        answer
            .map(|time| time.parse::<f64>().map(|time| time / count as f64).map_err(io::Error::other))
            .transpose()
    }
}

impl Drop for Enigma {
    fn drop(&mut self) {
        if let Some((mut child, input, ..)) = self.0.take() {
            // It ends with its input.
            drop(input);
            let _ = child.wait();
        }
    }
}

/// Lets all apply each frame once; the values must be equal then.
fn check(ours: &mut Ours, crates: &mut Crates, enigma: &mut Enigma) -> io::Result<()> {
    for frame in 0..FRAMES {
        ours.patch(frame, true);
        crates.copy(frame);
    }
    let held = ours.held.as_ref().and_then(|result| result.member("qLayout"));
    let mut equal = held.map(Tree::decode::<Value>).transpose()?.as_ref() == Some(&crates.held);
    enigma.run("copy", FRAMES)?;
    if let Some(theirs) = enigma.ask("value")? {
        equal &= serde_json::from_str::<Value>(&theirs)? == crates.held;
    }
    if equal {
        Ok(())
    } else {
        Err(io::Error::other("the programs have patched one layout into different ones"))
    }
}
