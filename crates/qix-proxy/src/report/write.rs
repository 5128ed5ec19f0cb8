//! Goes through a recording once, and writes the page.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{engine::general_purpose::STANDARD, write::EncoderWriter};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::{Report, ReportError, ReportSettings, spool::Spooling};
use crate::{
    count::count,
    export::NewFile,
    lint::Linter,
    model::{Event, ModelBuilder},
    record::{RecordingParts, WriteError},
    view::{
        batch::{Batch, Batcher},
        page::{self, Halves},
    },
};

/// A batch is written when so much has come: a second's work for a browser at most.
const BATCH: usize = 50_000;
/// After how many entries it is told how far it is.
const STEP: u64 = 512;

/// Writes the recording that consists of these files as a page, which must not exist.
///
/// `progress` is told now and then how many bytes of the files were read. Its memory does not grow with what was said, which waits in a temporary file beside the page.
///
/// # Errors
///
/// [`ReportError`]; there is no page then.
pub fn report(
    from: &[PathBuf],
    to: &Path,
    settings: &ReportSettings,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, ReportError> {
    let mut parts = RecordingParts::open(from)?;
    let header = parts.header().clone();
    let mut file = NewFile::create(to)?;
    let failed = |source: io::Error| ReportError::from(WriteError::new(to, source));
    let mut spooling = Spooling::new(to).map_err(failed)?;
    let Halves { before, after } = page::report();
    file.write_all(before.as_bytes()).map_err(failed)?;
    let mut report = Report::default();
    let mut batches = 0;
    let mut batcher = Batcher::new();
    let mut linter = Linter::new();
    let mut builder = ModelBuilder::new();
    let mut events = Vec::new();
    let mut seen = 0_u64;
    'reading: loop {
        let entry = parts.next().transpose()?;
        let is_end = entry.is_none();
        match entry {
            Some(entry) => {
                linter.see(&entry);
                builder.take(entry, &mut |event| events.push(event));
            }
            None => builder.finish(&mut |event| events.push(event)),
        }
        for event in events.drain(..) {
            linter.take(&event);
            batcher.take(&event);
            if let Event::Called(called) = &event {
                report.calls += 1;
                let call = &called.call;
                let is_bad = call.answer.as_ref().is_none_or(|answer| answer.fault.is_some());
                report.failed += u64::from(call.failure.is_some() || is_bad);
                if settings.bodies > 0 && !spooling.add(called.body.clone()) {
                    break 'reading;
                }
            }
        }
        if batcher.waiting() >= BATCH {
            write_batch(&mut file, batches, &batcher.batch()).map_err(failed)?;
            batches += 1;
        }
        seen += 1;
        if seen.is_multiple_of(STEP) {
            progress(parts.position());
        }
        if is_end {
            break;
        }
    }
    let mut spool = spooling.finish().map_err(failed)?;
    for finding in linter.finish() {
        report.findings += 1;
        batcher.find(finding);
    }
    write_batch(&mut file, batches, &batcher.batch()).map_err(failed)?;
    batches += 1;
    for (path, tail) in parts.torn() {
        let name = name_of(path);
        report.left_out.push(format!(
            "line {} of {name} was cut after {} bytes, as a crash leaves it",
            tail.line, tail.bytes
        ));
    }
    let incomplete = spool.choose(settings.bodies).map_err(failed)?;
    let calls = |number| count(number, "call");
    if settings.bodies == 0 && report.calls > 0 {
        report.left_out.push("what was said in calls, as --bodies 0 wants it".to_owned());
    }
    if incomplete.cut > 0 {
        report.left_out.push(format!(
            "the ends of long texts of {}; --bodies SIZE embeds more, up to 1 MiB of each",
            calls(incomplete.cut)
        ));
    }
    if incomplete.left_out > 0 {
        report
            .left_out
            .push(format!("what was said in {}; --bodies SIZE embeds more", calls(incomplete.left_out)));
    }
    for number in 0..spool.blocks().len() {
        if let Some(packed) = spool.read(number).map_err(failed)? {
            write_block(&mut file, &format!("block-{number}"), &packed).map_err(failed)?;
        }
    }
    let firsts: Vec<_> = spool.blocks().iter().map(|block| block.first).collect();
    let notes: Vec<_> = report.left_out.iter().map(|left| format!("Not in this report: {left}.")).collect();
    let meta = json!({
        "name": from.first().map(|path| name_of(path)),
        "started": header.started,
        "upstream": header.upstream,
        "tool": header.tool,
        "batches": batches,
        "firsts": firsts,
        "notes": notes,
        "rules": page::explained(),
    });
    // No text of others may end the element that it is in.
    let meta = meta.to_string().replace('<', "\\u003c");
    write!(file, "<script type=\"application/json\" id=\"meta\">{meta}</script>{after}").map_err(failed)?;
    report.bytes = file.keep()?;
    Ok(report)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn write_batch(out: &mut impl Write, number: u64, batch: &Batch) -> io::Result<()> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut packer, batch)?;
    write_block(out, &format!("batch-{number}"), &packer.finish()?)
}

