//! How each handle came to be: its path from Global.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::{Handle, ObjectReference, Tree, canonical_params, frame::Raw, scan::MAX_DEPTH};

/// The path by which an object was opened, such as `OpenDoc("Sales") / GetObject("LB02")`.
///
/// It survives reconnects, and is the same in two recordings of the same conversation, which a handle is not.
/// Clones share their storage, and comparing costs the comparison of a few numbers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lineage(Option<Arc<Step>>);

/// A step from an object to one that it opened. Equal steps have equal hashes; what else is kept is to be shown.
#[derive(Debug)]
struct Step {
    hash: [u64; 2],
    depth: usize,
    parent: Lineage,
    class: Box<str>,
    method: Box<str>,
    params: Box<str>,
    occurrence: u32,
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Step {}

/// The most bytes of parameters that are kept: a definition may be long, and a client may have opened 100,000 of them.
const MOST_SHOWN: usize = 256;

impl Lineage {
    /// The lineage of the object that is always open.
    pub const GLOBAL: Self = Self(None);

    /// Returns the lineage of what `method` opens on this object when it is called with `params`.
    ///
    /// Parameters count in [canonical form](canonical_params). `occurrence` tells apart objects that were created by equal
    /// calls; it is 0 for objects that the call only finds. `class` is that of the opened object, such as `GenericObject`, or
    /// empty if it is not known; it does not count when lineages are compared.
    pub fn child(&self, method: &str, params: Option<Raw<'_>>, occurrence: u32, class: &str) -> Self {
        self.step(method, &canonical_params(self.class(), method, params), occurrence, class)
    }

    fn step(&self, method: &str, params: &str, occurrence: u32, class: &str) -> Self {
        let hash = hash(&(self.hash_value(), method, params, occurrence));
        let depth = self.0.as_ref().map_or(0, |step| step.depth) + 1;
        // What shows or drops a lineage does so recursively. A path that is cut keeps the hash of the whole.
        let parent = if depth < MAX_DEPTH { self.clone() } else { Self::GLOBAL };
        Self(Some(Arc::new(Step {
            hash,
            depth,
            parent,
            class: class.into(),
            method: method.into(),
            params: shown(params),
            occurrence,
        })))
    }

    /// Returns the class of the object, such as `Doc`; empty if it is not known.
    pub fn class(&self) -> &str {
        self.0.as_ref().map_or("Global", |step| &step.class)
    }

    /// Returns the id of the app that this is, or that the object is in; `None` for Global, and for ids that are too long to be kept.
    pub fn app(&self) -> Option<String> {
        let mut step = self.0.as_ref()?;
        while let Some(parent) = &step.parent.0 {
            step = parent;
        }
        if &*step.method == "OpenDoc" { serde_json::from_str(&step.params).ok() } else { None }
    }

    /// Returns the method that opened the object, such as `GetObject`; empty for Global.
    pub fn method(&self) -> &str {
        self.0.as_ref().map_or("", |step| &step.method)
    }

    /// Returns the object that this one was opened from; `None` for Global.
    pub fn parent(&self) -> Option<&Self> {
        self.0.as_ref().map(|step| &step.parent)
    }

    /// Returns a number that is equal for equal lineages, and within one program's build differs for different ones but by chance.
    pub fn fingerprint(&self) -> u64 {
        self.hash_value()[0]
    }

    /// Returns about how many bytes of memory its last step takes, which clones and further steps share.
    pub fn footprint(&self) -> usize {
        let texts = |step: &Step| step.class.len() + step.method.len() + step.params.len();
        self.0.as_ref().map_or(0, |step| size_of::<Step>() + 2 * size_of::<usize>() + texts(step))
    }

