//! What one patch does to a value.

use std::{borrow::Cow, sync::Arc};

use crate::{
    MAX_DEPTH,
    tree::{Measure, Members, Node, Tree, escaped},
};

/// A value that is patched, if there is one, and the memory it takes.
#[derive(Debug, Default)]
pub(super) struct Target {
    value: Option<Tree>,
    bytes: usize,
    work: Work,
}

/// What the patches of one answer have cost: elements moved, names compared, values measured.
///
/// An answer of a megabyte can ask for hours of it, such as 40,000 insertions in front of a million elements.
#[derive(Debug, Default)]
pub(super) struct Work(usize);

impl Work {
    /// More than 10,000 insertions into the longest page that an engine gives out, and less than a second.
    const MOST: usize = 1 << 28;

    fn spend(&mut self, steps: usize) -> Result<(), &'static str> {
        self.0 += steps;
        if self.0 <= Self::MOST { Ok(()) } else { Err("more work than one answer may cause") }
    }
}

impl Target {
    /// Goes on with the work that an answer has caused so far; returns what was there before.
    pub(super) fn work(&mut self, work: Work) -> Work {
        std::mem::replace(&mut self.work, work)
    }

    /// Returns the value as it is now.
    pub(super) fn value(&self) -> Option<&Tree> {
        self.value.as_ref()
    }

    /// Returns about how much memory the value takes if it shares nothing.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a value at the path: `add` inserts into arrays, `replace` overwrites what is there.
    pub(super) fn set(&mut self, path: &str, value: Tree, insert: bool) -> Result<(), &'static str> {
        let measure = value.measure();
        self.work.spend(measure.values())?;
        self.put(path, value, measure, insert)
    }

    /// Takes out what is at the path; a member that is not there is no fault, as in all clients.
    pub(super) fn remove(&mut self, path: &str) -> Result<(), &'static str> {
        if is_root(path) {
            self.value = Some(Tree::null());
            self.bytes = Tree::null().measure().bytes;
            return Ok(());
        }
        self.take(path).map(drop)
    }

    /// Takes out what is at `from` and adds it at `path`.
    pub(super) fn relocate(&mut self, from: &str, path: &str) -> Result<(), &'static str> {
        if is_root(from) || is_root(path) {
            return Err("the whole value cannot be moved");
        }
        let (moved, measure) = self.take(from)?.ok_or("nothing at from")?;
        self.put(path, moved, measure, true)
    }

    fn put(&mut self, path: &str, value: Tree, measure: Measure, insert: bool) -> Result<(), &'static str> {
        if is_root(path) {
            self.value = Some(value);
            self.bytes = measure.bytes;
            return Ok(());
        }
        // Whatever walks a tree does so recursively. One level is that of the out members.
        if parts(path).count() + measure.depth >= MAX_DEPTH {
            return Err("nested too deep");
        }
        let Self { value: root, bytes, work } = self;
        let mut at = root.as_mut().ok_or(NO_VALUE)?;
        let mut parts = parts(path);
        let mut part = parts.next().unwrap_or_default();
        for following in parts {
            work.spend(at.names())?;
            at = enter_or_make(at, part, following, bytes)?;
            part = following;
        }
        work.spend(at.names())?;
        *bytes += measure.bytes;
        match &mut at.0 {
            Node::Object(members) => match find(members, part) {
                Some(place) => {
                    let old = std::mem::replace(Arc::make_mut(members).value_mut(place), value);
                    let old = old.measure();
                    *bytes -= old.bytes;
                    work.spend(old.values())?;
                }
                None => push(members, part, value, bytes),
            },
            Node::Array(elements) => {
                let place = if part == "-" { elements.len() } else { index(part).ok_or("not an index")? };
                if place > elements.len() {
                    return Err("index past the end");
                }
                let elements = Arc::make_mut(elements);
                match elements.get_mut(place) {
                    Some(old) if !insert => {
                        let old = std::mem::replace(old, value).measure();
                        *bytes -= old.bytes;
                        work.spend(old.values())?;
                    }
                    _ => {
                        work.spend(elements.len() - place)?;
                        elements.insert(place, value);
                    }
                }
            }
            Node::Scalar(_) => return Err(NO_CONTAINER),
        }
        Ok(())
    }

    fn take(&mut self, path: &str) -> Result<Option<(Tree, Measure)>, &'static str> {
        let Self { value: root, bytes, work } = self;
        let mut at = root.as_mut().ok_or(NO_VALUE)?;
        let mut parts = parts(path);
        let mut part = parts.next().unwrap_or_default();
        for following in parts {
            work.spend(at.names())?;
            at = enter(at, part)?;
            part = following;
        }
        work.spend(at.len())?;
        let (taken, name) = match &mut at.0 {
            Node::Object(members) => {
                let Some(place) = find(members, part) else { return Ok(None) };
                let name = Measure::of_name(members.written(place));
                (Arc::make_mut(members).remove(place), name)
            }
            Node::Array(elements) => match index(part) {
                Some(place) if place < elements.len() => (Arc::make_mut(elements).remove(place), 0),
                _ => return Err(NO_ELEMENT),
            },
            Node::Scalar(_) => return Err(NO_CONTAINER),
        };
        let measure = taken.measure();
        *bytes -= measure.bytes + name;
        work.spend(measure.values())?;
        Ok(Some((taken, measure)))
    }
}

