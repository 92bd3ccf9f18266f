//! Command lines and lists: the JSON form, the shell's form, and words.

use serde_json::Value;

use crate::error::Problem;
use crate::instruction::CommandLine;

/// A program and its arguments in JSON, or a line for the shell. Nothing at all is an empty list.
pub(crate) fn command_line(text: &str) -> Result<CommandLine, Problem> {
    Ok(match json_list(text)? {
        Some(words) => CommandLine::Exec(words),
        None if text.is_empty() => CommandLine::Exec(Vec::new()),
        None => CommandLine::Shell(text.to_owned()),
    })
}

/// A list in JSON, or words between blanks.
pub(crate) fn list(text: &str) -> Result<Vec<String>, Problem> {
    let words = || text.split_whitespace().map(ToOwned::to_owned).collect();
    Ok(json_list(text)?.unwrap_or_else(words))
}

/// A list in JSON; `None` for what is not JSON, which then means what it means to the shell.
pub(crate) fn json_list(text: &str) -> Result<Option<Vec<String>>, Problem> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<Value>>(text) else { return Ok(None) };
    let word = |value| match value {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Problem::NotStrings)
        }
    };
    values.into_iter().map(word).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_shell_are_told_apart() {
        let exec = |words: &[&str]| CommandLine::Exec(words.iter().map(|word| (*word).to_owned()).collect());
        let shell = |text: &str| CommandLine::Shell(text.to_owned());
        for (text, expected) in [
            ("[\"a\", \"b c\"]", exec(&["a", "b c"])),
            ("[]", exec(&[])),
            ("", exec(&[])),
            ("[ -e x ] && y", shell("[ -e x ] && y")),
            ("['a']", shell("['a']")),
            ("a b", shell("a b")),
        ] {
            assert_eq!(command_line(text), Ok(expected), "{text}");
        }
        assert_eq!(command_line("[\"a\", 1]"), Err(Problem::NotStrings));
        assert_eq!(list("a  b"), Ok(vec!["a".to_owned(), "b".to_owned()]));
    }
}
