//! How each handle came to be: its path from Global.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, LazyLock},
};

use memchr::memmem;

use crate::{
    Handle,
    frame::{Raw, members},
    scan::MAX_DEPTH,
    tree::Tree,
};

/// The path by which an object was opened, such as `OpenDoc("Sales") / GetObject("LB02")`.
///
/// It survives reconnects, and is the same in two recordings of the same conversation, which a handle is not.
/// Clones share their storage; comparing costs a comparison of two numbers unless they are equal.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lineage(Option<Arc<Step>>);

#[derive(Debug, Eq, PartialEq)]
struct Step {
    hash: u64,
    depth: usize,
    parent: Lineage,
    method: Box<str>,
    params: Box<str>,
    occurrence: u32,
}

impl Lineage {
    /// The lineage of the object that is always open.
    pub const GLOBAL: Self = Self(None);

    /// Returns the lineage of what `method` opens on this object when it is called with `params`.
    ///
    /// Parameters count in canonical form: the order of members and the way of escaping do not matter.
    /// `occurrence` tells apart objects that were created by equal calls; it is 0 for objects that the call only finds.
    pub fn child(&self, method: &str, params: Option<Raw<'_>>, occurrence: u32) -> Self {
        let params = canonical_params(params).into_boxed_str();
        let mut hasher = DefaultHasher::new();
        (self.hash_value(), method, &params, occurrence).hash(&mut hasher);
        let depth = self.0.as_ref().map_or(0, |step| step.depth) + 1;
        // What compares, shows or drops a lineage does so recursively. A path that is cut keeps the hash of the whole.
        let parent = if depth < MAX_DEPTH { self.clone() } else { Self::GLOBAL };
        Self(Some(Arc::new(Step {
            hash: hasher.finish(),
            depth,
            parent,
            method: method.into(),
            params,
            occurrence,
        })))
    }

    /// Returns the object that this one was opened from; `None` for Global.
    pub fn parent(&self) -> Option<&Self> {
        self.0.as_ref().map(|step| &step.parent)
    }

    fn hash_value(&self) -> u64 {
        self.0.as_ref().map_or(0, |step| step.hash)
    }
}

impl Hash for Lineage {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash_value().hash(state);
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return f.write_str("Global") };
        if step.parent.0.is_some() {
            write!(f, "{} / ", step.parent)?;
        }
        let params =
            step.params.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&step.params);
        write!(f, "{}({params})", step.method)?;
        match step.occurrence {
            0 | 1 => Ok(()),
            later => write!(f, "#{later}"),
        }
    }
}

/// Returns parameters in the form in which equal ones are equal texts; absent ones and `{}` are `[]`.
pub fn canonical_params(params: Option<Raw<'_>>) -> String {
    let canonical = params.map(|params| match Tree::parse(params.as_bytes()) {
        Ok(tree) => tree.canonical(),
        Err(_) => String::from_utf8_lossy(params.as_bytes()).into_owned(),
    });
    canonical.filter(|params| params != "{}").unwrap_or_else(|| "[]".to_owned())
}

/// The lineages of the open handles of one socket.
#[derive(Debug, Default)]
pub struct Lineages {
    open: HashMap<Handle, Lineage>,
    /// How often equal calls have created objects, by the hash of their lineage.
    created: HashMap<u64, u32>,
}

impl Lineages {
    /// Returns a socket's start: only Global is open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the lineage of an open handle.
    pub fn get(&self, handle: Handle) -> Option<&Lineage> {
        if handle == Handle::GLOBAL { Some(&Lineage::GLOBAL) } else { self.open.get(&handle) }
    }

    /// Notes that a call on `on` opened `handle`, and returns the handle's lineage.
    ///
    /// A handle that is open already keeps the lineage it has: the same object reached twice is one object.
    pub fn opened(&mut self, handle: Handle, on: Handle, method: &str, params: Option<Raw<'_>>) -> Lineage {
        if let Some(known) = self.get(handle) {
            return known.clone();
        }
        let parent = self.get(on).cloned().unwrap_or_default();
        let mut lineage = parent.child(method, params, 0);
        if method.starts_with("Create") {
            let count = self.created.entry(lineage.hash_value()).or_default();
            *count += 1;
            lineage = parent.child(method, params, *count);
        }
        self.open.insert(handle, lineage.clone());
        lineage
    }

    /// Notes that the engine closed `handle`.
    pub fn closed(&mut self, handle: Handle) {
        self.open.remove(&handle);
    }
}

/// Results longer than this are not searched for references: a reference has four short members, and at most an info and an
/// id beside it, while layouts and data, which hold none, are long.
const LONGEST_REFERENCE: usize = 16 * 1024;

