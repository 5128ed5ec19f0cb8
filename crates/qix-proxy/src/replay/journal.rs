//! What a live session has done so far, so that it can be done again at an engine.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use qix_protocol::{Lineage, creates};

/// The most calls that are kept of a session.
const MOST_DEEDS: usize = 10_000;
/// The most bytes of parameters that are kept of a session.
const MOST_BYTES: usize = 64 << 20;

/// A call of a live client that opened objects or changed something, with its parameters as the client wrote them.
///
/// They may hold secrets, which `Debug` does not show.
pub(super) struct Deed {
    pub(super) on: Lineage,
    pub(super) method: Box<str>,
    pub(super) params: Option<Bytes>,
    /// The objects in its answer, in order.
    pub(super) opens: Vec<Lineage>,
    /// Whether its answer said that nothing was done.
    pub(super) in_vain: bool,
}

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deed").field("on", &self.on).field("method", &self.method).finish_non_exhaustive()
    }
}

impl Deed {
    /// Returns whether it must be done again even if nobody wants what it opened.
    pub(super) fn writes(&self) -> bool {
        changes_something(&self.method)
    }
}

/// What a live session has done so far: the calls that opened its objects and those that changed something.
#[derive(Debug, Default)]
pub(super) struct Journal {
    deeds: Vec<Arc<Deed>>,
    /// Which deed has opened an object first.
    openers: HashMap<Lineage, usize>,
    bytes: usize,
    /// Whether a deed was not kept.
    full: bool,
    /// Whether the whole session is in a state that the recording may not know.
    adrift: bool,
    /// Objects that are, without the session.
    changed: HashSet<Lineage>,
    /// What calls may change that are on their way to the upstream, and how many of them.
    underway: HashMap<Reach, usize>,
}

/// What a call that is not in the recording may change, as far as the recording has it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Reach {
    Nothing,
    /// This object.
    Own(Lineage),
    Anything,
}

impl Reach {
    pub(crate) fn of(on: &Lineage, method: &str) -> Self {
        let own = on.class() == "GenericObject"
            && matches!(method, "SetProperties" | "ApplyPatches" | "SetFullPropertyTree");
        let makes = creates(method) || method.starts_with("Destroy");
        if own {
            Self::Own(on.clone())
        } else if changes_something(method) && !makes {
            Self::Anything
        } else {
            Self::Nothing
        }
    }
}

/// A call that is on its way to the upstream until this is dropped.
#[derive(Debug)]
pub(super) struct Underway {
    journal: Arc<Mutex<Journal>>,
    reach: Reach,
}

impl Underway {
    /// Notes that a call is on its way, before which the client may ask no more of the recording what the call may change.
    pub(super) fn note(journal: &Arc<Mutex<Journal>>, on: &Lineage, method: &str) -> Self {
        let reach = Reach::of(on, method);
        *lock(journal).underway.entry(reach.clone()).or_default() += 1;
        Self { journal: journal.clone(), reach }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut journal = lock(&self.journal);
        if let Some(count) = journal.underway.get_mut(&self.reach) {
            *count -= 1;
            if *count == 0 {
                journal.underway.remove(&self.reach);
            }
        }
    }
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    // A deed is added whole or not at all.
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// Notes a call that has succeeded, if it must be done again for the answers of others to be right. Returns its number.
    pub(super) fn note(&mut self, deed: Deed) -> Option<usize> {
        let opens_more = deed.opens.iter().any(|lineage| !self.openers.contains_key(lineage));
        if !opens_more && !deed.writes() {
            return None;
        }
        let bytes = deed.params.as_ref().map_or(0, Bytes::len);
        if self.deeds.len() == MOST_DEEDS || self.bytes + bytes > MOST_BYTES {
            self.full = true;
            return None;
        }
        self.bytes += bytes;
        let number = self.deeds.len();
        for lineage in &deed.opens {
            self.openers.entry(lineage.clone()).or_insert(number);
        }
        self.deeds.push(Arc::new(deed));
        Some(number)
    }

    /// Returns how many deeds there are so far; `None` if there were more than are kept.
    pub(super) fn length(&self) -> Option<usize> {
        (!self.full).then_some(self.deeds.len())
    }

    pub(super) fn deed(&self, number: usize) -> Option<Arc<Deed>> {
        self.deeds.get(number).cloned()
    }

    /// Returns the deed that opened an object.
    pub(super) fn opener(&self, lineage: &Lineage) -> Option<Arc<Deed>> {
        self.openers.get(lineage).and_then(|number| self.deed(*number))
    }

