//! What is there and ours.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::sync::Arc;

use cnm::apply::{Extent, KernelError, Refusal};
use cnm::state::{Bridge, Key, LowerKind, Netns, Ns, Object, Route, State, Upper, Veth, veth_name};
use cnm::{EndpointId, Mac, SandboxId};
use linux::rtnl::{Link, LinkKind, Rtnl};
use linux::sysctl;

use super::mark::{PROTOCOL, ROUTE_PROTOCOL};
use super::namespace::Inside;
use super::refusal::refused;
use super::{Shared, lock};

mod stacked;

/// The links of ours in one namespace: number and name.
type Links = BTreeMap<u32, String>;

/// One look at the kernel.
struct View<'a> {
    shared: &'a Shared,
    /// What is expected: where to look, and whom to take for ours where nobody can sign.
    expected: &'a State,
    /// Whether what is not expected is wanted, too.
    all: bool,
    sandboxes: BTreeMap<SandboxId, Arc<Inside>>,
    links: BTreeMap<Ns, Links>,
    state: State,
}

impl Shared {
    pub(super) fn observe(&self, extent: Extent<'_>) -> Result<State, KernelError> {
        let (expected, all) = match extent {
            Extent::All(expected) => (expected, true),
            Extent::Only(expected) => (expected, false),
        };
        let (sandboxes, links) = (BTreeMap::new(), BTreeMap::new());
        let mut view = View { shared: self, expected, all, sandboxes, links, state: State::new() };
        let failed = |what| move |refusal| KernelError::Observe { what, refusal };
        view.settings().map_err(failed("the settings"))?;
        view.ports();
        view.firewall().map_err(failed("the table"))?;
        view.namespaces().map_err(failed("the namespaces"))?;
        view.host_links().map_err(failed("the links"))?;
        view.uppers().map_err(failed("the links on links of the host"))?;
        view.link_settings();
        view.addresses().map_err(failed("the addresses and routes"))?;
        if !all {
            view.state.retain(|key, _| expected.contains_key(key));
        }
        Ok(view.state)
    }
}

