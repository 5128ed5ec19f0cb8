//! What all tables of named numbers have in common.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// Gives a newtype over `i32` its constants, their names on the wire, and the reading and writing of both.
///
/// The table is `number NAME`, in ascending order, each line with a doc comment if there is more to say than its name.
macro_rules! code_table {
    ($type:ident, $prefix:literal; $($(#[$doc:meta])* $number:literal $name:ident)+) => {
        impl $type {
            $(
                $(#[$doc])*
                #[doc = concat!("`", $prefix, stringify!($name), "`, ", $number, ".")]
                pub const $name: Self = Self($number);
            )+

            /// All that have a name, in ascending order.
            const NAMES: &'static [(i32, &'static str)] =
                &[$(($number, concat!($prefix, stringify!($name)))),+];

            /// Wraps a number; any is kept.
            pub const fn new(code: i32) -> Self {
                Self(code)
            }

            /// Returns the number.
            pub const fn get(self) -> i32 {
                self.0
            }

            #[doc = concat!("Returns the name in Qlik's schema, with its prefix `", $prefix, "`.")]
            pub fn name(self) -> Option<&'static str> {
                let found = Self::NAMES.binary_search_by_key(&self.0, |(code, _)| *code).ok()?;
                Some(Self::NAMES[found].1)
            }

            #[doc = concat!("Finds the code of that name; the prefix `", $prefix, "` may be left out.")]
            pub fn from_name(name: &str) -> Option<Self> {
                let bare = name.strip_prefix($prefix).unwrap_or(name);
                let found = Self::NAMES.iter().find(|(_, full)| full[$prefix.len()..] == *bare)?;
                Some(Self(found.0))
            }
        }

        /// Writes the number, and the name without its prefix if there is one.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{} ({})", self.0, &name[$prefix.len()..]),
                    None => write!(f, "{}", self.0),
                }
            }
        }

        /// Writes the number.
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i32(self.0)
            }
        }

        /// Reads a number, which may be written `3.0`, or a name.
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let code_of = |name: &str| Self::from_name(name).map(Self::get);
                $crate::code::table::read(deserializer, code_of).map(Self)
            }
        }
    };
}

pub(super) use code_table;

/// Reads a code by number or, with the help of `code_of`, by name.
///
/// The schema declares codes in layouts as enums of strings, while engines write numbers (`NxLocalizedErrorCode`).
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    code_of: impl Fn(&str) -> Option<i32>,
) -> Result<i32, D::Error> {
    deserializer.deserialize_any(CodeVisitor(code_of))
}

struct CodeVisitor<F>(F);

impl<F: Fn(&str) -> Option<i32>> Visitor<'_> for CodeVisitor<F> {
    type Value = i32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number or the name of a code")
    }

    fn visit_i64<E: Error>(self, code: i64) -> Result<i32, E> {
        i32::try_from(code).map_err(|_| E::invalid_value(Unexpected::Signed(code), &self))
    }

    fn visit_u64<E: Error>(self, code: u64) -> Result<i32, E> {
        i32::try_from(code).map_err(|_| E::invalid_value(Unexpected::Unsigned(code), &self))
    }

    fn visit_f64<E: Error>(self, code: f64) -> Result<i32, E> {
        let whole = code as i32;
        if f64::from(whole) == code {
            Ok(whole)
        } else {
            Err(E::invalid_value(Unexpected::Float(code), &self))
        }
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<i32, E> {
        (self.0)(name).ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
    }
}
