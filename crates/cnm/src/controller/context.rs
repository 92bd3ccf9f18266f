//! What the world says while a request is decided. The controller itself draws no
//! randomness, reads no clock and looks at no host.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{Delta, Family, IntervalSet, Model, NetworkId, Proto, driver::bridge::PublishDefault, ipam};

/// Where fresh random bytes come from. With the same bytes, decisions are the same.
pub trait Entropy {
    /// Fills `bytes` with random ones.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// All that a decision needs besides the model and the request.
pub struct Context<'a> {
    pub entropy: &'a mut dyn Entropy,
    /// Nanoseconds since the Unix epoch.
    pub now: i64,
    pub host: &'a Host,
    pub defaults: &'a Defaults,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entropy: _, now, host, defaults } = self;
        let mut context = f.debug_struct("Context");
        context.field("now", now).field("host", host).field("defaults", defaults).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// Fresh random bytes.
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }
}

/// What is true of the host and not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where automatic pools may not be: routes and addresses of the host.
    pub taken: Nets,
    /// Where no pool may be, chosen or named: subnets on links of the host that are not ours.
    pub on_link: Nets,
    /// What is known of the host's links that were asked about, by name.
    pub links: BTreeMap<String, HostLink>,
    /// Where ephemeral ports come from (`net.ipv4.ip_local_port_range`).
    pub ephemeral: RangeInclusive<u16>,
    /// After what the search for the next ephemeral port or address begins.
    pub given: Given,
    /// Ports that somebody else was found to hold.
    pub busy: BusyPorts,
    /// Whether the host speaks IPv6: wildcards then mean `0.0.0.0` and `[::]`.
    pub v6: bool,
}

/// A host without routes that speaks both families; ports as Linux has them.
impl Default for Host {
    fn default() -> Self {
        Self {
            taken: Nets::default(),
            on_link: Nets::default(),
            links: BTreeMap::new(),
            ephemeral: 32_768..=60_999,
            given: Given::default(),
            busy: BusyPorts::default(),
            v6: true,
        }
    }
}

impl Host {
    /// Remembers the ephemeral ports and serial addresses that a change of `before` gives out,
    /// so that the next ones are others.
    pub fn advance(&mut self, before: &Model, delta: &Delta) {
        let held = |id| before.sandbox(id).map_or(&[][..], |sandbox| &sandbox.ports);
        let sandboxes = delta.sandboxes.values().flatten();
        let new = sandboxes
            .flat_map(|sandbox| sandbox.ports.iter().filter(|binding| !held(&sandbox.id).contains(binding)));
        let ports = new.map(|binding| *binding.host.end()).filter(|port| self.ephemeral.contains(port));
        self.given.port = ports.max().or(self.given.port);
        let endpoints = delta.endpoints.values().flatten();
        for endpoint in endpoints.filter(|endpoint| before.endpoint(&endpoint.id).is_none()) {
            if before.network(&endpoint.network).is_some_and(|network| network.ipam.is_serial()) {
                let numbers =
                    endpoint.addresses().map(|address| (Family::of(&address), ipam::number(address)));
                let keyed = numbers.map(|(family, number)| ((endpoint.network, family), number));
                self.given.addresses.extend(keyed);
            }
        }
    }
}

/// A link of the host that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostLink {
    Loopback,
    /// It carries the engine's own mark.
    Ours,
    Other,
}

/// What was given out last. It is forgotten with the engine: the lowest comes first again then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The last ephemeral port.
    pub port: Option<u16>,
    /// The last address, as a number, of networks that give one after the other.
    pub addresses: BTreeMap<(NetworkId, Family), u128>,
}

/// Settings of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// What automatic pools are cut from, in this order.
    pub pools: Vec<DefaultPool>,
    /// Where automatic pools may not be, on the user's word.
    pub avoid: Nets,
    /// Where ports are published that name no address and lead into no network with
    /// an address of its own; all addresses of the host if absent.
    pub host_binding: Option<IpAddr>,
    /// Who reaches these ports, where no network says otherwise.
    pub publish: PublishDefault,
}

/// A block of addresses and how it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultPool {
    pub base: IpNet,
    /// The prefix length of each piece.
    pub length: u8,
}

/// Docker's blocks of private addresses (RFC 1918), cut to /24.
const BLOCKS: [(Ipv4Addr, u8); 7] = [
    (Ipv4Addr::new(172, 17, 0, 0), 16),
    (Ipv4Addr::new(172, 18, 0, 0), 16),
    (Ipv4Addr::new(172, 19, 0, 0), 16),
    (Ipv4Addr::new(172, 20, 0, 0), 14),
    (Ipv4Addr::new(172, 24, 0, 0), 14),
    (Ipv4Addr::new(172, 28, 0, 0), 14),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

impl Defaults {
    /// The built-in pools; `global_id` are the 40 bits that make the host's own
    /// unique local prefix (RFC 4193 §3.2).
    pub fn new(global_id: [u8; 5]) -> Self {
        let [a, b, c, d, e] = global_id;
        let mut octets = [0; 16];
        octets[..6].copy_from_slice(&[0xfd, a, b, c, d, e]);
        let ula = Ipv6Net::new_assert(Ipv6Addr::from(octets), 48);
        let v4 = BLOCKS.iter().map(|(base, length)| IpNet::V4(Ipv4Net::new_assert(*base, *length)));
        let v4 = v4.map(|base| DefaultPool { base, length: 24 });
        let pools = v4.chain([DefaultPool { base: IpNet::V6(ula), length: 64 }]).collect();
        Self { pools, avoid: Nets::default(), host_binding: None, publish: PublishDefault::All }
    }
}

/// A set of networks, for finding free space between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nets {
    v4: IntervalSet,
    v6: IntervalSet,
}

impl Nets {
    /// Adds a network. Default routes and the halves that VPNs divide them into
    /// (`/0`, `/1`) say nothing about who uses which address: they are left out.
    pub fn insert(&mut self, net: IpNet) {
        if net.prefix_len() > 1 {
            self.family_mut(Family::of(&net.addr())).insert(ipam::range(&net));
        }
    }

    /// The addresses of one family.
    pub const fn family(&self, family: Family) -> &IntervalSet {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    const fn family_mut(&mut self, family: Family) -> &mut IntervalSet {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

impl FromIterator<IpNet> for Nets {
    fn from_iter<T: IntoIterator<Item = IpNet>>(nets: T) -> Self {
        let mut set = Self::default();
        nets.into_iter().for_each(|net| set.insert(net));
        set
    }
}

/// Ports of the host that somebody else holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusyPorts {
    ports: BTreeSet<(Proto, Family, u16, IpAddr)>,
}

impl BusyPorts {
    /// Adds a port; the unspecified address stands for all addresses of its family.
    pub fn insert(&mut self, proto: Proto, address: IpAddr, port: u16) {
        self.ports.insert((proto, Family::of(&address), port, address));
    }

    /// The lowest port of `range` that cannot be had at `address`.
    pub fn clash(&self, proto: Proto, address: IpAddr, range: &RangeInclusive<u16>) -> Option<u16> {
        let family = Family::of(&address);
        let lowest = (proto, family, *range.start(), family.unspecified());
        let from_here = self.ports.range(lowest..);
        let here = from_here.take_while(|(p, f, port, _)| (*p, *f) == (proto, family) && port <= range.end());
        let shared = |other: &IpAddr| *other == address || other.is_unspecified() || address.is_unspecified();
        here.filter(|(.., other)| shared(other)).map(|(_, _, port, _)| *port).next()
    }
}
