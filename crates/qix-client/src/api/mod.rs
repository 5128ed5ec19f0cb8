//! The engine's objects, typed. Their methods are generated from the schema.

#[path = "gen/mod.rs"]
mod generated;

use std::ops::Deref;

use crate::{Object, Session};

/// Declares the objects of classes.
macro_rules! objects {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {$(
        $(#[$meta])*
        ///
        /// Cheap to clone; clones are equal, and so are all that were made from one handle.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub struct $name(Object);

        impl From<Object> for $name {
            /// Takes the object for one of this class, whatever [`Object::kind`] says.
            fn from(object: Object) -> Self {
                Self(object)
            }
        }

        impl From<$name> for Object {
            fn from(object: $name) -> Self {
                object.0
            }
        }

        impl Deref for $name {
            type Target = Object;

            fn deref(&self) -> &Object {
                &self.0
            }
        }
    )*};
}

objects! {
    /// An open app.
    Doc,
    /// A field of an app's data, in one state of selections.
    Field,
    /// A bookmark.
    GenericBookmark,
    /// A dimension of an app's library.
    GenericDimension,
    /// A measure of an app's library.
    GenericMeasure,
    /// A sheet, chart, list or anything else with properties and a layout.
    GenericObject,
    /// A variable.
    GenericVariable,
    /// The engine itself: its version, its apps.
    Global,
    /// A variable, in the deprecated interface.
    Variable,
}

impl Global {
    pub(crate) fn of(session: Session) -> Self {
        Self(Object::global(session))
    }
}

/// Says what awaiting the calls of methods returns.
macro_rules! results {
    ($($method:ty => { $form:ident $($rest:tt)* })*) => {$(
        impl Returns for $method {
            results!(@$form $method, $($rest)*);
        }
    )*};
    (@nothing $method:ty,) => {
        type Result = ();

        fn read(_: Answer, _: Context<'_>) -> Result<(), Error> {
            Ok(())
        }
    };
    (@value $method:ty, $field:ident: $value:ty) => {
        type Result = $value;

        fn read(answer: Answer, _: Context<'_>) -> Result<Self::Result, Error> {
            Ok(Context::output::<Self>(&answer)?.$field)
        }
    };
    (@all $method:ty, $output:ty) => {
        type Result = $output;

        fn read(answer: Answer, _: Context<'_>) -> Result<Self::Result, Error> {
            Context::output::<Self>(&answer)
        }
    };
    (@object $method:ty, $field:ident: $object:ty) => {
        type Result = $object;

        const OPENS: bool = true;

        fn read(answer: Answer, context: Context<'_>) -> Result<Self::Result, Error> {
            context.object(Context::output::<Self>(&answer)?.$field.object, &answer, None)
        }
    };
    (@opened $method:ty, $field:ident: $object:ident in $module:ident::$output:ident $(known by $id:ident)?) => {
        type Result = Opened<$object, $module::$output>;

        const OPENS: bool = true;

        fn read(answer: Answer, context: Context<'_>) -> Result<Self::Result, Error> {
            let output = Context::output::<Self>(&answer)?;
            #[allow(unused_mut, unused_assignments, reason = "few references have their id beside them")]
            let mut id = None;
            $(id = Some(output.$id.as_str());)?
            let object = context.object(output.$field.object.clone(), &answer, id)?;
            Ok(Opened { object, output })
        }
    };
}

use results;

/// What generated code is made of.
mod prelude {
    pub(super) use qix_protocol::{
        Answer, RequestId,
        schema::{
            self as types, Double, doc, field, generic_bookmark, generic_dimension, generic_measure,
            generic_object, generic_variable, global, variable,
        },
    };
    pub(super) use serde::Serialize;

    pub(super) use super::{
        Doc, Field, GenericBookmark, GenericDimension, GenericMeasure, GenericObject, GenericVariable,
        Global, Variable, results,
    };
    pub(super) use crate::{
        Call, Error,
        returns::{Context, Opened, Returns},
    };
}
