//! Places in parameters where a recorder has replaced secrets by rules that the replay does not know.

use std::collections::{BTreeSet, HashMap};

use qix_protocol::Tree;

use super::Key;
use crate::record::MASK;

/// One step to a value.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Step {
    Member(Box<str>),
    Element(usize),
}

/// By method, where `***` stands in recorded requests: a request is not asked for what it says there.
#[derive(Debug, Default)]
pub(super) struct Masks(HashMap<Box<str>, Places>);

#[derive(Debug, Default)]
struct Places {
    /// Those of one request each, as far as they are few.
    together: Vec<BTreeSet<Vec<Step>>>,
    all: BTreeSet<Vec<Step>>,
}

/// How many ways of replacing are told apart, by method.
const MOST_WAYS: usize = 32;

impl Masks {
    /// Takes in the parameters of a recorded request, in canonical form.
    pub(super) fn learn(&mut self, method: &str, canonical: &str) {
        // Nearly none has a star at all.
        if memchr::memchr(b'*', canonical.as_bytes()).is_none() || !canonical.contains("\"***\"") {
            return;
        }
        if let Ok(params) = Tree::parse(canonical.as_bytes()) {
            let mut found = BTreeSet::new();
            collect(&params, &mut Vec::new(), &mut found);
            let places = self.0.entry(method.into()).or_default();
            places.all.extend(found.iter().cloned());
            if places.together.len() < MOST_WAYS && !places.together.contains(&found) {
                places.together.push(found);
            }
        }
    }

    /// Returns the keys of a request with what was replaced in others of its kind replaced in it too, those with the least replaced
    /// first.
    pub(super) fn apply(&self, key: &Key) -> Vec<Key> {
        let Some(places) = self.0.get(&key.method) else { return Vec::new() };
        let mut ways: Vec<_> = places.together.iter().chain([&places.all]).collect();
        ways.sort_by_key(|places| places.len());
        ways.into_iter().filter_map(|places| masked(key, places)).collect()
    }
}

/// Returns the key with what stands at these places replaced, if there is something.
fn masked(key: &Key, places: &BTreeSet<Vec<Step>>) -> Option<Key> {
    let mut params = Tree::parse(key.params.as_bytes()).ok()?;
    let mut changed = false;
    for place in places {
        let value = place.iter().try_fold(&mut params, |value, step| match step {
            Step::Member(name) => value.member_mut(name),
            Step::Element(at) => value.element_mut(*at),
        });
        if let Some(value) = value
            && !matches!(value.scalar(), None | Some("\"\"" | "null"))
        {
            *value = Tree::string(MASK);
            changed = true;
        }
    }
    changed.then(|| Key { params: params.to_string().into(), ..key.clone() })
}

fn collect(value: &Tree, place: &mut Vec<Step>, places: &mut BTreeSet<Vec<Step>>) {
    if value.scalar() == Some("\"***\"") {
        places.insert(place.clone());
    }
    for (at, element) in value.elements().iter().enumerate() {
        place.push(Step::Element(at));
        collect(element, place, places);
        place.pop();
    }
    for (name, member) in value.members() {
        place.push(Step::Member((&*name).into()));
        collect(member, place, places);
        place.pop();
    }
}
