//! Networks, sandboxes and ports at random, as requests to the service.

use std::collections::BTreeMap;

use cnm::{
    DnsSettings, EndpointId, EndpointSettings, HostPorts, Model, Namespace, NetworkId, PortMapping, Ports,
    Proto, SandboxId,
    access::Allow,
    controller::Request,
    spec::{EndpointSpec, NetworkForm, NetworkSpec, SandboxSpec, SandboxUpdate},
};

use super::{
    dice::Dice,
    world::{WIRE, WIRE6},
};

const LABEL: &str = "com.docker.network.bridge.";
/// Ports on which servers listen in every stack; only the first is published.
pub(crate) const SERVED: [u16; 2] = [80, 90];
/// At most so many of each at a time.
const NETWORKS: usize = 4;
const SANDBOXES: usize = 5;

/// What happens next, with its name for whoever reads of a failure.
#[derive(Debug)]
pub(crate) enum Event {
    Requests(String, Vec<Request>),
    /// The service ends and begins again.
    Restart,
}

/// Draws events; remembers what it has named.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    made: u8,
    port: u16,
    publish: BTreeMap<SandboxId, (Vec<PortMapping>, Vec<Allow>)>,
}

impl Topology {
    /// Something that the model lets happen, most of the time.
    pub(crate) fn event(&mut self, dice: &mut Dice, model: &Model) -> Event {
        let networks: Vec<NetworkId> =
            model.networks().filter(|network| network.bridge().is_some()).map(|network| network.id).collect();
        let sandboxes: Vec<SandboxId> = model.sandboxes().map(|sandbox| sandbox.id).collect();
        match dice.below(10) {
            _ if networks.len() < 2 => self.network(dice),
            _ if sandboxes.len() < 2 => self.sandbox(dice, &networks),
            0 | 1 if networks.len() < NETWORKS => self.network(dice),
            2..=4 if sandboxes.len() < SANDBOXES => self.sandbox(dice, &networks),
            5 | 6 => {
                let sandbox = *dice.pick(&sandboxes);
                self.connect(dice, model, &networks, sandbox)
            }
            7 => self.disconnect(dice, model, &sandboxes),
            8 => {
                let sandbox = *dice.pick(&sandboxes);
                let endpoints = model.endpoints_of_sandbox(&sandbox).map(|endpoint| endpoint.id);
                let gone: Vec<_> = endpoints.map(Request::DeleteEndpoint).collect();
                self.publish.remove(&sandbox);
                let requests = [Request::DeleteSandbox(sandbox)].into_iter().chain(gone).collect();
                Event::Requests(format!("remove {}", short(&sandbox)), requests)
            }
            _ => Event::Restart,
        }
    }

    const fn number(&mut self) -> u8 {
        self.made += 1;
        self.made
    }

    fn network(&mut self, dice: &mut Dice) -> Event {
        let number = self.number();
        let (v4, v6) = *dice.pick(&[(true, false), (true, true), (true, true), (false, true)]);
        let mut options = BTreeMap::new();
        let mut option =
            |label: &str, value: &str| drop(options.insert(format!("{LABEL}{label}"), value.to_owned()));
        if dice.once_in(4) {
            option("enable_icc", "false");
        }
        if dice.once_in(4) {
            option("enable_ip_masquerade", "false");
        }
        for (family, on) in [("ipv4", v4), ("ipv6", v6)] {
            if on && dice.once_in(2) {
                let mode = *dice.pick::<&str>(&["routed", "nat-unprotected", "nat"]);
                option(&format!("gateway_mode_{family}"), mode);
            }
        }
        let internal = dice.once_in(5);
        options.extend(policies(dice, internal));
        let form = NetworkForm {
            name: format!("n{number}"),
            v4: Some(v4),
            v6: Some(v6),
            internal,
            options: options.clone(),
            ..NetworkForm::default()
        };
        let told = format!("network n{number} v4={v4} v6={v6} internal={} {options:?}", form.internal);
        Event::Requests(told, vec![Request::CreateNetwork(NetworkSpec::parse(form).expect("a network"))])
    }

    fn sandbox(&mut self, dice: &mut Dice, networks: &[NetworkId]) -> Event {
        let number = self.number();
        let (sandbox, owner) = (SandboxId::new([number; 32]), format!("owner {number}"));
        let spec = SandboxSpec {
            id: Some(sandbox),
            owner,
            namespace: Namespace::Own,
            dns: DnsSettings::default(),
            publish: vec![],
            exposed: vec![],
            ready: true,
            allow: Vec::new(),
        };
        let network = *dice.pick(networks);
        let publish = self.ports(dice);
        let allow = allowed(dice, 4);
        self.publish.insert(sandbox, (publish.clone(), allow.clone()));
        let mut requests = vec![Request::CreateSandbox(spec)];
        requests.extend(self.join(dice, network, sandbox));
        let told = format!("sandbox {number} on {} publishes {publish:?} for {allow:?}", short(&network));
        Event::Requests(told, requests)
    }

