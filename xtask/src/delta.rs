//! Patches real layouts into what they were later.

use std::{collections::BTreeMap, fs, path::PathBuf};

use qix_client::protocol::{Handle, Tree, delta::Baselines, frame::Raw};
use qix_tests::fake_engine::patches;
use serde_json::{Value, json};

use crate::{Outcome, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// JSON files with `{"data": {id: layout}}`, oldest first
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut baselines = Baselines::default();
    let mut before: BTreeMap<String, (Handle, Value)> = BTreeMap::new();
    for file in &args.files {
        let text = fs::read_to_string(file)?;
        let data: BTreeMap<String, Value> =
            Tree::parse(text.as_bytes())?.member("data").ok_or("it has no member data")?.decode()?;
        let (mut changed, mut count, mut bytes, mut same_text) = (0, 0, 0, 0);
        for (id, layout) in &data {
            let next = Handle::new(i32::try_from(before.len())? + 1);
            let (handle, old) = before.get(id).map_or((next, None), |(handle, old)| (*handle, Some(old)));
            let list = patches(old, layout);
            changed += usize::from(old.is_some() && !list.is_empty());
            count += list.len();
            let result = json!({ "qLayout": list }).to_string();
            bytes += result.len();
            let plain = baselines.apply(handle, "GetLayout", Raw::new(result.as_bytes())?)?;
            let patched = plain.member("qLayout").ok_or("no qLayout")?;
            if patched.decode::<Value>()? != *layout {
                return Err(format!("{id} is not patched into what it is in {}", file.display()).into());
            }
            // Members that come back do so at the end.
            same_text += usize::from(*patched == Tree::parse(layout.to_string().as_bytes())?);
            before.insert(id.clone(), (handle, layout.clone()));
        }
        say(&format!(
            "{}: {} layouts equal, {same_text} of them to the byte; {changed} had changed, by {count} patches in {bytes} bytes",
            file.display(),
            data.len(),
        ));
    }
    Ok(())
}
