//! Fills in variables, and takes quotes and escapes away.

use std::iter::Peekable;
use std::str::Chars;

use thiserror::Error;

/// How deep `${a:-${b:-…}}` may be.
const DEPTH_LIMIT: usize = 32;

/// Why variables could not be filled in.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExpandError {
    #[error("failed to process {word:?}: unexpected end of statement while looking for matching {quote}")]
    Open { word: String, quote: &'static str },
    #[error("failed to process {word:?}: syntax error: missing '}}'")]
    MissingBrace { word: String },
    #[error("failed to process {word:?}: syntax error: bad substitution")]
    BadSubstitution { word: String },
    #[error("failed to process {word:?}: unsupported modifier ({modifier}) in substitution")]
    Modifier { word: String, modifier: String },
    #[error("failed to process {word:?}: {name}: {message}")]
    Required { word: String, name: String, message: String },
    #[error("failed to process {word:?}: more than {DEPTH_LIMIT} substitutions within one another")]
    TooDeep { word: String },
}

/// Fills in variables as `sh` does, as far as Dockerfiles know it: `$x`, `${x}`, `${x:-y}`,
/// `${x:+y}`, `${x:?y}` and the same without the colon.
pub struct Expander<'a> {
    escape: char,
    variables: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Expander<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expander").field("escape", &self.escape).finish_non_exhaustive()
    }
}

impl<'a> Expander<'a> {
    /// `escape` is the file's, `variables` knows the value of those that are set.
    #[must_use]
    pub fn new(escape: char, variables: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { escape, variables }
    }

    /// The text as one word.
    ///
    /// # Errors
    /// If a quote or a brace stays open, or a variable is required and not set.
    pub fn word(&self, text: &str) -> Result<String, ExpandError> {
        Ok(self.run(text)?.whole)
    }

    /// The words of the text; blanks in the values of variables divide them, too.
    ///
    /// # Errors
    /// As [`Self::word`].
    pub fn words(&self, text: &str) -> Result<Vec<String>, ExpandError> {
        Ok(self.run(text)?.finished())
    }

    /// The text of a file, in which quotes mean nothing.
    ///
    /// # Errors
    /// As [`Self::word`].
    pub fn text(&self, text: &str) -> Result<String, ExpandError> {
        self.scan(text).quoted(None)
    }

    fn run(&self, text: &str) -> Result<Words, ExpandError> {
        self.scan(text).until(None)
    }

    fn scan<'b>(&'b self, text: &'b str) -> Scan<'b> {
        Scan { expander: self, text, input: text.chars().peekable(), depth: 0 }
    }
}

/// Words as they grow, and the same as one text.
#[derive(Debug, Default)]
struct Words {
    whole: String,
    done: Vec<String>,
    word: String,
}

impl Words {
    /// A character that divides words if it is blank.
    fn push(&mut self, character: char) {
        self.whole.push(character);
        if !character.is_whitespace() {
            self.word.push(character);
        } else if !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
        }
    }

    /// Text that is quoted.
    fn push_raw(&mut self, text: &str) {
        self.whole.push_str(text);
        self.word.push_str(text);
    }

    fn finished(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.done.push(self.word);
        }
        self.done
    }
}

struct Scan<'a> {
    expander: &'a Expander<'a>,
    /// All of it, for errors.
    text: &'a str,
    input: Peekable<Chars<'a>>,
    depth: usize,
}

