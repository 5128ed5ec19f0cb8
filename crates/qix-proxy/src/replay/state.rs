//! What a session's writes have made of it: selections, variables, script, properties.

use std::{
    collections::VecDeque,
    hash::{Hash, Hasher},
};

use foldhash::HashMap;
use qix_protocol::{Lineage, Tree};

use super::key::hasher;

/// What a session's writes have made of it, as numbers that are equal where it is the same.
///
/// It knows what clients have written, not what the engine makes of it, so that equal states of the engine may differ here; never
/// the other way round, but for changes that nobody asked for. The order of independent writes does not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    selections: Slots,
    /// Selections that `Back` returns to, and `Forward`.
    back: VecDeque<Slots>,
    forward: Vec<Slots>,
    /// The selections from before a modal selection, by object.
    modal: HashMap<u64, Slots>,
    /// Variables, script, reloads.
    app: Slots,
    /// What counts for reads of one object only, by object.
    objects: HashMap<u64, Slots>,
}

/// What things were before a call.
#[derive(Debug, Default)]
pub(super) struct Undo {
    selections: Option<Slots>,
    /// Whether the call has added a step back.
    remembered: bool,
    app: Option<Slots>,
    objects: Vec<(u64, Option<Slots>)>,
}

/// How many steps back are kept.
const HISTORY: usize = 64;
/// Beyond as many written objects nothing more is told apart.
const MOST_OBJECTS: usize = 1 << 20;

/// Values by what they are values of, and a number that is equal for equal ones.
#[derive(Clone, Debug, Default)]
struct Slots {
    values: HashMap<u64, Value>,
    sum: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Value {
    object: u64,
    what: u64,
}

/// What a call of a method writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Write {
    /// Selects, instead of what was selected there; the number is the place of a parameter that says to toggle.
    Select(Option<usize>),
    /// Changes what is selected there.
    Adjust,
    /// Selects nothing there.
    Clear,
    ClearAll,
    ClearOthers,
    Bookmark,
    Back,
    Forward,
    BeginModal,
    EndModal,
    /// Sets something that everything depends on.
    SetInApp,
    /// Changes such a thing.
    ChangeInApp,
    /// Sets something of the object.
    Set,
    /// Changes something of the object.
    Change,
    /// Makes or removes something in the object.
    Member,
}

/// Returns whether calls of the method change what later calls are answered.
pub(super) fn writes(method: &str) -> bool {
    kind(method).is_some()
}

fn kind(method: &str) -> Option<Write> {
    // Reads are nearly all there is.
    if method.starts_with("Get") || method.starts_with("Eval") {
        return None;
    }
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| method.starts_with(prefix));
    Some(match method {
        "SelectListObjectValues" => Write::Select(Some(2)),
        "SelectHyperCubeValues" => Write::Select(Some(3)),
        "SelectValues" => Write::Select(Some(1)),
        "SelectAssociations"
        | "SelectPivotCells"
        | "ToggleSelect"
        | "AcceptListObjectSearch"
        | "Lock"
        | "Unlock"
        | "LockAll"
        | "UnlockAll" => Write::Adjust,
        "ClearSelections" | "Clear" => Write::Clear,
        "ClearAll" => Write::ClearAll,
        "ClearAllButThis" => Write::ClearOthers,
        "ApplyBookmark"
        | "ApplyTemporaryBookmark"
        | "ApplyAndVerify"
        | "Apply"
        | "RestoreTempSelectionState" => Write::Bookmark,
        "Back" => Write::Back,
        "Forward" => Write::Forward,
        "BeginSelections" => Write::BeginModal,
        "EndSelections" | "AbortModal" => Write::EndModal,
        "SetScript" | "SetStringValue" | "SetNumValue" | "SetDualValue" | "SetViewDimension"
        | "SetLocaleInfo" => Write::SetInApp,
        "DoReload" | "DoReloadEx" | "Undo" | "Redo" => Write::ChangeInApp,
        "SearchListObjectFor" => Write::Set,
        "ApplyPatches" | "ClearSoftPatches" | "AbortListObjectSearch" => Write::Change,
        _ if starts(&["Select"]) => Write::Select(None),
        _ if starts(&["RangeSelect", "MultiRangeSelect"]) => Write::Adjust,
        _ if starts(&["Set"]) => Write::Set,
        _ if starts(&["Create", "Destroy", "Add", "Remove"]) => Write::Member,
        _ if starts(&[
            "Copy", "Move", "Swap", "Expand", "Collapse", "Drill", "Update", "Modify", "Delete", "Rename",
            "Embed", "Unembed", "Un", "Publish", "Clone", "Reset", "Restore", "Resize",
        ]) =>
        {
            Write::Change
        }
        _ => return None,
    })
}

