//! Methods of the engine: what they are called, take and return.

use serde::{Serialize, Serializer};

use super::{Member, class::Class};

/// A method of the engine. Generated for each method of the schema; others are called by name.
pub trait Method {
    /// What is known of the method.
    const INFO: &'static MethodInfo;
    /// The name on the wire, without its class.
    const NAME: &'static str = Self::INFO.name;
    /// The class whose objects have it.
    type Class: Class;
    /// What it takes. Written as an array without trailing optional parameters that are not given, or as an object if one is
    /// given after one that is not.
    type Params<'a>: Serialize;
    /// What it returns: all out members.
    type Output: super::Object + Member + for<'de> serde::Deserialize<'de> + Serialize;
}

/// What is known of a method.
#[derive(Debug, Eq, PartialEq)]
pub struct MethodInfo {
    /// The class, such as `GenericObject`.
    pub class: &'static str,
    /// The name on the wire, without its class.
    pub name: &'static str,
    /// How firm its interface is.
    pub stability: Stability,
    /// Whether its use is discouraged.
    pub deprecated: bool,
    /// The parameters, in order.
    pub params: &'static [ParamInfo],
    /// The wire names of the out members.
    pub outs: &'static [&'static str],
}

/// What is known of a parameter.
#[derive(Debug, Eq, PartialEq)]
pub struct ParamInfo {
    /// The wire name.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// The kind of JSON value.
    pub kind: Kind,
}

/// The kinds of JSON values that parameters have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A number without fraction.
    Integer,
    /// A number.
    Number,
    /// A text; enumerations too.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// How firm the interface of a method is, as the engine's document says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stability {
    /// Will not change.
    Locked,
    /// Changes only with notice.
    Stable,
    /// May change at any time.
    Experimental,
}

/// The parameters of a method that has none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NoParams;

impl Serialize for NoParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq([(); 0])
    }
}

super::object! {
    /// The result of a method that returns nothing.
    pub struct NoOutput {}
}

/// Declares the parameters of a method, in order, `required` or `optional`.
macro_rules! params {
    ($(#[$meta:meta])* pub struct $name:ident $(<$life:lifetime>)? {
        $($(#[$field_meta:meta])* $need:ident $field:ident: $type:ty = $wire:literal),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_meta])* pub $field: params!(@type $need $type),)*
        }

        params!(@new $name [$($life)?] [] [] $($need $field $type;)*);

        impl $(<$life>)? serde::Serialize for $name $(<$life>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let given = [$(params!(@given $need self.$field)),*];
                let count = given.iter().rposition(|given| *given).map_or(0, |last| last + 1);
                let mut at = 0..;
                if given[..count].iter().all(|given| *given) {
                    let mut array = serializer.serialize_seq(Some(count))?;
                    $(if at.next() < Some(count) {
                        serde::ser::SerializeSeq::serialize_element(&mut array, &self.$field)?;
                    })*
                    serde::ser::SerializeSeq::end(array)
                } else {
                    let mut object = serializer.serialize_map(None)?;
                    $(if at.next().is_some_and(|at: usize| given[at]) {
                        serde::ser::SerializeMap::serialize_entry(&mut object, $wire, &self.$field)?;
                    })*
                    serde::ser::SerializeMap::end(object)
                }
            }
        }
    };
    (@type required $type:ty) => { $type };
    (@type optional $type:ty) => { Option<$type> };
    (@given required $field:expr) => { true };
    (@given optional $field:expr) => { $field.is_some() };
    (@new $name:ident [$($life:lifetime)?] [] [$($rest:ident)*]) => {
        impl $(<$life>)? $name $(<$life>)? {
            /// Returns no parameters: all are optional.
            pub const fn new() -> Self {
                Self { $($rest: None,)* }
            }
        }

        impl $(<$life>)? Default for $name $(<$life>)? {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@new $name:ident [$($life:lifetime)?] [$($arg:ident: $arg_type:ty,)*] [$($rest:ident)*]) => {
        impl $(<$life>)? $name $(<$life>)? {
            /// Returns the parameters that must be given; optional ones are left out.
            #[allow(clippy::too_many_arguments, reason = "some methods take that many")]
            pub const fn new($($arg: $arg_type),*) -> Self {
                Self { $($arg,)* $($rest: None,)* }
            }
        }
    };
    (@new $name:ident $life:tt [$($args:tt)*] $rest:tt required $field:ident $type:ty; $($more:tt)*) => {
        params!(@new $name $life [$($args)* $field: $type,] $rest $($more)*);
    };
    (@new $name:ident $life:tt $args:tt [$($rest:ident)*] optional $field:ident $type:ty; $($more:tt)*) => {
        params!(@new $name $life $args [$($rest)* $field] $($more)*);
    };
}

pub(crate) use params;