/// Building the searcher costs more than searching a small result.
static HANDLE_MEMBER: LazyLock<memmem::Finder<'_>> = LazyLock::new(|| memmem::Finder::new("\"qHandle\""));

/// Returns the handles of the object references among the out members of a plain result.
pub fn referenced_handles(result: Raw<'_>) -> impl Iterator<Item = Handle> {
    let text = result.as_bytes();
    let may_refer = text.len() <= LONGEST_REFERENCE && HANDLE_MEMBER.find(text).is_some();
    may_refer.then_some(result).into_iter().flat_map(members).filter_map(|(_, out)| reference(out))
}

fn reference(out: Raw<'_>) -> Option<Handle> {
    let mut handle = None;
    let mut typed = false;
    for (name, value) in members(out) {
        match &*name {
            "qHandle" => handle = value.as_integer().map(Handle::new),
            "qType" => typed = true,
            _ => {}
        }
    }
    handle.filter(|_| typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Option<Raw<'_>> {
        Some(Raw::new(text.as_bytes()).unwrap())
    }

    #[test]
    fn lineage_is_the_path_from_global() {
        let mut lineages = Lineages::new();
        lineages.opened(Handle::new(1), Handle::GLOBAL, "OpenDoc", raw(r#"["Sales"]"#));
        let object = lineages.opened(Handle::new(2), Handle::new(1), "GetObject", raw(r#"[ "LB02" ]"#));
        assert_eq!(object.to_string(), r#"OpenDoc("Sales") / GetObject("LB02")"#);
        assert_eq!(object.parent().unwrap().parent().unwrap(), &Lineage::GLOBAL);
    }

    #[test]
    fn objects_created_by_equal_definitions_differ_by_occurrence() {
        let mut lineages = Lineages::new();
        let mut create = |handle, text| {
            lineages.opened(Handle::new(handle), Handle::GLOBAL, "CreateSessionObject", raw(text)).to_string()
        };
        assert_eq!(create(2, r#"[{"a":1,"b":2}]"#), r#"CreateSessionObject({"a":1,"b":2})"#);
        assert_eq!(create(3, r#"[{"b":2,"a":1}]"#), r#"CreateSessionObject({"a":1,"b":2})#2"#);
    }

    #[test]
    fn endless_paths_are_cut() {
        let grow = |last: &str| {
            let path = (0..1_000_000).fold(Lineage::GLOBAL, |path, _| path.child("GetChild", None, 0));
            path.child(last, None, 0)
        };
        let path = grow("a");
        assert!(path == grow("a") && path != grow("b"));
        assert!(path.to_string().len() < 100_000);
    }

    #[test]
    fn empty_parameters_are_the_same_however_they_are_written() {
        for text in ["[]", "[ ]", "{}", "{ }"] {
            assert_eq!(canonical_params(raw(text)), "[]");
        }
        assert_eq!(canonical_params(None), "[]");
    }

    #[test]
    fn same_object_reached_twice_is_one_object() {
        let mut lineages = Lineages::new();
        let first = lineages.opened(Handle::new(2), Handle::GLOBAL, "CreateSessionObject", raw("[{}]"));
        let again = lineages.opened(Handle::new(2), Handle::GLOBAL, "GetObject", raw(r#"["x"]"#));
        assert_eq!(first, again);
        lineages.closed(Handle::new(2));
        assert!(lineages.get(Handle::new(2)).is_none());
    }

    #[test]
    fn lineage_is_stable_under_reordering_of_independent_calls() {
        let open = |order: [usize; 3]| {
            let mut lineages = Lineages::new();
            lineages.opened(Handle::new(1), Handle::GLOBAL, "OpenDoc", raw(r#"["a"]"#));
            let calls = [r#"["x"]"#, r#"["y"]"#, r#"["z"]"#];
            let mut found: Vec<_> = order
                .iter()
                .enumerate()
                .map(|(at, call)| {
                    lineages.opened(
                        Handle::new(at as i32 + 2),
                        Handle::new(1),
                        "GetObject",
                        raw(calls[*call]),
                    )
                })
                .map(|lineage| lineage.to_string())
                .collect();
            found.sort();
            found
        };
        assert_eq!(open([0, 1, 2]), open([2, 0, 1]));
    }

    #[test]
    fn references_are_found_among_out_members_and_null_ones_are_not() {
        let found = |text| referenced_handles(Raw::new(text).unwrap()).map(Handle::get).collect::<Vec<_>>();
        assert_eq!(found(br#"{"qInfo":{"qId":"x"},"qReturn":{"qType":"GenericObject","qHandle":3}}"#), [3]);
        assert!(found(br#"{"qReturn":{"qType":null,"qHandle":null}}"#).is_empty());
        assert!(found(br#"{"qLayout":{"a":{"qType":"x","qHandle":3}}}"#).is_empty());
    }
}
