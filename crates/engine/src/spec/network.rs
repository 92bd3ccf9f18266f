//! How a container is connected.

use std::{collections::BTreeMap, fmt, net::IpAddr, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    cnm::{PortMapping, Ports},
    record,
};

/// All that is said about networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSettings {
    pub mode: NetworkMode,
    /// Settings per network, by the name or id the user gave; the mode's network may be among them.
    pub endpoints: BTreeMap<String, EndpointSpec>,
    #[serde(with = "record::mappings")]
    pub publish: Vec<PortMapping>,
    /// Ports announced, the image's included.
    #[serde(with = "record::ports")]
    pub exposed: Vec<Ports>,
    /// Publish all exposed ports on ports of the host's choice.
    pub publish_all: bool,
    pub dns: DnsSpec,
    /// Further lines of /etc/hosts.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// `--link`, as the user wrote them.
    pub links: Vec<String>,
    /// The container is given no network at all.
    pub disabled: bool,
}

/// How names are resolved inside; the host's way where empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsSpec {
    pub servers: Vec<IpAddr>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

/// What is asked of one connection to one network, as the user wrote it.
///
/// It means something only to a network, which may not exist yet: it is checked
/// by the connection, which tells all problems at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSpec {
    /// Empty if none was asked for; so are `v6` and `mac`.
    pub v4: String,
    pub v6: String,
    pub link_local: Vec<String>,
    pub mac: String,
    pub aliases: Vec<String>,
    pub links: Vec<String>,
    pub driver_options: BTreeMap<String, String>,
    /// The highest provides the default gateway.
    pub gateway_priority: i32,
}

/// Which network stack a container has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NetworkMode {
    /// A stack of its own, on the predefined network.
    #[default]
    Bridge,
    /// A stack of its own, on this network, by name or id.
    Network(String),
    /// The host's stack.
    Host,
    /// A stack of its own with nothing but loopback.
    None,
    /// The stack of another container, by name or id.
    Container(String),
    /// A stack that somebody else made, by path.
    Path(PathBuf),
}

/// Why a text is not a network mode. Docker's words.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseNetworkModeError {
    #[error("invalid container format container:<name|id>")]
    NoContainer,
    #[error("invalid namespace format netns:<absolute path>")]
    NoPath,
}

impl NetworkMode {
    /// The name of the network the mode puts the container on, if it is on one.
    pub fn network(&self) -> Option<&str> {
        match self {
            Self::Bridge => Some("bridge"),
            Self::Network(name) => Some(name),
            Self::Host => Some("host"),
            Self::None => Some("none"),
            Self::Container(_) | Self::Path(_) => None,
        }
    }

    /// Whether the container has a stack of its own that networks can be joined to.
    pub const fn is_private(&self) -> bool {
        matches!(self, Self::Bridge | Self::Network(_))
    }
}

impl FromStr for NetworkMode {
    type Err = ParseNetworkModeError;

    /// Reads Docker's `NetworkMode`; `p0` is the bridge of the predefined network and means it.
    fn from_str(text: &str) -> Result<Self, ParseNetworkModeError> {
        match text.split_once(':') {
            Some(("container", "")) => Err(ParseNetworkModeError::NoContainer),
            Some(("container", name)) => Ok(Self::Container(name.to_owned())),
            Some(("netns", path)) if path.starts_with('/') => Ok(Self::Path(path.into())),
            Some(("netns", _)) => Err(ParseNetworkModeError::NoPath),
            _ => Ok(match text {
                "" | "default" | "bridge" | "p0" => Self::Bridge,
                "host" => Self::Host,
                "none" => Self::None,
                "container" => return Err(ParseNetworkModeError::NoContainer),
                name => Self::Network(name.to_owned()),
            }),
        }
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge => f.write_str("bridge"),
            Self::Network(name) => f.write_str(name),
            Self::Host => f.write_str("host"),
            Self::None => f.write_str("none"),
            Self::Container(name) => write!(f, "container:{name}"),
            Self::Path(path) => write!(f, "netns:{}", path.display()),
        }
    }
}

impl TryFrom<String> for NetworkMode {
    type Error = ParseNetworkModeError;

    fn try_from(text: String) -> Result<Self, ParseNetworkModeError> {
        text.parse()
    }
}

impl From<NetworkMode> for String {
    fn from(mode: NetworkMode) -> Self {
        mode.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<NetworkMode, &str>) {
        let got = text.parse::<NetworkMode>().map_err(|error| error.to_string());
        assert_eq!(got, expected.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn reads_every_mode() {
        check("", Ok(NetworkMode::Bridge));
        check("default", Ok(NetworkMode::Bridge));
        check("host", Ok(NetworkMode::Host));
        check("none", Ok(NetworkMode::None));
        check("front", Ok(NetworkMode::Network("front".to_owned())));
        check("container:web", Ok(NetworkMode::Container("web".to_owned())));
        check("netns:/run/netns/x", Ok(NetworkMode::Path("/run/netns/x".into())));
        check("container:", Err("invalid container format container:<name|id>"));
        check("container", Err("invalid container format container:<name|id>"));
        check("netns:x", Err("invalid namespace format netns:<absolute path>"));
    }
}