impl View<'_> {
    /// Settings are read where they are expected to be ours.
    fn settings(&mut self) -> Result<(), Refusal> {
        let settings: Vec<_> = self.expected.keys().filter(|key| matches!(key, Key::Sysctl(_))).collect();
        if settings.is_empty() {
            return Ok(());
        }
        let is_set = |key: &&Key| {
            let Key::Sysctl(setting) = key else { return false };
            sysctl::read(setting.path()).is_ok_and(|value| value == "1")
        };
        let set: Vec<_> =
            self.shared.in_host(|| settings.iter().copied().filter(is_set).cloned().collect())?;
        self.state.extend(set.into_iter().map(|key| (key, Object::Sysctl)));
        Ok(())
    }

    /// Settings of links are read where they are expected; one that cannot be read is not there.
    fn link_settings(&mut self) {
        for (key, object) in self.expected {
            let (Key::LinkSysctl(ns, _, path), Object::LinkSysctl(wanted)) = (key, object) else { continue };
            let value = match ns {
                Ns::Host => self.shared.in_host(|| sysctl::read(path).ok()).ok().flatten(),
                Ns::Sandbox(sandbox) => self.sandboxes.get(sandbox).and_then(|inside| {
                    sysctl::read_in(&inside.netns, &[path.as_str()]).ok().and_then(|mut values| values.pop())
                }),
            };
            let Some(value) = value else { continue };
            // The kernel puts tabs between numbers.
            let same = value.split_whitespace().eq(wanted.split_whitespace());
            let value = if same { wanted.clone() } else { value };
            self.state.insert(key.clone(), Object::LinkSysctl(value));
        }
    }

    fn ports(&mut self) {
        let ports = lock(&self.shared.ports);
        self.state.extend(ports.keys().map(|key| (key.clone(), Object::Port)));
    }

    fn firewall(&mut self) -> Result<(), Refusal> {
        let sets: BTreeSet<_> = self.expected.keys().filter_map(set_of).collect();
        if self.all || !sets.is_empty() || self.expected.contains_key(&Key::Table) {
            self.state.extend(self.shared.observe_firewall(|set| self.all || sets.contains(&set))?);
        }
        Ok(())
    }

    /// Namespaces in our directory, and those that are expected elsewhere.
    fn namespaces(&mut self) -> Result<(), Refusal> {
        let mut wanted = BTreeSet::new();
        for (key, object) in self.expected {
            match (key, object) {
                (Key::Netns(sandbox), Object::Netns(Netns::Path(path))) => {
                    let inside = self.shared.foreign(*sandbox, path);
                    self.sandboxes.extend(inside.map(|inside| (*sandbox, inside)));
                }
                (Key::Netns(sandbox), _)
                | (
                    Key::LinkSysctl(Ns::Sandbox(sandbox), ..)
                    | Key::Addr(Ns::Sandbox(sandbox), ..)
                    | Key::Route(Ns::Sandbox(sandbox), _),
                    _,
                ) => {
                    wanted.insert(*sandbox);
                }
                (_, Object::Veth(Veth { peer: (Ns::Sandbox(sandbox), _), .. }))
                | (_, Object::Upper(Upper { place: (Ns::Sandbox(sandbox), _), .. })) => {
                    wanted.insert(*sandbox);
                }
                _ => {}
            }
        }
        if self.all {
            wanted.extend(self.shared.kept()?);
            wanted.extend(lock(&self.shared.sandboxes).keys());
        }
        for sandbox in wanted {
            let inside = self.shared.inside(&sandbox).ok().filter(|inside| inside.is_kept());
            match inside {
                Some(inside) => drop(self.sandboxes.entry(sandbox).or_insert(inside)),
                None => self.shared.forget(&sandbox),
            }
        }
        let objects = self
            .sandboxes
            .iter()
            .map(|(sandbox, inside)| (Key::Netns(*sandbox), Object::Netns(inside.as_object())));
        self.state.extend(objects);
        Ok(())
    }

    fn host_links(&mut self) -> Result<(), Refusal> {
        let mut rtnl = self.shared.rtnl()?;
        let links =
            if self.all { rtnl.link_list().map_err(refused)? } else { self.expected_links(&mut rtnl)? };
        let links: Vec<_> = links.into_iter().filter(|link| self.shared.mark.is_on(link)).collect();
        let mut numbers = BTreeMap::new();
        if links.iter().any(|link| link.peer_netns.is_some()) {
            for (sandbox, inside) in &self.sandboxes {
                let number = rtnl.netns_id(inside.netns.as_fd()).map_err(refused)?;
                numbers.extend(number.map(|number| (number, *sandbox)));
            }
        }
        for link in &links {
            self.links.entry(Ns::Host).or_default().insert(link.index, link.name.clone());
            match link.kind {
                LinkKind::Bridge => self.bridge(link),
                LinkKind::Veth => self.veth(&mut rtnl, link, &numbers)?,
                LinkKind::Vlan(id) => self.vlan(&mut rtnl, link, id)?,
                LinkKind::Other(ref kind) if kind == "dummy" => self.lower(link, LowerKind::Dummy),
                LinkKind::Macvlan(_) | LinkKind::Ipvlan(..) | LinkKind::Other(_) | LinkKind::Device => {}
            }
        }
        Ok(())
    }

    /// The links of the host that the expected objects are, or are on.
    fn expected_links(&self, rtnl: &mut Rtnl) -> Result<Vec<Link>, Refusal> {
        let mut names = BTreeSet::new();
        for (key, object) in self.expected {
            match (key, object) {
                (Key::Bridge(name) | Key::Lower(name) | Key::Addr(Ns::Host, name, _), _) => {
                    names.insert(name.clone());
                }
                (Key::Veth(endpoint), _) => {
                    names.insert(veth_name(endpoint));
                }
                (Key::Route(Ns::Host, _), Object::Route(route)) => {
                    names.insert(route.link.clone());
                }
                _ => {}
            }
        }
        let found = names.iter().map(|name| rtnl.link_by_name(name).map_err(refused));
        found.filter_map(Result::transpose).collect()
    }

    fn bridge(&mut self, link: &Link) {
        let (Some(network), Some(mac)) = (self.shared.mark.subject_of(link), link.address) else { return };
        let bridge = Bridge {
            network,
            mac: Mac::new(mac.0),
            mtu: link.mtu,
            route_localnet: link.route_localnet,
            up: link.up,
        };
        self.state.insert(Key::Bridge(link.name.clone()), Object::Bridge(bridge));
    }

    fn veth(
        &mut self,
        rtnl: &mut Rtnl,
        link: &Link,
        numbers: &BTreeMap<i32, SandboxId>,
    ) -> Result<(), Refusal> {
        let Some(endpoint) = self.shared.mark.subject_of::<EndpointId>(link) else { return Ok(()) };
        let (ns, peer) = self.peer(rtnl, link, numbers)?;
        // Inside a namespace the mark is on both ends; on the host each end finds the other.
        let renamed = link.name != veth_name(&endpoint);
        if ns == Ns::Host && renamed {
            return Ok(());
        }
        let master = match link.master {
            Some(index) => rtnl.link_by_index(index).map_err(refused)?.map(|master| master.name),
            None => None,
        };
        let veth = Veth {
            master,
            // An end that cannot be found is nowhere: no plan wants it there.
            peer: peer.as_ref().map_or((Ns::Host, String::new()), |peer| (ns, peer.name.clone())),
            // A pair that somebody renamed has no address: it can only be replaced.
            mac: Mac::new(
                peer.as_ref().filter(|_| !renamed).and_then(|peer| peer.address).map_or([0; 6], |mac| mac.0),
            ),
            // Ends that differ have no MTU: no plan wants that one.
            mtu: if peer.as_ref().is_some_and(|peer| peer.mtu == link.mtu) { link.mtu } else { 0 },
            isolated: self.is_isolated(&endpoint, link)?,
            hairpin: link.port.is_some_and(|port| port.hairpin),
            up: link.up && peer.as_ref().is_some_and(|peer| peer.up),
        };
        if let Some(peer) = peer {
            self.links.entry(ns).or_default().insert(peer.index, peer.name);
        }
        self.state.insert(Key::Veth(endpoint), Object::Veth(veth));
        Ok(())
    }

    /// Whether a port is isolated as it should be: by its flag, or where bridged
    /// frames pass our rules, by these and without the flag.
    fn is_isolated(&self, endpoint: &EndpointId, link: &Link) -> Result<bool, Refusal> {
        let flag = link.port.is_some_and(|port| port.isolated);
        let expected = self.expected.get(&Key::Veth(*endpoint));
        let wanted = matches!(expected, Some(Object::Veth(veth)) if veth.isolated);
        if !(flag || wanted) || !self.shared.bridged_frames_are_filtered()? {
            return Ok(flag);
        }
        // The rules are there in any case; a flag beside them has to go.
        Ok(wanted != flag)
    }

    /// The other end of a pair, if it is where we can look.
    fn peer(
        &self,
        rtnl: &mut Rtnl,
        link: &Link,
        numbers: &BTreeMap<i32, SandboxId>,
    ) -> Result<(Ns, Option<Link>), Refusal> {
        let Some(index) = link.peer else { return Ok((Ns::Host, None)) };
        let Some(number) = link.peer_netns else {
            return Ok((Ns::Host, rtnl.link_by_index(index).map_err(refused)?));
        };
        let Some((sandbox, inside)) =
            numbers.get(&number).and_then(|sandbox| Some((*sandbox, self.sandboxes.get(sandbox)?)))
        else {
            return Ok((Ns::Host, None));
        };
        let peer = lock(&inside.rtnl).link_by_index(index).map_err(refused)?;
        Ok((Ns::Sandbox(sandbox), peer))
    }

    fn addresses(&mut self) -> Result<(), Refusal> {
        self.expected_inner_links()?;
        for (ns, links) in std::mem::take(&mut self.links) {
            match ns {
                Ns::Host => self.addresses_in(&mut *self.shared.rtnl()?, ns, &links)?,
                Ns::Sandbox(sandbox) => {
                    let Some(inside) = self.sandboxes.get(&sandbox).cloned() else { continue };
                    self.addresses_in(&mut lock(&inside.rtnl), ns, &links)?;
                }
            }
        }
        Ok(())
    }

    /// Links in sandboxes on which something is expected, though their pair is not.
    fn expected_inner_links(&mut self) -> Result<(), Refusal> {
        let mut names = BTreeSet::new();
        for (key, object) in self.expected {
            match (key, object) {
                (Key::Addr(Ns::Sandbox(sandbox), name, _), _) => {
                    names.insert((*sandbox, name));
                }
                (Key::Route(Ns::Sandbox(sandbox), _), Object::Route(route)) => {
                    names.insert((*sandbox, &route.link));
                }
                _ => {}
            }
        }
        for (sandbox, name) in names {
            let known = self.links.entry(Ns::Sandbox(sandbox)).or_default();
            let Some(inside) = self.sandboxes.get(&sandbox) else { continue };
            if !known.values().any(|known| known == name) {
                let link = lock(&inside.rtnl).link_by_name(name).map_err(refused)?;
                known.extend(link.map(|link| (link.index, link.name)));
            }
        }
        Ok(())
    }

    fn addresses_in(&mut self, rtnl: &mut Rtnl, ns: Ns, links: &Links) -> Result<(), Refusal> {
        for addr in rtnl.addr_list().map_err(refused)? {
            let Some(link) = links.get(&addr.index) else { continue };
            let key = Key::Addr(ns, link.clone(), addr.net);
            // Where the kernel does not remember who made an address, only expectation tells.
            let unsigned = !self.shared.marks_addresses && self.expected.contains_key(&key);
            if addr.protocol == PROTOCOL || unsigned {
                self.state.insert(key, Object::Addr);
            }
        }
        for route in rtnl.route_list().map_err(refused)? {
            let Some(link) = route.index.and_then(|index| links.get(&index)) else { continue };
            if route.protocol == ROUTE_PROTOCOL {
                let way = Route { via: route.via, link: link.clone() };
                self.state.insert(Key::Route(ns, route.destination), Object::Route(way));
            }
        }
        Ok(())
    }
}

fn set_of(key: &Key) -> Option<cnm::nft::Set> {
    match key {
        Key::Guard(set, _) | Key::Publish(set, _) => Some(*set),
        Key::Sysctl(_)
        | Key::Port { .. }
        | Key::Table
        | Key::Netns(_)
        | Key::Bridge(_)
        | Key::Lower(_)
        | Key::Veth(_)
        | Key::Upper(_)
        | Key::LinkSysctl(..)
        | Key::Addr(..)
        | Key::Route(..) => None,
    }
}
