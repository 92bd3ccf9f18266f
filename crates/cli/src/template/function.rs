//! The functions of templates: Go's and Docker's.

use std::cmp::Ordering;

use super::{TemplateError, printf};
use crate::value::Value;

const NAMES: [&str; 23] = [
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "eq", "ne", "lt", "le", "gt",
    "ge", "json", "join", "lower", "upper", "title", "split", "pad", "truncate",
];

pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls a function. `and` and `or` are elsewhere: they do not look at all of their arguments.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, TemplateError> {
    match (name, arguments) {
        ("json", [value]) => Ok(Value::Text(value.compact())),
        ("not", [value]) => Ok(Value::Bool(!value.is_true())),
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), |value, key| index(&value, key)),
        ("slice", [value, ends @ ..]) => slice(value, ends),
        ("print", values) => Ok(Value::Text(print(values))),
        ("println", values) => Ok(Value::Text(words(values) + "\n")),
        ("printf", [format, values @ ..]) => Ok(Value::Text(printf::printf(text(name, format)?, values))),
        ("eq", [value, others @ ..]) if !others.is_empty() => {
            Ok(Value::Bool(others.iter().any(|other| equal(value, other))))
        }
        ("ne", [one, other]) => Ok(Value::Bool(!equal(one, other))),
        ("lt" | "le" | "gt" | "ge", [one, other]) => {
            let order = compare(one, other)?;
            Ok(Value::Bool(match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }))
        }
        ("join", [Value::List(items), separator]) => {
            let parts: Vec<String> = items.iter().map(ToString::to_string).collect();
            Ok(Value::Text(parts.join(text(name, separator)?)))
        }
        ("join", [Value::Null, _]) => Ok(Value::from("")),
        ("split", [value, separator]) => {
            let parts = text(name, value)?.split(text(name, separator)?);
            Ok(Value::List(parts.map(Value::from).collect()))
        }
        ("lower", [value]) => Ok(Value::Text(text(name, value)?.to_lowercase())),
        ("upper", [value]) => Ok(Value::Text(text(name, value)?.to_uppercase())),
        ("title", [value]) => Ok(Value::Text(title(text(name, value)?))),
        ("pad", [value, before, after]) => {
            let spaces = |value: &Value| " ".repeat(number(value).unwrap_or(0).clamp(0, 1 << 16) as usize);
            let value = text(name, value)?;
            Ok(Value::Text(if value.is_empty() {
                String::new()
            } else {
                format!("{}{value}{}", spaces(before), spaces(after))
            }))
        }
        ("truncate", [value, length]) => {
            let length = usize::try_from(number(length).unwrap_or(0)).unwrap_or(0);
            Ok(Value::Text(text(name, value)?.chars().take(length).collect()))
        }
        (name, arguments) => Err(TemplateError::new(format!(
            "wrong number or type of args for {name}: got {}",
            arguments.len()
        ))),
    }
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, TemplateError> {
    match value {
        Value::Text(text) => Ok(text),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_)) => {
            Err(TemplateError::new(format!("wrong type for value; {name} expected string; got {other}")))
        }
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    }
}

fn length(value: &Value) -> Result<Value, TemplateError> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(members) => members.len(),
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) => {
            return Err(TemplateError::new(format!("error calling len: len of type {value}")));
        }
    };
    Ok(Value::from(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(value: &Value, key: &Value) -> Result<Value, TemplateError> {
    match (value, key) {
        (Value::Map(members), Value::Text(key)) => {
            let member = members.iter().find(|(name, _)| name == key);
            Ok(member.map(|(_, value)| value.clone()).unwrap_or_default())
        }
        (Value::List(items), Value::Number(_)) => {
            let place = number(key).unwrap_or(-1);
            let item = usize::try_from(place).ok().and_then(|place| items.get(place));
            item.cloned().ok_or_else(|| {
                TemplateError::new(format!("error calling index: index out of range: {place}"))
            })
        }
        (Value::Null, _) => Err(TemplateError::new("error calling index: index of untyped nil")),
        _ => Err(TemplateError::new(format!("error calling index: can't index item with {key}"))),
    }
}

fn slice(value: &Value, ends: &[Value]) -> Result<Value, TemplateError> {
    let out_of_range = || TemplateError::new("error calling slice: index out of range");
    let place = |end: Option<&Value>, default: usize| match end {
        None => Ok(default),
        Some(end) => number(end).and_then(|end| usize::try_from(end).ok()).ok_or_else(out_of_range),
    };
    match value {
        Value::Text(text) => {
            let range = place(ends.first(), 0)?..place(ends.get(1), text.len())?;
            text.get(range).map(Value::from).ok_or_else(out_of_range)
        }
        Value::List(items) => {
            let range = place(ends.first(), 0)?..place(ends.get(1), items.len())?;
            items.get(range).map(|items| Value::List(items.to_vec())).ok_or_else(out_of_range)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Map(_)) => {
            Err(TemplateError::new(format!("error calling slice: can't slice item of type {other}")))
        }
    }
}

/// Go's `fmt.Sprint`: spaces between two values of which neither is a text.
fn print(values: &[Value]) -> String {
    let mut output = String::new();
    for (index, value) in values.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| values.get(index));
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if before.is_some_and(|before| !is_text(before) && !is_text(value)) {
            output.push(' ');
        }
        output.push_str(&value.to_string());
    }
    output
}

fn words(values: &[Value]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(" ")
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

fn compare(one: &Value, other: &Value) -> Result<Ordering, TemplateError> {
    let order = match (one, other) {
        (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().zip(other.as_f64()).and_then(|(one, other)| one.partial_cmp(&other))
        }
        _ => None,
    };
    order.ok_or_else(|| TemplateError::new("incompatible types for comparison"))
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut is_start = true;
    let letter = |character: char| {
        let shown: String = if is_start { character.to_uppercase().collect() } else { character.into() };
        is_start = !(character.is_alphanumeric() || character == '_' || character == '\'');
        shown
    };
    text.chars().map(letter).collect()
}
