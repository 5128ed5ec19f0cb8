//! The tree itself: how it is held, shared, and looked into.

use std::{borrow::Cow, sync::Arc};

use smol_str::{SmolStr, format_smolstr};

use super::text::{backslash, escaped, unescaped};

/// A JSON value that is cheap to clone, can be patched, and is written back as it came.
///
/// A clone shares everything with its original. Changing one of the two copies the containers on the way to the change that
/// the other still holds, and nothing else. Equal trees have the same members in the same order, written the same way.
///
/// Of members with the same name the last counts, as in every JSON parser of the field; all are kept and written.
///
/// # Examples
///
/// ```
/// use qix_protocol::Tree;
///
/// let layout = Tree::parse(br#"{"qInfo":{"qId":"LB01"},"qSize":{"qcx":3}}"#)?;
/// assert_eq!(layout.member("qInfo").and_then(|info| info.member("qId")).unwrap().as_str().unwrap(), "LB01");
///
/// #[derive(serde::Deserialize)]
/// struct Size {
///     qcx: i64,
/// }
/// let size: Size = layout.member("qSize").unwrap().decode()?;
/// assert_eq!(size.qcx, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Tree(pub(crate) Node);

/// What a tree is at its root.
#[derive(Clone, Eq, PartialEq)]
pub(crate) enum Node {
    /// A string, number, `true`, `false` or `null`, as it was written; short ones take no memory of their own.
    Scalar(SmolStr),
    Array(Arc<Vec<Tree>>),
    Object(Arc<Members>),
}

/// The members of an object, in order.
///
/// Names stand apart from values so that the thousands of like objects in a hypercube share them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Members {
    /// As they were written between their quotes; as many as there are values.
    pub(super) names: Arc<Vec<SmolStr>>,
    pub(super) values: Vec<Tree>,
}

impl Members {
    /// Returns the place of the member called `name`; of several the last, and rather one that is written without escapes.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let escapes = |text: &str| backslash(text).is_some();
        // Nearly every name is written as it is meant, which is the cheap thing to compare.
        let plain = if escapes(name) { None } else { self.names.iter().rposition(|written| written == name) };
        plain
            .or_else(|| self.names.iter().rposition(|written| escapes(written) && unescaped(written) == name))
    }

    /// Appends a member whose name is written as `written`.
    pub(crate) fn push(&mut self, written: SmolStr, value: Tree) {
        Arc::make_mut(&mut self.names).push(written);
        self.values.push(value);
    }

    /// Takes out the member at a place that [`find`](Self::find) gave.
    pub(crate) fn remove(&mut self, place: usize) -> Tree {
        Arc::make_mut(&mut self.names).remove(place);
        self.values.remove(place)
    }

    pub(crate) fn value_mut(&mut self, place: usize) -> &mut Tree {
        &mut self.values[place]
    }

    pub(crate) fn written(&self, place: usize) -> &str {
        &self.names[place]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&SmolStr, &Tree)> {
        self.names.iter().zip(&self.values)
    }
}

/// How large a tree is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Measure {
    /// How many containers are around the deepest scalar.
    pub(crate) depth: usize,
    /// About how much memory it takes if it shares nothing.
    pub(crate) bytes: usize,
}

impl Measure {
    /// Returns about how many values that are.
    pub(crate) fn values(self) -> usize {
        self.bytes / size_of::<Tree>()
    }

    /// Returns the memory that a name takes.
    pub(crate) fn of_name(written: &str) -> usize {
        const INSIDE: usize = 23;
        size_of::<SmolStr>() + if written.len() > INSIDE { written.len() + 2 * size_of::<usize>() } else { 0 }
    }
}

impl Tree {
    /// Returns `null`.
    pub fn null() -> Self {
        Self(Node::Scalar(SmolStr::new_inline("null")))
    }

    /// Makes a string.
    pub fn string(text: &str) -> Self {
        Self(Node::Scalar(format_smolstr!("\"{}\"", escaped(text))))
    }

    pub(crate) fn array(elements: Vec<Self>) -> Self {
        Self(Node::Array(Arc::new(elements)))
    }

    pub(crate) fn object(members: Members) -> Self {
        Self(Node::Object(Arc::new(members)))
    }

