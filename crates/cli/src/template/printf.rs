//! Go's `printf`, as far as templates use it: `%s %v %q %d %x %t %f %%`, with width, `-` and `0`.

use crate::value::Value;

/// Fills a format. What does not fit is marked in the output, as Go does.
pub(super) fn printf(format: &str, values: &[Value]) -> String {
    let mut output = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        output.push_str(before);
        let end = after.find(|c: char| !"-+ 0#.123456789".contains(c)).unwrap_or(after.len());
        let (flags, tail) = after.split_at(end);
        let mut characters = tail.chars();
        rest = match characters.next() {
            None => {
                output.push_str("%!(NOVERB)");
                return output;
            }
            Some('%') => {
                output.push('%');
                characters.as_str()
            }
            Some(verb) => {
                output.push_str(&match values.next() {
                    Some(value) => pad(&show(verb, flags, value), flags),
                    None => format!("%!{verb}(MISSING)"),
                });
                characters.as_str()
            }
        };
    }
    output.push_str(rest);
    let extra: Vec<String> = values.map(|value| format!("{}={value}", kind(value))).collect();
    if !extra.is_empty() {
        output.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    output
}

fn show(verb: char, flags: &str, value: &Value) -> String {
    let precision = flags.split_once('.').and_then(|(_, digits)| digits.parse::<usize>().ok());
    match (verb, value) {
        ('v', Value::Null) => "<nil>".to_owned(),
        ('v', _) | ('d', Value::Number(_)) | ('t', Value::Bool(_)) => value.to_string(),
        ('s', Value::Text(text)) => match precision {
            Some(length) => text.chars().take(length).collect(),
            None => text.clone(),
        },
        ('s', Value::List(_) | Value::Map(_)) => value.to_string(),
        ('q', Value::Text(text)) => format!("{text:?}"),
        ('x', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ('x', Value::Number(number)) => format!("{:x}", number.as_i64().unwrap_or(0)),
        ('f', Value::Number(number)) => {
            format!("{:.*}", precision.unwrap_or(6), number.as_f64().unwrap_or(0.0))
        }
        (_, value) => format!("%!{verb}({}={value})", kind(value)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::Text(_) => "string",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
    }
}

fn pad(text: &str, flags: &str) -> String {
    let width = flags.split('.').next().unwrap_or_default();
    let is_left = width.contains('-');
    let width = width.trim_start_matches(['-', '+', ' ', '#']);
    let has_zeros = width.starts_with('0') && !is_left;
    let missing = width.parse::<usize>().unwrap_or(0).min(1 << 16).saturating_sub(text.chars().count());
    match (is_left, has_zeros) {
        (true, _) => format!("{text}{}", " ".repeat(missing)),
        (false, true) => format!("{}{text}", "0".repeat(missing)),
        (false, false) => format!("{}{text}", " ".repeat(missing)),
    }
}