impl State {
    /// Returns the number that stands for all that a read of the object depends on.
    pub(super) fn of(&self, object: &Lineage) -> u32 {
        let own = self.objects.get(&object.fingerprint()).map_or(0, |slots| slots.sum);
        let all = mix(self.selections.sum, mix(self.app.sum, own));
        // The upper half: one bit of it is used otherwise.
        (all >> 33) as u32
    }

    /// Takes in a call that the engine is asked to carry out, and returns what undoes it if the engine refuses.
    pub(super) fn write(&mut self, object: &Lineage, method: &str, params: &str) -> Undo {
        let mut undo = Undo::default();
        let Some(kind) = kind(method) else { return undo };
        let id = object.fingerprint();
        let call = hash(&(method, params));
        let steps = self.back.len();
        match kind {
            Write::SetInApp | Write::ChangeInApp => undo.app = Some(self.app.clone()),
            Write::Set | Write::Change | Write::Member => {
                let own = self.readers(object).map(|reader| (reader, self.objects.get(&reader).cloned()));
                undo.objects = own.collect();
            }
            _ => undo.selections = Some(self.selections.clone()),
        }
        match kind {
            Write::Select(toggle) => {
                let place = selected_place(id, method, params);
                let toggles = toggle.is_some_and(|at| element(params, at).as_deref() == Some("true"));
                self.remember();
                if toggles {
                    self.selections.change(place, id, call)
                } else {
                    self.selections.set(place, id, call)
                }
            }
            Write::Adjust => {
                self.remember();
                self.selections.change(selected_place(id, method, params), id, call);
            }
            Write::Clear => {
                self.remember();
                self.selections.retain(|value| value.object != id);
            }
            Write::ClearAll => {
                self.remember();
                self.selections = Slots::default();
            }
            Write::ClearOthers => {
                self.remember();
                self.selections.retain(|value| value.object == id);
            }
            Write::Bookmark => {
                self.remember();
                self.selections = Slots::default();
                self.selections.set(1, id, call);
            }
            Write::Back => {
                if let Some(before) = self.back.pop_back() {
                    self.forward.push(std::mem::replace(&mut self.selections, before));
                }
            }
            Write::Forward => {
                if let Some(after) = self.forward.pop() {
                    self.back.push_back(std::mem::replace(&mut self.selections, after));
                }
            }
            Write::BeginModal => {
                self.modal.insert(id, self.selections.clone());
            }
            Write::EndModal => {
                let before = self.modal.remove(&id);
                let accepted = element(params, 0).as_deref() == Some("true");
                // `AbortModal` is called on the app and ends them all.
                let before = before.or_else(|| self.modal.drain().next().map(|(_, before)| before));
                if let Some(before) = before
                    && !accepted
                {
                    self.selections = before;
                }
            }
            Write::SetInApp => self.app.set(hash(&(id, method)), id, call),
            Write::ChangeInApp => self.app.change(hash(&(id, method)), id, call),
            Write::Set | Write::Change | Write::Member => self.write_object(object, kind, method, call),
        }
        undo.remembered = self.back.len() > steps;
        undo
    }

    /// Takes back a call that the engine has refused, and what was written to the same since.
    pub(super) fn undo(&mut self, undo: Undo) {
        if let Some(selections) = undo.selections {
            self.selections = selections;
        }
        if undo.remembered {
            self.back.pop_back();
        }
        if let Some(app) = undo.app {
            self.app = app;
        }
        for (object, before) in undo.objects {
            match before {
                Some(before) => self.objects.insert(object, before),
                None => self.objects.remove(&object),
            };
        }
    }

