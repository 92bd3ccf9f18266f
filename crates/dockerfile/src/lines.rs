//! Logical lines: what an instruction is written on, with its heredocs.

use crate::error::{ParseError, Problem};
use crate::instruction::Inline;
use crate::words::words;

/// One instruction as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins, from 1.
    pub(crate) number: usize,
    /// Continued lines in one.
    pub(crate) text: String,
    pub(crate) heredocs: Vec<Inline>,
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    pub(crate) escape: char,
    pub(crate) warnings: Vec<String>,
}

/// The instructions whose `<<` begins a heredoc.
const WITH_HEREDOCS: [&str; 4] = ["ADD", "COPY", "RUN", "ONBUILD"];

/// Reads the lines of a file.
pub(crate) fn lines(text: &str) -> Result<Lines, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = escape(text)?;
    let mut reading = Reading { physical: text.lines().enumerate(), escape, warnings: Vec::new() };
    let mut lines = Vec::new();
    while let Some(line) = reading.next()? {
        lines.push(line);
    }
    if !reading.warnings.is_empty() {
        let last = "[WARNING]: Empty continuation lines will become errors in a future release.";
        reading.warnings.push(last.to_owned());
    }
    Ok(Lines { lines, escape, warnings: reading.warnings })
}

/// Reads the directives, which are comments before anything else. Only `escape` matters here.
fn escape(text: &str) -> Result<char, ParseError> {
    let (mut escape, mut seen) = ('\\', Vec::new());
    for (index, line) in text.lines().enumerate() {
        let Some((name, value)) = directive(line) else { break };
        let Some(known) = ["escape", "syntax", "check"].into_iter().find(|known| *known == name) else {
            break;
        };
        if seen.contains(&known) {
            return Err(Problem::DirectiveTwice(known).on(index + 1));
        }
        seen.push(known);
        if known == "escape" {
            escape = match value {
                "\\" => '\\',
                "`" => '`',
                other => return Err(Problem::Escape(other.to_owned()).on(index + 1)),
            };
        }
    }
    Ok(escape)
}

fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && !value.is_empty();
    is_name.then(|| (name.to_ascii_lowercase(), value))
}

struct Reading<'a> {
    physical: std::iter::Enumerate<std::str::Lines<'a>>,
    escape: char,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn next(&mut self) -> Result<Option<Line>, ParseError> {
        while let Some((index, physical)) = self.physical.next() {
            let physical = physical.trim_start();
            if physical.is_empty() || physical.starts_with('#') {
                continue;
            }
            let text = self.continued(physical);
            let number = index + 1;
            let heredocs = self.heredocs(&text, number)?;
            return Ok(Some(Line { number, text, heredocs }));
        }
        Ok(None)
    }

    /// Joins a line with those that continue it; comments and empty lines in between do not end it.
    fn continued(&mut self, first: &str) -> String {
        let (mut text, mut goes_on) = continuation(first, self.escape);
        let mut text_is_torn = false;
        while goes_on {
            let Some((_, physical)) = self.physical.next() else { break };
            let trimmed = physical.trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                text_is_torn = true;
                continue;
            }
            let (more, again) = continuation(physical, self.escape);
            text.push_str(&more);
            goes_on = again;
        }
        if text_is_torn {
            self.warnings.push(format!("[WARNING]: Empty continuation line found in:\n    {text}"));
        }
        text
    }

    fn heredocs(&mut self, text: &str, number: usize) -> Result<Vec<Inline>, ParseError> {
        let (instruction, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if !WITH_HEREDOCS.iter().any(|known| known.eq_ignore_ascii_case(instruction)) {
            return Ok(Vec::new());
        }
        let begun = words(rest, self.escape).iter().filter_map(|word| opening(word)).collect::<Vec<_>>();
        let mut heredocs = Vec::new();
        for opening in begun {
            let content = self.until(&opening).ok_or(Problem::OpenHeredoc.on(number))?;
            heredocs.push(Inline { content, ..opening.inline });
        }
        Ok(heredocs)
    }

    /// The content of a heredoc, up to the line with its name.
    fn until(&mut self, opening: &Opening) -> Option<String> {
        let mut content = String::new();
        loop {
            let (_, line) = self.physical.next()?;
            let line = if opening.strips_tabs { line.trim_start_matches('\t') } else { line };
            if line == opening.inline.name {
                return Some(content);
            }
            content.push_str(line);
            content.push('\n');
        }
    }
}

