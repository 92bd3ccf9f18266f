//! The versions of the Engine API.

use std::fmt;
use std::str::FromStr;

/// A version of the Engine API, such as 1.44. Versions are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The number before the dot; always 1 so far.
    pub major: u16,
    /// The number after the dot.
    pub minor: u16,
}

impl Version {
    /// The oldest version that is served (moby `api.MinSupportedAPIVersion` 1.24).
    pub const MIN: Self = Self::v1(24);
    /// The newest version that is served, used for paths without a version.
    pub const MAX: Self = Self::v1(56);

    /// Version `1.minor`.
    #[must_use]
    pub const fn v1(minor: u16) -> Self {
        Self { major: 1, minor }
    }

    /// Whether the version is served at all.
    ///
    /// # Errors
    /// Says on which side of the served versions it lies.
    pub fn supported(self) -> Result<Self, UnsupportedVersion> {
        if self < Self::MIN {
            return Err(UnsupportedVersion::TooOld(self));
        }
        if self > Self::MAX {
            return Err(UnsupportedVersion::TooNew(self));
        }
        Ok(self)
    }

    /// Splits `/v1.44/containers/json` into its version and `/containers/json`.
    ///
    /// A path without a version, or with one that cannot be read (`/vx/…`), is returned as it is: no route has it.
    #[must_use]
    pub fn split(path: &str) -> (Option<Self>, &str) {
        let whole = (None, path);
        let Some(rest) = path.strip_prefix("/v") else { return whole };
        let (text, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match text.parse() {
            Ok(version) if !tail.is_empty() => (Some(version), tail),
            Ok(_) | Err(MalformedVersion) => whole,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedVersion;

impl fmt::Display for MalformedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an API version is two numbers with a dot, such as 1.44")
    }
}

impl std::error::Error for MalformedVersion {}

impl FromStr for Version {
    type Err = MalformedVersion;

    fn from_str(text: &str) -> Result<Self, MalformedVersion> {
        let (major, minor) = text.split_once('.').ok_or(MalformedVersion)?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or(MalformedVersion)
        };
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// Why a version is not served. The texts are moby's (`versionUnsupportedError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsupportedVersion {
    /// Older than [`Version::MIN`].
    TooOld(Version),
    /// Newer than [`Version::MAX`].
    TooNew(Version),
}

impl fmt::Display for UnsupportedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOld(version) => write!(
                f,
                "client version {version} is too old. Minimum supported API version is {}, please upgrade your client to a newer version",
                Version::MIN
            ),
            Self::TooNew(version) => write!(
                f,
                "client version {version} is too new. Maximum supported API version is {}",
                Version::MAX
            ),
        }
    }
}

impl std::error::Error for UnsupportedVersion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, version: Option<&str>, rest: &str) {
        let version = version.map(|text| text.parse().expect("a version"));
        assert_eq!(Version::split(path), (version, rest));
    }

    #[test]
    fn the_version_is_cut_from_the_path() {
        check("/v1.44/containers/json", Some("1.44"), "/containers/json");
        check("/v1.24/", Some("1.24"), "/");
        check("/_ping", None, "/_ping");
        check("/v1.44", None, "/v1.44");
        check("/version", None, "/version");
        check("/volumes", None, "/volumes");
        check("/v1.x/info", None, "/v1.x/info");
        check("/v+1.4/info", None, "/v+1.4/info");
        check("/v1.99999999/info", None, "/v1.99999999/info");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(Version::v1(9) < Version::v1(24));
        assert_eq!(Version::v1(50).supported(), Ok(Version::v1(50)));
    }

    #[test]
    fn the_texts_are_mobys() {
        let text = |minor| Version::v1(minor).supported().expect_err("unsupported").to_string();
        assert_eq!(text(99), "client version 1.99 is too new. Maximum supported API version is 1.56");
        assert_eq!(
            text(12),
            "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"
        );
    }
}
