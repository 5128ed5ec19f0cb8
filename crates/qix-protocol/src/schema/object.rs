//! Objects of the schema: tolerant to read, and written as they were read.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer, Serializer,
    de::{DeserializeSeed, MapAccess, Visitor},
    ser::SerializeMap,
};

use super::{
    Cursor, Extra, Json,
    extra::Slot,
    member::{Fill, Member},
};
use crate::scan::Fault;

/// An object type of the schema. `object!` implements it.
///
/// Missing members are defaults, unknown ones go to [`Extra`], and a member is written if it was read or is no default.
pub trait Object: Default + PartialEq + Fields {
    /// The wire names of the fields, in the order of declaration.
    const FIELDS: &'static [&'static str];

    /// Returns the number of the field with this wire name.
    #[doc(hidden)]
    fn field(name: &str) -> Option<usize>;

    /// Reads the value of a field; returns it if it does not fit.
    #[doc(hidden)]
    fn read_field<'de, A: MapAccess<'de>>(
        &mut self,
        field: usize,
        map: &mut A,
    ) -> Result<Option<Json>, A::Error>;

    /// Writes a field if `always` or if it is no default; returns whether it did.
    #[doc(hidden)]
    fn write_field<M: SerializeMap>(&self, field: usize, always: bool, map: &mut M)
    -> Result<bool, M::Error>;

    /// Returns the members that are no fields.
    fn extra(&self) -> &Extra;

    /// Returns the members that are no fields, for change.
    fn extra_mut(&mut self) -> &mut Extra;
}

/// What reading text needs of an object, so that the reader is compiled once and not for each type.
#[doc(hidden)]
pub trait Fields {
    /// Returns [`Object::FIELDS`].
    fn names(&self) -> &'static [&'static str];

    /// Returns the number of the field with this wire name.
    fn field_named(&self, name: &str) -> Option<usize>;

    /// Reads the value of a field; returns it if it does not fit.
    fn read_field_text(&mut self, field: usize, text: &mut Cursor<'_>) -> Result<Option<Json>, Fault>;

    /// Makes a field its default: of a repeated member the last counts.
    fn reset_field(&mut self, field: usize);

    /// Sets the members that are no fields.
    fn set_extra(&mut self, extra: Extra);
}

/// Reads the members of an object.
pub(crate) fn read<'de, T: Object, A: MapAccess<'de>>(object: &mut T, mut map: A) -> Result<(), A::Error> {
    // Members mostly come in the order of declaration, so the next name is mostly known before it is read.
    let mut next = 0;
    while let Some(name) = map.next_key_seed(Name::<T> { next, object: PhantomData })? {
        match name {
            Found::Field(field) => {
                next = field + 1;
                if object.extra().was_read(field) {
                    object.reset_field(field);
                }
                match object.read_field(field, &mut map)? {
                    None => object.extra_mut().note(field),
                    Some(misfit) => object.extra_mut().push_misfit(field, T::FIELDS[field], misfit),
                }
            }
            Found::Other(name) => {
                let value = map.next_value()?;
                object.extra_mut().push(name, value);
            }
        }
    }
    Ok(())
}

/// Writes an object: what was read in its order, then what was set.
pub(crate) fn write<T: Object, S: Serializer>(object: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    let extra = object.extra();
    let mut written = 0u64;
    for slot in extra.slots(T::FIELDS.len()) {
        let (field, other) = match slot {
            Slot::Field(field) => (Some(field), None),
            Slot::Other(name, value) => (T::field(name), Some((name, value))),
        };
        let done = match field {
            Some(field) if written & (1 << field) != 0 => continue,
            Some(field) => {
                // What is among the others under the name of a field takes the place of its default.
                let always =
                    other.is_none() && extra.was_read(field) && extra.get(T::FIELDS[field]).is_none();
                let done = object.write_field(field, always, &mut map)?;
                written |= u64::from(done) << field;
                done
            }
            None => false,
        };
        if let (false, Some((name, value))) = (done, other) {
            map.serialize_entry(name, value)?;
        }
    }
    map.end()
}

/// Writes a member if `always` or if it is no default; returns whether it did.
pub(crate) fn write_member<T: Member, M: SerializeMap>(
    name: &'static str,
    value: &T,
    default: &T,
    always: bool,
    map: &mut M,
) -> Result<bool, M::Error> {
    let write = value != default || always && !value.is_absent();
    if write {
        map.serialize_entry(name, value)?;
    }
    Ok(write)
}

