//! A request that the recording cannot answer, and how it differs from what was recorded.

use std::fmt;

use qix_protocol::{Tree, schema};

use super::{Key, key::shortened};

/// A request that the recording cannot answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Miss {
    /// The request.
    pub key: Key,
    /// The recorded request that is most like it, if any is.
    pub nearest: Option<Key>,
    /// How the two differ.
    pub difference: Difference,
    /// What came of asking an upstream; nothing if none was asked.
    pub upstream: Option<Result<(), String>>,
}

/// How a request differs from the recorded one that is most like it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Difference {
    /// The same method was called on another object.
    Object,
    /// Other methods of the object were called.
    Method,
    /// The same method of the same object was called with other parameters.
    Parameter {
        /// Where the first difference is, such as `/qProp/qInfo/qId`: the parameter by its name, or its position from 0, and
        /// the way inside it.
        path: String,
        /// What was recorded there, as JSON; empty if there was nothing.
        recorded: String,
        /// What the client says there.
        live: String,
    },
    /// The call was recorded, but is made more often than it was under these selections and properties.
    State {
        /// How often it was recorded under these.
        times: usize,
        /// The latest write before the recorded call that is left, if there was one.
        recorded_after: Option<Box<Key>>,
    },
    /// The call was recorded, but what an upstream was asked to change may have changed its answer.
    Departed,
    /// The call was made more often than it was recorded.
    Repeated {
        /// How often it was recorded.
        times: usize,
    },
    /// The call was recorded, but not its answer.
    Lost,
    /// The call was recorded, but its answer cannot be read any more; why, in words.
    Unreadable(String),
    /// Nothing like it was recorded.
    Nothing,
}

impl Miss {
    /// The code of the error that such a request gets. It lies in JSON-RPC's range for servers, in which no engine has a code.
    pub const CODE: i32 = -32099;

    /// A request that was recorded, and why it has no answer all the same.
    pub(super) fn of(key: Key, difference: Difference) -> Self {
        Self { key, nearest: None, difference, upstream: None }
    }

    /// A request that is not in the recording.
    pub(super) fn new(key: Key, nearest: Option<Key>) -> Self {
        // A request is not like a text that is none.
        let nearest = nearest.filter(|nearest| nearest.method.is_empty() == key.method.is_empty());
        let difference =
            nearest.as_ref().map_or(Difference::Nothing, |nearest| Difference::between(nearest, &key));
        Self { key, nearest, difference, upstream: None }
    }
}

impl Difference {
    /// Compares a recorded request with one that is made now.
    fn between(recorded: &Key, live: &Key) -> Self {
        if recorded.method != live.method {
            return Self::Method;
        }
        if recorded.lineage != live.lineage {
            return Self::Object;
        }
        let parse = |key: &Key| Tree::parse(key.params.as_bytes());
        if let (Ok(one), Ok(two)) = (parse(recorded), parse(live)) {
            let mut path = Vec::new();
            if let Some((one, two)) = first_difference(&one, &two, &mut path) {
                let names = schema::method(live.lineage.class(), &live.method);
                if let (Some(first), Some(info)) = (path.first_mut(), names)
                    && let Some(param) = first.parse().ok().and_then(|at: usize| info.params.get(at))
                {
                    param.name.clone_into(first);
                }
                let cut = |value: Option<&Tree>| shortened(&value.map(Tree::to_string).unwrap_or_default());
                let path = path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")));
                return Self::Parameter { path: path.collect(), recorded: cut(one), live: cut(two) };
            }
        }
        let at = recorded.params.bytes().zip(live.params.bytes()).take_while(|(a, b)| a == b).count();
        let tail = |params: &str| {
            let start = (0..=at.min(params.len())).rev().find(|at| params.is_char_boundary(*at)).unwrap_or(0);
            shortened(&params[start..])
        };
        Self::Parameter { path: String::new(), recorded: tail(&recorded.params), live: tail(&live.params) }
    }
}

/// Returns the first values that differ, in the order of the canonical form, and leaves the way to them in `path`.
fn first_difference<'a>(
    one: &'a Tree,
    two: &'a Tree,
    path: &mut Vec<String>,
) -> Option<(Option<&'a Tree>, Option<&'a Tree>)> {
    if one == two {
        return None;
    }
    let mut descend = |step: String, pair: (Option<&'a Tree>, Option<&'a Tree>)| {
        path.push(step);
        let found = match pair {
            (Some(one), Some(two)) => first_difference(one, two, path),
            (None, None) => None,
            missing => Some(missing),
        };
        if found.is_none() {
            path.pop();
        }
        found
    };
    if one.is_object() && two.is_object() {
        let names = one.members().map(|(name, _)| (name.clone(), one.member(&name), two.member(&name)));
        let added = two.members().filter(|(name, _)| one.member(name).is_none());
        let added = added.map(|(name, value)| (name, None, Some(value)));
        for (name, one, two) in names.chain(added) {
            if let Some(found) = descend(name.into_owned(), (one, two)) {
                return Some(found);
            }
        }
    }
    if one.is_array() && two.is_array() {
        for at in 0..one.len().max(two.len()) {
            if let Some(found) = descend(at.to_string(), (one.element(at), two.element(at))) {
                return Some(found);
            }
        }
    }
    Some((Some(one), Some(two)))
}

/// What stands for a value that is not there.
pub(super) fn or_nothing(value: &str) -> &str {
    if value.is_empty() { "nothing" } else { value }
}

