//! Notices what others do to objects of ours.
//!
//! Notifications of our own changes arrive here as well. They are told from
//! others' by what they mean: a wanted object that is gone, unless a change
//! under way is taking it away.

use std::{
    collections::BTreeSet,
    io,
    os::{fd::AsFd, unix::net::UnixDatagram as StdDatagram},
    path::PathBuf,
    sync::Arc,
};

use cnm::{
    Family, Model,
    controller::Request,
    state::{Key, Ns, Sysctl},
};
use ipnet::IpNet;
use linux::{
    nfnl::{self, Event as RulesEvent, MonitorError},
    rtnl::{Event as LinkEvent, Link, Monitor as LinkMonitor},
};
use tokio::{
    io::Interest,
    net::UnixDatagram,
    sync::{mpsc, oneshot, watch},
};

use crate::{
    facts,
    host::TABLE,
    overlap::Lookout,
    writer::{Change, Command, Disturbance},
};

/// Tells when a netlink socket or the like has something to read.
///
/// tokio's own type for foreign descriptors is unsafe to make. A datagram
/// socket is what a netlink socket is; only its readiness is used, which other
/// descriptors have as well.
#[derive(Debug)]
pub(crate) struct Readiness(UnixDatagram);

impl Readiness {
    pub(crate) fn of(socket: &impl AsFd) -> io::Result<Self> {
        let socket = StdDatagram::from(socket.as_fd().try_clone_to_owned()?);
        socket.set_nonblocking(true)?;
        Ok(Self(UnixDatagram::from_std(socket)?))
    }

    /// What `read` finds, as soon as it finds something.
    pub(crate) async fn read<T>(&self, mut read: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
        loop {
            self.0.readable().await?;
            let found = self.0.try_io(Interest::READABLE, || read()?.ok_or(io::ErrorKind::WouldBlock.into()));
            match found {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                found => return found,
            }
        }
    }

    /// Waits until something happens that is not to be read.
    pub(crate) async fn woken(&self) -> io::Result<()> {
        self.0.readable().await?;
        let nothing = self.0.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        nothing.or(Ok(()))
    }
}

/// What a monitor needs to tell a disturbance from the usual.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) model: watch::Receiver<Arc<Model>>,
    pub(crate) commands: mpsc::WeakSender<Command>,
}

impl Watch {
    /// Follows the links and addresses of the host until the service ends.
    pub(crate) async fn links(self, mut monitor: LinkMonitor, mut lookout: Lookout) -> io::Result<()> {
        let readiness = Readiness::of(&monitor)?;
        loop {
            let event = readiness.read(|| monitor.try_next().map_err(io::Error::other)).await?;
            lookout.see(&event, &self.model.borrow());
            let model = Arc::clone(&self.model.borrow());
            if let Some(networks) = lookout.moved(&event, &model).await
                && !self.learn(networks).await
            {
                return Ok(());
            }
            let Some(disturbance) = self.of_link(&event) else { continue };
            if !self.tell(disturbance).await {
                return Ok(());
            }
        }
    }

    /// Follows our table until the service ends.
    pub(crate) async fn rules(self, mut monitor: nfnl::Monitor) -> io::Result<()> {
        let readiness = Readiness::of(&monitor)?;
        let mut touched = false;
        loop {
            let events = readiness.read(|| receive(&mut monitor)).await?;
            let Some(events) = events else {
                if self.tell(Disturbance::Overrun).await { continue } else { return Ok(()) }
            };
            for event in &events {
                touched |= touches_our_table(event);
                let RulesEvent::Generation(generation) = event else { continue };
                let by_others = !generation.thread.is_some_and(is_ours);
                let disturbed = std::mem::take(&mut touched) && by_others;
                if disturbed && !self.tell(Disturbance::Objects(vec![Key::Table])).await {
                    return Ok(());
                }
            }
        }
    }

