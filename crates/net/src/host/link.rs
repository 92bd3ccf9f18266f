//! Bridges and veth pairs.

use std::os::fd::AsFd;

use cnm::apply::Refusal;
use cnm::state::{Bridge, Ns, Veth, veth_name};
use cnm::{EndpointId, Mac};
use linux::rtnl::link::link_set;
use linux::rtnl::{AddrGen, Link, LinkAdd, LinkSet, LinkType, MacAddr, Peer, PortFlags, Rtnl};
use linux::sysctl;

use super::refusal::{no_device, refused};
use super::{Lent, Shared, lock};

/// The smallest MTU of a link that has IPv6, in bytes (RFC 8200 §5).
const IPV6_MTU: u32 = 1280;

/// The settings of br_netfilter for both families; they are there when it is loaded.
const BRIDGE_NETFILTER: [&str; 2] =
    ["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"];

impl Shared {
    pub(super) fn bridge_add(&self, name: &str, bridge: &Bridge) -> Result<(), Refusal> {
        let add = LinkAdd {
            mtu: Some(bridge.mtu),
            address: Some(address(bridge.mac)),
            alias: Some(self.mark.of_network(&bridge.network)),
            up: bridge.up,
            addr_gen: self.addr_gen(bridge.mtu).unwrap_or_default(),
            route_localnet: bridge.route_localnet,
            ..LinkAdd::new(name, LinkType::Bridge)
        };
        self.rtnl()?.link_add(&add).map_err(refused)?;
        Ok(())
    }

    pub(super) fn bridge_set(&self, name: &str, to: &Bridge) -> Result<(), Refusal> {
        let mut rtnl = self.rtnl()?;
        let link = self.ours(&mut rtnl, name, &self.mark.of_network(&to.network))?;
        let set = LinkSet {
            mtu: Some(to.mtu),
            address: Some(address(to.mac)),
            route_localnet: Some(to.route_localnet),
            up: Some(to.up),
            ..LinkSet::default()
        };
        rtnl.apply(&[link_set(link.index, &set), link_set(link.index, &self.silence(to.mtu))])
            .map_err(refused)
    }

    pub(super) fn bridge_del(&self, name: &str, bridge: &Bridge) -> Result<(), Refusal> {
        let link = self.ours(&mut *self.rtnl()?, name, &self.mark.of_network(&bridge.network))?;
        self.reaper.link_del(link.index).map_err(refused)
    }

    /// Makes both ends. The inner one goes up last, when the outer one is where it belongs.
    pub(super) fn veth_add(&self, endpoint: &EndpointId, veth: &Veth) -> Result<(), Refusal> {
        let mut rtnl = self.rtnl()?;
        let master = self.master(&mut rtnl, veth)?;
        let inside = self.inside_of(veth.peer.0)?;
        let peer = Peer {
            name: veth.peer.1.clone(),
            address: Some(address(veth.mac)),
            netns: inside.as_ref().map(|inside| inside.netns.as_fd()),
        };
        let mark = self.mark.of_endpoint(endpoint);
        let add = LinkAdd {
            mtu: Some(veth.mtu),
            alias: Some(mark.clone()),
            master: master.as_ref().map(|master| master.index),
            up: veth.up,
            addr_gen: self.addr_gen(veth.mtu).unwrap_or_default(),
            ..LinkAdd::new(veth_name(endpoint), LinkType::Veth(peer))
        };
        let link = rtnl.link_add(&add).map_err(refused)?;
        if (veth.isolated || veth.hairpin) && master.is_some() {
            rtnl.link_set(link.index, &self.port(veth)?).map_err(refused)?;
        }
        let index = link.peer.ok_or_else(no_device)?;
        let marked = LinkSet { alias: Some(mark), addr_gen: self.addr_gen(veth.mtu), ..LinkSet::default() };
        let up = LinkSet { up: Some(veth.up), ..LinkSet::default() };
        let finish = |rtnl: &mut Rtnl| {
            rtnl.apply(&[link_set(index, &marked), link_set(index, &up)])?;
            rtnl.link_by_index(index)
        };
        match &inside {
            Some(inside) => finish(&mut lock(&inside.rtnl)),
            None => finish(&mut rtnl),
        }
        .map_err(refused)?;
        settle(&mut rtnl, [Some(&link), master.as_ref()])
    }

