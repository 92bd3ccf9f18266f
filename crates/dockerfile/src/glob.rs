//! Patterns for names: `*`, `?`, `[a-z]`, `\`, and in `.dockerignore` `**`.

/// A pattern for paths without a leading slash. It matches in time in proportion to
/// pattern × path, whatever the pattern is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    One(char),
    /// `?`: any character but a slash.
    Any,
    /// `[…]`
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`: any characters but slashes.
    Star,
    /// `**`: any characters.
    Everything,
    /// `**/`: any directories, or none.
    Directories,
}

impl Glob {
    /// A pattern in which `*` stays within a name, as in `COPY`; `None` if it is malformed.
    #[must_use]
    pub fn parse(pattern: &str) -> Option<Self> {
        tokens(pattern, false).map(Self)
    }

    /// A pattern that knows `**`, too; `None` if it is malformed.
    #[must_use]
    pub fn parse_deep(pattern: &str) -> Option<Self> {
        tokens(pattern, true).map(Self)
    }

    /// Whether a text has characters that make it a pattern.
    #[must_use]
    pub fn is_pattern(text: &str) -> bool {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => drop(characters.next()),
                '*' | '?' | '[' => return true,
                _ => {}
            }
        }
        false
    }

    /// Whether the whole path matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut now = vec![false; self.0.len() + 1];
        now[0] = true;
        self.skip_empty(&mut now, true);
        for character in path.chars() {
            let mut next = vec![false; self.0.len() + 1];
            for (at, token) in self.0.iter().enumerate().filter(|(at, _)| now[*at]) {
                match token {
                    Token::One(one) => next[at + 1] |= *one == character,
                    Token::Any => next[at + 1] |= character != '/',
                    Token::Class { is_negated, ranges } => {
                        let is_in = ranges.iter().any(|(from, to)| (*from..=*to).contains(&character));
                        next[at + 1] |= is_in != *is_negated && character != '/';
                    }
                    Token::Star => next[at] |= character != '/',
                    Token::Everything => next[at] = true,
                    Token::Directories => {
                        next[at] = true;
                        next[at + 1] |= character == '/';
                    }
                }
            }
            self.skip_empty(&mut next, character == '/');
            now = next;
        }
        now[self.0.len()]
    }

    /// Goes past tokens that may stand for nothing.
    fn skip_empty(&self, states: &mut [bool], at_start_of_name: bool) {
        for (at, token) in self.0.iter().enumerate() {
            let may_be_empty = match token {
                Token::Star | Token::Everything => true,
                Token::Directories => at_start_of_name,
                Token::One(_) | Token::Any | Token::Class { .. } => false,
            };
            if states[at] && may_be_empty {
                states[at + 1] = true;
            }
        }
    }
}

fn tokens(pattern: &str, is_deep: bool) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' if is_deep && characters.next_if_eq(&'*').is_some() => {
                while characters.next_if_eq(&'*').is_some() {}
                if characters.next_if_eq(&'/').is_some() { Token::Directories } else { Token::Everything }
            }
            '*' => Token::Star,
            '?' => Token::Any,
            '[' => class(&mut characters)?,
            '\\' => Token::One(characters.next()?),
            other => Token::One(other),
        });
    }
    Some(tokens)
}

fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let is_negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |characters: &mut std::iter::Peekable<std::str::Chars<'_>>| match characters.next()? {
        '\\' => characters.next(),
        '-' => None,
        other => Some(other),
    };
    loop {
        if !ranges.is_empty() && characters.next_if_eq(&']').is_some() {
            return Some(Token::Class { is_negated, ranges });
        }
        if characters.peek() == Some(&']') {
            return None;
        }
        let from = one(characters)?;
        let to = if characters.next_if_eq(&'-').is_some() { one(characters)? } else { from };
        ranges.push((from, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let glob = Glob::parse_deep(pattern).unwrap_or_else(|| panic!("{pattern}"));
        for path in matching {
            assert!(glob.matches(path), "{pattern} should match {path}");
        }
        for path in others {
            assert!(!glob.matches(path), "{pattern} should not match {path}");
        }
    }

    #[test]
    fn patterns_match_as_in_docker() {
        check("a", &["a"], &["b", "aa", "a/b"]);
        check("*.txt", &["a.txt", ".txt"], &["a/b.txt", "a.txtx"]);
        check("a?c", &["abc", "aäc"], &["ac", "a/c"]);
        check("[a-c]x", &["ax", "cx"], &["dx", "x"]);
        check("[^a-c]x", &["dx"], &["ax", "/x"]);
        check("\\*", &["*"], &["a"]);
        check("**", &["", "a", "a/b/c"], &[]);
        check("**/x", &["x", "a/x", "a/b/x"], &["ax", "a/xy"]);
        check("a/**", &["a/", "a/b", "a/b/c"], &["a", "b"]);
        check("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]);
        check("**/*.go", &["a.go", "b/c.go"], &["a.goo"]);
        check("a**", &["a", "ab", "a/b"], &["b"]);
    }

    #[test]
    fn malformed_patterns_are_none() {
        for bad in ["[", "[]", "[a", "[a-]", "a\\", "[-a]"] {
            assert_eq!(Glob::parse(bad), None, "{bad}");
        }
        assert!(Glob::parse("**").is_some_and(|glob| !glob.matches("a/b") && glob.matches("ab")));
    }

    #[test]
    fn evil_patterns_take_little_time() {
        let pattern = "*a".repeat(200);
        assert!(!Glob::parse(&pattern).unwrap().matches(&"a".repeat(199)));
        assert!(Glob::parse(&pattern).unwrap().matches(&"a".repeat(4000)));
    }

    #[test]
    fn what_is_a_pattern_is_known() {
        for (text, expected) in [("a", false), ("a*", true), ("\\*", false), ("a[b", true), ("?", true)] {
            assert_eq!(Glob::is_pattern(text), expected, "{text}");
        }
    }
}
