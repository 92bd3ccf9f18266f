//! Reading JSON by Docker's rules.
//!
//! Docker is written in Go, and its clients rely on how Go reads JSON: `null` leaves a field as it is, unknown
//! fields are ignored, and the case of a field's name does not matter. The texts of errors are Go's as far as
//! the types are known here. The value is parsed once and then read by a [`Decoder`], which has these rules.

mod decoder;
mod names;
mod syntax;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use decoder::Decoder;

/// Reads the body of a request.
///
/// # Errors
/// Says what is wrong with the text or with the type of a value, as Docker does.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, JsonError> {
    from_value(&parse(body)?)
}

/// Reads a value that was parsed before.
///
/// # Errors
/// Says which field has a value of the wrong type.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, JsonError> {
    T::deserialize(Decoder::new(value))
}

/// Parses the text of one JSON value with nothing but white space after it.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse(body: &[u8]) -> Result<Value, JsonError> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let value = match values.next() {
        None => return Err(JsonError::Empty),
        Some(Err(error)) => return Err(syntax::error(body, &error)),
        Some(Ok(value)) => value,
    };
    let rest = body.get(values.byte_offset()..).unwrap_or_default();
    if rest.iter().all(u8::is_ascii_whitespace) { Ok(value) } else { Err(JsonError::Trailing) }
}

/// Why a body cannot be read. Its text is what Docker answers, with status 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// There is no value at all.
    Empty,
    /// The text is not JSON.
    Syntax(String),
    /// There is more than one value.
    Trailing,
    /// A value has the wrong type.
    Type {
        /// What the value is: `string`, `number`, `bool`, `array`, `object`.
        found: String,
        /// The struct and the path of the field, joined with dots; empty at the top.
        field: String,
        /// The type that the field has.
        wanted: String,
    },
    /// Some other sentence of a type's own rules.
    Other(String),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("invalid JSON: got EOF while reading request body"),
            Self::Syntax(text) => write!(f, "invalid JSON: {text}"),
            Self::Trailing => f.write_str("unexpected content after JSON"),
            Self::Type { found, field, wanted } if field.is_empty() => {
                write!(f, "invalid JSON: json: cannot unmarshal {found} into Go value of type {wanted}")
            }
            Self::Type { found, field, wanted } => write!(
                f,
                "invalid JSON: json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
            ),
            Self::Other(text) => write!(f, "invalid JSON: {text}"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Implements both directions for a type with a flattened field.
///
/// serde's own `flatten` reads through a buffer that does not know the [`Decoder`]'s rules, so the object is
/// read once per struct. The type needs `#[serde(remote = "Self")]`.
macro_rules! embeds {
    ($outer:ident { $($field:ident: $inner:ty),+ }) => {
        impl serde::Serialize for $outer {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $outer::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $outer {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                let value = serde_json::Value::deserialize(deserializer)?;
                let decoder = || crate::json::Decoder::new(&value);
                let mut whole = $outer::deserialize(decoder()).map_err(D::Error::custom)?;
                $(whole.$field = <$inner>::deserialize(decoder()).map_err(D::Error::custom)?;)+
                Ok(whole)
            }
        }
    };
}

pub(crate) use embeds;

#[cfg(test)]
mod tests;
