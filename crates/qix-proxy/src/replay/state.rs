//! What a session's writes have made of it: selections, variables, script, properties.

use std::{
    collections::VecDeque,
    hash::{Hash, Hasher},
    sync::Arc,
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
    selections: Selections,
    /// Variables, script, reloads.
    app: Slots,
    /// What counts for reads of one object only, by object.
    objects: HashMap<u64, Slots>,
}

/// What is selected, and what was. It is shared until it changes, so that keeping a copy costs little.
#[derive(Clone, Debug, Default)]
struct Selections {
    now: Arc<Slots>,
    /// Selections that `Back` returns to, and `Forward`.
    back: VecDeque<Arc<Slots>>,
    forward: Vec<Arc<Slots>>,
    /// The selections from before a modal selection, by object.
    modal: Vec<(u64, Arc<Slots>)>,
    /// How often they were written.
    writes: u64,
}

/// What undoes a call.
#[derive(Debug, Default)]
pub(super) struct Undo {
    selections: Option<Selections>,
    slots: Vec<(Area, Written)>,
}

/// What a slot is part of.
#[derive(Clone, Copy, Debug)]
enum Area {
    Selections,
    App,
    Object(u64),
}

/// What was written to a slot.
#[derive(Clone, Copy, Debug)]
struct Written {
    slot: u64,
    before: Option<Value>,
    /// What is in it since, or what was added to it.
    what: u64,
    adds: bool,
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
    /// Selects, depending on all that is selected.
    SelectFrom,
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
        _ if starts(&["Select"])
            && ["Excluded", "Alternative", "Possible"].iter().any(|end| method.ends_with(end)) =>
        {
            Write::SelectFrom
        }
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
        let all = mix(self.selections.now.sum, mix(self.app.sum, own));
        // The upper half: one bit of it is used otherwise.
        (all >> 33) as u32
    }

    /// Takes in a call that the engine is asked to carry out, and returns what undoes it if the engine refuses.
    pub(super) fn write(&mut self, object: &Lineage, method: &str, params: &str) -> Undo {
        let mut undo = Undo::default();
        let Some(kind) = kind(method) else { return undo };
        let id = object.fingerprint();
        let call = hash(&(method, params));
        let in_library = matches!(object.class(), "GenericVariable" | "GenericMeasure" | "GenericDimension");
        let written = match kind {
            Write::SetInApp => self.app.set(hash(&(id, method)), id, call),
            Write::ChangeInApp => self.app.change(hash(&(id, method)), id, call),
            // Other objects are made of it.
            Write::Set if in_library => self.app.set(hash(&(id, method)), id, call),
            Write::Change if in_library => self.app.change(id, id, call),
            Write::Set | Write::Change | Write::Member => {
                undo.slots = self.write_object(object, kind, method, call);
                return undo;
            }
            _ => {
                undo.selections = Some(self.selections.clone());
                // What was searched for is accepted.
                let own = self.objects.get(&id).map_or(0, |slots| slots.sum);
                let call = if method == "AcceptListObjectSearch" { mix(own, call) } else { call };
                let written = self.selections.write(kind, id, call, method, params);
                undo.slots.extend(written.map(|written| (Area::Selections, written)));
                return undo;
            }
        };
        undo.slots.push((Area::App, written));
        undo
    }

    /// Takes back a call that the engine has refused, and nothing that was written since.
    pub(super) fn undo(&mut self, undo: Undo) {
        if let Some(before) = undo.selections {
            let writes = self.selections.writes + 1;
            if self.selections.writes == before.writes + 1 {
                self.selections = Selections { writes, ..before };
                return;
            }
            self.selections.writes = writes;
        }
        for (area, written) in undo.slots {
            match area {
                Area::Selections => Arc::make_mut(&mut self.selections.now).take_back(written),
                Area::App => self.app.take_back(written),
                Area::Object(reader) => {
                    self.objects.entry(reader).or_default().take_back(written);
                }
            }
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
    fn write_object(
        &mut self,
        object: &Lineage,
        kind: Write,
        method: &str,
        call: u64,
    ) -> Vec<(Area, Written)> {
        let id = object.fingerprint();
        let mut all = Vec::new();
        for reader in self.readers(object) {
            if self.objects.len() == MOST_OBJECTS && !self.objects.contains_key(&reader) {
                continue;
            }
            let slots = self.objects.entry(reader).or_default();
            let written = match kind {
                Write::Set => slots.set(hash(&(id, method)), id, call),
                // Members may come in any order.
                Write::Member => slots.add(id, id, call),
                _ => slots.change(id.wrapping_add(1), id, call),
            };
            all.push((Area::Object(reader), written));
        }
        all
    }
}

impl Selections {
    /// Takes in a call that selects, and returns which slot it has written if it is only that.
    fn write(&mut self, kind: Write, id: u64, call: u64, method: &str, params: &str) -> Option<Written> {
        self.writes += 1;
        if !matches!(kind, Write::Back | Write::Forward | Write::BeginModal | Write::EndModal) {
            self.remember();
        }
        match kind {
            Write::Select(toggle) => {
                let place = selected_place(id, method, params);
                let toggles = toggle.is_some_and(|at| element(params, at).as_deref() == Some("true"));
                let now = Arc::make_mut(&mut self.now);
                return Some(if toggles { now.change(place, id, call) } else { now.set(place, id, call) });
            }
            Write::SelectFrom => {
                let call = mix(self.now.sum, call);
                return Some(Arc::make_mut(&mut self.now).set(selected_place(id, method, params), id, call));
            }
            Write::Adjust => {
                let place = selected_place(id, method, params);
                return Some(Arc::make_mut(&mut self.now).change(place, id, call));
            }
            Write::Clear => Arc::make_mut(&mut self.now).retain(|value| value.object != id),
            Write::ClearAll => self.now = Arc::default(),
            Write::ClearOthers => Arc::make_mut(&mut self.now).retain(|value| value.object == id),
            Write::Bookmark => {
                self.now = Arc::default();
                Arc::make_mut(&mut self.now).set(1, id, call);
            }
            Write::Back => {
                if let Some(before) = self.back.pop_back() {
                    self.forward.push(std::mem::replace(&mut self.now, before));
                }
            }
            Write::Forward => {
                if let Some(after) = self.forward.pop() {
                    self.back.push_back(std::mem::replace(&mut self.now, after));
                }
            }
            Write::BeginModal => {
                self.modal.retain(|(object, _)| *object != id);
                self.modal.push((id, self.now.clone()));
            }
            Write::EndModal => {
                let accepted = element(params, 0).as_deref() == Some("true");
                let before = match self.modal.iter().position(|(object, _)| *object == id) {
                    Some(at) => Some(self.modal.remove(at)),
                    // `AbortModal` is called on the app and ends them all.
                    None => self.modal.drain(..).next(),
                };
                if let Some((_, before)) = before
                    && !accepted
                {
                    self.now = before;
                }
            }
            Write::SetInApp | Write::ChangeInApp | Write::Set | Write::Change | Write::Member => {}
        }
        None
    }

    fn remember(&mut self) {
        self.forward.clear();
        if self.back.len() == HISTORY {
            self.back.pop_front();
        }
        self.back.push_back(self.now.clone());
    }
}

impl Slots {
    fn put(&mut self, slot: u64, value: Value) -> Written {
        let before = self.values.insert(slot, value);
        let was = before.map_or(0, |before| mix(slot, before.what));
        self.sum = self.sum.wrapping_sub(was).wrapping_add(mix(slot, value.what));
        Written { slot, before, what: value.what, adds: false }
    }

    fn set(&mut self, slot: u64, object: u64, what: u64) -> Written {
        self.put(slot, Value { object, what })
    }

    fn change(&mut self, slot: u64, object: u64, what: u64) -> Written {
        let before = self.values.get(&slot).map_or(0, |before| before.what);
        self.put(slot, Value { object, what: mix(before, what) })
    }

    fn add(&mut self, slot: u64, object: u64, what: u64) -> Written {
        let before = self.values.get(&slot).map_or(0, |before| before.what);
        let written = self.put(slot, Value { object, what: before.wrapping_add(what) });
        Written { what, adds: true, ..written }
    }

    /// Makes the slot what it would be without this. What was written over it stays.
    fn take_back(&mut self, Written { slot, before, what, adds }: Written) {
        let Some(now) = self.values.get(&slot).copied() else { return };
        let value = if adds {
            Some(Value { what: now.what.wrapping_sub(what), ..now }).filter(|value| value.what != 0)
        } else if now.what == what {
            before
        } else {
            return;
        };
        match value {
            Some(value) => {
                self.put(slot, value);
            }
            None => {
                self.values.remove(&slot);
                self.sum = self.sum.wrapping_sub(mix(slot, now.what));
            }
        }
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

    #[test]
    fn selections_that_depend_on_what_was_selected_or_searched_differ_with_it() {
        for relative in [
            r#"l.SelectListObjectExcluded("/q")"#,
            r#"l.SelectListObjectAlternative("/q")"#,
            r#"l.SelectListObjectPossible("/q")"#,
            "l.SelectExcluded(false)",
        ] {
            assert_ne!(after(&[A, relative]), after(&[B, relative]), "{relative}");
            assert_ne!(after(&[OTHER, relative]), after(&[relative]), "{relative}");
        }
        let found = |text| {
            after(&[
                &format!(r#"l.SearchListObjectFor("/q","{text}")"#),
                r#"l.AcceptListObjectSearch("/q",false)"#,
            ])
        };
        assert_ne!(found("a"), found("b"));
    }

    #[test]
    fn definitions_of_the_library_count_for_all_objects() {
        for (class, method) in [("GenericMeasure", "SetProperties"), ("GenericVariable", "ApplyPatches")] {
            let mut state = State::default();
            state.write(&app().child("GetX", None, 0, class), method, "[1]");
            assert_ne!(state.of(&object("o")), after(&[]).0, "{class}");
        }
    }

    #[test]
    fn refused_writes_leave_steps_back_and_modal_selections_as_they_were() {
        assert_eq!(after(&[A, B, ".Back!()", ".Back()"]), after(&[A]));
        assert_eq!(
            after(&[A, B, ".Back()", r#"m.SelectListObjectValues!("/q",[2])"#, ".Forward()"]),
            after(&[B])
        );
        assert_eq!(after(&[A, B, ".Back()", ".Forward!()", ".Forward()"]), after(&[B]));
        let begin = r#"l.BeginSelections(["/q"])"#;
        assert_eq!(after(&[begin, A, "l.EndSelections!(false)", "l.EndSelections(false)"]), after(&[]));
        assert_eq!(after(&[A, r#"l.BeginSelections!(["/q"])"#, B, "l.EndSelections(false)"]), after(&[B]));
        let full: Vec<String> =
            (0..HISTORY).map(|n| format!(r#"l.SelectListObjectValues("/q",[{n}])"#)).collect();
        let mut calls: Vec<&str> = full.iter().map(|call| &**call).collect();
        calls.extend([r#"m.SelectListObjectValues!("/q",[2])"#, ".Back()"]);
        assert_eq!(after(&calls), after(&[full[HISTORY - 2].as_str()]));
    }

    #[test]
    fn refused_write_takes_nothing_of_others_back_that_were_asked_for_meanwhile() {
        for (method, on) in
            [("CreateSessionObject", app()), ("SetProperties", object("o")), ("SetStringValue", app())]
        {
            let mut state = State::default();
            let refused = state.write(&on, method, r#"["a"]"#);
            state.write(&on, method, r#"["b"]"#);
            state.write(&object("o"), "SetEffective", r#"["c"]"#);
            state.undo(refused);
            let mut other = State::default();
            other.write(&on, method, r#"["b"]"#);
            other.write(&object("o"), "SetEffective", r#"["c"]"#);
            for object in [app(), object("o")] {
                assert_eq!(state.of(&object), other.of(&object), "{method}");
            }
        }
    }
}