/// The word that begins a heredoc: `<<EOF`, `<<-EOF`, `3<<"EOF"`.
pub(crate) struct Opening {
    pub(crate) inline: Inline,
    strips_tabs: bool,
}

/// Reads such a word.
pub(crate) fn opening(word: &str) -> Option<Opening> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (strips_tabs, quoted) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let name: String = quoted.chars().filter(|c| !matches!(c, '"' | '\'')).collect();
    if name.is_empty() || quoted.contains('<') {
        return None;
    }
    let inline = Inline { expands: name.len() == quoted.len(), name, content: String::new() };
    Some(Opening { inline, strips_tabs })
}

/// A line without the escape at its end, and whether there was one. An escape that is
/// itself escaped continues nothing.
fn continuation(line: &str, escape: char) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest.to_owned(), true),
        Some(_) | None => (line.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let lines = lines(text).unwrap();
        let got: Vec<_> = lines.lines.iter().map(|line| (line.number, line.text.as_str())).collect();
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn lines_are_continued() {
        check("FROM a\n\n# no\n  RUN b \\\n  c\n", &[(1, "FROM a"), (4, "RUN b   c")]);
        check("RUN a \\\n# in between\n  && b", &[(1, "RUN a   && b")]);
        check("RUN a \\\n\n\\\nb", &[(1, "RUN a b")]);
        check("RUN a\\\\\nRUN b", &[(1, "RUN a\\\\"), (2, "RUN b")]);
        check("# escape=`\nRUN a `\n b\\\nRUN c", &[(2, "RUN a  b\\"), (4, "RUN c")]);
        check("\u{feff}FROM a\r\nRUN b\r\n", &[(1, "FROM a"), (2, "RUN b")]);
        check("# comment\n# escape=`\nRUN a `\n", &[(3, "RUN a `")]);
        check("RUN a \\", &[(1, "RUN a ")]);
        check("RUN a \\  \n  b", &[(1, "RUN a   b")]);
    }

    #[test]
    fn heredocs_end_at_their_name() {
        let read = lines("RUN <<EOF sh\na\n\tb\nEOF\nCOPY <<-'X' <<Y /d\n\tx\n\tX\ny\nY\n").unwrap().lines;
        let inline = |name: &str, content: &str, expands| Inline {
            name: name.to_owned(),
            content: content.to_owned(),
            expands,
        };
        assert_eq!(read[0].heredocs, [inline("EOF", "a\n\tb\n", true)]);
        assert_eq!(read[1].heredocs, [inline("X", "x\n", false), inline("Y", "y\n", true)]);
        assert_eq!(read[1].number, 5);
        assert_eq!(lines("\nRUN <<EOF\na\n"), Err(Problem::OpenHeredoc.on(2)));
        check("RUN echo \"<<EOF\" $((1<<2)) a<<b", &[(1, "RUN echo \"<<EOF\" $((1<<2)) a<<b")]);
        check("CMD cat <<EOF", &[(1, "CMD cat <<EOF")]);
    }

    #[test]
    fn directives_are_checked() {
        assert_eq!(lines("# escape=x\n"), Err(Problem::Escape("x".to_owned()).on(1)));
        assert_eq!(lines("# escape=`\n# escape=`\n"), Err(Problem::DirectiveTwice("escape").on(2)));
        assert_eq!(lines("#syntax=docker/dockerfile:1\n#escape = `\nFROM a").unwrap().escape, '`');
    }

    #[test]
    fn torn_lines_are_warned_of() {
        let warnings = lines("RUN a \\\n\nb").unwrap().warnings;
        assert_eq!(warnings[0], "[WARNING]: Empty continuation line found in:\n    RUN a b");
        assert_eq!(warnings.len(), 2);
    }
}
