//! Links on links of the host: macvlan and ipvlan, and what is made below them.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use cnm::EndpointId;
use cnm::apply::Refusal;
use cnm::driver::upper::{IpvlanFlag, IpvlanMode, Kind, MacvlanMode};
use cnm::plan::Op;
use cnm::state::{Key, Lower, LowerKind, Ns, Object, Upper};
use linux::rtnl::{self, Link, LinkAdd, LinkKind, LinkSet, LinkType, RtnlError};

use super::link::address;
use super::refusal::{no_device, refused, unsupported};
use super::{Shared, lock};

impl Shared {
    /// Does what an operation on such a link asks for.
    pub(super) fn stacked(&self, op: &Op) -> Result<(), Refusal> {
        match (op, op.key()) {
            (Op::Create { object: Object::Lower(lower), .. }, Key::Lower(name)) => {
                self.lower_add(name, lower)
            }
            (Op::Change { to: Object::Lower(to), .. }, Key::Lower(name)) => self.lower_set(name, to),
            (Op::Delete { .. }, Key::Lower(name)) => self.lower_del(name),
            (Op::Create { object: Object::Upper(upper), .. }, Key::Upper(endpoint)) => {
                self.upper_add(endpoint, upper)
            }
            (Op::Change { to: Object::Upper(to), .. }, Key::Upper(endpoint)) => self.upper_set(endpoint, to),
            (Op::Delete { object: Object::Upper(upper), .. }, Key::Upper(endpoint)) => {
                self.upper_del(endpoint, upper)
            }
            _ => Err(unsupported()),
        }
    }

    fn lower_add(&self, name: &str, lower: &Lower) -> Result<(), Refusal> {
        let mut rtnl = self.rtnl()?;
        let link_type = match &lower.kind {
            LowerKind::Dummy => LinkType::Dummy,
            LowerKind::Vlan { on, id } => {
                let below = rtnl.link_by_name(on).map_err(refused)?.ok_or_else(no_device)?;
                LinkType::Vlan(rtnl::Lower { index: below.index, netns: None }, *id)
            }
        };
        let alias = Some(self.mark.of_lower());
        let add = LinkAdd { alias, up: lower.up, ..LinkAdd::new(name, link_type) };
        rtnl.link_add(&add).map(drop).map_err(refused)
    }

    fn lower_set(&self, name: &str, to: &Lower) -> Result<(), Refusal> {
        let mut rtnl = self.rtnl()?;
        let link = self.ours(&mut rtnl, name, &self.mark.of_lower())?;
        let up = LinkSet { up: Some(to.up), ..LinkSet::default() };
        rtnl.link_set(link.index, &up).map_err(refused)
    }

    fn lower_del(&self, name: &str) -> Result<(), Refusal> {
        let link = self.ours(&mut *self.rtnl()?, name, &self.mark.of_lower())?;
        self.reaper.link_del(link.index).map_err(refused)
    }

    /// Makes it where it is to be, by the socket there: no link is without its mark.
    fn upper_add(&self, endpoint: &EndpointId, upper: &Upper) -> Result<(), Refusal> {
        let Ns::Sandbox(sandbox) = upper.place.0 else { return Err(unsupported()) };
        let inside = self.inside(&sandbox)?;
        let below = self.rtnl()?.link_by_name(&upper.lower).map_err(refused)?.ok_or_else(no_device)?;
        let mut rtnl = lock(&inside.rtnl);
        let netns = Some(rtnl.netns_id_add(self.netns.as_fd()).map_err(refused)?);
        let on = rtnl::Lower { index: below.index, netns };
        let link_type = match upper.kind {
            Kind::Macvlan(mode) => LinkType::Macvlan(on, kernels(&MACVLAN_MODES, mode)),
            Kind::Ipvlan(mode, flag) => {
                LinkType::Ipvlan(on, kernels(&IPVLAN_MODES, mode), kernels(&IPVLAN_FLAGS, flag))
            }
        };
        let add = LinkAdd {
            mtu: upper.mtu,
            address: upper.mac.map(address),
            alias: Some(self.mark.of_endpoint(endpoint)),
            up: upper.up,
            addr_gen: self.addr_gen(upper.mtu.unwrap_or(below.mtu)).unwrap_or_default(),
            ..LinkAdd::new(&upper.place.1, link_type)
        };
        once_free(|| rtnl.link_add(&add)).map_err(refused)
    }

