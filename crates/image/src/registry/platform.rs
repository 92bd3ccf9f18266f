//! Operating system, architecture and variant: `linux/arm64/v8`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::host_architecture;

/// What an image is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// A text that names no platform; the words are Docker's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\": unknown operating system or architecture: invalid argument")]
pub struct ParsePlatformError(String);

impl Platform {
    /// This machine's.
    #[must_use]
    pub fn host() -> Self {
        Self::new("linux", host_architecture(), "")
    }

    pub(super) fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let [os, architecture, variant] = [os, architecture, variant].map(str::to_ascii_lowercase);
        let (architecture, implied) = match architecture.as_str() {
            "x86_64" | "x86-64" => ("amd64", ""),
            "i386" | "i686" => ("386", ""),
            "aarch64" => ("arm64", ""),
            "armhf" => ("arm", "v7"),
            "armel" => ("arm", "v6"),
            other => (other, ""),
        };
        let variant = match (architecture, variant.as_str()) {
            ("arm64", "8" | "v8") | ("amd64", "v1") => "",
            ("arm", "") => {
                if implied.is_empty() {
                    "v7"
                } else {
                    implied
                }
            }
            ("arm", "5") => "v5",
            ("arm", "6") => "v6",
            ("arm", "7") => "v7",
            (_, variant) => variant,
        };
        let [architecture, variant] = [architecture, variant].map(str::to_owned);
        Self { architecture, os, os_version: String::new(), variant }
    }

    /// How well an image for `other` runs where this is wanted; the largest is best, none is not at all.
    pub(super) fn suits(&self, other: &Self) -> Option<u8> {
        let other = Self::new(&other.os, &other.architecture, &other.variant);
        if self.os != other.os || self.architecture != other.architecture {
            return None;
        }
        let level = |variant: &str| variant.strip_prefix('v').and_then(|number| number.parse::<u8>().ok());
        match (level(&self.variant), level(&other.variant)) {
            _ if self.variant == other.variant => Some(u8::MAX),
            // What an older processor runs, a newer one does, too.
            (Some(own), Some(theirs)) if theirs < own => Some(theirs),
            (Some(_), None) if other.variant.is_empty() => Some(0),
            _ => None,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, ParsePlatformError> {
        let refused = || ParsePlatformError(text.to_owned());
        let is_word = |word: &&str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let words: Vec<&str> = text.split('/').collect();
        if !words.iter().all(is_word) {
            return Err(refused());
        }
        match words[..] {
            ["linux" | "windows" | "darwin" | "freebsd"] => Ok(Self::new(text, host_architecture(), "")),
            [architecture] if is_architecture(architecture) => Ok(Self::new("linux", architecture, "")),
            [os, architecture] => Ok(Self::new(os, architecture, "")),
            [os, architecture, variant] => Ok(Self::new(os, architecture, variant)),
            _ => Err(refused()),
        }
    }
}

fn is_architecture(text: &str) -> bool {
    let known = [
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
        "ppc64le", "riscv64", "s390x",
    ];
    known.contains(&Platform::new("linux", text, "").architecture.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let platform = text.parse::<Platform>().ok().map(|platform| platform.to_string());
        assert_eq!(platform.as_deref(), expected, "{text}");
    }

    #[test]
    fn platforms_are_read_as_docker_does() {
        check("linux/amd64", Some("linux/amd64"));
        check("Linux/x86_64", Some("linux/amd64"));
        check("arm64", Some("linux/arm64"));
        check("linux/arm64/v8", Some("linux/arm64"));
        check("linux/arm", Some("linux/arm/v7"));
        check("armel", Some("linux/arm/v6"));
        for bad in ["", "/", "nonsense", "linux/", "a/b/c/d", "linux/amd 64"] {
            check(bad, None);
        }
    }

    #[test]
    fn older_variants_suit_newer_processors() {
        let suits = |wanted: &str, offered: &str| {
            let [wanted, offered] =
                [wanted, offered].map(|text| text.parse::<Platform>().expect("a platform"));
            wanted.suits(&offered)
        };
        assert_eq!(suits("linux/arm64", "linux/arm64/v8"), Some(u8::MAX));
        assert_eq!(suits("linux/arm/v7", "linux/arm/v6"), Some(6));
        assert_eq!(suits("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(suits("linux/amd64", "linux/amd64/v3"), None);
        assert_eq!(suits("linux/amd64/v3", "linux/amd64"), Some(0));
        assert_eq!(suits("linux/amd64", "linux/arm64"), None);
        assert_eq!(suits("linux/amd64", "windows/amd64"), None);
    }
}