    /// Notes that a call was made at an engine which is not in the recording: what it changed, the recording does not know.
    /// Returns whether that may be anything.
    pub(super) fn depart(&mut self, on: &Lineage, method: &str) -> bool {
        let reach = Reach::of(on, method);
        self.adrift |= reach == Reach::Anything;
        if let Reach::Own(object) = &reach {
            self.changed.insert(object.clone());
        }
        reach == Reach::Anything
    }

    /// Returns whether what the recording says of an object may no longer be so, or will not be once the upstream has answered.
    pub(super) fn has_departed(&self, lineage: &Lineage) -> bool {
        let underway = |reach| self.underway.contains_key(&reach);
        let changes = || {
            !self.underway.is_empty() && (underway(Reach::Anything) || underway(Reach::Own(lineage.clone())))
        };
        *lineage != Lineage::GLOBAL && (self.adrift || self.changed.contains(lineage) || changes())
    }
}

/// Returns whether an out member, its name as JSON, says that nothing was done, as selections do of values that are not there.
pub(super) fn says_no(name: &[u8], value: &[u8]) -> bool {
    matches!(name, b"\"qSuccess\"" | b"\"qReturn\"") && value == b"false"
}

/// Returns whether a method changes what others answer.
pub(super) fn changes_something(method: &str) -> bool {
    const READS: [&str; 13] = [
        "Get", "Evaluate", "Expand", "Search", "Check", "Is", "Find", "Guess", "Export", "List", "Engine",
        "Product", "OSName",
    ];
    const MORE_READS: [&str; 7] = [
        "OpenDoc",
        "OSVersion",
        "QvVersion",
        "QTProduct",
        "AllowCreateApp",
        "ConfigureReload",
        "CancelRequest",
    ];
    // What was only made for the way it is read.
    method.starts_with("GetOrCreate")
        || !(READS.iter().any(|read| method.starts_with(read)) || MORE_READS.contains(&method))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: &str) -> Lineage {
        Lineage::GLOBAL.child("GetObject", None, 0, "").child(id, None, 0, "GenericObject")
    }

    fn deed(method: &str, opens: Vec<Lineage>) -> Deed {
        Deed { on: Lineage::GLOBAL, method: method.into(), params: None, opens, in_vain: false }
    }

    #[test]
    fn openers_and_writes_are_kept_in_order_and_reads_are_not() {
        let mut journal = Journal::default();
        assert_eq!(journal.note(deed("OpenDoc", vec![object("app")])), Some(0));
        assert_eq!(journal.note(deed("GetLayout", Vec::new())), None);
        assert_eq!(journal.note(deed("SelectValues", Vec::new())), Some(1));
        assert_eq!(journal.note(deed("GetActiveDoc", vec![object("app")])), None, "it is open");
        assert_eq!(journal.length(), Some(2));
        assert_eq!(&*journal.opener(&object("app")).unwrap().method, "OpenDoc");
        assert!(journal.opener(&object("other")).is_none());
    }

    #[test]
    fn journal_that_is_full_says_so_instead_of_forgetting() {
        let mut journal = Journal::default();
        for _ in 0..MOST_DEEDS {
            assert!(journal.note(deed("SelectValues", Vec::new())).is_some());
        }
        assert!(journal.note(deed("SelectValues", Vec::new())).is_none());
        assert_eq!(journal.length(), None);
    }

    #[test]
    fn only_what_a_write_may_have_changed_departs_from_the_recording() {
        let mut journal = Journal::default();
        journal.depart(&object("a"), "GetLayout");
        journal.depart(&object("a"), "CreateChild");
        assert!(!journal.has_departed(&object("a")));
        journal.depart(&object("a"), "SetProperties");
        assert!(journal.has_departed(&object("a")) && !journal.has_departed(&object("b")));
        journal.depart(&object("a"), "SelectListObjectValues");
        assert!(journal.has_departed(&object("b")) && !journal.has_departed(&Lineage::GLOBAL));
    }

    #[test]
    fn reads_and_writes_are_told_apart_by_name() {
        for read in [
            "GetLayout",
            "GetActiveDoc",
            "OpenDoc",
            "Evaluate",
            "EngineVersion",
            "SearchResults",
            "IsPersonalMode",
        ] {
            assert!(!changes_something(read), "{read}");
        }
        for write in
            ["SelectValues", "ClearAll", "Clear", "SetProperties", "DoReload", "Back", "CreateObject", "Lock"]
        {
            assert!(changes_something(write), "{write}");
        }
    }

    #[test]
    fn parameters_do_not_show() {
        let deed = Deed { params: Some("s3cret".into()), ..deed("OpenDoc", Vec::new()) };
        assert!(!format!("{deed:?}").contains("s3cret"));
    }
}
