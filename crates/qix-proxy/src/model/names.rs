//! What objects are called: by name rather than by handle.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use qix_protocol::{
    Handle, ObjectReference,
    frame::{Raw, elements, members},
};
use qix_transport::printable;

use crate::record::Redaction;

/// The most objects of one connection that are known by name; later ones are shown by handle.
const MOST: usize = 100_000;
/// How much of an id or title is kept, in characters.
const LONGEST: usize = 80;
/// How much of a hint is kept until it is shown, in characters: a secret in it is known by more than what is shown of it.
const LONGEST_HINT: usize = 1000;

/// An object as people know it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Object {
    /// What it is, such as `app`, `field` or the author's type of a generic object, such as `sheet`.
    pub(crate) kind: String,
    /// The id; empty if there is none.
    pub(crate) id: String,
    /// The title, once the traffic has told it.
    pub(crate) title: String,
}

/// Writes the kind and, if there is any, the title or else the id.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.title.is_empty() { &self.id } else { &self.title };
        f.write_str(&self.kind)?;
        if !name.is_empty() && *name != self.kind {
            write!(f, " {name}")?;
        }
        Ok(())
    }
}

static GLOBAL: LazyLock<Arc<Object>> =
    LazyLock::new(|| Arc::new(Object { kind: "global".to_owned(), ..Object::default() }));

/// What the parameters of a call tell of the object that it opens, as it was written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Hint {
    id: String,
    title: String,
}

impl Hint {
    /// Reads parameters: the first is an id or a name, or properties that may have a title.
    pub(crate) fn new(params: Raw<'_>) -> Self {
        let first = match params.as_bytes().first() {
            Some(b'{') => members(params).next().map(|(_, value)| value),
            _ => elements(params).next(),
        };
        let Some(first) = first else { return Self::default() };
        match first.as_bytes().first() {
            Some(b'"') => {
                let id = first.decode::<String>().unwrap_or_default();
                Self { id: app_name(&id).chars().take(LONGEST_HINT).collect(), title: String::new() }
            }
            Some(b'{') => {
                let title = title(first).unwrap_or_default();
                Self { id: String::new(), title: title.chars().take(LONGEST_HINT).collect() }
            }
            _ => Self::default(),
        }
    }
}

/// The open objects of one connection.
#[derive(Debug, Default)]
pub(crate) struct Names {
    of: HashMap<Handle, Arc<Object>>,
    /// Takes secrets out of ids and titles.
    redaction: Option<Redaction>,
}

impl Names {
    /// Starts with nothing, and keeps ids and titles without secrets.
    pub(crate) fn redacted(redaction: Redaction) -> Self {
        Self { of: HashMap::new(), redaction: Some(redaction) }
    }

    /// Returns what the handle is called.
    pub(crate) fn get(&self, handle: Handle) -> Arc<Object> {
        if handle == Handle::GLOBAL {
            return Arc::clone(&GLOBAL);
        }
        self.of
            .get(&handle)
            .cloned()
            .unwrap_or_else(|| Arc::new(Object { kind: format!("handle {handle}"), ..Object::default() }))
    }

    /// Notes that a call opened an object.
    pub(crate) fn opened(&mut self, reference: &ObjectReference, hint: &Hint) {
        let Some(handle) = reference.handle else { return };
        if self.of.contains_key(&handle) || self.of.len() >= MOST {
            return;
        }
        let class = reference.object_type.as_deref().unwrap_or_default();
        let kind = match class {
            "Doc" => "app".to_owned(),
            "GenericObject" => shown(reference.generic_type.as_deref().unwrap_or("object")),
            generic => shown(generic.strip_prefix("Generic").unwrap_or(generic)).to_lowercase(),
        };
        let id = match reference.generic_id.as_deref().unwrap_or_default() {
            "" => self.shown(&hint.id),
            id if class == "Doc" => self.shown(app_name(id)),
            id => self.shown(id),
        };
        let object = Object { kind, id, title: self.shown(&hint.title) };
        self.of.insert(handle, Arc::new(object));
    }

    /// Notes a title that an object's layout or properties tell, which has no secrets any more.
    pub(crate) fn titled(&mut self, handle: Handle, title: &str) {
        let title = shown(title);
        if let Some(object) = self.of.get_mut(&handle)
            && !title.is_empty()
            && object.title != title
        {
            Arc::make_mut(object).title = title;
        }
    }

    /// Notes that the engine closed the handle.
    pub(crate) fn closed(&mut self, handle: Handle) {
        self.of.remove(&handle);
    }

