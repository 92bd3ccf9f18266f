//! Links on links of the host.

use std::fmt;

use super::{InNs, Ip};
use crate::{
    EndpointId,
    driver::upper::Kind,
    state::{Lower, LowerKind, Upper},
};

pub(super) fn lower_add(f: &mut fmt::Formatter<'_>, name: &str, lower: &Lower) -> fmt::Result {
    match &lower.kind {
        LowerKind::Vlan { on, id } => write!(f, "ip link add link {on} name {name} type vlan id {id}")?,
        LowerKind::Dummy => write!(f, "ip link add {name} type dummy")?,
    }
    write!(f, " && ip link set {name} up")
}

pub(super) fn upper_add(f: &mut fmt::Formatter<'_>, endpoint: &EndpointId, upper: &Upper) -> fmt::Result {
    let Upper { lower, kind, place: (ns, name), mac, .. } = upper;
    write!(f, "ip link add link {lower} name {name}{}", InNs(ns))?;
    mac.iter().try_for_each(|mac| write!(f, " address {mac}"))?;
    match kind {
        Kind::Macvlan(mode) => write!(f, " type macvlan mode {}", mode.name())?,
        Kind::Ipvlan(mode, flag) => write!(f, " type ipvlan mode {} {}", mode.name(), flag.name())?,
    }
    write!(f, " && {} link set {name} alias tombolo:{endpoint} && ", Ip(ns))?;
    upper_set(f, upper)
}

pub(super) fn upper_set(f: &mut fmt::Formatter<'_>, upper: &Upper) -> fmt::Result {
    let Upper { place: (ns, name), mtu, .. } = upper;
    write!(f, "{} link set {name}", Ip(ns))?;
    mtu.iter().try_for_each(|mtu| write!(f, " mtu {mtu}"))?;
    f.write_str(" addrgenmode none up")
}