    /// An endpoint that joins, and the ports that may change their way by it.
    fn join(&mut self, dice: &mut Dice, network: NetworkId, sandbox: SandboxId) -> Vec<Request> {
        let number = self.number();
        let endpoint = EndpointId::new([number; 32]);
        let gateway_priority = if dice.once_in(4) { 10 } else { 0 };
        let settings = EndpointSettings { gateway_priority, ..EndpointSettings::default() };
        let owner = format!("owner {}", short(&sandbox));
        let spec = EndpointSpec { id: Some(endpoint), name: format!("e{number}"), network, owner, settings };
        let create = Request::CreateEndpoint(spec);
        [create, Request::Join { endpoint, sandbox }].into_iter().chain(self.publish_again(sandbox)).collect()
    }

    fn publish_again(&self, sandbox: SandboxId) -> Option<Request> {
        let (publish, allow) = self.publish.get(&sandbox)?.clone();
        let (publish, allow) = (Some(publish), Some(allow));
        Some(Request::UpdateSandbox(sandbox, SandboxUpdate { publish, allow, ..SandboxUpdate::default() }))
    }

    fn connect(
        &mut self,
        dice: &mut Dice,
        model: &Model,
        networks: &[NetworkId],
        sandbox: SandboxId,
    ) -> Event {
        let is_on = |id: &NetworkId| model.endpoints_of_sandbox(&sandbox).any(|own| own.network == *id);
        let others: Vec<_> = networks.iter().copied().filter(|id| !is_on(id)).collect();
        if others.is_empty() {
            return Event::Restart;
        }
        let network = *dice.pick(&others);
        let told = format!("connect {} to {}", short(&sandbox), short(&network));
        Event::Requests(told, self.join(dice, network, sandbox))
    }

    fn disconnect(&self, dice: &mut Dice, model: &Model, sandboxes: &[SandboxId]) -> Event {
        let sandbox = *dice.pick(sandboxes);
        let endpoints: Vec<_> = model.endpoints_of_sandbox(&sandbox).map(|endpoint| endpoint.id).collect();
        if endpoints.is_empty() {
            return Event::Restart;
        }
        let gone = *dice.pick(&endpoints);
        let requests = [Request::Leave(gone), Request::DeleteEndpoint(gone)].into_iter();
        let requests = requests.chain(self.publish_again(sandbox)).collect();
        Event::Requests(format!("disconnect {} from one of its networks", short(&sandbox)), requests)
    }

    /// Ports of the first served one: on any address, one of the host's, or a loopback one; ranges, too.
    fn ports(&mut self, dice: &mut Dice) -> Vec<PortMapping> {
        let addresses = [
            None,
            None,
            Some("0.0.0.0"),
            Some("::"),
            Some("127.0.0.1"),
            Some("::1"),
            Some(WIRE),
            Some(WIRE6),
        ];
        let mappings = (0..dice.below(4)).map(|_| {
            self.port += 10;
            let (first, proto) = (8000 + self.port, *dice.pick(&[Proto::Tcp, Proto::Udp]));
            let last = if dice.once_in(3) { 4 } else { 0 };
            PortMapping {
                container: Ports { proto, range: SERVED[0]..=SERVED[0] + last },
                host_address: dice.pick(&addresses).map(|text| text.parse().expect("an address")),
                host: HostPorts::Exact(first..=first + last),
            }
        });
        mappings.collect()
    }
}

/// Where new flows lead, and who reaches published ports.
fn policies(dice: &mut Dice, internal: bool) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut option = |label: &str, value: String| drop(options.insert(format!("tombolo.{label}"), value));
    if dice.once_in(3) {
        let egress = if internal { "none" } else { *dice.pick::<&str>(&["internet", "none"]) };
        option("egress", egress.to_owned());
    }
    if dice.once_in(4) {
        option("publish.default", (*dice.pick::<&str>(&["all", "lan", "localhost"])).to_owned());
    }
    let allow: Vec<_> = allowed(dice, 6).iter().map(ToString::to_string).collect();
    if !allow.is_empty() {
        option("publish.allow", allow.join(","));
    }
    options
}

/// A list of sources once in `times`: what is near a neighbour, a peer or a sandbox, and what is not.
fn allowed(dice: &mut Dice, times: usize) -> Vec<Allow> {
    let lines = [
        "203.0.113.0/25",
        "203.0.113.128/25",
        "wire",
        "lan",
        "192.168.77.2",
        "172.16.0.0/12",
        "2001:db8:f::/63",
        "fc00::/7",
        "80/udp=lan",
        "80=wire",
        "80=0.0.0.0/0",
        "90=10.0.0.0/8",
    ];
    let count = if dice.once_in(times) { 1 + dice.below(2) } else { 0 };
    (0..count).map(|_| dice.pick::<&str>(&lines).parse().expect("a line")).collect()
}

/// The first digits of an id, as people read them.
pub(crate) fn short(id: &impl std::fmt::Display) -> String {
    id.to_string().chars().take(4).collect()
}