    pub(super) fn veth_set(&self, endpoint: &EndpointId, to: &Veth) -> Result<(), Refusal> {
        let mut rtnl = self.rtnl()?;
        let link = self.veth(&mut rtnl, endpoint)?;
        let master = self.master(&mut rtnl, to)?;
        let set = LinkSet {
            mtu: Some(to.mtu),
            master: Some(master.as_ref().map_or(0, |master| master.index)),
            ..LinkSet::default()
        };
        let up = LinkSet { up: Some(to.up), ..LinkSet::default() };
        let silence = self.silence(to.mtu);
        let mut changes = vec![link_set(link.index, &set), link_set(link.index, &silence)];
        if master.is_some() {
            changes.push(link_set(link.index, &self.port(to)?));
        }
        changes.push(link_set(link.index, &up));
        rtnl.apply(&changes).map_err(refused)?;
        let index = link.peer.ok_or_else(no_device)?;
        let set = LinkSet { mtu: Some(to.mtu), ..LinkSet::default() };
        let changes = [link_set(index, &set), link_set(index, &silence), link_set(index, &up)];
        let finish = |rtnl: &mut Rtnl| {
            rtnl.apply(&changes)?;
            rtnl.link_by_index(index)
        };
        match self.inside_of(to.peer.0)? {
            Some(inside) => finish(&mut lock(&inside.rtnl)),
            None => finish(&mut rtnl),
        }
        .map_err(refused)?;
        settle(&mut rtnl, [Some(&link), master.as_ref()])
    }

    /// A pair that is not there any more is deleted: it vanishes at a time of
    /// the kernel's choosing when the namespace of one end does.
    pub(super) fn veth_del(&self, endpoint: &EndpointId) -> Result<(), Refusal> {
        let link = self.veth(&mut *self.rtnl()?, endpoint);
        let deleted = link.and_then(|link| self.reaper.link_del(link.index).map_err(refused));
        match deleted {
            Err(refusal) if refusal == no_device() => Ok(()),
            deleted => deleted,
        }
    }

    /// The kernel gives our links no address of its own accord. A link whose
    /// MTU is too small for IPv6 has no such setting.
    pub(super) fn addr_gen(&self, mtu: u32) -> Option<AddrGen> {
        (self.ipv6 && mtu >= IPV6_MTU).then_some(AddrGen::None)
    }

    /// The same for a link that is there: one whose MTU was too small for IPv6 begins anew.
    fn silence(&self, mtu: u32) -> LinkSet {
        LinkSet { addr_gen: self.addr_gen(mtu), ..LinkSet::default() }
    }

    /// The flags of a pair's port. Where bridged frames pass netfilter, our rules isolate:
    /// the flag would keep frames from published ports, too.
    fn port(&self, veth: &Veth) -> Result<LinkSet, Refusal> {
        let isolated = veth.isolated && !self.bridged_frames_are_filtered()?;
        let flags = PortFlags { hairpin: veth.hairpin, isolated };
        Ok(LinkSet { port: Some(flags), ..LinkSet::default() })
    }

    /// Whether frames that stay on a bridge pass our rules all the same (br_netfilter).
    pub(super) fn bridged_frames_are_filtered(&self) -> Result<bool, Refusal> {
        let on = |name| sysctl::read(name).is_ok_and(|value| value == "1");
        self.in_host(|| BRIDGE_NETFILTER.into_iter().all(on))
    }

    /// The namespace of a sandbox, or none for the host's.
    fn inside_of(&self, ns: Ns) -> Result<Option<std::sync::Arc<super::Inside>>, Refusal> {
        match ns {
            Ns::Host => Ok(None),
            Ns::Sandbox(sandbox) => self.inside(&sandbox).map(Some),
        }
    }

    /// The bridge that a veth is to be in.
    fn master(&self, rtnl: &mut Lent<'_>, veth: &Veth) -> Result<Option<Link>, Refusal> {
        let Some(name) = &veth.master else { return Ok(None) };
        let link = rtnl.link_by_name(name).map_err(refused)?;
        link.filter(|link| self.mark.is_on(link)).map(Some).ok_or_else(no_device)
    }

    /// The link of this name, if it has this mark.
    pub(super) fn ours(&self, rtnl: &mut Rtnl, name: &str, mark: &str) -> Result<Link, Refusal> {
        let link = rtnl.link_by_name(name).map_err(refused)?;
        link.filter(|link| link.alias.as_deref() == Some(mark)).ok_or_else(no_device)
    }

    /// The outer end of an endpoint, also if somebody renamed it.
    fn veth(&self, rtnl: &mut Rtnl, endpoint: &EndpointId) -> Result<Link, Refusal> {
        let mark = self.mark.of_endpoint(endpoint);
        if let Ok(link) = self.ours(rtnl, &veth_name(endpoint), &mark) {
            return Ok(link);
        }
        let links = rtnl.link_list().map_err(refused)?;
        links.into_iter().find(|link| link.alias.as_deref() == Some(&mark)).ok_or_else(no_device)
    }
}

/// Asks for links whose carrier has just come: the kernel then acts on it at once
/// and not within a second, for which a first connection would stall.
fn settle(rtnl: &mut Rtnl, links: [Option<&Link>; 2]) -> Result<(), Refusal> {
    let mut links = links.into_iter().flatten();
    links.try_for_each(|link| rtnl.link_by_index(link.index).map(drop).map_err(refused))
}

pub(super) fn address(mac: Mac) -> MacAddr {
    MacAddr(*mac.bytes())
}