    /// Returns the object and those that it is in: what a write to it counts for. The app counts, the engine as a whole does not.
    fn readers(&self, object: &Lineage) -> impl Iterator<Item = u64> + use<> {
        let above = std::iter::successors(object.parent(), |within| within.parent());
        let above: Vec<u64> =
            above.filter(|within| **within != Lineage::GLOBAL).map(Lineage::fingerprint).collect();
        std::iter::once(object.fingerprint()).chain(above)
    }

    /// Takes in a write that counts for reads of the object and of those that it is in.
    fn write_object(&mut self, object: &Lineage, kind: Write, method: &str, call: u64) {
        let id = object.fingerprint();
        for reader in self.readers(object) {
            if self.objects.len() == MOST_OBJECTS && !self.objects.contains_key(&reader) {
                continue;
            }
            let slots = self.objects.entry(reader).or_default();
            match kind {
                Write::Set => slots.set(hash(&(id, method)), id, call),
                // Members may come in any order.
                Write::Member => slots.add(id, id, call),
                _ => slots.change(id.wrapping_add(1), id, call),
            }
        }
    }

    fn remember(&mut self) {
        self.forward.clear();
        if self.back.len() == HISTORY {
            self.back.pop_front();
        }
        self.back.push_back(self.selections.clone());
    }
}

impl Slots {
    fn put(&mut self, slot: u64, value: Value) {
        let before = self.values.insert(slot, value);
        let was = before.map_or(0, |before| mix(slot, before.what));
        self.sum = self.sum.wrapping_sub(was).wrapping_add(mix(slot, value.what));
    }

    fn set(&mut self, slot: u64, object: u64, what: u64) {
        self.put(slot, Value { object, what });
    }

    fn change(&mut self, slot: u64, object: u64, what: u64) {
        let before = self.values.get(&slot).map_or(0, |before| before.what);
        self.put(slot, Value { object, what: mix(before, what) });
    }

    fn add(&mut self, slot: u64, object: u64, what: u64) {
        let before = self.values.get(&slot).map_or(0, |before| before.what);
        self.put(slot, Value { object, what: before.wrapping_add(what) });
    }

    fn retain(&mut self, keep: impl Fn(&Value) -> bool) {
        let mut sum = self.sum;
        self.values.retain(|slot, value| {
            let kept = keep(value);
            if !kept {
                sum = sum.wrapping_sub(mix(*slot, value.what));
            }
            kept
        });
        self.sum = sum;
    }
}

/// Where a call selects: the object, the list or cube in it, and the dimension, if it says one.
fn selected_place(object: u64, method: &str, params: &str) -> u64 {
    if !method.contains("ListObject") && !method.contains("HyperCube") {
        return object;
    }
    let dimension = (method == "SelectHyperCubeValues").then(|| element(params, 1)).flatten();
    hash(&(object, element(params, 0), dimension))
}

