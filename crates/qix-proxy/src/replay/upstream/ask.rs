//! What an upstream is asked, and what it says.

use std::{fmt, ops::Range};

use bytes::Bytes;
use qix_protocol::Lineage;

use super::super::{Miss, journal::says_no};

/// A request that the recording cannot answer, with all that is needed to make it elsewhere.
///
/// The parameters are the client's own and may hold secrets, which `Debug` does not show.
#[derive(Clone, Eq, PartialEq)]
pub struct Ask {
    pub(in super::super) miss: Miss,
    pub(in super::super) on: Lineage,
    /// As the client wrote it.
    pub(in super::super) id: Option<Bytes>,
    pub(in super::super) delta: bool,
    pub(in super::super) method: Box<str>,
    pub(in super::super) params: Option<Bytes>,
    /// The parameters without their secrets, as the recording will have them.
    pub(in super::super) clean: Option<Bytes>,
    /// How many deeds of the session come before it; `None` if they were too many to be kept.
    pub(in super::super) after: Option<usize>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("miss", &self.miss).finish_non_exhaustive()
    }
}

/// An upstream's answer, with lineages in the place of handles.
#[derive(Debug)]
pub(in super::super) struct Told {
    pub(in super::super) body: Body,
    /// Changed, closed and suspended objects.
    pub(in super::super) lists: [Vec<Lineage>; 3],
    /// The id with which the engine answered a request that had none.
    pub(in super::super) id: Option<Bytes>,
    /// Whether any object of the session may be another now, also such as are not open at the upstream.
    pub(in super::super) moved: bool,
}

impl Told {
    /// The objects in the answer, in order.
    pub(in super::super) fn opened(&self) -> Vec<Lineage> {
        let Body::Result(members) = &self.body else { return Vec::new() };
        members.iter().filter_map(|(_, _, hole)| Some(hole.as_ref()?.1.clone())).collect()
    }

    /// Returns whether it says that nothing was done.
    pub(in super::super) fn says_no(&self) -> bool {
        matches!(&self.body, Body::Result(members) if members.iter().any(|(name, value, _)| says_no(name, value)))
    }
}

/// The place of a handle in a value, and whose it is.
pub(in super::super) type Hole = (Range<usize>, Lineage);

#[derive(Debug)]
pub(in super::super) enum Body {
    /// The out members: names as JSON, values, and the handles in them.
    Result(Vec<(Bytes, Bytes, Option<Hole>)>),
    /// A result that is no object, or none at all.
    Odd(Option<Bytes>),
    Error(Bytes),
}
