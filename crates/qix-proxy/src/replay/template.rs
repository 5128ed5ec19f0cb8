//! Recorded text in which handles are filled in.

use std::ops::Range;

use bytes::Bytes;
use qix_protocol::{
    Handle, Lineage, Lineages,
    frame::{Raw, members},
};

use super::Text;

/// A recorded JSON value with holes where handles stood.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: Bytes,
    holes: Vec<(Range<usize>, Lineage)>,
}

impl Template {
    /// Makes a template of one out member; only an object reference has a hole.
    pub(super) fn of_member(value: Raw<'_>, lineages: &Lineages) -> Self {
        let text = Bytes::copy_from_slice(value.as_bytes());
        let typed = || members(value).any(|(name, _)| name == "qType");
        let holes = members(value)
            .filter(|(name, _)| name == "qHandle")
            .filter(|_| typed())
            .filter_map(|(_, number)| {
                let lineage = lineages.get(Handle::new(number.as_integer()?))?.clone();
                let start = number.as_bytes().as_ptr().addr() - value.as_bytes().as_ptr().addr();
                Some((start..start + number.as_bytes().len(), lineage))
            })
            .collect();
        Self { text, holes }
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
            out.share(self.text.slice(from..hole.start));
            out.write(itoa::Buffer::new().format(handle(lineage).get()).as_bytes());
            from = hole.end;
        }
        if from == 0 {
            out.share(self.text.clone());
        } else {
            out.share(self.text.slice(from..));
        }
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
    use qix_protocol::ObjectReference;

    use super::*;

    #[test]
    fn only_handles_of_references_are_filled_in() {
        let mut lineages = Lineages::default();
        let reference = ObjectReference { handle: Some(Handle::new(3)), ..ObjectReference::default() };
        lineages.opened(&reference, Handle::GLOBAL, "GetObject", None, 0);
        let render = |text: &str| {
            let mut out = Text::default();
            let value = Raw::new(text.as_bytes()).unwrap();
            Template::of_member(value, &lineages).render(&mut out, |_| Handle::new(71));
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