    /// Has the model know which networks the host is on; whether anybody still listens.
    async fn learn(&self, networks: BTreeSet<IpNet>) -> bool {
        // What becomes of it is in the log.
        let (reply, _) = oneshot::channel();
        let requests = vec![Request::KnowHost(networks)];
        let change = Change { requests, facts: facts::settings(), now: 0, attempts: 0, reply };
        match self.commands.upgrade() {
            Some(commands) => commands.send(Command::Change(Box::new(change))).await.is_ok(),
            None => false,
        }
    }

    /// Whether anybody still listens.
    async fn tell(&self, disturbance: Disturbance) -> bool {
        match self.commands.upgrade() {
            Some(commands) => commands.send(Command::Disturbed(disturbance)).await.is_ok(),
            None => false,
        }
    }

    fn of_link(&self, event: &LinkEvent) -> Option<Disturbance> {
        let model = self.model.borrow();
        let key = match event {
            LinkEvent::Overrun => return Some(Disturbance::Overrun),
            LinkEvent::LinkGone(link) => key_of(&model, link),
            LinkEvent::Link(link) => key_of(&model, link).filter(|key| is_impaired(key, link)),
            LinkEvent::AddrGone(addr) => {
                gateway(&model, addr.net).map(|bridge| Key::Addr(Ns::Host, bridge, addr.net))
            }
            LinkEvent::Forwarding { v6, on } => {
                let (family, setting) = match v6 {
                    false => (Family::V4, Sysctl::Ipv4Forwarding),
                    true => (Family::V6, Sysctl::Ipv6Forwarding),
                };
                Some(Key::Sysctl(setting)).filter(|_| !on && needs_forwarding(&model, family))
            }
            LinkEvent::Addr(_) | LinkEvent::Route(_) | LinkEvent::RouteGone(_) => None,
        };
        key.map(|key| Disturbance::Objects(vec![key]))
    }
}

/// What happened to rules; the inner `None` if some of it was lost.
fn receive(monitor: &mut nfnl::Monitor) -> io::Result<Option<Option<Vec<RulesEvent>>>> {
    match monitor.try_receive() {
        Ok(events) => Ok(events.map(Some)),
        Err(MonitorError::Missed) => Ok(Some(None)),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Whether packets of a network of ours are routed.
fn needs_forwarding(model: &Model, family: Family) -> bool {
    model.networks().any(|network| {
        let has_family = !network.ipam.subnets(family).is_empty();
        has_family && !network.internal && network.bridge().is_some()
    })
}

/// Which object of the model a link of the host is, by its name.
fn key_of(model: &Model, link: &Link) -> Option<Key> {
    if model.network_by_link(&link.name).is_some() {
        return Some(Key::Bridge(link.name.clone()));
    }
    if model.is_lower(&link.name) {
        return Some(Key::Lower(link.name.clone()));
    }
    let prefix = hex::decode(link.name.strip_prefix("veth")?).ok()?;
    model.endpoint_by_prefix(&prefix).map(|endpoint| Key::Veth(endpoint.id))
}

/// Whether a link of ours was taken down or out of its bridge.
fn is_impaired(key: &Key, link: &Link) -> bool {
    !link.up || (matches!(key, Key::Veth(_)) && link.master.is_none())
}

/// The bridge whose address this is.
fn gateway(model: &Model, net: IpNet) -> Option<String> {
    let network = model.network_by_pool(&net.trunc())?;
    let is_gateway = network.ipam.all().any(|subnet| subnet.gateway == Some(net.addr()));
    network.bridge().filter(|_| is_gateway).map(|bridge| bridge.link.clone())
}

/// Whether something of our table is gone, or something was put into it.
fn touches_our_table(event: &RulesEvent) -> bool {
    event.table().is_some_and(|table| table.name == TABLE)
}

/// Whether a thread of this process has this number.
fn is_ours(process: u32) -> bool {
    PathBuf::from(format!("/proc/self/task/{process}")).exists()
}