/// A parameter as it is written.
fn element(params: &str, at: usize) -> Option<String> {
    Some(Tree::parse(params.as_bytes()).ok()?.element(at)?.to_string())
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = hasher();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Makes one number of two, whose order matters.
fn mix(one: u64, other: u64) -> u64 {
    let mixed = (one ^ other.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ other;
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> Lineage {
        Lineage::GLOBAL.child("OpenDoc", None, 0, "Doc")
    }

    fn object(id: &str) -> Lineage {
        let params = format!("[{id:?}]");
        app().child("GetObject", qix_protocol::frame::Raw::new(params.as_bytes()).ok(), 0, "GenericObject")
    }

    /// The state of `object("o")` after writes: `id.Method(params)`, or `.Method(params)` on the app.
    fn after(writes: &[&str]) -> (u32, u32) {
        let mut state = State::default();
        for write in writes {
            let (on, call) = write.split_once('.').unwrap();
            let (method, params) = call.split_once('(').unwrap();
            let params = format!("[{}]", params.strip_suffix(')').unwrap());
            let on = if on.is_empty() { app() } else { object(on) };
            let undo = state.write(&on, method.trim_end_matches('!'), &params);
            if method.ends_with('!') {
                state.undo(undo);
            }
        }
        (state.of(&object("o")), state.of(&app()))
    }

    const A: &str = r#"l.SelectListObjectValues("/q",[1])"#;
    const B: &str = r#"l.SelectListObjectValues("/q",[2])"#;
    const OTHER: &str = r#"m.SelectListObjectValues("/q",[2])"#;
    const TOGGLE: &str = r#"l.SelectListObjectValues("/q",[2],true)"#;

    #[test]
    fn selection_replaces_what_was_selected_there_and_toggles_add_up() {
        assert_eq!(after(&[A, B]), after(&[B]));
        assert_eq!(after(&[A, B, A]), after(&[A]));
        assert_eq!(after(&[A, OTHER]), after(&[OTHER, A]));
        assert_ne!(after(&[A]), after(&[B]));
        assert_ne!(after(&[A, TOGGLE]), after(&[TOGGLE]));
        assert_ne!(after(&[TOGGLE, TOGGLE]), after(&[TOGGLE]));
    }

    #[test]
    fn clearing_and_going_back_lead_to_what_was() {
        let nothing = after(&[]);
        for writes in [
            &[A, r#"l.ClearSelections("/q")"#][..],
            &[A, OTHER, ".ClearAll()"],
            &[A, ".Back()"],
            &[A, "l.Clear()"],
            &[r#"l.BeginSelections(["/q"])"#, A, "l.EndSelections(false)"],
            &[r#"l.BeginSelections(["/q"])"#, A, ".AbortModal(false)"],
        ] {
            assert_eq!(after(writes), nothing, "{writes:?}");
        }
        assert_eq!(after(&[A, B, ".Back()"]), after(&[A]));
        assert_eq!(after(&[A, B, ".Back()", ".Forward()"]), after(&[B]));
        assert_eq!(after(&[A, OTHER, r#"m.ClearSelections("/q")"#]), after(&[A]));
        assert_eq!(after(&[A, OTHER, "l.ClearAllButThis()"]), after(&[A]));
        assert_eq!(after(&["l.BeginSelections()", A, "l.EndSelections(true)"]), after(&[A]));
    }

    #[test]
    fn bookmark_replaces_all_selections_and_reloads_add_up() {
        let bookmark = r#".ApplyBookmark("b")"#;
        assert_eq!(after(&[A, bookmark]), after(&[bookmark]));
        assert_ne!(after(&[bookmark]), after(&[A]));
        assert_ne!(after(&[".DoReload()"]), after(&[".DoReload()", ".DoReload()"]));
        assert_ne!(after(&[".SetScript(\"a\")"]), after(&[".SetScript(\"b\")"]));
    }

    #[test]
    fn properties_count_for_their_object_and_what_it_is_in() {
        let (own, in_app) = after(&[r#"o.SetProperties({"a":1})"#]);
        assert_ne!((own, in_app), after(&[]));
        let (other, in_app) = after(&[r#"p.SetProperties({"a":1})"#]);
        assert_eq!(other, after(&[]).0);
        assert_ne!(in_app, after(&[]).1);
        assert_eq!(
            after(&[r#"o.SetProperties({"a":1})"#, r#"o.SetProperties({"a":2})"#]),
            after(&[r#"o.SetProperties({"a":2})"#])
        );
        let (one, two) = (r#".CreateSessionObject({"a":1})"#, r#".CreateSessionObject({"a":2})"#);
        assert_eq!(after(&[one, two]), after(&[two, one]));
    }

    #[test]
    fn refused_writes_do_not_count() {
        for write in [
            r#"l.SelectListObjectValues!("/q",[1])"#,
            r#"o.SetProperties!({"a":1})"#,
            ".DoReload!()",
            ".Back!()",
        ] {
            assert_eq!(after(&[write]), after(&[]), "{write}");
        }
        assert_eq!(after(&[A, r#"l.SelectListObjectValues!("/q",[2])"#, ".Back()"]), after(&[]));
    }

    #[test]
    fn reads_write_nothing() {
        for method in
            ["GetLayout", "GetObject", "EngineVersion", "OpenDoc", "EvaluateEx", "GetHyperCubeData", "DoSave"]
        {
            assert!(!writes(method), "{method}");
        }
    }
}
