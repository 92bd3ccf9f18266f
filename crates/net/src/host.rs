//! This machine as a [`Kernel`]: what `cnm` wants, done with `linux`.
//!
//! Only links that carry our mark, what is on them, our nftables table and the
//! namespaces in our own directory are ever seen or changed.
//!
//! A [`Host`] is a handle: clones share the sockets, which are opened once for
//! each namespace, on a thread that enters it and ends. Several threads may
//! work at the same time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cnm::SandboxId;
use cnm::announce::Announce;
use cnm::apply::{Extent, Kernel, KernelError, Refusal};
use cnm::plan::{Op, Step};
use cnm::state::{Key, Ns, Object, State, Sysctl};
use linux::announce::Announcer;
use linux::conntrack::Conntrack;
use linux::netns::{Netns, NetnsError};
use linux::nfnl::Nfnl;
use linux::port::Reservation;
use linux::rtnl::{Link, Reaper, Rtnl};
use linux::sock_diag::PortProtocol;
use linux::sysctl;
use thiserror::Error;

mod address;
mod firewall;
mod flow;
mod link;
mod look;
mod mark;
mod namespace;
mod nft;
mod observe;
mod refusal;
mod upper;

use mark::Mark;
use namespace::Inside;
use refusal::refused;

pub use cnm::nft::TABLE;
pub use look::Surroundings;

/// For how many descriptors there is room from the start: a thousand published
/// ports, and two for each of a thousand sandboxes.
const DESCRIPTORS: u16 = 4096;