    fn hash_value(&self) -> [u64; 2] {
        self.0.as_ref().map_or([0; 2], |step| step.hash)
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
        write!(f, "{}({})", step.method, step.params)?;
        match step.occurrence {
            0 | 1 => Ok(()),
            later => write!(f, "#{later}"),
        }
    }
}

/// Two hashes, together long enough that no two paths of all recordings ever made meet by chance.
fn hash(value: &impl Hash) -> [u64; 2] {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    let first = hasher.finish();
    0u8.hash(&mut hasher);
    [first, hasher.finish()]
}

/// Returns whether each call of the method may open another object, even with equal parameters: those that its callers tell apart by
/// their number.
pub fn creates(method: &str) -> bool {
    method.starts_with("Create") || method.starts_with("GetOrCreate")
}

/// The parameters as they are shown: without the brackets of the list, and cut if they are long.
fn shown(params: &str) -> Box<str> {
    let inside = params.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(params);
    if inside.len() <= MOST_SHOWN {
        return inside.into();
    }
    let end = (0..=MOST_SHOWN).rev().find(|end| inside.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &inside[..end]).into()
}

/// The lineages of the open handles of one socket.
#[derive(Debug)]
pub struct Lineages {
    open: HashMap<Handle, Lineage>,
    /// How often equal calls have asked to create an object, by the hash of the call.
    created: HashMap<[u64; 2], u32>,
    /// The keys of `created`, oldest first.
    definitions: VecDeque<[u64; 2]>,
    max_handles: usize,
}

impl Lineages {
    /// How many open handles have a lineage at most, unless another limit is given.
    pub const MAX_HANDLES: usize = 1_000_000;

    /// Returns a socket's start: only Global is open.
    ///
    /// Beyond `max_handles` open handles, further ones have no lineage; beyond as many different definitions of created
    /// objects, the oldest definition is counted anew.
    pub fn new(max_handles: usize) -> Self {
        Self { open: HashMap::new(), created: HashMap::new(), definitions: VecDeque::new(), max_handles }
    }

    /// Returns the lineage of an open handle.
    pub fn get(&self, handle: Handle) -> Option<&Lineage> {
        if handle == Handle::GLOBAL { Some(&Lineage::GLOBAL) } else { self.open.get(&handle) }
    }

    /// Notes that a call is made, and returns what [`opened`](Self::opened) wants to know of it: how many equal calls have asked
    /// to create an object so far, this one counted; 0 if the method creates none.
    ///
    /// Calls count in the order in which they are made: answers may overtake each other.
    pub fn requested(&mut self, on: Handle, method: &str, params: Option<Raw<'_>>) -> u32 {
        if !creates(method) {
            return 0;
        }
        let class = self.get(on).map_or("", Lineage::class);
        self.count(hash(&(on, method, canonical_params(class, method, params))))
    }

    /// Notes that a call on `on` opened the object of `reference`; `occurrence` is what [`requested`](Self::requested) returned
    /// for the call.
    ///
    /// A handle that is open already keeps the lineage it has: the same object reached twice is one object. An app is known by
    /// its id, so that `GetActiveDoc` leads to the app that `OpenDoc` has opened, on whichever socket, and passwords are no
    /// part of its lineage. A null reference opens nothing, and what an object of unknown lineage opens has none either.
    pub fn opened(
        &mut self,
        reference: &ObjectReference,
        on: Handle,
        method: &str,
        params: Option<Raw<'_>>,
        occurrence: u32,
    ) {
        let (Some(handle), Some(parent)) = (reference.handle, self.get(on).cloned()) else { return };
        if self.get(handle).is_some() || self.open.len() >= self.max_handles {
            return;
        }
        let class = reference.object_type.as_deref().unwrap_or_default();
        let lineage = if matches!(method, "OpenDoc" | "GetActiveDoc") {
            parent.step("OpenDoc", &app_id(reference, method, params), 0, class)
        } else {
            parent.child(method, params, occurrence, class)
        };
        self.open.insert(handle, lineage);
    }

    fn count(&mut self, definition: [u64; 2]) -> u32 {
        if !self.created.contains_key(&definition) {
            self.definitions.push_back(definition);
            if self.definitions.len() > self.max_handles
                && let Some(oldest) = self.definitions.pop_front()
            {
                self.created.remove(&oldest);
            }
        }
        let count = self.created.entry(definition).or_default();
        *count += 1;
        *count
    }