/// Writes compressed data as an element that no browser runs.
fn write_block(out: &mut impl Write, id: &str, packed: &[u8]) -> io::Result<()> {
    write!(out, "<script type=\"text/plain\" id=\"{id}\">")?;
    let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
    encoder.write_all(packed)?;
    encoder.finish()?;
    drop(encoder);
    out.write_all(b"</script>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(name: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, include_bytes!("../../assets/demo.qixrec")).unwrap();
        (dir, file)
    }

    fn written(file: &Path, settings: &ReportSettings) -> (Report, String) {
        let to = super::super::beside(file);
        let report = report(&[file.to_owned()], &to, settings, &mut |_| {}).unwrap();
        (report, std::fs::read_to_string(to).unwrap())
    }

    #[test]
    fn report_is_one_file_that_names_no_other() {
        let (_dir, file) = demo("demo.qixrec");
        let (report, page) = written(&file, &ReportSettings::default());
        assert!(report.calls > 0 && report.left_out.is_empty(), "{report:?}");
        assert_eq!(report.bytes, page.len() as u64);
        assert!(page.contains("id=\"batch-0\"") && page.contains("id=\"block-0\""));
        assert!(!page.contains(" src=\"") && !page.contains(" href=\"http"));
        assert!(page.ends_with("</html>\n"));
    }

    #[test]
    fn text_of_others_cannot_end_its_element() {
        let (_dir, file) = demo("<!--<script>.qixrec");
        let (_, page) = written(&file, &ReportSettings::default());
        assert!(!page.contains("<!--<script>.qixrec"));
        assert!(page.contains(r"\u003c!--\u003cscript>.qixrec"));
    }

    #[test]
    fn report_says_what_is_not_in_it() {
        let (_dir, file) = demo("demo.qixrec");
        let (report, page) = written(&file, &ReportSettings { bodies: 0 });
        assert_eq!(report.left_out.len(), 1);
        assert!(page.contains("as --bodies 0 wants it") && !page.contains("id=\"block-0\""));
    }

    #[test]
    fn existing_file_is_kept_and_no_part_of_a_page_is_left() {
        let (dir, file) = demo("demo.qixrec");
        let to = dir.path().join("demo.html");
        std::fs::write(&to, "mine").unwrap();
        let error =
            report(std::slice::from_ref(&file), &to, &ReportSettings::default(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, ReportError::Write(WriteError::Exists { .. })), "{error}");
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "mine");
        std::fs::write(&file, "no recording").unwrap();
        let other = dir.path().join("other.html");
        assert!(
            report(std::slice::from_ref(&file), &other, &ReportSettings::default(), &mut |_| {}).is_err()
        );
        assert!(!other.exists());
    }
}
