//! What awaiting a call returns.

use std::{fmt, marker::PhantomData};

use qix_protocol::{
    Answer, ObjectReference, Tree,
    schema::{Method, Object as _},
};
use serde::{
    Deserialize,
    de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use crate::{Error, ErrorKind, Object, request::Request};

/// How the answer to a call becomes what awaiting it returns; implemented for each method of the schema.
///
/// Nothing for methods that return nothing, the value for those with one out member, all of them for the others, and references
/// as objects.
pub trait Returns: 'static {
    /// What awaiting returns.
    type Result;

    /// Whether it is an object.
    #[doc(hidden)]
    const OPENS: bool = false;

    #[doc(hidden)]
    fn read(answer: Answer, context: Context<'_>) -> Result<Self::Result, Error>;
}

/// What is known of the call when its answer is read.
#[doc(hidden)]
pub struct Context<'a> {
    /// The request, if what it returns is an object.
    pub(crate) request: Option<&'a Request>,
    /// The wire names of the out members, if the method is known.
    pub(crate) outs: Option<&'static [&'static str]>,
}

/// The result as any type that can be deserialised: see [`Call::call_into`](crate::Call::call_into).
pub struct As<R>(PhantomData<fn() -> R>);

/// The answer as it came: see [`Call::raw`](crate::Call::raw).
#[derive(Debug)]
pub struct Untouched;

/// The result as a dynamic value: see [`Call::value`](crate::Call::value).
#[derive(Debug)]
pub struct Dynamic;

/// An object that a method opened, and the other things it returned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened<O, R> {
    /// The object.
    pub object: O,
    /// All out members.
    pub output: R,
}

impl<R: DeserializeOwned + 'static> Returns for As<R> {
    type Result = R;

    fn read(answer: Answer, context: Context<'_>) -> Result<R, Error> {
        let decoded = match context.outs {
            Some([one]) => match answer.tree() {
                None => {
                    let text = answer.text();
                    let mut json = serde_json::Deserializer::from_slice(&text);
                    One { name: one, value: PhantomData }.deserialize(&mut json)
                }
                Some(tree) => match tree.member(one) {
                    Some(value) => value.decode(),
                    None => Err(de::Error::missing_field(one)),
                },
            },
            _ => answer.decode(),
        };
        decoded.map_err(unreadable)
    }
}

impl Returns for Untouched {
    type Result = Answer;

    fn read(answer: Answer, _: Context<'_>) -> Result<Answer, Error> {
        Ok(answer)
    }
}

impl Returns for Dynamic {
    type Result = Tree;

    fn read(answer: Answer, context: Context<'_>) -> Result<Tree, Error> {
        let outs = match answer.tree() {
            Some(tree) => tree.clone(),
            None => {
                Tree::parse(&answer.text()).map_err(|error| Error::because(ErrorKind::Protocol, error))?
            }
        };
        match context.outs {
            Some([one]) => outs.member(one).cloned().ok_or_else(|| unreadable(de::Error::missing_field(one))),
            _ => Ok(outs),
        }
    }
}

impl<'a> Context<'a> {
    /// Decodes all out members. One that is there and of another type than the schema says is no answer to go on with.
    pub(crate) fn output<M: Method>(answer: &Answer) -> Result<M::Output, Error> {
        let output = answer.output::<M>().map_err(unreadable)?;
        match M::INFO
            .outs
            .iter()
            .find(|name| output.extra().get(name).is_some_and(|misfit| misfit.as_str() != "null"))
        {
            Some(name) => {
                Err(unreadable(de::Error::custom(format_args!("{name} has another type than expected"))))
            }
            None => Ok(output),
        }
    }

    /// Wraps the object that the call has opened; `id` is what it is known by if the reference does not say.
    pub(crate) fn object<O: From<Object>>(
        &self,
        mut reference: ObjectReference,
        answer: &Answer,
        id: Option<&str>,
    ) -> Result<O, Error> {
        if reference.generic_id.as_deref().is_none_or(str::is_empty) {
            reference.generic_id = id.map(str::to_owned);
        }
        let request = self.request.ok_or_else(|| Error::new(ErrorKind::Protocol))?;
        Object::opened(request, reference, answer.lineage()).map(O::from)
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::because(ErrorKind::Protocol, error)
}

/// Reads one member of an object.
struct One<R> {
    name: &'static str,
    value: PhantomData<R>,
}

impl<'de, R: Deserialize<'de>> DeserializeSeed<'de> for One<R> {
    type Value = R;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<R, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Deserialize<'de>> Visitor<'de> for One<R> {
    type Value = R;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the member {}", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<R, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if name == self.name {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.ok_or_else(|| de::Error::missing_field(self.name))
    }
}