    /// Notes that the engine closed `handle`.
    pub fn closed(&mut self, handle: Handle) {
        self.open.remove(&handle);
    }
}

impl Default for Lineages {
    fn default() -> Self {
        Self::new(Self::MAX_HANDLES)
    }
}

/// The one parameter by which an app is known: the id that the engine gives, or the name by which it was opened.
fn app_id(reference: &ObjectReference, method: &str, params: Option<Raw<'_>>) -> String {
    let named = || {
        let params = canonical_params("Global", method, params);
        Tree::parse(params.as_bytes()).ok()?.element(0).cloned()
    };
    let id = reference.generic_id.as_deref().filter(|id| !id.is_empty()).map(Tree::string).or_else(named);
    id.map_or_else(|| "[]".to_owned(), |id| format!("[{}]", id.canonical()))
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy;

    use super::*;

    fn raw(text: &str) -> Option<Raw<'_>> {
        Some(Raw::new(text.as_bytes()).unwrap())
    }

    fn reference(handle: i32, class: &str, id: Option<&str>) -> ObjectReference {
        ObjectReference {
            object_type: Some(class.to_owned()),
            handle: Some(Handle::new(handle)),
            generic_id: id.map(str::to_owned),
            ..ObjectReference::default()
        }
    }

    /// A socket on which the app `Sales` is open under handle 1.
    fn with_app() -> Lineages {
        let mut lineages = Lineages::default();
        lineages.opened(
            &reference(1, "Doc", Some("Sales")),
            Handle::GLOBAL,
            "OpenDoc",
            raw(r#"["Sales"]"#),
            0,
        );
        lineages
    }

    fn open(lineages: &mut Lineages, handle: i32, on: i32, method: &str, params: &str) -> Lineage {
        let occurrence = lineages.requested(Handle::new(on), method, raw(params));
        let reference = reference(handle, "GenericObject", None);
        lineages.opened(&reference, Handle::new(on), method, raw(params), occurrence);
        lineages.get(Handle::new(handle)).unwrap().clone()
    }

    #[test]
    fn lineage_is_the_path_from_global() {
        let mut lineages = with_app();
        let object = open(&mut lineages, 2, 1, "GetObject", r#"[ "LB02" ]"#);
        assert_eq!(object.to_string(), r#"OpenDoc("Sales") / GetObject("LB02")"#);
        assert_eq!(object.parent().unwrap().parent().unwrap(), &Lineage::GLOBAL);
        let child = open(&mut lineages, 3, 2, "GetChild", r#"["c"]"#);
        assert_eq!(child.to_string(), r#"OpenDoc("Sales") / GetObject("LB02") / GetChild("c")"#);
    }

    #[test]
    fn named_and_positional_parameters_open_the_same_object() {
        let named = open(&mut with_app(), 7, 1, "GetObject", r#"{"qId":"LB02"}"#);
        assert_eq!(named, open(&mut with_app(), 2, 1, "GetObject", r#"["LB02"]"#));
    }

    #[test]
    fn objects_created_by_equal_definitions_differ_by_occurrence() {
        let mut lineages = with_app();
        let mut create =
            |handle, text| open(&mut lineages, handle, 1, "CreateSessionObject", text).to_string();
        let first = r#"OpenDoc("Sales") / CreateSessionObject({"a":1,"b":2})"#;
        assert_eq!(create(2, r#"[{"a":1,"b":2}]"#), first);
        assert_eq!(create(3, r#"[{"b":2,"a":1}]"#), format!("{first}#2"));
        assert_eq!(create(4, r#"{"qProp":{"b":2,"a":1}}"#), format!("{first}#3"));
    }

    #[test]
    fn occurrences_are_counted_in_the_order_of_calls_and_not_of_answers() {
        let mut lineages = with_app();
        let on = Handle::new(1);
        let calls = [0; 2].map(|_| lineages.requested(on, "CreateSessionObject", raw("[{}]")));
        for (handle, occurrence) in [(7, calls[1]), (8, calls[0])] {
            let reference = reference(handle, "GenericObject", None);
            lineages.opened(&reference, on, "CreateSessionObject", raw("[{}]"), occurrence);
        }
        let shown = |handle| lineages.get(Handle::new(handle)).unwrap().to_string();
        assert!(shown(7).ends_with("#2") && shown(8).ends_with(')'), "{} {}", shown(7), shown(8));
        let mut lineages = with_app();
        let first = open(&mut lineages, 2, 1, "GetOrCreateObject", "[{}]");
        assert_ne!(first, open(&mut lineages, 3, 1, "GetOrCreateObject", "[{}]"));
    }

    #[test]
    fn what_an_unknown_object_opens_is_unknown() {
        let mut lineages = with_app();
        lineages.opened(&reference(9, "GenericObject", None), Handle::new(5), "GetChild", raw(r#"["x"]"#), 0);
        assert!(lineages.get(Handle::new(9)).is_none());
    }

    #[test]
    fn app_is_known_to_all_that_is_in_it() {
        let mut lineages = with_app();
        lineages.opened(
            &reference(9, "GenericObject", None),
            Handle::new(1),
            "GetObject",
            raw(r#"["x"]"#),
            0,
        );
        let app = |handle| lineages.get(handle).and_then(Lineage::app);
        assert_eq!(app(Handle::new(9)), app(Handle::new(1)));
        assert_eq!((app(Handle::GLOBAL), app(Handle::new(9)).is_some()), (None, true));
    }

    #[test]
    fn get_active_doc_leads_to_the_app_that_open_doc_opens() {
        let open = |method, id, params| {
            let mut lineages = Lineages::default();
            lineages.opened(&reference(1, "Doc", id), Handle::GLOBAL, method, raw(params), 0);
            lineages.get(Handle::new(1)).unwrap().clone()
        };
        let opened = open("OpenDoc", Some("Sales"), r#"["Sales","me","secret","",true]"#);
        assert_eq!(opened, open("GetActiveDoc", Some("Sales"), "[]"));
        assert_eq!(opened, open("OpenDoc", None, r#"{"qDocName":"Sales","qPassword":"secret"}"#));
        assert_eq!(opened.to_string(), r#"OpenDoc("Sales")"#);
    }

    #[test]
    fn long_definitions_are_shown_shortened_and_compared_whole() {
        let text = |last| format!(r#"[{{"a":"{}{last}"}}]"#, "é".repeat(1000));
        let create = |last| open(&mut with_app(), 2, 1, "CreateSessionObject", &text(last));
        assert!(create('x') == create('x') && create('x') != create('y'));
        assert!(create('x').to_string().len() < 400);
    }

    #[test]
    fn endless_paths_are_cut() {
        let grow = |last: &str| {
            let path = (0..1_000_000).fold(Lineage::GLOBAL, |path, _| path.child("GetChild", None, 0, ""));
            path.child(last, None, 0, "")
        };
        let path = grow("a");
        assert!(path == grow("a") && path != grow("b"));
        assert!(path.to_string().len() < 100_000);
    }

    #[test]
    fn same_object_reached_twice_is_one_object() {
        let mut lineages = with_app();
        let first = open(&mut lineages, 2, 1, "CreateSessionObject", "[{}]");
        assert_eq!(first, open(&mut lineages, 2, 1, "GetObject", r#"["x"]"#));
        lineages.closed(Handle::new(2));
        assert!(lineages.get(Handle::new(2)).is_none());
    }

    #[test]
    fn lineages_are_kept_of_no_more_handles_than_the_limit() {
        let mut lineages = Lineages::new(2);
        for handle in 1..5 {
            let params = format!(r#"["{handle}"]"#);
            let occurrence = lineages.requested(Handle::GLOBAL, "CreateX", raw(&params));
            let reference = reference(handle, "Field", None);
            lineages.opened(&reference, Handle::GLOBAL, "CreateX", raw(&params), occurrence);
        }
        assert!(lineages.get(Handle::new(2)).is_some() && lineages.get(Handle::new(3)).is_none());
        assert!(lineages.created.len() <= 2 && lineages.definitions.len() <= 2);
    }

    #[test]
    fn lineage_is_stable_under_reordering_of_independent_calls() {
        let calls = [
            ("GetObject", r#"["x"]"#),
            ("GetObject", r#"["y"]"#),
            ("CreateSessionObject", r#"[{"a":1}]"#),
            ("CreateSessionObject", r#"[{"a":2}]"#),
            ("GetField", r#"["f"]"#),
        ];
        proptest::proptest!(|(order in proptest::sample::subsequence(vec![0, 1, 2, 3, 4], 5).prop_shuffle())| {
            let mut lineages = with_app();
            for (at, call) in order.iter().enumerate() {
                let (method, params) = calls[*call];
                let mut alone = with_app();
                let handle = at as i32 + 2;
                proptest::prop_assert_eq!(
                    open(&mut lineages, handle, 1, method, params),
                    open(&mut alone, 9, 1, method, params)
                );
            }
        });
    }
}
