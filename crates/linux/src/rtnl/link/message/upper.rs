//! Links on other links: macvlan, ipvlan, vlan (`IFLA_MACVLAN_…`, `IFLA_IPVLAN_…`,
//! `IFLA_VLAN_…`, linux/if_link.h).

use crate::netlink::attribute::{Attribute, Writer};

use super::super::{IpvlanFlag, IpvlanMode, LinkKind, MacvlanMode};

const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;

const MACVLAN_MODES: [(MacvlanMode, u32); 4] =
    [(MacvlanMode::Private, 1), (MacvlanMode::Vepa, 2), (MacvlanMode::Bridge, 4), (MacvlanMode::Passthru, 8)];
const IPVLAN_MODES: [(IpvlanMode, u16); 3] = [(IpvlanMode::L2, 0), (IpvlanMode::L3, 1), (IpvlanMode::L3s, 2)];
const IPVLAN_FLAGS: [(IpvlanFlag, u16); 3] =
    [(IpvlanFlag::Bridge, 0), (IpvlanFlag::Private, 1), (IpvlanFlag::Vepa, 2)];

pub(super) fn macvlan(info: &mut Writer, mode: MacvlanMode) {
    info.put_text(libc::IFLA_INFO_KIND, "macvlan");
    info.nest(libc::IFLA_INFO_DATA, |data| {
        data.put_u32(IFLA_MACVLAN_MODE, number(&MACVLAN_MODES, mode));
    });
}

pub(super) fn ipvlan(info: &mut Writer, mode: IpvlanMode, flag: IpvlanFlag) {
    info.put_text(libc::IFLA_INFO_KIND, "ipvlan");
    info.nest(libc::IFLA_INFO_DATA, |data| {
        data.put_u16(IFLA_IPVLAN_MODE, number(&IPVLAN_MODES, mode));
        data.put_u16(IFLA_IPVLAN_FLAGS, number(&IPVLAN_FLAGS, flag));
    });
}

pub(super) fn vlan(info: &mut Writer, id: u16) {
    info.put_text(libc::IFLA_INFO_KIND, "vlan");
    info.nest(libc::IFLA_INFO_DATA, |data| {
        data.put_u16(IFLA_VLAN_ID, id);
    });
}

/// What kind of link it is in full; the kernel names the kind before its data.
pub(super) fn read(kind: &LinkKind, data: Attribute<'_>) -> Option<LinkKind> {
    let LinkKind::Other(name) = kind else { return None };
    let find = |kind: u16| data.nested().find(|attribute| attribute.kind == kind);
    match name.as_str() {
        "macvlan" => Some(LinkKind::Macvlan(meaning(&MACVLAN_MODES, find(IFLA_MACVLAN_MODE)?.u32()?)?)),
        "ipvlan" => {
            let mode = meaning(&IPVLAN_MODES, find(IFLA_IPVLAN_MODE)?.u16()?)?;
            let flag = find(IFLA_IPVLAN_FLAGS).and_then(|flag| meaning(&IPVLAN_FLAGS, flag.u16()?));
            Some(LinkKind::Ipvlan(mode, flag.unwrap_or(IpvlanFlag::Bridge)))
        }
        "vlan" => Some(LinkKind::Vlan(find(IFLA_VLAN_ID)?.u16()?)),
        _ => None,
    }
}

fn number<M: Copy + PartialEq, N: Copy>(table: &[(M, N)], meaning: M) -> N {
    let (_, number) = table.iter().find(|(it, _)| *it == meaning).expect("the table has every meaning");
    *number
}

fn meaning<M: Copy, N: Copy + PartialEq>(table: &[(M, N)], number: N) -> Option<M> {
    table.iter().find(|(_, it)| *it == number).map(|(meaning, _)| *meaning)
}
