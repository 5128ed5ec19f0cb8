//! QIX's own patch dialect, with which an engine answers `delta` requests.
//!
//! It is not RFC 6902: `/` is the whole document, `replace` creates, parents come into being, nothing is unescaped. The rules
//! are those that enigma.js, phoenix and RxQ share.

use std::collections::HashMap;

use crate::{Handle, ProtocolError, frame::Raw, scan, tree::Tree};

/// The values that the engine's next patches refer to, within one socket.
///
/// A baseline belongs to handle, method and out member; parameters are no part of it, so answers must be applied in the order
/// in which they arrive.
#[derive(Debug, Default)]
pub struct Baselines {
    values: HashMap<Handle, Vec<Baseline>>,
}

#[derive(Debug)]
struct Baseline {
    method: Box<str>,
    member: Box<str>,
    value: Tree,
}

impl Baselines {
    /// Returns no baselines, as a socket starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies a delta result and returns the plain result it stands for, as text.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Delta`] if a member is not a list of patches, or a patch does not fit; the baseline of that member is
    /// then dropped, so that only a root patch can follow.
    pub fn apply(&mut self, handle: Handle, method: &str, result: Raw<'_>) -> Result<Vec<u8>, ProtocolError> {
        let mut plain = vec![b'{'];
        for (member, patches) in crate::frame::members(result) {
            let value = self.take(handle, method, &member);
            let value = patch(value, patches).map_err(|(index, fault)| ProtocolError::Delta {
                member: member.clone().into_owned(),
                index,
                fault,
            })?;
            if plain.len() > 1 {
                plain.push(b',');
            }
            Tree::string(&member).write(&mut plain);
            plain.push(b':');
            value.write(&mut plain);
            self.values.entry(handle).or_default().push(Baseline {
                method: method.into(),
                member: member.into(),
                value,
            });
        }
        plain.push(b'}');
        Ok(plain)
    }

    /// Forgets the baselines of one method: whether a plain answer advances the engine's is not known.
    pub fn plain_answer(&mut self, handle: Handle, method: &str) {
        if let Some(of_handle) = self.values.get_mut(&handle) {
            of_handle.retain(|baseline| &*baseline.method != method);
        }
    }

    /// Forgets all baselines of a closed handle.
    pub fn closed(&mut self, handle: Handle) {
        self.values.remove(&handle);
    }

    fn take(&mut self, handle: Handle, method: &str, member: &str) -> Option<Tree> {
        let of_handle = self.values.get_mut(&handle)?;
        let at = of_handle.iter().position(|found| &*found.method == method && &*found.member == member)?;
        Some(of_handle.swap_remove(at).value)
    }
}

type Fault = (usize, &'static str);

/// Applies a list of patches in order.
fn patch(base: Option<Tree>, patches: Raw<'_>) -> Result<Tree, Fault> {
    let text = patches.as_bytes();
    let items =
        scan::Items::new(text, 0).filter(|items| !items.is_object()).ok_or((0, "not a list of patches"))?;
    let mut value = base;
    for (index, item) in items.enumerate() {
        let item = item.map_err(|_| (index, "not JSON"))?;
        let patch = Tree::from(Raw::scanned(&text[item.value]));
        value = Some(apply_one(value, patch).map_err(|fault| (index, fault))?);
    }
    value.ok_or((0, "an empty list without a value to change"))
}

fn apply_one(base: Option<Tree>, mut patch: Tree) -> Result<Tree, &'static str> {
    let member = |patch: &Tree, name| patch.member(name).and_then(Tree::as_str).map(|text| text.into_owned());
    let op = member(&patch, "op").ok_or("no op")?;
    let path = member(&patch, "path").ok_or("no path")?;
    let from = member(&patch, "from");
    let value = patch.member_mut("value").map(|value| std::mem::replace(value, Tree::Array(Vec::new())));
    if is_root(&path) {
        return match &*op {
            "add" | "replace" => value.ok_or("no value"),
            "remove" => Ok(Tree::Scalar((*b"null").into())),
            _ => Err("unknown op"),
        };
    }
    let parts: Vec<&str> = parts(&path)?;
    let mut root = base.unwrap_or_else(|| container(parts[0]));
    match &*op {
        "add" => set(&mut root, &parts, value.ok_or("no value")?, true)?,
        "replace" => set(&mut root, &parts, value.ok_or("no value")?, false)?,
        "remove" => drop(remove(&mut root, &parts)?),
        "move" => {
            let from = from.ok_or("no from")?;
            let moved = remove(&mut root, &self::parts(&from)?)?.ok_or("nothing at from")?;
            set(&mut root, &parts, moved, true)?;
        }
        _ => return Err("unknown op"),
    }
    Ok(root)
}

fn is_root(path: &str) -> bool {
    path.is_empty() || path == "/"
}

fn parts(path: &str) -> Result<Vec<&str>, &'static str> {
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    if is_root(path) {
        Err("the whole document cannot be moved")
    } else if parts.len() > scan::MAX_DEPTH {
        Err("path too deep")
    } else {
        Ok(parts)
    }
}

