//! What an endpoint's link has inside its sandbox, whichever driver made it.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::bridge::sysctls;
use crate::{
    Endpoint, Family, Mac,
    state::{Key, Ns, Object},
};

/// Settings and addresses of the link; `link_local` is its own if it has IPv6.
pub(crate) fn objects(
    endpoint: &Endpoint,
    (ns, link): (Ns, &str),
    link_local: Ipv6Addr,
) -> impl Iterator<Item = (Key, Object)> {
    let nets = Family::BOTH.into_iter().filter_map(|family| endpoint.address(family));
    let own = endpoint.v6.map(|_| link_local.into());
    let link_locals =
        own.into_iter().chain(endpoint.settings.link_local.iter().copied()).map(self::link_local);
    let addresses =
        nets.chain(link_locals).map(move |net| (Key::Addr(ns, link.to_owned(), net), Object::Addr));
    let settings =
        sysctls(&endpoint.settings.driver_options, link).into_iter().filter_map(move |(name, value)| {
            let path = sysctl_path(&name, link)?;
            Some((Key::LinkSysctl(ns, link.to_owned(), path), Object::LinkSysctl(value)))
        });
    settings.chain(addresses)
}

/// `net.ipv4.conf.IFNAME.forwarding` as a path; the interface's name may contain dots.
fn sysctl_path(name: &str, interface: &str) -> Option<String> {
    let (start, end) = name.split_once(&format!(".{interface}."))?;
    Some(format!("{}/{interface}/{}", start.replace('.', "/"), end.replace('.', "/")))
}

/// The link-local address that the kernel would make of a MAC address (RFC 4291, appendix A).
pub(crate) fn eui64(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = *mac.bytes();
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 0x02, b, c, 0xff, 0xfe, d, e, f])
}

/// Link-local addresses are of a /16 (RFC 3927 §2.1) or of a /64 (RFC 4291 §2.5.6).
pub(crate) fn link_local(address: IpAddr) -> IpNet {
    let prefix = if address.is_ipv4() { 16 } else { 64 };
    IpNet::new_assert(address, prefix)
}
