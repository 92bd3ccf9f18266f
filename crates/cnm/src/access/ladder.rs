//! Networks as exact keys, and which networks are local.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use crate::{Family, Model};

/// The lengths of prefixes that IPv4 sources are looked up by: a network of another length is
/// taken apart into at most eight.
pub const LENGTHS4: [u8; 8] = [4, 8, 12, 16, 20, 24, 28, 32];
/// The same for IPv6: into at most 128.
pub const LENGTHS6: [u8; 16] = [8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128];

/// Local networks that every host knows: RFC 1122, RFC 1918, RFC 3927, RFC 6598; RFC 4291, RFC 4193.
const LOCAL: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fe80::/10",
    "fc00::/7",
];

/// A network as networks of one of the lengths: the length and their first addresses. Not for
/// networks of no length, which are everybody.
pub(crate) fn blocks(net: &IpNet) -> (u8, impl Iterator<Item = IpAddr> + use<>) {
    let lengths: &[u8] = match Family::of(&net.addr()) {
        Family::V4 => &LENGTHS4,
        Family::V6 => &LENGTHS6,
    };
    let fits = lengths.iter().copied().find(|length| *length >= net.prefix_len());
    let length = fits.expect("the longest is the longest prefix there is");
    let parts = net.subnets(length).expect("a longer prefix of the same family");
    (length, parts.map(|part| part.network()))
}

/// Private networks of one family and those that the host is on, as few as there can be.
fn local_networks(of_host: &BTreeSet<IpNet>, family: Family) -> Vec<IpNet> {
    let all = LOCAL.iter().map(|text| text.parse::<IpNet>().expect("a network"));
    let of_family = |net: &IpNet| Family::of(&net.addr()) == family;
    IpNet::aggregate(&all.chain(of_host.iter().copied()).filter(of_family).collect())
}

impl Model {
    /// The local networks of one family: private ones, and those that the host is on.
    pub fn local_networks(&self, family: Family) -> Vec<IpNet> {
        local_networks(self.networks_of_host(), family)
    }

    /// Whether an address is of a local network.
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.local_networks(Family::of(&address)).iter().any(|net| net.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(net: &str, expected: u8, count: usize) {
        let (length, parts) = blocks(&net.parse().expect("a network"));
        assert_eq!((length, parts.count()), (expected, count), "{net}");
    }

    #[test]
    fn a_network_is_few_of_known_lengths() {
        check("10.0.0.0/8", 8, 1);
        check("100.64.0.0/10", 12, 4);
        check("128.0.0.0/1", 4, 8);
        check("198.51.100.7/32", 32, 1);
        check("198.51.100.0/25", 28, 8);
        check("2001:db8::/32", 32, 1);
        check("fc00::/7", 8, 2);
        check("2001:db8::/57", 64, 128);
        check("2001:db8::1/128", 128, 1);
    }

    #[test]
    fn private_addresses_are_local() {
        let is_local = |text: &str, of_host: &[&str]| {
            let of_host = of_host.iter().map(|net| net.parse().expect("a network")).collect();
            let address: IpAddr = text.parse().expect("an address");
            local_networks(&of_host, Family::of(&address)).iter().any(|net| net.contains(&address))
        };
        for local in ["10.9.8.7", "172.31.0.1", "169.254.1.1", "100.127.0.1", "fd00::1", "fe80::1", "::1"] {
            assert!(is_local(local, &[]), "{local}");
        }
        for other in ["198.51.100.1", "172.32.0.1", "100.128.0.1", "2001:db8::1"] {
            assert!(!is_local(other, &["203.0.113.0/24"]), "{other}");
        }
        assert!(is_local("198.51.100.1", &["198.51.100.0/25", "10.1.0.0/16"]));
        assert!(is_local("2001:db8::1", &["2001:db8::/64"]));
    }
}
