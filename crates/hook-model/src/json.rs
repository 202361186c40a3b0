//! JSON text to a value, refusing what serde_json would let pass: duplicate keys and NUL in strings.
//!
//! serde_json keeps the last of two equal keys without a word, so two readers of one config.json
//! could see two different containers. A NUL would cut a string short at the first system call.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::{Problem, child};

/// Parses one JSON document; the pointer of an offending place is part of the error's text.
pub fn parse(text: &str) -> Result<Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Place::Root.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Where the parser is; linked on the stack so that good input costs no allocation.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Key(parent, key) => child(&parent.pointer(), key),
            Place::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }

    fn string<E: Error>(&self, text: String) -> Result<String, E> {
        if text.contains('\0') {
            return Err(E::custom(format_args!(
                "{}: NUL inside a string",
                self.pointer()
            )));
        }
        Ok(text)
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Value, E> {
        Ok(Number::from_f64(n).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        self.string(text).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = seq.next_element_seed(Place::Index(&self, array.len()))? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let place = Place::Key(&self, &key);
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "{}: duplicate key",
                    place.pointer()
                )));
            }
            let value = map.next_value_seed(place)?;
            let key = self.string(key)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// That a value at `pointer` has another type than the wanted one.
pub fn wrong_type(pointer: &str, wanted: &str, found: &Value) -> Problem {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Problem::new(pointer, format!("expected {wanted}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_json_equals_serde_json() {
        let text = r#"{"a":[1,-2,3.5,null,true,"x"],"b":{"c":{},"d":[]},"e":18446744073709551615}"#;
        assert_eq!(
            parse(text).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn duplicate_keys_are_refused_at_any_depth() {
        let error = parse(r#"{"a":[{"x/y":1,"x/y":1}]}"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("/a/0/x~1y: duplicate key at line 1"),
            "{error}"
        );
    }

    #[test]
    fn duplicate_keys_spelled_with_escapes_are_found() {
        let error = parse("{\"args\":1,\"\\u0061rgs\":2}")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("/args: duplicate key"), "{error}");
    }

    #[test]
    fn nul_is_refused_in_values_and_keys() {
        let error = parse(r#"{"process":{"args":["a","b\u0000c"]}}"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("/process/args/1: NUL inside a string"),
            "{error}"
        );
        let error = parse(r#"{"a":{"k\u0000":1}}"#).unwrap_err().to_string();
        assert!(error.starts_with("/a: NUL inside a string"), "{error}");
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_stack_overflow() {
        let text = "[".repeat(1_000_000);
        assert!(
            parse(&text)
                .unwrap_err()
                .to_string()
                .contains("recursion limit")
        );
    }
}