/// The container that a client creates for a missing parent whose next part is `part`.
fn container(part: &str) -> Tree {
    if part == "-" || index(part).is_some() { Tree::Array(Vec::new()) } else { Tree::Object(Vec::new()) }
}

fn index(part: &str) -> Option<usize> {
    part.parse().ok()
}

/// The member name to use: as it stands, or unescaped by the rules of JSON pointers if only that one exists.
fn existing(members: &[(Box<[u8]>, Tree)], part: &str) -> Option<usize> {
    let find = |name: &str| members.iter().position(|(found, _)| crate::tree::is_named(found, name));
    find(part)
        .or_else(|| part.contains('~').then(|| find(&part.replace("~1", "/").replace("~0", "~"))).flatten())
}

fn set(root: &mut Tree, parts: &[&str], value: Tree, insert: bool) -> Result<(), &'static str> {
    // Whatever walks a tree later does so recursively.
    if parts.len() + value.depth() > scan::MAX_DEPTH {
        return Err("nested too deep");
    }
    let Some((last, parents)) = parts.split_last() else { return Err("no path") };
    let mut at = root;
    for (depth, part) in parents.iter().enumerate() {
        at = match at {
            Tree::Object(members) => {
                let found = existing(members, part).unwrap_or_else(|| {
                    members.push((written_name(part), container(parts[depth + 1])));
                    members.len() - 1
                });
                &mut members[found].1
            }
            Tree::Array(elements) => {
                let found = index(part).filter(|found| *found <= elements.len()).ok_or("no such element")?;
                if found == elements.len() {
                    elements.push(container(parts[depth + 1]));
                }
                &mut elements[found]
            }
            Tree::Scalar(_) => return Err("a value where a container is needed"),
        };
    }
    match at {
        Tree::Object(members) => match existing(members, last) {
            Some(found) => members[found].1 = value,
            None => members.push((written_name(last), value)),
        },
        Tree::Array(elements) if *last == "-" => elements.push(value),
        Tree::Array(elements) => match index(last).ok_or("not an index")? {
            found if found == elements.len() => elements.push(value),
            found if found > elements.len() => return Err("index past the end"),
            found if insert => elements.insert(found, value),
            found => elements[found] = value,
        },
        Tree::Scalar(_) => return Err("a value where a container is needed"),
    }
    Ok(())
}

/// Takes out what is at the path; a member that is not there is no fault, as in all clients.
fn remove(root: &mut Tree, parts: &[&str]) -> Result<Option<Tree>, &'static str> {
    let Some((last, parents)) = parts.split_last() else { return Err("no path") };
    let mut at = root;
    for part in parents {
        at = match at {
            Tree::Object(members) => match existing(members, part) {
                Some(found) => &mut members[found].1,
                None => return Err("no such member"),
            },
            Tree::Array(elements) => {
                index(part).and_then(|found| elements.get_mut(found)).ok_or("no such element")?
            }
            Tree::Scalar(_) => return Err("a value where a container is needed"),
        };
    }
    match at {
        Tree::Object(members) => Ok(existing(members, last).map(|found| members.remove(found).1)),
        Tree::Array(elements) => match index(last) {
            Some(found) if found < elements.len() => Ok(Some(elements.remove(found))),
            _ => Err("no such element"),
        },
        Tree::Scalar(_) => Err("a value where a container is needed"),
    }
}

