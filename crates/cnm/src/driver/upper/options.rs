//! The macvlan and ipvlan drivers' options: from labels to what they mean.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Config, IpvlanFlag, IpvlanMode, Kind, MacvlanMode, Parent};
use crate::{
    NetworkId,
    driver::bridge::{self, LINK_NAME_MAX, link_name},
};

const PARENT: &str = "parent";
const MACVLAN_MODE: &str = "macvlan_mode";
const IPVLAN_MODE: &str = "ipvlan_mode";
const IPVLAN_FLAG: &str = "ipvlan_flag";
const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
const ENABLE_V4: &str = "com.docker.network.enable_ipv4";
const ENABLE_V6: &str = "com.docker.network.enable_ipv6";

const MACVLAN_MODES: [MacvlanMode; 4] =
    [MacvlanMode::Bridge, MacvlanMode::Private, MacvlanMode::Vepa, MacvlanMode::Passthru];
const IPVLAN_MODES: [IpvlanMode; 3] = [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3s];
const IPVLAN_FLAGS: [IpvlanFlag; 3] = [IpvlanFlag::Bridge, IpvlanFlag::Private, IpvlanFlag::Vepa];

/// What the options of such a network say, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The link that the user named.
    pub(crate) parent: Option<String>,
    pub(crate) kind: Kind,
    mtu: Option<u32>,
    interface_prefix: String,
}

