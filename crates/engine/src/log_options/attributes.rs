//! What each line of a log is marked with: labels, variables, a tag.

use std::collections::BTreeMap;

use regex::Regex;

use super::{LogError, Options};

/// The container a log is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) image: &'a str,
    /// `sha256:…`; empty if there is none.
    pub(crate) image_id: &'a str,
    pub(crate) labels: &'a BTreeMap<String, String>,
    /// `NAME=value`.
    pub(crate) env: &'a [String],
}

/// Digits of a short id.
const SHORT: usize = 12;

/// Refuses what can be neither a tag nor an expression.
pub(super) fn check(options: &Options) -> Result<(), LogError> {
    for option in ["labels-regex", "env-regex"] {
        pattern(options, option)?;
    }
    let nobody = Subject { id: "", name: "", image: "", image_id: "", labels: &BTreeMap::new(), env: &[] };
    tag(options, &nobody).map(drop)
}

/// All that lines are marked with.
pub(super) fn all(options: &Options, subject: &Subject<'_>) -> Result<BTreeMap<String, String>, LogError> {
    let mut found = BTreeMap::new();
    let env: Vec<(&str, &str)> = subject.env.iter().filter_map(|text| text.split_once('=')).collect();
    let labels: Vec<(&str, &str)> =
        subject.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (pairs, names, expression) in [(&labels, "labels", "labels-regex"), (&env, "env", "env-regex")] {
        let named: Vec<&str> = options.get(names).into_iter().flat_map(|names| names.split(',')).collect();
        let pattern = pattern(options, expression)?;
        let is_chosen = |name: &str| {
            named.contains(&name) || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name))
        };
        let chosen = pairs.iter().filter(|(name, _)| is_chosen(name));
        found.extend(chosen.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    found.extend(tag(options, subject)?.map(|tag| ("tag".to_owned(), tag)));
    Ok(found)
}

fn pattern(options: &Options, option: &'static str) -> Result<Option<Regex>, LogError> {
    let Some(value) = options.get(option).filter(|value| !value.is_empty()) else { return Ok(None) };
    let wrong = |_| LogError::Pattern { option, value: value.clone() };
    Regex::new(value).map(Some).map_err(wrong)
}

/// The tag with its fields filled in, if there is one.
pub(super) fn tag(options: &Options, subject: &Subject<'_>) -> Result<Option<String>, LogError> {
    let Some(template) = options.get("tag").filter(|tag| !tag.is_empty()) else { return Ok(None) };
    let wrong = || LogError::Tag { tag: template.clone() };
    let mut tag = String::new();
    let mut rest = template.as_str();
    while let Some((before, inner)) = rest.split_once("{{") {
        let (field, after) = inner.split_once("}}").ok_or_else(wrong)?;
        tag.push_str(before);
        tag.push_str(value(field.trim(), subject).ok_or_else(wrong)?);
        rest = after;
    }
    tag.push_str(rest);
    Ok(Some(tag))
}

fn value<'a>(field: &str, subject: &Subject<'a>) -> Option<&'a str> {
    let digits = subject.image_id.trim_start_matches("sha256:");
    Some(match field {
        ".ID" => short(subject.id),
        ".FullID" => subject.id,
        ".Name" => subject.name,
        ".ImageName" => subject.image,
        ".ImageID" => short(digits),
        ".ImageFullID" => subject.image_id,
        ".DaemonName" => "tombolo",
        _ => return None,
    })
}

pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}
