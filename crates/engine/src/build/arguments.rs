//! Build arguments: which there are, what they are worth, and which of them a command sees.

use std::collections::{BTreeMap, BTreeSet};

/// Arguments that need not be declared, and that the history does not show unless they are.
const PREDEFINED: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The arguments of a build, as one stage sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// What whoever builds has given.
    given: BTreeMap<String, Option<String>>,
    /// Declared before the first stage, with their defaults.
    global: BTreeMap<String, Option<String>>,
    /// Declared in this stage, with their defaults.
    declared: BTreeMap<String, Option<String>>,
    /// Declared anywhere.
    used: BTreeSet<String>,
}

impl Arguments {
    pub(crate) fn new(given: BTreeMap<String, Option<String>>) -> Self {
        Self { given, ..Self::default() }
    }

    /// Declares one before the first stage.
    pub(crate) fn declare_global(&mut self, name: &str, default: Option<String>) {
        self.used.insert(name.to_owned());
        self.global.insert(name.to_owned(), default);
    }

    /// Declares one in a stage.
    pub(crate) fn declare(&mut self, name: &str, default: Option<String>) {
        self.used.insert(name.to_owned());
        self.declared.insert(name.to_owned(), default);
    }

    /// A stage begins with nothing declared.
    pub(crate) fn begin_stage(&mut self) {
        self.declared.clear();
    }

    /// What one is worth where `FROM` is expanded.
    pub(crate) fn global_value(&self, name: &str) -> Option<String> {
        let default = self.global.get(name);
        let counts = default.is_some() || PREDEFINED.contains(&name);
        let given = self.given.get(name).cloned().flatten().filter(|_| counts);
        given.or_else(|| default.cloned().flatten())
    }

    /// What one is worth in this stage.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let default = self.declared.get(name);
        if default.is_none() && !PREDEFINED.contains(&name) {
            return None;
        }
        let given = self.given.get(name).cloned().flatten();
        given.or_else(|| default.cloned().flatten()).or_else(|| self.global.get(name).cloned().flatten())
    }

    /// What a command sees of them besides the variables of the image, and what of that the
    /// history shows.
    pub(crate) fn environment(&self, image: &[String]) -> (Vec<String>, Vec<String>) {
        let names = self.declared.keys().map(String::as_str).chain(PREDEFINED);
        let names: BTreeSet<&str> = names.filter(|name| variable(image, name).is_none()).collect();
        let seen = names.into_iter().filter_map(|name| Some((name, self.value(name)?)));
        let (mut environment, mut shown) = (Vec::new(), Vec::new());
        for (name, value) in seen {
            let text = format!("{name}={value}");
            if self.declared.contains_key(name) {
                shown.push(text.clone());
            }
            environment.push(text);
        }
        (environment, shown)
    }

    /// What was declared in another stage counts as used.
    pub(crate) fn merge_used(&mut self, other: &Self) {
        self.used.extend(other.used.iter().cloned());
    }

    /// Given, and never declared.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let names = self.given.keys().map(String::as_str);
        names.filter(|name| !self.used.contains(*name) && !PREDEFINED.contains(name)).collect()
    }
}

/// The value of a variable in a list of `NAME=value`.
pub(crate) fn variable(environment: &[String], name: &str) -> Option<String> {
    let value = |entry: &String| {
        let (known, value) = entry.split_once('=')?;
        (known == name).then(|| value.to_owned())
    };
    environment.iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Arguments {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).to_owned()));
        Arguments::new(pairs.iter().map(pair).collect())
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_given_wins_over_defaults() {
        let mut arguments = given(&[("a", "given"), ("lost", "x")]);
        arguments.declare_global("a", some("default"));
        arguments.declare_global("g", some("global"));
        assert_eq!(
            (arguments.global_value("a"), arguments.global_value("g")),
            (some("given"), some("global"))
        );
        assert_eq!((arguments.value("a"), arguments.value("g")), (None, None), "not declared in the stage");
        arguments.declare("a", some("stage"));
        arguments.declare("g", None);
        arguments.declare("n", None);
        assert_eq!((arguments.value("a"), arguments.value("g")), (some("given"), some("global")));
        assert_eq!(arguments.value("n"), None);
        assert_eq!(arguments.unused(), ["lost"]);
        arguments.begin_stage();
        assert_eq!(arguments.value("a"), None);
    }

    #[test]
    fn proxies_are_seen_and_not_shown() {
        let mut arguments = given(&[("http_proxy", "p"), ("v", "1"), ("w", "2")]);
        arguments.declare("v", None);
        arguments.declare("w", None);
        let (seen, shown) = arguments.environment(&["w=image".to_owned()]);
        assert_eq!(seen, ["http_proxy=p", "v=1"]);
        assert_eq!(shown, ["v=1"]);
        arguments.declare("http_proxy", None);
        assert_eq!(arguments.environment(&[]).1, ["http_proxy=p", "v=1", "w=2"]);
        assert_eq!(arguments.unused(), [""; 0]);
    }
}