/// Reads the value of a field.
pub(crate) fn read_member<'de, T: Member, A: MapAccess<'de>>(
    member: &mut T,
    map: &mut A,
) -> Result<Option<Json>, A::Error> {
    map.next_value_seed(Fill(member))
}

enum Found {
    Field(usize),
    Other(Box<str>),
}

struct Name<T> {
    next: usize,
    object: PhantomData<T>,
}

impl<'de, T: Object> DeserializeSeed<'de> for Name<T> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<T: Object> Visitor<'_> for Name<T> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Found, E> {
        if T::FIELDS.get(self.next) == Some(&name) {
            return Ok(Found::Field(self.next));
        }
        Ok(T::field(name).map_or_else(|| Found::Other(name.into()), Found::Field))
    }
}

/// Declares an object type: fields with their wire names, and defaults where they are not those of the field's type.
macro_rules! object {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty = $wire:literal $(($default:expr))?),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Members that are none of the above.
            pub extra: $crate::schema::Extra,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: object!(@default $($default)?),)*
                    extra: Default::default(),
                }
            }
        }

        const _: () = {
            #[allow(non_camel_case_types, dead_code, reason = "named after the fields, of which some types have none")]
            enum Field { $($field,)* }

            impl $crate::schema::Object for $name {
                const FIELDS: &'static [&'static str] = &[$($wire),*];

                fn field(name: &str) -> Option<usize> {
                    match name {
                        $($wire => Some(Field::$field as usize),)*
                        _ => None,
                    }
                }

                fn read_field<'de, A: serde::de::MapAccess<'de>>(
                    &mut self,
                    field: usize,
                    map: &mut A,
                ) -> Result<Option<$crate::schema::Json>, A::Error> {
                    match field {
                        $(field if field == Field::$field as usize => {
                            $crate::schema::object::read_member(&mut self.$field, map)
                        })*
                        _ => map.next_value().map(Some),
                    }
                }

                fn write_field<M: serde::ser::SerializeMap>(
                    &self,
                    field: usize,
                    always: bool,
                    map: &mut M,
                ) -> Result<bool, M::Error> {
                    match field {
                        $(field if field == Field::$field as usize => {
                            let default: $type = object!(@default $($default)?);
                            $crate::schema::object::write_member($wire, &self.$field, &default, always, map)
                        })*
                        _ => {
                            // An object without fields has no other use for them.
                            let _ = (always, map);
                            Ok(false)
                        }
                    }
                }

                fn extra(&self) -> &$crate::schema::Extra {
                    &self.extra
                }

                fn extra_mut(&mut self) -> &mut $crate::schema::Extra {
                    &mut self.extra
                }
            }

            impl $crate::schema::object::Fields for $name {
                fn names(&self) -> &'static [&'static str] {
                    <Self as $crate::schema::Object>::FIELDS
                }

                fn field_named(&self, name: &str) -> Option<usize> {
                    <Self as $crate::schema::Object>::field(name)
                }

                fn read_field_text(
                    &mut self,
                    field: usize,
                    text: &mut $crate::schema::Cursor<'_>,
                ) -> Result<Option<$crate::schema::Json>, $crate::schema::Fault> {
                    match field {
                        $(field if field == Field::$field as usize => {
                            $crate::schema::Member::read_text(&mut self.$field, text)
                        })*
                        _ => text.misfit(),
                    }
                }

                fn reset_field(&mut self, field: usize) {
                    match field {
                        $(field if field == Field::$field as usize => {
                            self.$field = object!(@default $($default)?);
                        })*
                        _ => {}
                    }
                }

                fn set_extra(&mut self, extra: $crate::schema::Extra) {
                    self.extra = extra;
                }
            }

            assert!(<$name as $crate::schema::Object>::FIELDS.len() <= $crate::schema::FIELDS);
        };

        impl $crate::schema::Member for $name {
            fn read_text(
                &mut self,
                text: &mut $crate::schema::Cursor<'_>,
            ) -> Result<Option<$crate::schema::Json>, $crate::schema::Fault> {
                text.object(self)
            }

            fn set_map<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                map: A,
            ) -> Result<Option<$crate::schema::Json>, A::Error> {
                $crate::schema::object::read(self, map).map(|()| None)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::schema::member::strictly(deserializer, concat!("a ", stringify!($name)))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::schema::object::write(self, serializer)
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
}

pub(crate) use object;