    fn upper_set(&self, endpoint: &EndpointId, to: &Upper) -> Result<(), Refusal> {
        let Ns::Sandbox(sandbox) = to.place.0 else { return Err(unsupported()) };
        let inside = self.inside(&sandbox)?;
        let mut rtnl = lock(&inside.rtnl);
        let link = self.ours(&mut rtnl, &to.place.1, &self.mark.of_endpoint(endpoint))?;
        let set = LinkSet { mtu: to.mtu, up: Some(to.up), ..LinkSet::default() };
        rtnl.link_set(link.index, &set).map_err(refused)
    }

    /// One that is not there any more is deleted: it vanishes with the link below it, and with its namespace.
    fn upper_del(&self, endpoint: &EndpointId, upper: &Upper) -> Result<(), Refusal> {
        let Ns::Sandbox(sandbox) = upper.place.0 else { return Err(unsupported()) };
        let Ok(inside) = self.inside(&sandbox) else { return Ok(()) };
        let mut rtnl = lock(&inside.rtnl);
        match self.ours(&mut rtnl, &upper.place.1, &self.mark.of_endpoint(endpoint)) {
            Ok(link) => rtnl.link_del(link.index).map_err(refused),
            Err(refusal) if refusal == no_device() => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// How long the kernel may need to take a link out of a namespace that is gone: tens of milliseconds,
/// more where many go at once.
const CLEAN_UP: Duration = Duration::from_secs(2);
/// In between it is asked again.
const PAUSE: Duration = Duration::from_millis(5);

/// Makes a link, also while one that had its MAC address still vanishes with its namespace.
fn once_free(mut make: impl FnMut() -> Result<Link, RtnlError>) -> Result<(), RtnlError> {
    let deadline = Instant::now() + CLEAN_UP;
    loop {
        match make() {
            Err(error) if is_taken(&error) && Instant::now() < deadline => std::thread::sleep(PAUSE),
            made => return made.map(drop),
        }
    }
}

fn is_taken(error: &RtnlError) -> bool {
    let kind = |refusal: &linux::netlink::Refusal| std::io::Error::from_raw_os_error(refusal.errno()).kind();
    error.refusal().is_some_and(|refusal| kind(refusal) == std::io::ErrorKind::AddrInUse)
}

const MACVLAN_MODES: [(MacvlanMode, rtnl::MacvlanMode); 4] = [
    (MacvlanMode::Bridge, rtnl::MacvlanMode::Bridge),
    (MacvlanMode::Private, rtnl::MacvlanMode::Private),
    (MacvlanMode::Vepa, rtnl::MacvlanMode::Vepa),
    (MacvlanMode::Passthru, rtnl::MacvlanMode::Passthru),
];
const IPVLAN_MODES: [(IpvlanMode, rtnl::IpvlanMode); 3] = [
    (IpvlanMode::L2, rtnl::IpvlanMode::L2),
    (IpvlanMode::L3, rtnl::IpvlanMode::L3),
    (IpvlanMode::L3s, rtnl::IpvlanMode::L3s),
];
const IPVLAN_FLAGS: [(IpvlanFlag, rtnl::IpvlanFlag); 3] = [
    (IpvlanFlag::Bridge, rtnl::IpvlanFlag::Bridge),
    (IpvlanFlag::Private, rtnl::IpvlanFlag::Private),
    (IpvlanFlag::Vepa, rtnl::IpvlanFlag::Vepa),
];

fn kernels<M: Copy + PartialEq, K: Copy>(table: &[(M, K)], ours: M) -> K {
    table.iter().find(|(it, _)| *it == ours).expect("the table has every word of ours").1
}

fn ours<M: Copy, K: Copy + PartialEq>(table: &[(M, K)], kernels: K) -> M {
    table.iter().find(|(_, it)| *it == kernels).expect("the table has every word of the kernel").0
}

/// What kind of upper link the kernel says that one is.
pub(super) fn kind_of(link: &Link) -> Option<Kind> {
    match link.kind {
        LinkKind::Macvlan(mode) => Some(Kind::Macvlan(ours(&MACVLAN_MODES, mode))),
        LinkKind::Ipvlan(mode, flag) => {
            Some(Kind::Ipvlan(ours(&IPVLAN_MODES, mode), ours(&IPVLAN_FLAGS, flag)))
        }
        LinkKind::Bridge | LinkKind::Veth | LinkKind::Vlan(_) | LinkKind::Other(_) | LinkKind::Device => None,
    }
}
