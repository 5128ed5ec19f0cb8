//! Recorded text in which handles are filled in.

use std::ops::Range;

use bytes::Bytes;
use qix_protocol::{
    Handle, Lineage,
    frame::{Raw, members},
};

use super::Text;

/// Longer values are not searched for references, which are short.
const LONGEST_REFERENCE: usize = 16 << 10;

/// A recorded JSON value with holes where handles stood.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: Bytes,
    holes: Vec<(Range<usize>, Lineage)>,
}

impl Template {
    /// Makes a template of one out member, which is a part of `text`; only an object reference has a hole.
    pub(super) fn of_member(
        value: Raw<'_>,
        text: &Bytes,
        lineage: impl Fn(Handle) -> Option<Lineage>,
    ) -> Self {
        let mut holes = Vec::new();
        if value.as_bytes().len() <= LONGEST_REFERENCE
            && memchr::memmem::find(value.as_bytes(), b"\"qHandle\"").is_some()
        {
            let typed = || members(value).any(|(name, _)| name == "qType");
            holes.extend(
                members(value).filter(|(name, _)| name == "qHandle").filter(|_| typed()).filter_map(
                    |(_, number)| {
                        let lineage = lineage(Handle::new(number.as_integer()?))?;
                        let start = number.as_bytes().as_ptr().addr() - value.as_bytes().as_ptr().addr();
                        Some((start..start + number.as_bytes().len(), lineage))
                    },
                ),
            );
        }
        Self { text: text.slice_ref(value.as_bytes()), holes }
    }

    /// Returns the text.
    pub(super) fn text(&self) -> &Bytes {
        &self.text
    }

    /// Returns a template with another text, if `exchange` has one; what stands around the holes is exchanged piece by piece.
    pub(super) fn exchanged(&self, exchange: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        let mut changed = false;
        let mut text = Vec::new();
        let mut piece = |part: &[u8], text: &mut Vec<u8>| match exchange(part) {
            Some(other) => {
                changed = true;
                text.extend_from_slice(&other);
            }
            None => text.extend_from_slice(part),
        };
        let mut holes = Vec::new();
        let mut from = 0;
        for (hole, lineage) in &self.holes {
            piece(&self.text[from..hole.start], &mut text);
            let start = text.len();
            text.extend_from_slice(&self.text[hole.clone()]);
            holes.push((start..text.len(), lineage.clone()));
            from = hole.end;
        }
        piece(&self.text[from..], &mut text);
        changed.then(|| Self { text: text.into(), holes })
    }

    /// Returns how many of its bytes are copied.
    pub(super) fn small_size(&self) -> usize {
        Text::small_size(self.text.len())
    }

    /// Makes a template without holes.
    pub(super) fn plain(text: Bytes) -> Self {
        Self { text, holes: Vec::new() }
    }

    /// Writes the text with live handles.
    pub(super) fn render(&self, out: &mut Text, mut handle: impl FnMut(&Lineage) -> Handle) {
        let mut from = 0;
        for (hole, lineage) in &self.holes {
            out.share_part(&self.text, from..hole.start);
            out.write(itoa::Buffer::new().format(handle(lineage).get()).as_bytes());
            from = hole.end;
        }
        out.share_part(&self.text, from..self.text.len());
    }

    /// Returns the id of the object that the text is a reference to.
    pub(super) fn id(&self) -> Option<Box<str>> {
        let id: String = Raw::new(&self.text).ok()?.member("qGenericId")?.decode().ok()?;
        Some(id.into())
    }

    /// Returns the object that the text is a reference to, if it is one.
    pub(super) fn opens(&self) -> Option<&Lineage> {
        self.holes.first().map(|(_, lineage)| lineage)
    }
}

#[cfg(test)]
mod tests {
    use qix_protocol::{Lineages, ObjectReference};

    use super::*;

    #[test]
    fn only_handles_of_references_are_filled_in() {
        let mut lineages = Lineages::default();
        let reference = ObjectReference { handle: Some(Handle::new(3)), ..ObjectReference::default() };
        lineages.opened(&reference, Handle::GLOBAL, "GetObject", None, 0);
        let render = |text: &str| {
            let mut out = Text::default();
            let text = Bytes::copy_from_slice(text.as_bytes());
            let value = Raw::new(&text).unwrap();
            let lineage = |handle| lineages.get(handle).cloned();
            Template::of_member(value, &text, lineage).render(&mut out, |_| Handle::new(71));
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!(render(r#"{"qType":"X", "qHandle": 3 ,"a":3}"#), r#"{"qType":"X", "qHandle": 71 ,"a":3}"#);
        for same in [
            r#"{"qHandle":3}"#,
            r#"{"qType":null,"qHandle":null}"#,
            "3",
            "[3]",
            r#"{"qType":"X","qHandle":4}"#,
        ] {
            assert_eq!(render(same), same);
        }
    }
}
