//! Where the engine is.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The engine's socket when nothing else is said.
const DEFAULT: &str = "/run/tombolo/tombolo.sock";
/// Read in this order; the first that is set and not empty counts.
const VARIABLES: [&str; 2] = ["TOMBOLO_HOST", "DOCKER_HOST"];

/// Where the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `name:port` of some machine.
    Tcp(String),
}

/// Why a text is not the place of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unable to parse docker host `{text}`: write unix:///path/of/the/socket or tcp://name:port")]
pub struct HostError {
    /// The text.
    pub text: String,
}

impl Host {
    /// What `-H` says, or `TOMBOLO_HOST`, or `DOCKER_HOST`, or the default socket.
    ///
    /// # Errors
    /// The text is not the place of an engine.
    pub fn of(flag: Option<&str>) -> Result<Self, HostError> {
        let set = |name: &&str| env::var(name).ok().filter(|text| !text.is_empty());
        match flag.map(str::to_owned).or_else(|| VARIABLES.iter().find_map(set)) {
            Some(text) => text.parse(),
            None => Ok(Self::default()),
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::Unix(PathBuf::from(DEFAULT))
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let wrong = || HostError { text: text.to_owned() };
        match text.split_once("://") {
            Some(("unix", "")) => Ok(Self::default()),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp", place)) => {
                let place = place.trim_end_matches('/');
                let (name, port) = place.rsplit_once(':').ok_or_else(wrong)?;
                let is_place = !name.is_empty() && port.parse::<u16>().is_ok();
                if is_place { Ok(Self::Tcp(place.to_owned())) } else { Err(wrong()) }
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(place) => write!(f, "tcp://{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let shown = text.parse::<Host>().ok().map(|host| host.to_string());
        assert_eq!(shown.as_deref(), expected, "{text}");
    }

    #[test]
    fn hosts_are_sockets_or_places() {
        check("unix:///a/b.sock", Some("unix:///a/b.sock"));
        check("unix://", Some("unix:///run/tombolo/tombolo.sock"));
        check("tcp://[::1]:2376/", Some("tcp://[::1]:2376"));
        check("tcp://engine:2376", Some("tcp://engine:2376"));
        for text in ["", "/a/b", "unix://a", "tcp://engine", "tcp://:1", "tcp://a:70000", "ssh://a"] {
            check(text, None);
        }
    }
}
