//! Names of images, by Docker's rules: `busybox` is `docker.io/library/busybox:latest`.
//!
//! The grammar is that of the distribution project's `reference` package:
//!
//! ```text
//! reference = [domain "/"] component {"/" component} [":" tag] ["@" digest]
//! component = [a-z0-9]+ with single ".", "_", double "_" or any "-"s in between
//! domain    = a part before "/" that has "." or ":", has upper case, or is "localhost"
//! tag       = [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Digest;

/// The registry of names that have none.
pub(crate) const DEFAULT_DOMAIN: &str = "docker.io";
/// Its official images' directory.
const OFFICIAL: &str = "library/";
/// The most bytes of domain and path (distribution's `NameTotalLengthMax`).
const NAME_LIMIT: usize = 255;
/// The most bytes of a tag.
const TAG_LIMIT: usize = 128;

/// A complete name of an image: repository, and tag or digest or both or neither.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text names no image; the texts are Docker's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseReferenceError {
    #[error("invalid reference format")]
    Format,
    #[error("invalid reference format: repository name ({path}) must be lowercase")]
    Uppercase { path: String },
    #[error("invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId { name: String },
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    #[error("unsupported digest algorithm")]
    Digest,
}

impl Reference {
    /// The registry.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same name with the tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// What is looked up: with the tag `latest` if there is none; a digest alone if there is one.
    #[must_use]
    pub fn canonical(self) -> Self {
        if self.digest.is_some() { Self { tag: None, ..self } } else { self.or_latest() }
    }

    /// The same repository, with this digest alone.
    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self }
    }

    /// The repository alone, as people write it: `busybox`, `example.org/app`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return format!("{}/{}", self.domain, self.path);
        }
        self.path.strip_prefix(OFFICIAL).unwrap_or(&self.path).to_owned()
    }

    /// The name as people write it: `busybox:latest`.
    #[must_use]
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.suffix())
    }

    /// Whether both are of the same repository.
    #[must_use]
    pub fn same_repository(&self, other: &Self) -> bool {
        self.domain == other.domain && self.path == other.path
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        if Digest::from_hex(text).is_some() {
            return Err(ParseReferenceError::LooksLikeId { name: text.to_owned() });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let (domain, rest) = split_domain(rest);
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let official = domain == DEFAULT_DOMAIN && !path.contains('/');
        let path = if official { format!("{OFFICIAL}{path}") } else { path.to_owned() };
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseReferenceError::Uppercase { path });
        }
        if !is_domain(domain) || !path.split('/').all(is_component) || !tag.is_none_or(is_tag) {
            return Err(ParseReferenceError::Format);
        }
        if domain.len() + 1 + path.len() > NAME_LIMIT {
            return Err(ParseReferenceError::TooLong);
        }
        Ok(Self { domain: domain.to_owned(), path, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.path, self.suffix())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse_digest(text: &str) -> Result<Digest, ParseReferenceError> {
    match text.split_once(':') {
        Some(("sha256", _)) => text.parse().map_err(|_| ParseReferenceError::Format),
        Some(_) => Err(ParseReferenceError::Digest),
        None => Err(ParseReferenceError::Format),
    }
}

/// What looks like a registry comes before the first slash.
fn split_domain(text: &str) -> (&str, &str) {
    let is_registry = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
    };
    match text.split_once('/') {
        Some(("index.docker.io", rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest)) if is_registry(first) => (first, rest),
        Some(_) | None => (DEFAULT_DOMAIN, text),
    }
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", port),
            Some(_) | None => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(digits);
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    port_fits && host.split('.').all(label)
}

fn is_component(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text.split(|c: char| c.is_ascii() && word(c as u8)).filter(|s| !s.is_empty());
    let separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let ends = |byte: Option<u8>| byte.is_some_and(word);
    ends(text.bytes().next()) && ends(text.bytes().next_back()) && separators.all(separator)
}

fn is_tag(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=TAG_LIMIT).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[track_caller]
    fn check(text: &str, full: &str, familiar: &str) {
        let reference: Reference = text.parse().expect("a reference");
        assert_eq!(reference.to_string(), full);
        assert_eq!(reference.familiar(), familiar);
        assert_eq!(full.parse(), Ok(reference.clone()), "the full name names the same");
        assert_eq!(familiar.parse(), Ok(reference), "the familiar name names the same");
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        check("busybox", "docker.io/library/busybox", "busybox");
        check("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36");
        check("docker.io/busybox", "docker.io/library/busybox", "busybox");
        check("index.docker.io/user/app:x", "docker.io/user/app:x", "user/app:x");
        check("localhost/app", "localhost/app", "localhost/app");
        check("localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b:t");
        check("[fd00::1]:5000/app", "[fd00::1]:5000/app", "[fd00::1]:5000/app");
        check("Registry/app", "Registry/app", "Registry/app");
        check("a__b.c-_d".replace("-_", "--").as_str(), "docker.io/library/a__b.c--d", "a__b.c--d");
        let digest = format!("app@sha256:{HEX}");
        check(&digest, &format!("docker.io/library/{digest}"), &digest);
        assert_eq!("x".parse::<Reference>().unwrap().or_latest().familiar(), "x:latest");
    }

    #[test]
    fn what_is_no_name_is_refused_with_dockers_words() {
        let refused = |text: &str| text.parse::<Reference>().expect_err(text).to_string();
        for bad in ["", ":", "a:", "a@", "-a", "a-", "a/", "/a", "a//b", "a b", "a:b:c", "a___b", "a..b", "ä"]
        {
            assert_eq!(refused(bad), "invalid reference format", "{bad}");
        }
        assert_eq!(
            refused("Busybox"),
            "invalid reference format: repository name (library/Busybox) must be lowercase"
        );
        assert_eq!(
            refused(HEX),
            format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings")
        );
        assert_eq!(refused(&"a".repeat(256)), "repository name must not be more than 255 characters");
        assert_eq!(refused(&format!("a:{}", "t".repeat(129))), "invalid reference format");
        assert_eq!(refused("a@sha512:00"), "unsupported digest algorithm");
    }
}
