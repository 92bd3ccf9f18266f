//! Words between blanks, with their quotes and escapes still in them.

/// Splits a text at blanks that are neither quoted nor escaped. What is quoted stays
/// quoted: it is unquoted when variables are filled in.
pub(crate) fn words(text: &str, escape: char) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (c, Some(open)) if c == open => quote = None,
            // Nothing is special between single quotes.
            (c, open) if c == escape && open != Some('\'') => {
                // An escape at the very end escapes nothing.
                let Some(escaped) = characters.next() else { break };
                word.push(c);
                word.push(escaped);
                continue;
            }
            (c @ ('"' | '\''), None) => quote = Some(c),
            (_, _) => {}
        }
        word.push(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text, '\\'), expected, "{text}");
    }

    #[test]
    fn quotes_and_escapes_keep_blanks() {
        check("", &[]);
        check("  a \t b ", &["a", "b"]);
        check("a=\"b c\" d='e f'", &["a=\"b c\"", "d='e f'"]);
        check("a\\ b c", &["a\\ b", "c"]);
        check("\"a\\\" b\" c", &["\"a\\\" b\"", "c"]);
        check("'a\\' b", &["'a\\'", "b"]);
        check("\"\" x", &["\"\"", "x"]);
        check("end\\", &["end"]);
        check("\"open a b", &["\"open a b"]);
        assert_eq!(words("a` b", '`'), ["a` b"]);
    }
}
