//! Writes parameters in canonical form without a tree, as far as they are written as nearly all clients write them.

use std::ops::Range;

use super::assumed_text as assumed;
use crate::{scan, schema::MethodInfo};

/// Objects with more members are left to the tree.
const MOST_MEMBERS: usize = 24;
/// So is what nests deeper.
const DEEPEST: usize = 16;

/// Writes a list of parameters; `None` if it is something else, or the tree is needed.
///
/// The tree is needed for escapes, `null`, objects of many members or repeated ones, and for what is no JSON.
pub(super) fn list(text: &[u8], info: Option<&MethodInfo>) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = scan::space(text, 0);
    if text.get(at) != Some(&b'[') {
        return None;
    }
    out.push(b'[');
    // Where the last parameters begin that the engine would assume, if all so far do not end before them.
    let mut kept = out.len();
    let mut params = info.map_or(&[][..], |info| info.params).iter();
    at = items(text, at, b']', |at| {
        if out.len() > 1 {
            out.push(b',');
        }
        let start = out.len();
        let end = value(text, at, &mut out, 0)?;
        let written = &out[start..];
        let param = params.next();
        if info.is_some() && written == b"null" {
            return None;
        }
        if !param.is_some_and(|param| !param.required && written == assumed(param.kind).as_bytes()) {
            kept = out.len();
        }
        Some(end)
    })?;
    if scan::space(text, at) != text.len() {
        return None;
    }
    out.truncate(kept);
    out.push(b']');
    String::from_utf8(out).ok()
}

/// Steps over a list or object that begins at `at`; `item` steps over one item of it.
fn items(text: &[u8], at: usize, end: u8, mut item: impl FnMut(usize) -> Option<usize>) -> Option<usize> {
    let mut at = scan::space(text, at + 1);
    if *text.get(at)? == end {
        return Some(at + 1);
    }
    loop {
        at = scan::space(text, item(at)?);
        match text.get(at)? {
            b',' => at = scan::space(text, at + 1),
            byte if *byte == end => return Some(at + 1),
            _ => return None,
        }
    }
}

/// Writes the value that begins at `at`, and returns where it ends.
fn value(text: &[u8], at: usize, out: &mut Vec<u8>, depth: usize) -> Option<usize> {
    match text.get(at)? {
        b'[' if depth < DEEPEST => {
            out.push(b'[');
            let mut is_first = true;
            let end = items(text, at, b']', |at| {
                if !std::mem::take(&mut is_first) {
                    out.push(b',');
                }
                value(text, at, out, depth + 1)
            })?;
            out.push(b']');
            Some(end)
        }
        b'{' if depth < DEEPEST => object(text, at, out, depth),
        b'[' | b'{' => None,
        b'"' => {
            let string = string(text, at)?;
            out.extend_from_slice(&text[string.clone()]);
            Some(string.end)
        }
        _ => {
            let end = scan::skim(text, at).ok()?;
            out.extend_from_slice(&text[at..end]);
            Some(end)
        }
    }
}

/// Writes an object, its members in order of their names.
fn object(text: &[u8], at: usize, out: &mut Vec<u8>, depth: usize) -> Option<usize> {
    let mut members: [(Range<usize>, usize); MOST_MEMBERS] = std::array::from_fn(|_| (0..0, 0));
    let mut count = 0;
    let mut is_sorted = true;
    let inside = |name: &Range<usize>| &text[name.start + 1..name.end - 1];
    let start = out.len();
    out.push(b'{');
    // Written as they come, and moved if they came in another order.
    let mut places: [Range<usize>; MOST_MEMBERS] = std::array::from_fn(|_| 0..0);
    let end = items(text, at, b'}', |at| {
        let name = string(text, at)?;
        let colon = scan::space(text, name.end);
        if *text.get(colon)? != b':' || count == MOST_MEMBERS {
            return None;
        }
        if count > 0 {
            out.push(b',');
            is_sorted &= inside(&members[count - 1].0) < inside(&name);
        }
        let from = out.len();
        out.extend_from_slice(&text[name.clone()]);
        out.push(b':');
        let end = value(text, scan::space(text, colon + 1), out, depth + 1)?;
        members[count] = (name, count);
        places[count] = from..out.len();
        count += 1;
        Some(end)
    })?;
    if !is_sorted {
        let members = &mut members[..count];
        members.sort_unstable_by(|(a, _), (b, _)| inside(a).cmp(inside(b)));
        if members.windows(2).any(|pair| inside(&pair[0].0) == inside(&pair[1].0)) {
            return None;
        }
        let written = out.split_off(start + 1);
        for (position, (_, place)) in members.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            let place = &places[*place];
            out.extend_from_slice(&written[place.start - start - 1..place.end - start - 1]);
        }
    }
    out.push(b'}');
    Some(end)
}

/// Returns where the string that begins at `at` is, quotes included; `None` if it has escapes.
fn string(text: &[u8], at: usize) -> Option<Range<usize>> {
    if *text.get(at)? != b'"' {
        return None;
    }
    let end = scan::plain(text, at + 1, &mut 0);
    (*text.get(end)? == b'"').then_some(at..end + 1)
}
