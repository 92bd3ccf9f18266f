//! `.dockerignore`: which files of a directory are not part of a build's context.

use crate::glob::Glob;

/// The rules of a `.dockerignore`. The last that matches a path counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    glob: Glob,
    /// `!`: what matches stays.
    is_exception: bool,
}

impl Ignore {
    /// Reads the rules.
    ///
    /// # Errors
    /// Gives the first line that is malformed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
        let rules = lines.filter(|line| !line.is_empty()).map(rule).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { rules: rules.into_iter().flatten().collect() })
    }

    /// Whether a path, relative to the directory and without `.` and `..`, is left out.
    #[must_use]
    pub fn excludes(&self, path: &str) -> bool {
        let matches = |glob: &Glob| {
            let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            parents.chain([path]).any(|path| glob.matches(path))
        };
        let rule = self.rules.iter().rev().find(|rule| matches(&rule.glob));
        rule.is_some_and(|rule| !rule.is_exception)
    }

    /// Whether something below a directory that is left out may stay all the same.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_exception)
    }
}

/// A line without its `!`, and cleaned; one that means the directory itself says nothing.
fn rule(line: &str) -> Result<Option<Rule>, String> {
    let (is_exception, pattern) = match line.strip_prefix('!') {
        Some(pattern) => (true, pattern.trim()),
        None => (false, line),
    };
    let mut names: Vec<&str> = Vec::new();
    for name in pattern.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    let glob = Glob::parse_deep(&names.join("/")).ok_or_else(|| line.to_owned())?;
    Ok(Some(Rule { glob, is_exception }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &str, left_out: &[&str], kept: &[&str]) {
        let ignore = Ignore::parse(rules).unwrap();
        for path in left_out {
            assert!(ignore.excludes(path), "{rules:?} should leave out {path}");
        }
        for path in kept {
            assert!(!ignore.excludes(path), "{rules:?} should keep {path}");
        }
    }

    #[test]
    fn the_last_rule_counts() {
        check("", &[], &["a"]);
        check("# a\n\n b \n", &["b", "b/c"], &["a", "ab"]);
        check("/a/./b/\n", &["a/b", "a/b/c"], &["a", "b"]);
        check("*.md\n!README.md\n", &["a.md"], &["README.md", "d/a.md"]);
        check("*.md\n!README*.md\nREADME-secret.md", &["a.md", "README-secret.md"], &["README-1.md"]);
        check("**/tmp\n!**/tmp/keep", &["tmp", "a/tmp", "a/tmp/x"], &["a/tmp/keep", "tmp/keep"]);
        check("*\n!src", &["a", "b/c"], &["src", "src/x/y"]);
        check("../x", &["x"], &[]);
        check(".", &[], &["a"]);
        check("!a", &[], &["a"]);
    }

    #[test]
    fn malformed_rules_are_named() {
        assert_eq!(Ignore::parse("a\n[\n"), Err("[".to_owned()));
    }
}
