//! A request that the recording cannot answer, and why.

use std::fmt;

use qix_protocol::{Lineage, Tree, schema};

use super::{Key, key::shortened};

/// A request that the recording cannot answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Miss {
    /// The request.
    pub key: Key,
    /// The recorded request that is most like it, if any is.
    pub nearest: Option<Key>,
    /// How the request differs from that one, or why it has no answer.
    pub difference: Difference,
}

/// How a request differs from the nearest recorded one, or why it has no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Difference {
    /// Nothing like it was recorded.
    Nothing,
    /// The method was recorded, but of another object.
    Object {
        /// The recorded object.
        recorded: Lineage,
        /// The object that was asked.
        live: Lineage,
    },
    /// The object is known, but only other methods of it.
    Method {
        /// One of those.
        recorded: Box<str>,
        /// The method that was called.
        live: Box<str>,
    },
    /// Object and method are known, but with other parameters.
    Parameter {
        /// The first parameter that differs: its name, or its position, from 0, if the schema does not know it.
        name: String,
        /// Where in it the first difference is, as a JSON pointer; empty if all of it differs.
        path: String,
        /// What was recorded there, cut to what fits a line; empty if there was nothing.
        recorded: String,
        /// What was said there, cut alike.
        live: String,
    },
    /// The request was recorded, but is asked for more often than it was in this state of the session.
    State {
        /// How often it was recorded in this state.
        times: usize,
        /// The latest write before the recorded call that is left, if there was one.
        recorded_after: Option<Key>,
    },
    /// The request is made more often than it was recorded.
    Repeated {
        /// How often it was recorded.
        times: usize,
    },
    /// The request was recorded, but not its answer.
    Lost,
    /// The request was recorded, but its answer cannot be read any more.
    Unreadable(String),
}

impl Miss {
    /// Makes the miss of a call that was recorded.
    pub(super) fn of(key: Key, difference: Difference) -> Self {
        Self { key, nearest: None, difference }
    }
}

impl Difference {
    /// Compares a request with a recorded one.
    pub(super) fn between(live: &Key, recorded: &Key) -> Self {
        if live.method != recorded.method {
            return Self::Method { recorded: recorded.method.clone(), live: live.method.clone() };
        }
        if live.lineage != recorded.lineage {
            return Self::Object { recorded: recorded.lineage.clone(), live: live.lineage.clone() };
        }
        let whole = |live: &str, recorded: &str| Self::Parameter {
            name: String::new(),
            path: String::new(),
            recorded: shortened(recorded),
            live: shortened(live),
        };
        let trees = (Tree::parse(live.params.as_bytes()), Tree::parse(recorded.params.as_bytes()));
        let (Ok(said), Ok(known)) = trees else { return whole(&live.params, &recorded.params) };
        let mut steps = Vec::new();
        let Some((one, other)) = first_difference(Some(&said), Some(&known), &mut steps) else {
            return whole(&live.params, &recorded.params);
        };
        let mut steps = steps.into_iter();
        let first = steps.next().unwrap_or_default();
        let params = schema::method(live.lineage.class(), &live.method).map_or(&[][..], |info| info.params);
        let by_position = first.parse().ok().filter(|_| said.is_array()).and_then(|at: usize| params.get(at));
        let escaped = |step: String| format!("/{}", step.replace('~', "~0").replace('/', "~1"));
        let shown =
            |value: Option<&Tree>| value.map(|value| shortened(&value.to_string())).unwrap_or_default();
        Self::Parameter {
            name: by_position.map_or(first, |param| param.name.to_owned()),
            path: steps.map(escaped).collect(),
            live: shown(one),
            recorded: shown(other),
        }
    }
}

/// Returns the first values that differ, and the way to them.
fn first_difference<'t>(
    one: Option<&'t Tree>,
    other: Option<&'t Tree>,
    steps: &mut Vec<String>,
) -> Option<(Option<&'t Tree>, Option<&'t Tree>)> {
    let (Some(a), Some(b)) = (one, other) else { return Some((one, other)) };
    if a == b {
        return None;
    }
    if a.is_array() && b.is_array() {
        for at in 0..a.len().max(b.len()) {
            steps.push(at.to_string());
            let found = first_difference(a.element(at), b.element(at), steps);
            if found.is_some() {
                return found;
            }
            steps.pop();
        }
    }
    if a.is_object() && b.is_object() {
        let new = b.members().filter(|(name, _)| a.member(name).is_none());
        for (name, _) in a.members().chain(new) {
            steps.push(name.to_string());
            let found = first_difference(a.member(&name), b.member(&name), steps);
            if found.is_some() {
                return found;
            }
            steps.pop();
        }
    }
    Some((one, other))
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        let times = |times: &usize| match times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        match (&self.difference, &self.nearest) {
            (Difference::Lost, _) => f.write_str("; it was recorded without its answer"),
            (Difference::Unreadable(why), _) => write!(f, "; its answer cannot be read: {why}"),
            (Difference::Repeated { times: recorded }, _) => {
                write!(f, "; it was recorded only {}", times(recorded))
            }
            (Difference::State { times: recorded, recorded_after }, _) => {
                match recorded {
                    0 => write!(f, "; it was not recorded in this state")?,
                    recorded => write!(f, "; it was recorded only {} in this state", times(recorded))?,
                }
                match recorded_after {
                    Some(write) => write!(f, ", but after {write}"),
                    None => f.write_str(", but before anything was selected or set"),
                }
            }
            (_, None) => f.write_str("; nothing like it was recorded"),
            (Difference::Method { .. }, Some(nearest)) => {
                write!(f, "; the method was not recorded, only others of that object, such as {nearest}")
            }
            (Difference::Object { .. }, Some(nearest)) => {
                write!(f, "; nearest recorded call: {nearest}, another object")
            }
            (_, Some(nearest)) => {
                write!(f, "; nearest recorded call: {nearest}")?;
                let at =
                    self.key.params.bytes().zip(nearest.params.bytes()).take_while(|(a, b)| a == b).count();
                let tail = |params: &str| {
                    let start = (0..=at).rev().find(|at| params.is_char_boundary(*at)).unwrap_or(0);
                    shortened(&params[start.min(params.len())..])
                };
                write!(
                    f,
                    ", whose parameters go on with {} instead of {}",
                    tail(&nearest.params),
                    tail(&self.key.params)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(method: &str, params: &str) -> Key {
        let lineage = Lineage::GLOBAL.child("OpenDoc", None, 0, "Doc");
        Key { lineage, method: method.into(), params: params.into() }
    }

    #[test]
    fn difference_names_the_parameter_and_the_place_in_it() {
        let between = |method: &str, live: &str, recorded: &str| {
            let Difference::Parameter { name, path, recorded, live } =
                Difference::between(&key(method, live), &key(method, recorded))
            else {
                panic!("{live}")
            };
            [name, path, recorded, live]
        };
        assert_eq!(between("GetObject", r#"["bb"]"#, r#"["b"]"#), ["qId", "", r#""b""#, r#""bb""#]);
        assert_eq!(
            between("CreateSessionObject", r#"[{"a":{"b/c":[1,2]}}]"#, r#"[{"a":{"b/c":[1,3]}}]"#),
            ["qProp", "/a/b~1c/1", "3", "2"]
        );
        assert_eq!(between("Unknown", r#"["a"]"#, r#"["a",1]"#), ["1", "", "1", ""]);
        assert_eq!(between("Unknown", r#"{"qX":{"a":1}}"#, r#"{"qX":{}}"#), ["qX", "/a", "", "1"]);
    }
}
