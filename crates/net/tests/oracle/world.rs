//! A machine with a neighbour, the service on it, and its stacks.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use cnm::{
    Family, Model,
    access::LinkName,
    driver::bridge::PublishDefault,
    reach::{Neighbour, Place},
};
use linux::netns::{Netns, leave_host};
use net::{Config, DefaultNetwork, NetworkService};

use super::{
    dice::Dice,
    forecast::{Forecast, forecasts},
    probe::{self, Servers},
    topology::{Event, SERVED, Topology},
};

/// The machine's addresses on its wire and the neighbour's (RFC 5737, RFC 3849).
pub(crate) const WIRE: &str = "198.51.100.1";
pub(crate) const WIRE6: &str = "2001:db8::1";
pub(crate) const OUTSIDE: &str = "203.0.113.2";
pub(crate) const OUTSIDE6: &str = "2001:db8:f::2";
/// Those by which the neighbour is the router to its own: it is not on a network that the machine is on.
const ROUTER: [&str; 2] = ["198.51.100.2", "2001:db8::2"];

/// The machine's private network, and its peer there.
pub(crate) const LAN: &str = "192.168.77.1";
pub(crate) const LAN6: &str = "fd77::1";
pub(crate) const PEER: &str = "192.168.77.2";
pub(crate) const PEER6: &str = "fd77::2";

