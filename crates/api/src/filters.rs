//! Filters of lists, events and prunes, with Docker's rules of matching.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::{StringMap, json};

/// Filters: for each key the values of which one must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// Why filters are refused. The texts are moby's (`invalidFilter`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// The text is not a JSON object of filters.
    Malformed,
    /// The list has no such filter.
    UnknownKey(String),
    /// The filter has no such value.
    InvalidValue {
        /// The filter.
        key: String,
        /// Its values.
        values: Vec<String>,
    },
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("invalid filter"),
            Self::UnknownKey(key) => write!(f, "invalid filter '{key}'"),
            Self::InvalidValue { key, values } => write!(f, "invalid filter '{key}=[{}]'", values.join(" ")),
        }
    }
}

impl std::error::Error for FilterError {}

impl Filters {
    /// Reads the query parameter `filters`: `{"label":{"a=b":true}}`, or `{"label":["a=b"]}` of old clients.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Values {
            Set(BTreeMap<String, bool>),
            List(Vec<String>),
        }
        if text.is_empty() {
            return Ok(Self::default());
        }
        let keys: BTreeMap<String, Option<Values>> =
            json::from_slice(text.as_bytes()).map_err(|_| FilterError::Malformed)?;
        let values = |values| match values {
            None => BTreeSet::new(),
            Some(Values::Set(set)) => set.into_keys().collect(),
            Some(Values::List(list)) => list.into_iter().collect(),
        };
        Ok(Self(keys.into_iter().map(|(key, of)| (key, values(of))).collect()))
    }

    /// Adds a value.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().insert(value.into());
    }

    /// Whether nothing is filtered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The values of a key.
    pub fn get(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Refuses keys that are not in `accepted`.
    ///
    /// # Errors
    /// Names the first key that is not.
    pub fn validate(&self, accepted: &[&str]) -> Result<(), FilterError> {
        let unknown = self.0.keys().find(|key| !accepted.contains(&key.as_str()));
        unknown.map_or(Ok(()), |key| Err(FilterError::UnknownKey(key.clone())))
    }

    /// Whether a value is one of the key's, or the key is not there.
    #[must_use]
    pub fn exact(&self, key: &str, value: &str) -> bool {
        self.0.get(key).is_none_or(|values| values.is_empty() || values.contains(value))
    }

    /// Whether a value is one of the key's, matches one as a regular expression, or the key is not there.
    #[must_use]
    pub fn matches(&self, key: &str, value: &str) -> bool {
        self.exact(key, value)
            || self.get(key).any(|text| Pattern::parse(text).is_some_and(|p| p.matches(value)))
    }

    /// Whether a value begins with one of the key's, or the key is not there.
    #[must_use]
    pub fn prefix(&self, key: &str, value: &str) -> bool {
        self.exact(key, value) || self.get(key).any(|text| value.starts_with(text))
    }

    /// Whether every value of the key, `name` or `name=value`, is among the labels, or the key is not there.
    #[must_use]
    pub fn labels(&self, key: &str, labels: &StringMap) -> bool {
        self.get(key).all(|wanted| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|label| label == value),
            None => labels.contains_key(wanted),
        })
    }

    /// The filters `label` and `label!` together.
    #[must_use]
    pub fn accept_labels(&self, labels: &StringMap) -> bool {
        let excluded =
            self.0.get("label!").is_some_and(|values| !values.is_empty()) && self.labels("label!", labels);
        self.labels("label", labels) && !excluded
    }

    /// The truth of a filter such as `dangling`, `None` when it is not there.
    ///
    /// # Errors
    /// The value is not one of `true`, `1`, `false`, `0`, or there are both.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, FilterError> {
        let Some(values) = self.0.get(key).filter(|values| !values.is_empty()) else { return Ok(None) };
        let yes = values.contains("true") || values.contains("1");
        let no = values.contains("false") || values.contains("0");
        if yes == no {
            let values = values.iter().cloned().collect();
            return Err(FilterError::InvalidValue { key: key.to_owned(), values });
        }
        Ok(Some(yes))
    }
}

impl Serialize for Filters {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let set = |values: &BTreeSet<String>| values.iter().map(|value| (value.clone(), true)).collect();
        let keys: BTreeMap<&String, BTreeMap<String, bool>> =
            self.0.iter().map(|(key, values)| (key, set(values))).collect();
        keys.serialize(serializer)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Filters {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut filters = Self::default();
        pairs.into_iter().for_each(|(key, value)| filters.add(key, value));
        filters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(text: &str) -> Filters {
        Filters::parse(text).expect("filters")
    }

    #[test]
    fn both_forms_are_read() {
        let expected: Filters =
            [("label", "a=b"), ("label", "c"), ("status", "running")].into_iter().collect();
        assert_eq!(filters(r#"{"label":{"a=b":true,"c":true},"status":{"running":true}}"#), expected);
        assert_eq!(filters(r#"{"label":["a=b","c"],"status":["running"]}"#), expected);
        assert_eq!(filters(""), Filters::default());
        assert_eq!(filters("{}"), Filters::default());
        assert_eq!(
            serde_json::to_string(&expected).expect("json"),
            r#"{"label":{"a=b":true,"c":true},"status":{"running":true}}"#
        );
    }

    #[test]
    fn the_texts_are_mobys() {
        for text in ["x", "[]", r#"{"a":"b"}"#, r#"{"a":{"b":"c"}}"#, "1"] {
            assert_eq!(Filters::parse(text).expect_err(text).to_string(), "invalid filter");
        }
        let unknown = filters(r#"{"nope":["a"]}"#).validate(&["label"]).expect_err("unknown");
        assert_eq!(unknown.to_string(), "invalid filter 'nope'");
        let invalid = filters(r#"{"dangling":["maybe"]}"#).boolean("dangling").expect_err("invalid");
        assert_eq!(invalid.to_string(), "invalid filter 'dangling=[maybe]'");
    }

    #[test]
    fn names_match_as_patterns() {
        #[track_caller]
        fn check(filter: &str, value: &str, expected: bool) {
            let filters: Filters = [("name", filter)].into_iter().collect();
            assert_eq!(filters.matches("name", value), expected, "{filter} on {value}");
        }
        check("web", "/web-1", true);
        check("^/web$", "/web", true);
        check("^/web$", "/web-1", false);
        check("^web", "/web", false);
        check("w.b", "/web", true);
        check("(web|db)[0-9]+", "/db12", true);
        check("(", "/(", false);
        assert!(Filters::default().matches("name", "any"));
    }

    #[test]
    fn every_label_must_be_there() {
        let labels: StringMap = [("a", "b"), ("c", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        #[track_caller]
        fn check(text: &str, labels: &StringMap, expected: bool) {
            assert_eq!(filters(text).accept_labels(labels), expected, "{text}");
        }
        check(r#"{"label":["a=b","c"]}"#, &labels, true);
        check(r#"{"label":["a"]}"#, &labels, true);
        check(r#"{"label":["a=x"]}"#, &labels, false);
        check(r#"{"label":["a","d"]}"#, &labels, false);
        check(r#"{"label!":["a"]}"#, &labels, false);
        check(r#"{"label!":["d"]}"#, &labels, true);
        check("{}", &labels, true);
    }
}
