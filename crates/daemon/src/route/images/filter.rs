//! Which images a list shows.

use std::collections::BTreeSet;

use api::filters::Filters;
use api::pattern::Pattern;
use engine::image::Image;

use crate::convert::time;
use crate::http::answer::Refusal;
use crate::http::query::Query;

const FILTERS: [&str; 7] = ["before", "dangling", "label", "label!", "reference", "since", "until"];

/// What a request wants to see.
#[derive(Debug)]
pub(super) struct Wanted {
    dangling: Option<bool>,
    /// Steps of builds, too: images without names that others were built on.
    all: bool,
    until: Option<i64>,
    filters: Filters,
}

impl Wanted {
    pub(super) fn read(query: &Query) -> Result<Self, Refusal> {
        let mut filters = query.filters(&FILTERS)?;
        // Before there were filters there was this one.
        let name = query.text("filter");
        if !name.is_empty() {
            filters.add("reference", name);
        }
        let until = filters.get("until").last().map(time::parse).transpose()?.flatten();
        Ok(Self {
            dangling: filters.boolean("dangling")?,
            all: query.switch("all"),
            until: until.map(|time| time.as_second()),
            filters,
        })
    }

    pub(super) fn choose<'a>(&self, images: &'a [Image]) -> Result<Vec<&'a Image>, Refusal> {
        let before = self.created("before", images)?;
        let since = self.created("since", images)?;
        let parents: BTreeSet<&str> =
            images.iter().filter_map(|image| image.document.parent.as_deref()).collect();
        let is_step =
            |image: &Image| image.names.is_empty() && parents.contains(image.id.to_string().as_str());
        let is_wanted = |image: &&Image| {
            (self.all || !is_step(image))
                && before.is_none_or(|before| image.created() < before)
                && since.is_none_or(|since| image.created() > since)
                && self.until.is_none_or(|until| image.created() < until)
                && self.dangling.is_none_or(|dangling| dangling == image.names.is_empty())
                && self.filters.accept_labels(&image.config().labels)
                && self.has_reference(image)
        };
        let mut chosen: Vec<&Image> = images.iter().filter(is_wanted).collect();
        chosen.sort_by_key(|image| std::cmp::Reverse(image.created()));
        Ok(chosen)
    }

    /// When the image of `before` or `since` was made.
    fn created(&self, key: &str, images: &[Image]) -> Result<Option<i64>, Refusal> {
        let Some(term) = self.filters.get(key).last() else { return Ok(None) };
        let is_it = |image: &&Image| {
            let digits = image.id.to_string();
            let digits = digits.trim_start_matches("sha256:");
            let by_name = image.tags().iter().any(|tag| tag == term || *tag == format!("{term}:latest"));
            by_name || digits.starts_with(term.trim_start_matches("sha256:"))
        };
        let found = images.iter().find(is_it).map(Image::created);
        found.map(Some).ok_or_else(|| Refusal::not_found(format!("No such image: {term}")))
    }

    fn has_reference(&self, image: &Image) -> bool {
        !self.filters.contains("reference")
            || self.filters.get("reference").any(|pattern| {
                image
                    .names
                    .iter()
                    .any(|name| glob(pattern, &name.familiar()) || glob(pattern, &name.familiar_name()))
            })
    }
}

/// Whether a text matches a pattern with `*`, which no slash matches, and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    let expression = pattern.chars().fold("^".to_owned(), |expression, character| match character {
        '*' => expression + "[^/]*",
        '?' => expression + "[^/]",
        letter if letter.is_alphanumeric() => expression + letter.encode_utf8(&mut [0; 4]),
        sign => expression + "\\" + sign.encode_utf8(&mut [0; 4]),
    });
    Pattern::parse(&(expression + "$")).is_some_and(|pattern| pattern.matches(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_match_as_paths_do() {
        for (pattern, text, expected) in [
            ("alpine", "alpine", true),
            ("alpine:*", "alpine:3", true),
            ("al*", "alpine:3", true),
            ("al*", "alpine/git", false),
            ("*/git", "alpine/git", true),
            ("a?pine", "alpine", true),
            ("a?pine", "a/pine", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
