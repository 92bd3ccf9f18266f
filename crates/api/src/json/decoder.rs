//! A deserializer over a parsed value with Go's rules.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::{JsonError, names};

/// Reads one value. `null` is the zero value of whatever is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'de, 'p> {
    value: &'de Value,
    place: Option<&'p Place<'p>>,
}

/// Where a value is: the struct that holds it and the field, linked to the places above.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    holder: &'static str,
    field: &'a str,
    above: Option<&'a Self>,
}

impl Place<'_> {
    /// Go's way to name a field: the innermost struct, then the path from the root.
    fn name(&self) -> String {
        let mut path: Vec<&str> =
            std::iter::successors(Some(self), |place| place.above).map(|place| place.field).collect();
        path.push(names::holder(self.holder));
        path.reverse();
        path.join(".")
    }
}

impl<'de> Decoder<'de, '_> {
    /// Reads `value`, the root of a document.
    #[must_use]
    pub fn new(value: &'de Value) -> Self {
        Self { value, place: None }
    }

    fn mismatch(&self, wanted: &str) -> JsonError {
        JsonError::Type {
            found: found(self.value, wanted),
            field: self.place.map(Place::name).unwrap_or_default(),
            wanted: wanted.to_owned(),
        }
    }

    /// A number that fits; `null` is 0.
    fn number<T: TryFrom<i128> + Default>(&self, wanted: &str) -> Result<T, JsonError> {
        let Value::Number(number) = self.value else {
            return if self.value.is_null() { Ok(T::default()) } else { Err(self.mismatch(wanted)) };
        };
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.and_then(|whole| T::try_from(whole).ok()).ok_or_else(|| self.mismatch(wanted))
    }
}

/// What Go calls a value; a number of the wrong size is named with its digits.
fn found(value: &Value, wanted: &str) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if wanted.starts_with("int") || wanted.starts_with("uint") => {
            format!("number {number}")
        }
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

impl de::Error for JsonError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        Self::Other(text.strip_prefix("invalid JSON: ").map(ToOwned::to_owned).unwrap_or(text))
    }
}

/// One method for each width of integer.
macro_rules! integers {
    ($($method:ident $visit:ident $wanted:literal;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            visitor.$visit(self.number($wanted)?)
        })+
    };
}

impl<'de> Deserializer<'de> for Decoder<'de, '_> {
    type Error = JsonError;

    integers! {
        deserialize_i8 visit_i8 "int8";
        deserialize_i16 visit_i16 "int16";
        deserialize_i32 visit_i32 "int32";
        deserialize_i64 visit_i64 "int64";
        deserialize_u8 visit_u8 "uint8";
        deserialize_u16 visit_u16 "uint16";
        deserialize_u32 visit_u32 "uint32";
        deserialize_u64 visit_u64 "uint64";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(_) => self.deserialize_bool(visitor),
            Value::Number(number) if number.is_f64() => self.deserialize_f64(visitor),
            Value::Number(number) if number.is_u64() => self.deserialize_u64(visitor),
            Value::Number(_) => self.deserialize_i64(visitor),
            Value::String(_) => self.deserialize_string(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Null => visitor.visit_bool(false),
            Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.mismatch("bool"))
            }
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value.as_f64() {
            Some(value) => visitor.visit_f64(value),
            None if self.value.is_null() => visitor.visit_f64(0.0),
            None => Err(self.mismatch("float64")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Null => visitor.visit_borrowed_str(""),
            Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.mismatch("string"))
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), place: self.place }),
            Value::Null => visitor.visit_seq(Items { items: [].iter(), place: self.place }),
            Value::Number(_) | Value::Bool(_) | Value::String(_) | Value::Object(_) => {
                Err(self.mismatch(&names::list(visitor)))
            }
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Object(object) => visitor.visit_map(Entries::of_map(object, self.place)),
            Value::Null => visitor.visit_map(Entries::none()),
            Value::Number(_) | Value::Bool(_) | Value::String(_) | Value::Array(_) => {
                Err(self.mismatch(&names::map(visitor)))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Object(object) => visitor.visit_map(Entries::of_struct(object, name, fields, self.place)),
            Value::Null => visitor.visit_map(Entries::none()),
            Value::Number(_) | Value::Bool(_) | Value::String(_) | Value::Array(_) => {
                Err(self.mismatch(names::one(name)))
            }
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Null | Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.mismatch(name))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 f32 char bytes byte_buf unit unit_struct tuple_struct }
}

/// The items of an array; they are named like the array.
struct Items<'de, 'p> {
    items: std::slice::Iter<'de, Value>,
    place: Option<&'p Place<'p>>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        let Some(value) = self.items.next() else { return Ok(None) };
        seed.deserialize(Decoder { value, place: self.place }).map(Some)
    }
}

/// The entries of an object. `holder` is the struct's name, empty for a map.
struct Entries<'de, 'p> {
    entries: Option<serde_json::map::Iter<'de>>,
    value: Option<(&'de Value, &'de str)>,
    holder: &'static str,
    fields: &'static [&'static str],
    place: Option<&'p Place<'p>>,
}

impl<'de, 'p> Entries<'de, 'p> {
    fn none() -> Self {
        Self { entries: None, value: None, holder: "", fields: &[], place: None }
    }

    fn of_map(object: &'de Map<String, Value>, place: Option<&'p Place<'p>>) -> Self {
        Self { entries: Some(object.iter()), place, ..Self::none() }
    }

    fn of_struct(
        object: &'de Map<String, Value>,
        holder: &'static str,
        fields: &'static [&'static str],
        place: Option<&'p Place<'p>>,
    ) -> Self {
        Self { entries: Some(object.iter()), value: None, holder, fields, place }
    }

    /// The field that a key means: the exact name, else the one that differs in case only.
    fn field(&self, key: &'de str) -> &'de str {
        let exact = self.fields.contains(&key);
        let similar = || self.fields.iter().find(|field| field.eq_ignore_ascii_case(key)).copied();
        if exact { key } else { similar().unwrap_or(key) }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        let Some((key, value)) = self.entries.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let key = self.field(key);
        self.value = Some((value, key));
        let key: StrDeserializer<'_, JsonError> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let (value, field) = self.value.take().expect("a value follows each key");
        if self.holder.is_empty() {
            return seed.deserialize(Decoder { value, place: self.place });
        }
        let place = Place { holder: self.holder, field, above: self.place };
        seed.deserialize(Decoder { value, place: Some(&place) })
    }
}
