//! The plainest patcher that keeps the rules, to compare the real one with: values are owned, every step is spelt out.

use proptest::prelude::*;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    Text(String),
    List(Vec<Plain>),
    Map(Vec<(String, Plain)>),
}

/// What a patch does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Add,
    Replace,
    Remove,
}

impl Plain {
    /// Returns some value, nested a little.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let text = prop_oneof![
            r#""[a-z]{0,30}""#,
            Just(r#""\u00e9\/\ud800""#.to_owned()),
            "-?[1-9][0-9]{0,3}",
            "0[.]5|1[.]0|1e[+]300|1e400|-0",
            "null|true|false"
        ];
        text.prop_map(Self::Text).prop_recursive(4, 40, 6, |inner| {
            let maps = prop::collection::btree_map(
                "[a-d0-2~/é-]|~[01]|a name that is a good deal longer",
                inner.clone(),
                0..5,
            );
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Self::List),
                maps.prop_map(|members| Self::Map(members.into_iter().collect())),
            ]
        })
    }

    /// Writes the value.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(elements) => {
                let elements: Vec<_> = elements.iter().map(Self::text).collect();
                format!("[{}]", elements.join(","))
            }
            Self::Map(members) => {
                let member = |(name, value): &(String, Self)| format!("\"{name}\":{}", value.text());
                let members: Vec<_> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    /// Follows the choices into the value and returns a path, which may lead past its end.
    pub(super) fn path(&self, choices: &[u8]) -> Vec<String> {
        let Some((choice, rest)) = choices.split_first() else { return Vec::new() };
        let choice = usize::from(*choice);
        let mut path = Vec::new();
        match self {
            Self::List(elements) => {
                let index = choice % (elements.len() + 2);
                path.push(if index > elements.len() && choice > 200 {
                    "-".to_owned()
                } else {
                    index.to_string()
                });
                path.extend(
                    elements.get(index).map(|element| element.path(rest)).unwrap_or_else(|| new_path(rest)),
                );
            }
            Self::Map(members) => match members.get(choice % (members.len() + 1)) {
                Some((name, value)) => {
                    path.push(name.clone());
                    path.extend(value.path(rest));
                }
                None => {
                    path.push("new".to_owned());
                    path.extend(new_path(rest));
                }
            },
            Self::Text(_) if choice > 240 => path.push("x".to_owned()),
            Self::Text(_) => {}
        }
        path
    }

    /// Does what a patch says, or returns `None` if it cannot be done.
    pub(super) fn patch(&mut self, op: Op, path: &[String], value: Self) -> Option<()> {
        let Some((part, rest)) = path.split_first() else {
            *self = if let Op::Remove = op { Self::Text("null".to_owned()) } else { value };
            return Some(());
        };
        if !rest.is_empty() {
            return self.child(op, part, &rest[0])?.patch(op, rest, value);
        }
        match (self, op) {
            (Self::Map(members), Op::Remove) => {
                if let Some(place) = place(members, part) {
                    members.remove(place);
                }
            }
            (Self::Map(members), _) => match place(members, part) {
                Some(place) => members[place].1 = value,
                None => members.push((part.clone(), value)),
            },
            (Self::List(elements), Op::Remove) => {
                let index = part.parse().ok().filter(|index| *index < elements.len())?;
                elements.remove(index);
            }
            (Self::List(elements), _) => {
                let index = if part == "-" { elements.len() } else { part.parse().ok()? };
                if index > elements.len() {
                    return None;
                }
                if matches!(op, Op::Replace) && index < elements.len() {
                    elements.remove(index);
                }
                elements.insert(index, value);
            }
            (Self::Text(_), _) => return None,
        }
        Some(())
    }

    fn child(&mut self, op: Op, part: &str, following: &str) -> Option<&mut Self> {
        let makes = !matches!(op, Op::Remove);
        let made =
            if following.parse::<usize>().is_ok() { Self::List(Vec::new()) } else { Self::Map(Vec::new()) };
        match self {
            Self::Map(members) => {
                if makes && place(members, part).is_none() {
                    members.push((part.to_owned(), made));
                }
                place(members, part).map(|place| &mut members[place].1)
            }
            Self::List(elements) => {
                let index = part.parse::<usize>().ok()?;
                if makes && index == elements.len() {
                    elements.push(made);
                }
                elements.get_mut(index)
            }
            Self::Text(_) => None,
        }
    }

    /// Takes out what is at a path.
    pub(super) fn at(&self, path: &[String]) -> Option<&Self> {
        let Some((part, rest)) = path.split_first() else { return Some(self) };
        match self {
            Self::Map(members) => place(members, part).and_then(|place| members[place].1.at(rest)),
            Self::List(elements) => elements.get(part.parse::<usize>().ok()?)?.at(rest),
            Self::Text(_) => None,
        }
    }
}

fn new_path(choices: &[u8]) -> Vec<String> {
    choices
        .iter()
        .take(2)
        .map(|choice| if choice % 2 == 0 { "0".to_owned() } else { "made".to_owned() })
        .collect()
}

fn place(members: &[(String, Plain)], part: &str) -> Option<usize> {
    let find = |part: &str| members.iter().position(|(name, _)| name == part);
    let unescaped = part.replace("~1", "/").replace("~0", "~");
    find(part).or_else(|| find(&unescaped))
}