const NO_VALUE: &str = "no value to change: none was sent, or it was dropped";
const NO_CONTAINER: &str = "a value where a container is needed";
const NO_ELEMENT: &str = "no such element";

fn is_root(path: &str) -> bool {
    path.is_empty() || path == "/"
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn index(part: &str) -> Option<usize> {
    // Parsing takes a sign, a path does not.
    part.parse().ok().filter(|_| !part.starts_with('+'))
}

/// Finds the member called as the path says, or unescaped by the rules of JSON pointers if only that one exists.
fn find(members: &Members, part: &str) -> Option<usize> {
    members.find(part).or_else(|| match part.contains('~') {
        true => members.find(&Cow::from(part.replace("~1", "/").replace("~0", "~"))),
        false => None,
    })
}

fn push(members: &mut Arc<Members>, part: &str, value: Tree, bytes: &mut usize) {
    let name = escaped(part);
    *bytes += Measure::of_name(&name);
    Arc::make_mut(members).push(name, value);
}

/// Steps into what is at `part`.
fn enter<'a>(at: &'a mut Tree, part: &str) -> Result<&'a mut Tree, &'static str> {
    match &mut at.0 {
        Node::Object(members) => {
            let place = find(members, part).ok_or("no such member")?;
            Ok(Arc::make_mut(members).value_mut(place))
        }
        Node::Array(elements) => {
            let place = index(part).filter(|place| *place < elements.len()).ok_or(NO_ELEMENT)?;
            Ok(&mut Arc::make_mut(elements)[place])
        }
        Node::Scalar(_) => Err(NO_CONTAINER),
    }
}

/// Steps into what is at `part`, after making the container that clients make there if the path goes on with `following`.
fn enter_or_make<'a>(
    at: &'a mut Tree,
    part: &str,
    following: &str,
    bytes: &mut usize,
) -> Result<&'a mut Tree, &'static str> {
    let missing = match &at.0 {
        Node::Object(members) => find(members, part).is_none(),
        Node::Array(elements) => index(part) == Some(elements.len()),
        Node::Scalar(_) => false,
    };
    if missing {
        let made = if index(following).is_some() {
            Tree::array(Vec::new())
        } else {
            Tree::object(Members::default())
        };
        *bytes += made.measure().bytes;
        match &mut at.0 {
            Node::Object(members) => push(members, part, made, bytes),
            Node::Array(elements) => Arc::make_mut(elements).push(made),
            Node::Scalar(_) => {}
        }
    }
    enter(at, part)
}
