//! What awaiting a call returns.

use std::marker::PhantomData;

use qix_protocol::{
    Answer, ObjectReference, Tree,
    schema::{Method, Object as _},
};
use serde::de::{self, DeserializeOwned};

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
            Some([one]) => answer.decode_member(one),
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
        Object::opened(request, reference, answer).map(O::from)
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::because(ErrorKind::Protocol, error)
}
