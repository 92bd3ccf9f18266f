//! Platforms: here an image has one, so that asking for another is asking for nothing.

use engine::image::Image;
use serde::Deserialize;

use crate::http::answer::Refusal;
use crate::http::query::Query;

/// What a request wants: OCI's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

impl Platform {
    /// What the parameter `platform` says: a document, or before API 1.48 a text such as `linux/arm64/v8`.
    pub(super) fn of(query: &Query) -> Result<Option<Self>, Refusal> {
        let text = query.text("platform");
        if text.is_empty() {
            return Ok(None);
        }
        if !text.starts_with('{') {
            return Self::parse(text).map(Some);
        }
        let parsed: Result<Self, _> = serde_json::from_str(text);
        parsed.map(Some).map_err(|error| Refusal::invalid(format!("failed to parse platform: {error}")))
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let mut words = text.split('/');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let platform = Self { os: next(), architecture: next(), variant: next() };
        if platform.os.is_empty() || words.next().is_some() {
            return Err(Refusal::invalid(format!("\"{text}\" is an invalid OS component")));
        }
        Ok(platform)
    }

    /// Refuses an image for another platform, in Docker's words.
    pub(super) fn check(&self, image: &Image) -> Result<(), Refusal> {
        let document = &image.document;
        let fits = |asked: &str, is: &str| asked.is_empty() || asked == is;
        if fits(&self.os, &document.os)
            && fits(&self.architecture, &document.architecture)
            && (document.variant.is_empty() || fits(&self.variant, &document.variant))
        {
            return Ok(());
        }
        let name = image.tags().first().cloned().unwrap_or_else(|| image.id.to_string());
        let shown = |os: &str, architecture: &str| format!("{os}/{architecture}");
        Err(Refusal::not_found(format!(
            "image with reference {name} was found but does not provide the specified platform ({}), only {}",
            shown(&self.os, &self.architecture),
            shown(&document.os, &document.architecture)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_texts() {
        let parsed = Platform::parse("linux/arm64/v8").expect("a platform");
        assert_eq!(
            (parsed.os.as_str(), parsed.architecture.as_str(), parsed.variant.as_str()),
            ("linux", "arm64", "v8")
        );
        assert_eq!(Platform::parse("linux").expect("a platform").architecture, "");
        assert!(Platform::parse("a/b/c/d").is_err());
        assert!(Platform::parse("/amd64").is_err());
    }
}