/// Why an option is refused. The texts are Docker's where it has any.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OptionError {
    #[error("requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default")]
    MacvlanMode { mode: String },
    #[error("requested ipvlan mode '{mode}' is not valid, 'l2' mode is the ipvlan driver default")]
    IpvlanMode { mode: String },
    #[error("requested ipvlan flag '{flag}' is not valid, 'bridge' is the ipvlan driver default")]
    IpvlanFlag { flag: String },
    #[error("failed to parse {option} value: {value:?} ({reason})")]
    Value { option: String, value: String, reason: &'static str },
    #[error("unknown option {option:?} of the {driver} driver")]
    Unknown { option: String, driver: &'static str },
}

impl Options {
    /// Parses the options of the driver that `default` is of.
    pub(crate) fn parse(labels: &BTreeMap<String, String>, default: Kind) -> Result<Self, OptionError> {
        let mut options = Self { parent: None, kind: default, mtu: None, interface_prefix: "eth".to_owned() };
        labels.iter().try_for_each(|(option, value)| options.set(option, value))?;
        Ok(options)
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), OptionError> {
        let invalid =
            |reason| OptionError::Value { option: option.to_owned(), value: value.to_owned(), reason };
        match (option, &mut self.kind) {
            (PARENT, _) if value.is_empty() => self.parent = None,
            (PARENT, _) => self.parent = Some(parent(value).ok_or_else(|| invalid("not a name of a link"))?),
            (MACVLAN_MODE, Kind::Macvlan(mode)) => {
                let unknown = || OptionError::MacvlanMode { mode: value.to_owned() };
                *mode = named(&MACVLAN_MODES, MacvlanMode::name, value).ok_or_else(unknown)?;
            }
            (IPVLAN_MODE, Kind::Ipvlan(mode, _)) => {
                let unknown = || OptionError::IpvlanMode { mode: value.to_owned() };
                *mode = named(&IPVLAN_MODES, IpvlanMode::name, value).ok_or_else(unknown)?;
            }
            (IPVLAN_FLAG, Kind::Ipvlan(_, flag)) => {
                let unknown = || OptionError::IpvlanFlag { flag: value.to_owned() };
                *flag = named(&IPVLAN_FLAGS, IpvlanFlag::name, value).ok_or_else(unknown)?;
            }
            (MTU, _) => {
                let mtu = bridge::mtu(value).ok_or_else(|| invalid("not a size from 68 to 65535"))?;
                self.mtu = Some(mtu).filter(|_| value != "0");
            }
            (PREFIX, _) => {
                self.interface_prefix =
                    bridge::prefix(value).ok_or_else(|| invalid("not a prefix of links"))?;
            }
            // What is wanted of a family is the network's own field: these only supply it.
            (ENABLE_V4 | ENABLE_V6, _) => {}
            (_, kind) => {
                return Err(OptionError::Unknown { option: option.to_owned(), driver: kind.name() });
            }
        }
        Ok(())
    }

    /// The configuration of a network on this parent.
    pub(crate) fn config(&self, parent: Parent) -> Config {
        let Self { parent: _, kind, mtu, interface_prefix } = self.clone();
        Config { parent, kind, mtu, interface_prefix }
    }

    /// What stands in for a parent that was not named: a link that leads nowhere.
    pub(crate) fn dummy(&self, id: &NetworkId) -> Parent {
        let prefix = match self.kind {
            Kind::Macvlan(_) => "dm",
            Kind::Ipvlan(..) => "di",
        };
        Parent::Dummy(format!("{prefix}-{}", id.short()))
    }
}

/// `eth0.10` as the link that it is on, and the number of the VLAN as it was written.
pub(crate) fn vlan(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.').filter(|(on, id)| !on.is_empty() && !id.is_empty())
}

/// The loopback link is a name of its own: it is refused by whoever knows the host.
fn parent(text: &str) -> Option<String> {
    if text == "lo" { Some(text.to_owned()) } else { link_name(text) }
}

/// What a word means; no word means the default.
fn named<T: Copy + Default>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> Option<T> {
    if text.is_empty() { Some(T::default()) } else { all.iter().copied().find(|it| name(*it) == text) }
}

const _: () = assert!(LINK_NAME_MAX == "dm-".len() + 12);

#[cfg(test)]
mod tests {
    use super::*;

    const MACVLAN: Kind = Kind::Macvlan(MacvlanMode::Bridge);
    const IPVLAN: Kind = Kind::Ipvlan(IpvlanMode::L2, IpvlanFlag::Bridge);

    #[track_caller]
    fn check(default: Kind, option: &str, value: &str, expected: &str) {
        let labels = BTreeMap::from([(option.to_owned(), value.to_owned())]);
        let got = match Options::parse(&labels, default) {
            Ok(options) => format!("{options:?}"),
            Err(error) => error.to_string(),
        };
        assert!(got.contains(expected), "{got}");
    }

    #[test]
    fn takes_what_it_knows_and_refuses_the_rest() {
        check(MACVLAN, PARENT, "eth0.10", "parent: Some(\"eth0.10\")");
        check(MACVLAN, PARENT, "", "parent: None");
        check(MACVLAN, PARENT, "a/b", "not a name of a link");
        check(MACVLAN, MACVLAN_MODE, "vepa", "Macvlan(Vepa)");
        check(MACVLAN, MACVLAN_MODE, "", "Macvlan(Bridge)");
        check(MACVLAN, MACVLAN_MODE, "l2", "requested macvlan mode 'l2' is not valid");
        check(MACVLAN, IPVLAN_MODE, "l2", "unknown option \"ipvlan_mode\" of the macvlan driver");
        check(IPVLAN, IPVLAN_MODE, "l3s", "Ipvlan(L3s, Bridge)");
        check(IPVLAN, IPVLAN_FLAG, "private", "Ipvlan(L2, Private)");
        check(IPVLAN, IPVLAN_MODE, "l4", "requested ipvlan mode 'l4' is not valid");
        check(IPVLAN, MTU, "1400", "mtu: Some(1400)");
        check(IPVLAN, MTU, "0", "mtu: None");
        check(IPVLAN, "com.docker.network.bridge.name", "x", "unknown option");
    }

    #[test]
    fn a_vlan_is_named_after_its_link() {
        assert_eq!(vlan("eth0.10"), Some(("eth0", "10")));
        assert_eq!(vlan("bond.0.7"), Some(("bond.0", "7")));
        assert_eq!(vlan("eth0"), None);
        assert_eq!(vlan("eth0."), None);
    }
}
