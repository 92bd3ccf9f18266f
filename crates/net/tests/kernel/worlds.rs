//! Two kernels, and the same things to do to them from outside.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use cnm::Proto;
use cnm::apply::{Extent, Kernel, KernelError};
use cnm::fake::FakeKernel;
use cnm::plan::Step;
use cnm::state::{Key, Ns, State, veth_name};
use linux::netns::{Netns, leave_host};
use linux::rtnl::{LinkAdd, LinkSet, LinkType, Peer, Reaper, Rtnl};
use net::host::Host;

use crate::states::home;

/// A kernel to which things happen that we did not ask for.
pub(crate) trait World: Kernel {
    /// Somebody makes a link on the host.
    fn add_stranger_link(&mut self, name: &str);
    /// Whether that link is there as it was made.
    fn has_stranger_link(&mut self, name: &str) -> bool;
    /// Somebody binds a port.
    fn bind_stranger_port(&mut self, proto: Proto, address: IpAddr, port: u16);
    /// Somebody deletes an object of ours.
    fn lose(&mut self, key: &Key);
}

/// A world as a kernel that `cnm` can be given.
pub(crate) struct Subject<'a>(pub(crate) &'a mut dyn World);

impl Kernel for Subject<'_> {
    fn observe(&mut self, extent: Extent<'_>) -> Result<State, KernelError> {
        self.0.observe(extent)
    }

    fn run(&mut self, step: &Step) -> Result<(), KernelError> {
        self.0.run(step)
    }
}

/// Runs a test on the fake and on Linux.
pub(crate) fn on_both(test: impl Fn(&mut Subject<'_>) + Sync) {
    test(&mut Subject(&mut FakeKernel::new()));
    on_linux(|machine| test(&mut Subject(machine)));
}

/// Runs a test on Linux, on a thread with a network of its own.
pub(crate) fn on_linux(test: impl FnOnce(&mut Machine) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("a namespace of the test's own");
            let directory = tempfile::tempdir().expect("a directory");
            test(&mut Machine::new(directory.path()));
        });
    });
}

impl World for FakeKernel {
    fn add_stranger_link(&mut self, name: &str) {
        Self::add_stranger_link(self, name);
    }

    fn has_stranger_link(&mut self, name: &str) -> bool {
        self.strangers().0.contains(name)
    }

    fn bind_stranger_port(&mut self, proto: Proto, address: IpAddr, port: u16) {
        Self::bind_stranger_port(self, proto, address, port);
    }

    fn lose(&mut self, key: &Key) {
        Self::lose(self, key);
    }
}

/// This machine, in a namespace of the test's own.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) rtnl: Rtnl,
    directory: PathBuf,
    sockets: Vec<Box<dyn std::any::Any + Send>>,
}

impl Machine {
    fn new(directory: &Path) -> Self {
        let mut rtnl = Rtnl::open().expect("a socket");
        rtnl.link_set(1, &LinkSet { up: Some(true), ..LinkSet::default() }).expect("lo up");
        let host = Host::open("engine", &directory.join("netns")).expect("a host");
        Self { host, rtnl, directory: directory.to_owned(), sockets: Vec::new() }
    }

    /// The same machine after the engine was started again.
    pub(crate) fn restarted(&self) -> Host {
        Host::open("engine", &self.directory.join("netns")).expect("a host")
    }

    /// Another engine on the same machine.
    pub(crate) fn another(&self) -> Host {
        Host::open("another", &self.directory.join("other")).expect("a host")
    }

    /// A namespace of our sandbox, as anybody with its path may enter it.
    pub(crate) fn inside(&self, ns: Ns) -> Netns {
        match ns {
            Ns::Host => Netns::current().expect("the host's"),
            Ns::Sandbox(sandbox) => Netns::open(&self.host.namespace(&sandbox)).expect("the sandbox's"),
        }
    }

    /// Deletes a link of a namespace, waiting until the kernel is done with it.
    fn link_del(&self, ns: Ns, name: &str) {
        let link = Rtnl::open_in(&self.inside(ns)).expect("a socket").link_by_name(name);
        let index = link.expect("ask").expect("a link to lose").index;
        Reaper::open_in(self.inside(ns)).link_del(index).expect("delete");
    }

    fn nft(&self, command: &str) {
        let status = linux_command("nft", command);
        assert!(status, "nft {command}");
    }
}

/// Runs a program in the thread's namespace, as a person would.
#[expect(clippy::disallowed_methods, reason = "a person's commands, not a request's")]
pub(crate) fn linux_command(program: &str, line: &str) -> bool {
    std::process::Command::new(program).args([line]).status().expect("it is installed").success()
}

impl Kernel for Machine {
    fn observe(&mut self, extent: Extent<'_>) -> Result<State, KernelError> {
        self.host.observe(extent)
    }

    fn run(&mut self, step: &Step) -> Result<(), KernelError> {
        self.host.run(step)
    }
}

impl World for Machine {
    fn add_stranger_link(&mut self, name: &str) {
        let peer = Peer { name: "stranger".to_owned(), address: None, netns: None };
        self.rtnl.link_add(&LinkAdd::new(name, LinkType::Veth(peer))).expect("a link");
    }

    fn has_stranger_link(&mut self, name: &str) -> bool {
        let link = self.rtnl.link_by_name(name).expect("ask");
        link.is_some_and(|link| link.alias.is_none() && !link.up && link.master.is_none())
    }

    fn bind_stranger_port(&mut self, proto: Proto, address: IpAddr, port: u16) {
        let address = SocketAddr::new(address, port);
        self.sockets.push(match proto {
            Proto::Udp => Box::new(UdpSocket::bind(address).expect("bind")),
            Proto::Tcp | Proto::Sctp => Box::new(TcpListener::bind(address).expect("bind")),
        });
    }

    fn lose(&mut self, key: &Key) {
        match key {
            Key::Table => self.nft("delete table inet tombolo"),
            Key::Guard(set, _) | Key::Publish(set, _) => {
                let noun = if set.data().is_empty() { "set" } else { "map" };
                self.nft(&format!("flush {noun} inet tombolo {set}"));
            }
            Key::Netns(sandbox) => Netns::remove(&self.host.namespace(sandbox)).expect("remove"),
            Key::Bridge(name) | Key::Lower(name) => self.link_del(Ns::Host, name),
            Key::Upper(endpoint) => self.link_del(home(endpoint), "eth0"),
            Key::Veth(endpoint) => self.link_del(Ns::Host, &veth_name(endpoint)),
            Key::Addr(ns, link, net) => {
                let mut rtnl = Rtnl::open_in(&self.inside(*ns)).expect("a socket");
                let index = rtnl.link_by_name(link).expect("ask").expect("a link").index;
                rtnl.addr_del(index, *net).expect("delete");
            }
            Key::Route(ns, net) => {
                let mut rtnl = Rtnl::open_in(&self.inside(*ns)).expect("a socket");
                let routes = rtnl.route_list().expect("list");
                let route = routes.iter().find(|route| route.destination == *net).expect("a route");
                rtnl.route_del(route).expect("delete");
            }
            Key::LinkSysctl(ns, _, path) => {
                linux::sysctl::write_in(&self.inside(*ns), &[(path, "0")]).expect("write");
            }
            Key::Sysctl(setting) => linux::sysctl::write(setting.path(), "0").expect("write"),
            Key::Port { .. } => panic!("nobody else can take what we hold"),
        }
    }
}
