//! Settings of registries, checked as Docker checks them.

use engine::image::{Insecure, RegistrySettings};
use hyper::Uri;
use thiserror::Error;

/// Why settings of registries are refused; the words are Docker's.
#[derive(Debug, Error)]
pub(crate) enum RegistrySettingsError {
    #[error("invalid mirror: {address:?} is not a valid URI")]
    Mirror { address: String },
    #[error("invalid mirror: unsupported scheme {scheme:?} in {address:?}")]
    Scheme { scheme: String, address: String },
    #[error("invalid mirror: username/password not allowed in URI {address:?}")]
    User { address: String },
    #[error("invalid mirror: path, query, or fragment at end of the URI {address:?}")]
    Path { address: String },
    #[error("insecure registry {name} should not contain '://'")]
    Insecure { name: String },
}

/// The numbers; 0 is as good as none.
pub(super) struct Limits {
    pub(super) downloads: Option<u32>,
    pub(super) uploads: Option<u32>,
    pub(super) attempts: Option<u32>,
}

pub(super) fn settings(
    mirrors: Vec<String>,
    insecure: Vec<String>,
    limits: Limits,
) -> Result<RegistrySettings, RegistrySettingsError> {
    mirrors.iter().try_for_each(|address| check(address))?;
    if let Some(name) = insecure.iter().find(|name| name.contains("://")) {
        return Err(RegistrySettingsError::Insecure { name: name.clone() });
    }
    let default = RegistrySettings::default();
    let or =
        |given: Option<u32>, default: usize| given.filter(|it| *it > 0).map_or(default, |it| it as usize);
    Ok(RegistrySettings {
        mirrors,
        insecure: insecure.into_iter().map(Insecure::from).collect(),
        downloads: or(limits.downloads, default.downloads),
        uploads: or(limits.uploads, default.uploads),
        attempts: limits.attempts.filter(|it| *it > 0).unwrap_or(default.attempts),
        certificates: Vec::new(),
    })
}

fn check(address: &str) -> Result<(), RegistrySettingsError> {
    let owned = || address.to_owned();
    let uri: Uri = address.parse().map_err(|_| RegistrySettingsError::Mirror { address: owned() })?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(RegistrySettingsError::Scheme { scheme: scheme.to_owned(), address: owned() });
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(RegistrySettingsError::User { address: owned() });
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(RegistrySettingsError::Path { address: owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_whole_servers() {
        for good in ["https://mirror.example", "http://localhost:5001/"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("ftp://a", "unsupported scheme"),
            ("mirror.example", "unsupported scheme"),
            ("https://a/b", "path, query"),
            ("https://me:secret@a", "username/password"),
            ("", "not a valid URI"),
        ] {
            let refused = check(bad).expect_err(bad).to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
