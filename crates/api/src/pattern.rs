//! The regular expressions that Docker's `name` and `id` filters are.
//!
//! A filter comes from outside, so matching takes time in proportion to pattern × text: the pattern becomes a
//! small automaton whose states are followed all at once. It knows what people write in filters: literals, `.`,
//! classes, groups, `|`, `*`, `+`, `?`, `{n,m}`, `^`, `$`, `\d`, `\w`, `\s`. A pattern with anything else does
//! not match, as one with a mistake does not.

mod parse;

/// The most steps that a pattern may have.
const MOST_STEPS: usize = 2_000;

/// A parsed regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    steps: Vec<Step>,
}

/// One step of the automaton; targets are indices of steps.
#[derive(Clone, Debug)]
enum Step {
    /// One character of a set.
    One(Class),
    /// Both ways.
    Split(usize, usize),
    /// That way.
    Jump(usize),
    /// Only at the beginning of the text.
    Start,
    /// Only at the end of the text.
    End,
    /// The text matches.
    Match,
}

/// A set of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn contains(&self, character: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != self.negated
    }
}

impl Pattern {
    /// Reads a pattern; `None` for one that is wrong, too large, or uses what is not known here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let tree = parse::tree(text)?;
        let mut steps = Vec::new();
        parse::compile(&tree, &mut steps)?;
        steps.push(Step::Match);
        (steps.len() <= MOST_STEPS).then_some(Self { steps })
    }

    /// Whether some part of the text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut now = States::new(self.steps.len());
        let mut characters = text.chars().peekable();
        let mut at_start = true;
        loop {
            let at_end = characters.peek().is_none();
            now.add(0);
            if self.close(&mut now, at_start, at_end) {
                return true;
            }
            let Some(character) = characters.next() else { return false };
            now = self.after(&now, character);
            at_start = false;
        }
    }

    /// Follows what takes no character; says whether that reaches the end of the pattern.
    fn close(&self, states: &mut States, at_start: bool, at_end: bool) -> bool {
        let mut next = 0;
        while let Some(&state) = states.list.get(next) {
            next += 1;
            match &self.steps[state] {
                Step::Match => return true,
                Step::Jump(to) => states.add(*to),
                Step::Split(one, other) => {
                    states.add(*one);
                    states.add(*other);
                }
                Step::Start if at_start => states.add(state + 1),
                Step::End if at_end => states.add(state + 1),
                Step::One(_) | Step::Start | Step::End => {}
            }
        }
        false
    }

    fn after(&self, states: &States, character: char) -> States {
        let mut next = States::new(self.steps.len());
        for &state in &states.list {
            if matches!(&self.steps[state], Step::One(class) if class.contains(character)) {
                next.add(state + 1);
            }
        }
        next
    }
}

/// A set of states that remembers the order.
struct States {
    list: Vec<usize>,
    has: Vec<bool>,
}

impl States {
    fn new(steps: usize) -> Self {
        Self { list: Vec::new(), has: vec![false; steps] }
    }

    fn add(&mut self, state: usize) {
        if !std::mem::replace(&mut self.has[state], true) {
            self.list.push(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let parsed = Pattern::parse(pattern).expect(pattern);
        for text in matching {
            assert!(parsed.matches(text), "{pattern} matches {text}");
        }
        for text in others {
            assert!(!parsed.matches(text), "{pattern} does not match {text}");
        }
    }

    #[test]
    fn what_people_write() {
        check("", &["", "a"], &[]);
        check("b", &["abc"], &["", "ac"]);
        check("^a.c$", &["abc", "a-c"], &["ac", "xabc", "abcd"]);
        check("^/?web-[0-9]+$", &["/web-1", "web-22"], &["/web-", "/web-1a"]);
        check("^(web|db)_(one|two)$", &["web_one", "db_two"], &["web_", "db_three"]);
        check("a{2,3}$", &["aa", "aaa", "xaa"], &["a"]);
        check("^a{2}$", &["aa"], &["a", "aaa"]);
        check("^a{2,}$", &["aa", "aaaaa"], &["a"]);
        check(r"^\d+\.\w*$", &["12.x", "1."], &["12x", ".x"]);
        check("^[^a-c]*$", &["", "xyz"], &["xbz"]);
        check("^[-.a]+$", &["a-.", "-"], &["b"]);
        check("^(?:ab)+$", &["abab"], &["aba", ""]);
        check("^.*?x$", &["abx"], &["ab"]);
        check("^é+$", &["éé"], &["e"]);
    }

    #[test]
    fn mistakes_and_giants_do_not_match() {
        for text in [
            "(",
            ")",
            "[",
            "[z-a]",
            "*",
            "a**",
            "a{",
            "a{3,1}",
            "a{2000}",
            r"\",
            "(?P<n>a)",
            r"\q",
            "(a{900}){900}",
            "((((){1000}){1000}){1000}){1000}",
        ] {
            assert!(Pattern::parse(text).is_none(), "{text}");
        }
        assert!(Pattern::parse(&"(".repeat(100_000)).is_none());
    }

    #[test]
    fn hostile_patterns_take_no_time() {
        let pattern = Pattern::parse("^(a*)*(a*)*(a*)*b$").expect("a pattern");
        assert!(!pattern.matches(&"a".repeat(10_000)));
    }
}
