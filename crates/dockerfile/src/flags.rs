//! The `--name=value` words before an instruction's arguments.

use crate::error::Problem;
use crate::words::words;

/// The flags of one instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(Vec<(String, Option<String>)>);

impl Flags {
    /// Splits the flags from the arguments; `--` alone ends them.
    pub(crate) fn split(text: &str, escape: char) -> (Self, &str) {
        let (mut flags, mut rest) = (Vec::new(), text.trim());
        while rest.starts_with("--") {
            let end = end_of_word(rest, escape);
            let (word, after) = rest.split_at(end);
            rest = after.trim_start();
            if word == "--" {
                break;
            }
            let word = word.trim_start_matches('-');
            flags.push(match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(unquoted(value, escape))),
                None => (word.to_owned(), None),
            });
        }
        (Self(flags), rest)
    }

    /// Takes the values of the flags in `known`, which have one each. The classic builder
    /// does not know those in `newer`.
    pub(crate) fn take<const N: usize>(
        self,
        known: [&'static str; N],
        newer: &[&str],
    ) -> Result<[String; N], Problem> {
        let mut values: [Option<String>; N] = [const { None }; N];
        for (name, value) in self.0 {
            if newer.contains(&name.as_str()) {
                return Err(Problem::BuildKit(name));
            }
            let shown = format!("--{name}");
            let Some(at) = known.iter().position(|known| *known == name) else {
                return Err(Problem::UnknownFlag(shown));
            };
            if values[at].is_some() {
                return Err(Problem::FlagTwice(shown));
            }
            values[at] = Some(value.ok_or(Problem::FlagWithoutValue(shown))?);
        }
        Ok(values.map(Option::unwrap_or_default))
    }

    /// Refuses any flag.
    pub(crate) fn none(self) -> Result<(), Problem> {
        self.take([], &[]).map(drop)
    }
}

fn end_of_word(text: &str, escape: char) -> usize {
    let (mut quote, mut is_escaped) = (None, false);
    for (at, character) in text.char_indices() {
        match (character, quote) {
            _ if is_escaped => is_escaped = false,
            (c, open) if c == escape && open != Some('\'') => is_escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (c @ ('"' | '\''), None) => quote = Some(c),
            (c, None) if c.is_whitespace() => return at,
            (_, _) => {}
        }
    }
    text.len()
}

fn unquoted(text: &str, escape: char) -> String {
    let word = words(text, escape).into_iter().next().unwrap_or_default();
    let (mut plain, mut quote) = (String::new(), None);
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c @ ('"' | '\''), None) => quote = Some(c),
            (c, open) if c == escape && open != Some('\'') => plain.extend(characters.next()),
            (c, _) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_first() {
        let (flags, rest) = Flags::split(" --chown=a:b --from=\"x y\"  src --not dst", '\\');
        assert_eq!(rest, "src --not dst");
        let taken = flags.take(["from", "chown", "chmod"], &[]).unwrap();
        assert_eq!(taken, ["x y".to_owned(), "a:b".to_owned(), String::new()]);
        assert_eq!(Flags::split("-- --a b", '\\'), (Flags::default(), "--a b"));
    }

    #[test]
    fn wrong_flags_are_refused() {
        let take = |text: &str| Flags::split(text, '\\').0.take(["from"], &["link"]).map(drop);
        assert_eq!(take("--nope=1 x"), Err(Problem::UnknownFlag("--nope".to_owned())));
        assert_eq!(take("--from x"), Err(Problem::FlagWithoutValue("--from".to_owned())));
        assert_eq!(take("--from=a --from=b x"), Err(Problem::FlagTwice("--from".to_owned())));
        assert_eq!(take("--link x"), Err(Problem::BuildKit("link".to_owned())));
    }
}
