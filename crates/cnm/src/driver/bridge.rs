//! The bridge driver: a Linux bridge, a veth pair per endpoint.

pub(crate) mod objects;
mod options;
pub(crate) mod rules;

pub(crate) use self::options::{INTERFACE, check_endpoint_options, parse_bool};
pub use self::options::{OptionError, Options, sysctls};

/// What a bridge network's options mean, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the link: `br-` and twelve digits of the network's id, or the user's choice.
    pub link: String,
    /// In bytes.
    pub mtu: u32,
    /// Endpoints of this network may talk to one another.
    pub inter_container: bool,
    /// Traffic to elsewhere leaves with an address of the host.
    pub masquerade: bool,
    /// Where ports are published that name no host address.
    pub host_binding: Option<std::net::IpAddr>,
    /// The prefix of interface names inside: `eth`.
    pub interface_prefix: String,
    /// The network that `--net bridge` and no `--net` mean: no embedded resolver, no aliases.
    pub default: bool,
}
