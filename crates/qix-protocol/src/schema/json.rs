//! A JSON value of a shape that the schema does not know.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor},
    ser::Error as _,
};
use serde_json::value::RawValue;

use crate::{ProtocolError, frame::Raw, scan, tree::RAW_VALUE};

/// A JSON value kept as the text it was written in: digits, escapes and the order of members survive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Json(Box<str>);

impl Json {
    /// Wraps the one JSON value in `text`.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if `text` is not one JSON value.
    pub fn new(text: &str) -> Result<Self, ProtocolError> {
        Ok(Self(text[scan::document(text.as_bytes())?].into()))
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// What `serde_json` has to say if the value has no JSON form, such as a map whose keys are no strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self(text.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Decodes the value.
    ///
    /// # Errors
    ///
    /// What `serde_json` has to say if the value does not fit `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        Raw::scanned(self.0.as_bytes()).decode()
    }

    /// Wraps text that the scanner has checked.
    pub(crate) fn scanned(text: &str) -> Self {
        Self(text.into())
    }

    /// Makes an array of texts that are JSON values.
    pub(crate) fn array(elements: &[Self]) -> Self {
        let texts: Vec<&str> = elements.iter().map(Self::as_str).collect();
        Self(format!("[{}]", texts.join(",")).into())
    }

    /// Reads the rest of an array.
    pub(crate) fn elements<'de, A: SeqAccess<'de>>(
        mut elements: Vec<Self>,
        mut seq: A,
    ) -> Result<Self, A::Error> {
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Self::array(&elements))
    }
}

impl Default for Json {
    fn default() -> Self {
        Self("null".into())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self(value.to_string().into())
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asking through `RawValue` itself would do the same, but fails inside `#[serde(flatten)]` and untagged enums, where
        // values have lost their text. Asked this way, such a place hands the value out piece by piece, and the text is
        // written anew.
        deserializer.deserialize_newtype_struct(RAW_VALUE, Reader { text: true })
    }
}

/// Takes a value in, whatever it is.
pub(crate) struct Reader {
    /// Whether a map may be serde_json's way of handing out text.
    text: bool,
}

impl Reader {
    /// Writes a value as it comes, piece by piece.
    pub(crate) const PIECES: Self = Self { text: false };
}

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(Self::PIECES)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json(value.to_string().into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json(value.to_string().into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Value::from(value).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(serde_json::Value::from(value).into())
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::default())
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(Self::PIECES)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Json, A::Error> {
        Json::elements(Vec::new(), seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut text = String::from("{");
        while let Some(name) = map.next_key::<String>()? {
            if self.text && name == RAW_VALUE {
                return map.next_value::<Box<str>>().map(Json);
            }
            if text.len() > 1 {
                text.push(',');
            }
            text += &serde_json::Value::from(name).to_string();
            text.push(':');
            text += map.next_value::<Json>()?.as_str();
        }
        text.push('}');
        Ok(Json(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn text_survives_unchanged() {
        for text in [r#"{"z":1e400,"a":[1.0,-0,12345678901234567890123]}"#, r#""\u00e9\/""#, "null", "[ ]"] {
            let json: Json = serde_json::from_str(text).unwrap();
            assert_eq!(json.as_str(), text);
            assert_eq!(serde_json::to_string(&[json]).unwrap(), format!("[{text}]"));
        }
    }

    #[test]
    fn object_that_looks_like_the_token_of_serde_json_is_an_object() {
        let text = r#"{"a":{"$serde_json::private::RawValue":"]["}}"#;
        let tree = crate::Tree::parse(text.as_bytes()).unwrap();
        assert_eq!(tree.decode::<BTreeMap<String, Json>>().unwrap()["a"].as_str(), &text[5..text.len() - 1]);
        let mut text = Json::default();
        let misfit = crate::schema::Member::set_map(
            &mut text,
            serde::de::value::MapDeserializer::new([("$serde_json::private::RawValue", "][")].into_iter())
                as serde::de::value::MapDeserializer<'_, _, serde_json::Error>,
        );
        assert!(misfit.unwrap().is_none());
        assert_eq!(text.as_str(), r#"{"$serde_json::private::RawValue":"]["}"#);
    }

    #[test]
    fn value_survives_where_text_is_lost() {
        #[derive(Deserialize)]
        struct Flat {
            #[serde(flatten)]
            rest: BTreeMap<String, Json>,
        }
        let flat: Flat =
            serde_json::from_str(r#"{"a":{"z":[1,-2,0.5,null,true],"b":"x\n"},"c":{}}"#).unwrap();
        assert_eq!(flat.rest["a"].as_str(), r#"{"z":[1,-2,0.5,null,true],"b":"x\n"}"#);
        let value: Json = serde_json::from_value(serde_json::json!({"a": [1]})).unwrap();
        assert_eq!(value.as_str(), r#"{"a":[1]}"#);
    }

    #[test]
    fn text_that_is_no_value_is_refused() {
        assert!(Json::new("{} {}").is_err());
        assert_eq!(Json::new(" [1] ").unwrap().as_str(), "[1]");
    }
}
