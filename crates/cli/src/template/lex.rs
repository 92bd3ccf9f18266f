//! A template as words.

use super::TemplateError;

/// A word of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// What stands between actions.
    Text(String),
    /// `{{`.
    Open,
    /// `}}`.
    Close,
    /// `.Name`, or `.` with an empty name. The flag says whether it follows the word before without a space.
    Field(String, bool),
    /// `$name`, or `$` with an empty name.
    Variable(String),
    /// A keyword or a function.
    Word(String),
    /// A text in quotes.
    Quoted(String),
    /// A number.
    Number(String),
    /// `|`, `(`, `)`, `,`, `:=`, `=`.
    Sign(&'static str),
}

const SIGNS: [&str; 6] = [":=", "|", "(", ")", ",", "="];

/// The words of a template.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut is_trimmed = false;
    while let Some((before, after)) = rest.split_once("{{") {
        let before = if is_trimmed { before.trim_start() } else { before };
        let trims = after.starts_with("- ") || after.starts_with("-\n") || after.starts_with("-\t");
        let before = if trims { before.trim_end() } else { before };
        push_text(before, &mut tokens);
        let after = if trims { &after[1..] } else { after };
        let (left, trims_after) = match after.trim_start().strip_prefix("/*") {
            Some(comment) => skip_comment(comment)?,
            None => action(after, &mut tokens)?,
        };
        rest = left;
        is_trimmed = trims_after;
    }
    push_text(if is_trimmed { rest.trim_start() } else { rest }, &mut tokens);
    Ok(tokens)
}

fn push_text(text: &str, tokens: &mut Vec<Token>) {
    if !text.is_empty() {
        tokens.push(Token::Text(text.to_owned()));
    }
}

/// What follows a comment, and whether it is trimmed.
fn skip_comment(comment: &str) -> Result<(&str, bool), TemplateError> {
    let unclosed = || TemplateError::new("unclosed comment");
    let (_, after) = comment.split_once("*/").ok_or_else(unclosed)?;
    let (between, rest) = after.split_once("}}").ok_or_else(unclosed)?;
    match between.trim() {
        "" => Ok((rest, false)),
        "-" => Ok((rest, true)),
        _ => Err(TemplateError::new("comment ends before closing delimiter")),
    }
}

/// Reads one action; gives what follows it, and whether that is trimmed.
fn action<'a>(text: &'a str, tokens: &mut Vec<Token>) -> Result<(&'a str, bool), TemplateError> {
    tokens.push(Token::Open);
    let mut rest = text;
    let mut has_space = true;
    loop {
        let trimmed = rest.trim_start();
        has_space |= trimmed.len() < rest.len();
        if let Some(after) = trimmed.strip_prefix("}}") {
            tokens.push(Token::Close);
            return Ok((after, false));
        }
        if let Some(after) = trimmed.strip_prefix("-}}").filter(|_| has_space) {
            tokens.push(Token::Close);
            return Ok((after, true));
        }
        let (token, after) = word(trimmed, has_space)?;
        has_space = matches!(token, Token::Sign(sign) if sign != ")");
        tokens.push(token);
        rest = after;
    }
}

fn word(text: &str, has_space: bool) -> Result<(Token, &str), TemplateError> {
    if let Some(sign) = SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        return Ok((Token::Sign(sign), &text[sign.len()..]));
    }
    let first = text.chars().next().ok_or_else(|| TemplateError::new("unclosed action"))?;
    let second = text.chars().nth(1).unwrap_or(' ');
    match first {
        '"' => quoted(text),
        '`' => {
            let (inside, after) = text[1..]
                .split_once('`')
                .ok_or_else(|| TemplateError::new("unterminated raw quoted string"))?;
            Ok((Token::Quoted(inside.to_owned()), after))
        }
        '.' if !second.is_ascii_digit() => {
            let (name, after) = name(&text[1..]);
            Ok((Token::Field(name.to_owned(), !has_space), after))
        }
        '$' => {
            let (name, after) = name(&text[1..]);
            Ok((Token::Variable(name.to_owned()), after))
        }
        '0'..='9' | '+' | '-' | '.' => {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
            let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
            Ok((Token::Number(text[..end].to_owned()), &text[end..]))
        }
        c if c.is_alphabetic() || c == '_' => {
            let (name, after) = name(text);
            Ok((Token::Word(name.to_owned()), after))
        }
        c => Err(TemplateError::new(format!("unexpected {c:?} in command"))),
    }
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.split_at(end)
}

/// A text in double quotes with Go's escapes.
fn quoted(text: &str) -> Result<(Token, &str), TemplateError> {
    let unterminated = || TemplateError::new("unterminated quoted string");
    let mut output = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((Token::Quoted(output), &text[index + 1..])),
            '\n' => return Err(unterminated()),
            '\\' => match characters.next().ok_or_else(unterminated)?.1 {
                'n' => output.push('\n'),
                't' => output.push('\t'),
                'r' => output.push('\r'),
                other @ ('"' | '\\' | '\'') => output.push(other),
                other => return Err(TemplateError::new(format!("unknown escape \\{other}"))),
            },
            other => output.push(other),
        }
    }
    Err(unterminated())
}