/// Everything of one seed. It is made and used on one thread, which is in the machine's namespace.
pub(crate) struct World {
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    service: Option<NetworkService>,
    outside: Netns,
    peer: Netns,
    default: PublishDefault,
    filters_bridged: bool,
    dice: Dice,
    topology: Topology,
    history: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        leave_host().expect("root may have namespaces");
        let folder = tempfile::tempdir().expect("a folder");
        let outside = Netns::create(&folder.path().join("outside")).expect("a neighbour");
        let peer = Netns::create(&folder.path().join("peer")).expect("a peer");
        ip(&["link", "set", "lo", "up"]);
        lay("wire", &outside, [WIRE, WIRE6], ROUTER);
        move_away(&outside);
        lay("lan", &peer, [LAN, LAN6], [PEER, PEER6]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let mut dice = Dice::new(seed);
        let filters_bridged = filter_bridged(dice.once_in(2));
        let defaults =
            [PublishDefault::All, PublishDefault::All, PublishDefault::Lan, PublishDefault::Localhost];
        let default = *dice.pick(&defaults);
        let mut world = Self {
            runtime: runtime.expect("a runtime"),
            folder,
            service: None,
            outside,
            peer,
            default,
            filters_bridged,
            dice,
            topology: Topology::default(),
            history: vec![format!("publish by default: {default:?}")],
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let config = Config {
            state: self.folder.path().join("state"),
            run: self.folder.path().join("run"),
            defaults: None,
            publish: self.default,
            default_network: DefaultNetwork::default(),
            dns_hosts: Vec::new(),
        };
        self.service = Some(self.runtime.block_on(NetworkService::start(config)).expect("a service"));
    }

    fn service(&self) -> &NetworkService {
        self.service.as_ref().expect("it is started again at once")
    }

    fn model(&self) -> Arc<Model> {
        self.service().model()
    }

    /// Lets the next thing happen.
    pub(crate) fn change(&mut self) {
        let model = self.model();
        match self.topology.event(&mut self.dice, &model) {
            Event::Requests(told, requests) => match self.runtime.block_on(self.service().change(requests)) {
                Ok(_) => self.history.push(told),
                Err(error) => self.history.push(format!("{told}: refused, {error}")),
            },
            Event::Restart => {
                self.runtime.block_on(self.service().close());
                self.service = None;
                self.start();
                self.history.push("restart".to_owned());
                assert_eq!(self.model(), model, "a restart changes nothing");
            }
        }
    }

    /// What has happened so far.
    pub(crate) fn told(&self) -> String {
        self.history.join("; ")
    }

    /// What the command of `ORACLE_LOOK` says on this machine.
    #[expect(clippy::disallowed_methods, reason = "whoever looks into a failure")]
    pub(crate) fn look(&self) -> String {
        let Ok(command) = std::env::var("ORACLE_LOOK") else { return String::new() };
        let run = self.folder.path().join("run/netns");
        let output = std::process::Command::new("/bin/sh").args(["-c", &command]).env("NETNS", run).output();
        let output = output.expect("a shell");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Sends every packet that a forecast is made for; says which went otherwise.
    pub(crate) fn probe(&self) -> (usize, Vec<String>) {
        let model = self.model();
        let machine = Machine { stacks: self.stacks(&model), filters_bridged: self.filters_bridged };
        let stacks = &machine.stacks;
        let servers =
            Servers::start(stacks.iter().map(|(place, stack)| (*place, &stack.netns, &stack.addresses[..])));
        let forecasts: Vec<Forecast> = forecasts(&model, &machine);
        let outcomes = probe::all(stacks, &forecasts);
        servers.end();
        let failures =
            forecasts.iter().zip(outcomes).filter_map(|(forecast, outcome)| forecast.check(&outcome).err());
        (forecasts.len(), failures.collect())
    }

    fn stacks(&self, model: &Model) -> BTreeMap<Place, Stack> {
        let host = Netns::current().expect("the machine's");
        let addresses = |texts: [&str; 2]| texts.map(|text| text.parse().expect("an address")).to_vec();
        let mut of_host: Vec<IpAddr> = [addresses([WIRE, WIRE6]), addresses([LAN, LAN6])].concat();
        for network in model.networks().filter(|network| network.bridge().is_some()) {
            let gateways = network.ipam.all().filter_map(|subnet| subnet.gateway);
            let is_held = |gateway: &IpAddr| {
                network.bridge().is_some_and(|config| config.has_gateway(Family::of(gateway)))
            };
            of_host.extend(gateways.filter(is_held));
        }
        let outside = self.outside.try_clone().expect("the neighbour's");
        let peer = self.peer.try_clone().expect("the peer's");
        let mut stacks = BTreeMap::from([
            (Place::Host, Stack { netns: host, addresses: of_host }),
            (Place::Outside, Stack { netns: outside, addresses: addresses([OUTSIDE, OUTSIDE6]) }),
            (peer_place(), Stack { netns: peer, addresses: addresses([PEER, PEER6]) }),
        ]);
        for sandbox in model.sandboxes() {
            let netns = Netns::open(&self.service().namespace(&sandbox.id)).expect("a sandbox's namespace");
            let endpoints = model.endpoints_of_sandbox(&sandbox.id);
            let addresses = endpoints.flat_map(|endpoint| endpoint.addresses()).collect();
            stacks.insert(Place::Sandbox(sandbox.id), Stack { netns, addresses });
        }
        stacks
    }

    pub(crate) fn end(mut self) {
        let model = self.model();
        let gone =
            model.sandboxes().map(|sandbox| cnm::controller::Request::DeleteSandbox(sandbox.id)).collect();
        self.runtime.block_on(self.service().change(gone)).expect("all may go");
        self.runtime.block_on(self.service().close());
        self.service = None;
        assert_eq!(links(), ["lan", "lo", "wire"], "an engine that holds nothing leaves no links");
    }
}

/// What of a machine a forecast depends on besides the model.
pub(crate) struct Machine {
    pub(crate) stacks: BTreeMap<Place, Stack>,
    /// Whether frames that stay on a bridge pass netfilter.
    pub(crate) filters_bridged: bool,
}

/// A network stack and its own addresses, without loopback ones.
pub(crate) struct Stack {
    pub(crate) netns: Netns,
    pub(crate) addresses: Vec<IpAddr>,
}

impl Stack {
    /// Whether a server listens at an address of it.
    pub(crate) fn serves(&self, address: IpAddr, port: u16) -> bool {
        SERVED.contains(&port) && (address.is_loopback() || self.addresses.contains(&address))
    }
}

/// Sets whether frames that stay on a bridge pass netfilter; they do not where `br_netfilter` is not loaded.
fn filter_bridged(wanted: bool) -> bool {
    let settings = ["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"];
    let value = if wanted { "1" } else { "0" };
    let set = settings.map(|path| linux::sysctl::write(path, value).is_ok());
    wanted && set == [true, true]
}

fn links() -> Vec<String> {
    let links = linux::rtnl::Rtnl::open().expect("rtnetlink").link_list().expect("links");
    let mut names: Vec<_> = links.into_iter().map(|link| link.name).collect();
    names.sort();
    names
}

/// The place of the peer, by one of its addresses.
pub(crate) fn peer_place() -> Place {
    Place::Neighbour(Neighbour { address: PEER.parse().expect("an address"), link: LinkName::new("lan") })
}

/// Joins the machine to a neighbour, whose default routes lead back.
fn lay(name: &str, to: &Netns, own: [&str; 2], other: [&str; 2]) {
    let path = to.path().display().to_string();
    ip(&["link", "add", name, "type", "veth", "peer", "name", name, "netns", &path]);
    let up = |[v4, v6]: [&str; 2]| {
        ip(&["link", "set", "lo", "up"]);
        ip(&["addr", "add", &format!("{v4}/24"), "dev", name]);
        ip(&["addr", "add", &format!("{v6}/64"), "dev", name, "nodad"]);
        ip(&["link", "set", name, "up"]);
    };
    up(own);
    let routes = || {
        up(other);
        ip(&["route", "add", "default", "via", own[0]]);
        ip(&["-6", "route", "add", "default", "via", own[1]]);
    };
    to.enter(routes).expect("entered");
}

/// Has the neighbour send and be reached by addresses that it is the router to.
fn move_away(outside: &Netns) {
    ip(&["route", "add", &format!("{OUTSIDE}/32"), "via", ROUTER[0]]);
    ip(&["-6", "route", "add", &format!("{OUTSIDE6}/128"), "via", ROUTER[1]]);
    let behind = || {
        ip(&["addr", "add", &format!("{OUTSIDE}/32"), "dev", "lo"]);
        ip(&["addr", "add", &format!("{OUTSIDE6}/128"), "dev", "lo", "nodad"]);
        ip(&["route", "replace", "default", "via", WIRE, "src", OUTSIDE]);
        ip(&["route", "replace", "198.51.100.0/24", "dev", "wire", "src", OUTSIDE]);
        ip(&["-6", "route", "replace", "default", "via", WIRE6, "src", OUTSIDE6]);
        ip(&["-6", "route", "replace", "2001:db8::/64", "dev", "wire", "src", OUTSIDE6, "metric", "256"]);
    };
    outside.enter(behind).expect("entered");
}

/// Runs ip(8) in the thread's namespace, as the machine's owner would.
#[expect(clippy::disallowed_methods, reason = "the machine's owner, not a request")]
fn ip(words: &[&str]) {
    let status = std::process::Command::new("ip").args(words).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {}", words.join(" "));
}
