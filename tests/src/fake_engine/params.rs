//! Parameters by position, by name, or absent.

use serde_json::{Map, Value};

use super::errors::EngineError;
use super::names::parameter_names;

/// The parameters of one call, by position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<Value>);

impl Params {
    /// Brings the parameters of a request into positional form.
    ///
    /// # Errors
    ///
    /// −32602 if they are neither an array nor an object.
    pub(crate) fn new(class: &str, method: &str, params: Option<Value>) -> Result<Self, EngineError> {
        match params {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Array(list)) => Ok(Self(list)),
            Some(Value::Object(map)) => Ok(Self(by_name(class, method, map))),
            Some(_) => Err(EngineError::invalid_params("params is neither array nor object")),
        }
    }

    fn get(&self, at: usize) -> Option<&Value> {
        self.0.get(at).filter(|value| !value.is_null())
    }

    /// Takes a value out, to spare the copy of a big one.
    pub(crate) fn take(&mut self, at: usize) -> Result<Value, EngineError> {
        match self.0.get_mut(at).map(Value::take) {
            None | Some(Value::Null) => Err(missing(at)),
            Some(value) => Ok(value),
        }
    }

    /// Takes an object out.
    pub(crate) fn take_object(&mut self, at: usize) -> Result<Value, EngineError> {
        self.take(at).and_then(|value| if value.is_object() { Ok(value) } else { Err(wrong(at, "object")) })
    }

    pub(crate) fn str(&self, at: usize) -> Result<&str, EngineError> {
        self.get(at).ok_or_else(|| missing(at))?.as_str().ok_or_else(|| wrong(at, "string"))
    }

    pub(crate) fn array(&self, at: usize) -> Result<&[Value], EngineError> {
        let value = self.get(at).ok_or_else(|| missing(at))?;
        value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(at, "array"))
    }

    pub(crate) fn value(&self, at: usize) -> Option<&Value> {
        self.get(at)
    }

    pub(crate) fn num(&self, at: usize) -> Result<f64, EngineError> {
        self.get(at).ok_or_else(|| missing(at))?.as_f64().ok_or_else(|| wrong(at, "number"))
    }

    /// Returns a boolean, which some clients send as a number; false if absent.
    pub(crate) fn flag(&self, at: usize) -> bool {
        self.get(at)
            .is_some_and(|value| value.as_bool().unwrap_or_else(|| value.as_i64().is_some_and(|n| n != 0)))
    }
}

fn by_name(class: &str, method: &str, mut map: Map<String, Value>) -> Vec<Value> {
    parameter_names(class, method).map(|name| map.remove(name).unwrap_or_default()).collect()
}

fn missing(at: usize) -> EngineError {
    EngineError::invalid_params(format!("parameter {at} is missing"))
}

fn wrong(at: usize, wanted: &str) -> EngineError {
    EngineError::invalid_params(format!("parameter {at} is no {wanted}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_become_positions_and_unknown_ones_are_dropped() {
        let named = json!({"qNoData": true, "qDocName": "Sales.qvf", "other": 1});
        let params = Params::new("Global", "OpenDoc", Some(named)).unwrap();
        assert_eq!(params.str(0), Ok("Sales.qvf"));
        assert!(params.flag(4));
        assert_eq!(params.value(1), None);
    }

    #[test]
    fn absent_empty_and_wrong_parameters() {
        for empty in [None, Some(json!({})), Some(json!([])), Some(json!(null))] {
            let params = Params::new("Global", "OpenDoc", empty).unwrap();
            assert_eq!(params.str(0).unwrap_err().code, -32602);
        }
        assert!(Params::new("Global", "OpenDoc", Some(json!("x"))).is_err());
        let params = Params::new("Doc", "GetObject", Some(json!([7]))).unwrap();
        assert_eq!(params.str(0).unwrap_err().code, -32602);
    }
}
