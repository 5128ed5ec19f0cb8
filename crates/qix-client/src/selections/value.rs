//! Values to select.

use qix_protocol::schema::{Double, FieldValue};

/// A value of a field, by text or by number. Of dual values such as dates, either will do.
///
/// ```
/// use qix_client::selections::Value;
///
/// let values = [Value::from("North"), Value::from(2019), Value::from(0.5)];
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Value(FieldValue);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::from(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(FieldValue { text, is_numeric: false, ..FieldValue::default() })
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self(FieldValue { is_numeric: true, number: Double(number), ..FieldValue::default() })
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::from(f64::from(number))
    }
}

impl From<FieldValue> for Value {
    fn from(value: FieldValue) -> Self {
        Self(value)
    }
}

impl From<Value> for FieldValue {
    fn from(value: Value) -> Self {
        value.0
    }
}