    /// Returns the text of a string, number, `true`, `false` or `null` as it was written, quotes included.
    pub fn scalar(&self) -> Option<&str> {
        match &self.0 {
            Node::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether the value is `null`.
    pub fn is_null(&self) -> bool {
        self.scalar() == Some("null")
    }

    /// Returns whether the value is an array.
    pub fn is_array(&self) -> bool {
        matches!(self.0, Node::Array(_))
    }

    /// Returns whether the value is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.0, Node::Object(_))
    }

    /// Returns `true` or `false`, if the value is one of them.
    pub fn as_bool(&self) -> Option<bool> {
        self.scalar()?.parse().ok()
    }

    /// Returns the string, if it is one. An escaped surrogate without its partner becomes U+FFFD.
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        let inside = self.scalar()?.strip_prefix('"')?.strip_suffix('"')?;
        Some(unescaped(inside))
    }

    /// Returns the number, if it is an integer of this width; `3.0` is none.
    pub fn as_i64(&self) -> Option<i64> {
        self.scalar()?.parse().ok()
    }

    /// Returns the number, if it is an integer of this width; `3.0` is none.
    pub fn as_u64(&self) -> Option<u64> {
        self.scalar()?.parse().ok()
    }

    /// Returns the number, if it is one and a finite `f64`. The engine's `"NaN"` is a string.
    pub fn as_f64(&self) -> Option<f64> {
        let text = self
            .scalar()
            .filter(|text| text.starts_with(|first: char| first == '-' || first.is_ascii_digit()))?;
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Returns the number of elements or members; 0 for a scalar.
    pub fn len(&self) -> usize {
        match &self.0 {
            Node::Scalar(_) => 0,
            Node::Array(elements) => elements.len(),
            Node::Object(members) => members.values.len(),
        }
    }

    /// Returns whether there are no elements or members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the member called `name`.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Node::Object(members) = &self.0 else { return None };
        members.find(name).map(|place| &members.values[place])
    }