    /// Returns an id or a title as it is shown.
    fn shown(&self, text: &str) -> String {
        match &self.redaction {
            Some(redaction) => shown(&redaction.text(text)),
            None => shown(text),
        }
    }
}

/// Returns an id or a title as it is shown.
pub(super) fn shown(text: &str) -> String {
    printable(text.trim(), LONGEST)
}

/// Takes folders and the extension away: the engines of Qlik Sense Desktop call an app by its file.
fn app_name(id: &str) -> &str {
    let file = id.rsplit(['/', '\\']).next().unwrap_or(id);
    file.strip_suffix(".qvf").filter(|name| !name.is_empty()).unwrap_or(file)
}

/// Returns the title in a layout or in properties.
pub(crate) fn title(value: Raw<'_>) -> Option<String> {
    let text = |value: Raw<'_>| value.decode::<String>().ok().filter(|text| !text.trim().is_empty());
    let inside =
        |outer, inner| value.member(outer).and_then(|outer: Raw<'_>| outer.member(inner)).and_then(text);
    // A title may be an expression, which only the layout has evaluated: there it is a text, here an object.
    inside("qMeta", "title")
        .or_else(|| inside("qMetaDef", "title"))
        .or_else(|| value.member("qTitle").and_then(text))
        .or_else(|| value.member("title").and_then(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(class: &str, kind: Option<&str>, id: Option<&str>, params: &str) -> String {
        let reference = ObjectReference {
            object_type: Some(class.to_owned()),
            handle: Some(Handle::new(3)),
            generic_type: kind.map(str::to_owned),
            generic_id: id.map(str::to_owned),
        };
        let mut names = Names::default();
        names.opened(&reference, &Hint::new(Raw::new(params.as_bytes()).unwrap()));
        names.get(Handle::new(3)).to_string()
    }

    #[test]
    fn objects_are_named_by_what_the_traffic_tells() {
        assert_eq!(opened("Doc", None, Some("Sales.qvf"), r#"["Sales.qvf"]"#), "app Sales");
        assert_eq!(opened("Doc", None, Some(r"C:\Users\me\Apps\Plan.qvf"), "[]"), "app Plan");
        assert_eq!(opened("Doc", None, None, r#"{"qDocName":"Sales"}"#), "app Sales");
        assert_eq!(opened("Field", None, None, r#"["Region"]"#), "field Region");
        assert_eq!(opened("GenericVariable", None, Some("v1"), "[]"), "variable v1");
        assert_eq!(opened("GenericObject", Some("sheet"), Some("x"), r#"["x"]"#), "sheet x");
        let defined = r#"[{"qInfo":{"qType":"sheet"},"qMetaDef":{"title":"Overview"}}]"#;
        assert_eq!(opened("GenericObject", Some("sheet"), Some("x"), defined), "sheet Overview");
    }

    #[test]
    fn ids_and_titles_have_no_secrets() {
        let reference = ObjectReference {
            handle: Some(Handle::new(3)),
            generic_id: Some("https://h/?qlikTicket=s3cret".to_owned()),
            ..ObjectReference::default()
        };
        let params = Raw::new(br#"[{"title":"password=s3cret"}]"#).unwrap();
        let mut names = Names::redacted(Redaction::standard());
        names.opened(&reference, &Hint::new(params));
        let object = names.get(Handle::new(3));
        assert!(!format!("{object:?}").contains("s3cret") && !object.title.is_empty(), "{object:?}");
    }

    #[test]
    fn handles_nobody_opened_are_shown_by_number() {
        let names = Names::default();
        assert_eq!(names.get(Handle::new(7)).to_string(), "handle 7");
        assert_eq!(names.get(Handle::GLOBAL).to_string(), "global");
    }

    #[test]
    fn names_cannot_control_a_terminal() {
        let name = opened("GenericObject", Some("a\u{1b}[2J"), Some("x\r\ny"), "[]");
        assert!(!name.contains(char::is_control), "{name:?}");
    }

    #[test]
    fn titles_that_are_expressions_are_none() {
        let title = |text: &str| title(Raw::new(text.as_bytes()).unwrap());
        assert_eq!(title(r#"{"title":{"qStringExpression":"=1"}}"#), None);
        assert_eq!(title(r#"{"title":" ","qMeta":{"title":"Sales"}}"#), Some("Sales".to_owned()));
        assert_eq!(title(r#"{"qTitle":"Plan"}"#), Some("Plan".to_owned()));
    }
}
