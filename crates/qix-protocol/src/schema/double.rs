//! Numbers that may be no number.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Unexpected, Visitor},
};

/// A double as the engine writes it: a JSON number, or one of the texts `"NaN"`, `"Infinity"` and `"-Infinity"`, for which JSON
/// has no numbers (seen in enigma-go, which also reads `"+Infinity"`).
///
/// Whole numbers are written without a fraction, as engines do. Unlike `f64`, a `Double` that is not a number equals another, so
/// that whole layouts can be compared.
#[derive(Clone, Copy, Debug, Default, PartialOrd)]
pub struct Double(pub f64);

impl Double {
    /// Not a number, as a dimension cell's `qNum` is.
    pub const NAN: Self = Self(f64::NAN);

    /// Returns the number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Returns the number, or nothing if it is not a number.
    pub fn number(self) -> Option<f64> {
        (!self.0.is_nan()).then_some(self.0)
    }

    /// Reads one of the texts that stand for a number.
    pub(crate) fn named(text: &str) -> Option<Self> {
        match text {
            "NaN" => Some(Self::NAN),
            "Infinity" | "+Infinity" => Some(Self(f64::INFINITY)),
            "-Infinity" => Some(Self(f64::NEG_INFINITY)),
            _ => None,
        }
    }
}

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.is_nan() && other.0.is_nan()
    }
}

impl From<f64> for Double {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl From<Double> for f64 {
    fn from(number: Double) -> Self {
        number.0
    }
}

impl fmt::Display for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The whole numbers up to which every one has a double: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if number.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            // Minus zero is whole too, but an integer cannot say so.
            number if number.fract() == 0.0 && number.abs() <= EXACT && number.to_bits() != 1 << 63 => {
                serializer.serialize_i64(number as i64)
            }
            number => serializer.serialize_f64(number),
        }
    }
}

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Double;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Double, E> {
                Ok(Double(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Double, E> {
                Double::named(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Double {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_read_in_every_form_the_engine_writes() {
        for (text, number) in [
            ("42", 42.0),
            ("1e+300", 1e300),
            ("-0.5", -0.5),
            ("9007199254740993", 9007199254740992.0),
            ("\"Infinity\"", f64::INFINITY),
            ("\"+Infinity\"", f64::INFINITY),
            ("\"-Infinity\"", f64::NEG_INFINITY),
        ] {
            assert_eq!(read(text), Double(number), "{text}");
        }
        assert_eq!(read("\"NaN\""), Double::NAN);
        assert_eq!(Double::NAN.number(), None);
        assert!(serde_json::from_str::<Double>("\"12\"").is_err());
    }

    #[test]
    fn numbers_are_written_as_the_engine_writes_them() {
        for text in [
            "42",
            "-3",
            "0.1",
            "1e+300",
            "-0.0",
            "\"NaN\"",
            "\"Infinity\"",
            "\"-Infinity\"",
            "0.30000000000000004",
        ] {
            assert_eq!(serde_json::to_string(&read(text)).unwrap(), text);
        }
        assert_eq!(serde_json::to_string(&read("3.0")).unwrap(), "3");
    }
}
