//! Networks on a link of the host. Never changed once released.

use serde::{Deserialize, Serialize};

use crate::driver::upper;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upper {
    parent: Parent,
    kind: Kind,
    mtu: Option<u32>,
    interface_prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Parent {
    Link(String),
    Vlan { name: String, on: String, id: u16 },
    Dummy(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Macvlan(MacvlanMode),
    Ipvlan(IpvlanMode, IpvlanFlag),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MacvlanMode {
    Bridge,
    Private,
    Vepa,
    Passthru,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IpvlanMode {
    L2,
    L3,
    L3s,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IpvlanFlag {
    Bridge,
    Private,
    Vepa,
}

both!(upper::Config, Upper, { parent, kind, mtu, interface_prefix });
variants!(upper::MacvlanMode, MacvlanMode { Bridge, Private, Vepa, Passthru });
variants!(upper::IpvlanMode, IpvlanMode { L2, L3, L3s });
variants!(upper::IpvlanFlag, IpvlanFlag { Bridge, Private, Vepa });

impl From<upper::Parent> for Parent {
    fn from(parent: upper::Parent) -> Self {
        match parent {
            upper::Parent::Link(name) => Self::Link(name),
            upper::Parent::Vlan { name, on, id } => Self::Vlan { name, on, id },
            upper::Parent::Dummy(name) => Self::Dummy(name),
        }
    }
}

impl From<Parent> for upper::Parent {
    fn from(parent: Parent) -> Self {
        match parent {
            Parent::Link(name) => Self::Link(name),
            Parent::Vlan { name, on, id } => Self::Vlan { name, on, id },
            Parent::Dummy(name) => Self::Dummy(name),
        }
    }
}

impl From<upper::Kind> for Kind {
    fn from(kind: upper::Kind) -> Self {
        match kind {
            upper::Kind::Macvlan(mode) => Self::Macvlan(mode.into()),
            upper::Kind::Ipvlan(mode, flag) => Self::Ipvlan(mode.into(), flag.into()),
        }
    }
}

impl From<Kind> for upper::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Macvlan(mode) => Self::Macvlan(mode.into()),
            Kind::Ipvlan(mode, flag) => Self::Ipvlan(mode.into(), flag.into()),
        }
    }
}