/// Why this machine's network cannot be used.
#[derive(Debug, Error)]
pub enum HostError {
    /// The directory for namespaces could not be made.
    #[error("cannot make the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The namespace of the host could not be held.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The kernel does not speak with us.
    #[error("cannot use {what}")]
    Socket {
        /// The subsystem.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl HostError {
    fn socket(what: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Socket { what, source: error.into() }
    }
}

/// The network of this machine, as far as it is ours.
#[derive(Clone, Debug)]
pub struct Host {
    shared: Arc<Shared>,
}

/// A handle that keeps nothing open: who watches must not hold ports and sockets longer than who uses them.
#[derive(Clone, Debug)]
pub(crate) struct WeakHost(Weak<Shared>);

impl WeakHost {
    /// The host, if it is still open.
    pub(crate) fn upgrade(&self) -> Option<Host> {
        self.0.upgrade().map(|shared| Host { shared })
    }
}

#[derive(Debug)]
struct Shared {
    mark: Mark,
    /// Where the namespaces of sandboxes are kept, by their whole id.
    directory: PathBuf,
    netns: Netns,
    /// Sockets in the host's namespace that nobody uses now.
    rtnl: Mutex<Vec<Rtnl>>,
    nfnl: Mutex<Nfnl>,
    conntrack: Mutex<Conntrack>,
    reaper: Reaper,
    sandboxes: Mutex<BTreeMap<SandboxId, Arc<Inside>>>,
    ports: Mutex<BTreeMap<Key, Reservation>>,
    /// Whether the kernel remembers who made an address (5.18).
    marks_addresses: bool,
    /// Whether the kernel speaks IPv6.
    ipv6: bool,
}

impl Host {
    /// Takes the calling thread's network namespace as the host's. `engine` is
    /// part of the mark, so that two engines leave one another alone;
    /// `namespaces` is a directory of ours alone.
    pub fn open(engine: &str, namespaces: &Path) -> Result<Self, HostError> {
        linux::port::make_room(DESCRIPTORS);
        std::fs::create_dir_all(namespaces)
            .map_err(|source| HostError::Directory { path: namespaces.to_owned(), source })?;
        namespace::sweep(namespaces)
            .map_err(|source| HostError::Directory { path: namespaces.to_owned(), source })?;
        let netns = Netns::current()?;
        let rtnl = Rtnl::open().map_err(|error| HostError::socket("rtnetlink", error))?;
        let nfnl = Nfnl::open().map_err(|error| HostError::socket("nf_tables", error))?;
        let conntrack = Conntrack::open().map_err(|error| HostError::socket("ctnetlink", error))?;
        let reaper = Reaper::open_in(netns.try_clone()?);
        let shared = Shared {
            mark: Mark::new(engine),
            directory: namespaces.to_owned(),
            netns,
            rtnl: Mutex::new(vec![rtnl]),
            nfnl: Mutex::new(nfnl),
            conntrack: Mutex::new(conntrack),
            reaper,
            sandboxes: Mutex::default(),
            ports: Mutex::default(),
            marks_addresses: marks_addresses(),
            ipv6: Path::new("/proc/sys/net/ipv6").exists(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Where the namespace of a sandbox of ours is kept.
    pub fn namespace(&self, sandbox: &SandboxId) -> PathBuf {
        self.shared.path(sandbox)
    }

    pub(crate) fn downgrade(&self) -> WeakHost {
        WeakHost(Arc::downgrade(&self.shared))
    }

    /// Whether a link carries this engine's mark.
    pub(crate) fn is_ours(&self, link: &Link) -> bool {
        self.shared.mark.is_on(link)
    }

    /// A link of the host, if there is one of this number.
    pub(crate) fn link(&self, index: u32) -> Option<Link> {
        self.shared.rtnl().ok()?.link_by_index(index).ok()?
    }

    /// Whether an address is the host's; also if the kernel does not say.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.shared.rtnl().ok().and_then(|mut rtnl| rtnl.is_local(address).ok()).unwrap_or(true)
    }

    /// What tells the neighbours of an endpoint where its addresses are.
    pub(crate) fn announcer(&self, due: &Announce) -> Result<Announcer, Refusal> {
        let inside = self.shared.inside(&due.sandbox)?;
        let link = lock(&inside.rtnl).link_by_name(&due.interface).map_err(refused)?;
        let index = link.ok_or_else(refusal::no_device)?.index;
        let open = || Announcer::open(index, link::address(due.mac), &due.addresses);
        inside.netns.enter(open).map_err(refused)?.map_err(refused)
    }

    /// The sockets that hold published ports, in their order; none if they are not held.
    /// Made to listen, one for TCP serves what no rule leads elsewhere: connections to `::1`.
    pub fn port_sockets(&self, ports: &Key) -> Vec<OwnedFd> {
        let held = lock(&self.shared.ports);
        let sockets = held.get(ports).into_iter().flat_map(Reservation::sockets);
        sockets.map_while(|socket| socket.try_clone().ok()).collect()
    }
}

impl Kernel for Host {
    fn observe(&mut self, extent: Extent<'_>) -> Result<State, KernelError> {
        self.shared.observe(extent)
    }

    fn run(&mut self, step: &Step) -> Result<(), KernelError> {
        match step {
            Step::Firewall(ops) => self.shared.firewall(ops),
            Step::Addressing(ns, ops) => self.shared.addressing(*ns, ops),
            Step::Single(op) => self
                .shared
                .single(op)
                .map_err(|Refusal { errno, text }| KernelError::refused(op, errno, text)),
        }
    }
}

impl Shared {
    fn single(&self, op: &Op) -> Result<(), Refusal> {
        match (op, op.key()) {
            // What is kept is not put back.
            (Op::Delete { .. }, Key::Sysctl(_) | Key::LinkSysctl(..)) => Ok(()),
            (Op::Create { .. } | Op::Change { .. }, Key::Sysctl(setting)) => self.switch_on(*setting),
            (Op::Delete { key, .. }, Key::Port { .. }) => self.release(key),
            (Op::Create { key, .. } | Op::Change { key, .. }, Key::Port { .. }) => self.reserve(key),
            (Op::Create { object: Object::Netns(netns), .. }, Key::Netns(sandbox)) => {
                self.netns_add(*sandbox, netns)
            }
            (Op::Delete { object: Object::Netns(netns), .. }, Key::Netns(sandbox)) => {
                self.netns_del(*sandbox, netns)
            }
            (Op::Create { object: Object::Bridge(bridge), .. }, Key::Bridge(name)) => {
                self.bridge_add(name, bridge)
            }
            (Op::Change { to: Object::Bridge(to), .. }, Key::Bridge(name)) => self.bridge_set(name, to),
            (Op::Delete { object: Object::Bridge(bridge), .. }, Key::Bridge(name)) => {
                self.bridge_del(name, bridge)
            }
            (Op::Create { object: Object::Veth(veth), .. }, Key::Veth(endpoint)) => {
                self.veth_add(endpoint, veth)
            }
            (Op::Change { to: Object::Veth(to), .. }, Key::Veth(endpoint)) => self.veth_set(endpoint, to),
            (Op::Delete { .. }, Key::Veth(endpoint)) => self.veth_del(endpoint),
            (_, Key::Lower(_) | Key::Upper(_)) => self.stacked(op),
            (
                Op::Create { object: Object::LinkSysctl(value), .. }
                | Op::Change { to: Object::LinkSysctl(value), .. },
                Key::LinkSysctl(ns, _, path),
            ) => self.link_sysctl(*ns, path, value),
            _ => Err(refusal::unsupported()),
        }
    }

    /// A router takes no routes from other routers unless told to: links that have taken them go on doing so.
    fn switch_on(&self, setting: Sysctl) -> Result<(), Refusal> {
        if setting == Sysctl::Ipv6Forwarding {
            let links = self.rtnl()?.link_list().map_err(refused)?;
            let others: Vec<_> = links.into_iter().filter(|link| !self.mark.is_on(link)).collect();
            self.in_host(|| {
                for link in &others {
                    let path = format!("net/ipv6/conf/{}/accept_ra", link.name);
                    if sysctl::read(&path).is_ok_and(|value| value == "1") {
                        sysctl::write(&path, "2")?;
                    }
                }
                Ok(())
            })?
            .map_err(|error: sysctl::SysctlError| refused(error))?;
        }
        self.in_host(|| sysctl::write(setting.path(), "1"))?.map_err(refused)
    }

    fn link_sysctl(&self, ns: Ns, path: &str, value: &str) -> Result<(), Refusal> {
        match ns {
            Ns::Host => self.in_host(|| sysctl::write(path, value))?.map_err(refused),
            Ns::Sandbox(sandbox) => {
                let inside = self.inside(&sandbox)?;
                sysctl::write_in(&inside.netns, &[(path, value)]).map_err(refused)
            }
        }
    }

    fn reserve(&self, key: &Key) -> Result<(), Refusal> {
        let Key::Port { proto, address, first, last } = key else { return Err(refusal::unsupported()) };
        let protocol = match proto {
            cnm::Proto::Tcp => PortProtocol::Tcp,
            cnm::Proto::Udp => PortProtocol::Udp,
            cnm::Proto::Sctp => PortProtocol::Sctp,
        };
        let reservation =
            self.in_host(|| Reservation::new(protocol, *address, *first..=*last))?.map_err(refused)?;
        lock(&self.ports).insert(key.clone(), reservation);
        Ok(())
    }

    fn release(&self, key: &Key) -> Result<(), Refusal> {
        match lock(&self.ports).remove(key) {
            Some(_) => Ok(()),
            None => Err(refusal::missing()),
        }
    }

    /// Runs `f` in the host's namespace: here if the thread is there.
    fn in_host<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
        let here = self.netns.is_current().map_err(refused)?;
        if here { Ok(f()) } else { self.netns.enter(f).map_err(refused) }
    }

    /// Lends a socket in the host's namespace.
    fn rtnl(&self) -> Result<Lent<'_>, Refusal> {
        let free = lock(&self.rtnl).pop();
        let socket = match free {
            Some(socket) => socket,
            None => Rtnl::open_in(&self.netns).map_err(refused)?,
        };
        Ok(Lent { pool: &self.rtnl, socket: Some(socket) })
    }
}

/// A socket that goes back to the others when it is dropped.
struct Lent<'a> {
    pool: &'a Mutex<Vec<Rtnl>>,
    socket: Option<Rtnl>,
}

impl std::ops::Deref for Lent<'_> {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        self.socket.as_ref().expect("it is lent until it is dropped")
    }
}

impl std::ops::DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Rtnl {
        self.socket.as_mut().expect("it is lent until it is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        lock(self.pool).extend(self.socket.take());
    }
}

/// What a panicking thread left is whole: no change of ours is made in parts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether addresses have a protocol: since Linux 5.18.
fn marks_addresses() -> bool {
    let release = sysctl::read("kernel/osrelease").unwrap_or_default();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(5), Some(18))
}
