//! Patches, read straight from the text of a frame.

use std::borrow::Cow;

use super::apply::Target;
use crate::{
    ProtocolError,
    tree::{Parser, Tree, unescaped},
};

/// Which patch of a list does not fit, and why.
pub(super) type Fault = (usize, &'static str);

/// Reads the list of patches that comes next, applies them in order up to the first that does not fit, and returns the value.
///
/// The list is read to its end in any case, so that what follows it can be.
///
/// # Errors
///
/// The outer error if the text is not JSON, after which nothing can be read.
pub(super) fn apply_list(
    parser: &mut Parser<'_>,
    target: &mut Target,
) -> Result<Result<Tree, Fault>, ProtocolError> {
    if !parser.enter(b'[') {
        parser.value()?;
        return Ok(Err((0, "not a list of patches")));
    }
    let mut outcome = Ok(());
    let mut index = 0;
    while parser.next(index == 0, b']')? {
        let patch = Patch::read(parser)?;
        if outcome.is_ok() {
            outcome = patch.apply(target).map_err(|fault| (index, fault));
        }
        index += 1;
    }
    let value = target.value().cloned().ok_or((0, "an empty list without a value to change"));
    Ok(outcome.and(value))
}

/// One patch, as far as it was there.
#[derive(Default)]
struct Patch<'a> {
    op: Option<Cow<'a, str>>,
    path: Option<Cow<'a, str>>,
    from: Option<Cow<'a, str>>,
    value: Option<Tree>,
}

impl<'a> Patch<'a> {
    fn read(parser: &mut Parser<'a>) -> Result<Self, ProtocolError> {
        let mut patch = Self::default();
        if !parser.enter(b'{') {
            parser.value()?;
            return Ok(patch);
        }
        let mut first = true;
        while parser.next(first, b'}')? {
            first = false;
            match &*unescaped(parser.name()?) {
                "op" => patch.op = parser.string_or_other()?.map(unescaped),
                "path" => patch.path = parser.string_or_other()?.map(unescaped),
                "from" => patch.from = parser.string_or_other()?.map(unescaped),
                "value" => patch.value = Some(parser.value()?),
                _ => drop(parser.value()?),
            }
        }
        Ok(patch)
    }

    fn apply(self, target: &mut Target) -> Result<(), &'static str> {
        let path = self.path.as_deref().ok_or("no path")?;
        match &*self.op.ok_or("no op")? {
            "add" => target.set(path, self.value.ok_or("no value")?, true),
            "replace" => target.set(path, self.value.ok_or("no value")?, false),
            "remove" => target.remove(path),
            "move" => target.relocate(self.from.as_deref().ok_or("no from")?, path),
            _ => Err("unknown op"),
        }
    }
}
