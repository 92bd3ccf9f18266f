//! Go's sentences for text that is not JSON.

use serde_json::error::Category;

use super::JsonError;

/// The error for `body`, which `error` says cannot be parsed.
pub(super) fn error(body: &[u8], error: &serde_json::Error) -> JsonError {
    match error.classify() {
        Category::Eof if body.iter().all(u8::is_ascii_whitespace) => JsonError::Empty,
        Category::Eof => JsonError::Syntax("unexpected EOF".to_owned()),
        Category::Syntax | Category::Data | Category::Io => JsonError::Syntax(sentence(body, error)),
    }
}

fn sentence(body: &[u8], error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    let place = match what {
        "expected value" => "looking for beginning of value",
        "key must be a string" => "looking for beginning of object key string",
        "expected `:`" => "after object key",
        "expected `,` or `}`" => "after object key:value pair",
        "expected `,` or `]`" => "after array element",
        "expected ident" => return literal(body, error),
        other => return other.to_owned(),
    };
    let character = character_at(body, error.line(), error.column());
    format!("invalid character '{character}' {place}")
}

/// What is wrong with a word that begins as `null`, `true` or `false` do.
fn literal(body: &[u8], error: &serde_json::Error) -> String {
    let line = body.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let upto = line.get(..error.column()).unwrap_or(line);
    let word = upto.rsplit(|byte| !byte.is_ascii_alphanumeric()).find(|word| !word.is_empty());
    let word = String::from_utf8_lossy(word.unwrap_or_default()).into_owned();
    let wanted = match word.chars().next() {
        Some('n') => "null",
        Some('t') => "true",
        _ => "false",
    };
    match word.chars().zip(wanted.chars()).find(|(found, expected)| found != expected) {
        Some((found, expected)) => {
            format!("invalid character '{found}' in literal {wanted} (expecting '{expected}')")
        }
        None => format!("invalid literal {word}"),
    }
}

/// The character at a line and column, both counted from 1.
fn character_at(body: &[u8], line: usize, column: usize) -> char {
    let line = body.split(|byte| *byte == b'\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let rest = line.get(column.saturating_sub(1)..).unwrap_or_default();
    String::from_utf8_lossy(rest).chars().next().unwrap_or('\u{FFFD}')
}