fn written_name(part: &str) -> Box<[u8]> {
    let quoted = serde_json::Value::from(part).to_string();
    quoted.as_bytes()[1..quoted.len() - 1].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds results of one method one after the other and returns the last plain text.
    fn run(results: &[&str]) -> Result<String, ProtocolError> {
        let mut baselines = Baselines::new();
        let mut last = Vec::new();
        for result in results {
            last = baselines.apply(Handle::new(1), "GetLayout", Raw::new(result.as_bytes()).unwrap())?;
        }
        Ok(String::from_utf8(last).unwrap())
    }

    /// Applies `patches` to `base` through the wire form.
    fn patched(base: &str, patches: &str) -> Result<String, ProtocolError> {
        let first = format!(r#"{{"q":[{{"op":"add","path":"/","value":{base}}}]}}"#);
        let text = run(&[&first, &format!(r#"{{"q":[{patches}]}}"#)])?;
        Ok(text.strip_prefix(r#"{"q":"#).unwrap().strip_suffix('}').unwrap().to_owned())
    }

    #[test]
    fn root_patch_sets_the_baseline_and_an_empty_list_keeps_it() {
        let root = r#"{"qLayout":[{"op":"add","path":"/","value":{"a":1e+300}}]}"#;
        assert_eq!(run(&[root, r#"{"qLayout":[]}"#]).unwrap(), r#"{"qLayout":{"a":1e+300}}"#);
        assert_eq!(patched("{}", r#"{"op":"replace","path":"","value":null}"#).unwrap(), "null");
        assert_eq!(patched("{}", r#"{"op":"add","path":"/","value":"12.1.0"}"#).unwrap(), r#""12.1.0""#);
    }

    #[test]
    fn empty_list_without_baseline_is_an_error() {
        assert!(matches!(run(&[r#"{"q":[]}"#]), Err(ProtocolError::Delta { .. })));
    }

    #[test]
    fn member_that_is_no_list_is_an_error() {
        assert!(matches!(run(&[r#"{"q":{"a":1}}"#]), Err(ProtocolError::Delta { .. })));
    }

    #[test]
    fn add_and_replace_both_set_object_members() {
        let patches = r#"{"op":"replace","path":"/new","value":1},{"op":"add","path":"/a","value":2}"#;
        assert_eq!(patched(r#"{"a":0}"#, patches).unwrap(), r#"{"a":2,"new":1}"#);
    }

    #[test]
    fn array_indices_insert_append_replace_and_remove_in_order() {
        let patches = r#"{"op":"add","path":"/0","value":9},{"op":"add","path":"/4","value":8},{"op":"add","path":"/-","value":7},
            {"op":"replace","path":"/1","value":6},{"op":"remove","path":"/2"}"#;
        assert_eq!(patched("[1,2,3]", patches).unwrap(), "[9,6,3,8,7]");
        assert!(patched("[1]", r#"{"op":"add","path":"/3","value":1}"#).is_err());
        assert!(patched("[1]", r#"{"op":"remove","path":"/1"}"#).is_err());
    }

    #[test]
    fn move_works_in_arrays_and_objects() {
        assert_eq!(patched("[1,2,3]", r#"{"op":"move","from":"/0","path":"/2"}"#).unwrap(), "[2,3,1]");
        assert_eq!(
            patched(r#"{"a":1,"b":{}}"#, r#"{"op":"move","from":"/a","path":"/b/c"}"#).unwrap(),
            r#"{"b":{"c":1}}"#
        );
    }

    #[test]
    fn missing_parents_come_into_being() {
        let patches = r#"{"op":"add","path":"/a/0/b","value":1}"#;
        assert_eq!(patched("{}", patches).unwrap(), r#"{"a":[{"b":1}]}"#);
    }

    #[test]
    fn numeric_names_index_arrays_and_name_members() {
        assert_eq!(
            patched(r#"{"0":[5]}"#, r#"{"op":"replace","path":"/0/0","value":6}"#).unwrap(),
            r#"{"0":[6]}"#
        );
    }

    #[test]
    fn escapes_of_json_pointers_are_tried_only_when_the_literal_name_is_absent() {
        let patches = r#"{"op":"replace","path":"/a~1b","value":2}"#;
        assert_eq!(patched(r#"{"a/b":1}"#, patches).unwrap(), r#"{"a/b":2}"#);
        assert_eq!(patched(r#"{"a~1b":1,"a/b":1}"#, patches).unwrap(), r#"{"a~1b":2,"a/b":1}"#);
    }

    #[test]
    fn corrupt_patch_drops_the_baseline() {
        let mut baselines = Baselines::new();
        let mut apply = |text: &str| baselines.apply(Handle::new(1), "M", Raw::new(text.as_bytes()).unwrap());
        apply(r#"{"q":[{"op":"add","path":"/","value":{"a":1}}]}"#).unwrap();
        let error = apply(r#"{"q":[{"op":"test","path":"/a","value":1}]}"#).unwrap_err();
        assert_eq!(error.to_string(), "delta patch 0 of q cannot be applied: unknown op");
        assert!(apply(r#"{"q":[]}"#).is_err());
    }

    #[test]
    fn patches_cannot_nest_a_value_deeper_than_a_frame_may() {
        let deep = format!("/b{}", "/x".repeat(250));
        let add = |path: &str| format!(r#"{{"op":"add","path":"{path}","value":{{}}}}"#);
        let into = |from: &str, path: &str| format!(r#"{{"op":"move","from":"{from}","path":"{path}"}}"#);
        let patches = [add(&deep), into("/b", "/a"), add("/b"), into("/a", &deep)].join(",");
        let error = patched("{}", &patches).unwrap_err();
        assert_eq!(error.to_string(), "delta patch 3 of q cannot be applied: nested too deep");
    }

    #[test]
    fn baselines_belong_to_handle_and_method_and_die_with_the_handle() {
        let mut baselines = Baselines::new();
        let root = Raw::new(br#"{"q":[{"op":"add","path":"/","value":1}]}"#).unwrap();
        let none = Raw::new(br#"{"q":[]}"#).unwrap();
        for (handle, method) in [(1, "A"), (1, "B"), (2, "A")] {
            baselines.apply(Handle::new(handle), method, root).unwrap();
        }
        baselines.closed(Handle::new(2));
        baselines.plain_answer(Handle::new(1), "B");
        assert!(baselines.apply(Handle::new(1), "A", none).is_ok());
        assert!(baselines.apply(Handle::new(1), "B", none).is_err());
        assert!(baselines.apply(Handle::new(2), "A", none).is_err());
    }
}
