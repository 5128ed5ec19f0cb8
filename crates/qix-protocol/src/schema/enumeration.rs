//! Enumerations of the schema, open to values that newer engines add.

/// Declares an enumeration: each option with its number, its short form, and the other forms that are read.
///
/// Engines write the short form, documents and defaults use the long one, and old ones the number; all are read, the short one is
/// written, and an unknown text is kept.
macro_rules! enumeration {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$option_meta:meta])* $option:ident = $number:literal, $short:literal $(| $long:literal)*),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$option_meta])* $option,)*
            /// Not given, which is the default and is not written.
            Unset,
            /// A text that this version of the schema does not know.
            Other(Box<String>),
        }

        impl $name {
            /// Reads any of the forms; texts that are none are kept.
            pub fn new(text: &str) -> Self {
                match text {
                    $($short $(| $long)* => Self::$option,)*
                    "" => Self::Unset,
                    other => Self::Other(Box::new(other.to_owned())),
                }
            }

            /// Returns the option with this number.
            pub fn from_number(number: i64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$option),)*
                    _ => None,
                }
            }

            /// Returns the short form, which is what is written.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$option => $short,)*
                    Self::Unset => "",
                    Self::Other(text) => text,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Unset
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::schema::Member for $name {
            fn read_text(
                &mut self,
                text: &mut $crate::schema::Cursor<'_>,
            ) -> Result<Option<$crate::schema::Json>, $crate::schema::Fault> {
                if text.peek() == Some(b'"') {
                    return text.string(|text| self.set_str(text));
                }
                text.integer(|number| self.set_i64(number))
            }

            fn set_i64(&mut self, value: i64) -> bool {
                Self::from_number(value).map(|option| *self = option).is_some()
            }

            fn set_f64(&mut self, value: f64) -> bool {
                $crate::schema::is_whole(value) && self.set_i64(value as i64)
            }

            fn set_str(&mut self, value: &str) -> bool {
                *self = Self::new(value);
                true
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::schema::member::strictly(deserializer, concat!("a ", stringify!($name)))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

pub(crate) use enumeration;