impl Scan<'_> {
    /// Reads up to the closing character, or to the end.
    fn until(&mut self, closing: Option<char>) -> Result<Words, ExpandError> {
        let mut words = Words::default();
        while let Some(character) = self.input.next() {
            match character {
                c if Some(c) == closing => return Ok(words),
                '\'' => words.push_raw(&self.single_quoted()?),
                '"' => words.push_raw(&self.quoted(Some('"'))?),
                '$' => self.dollar()?.chars().for_each(|c| words.push(c)),
                c if c == self.expander.escape => {
                    if let Some(escaped) = self.input.next() {
                        words.push_raw(escaped.encode_utf8(&mut [0; 4]));
                    }
                }
                c => words.push(c),
            }
        }
        match closing {
            None => Ok(words),
            Some(_) => Err(ExpandError::MissingBrace { word: self.text.to_owned() }),
        }
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        let mut quoted = String::new();
        loop {
            match self.input.next() {
                None => return Err(self.open("single-quote")),
                Some('\'') => return Ok(quoted),
                Some(character) => quoted.push(character),
            }
        }
    }

    /// Reads up to the closing quote, or to the end. Only a few characters can be escaped.
    fn quoted(&mut self, closing: Option<char>) -> Result<String, ExpandError> {
        let mut quoted = String::new();
        while let Some(character) = self.input.next() {
            match character {
                c if Some(c) == closing => return Ok(quoted),
                '$' => quoted.push_str(&self.dollar()?),
                c if c == self.expander.escape => {
                    let is_special = |next: &char| *next == '$' || *next == c || Some(*next) == closing;
                    quoted.push(self.input.next_if(is_special).unwrap_or(c));
                }
                c => quoted.push(c),
            }
        }
        if closing.is_some() { Err(self.open("double-quote")) } else { Ok(quoted) }
    }

    /// What comes after a dollar sign.
    fn dollar(&mut self) -> Result<String, ExpandError> {
        if self.input.next_if_eq(&'{').is_some() {
            self.depth += 1;
            if self.depth > DEPTH_LIMIT {
                return Err(ExpandError::TooDeep { word: self.text.to_owned() });
            }
            let value = self.braces()?;
            self.depth -= 1;
            return Ok(value);
        }
        let name = self.name();
        Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() })
    }

    fn braces(&mut self) -> Result<String, ExpandError> {
        match self.input.peek() {
            None => return Err(ExpandError::MissingBrace { word: self.text.to_owned() }),
            Some('{' | '}' | ':') => return Err(ExpandError::BadSubstitution { word: self.text.to_owned() }),
            Some(_) => {}
        }
        let name = self.name();
        let value = self.value(&name);
        let (sets_empty, modifier) = match self.input.next() {
            None => return Err(ExpandError::MissingBrace { word: self.text.to_owned() }),
            Some('}') => return Ok(value.unwrap_or_default()),
            Some(':') => (true, self.input.next()),
            modifier => (false, modifier),
        };
        let colon = if sets_empty { ":" } else { "" };
        let unsupported = || ExpandError::Modifier {
            word: self.text.to_owned(),
            modifier: format!("{colon}{}", modifier.map(String::from).unwrap_or_default()),
        };
        if !matches!(modifier, Some('-' | '+' | '?')) {
            return Err(unsupported());
        }
        let word = self.until(Some('}'))?.whole;
        let set = value.clone().filter(|value| !sets_empty || !value.is_empty());
        match (modifier, set) {
            (Some('-'), set) => Ok(set.unwrap_or(word)),
            (Some('+'), set) => Ok(set.map(|_| word).unwrap_or_default()),
            (_, Some(set)) => Ok(set),
            (_, None) => Err(self.required(name, word, value.is_some())),
        }
    }

    fn required(&self, name: String, word: String, is_set: bool) -> ExpandError {
        let message = match (word.is_empty(), is_set) {
            (false, _) => word,
            (true, true) => "is not allowed to be empty".to_owned(),
            (true, false) => "is not allowed to be unset".to_owned(),
        };
        ExpandError::Required { word: self.text.to_owned(), name, message }
    }

    /// A name, a number, or one of the special parameters of `sh`.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.input.peek() {
            Some(c) if c.is_numeric() => {
                while let Some(digit) = self.input.next_if(|c| c.is_numeric()) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.input.next()),
            Some(_) | None => {
                while let Some(letter) = self.input.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(letter);
                }
            }
        }
        name
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.expander.variables)(name)
    }

    fn open(&self, quote: &'static str) -> ExpandError {
        ExpandError::Open { word: self.text.to_owned(), quote }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables(name: &str) -> Option<String> {
        let known = [("x", "1"), ("empty", ""), ("two", "a b"), ("path", "/usr/bin")];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Expander::new('\\', &variables).word(text).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn words_are_expanded() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$x$x", "11"),
            ("${x}y", "1y"),
            ("$xy", ""),
            ("$none", ""),
            ("a$", "a$"),
            ("$ a", "$ a"),
            ("\\$x", "$x"),
            ("'$x'", "$x"),
            ("\"$x\"", "1"),
            ("\"\\$x \\\" \\a\"", "$x \" \\a"),
            ("'it''s'", "its"),
            ("a\\ b", "a b"),
            ("${none:-d}", "d"),
            ("${empty:-d}", "d"),
            ("${empty-d}", ""),
            ("${x:-d}", "1"),
            ("${x:+y}", "y"),
            ("${empty:+y}", ""),
            ("${empty+y}", "y"),
            ("${none:+y}", ""),
            ("${none:-${x}2}", "12"),
            ("${none:-\"a }b\"}", "a }b"),
            ("${none:-\\}}", "}"),
            ("${x:?no}", "1"),
            ("$1", ""),
            ("end\\", "end"),
        ] {
            check(text, expected);
        }
        let backquote = Expander::new('`', &variables);
        assert_eq!(backquote.word("C:\\x`$x"), Ok("C:\\x$x".to_owned()));
    }

    #[test]
    fn values_with_blanks_are_several_words() {
        let words = |text: &str| Expander::new('\\', &variables).words(text).unwrap();
        assert_eq!(words("$two c"), ["a", "b", "c"]);
        assert_eq!(words("\"$two\" c"), ["a b", "c"]);
        assert_eq!(words("x${two}y"), ["xa", "by"]);
        assert_eq!(words("  "), [""; 0]);
    }

    #[test]
    fn quotes_in_a_file_are_text() {
        let text = Expander::new('\\', &variables).text("it's \"$x\" \\$x \\n\n");
        assert_eq!(text.as_deref(), Ok("it's \"1\" $x \\n\n"));
    }

    #[test]
    fn what_stays_open_is_refused() {
        let refused = |text: &str| Expander::new('\\', &variables).word(text).unwrap_err().to_string();
        let quote = "unexpected end of statement while looking for matching";
        assert_eq!(refused("'a"), format!("failed to process \"'a\": {quote} single-quote"));
        assert_eq!(refused("\"a"), format!("failed to process \"\\\"a\": {quote} double-quote"));
        assert_eq!(refused("${x"), "failed to process \"${x\": syntax error: missing '}'");
        assert_eq!(refused("${x:-"), "failed to process \"${x:-\": syntax error: missing '}'");
        assert_eq!(refused("${}"), "failed to process \"${}\": syntax error: bad substitution");
        let modifier = refused("${x:=y}");
        assert_eq!(modifier, "failed to process \"${x:=y}\": unsupported modifier (:=) in substitution");
        assert_eq!(refused("${n:?gone}"), "failed to process \"${n:?gone}\": n: gone");
        assert!(refused(&"${n:-".repeat(10_000)).contains("within one another"));
    }

    proptest! {
        #[test]
        fn anything_is_expanded_or_refused(text in "[\\\\a\"'${}:+-]{0,40}") {
            drop(Expander::new('\\', &variables).words(&text));
        }
    }
}