    /// Returns the member called `name`, for change.
    pub fn member_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Node::Object(members) = &mut self.0 else { return None };
        let place = members.find(name)?;
        Some(Arc::make_mut(members).value_mut(place))
    }

    /// Returns the element at `index`.
    pub fn element(&self, index: usize) -> Option<&Self> {
        self.elements().get(index)
    }

    /// Returns the element at `index`, for change.
    pub fn element_mut(&mut self, index: usize) -> Option<&mut Self> {
        let Node::Array(elements) = &mut self.0 else { return None };
        if index < elements.len() { Arc::make_mut(elements).get_mut(index) } else { None }
    }

    /// Returns the members in order, names unescaped; nothing if the value is no object.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (Cow<'_, str>, &Self)> {
        let (names, values) = match &self.0 {
            Node::Object(members) => (&members.names[..], &members.values[..]),
            _ => (&[][..], &[][..]),
        };
        names.iter().map(|written| unescaped(written)).zip(values)
    }

    /// Returns the members in order, names unescaped, for change; nothing if the value is no object.
    pub fn members_mut(&mut self) -> impl ExactSizeIterator<Item = (Cow<'_, str>, &mut Self)> {
        let (names, values) = match &mut self.0 {
            Node::Object(members) => {
                let Members { names, values } = Arc::make_mut(members);
                (&names[..], &mut values[..])
            }
            _ => (&[][..], &mut [][..]),
        };
        names.iter().map(|written| unescaped(written)).zip(values)
    }

    /// Returns the elements in order, for change; nothing if the value is no array.
    pub fn elements_mut(&mut self) -> &mut [Self] {
        match &mut self.0 {
            Node::Array(elements) => &mut Arc::make_mut(elements)[..],
            _ => &mut [],
        }
    }

    /// Returns the elements in order; nothing if the value is no array.
    pub fn elements(&self) -> &[Self] {
        match &self.0 {
            Node::Array(elements) => elements,
            _ => &[],
        }
    }

    /// Returns how many names have to be compared to find a member.
    pub(crate) fn names(&self) -> usize {
        if self.is_object() { self.len() } else { 0 }
    }

    pub(crate) fn measure(&self) -> Measure {
        let (values, bytes) = match &self.0 {
            Node::Scalar(text) => return Measure { depth: 0, bytes: Measure::of_name(text) },
            Node::Array(_) => (self.elements(), size_of::<Vec<Self>>()),
            Node::Object(members) => {
                let names: usize = members.names.iter().map(|name| Measure::of_name(name)).sum();
                (&members.values[..], names + size_of::<Members>())
            }
        };
        // The counters of an `Arc` come before what it holds.
        let start = Measure { depth: 0, bytes: size_of::<Self>() + 2 * size_of::<usize>() + bytes };
        values.iter().map(Self::measure).fold(start, |whole, part| Measure {
            depth: whole.depth.max(part.depth + 1),
            bytes: whole.bytes + part.bytes,
        })
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn tree_is_no_larger_than_a_string() {
        assert_eq!(size_of::<Tree>(), 24);
    }

    #[test]
    fn members_are_found_by_unescaped_name_and_the_last_counts() {
        let found = tree(r#"{"q\u0041":"x\ny","b":1,"b":2}"#);
        assert_eq!(found.member("qA").unwrap().as_str().unwrap(), "x\ny");
        assert_eq!(found.member("b").unwrap().as_i64(), Some(2));
        assert!(found.member("qB").is_none());
        let names: Vec<_> = found.members().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["qA", "b", "b"]);
    }

    #[test]
    fn written_and_meant_names_are_told_apart() {
        let found = tree(r#"{"a\\b":1}"#);
        assert!(found.member(r"a\b").is_some());
        assert!(found.member(r"a\\b").is_none());
    }

    #[test]
    fn changing_a_clone_copies_the_path_and_shares_the_rest() {
        let original = tree(r#"{"a":{"x":[1,2]},"b":{"y":[3]}}"#);
        let mut clone = original.clone();
        *clone.member_mut("a").unwrap().member_mut("x").unwrap().element_mut(0).unwrap() =
            Tree::string("new");
        assert_eq!(original, tree(r#"{"a":{"x":[1,2]},"b":{"y":[3]}}"#));
        assert_eq!(clone, tree(r#"{"a":{"x":["new",2]},"b":{"y":[3]}}"#));
        let address = |tree: &Tree| match &tree.member("b").unwrap().0 {
            Node::Object(members) => Arc::as_ptr(members),
            _ => unreachable!(),
        };
        assert_eq!(address(&original), address(&clone));
    }

    #[test]
    fn members_and_elements_can_be_changed_in_order() {
        let mut changed = tree(r#"{"q\u0041":[1,2],"b":3}"#);
        let original = changed.clone();
        for (name, value) in changed.members_mut() {
            value.elements_mut().iter_mut().for_each(|element| *element = Tree::string(&name));
        }
        assert_eq!(changed, tree(r#"{"q\u0041":["qA","qA"],"b":3}"#));
        assert_eq!(original, tree(r#"{"q\u0041":[1,2],"b":3}"#));
    }

    #[test]
    fn scalars_are_read_as_what_they_are() {
        let list = tree(r#"[null,true,-7,18446744073709551615,3.0,1e400,"NaN","7",9007199254740993]"#);
        let at = |index| list.element(index).unwrap();
        assert!(at(0).is_null() && !at(1).is_null());
        assert_eq!(at(1).as_bool(), Some(true));
        assert_eq!((at(2).as_i64(), at(2).as_u64(), at(2).as_f64()), (Some(-7), None, Some(-7.0)));
        assert_eq!((at(3).as_i64(), at(3).as_u64()), (None, Some(u64::MAX)));
        assert_eq!((at(4).as_i64(), at(4).as_f64()), (None, Some(3.0)));
        assert_eq!((at(5).as_f64(), at(6).as_f64(), at(7).as_i64()), (None, None, None));
        assert_eq!(at(8).as_i64(), Some((1 << 53) + 1));
        assert_eq!(at(5).scalar(), Some("1e400"));
    }

    #[test]
    fn measure_tells_depth_and_grows_with_content() {
        assert_eq!(tree("1").measure().depth, 0);
        assert_eq!(tree("[]").measure().depth, 0);
        assert_eq!(tree(r#"[{"a":[1]},2]"#).measure().depth, 3);
        assert!(
            tree(r#"["a text that does not fit inside"]"#).measure().bytes > tree("[1]").measure().bytes + 30
        );
    }
}
