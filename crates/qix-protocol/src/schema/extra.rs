//! The members of an object that the schema does not know, and how the object was written.

use super::Json;

/// The members of an object that the schema does not name, in the order in which they came.
///
/// Authors put members of their own into properties, and layouts hand them on; newer engines add some. Also kept here are
/// members whose value has another type than the schema says, such as an expression in the place of a text, or `null`: the field
/// then has its default, and the value is found under its wire name. It is written as long as the field has its default; so an
/// expression can be put in the place of a text.
///
/// An object that was read also remembers which of its members were written and in what order, so that writing it again gives
/// an equal text. That memory does not count when objects are compared.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// One bit for each field that was read, in the order of declaration.
    present: u64,
    rest: Option<Box<Rest>>,
}

#[derive(Clone, Debug, Default)]
struct Rest {
    members: Vec<(Box<str>, Json)>,
    /// All members in their order: the number of a field, or [`FIELDS`] and the position of a member above.
    sequence: Vec<usize>,
}

/// The most fields an object can have.
pub(crate) const FIELDS: usize = u64::BITS as usize;

/// One member of an object, in the order of writing.
pub(crate) enum Slot<'a> {
    /// A field, by its number.
    Field(usize),
    /// A member that is no field.
    Other(&'a str, &'a Json),
}

impl Extra {
    /// Returns the member called `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        // The last of equal names counts, as in every JSON parser of the field.
        self.members().rev().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Sets the member called `name` and returns the value it had.
    pub fn insert(&mut self, name: &str, value: Json) -> Option<Json> {
        let rest = self.rest_mut();
        if let Some((_, old)) = rest.members.iter_mut().rev().find(|(found, _)| &**found == name) {
            return Some(std::mem::replace(old, value));
        }
        self.push(name.into(), value);
        None
    }

    /// Takes the member called `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let rest = self.rest.as_mut()?;
        let mut removed = None;
        while let Some(at) = rest.members.iter().position(|(found, _)| &**found == name) {
            removed = Some(rest.members.remove(at).1);
            rest.sequence.retain(|slot| *slot != FIELDS + at);
            for slot in rest.sequence.iter_mut().filter(|slot| **slot > FIELDS + at) {
                *slot -= 1;
            }
        }
        removed
    }

    /// Returns the members, in order.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = (&str, &Json)> {
        self.rest.iter().flat_map(|rest| &rest.members).map(|(name, value)| (&**name, value))
    }

    /// Returns whether there is no such member.
    pub fn is_empty(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.members.is_empty())
    }

    /// Notes that a field was read.
    pub(crate) fn note(&mut self, field: usize) {
        let bit = 1 << field;
        let again = self.present & bit != 0;
        // Fields that come in the order of declaration need no list.
        if self.rest.is_none() && bit > self.present {
            self.present |= bit;
            return;
        }
        if !again {
            self.rest_mut().sequence.push(field);
        }
        self.present |= bit;
    }

    /// Appends a member.
    pub(crate) fn push(&mut self, name: Box<str>, value: Json) {
        let rest = self.rest_mut();
        rest.sequence.push(FIELDS + rest.members.len());
        rest.members.push((name, value));
    }

    /// Appends the value of a field that does not fit it.
    pub(crate) fn push_misfit(&mut self, field: usize, name: &str, value: Json) {
        if self.was_read(field) {
            self.rest_mut().sequence.retain(|slot| *slot != field);
            self.present &= !(1 << field);
        }
        self.push(name.into(), value);
    }

    /// Returns whether a field was read.
    pub(crate) fn was_read(&self, field: usize) -> bool {
        self.present & (1 << field) != 0
    }

    /// Returns the members of an object with `fields` fields in the order in which to write them.
    pub(crate) fn slots(&self, fields: usize) -> impl Iterator<Item = Slot<'_>> {
        let sequence = self.rest.as_ref().map_or(&[][..], |rest| &rest.sequence);
        let members = self.rest.as_ref().map_or(&[][..], |rest| &rest.members);
        let listed = sequence.iter().filter(|slot| **slot < FIELDS).fold(0u64, |bits, slot| bits | 1 << slot);
        let unlisted = (0..fields).filter(move |field| listed & (1 << field) == 0).map(Slot::Field);
        let in_sequence = sequence.iter().filter_map(move |slot| match slot.checked_sub(FIELDS) {
            None => Some(Slot::Field(*slot)),
            Some(at) => members.get(at).map(|(name, value)| Slot::Other(name, value)),
        });
        // What was set later follows what was read. An object that was never read has its fields first.
        let read = listed != 0;
        let first = (!read).then_some(unlisted.clone()).into_iter().flatten();
        let last = read.then_some(unlisted).into_iter().flatten();
        first.chain(in_sequence).chain(last)
    }

    fn rest_mut(&mut self) -> &mut Rest {
        let present = self.present;
        self.rest.get_or_insert_with(|| {
            let sequence = (0..FIELDS).filter(|field| present & (1 << field) != 0).collect();
            Box::new(Rest { members: Vec::new(), sequence })
        })
    }
}

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        self.members().eq(other.members())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::new(text).unwrap()
    }

    #[test]
    fn members_are_set_found_and_removed() {
        let mut extra = Extra::default();
        assert!(extra.is_empty());
        assert_eq!(extra.insert("a", json("1")), None);
        extra.insert("b", json("2"));
        assert_eq!(extra.insert("a", json("3")), Some(json("1")));
        assert_eq!(extra.remove("a"), Some(json("3")));
        assert_eq!(extra.members().collect::<Vec<_>>(), [("b", &json("2"))]);
        assert_eq!(extra.get("b"), Some(&json("2")));
        assert_eq!(extra.remove("c"), None);
    }

    #[test]
    fn order_of_reading_is_the_order_of_writing() {
        let mut extra = Extra::default();
        extra.note(2);
        extra.push("x".into(), json("0"));
        extra.note(0);
        extra.note(2);
        let order: Vec<String> = extra
            .slots(3)
            .map(|slot| match slot {
                Slot::Field(field) => field.to_string(),
                Slot::Other(name, _) => name.to_owned(),
            })
            .collect();
        assert_eq!(order, ["2", "x", "0", "1"]);
        assert!(extra.was_read(0) && !extra.was_read(1));
    }
}