impl Miss {
    /// Says why there is no answer, as far as that needs no other call.
    pub(super) fn why(&self) -> String {
        let times = |times: usize| match times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let text = match &self.difference {
            Difference::Lost => "it was recorded without its answer",
            Difference::Unreadable(why) => return format!("its answer cannot be read: {why}"),
            Difference::Repeated { times: recorded } => {
                return format!("it was recorded {}, and has been answered as often", times(*recorded));
            }
            Difference::Departed => {
                "it was recorded under other selections or properties than the upstream has now"
            }
            Difference::State { times: recorded, recorded_after } => {
                let here = match recorded {
                    0 => "it was not recorded in this state".to_owned(),
                    recorded => format!("it was recorded only {} in this state", times(*recorded)),
                };
                return match recorded_after {
                    Some(write) => format!("{here}, but after {write}"),
                    None => format!("{here}, but before anything was selected or set"),
                };
            }
            Difference::Method => "the method was not recorded, only others of that object",
            _ => "nothing like it was recorded",
        };
        text.to_owned()
    }
}

/// One line, without the request's secrets.
impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; ", self.key)?;
        match (&self.difference, &self.nearest) {
            (Difference::Method, Some(nearest)) => write!(f, "{}, such as {nearest}", self.why())?,
            (Difference::Object, Some(nearest)) => {
                write!(f, "nearest recorded call: {nearest}, another object")?;
            }
            (Difference::Parameter { path, recorded, live }, Some(nearest)) => {
                write!(f, "nearest recorded call: {nearest}, ")?;
                let (recorded, live) = (or_nothing(recorded), or_nothing(live));
                match path.as_str() {
                    "" => write!(f, "whose parameters go on with {recorded} instead of {live}")?,
                    path => write!(f, "with {recorded} instead of {live} at {path}")?,
                }
            }
            _ => f.write_str(&self.why())?,
        }
        match &self.upstream {
            Some(Err(error)) => write!(f, "; upstream: {error}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use qix_protocol::{Lineage, frame::Raw};

    use super::*;

    fn key(method: &str, params: &str) -> Key {
        let doc = Lineage::GLOBAL.child("OpenDoc", Raw::new(br#"["Sales"]"#).ok(), 0, "Doc");
        Key { lineage: doc, method: method.into(), params: params.into() }
    }

    fn place(method: &str, recorded: &str, live: &str) -> (String, String, String) {
        match Miss::new(key(method, live), Some(key(method, recorded))).difference {
            Difference::Parameter { path, recorded, live } => (path, recorded, live),
            other => panic!("{other:?}"),
        }
    }

    fn triple(path: &str, recorded: &str, live: &str) -> (String, String, String) {
        (path.to_owned(), recorded.to_owned(), live.to_owned())
    }

    #[test]
    fn differing_parameter_is_named_with_the_way_inside_it() {
        assert_eq!(place("GetObject", r#"["a"]"#, r#"["b"]"#), triple("/qId", "\"a\"", "\"b\""));
        let cube = |id: &str, width| format!(r#"[{{"qDef":{{"w":[1,{width}]}},"qInfo":{{"qId":"{id}"}}}}]"#);
        assert_eq!(
            place("CreateSessionObject", &cube("x", 2), &cube("y", 2)),
            triple("/qProp/qInfo/qId", "\"x\"", "\"y\"")
        );
        assert_eq!(
            place("CreateSessionObject", &cube("x", 2), &cube("x", 3)),
            triple("/qProp/qDef/w/1", "2", "3")
        );
    }

    #[test]
    fn what_is_on_one_side_only_differs_from_nothing() {
        assert_eq!(place("Mine", r#"["a"]"#, r#"["a",{"b":1}]"#), triple("/1", "", r#"{"b":1}"#));
        assert_eq!(place("Mine", r#"{"a/b":1,"c":2}"#, r#"{"c":2}"#), triple("/a~1b", "1", ""));
        assert_eq!(place("Mine", "[1]", r#"{"a":1}"#), triple("", "[1]", r#"{"a":1}"#));
    }

    #[test]
    fn parameters_that_are_no_json_differ_where_their_texts_do() {
        assert_eq!(place("Mine", "[1, é2]", "[1, é3]"), triple("", "2]", "3]"));
    }

    #[test]
    fn each_difference_reads_as_a_sentence() {
        let miss = |difference| Miss::of(key("GetObject", r#"["b"]"#), difference).to_string();
        let cleared = Some(Box::new(key("ClearAll", "[]")));
        for (difference, says) in [
            (Difference::Nothing, "nothing like it was recorded"),
            (Difference::Lost, "it was recorded without its answer"),
            (Difference::Repeated { times: 1 }, "it was recorded once, and has been answered as often"),
            (Difference::Repeated { times: 3 }, "it was recorded 3 times, and has been answered as often"),
            (
                Difference::State { times: 1, recorded_after: cleared },
                "it was recorded only once in this state, but after ClearAll() on OpenDoc(\"Sales\")",
            ),
            (
                Difference::State { times: 0, recorded_after: None },
                "it was not recorded in this state, but before anything was selected or set",
            ),
        ] {
            assert_eq!(miss(difference), format!("GetObject(\"b\") on OpenDoc(\"Sales\"); {says}"));
        }
        let near = Miss::new(key("GetObject", r#"["b"]"#), Some(key("GetObject", r#"["a"]"#)));
        assert!(near.to_string().ends_with(r#", with "a" instead of "b" at /qId"#), "{near}");
    }
}
