//! A model that grows by requests, with a host that stands still.

use std::{collections::BTreeMap, net::IpAddr};

use cnm::{
    Delta, Endpoint, EndpointId, EndpointSettings, Model, Namespace, NetworkId, PortMapping, SandboxId,
    controller::{Context, Created, Defaults, Host, Refused, Request, decide_all},
    spec::{
        EndpointForm, EndpointSpec, NetworkForm, NetworkSpec, PoolForm, PortForm, SandboxSpec, SandboxUpdate,
    },
};

/// Numbers that look random enough: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) host: Host,
    pub(crate) defaults: Defaults,
    pub(crate) sequence: Sequence,
}

impl World {
    /// Nothing but the predefined networks.
    pub(crate) fn new() -> Self {
        let mut world = Self::empty();
        let options = BTreeMap::from([("com.docker.network.bridge.name".to_owned(), "p0".to_owned())]);
        let bridge = NetworkSpec::predefined_bridge(NetworkForm { options, ..NetworkForm::default() });
        let specs =
            [bridge.expect("a bridge"), NetworkSpec::predefined_host(), NetworkSpec::predefined_none()];
        world.all(&specs.map(Request::CreateNetwork)).expect("the predefined networks");
        world
    }

    pub(crate) fn empty() -> Self {
        Self {
            model: Model::default(),
            host: Host::default(),
            defaults: Defaults::new([1, 2, 3, 4, 5]),
            sequence: Sequence(1),
        }
    }

    /// Decides without doing.
    pub(crate) fn decide(&self, requests: &[Request]) -> Result<(Delta, Vec<Created>), Refused> {
        let mut sequence = self.sequence.clone();
        let mut entropy = |bytes: &mut [u8]| sequence.fill(bytes);
        let mut context =
            Context { entropy: &mut entropy, now: 7, host: &self.host, defaults: &self.defaults };
        decide_all(&self.model, requests, &mut context)
    }

    /// Does all requests or none.
    pub(crate) fn all(&mut self, requests: &[Request]) -> Result<Vec<Created>, Refused> {
        let (delta, created) = self.decide(requests)?;
        self.model = self.model.apply(&delta);
        // The same start again would draw the same ids again.
        self.sequence = Sequence(self.sequence.next());
        Ok(created)
    }

    pub(crate) fn one(&mut self, request: Request) -> Result<Vec<Created>, Refused> {
        self.all(&[request])
    }

    /// A bridge network; `subnets` as users write them.
    pub(crate) fn network(&mut self, name: &str, subnets: &[&str]) -> NetworkId {
        let spec = network(name, subnets, |_| {});
        match self.one(Request::CreateNetwork(spec)).expect("a network").as_slice() {
            [Created::Network(id)] => *id,
            other => panic!("not a network: {other:?}"),
        }
    }

    pub(crate) fn id(&self, name: &str) -> NetworkId {
        self.model.network_by_name(name).expect("a network").id
    }

    pub(crate) fn sandbox(&mut self, owner: &str) -> SandboxId {
        match self.one(Request::CreateSandbox(sandbox(owner))).expect("a sandbox").as_slice() {
            [Created::Sandbox(id)] => *id,
            other => panic!("not a sandbox: {other:?}"),
        }
    }

    pub(crate) fn endpoint(
        &mut self,
        name: &str,
        network: NetworkId,
        form: EndpointForm,
    ) -> Result<EndpointId, String> {
        let settings = EndpointSettings::parse(form, self.model.network(&network).expect("a network"));
        let settings = settings.map_err(|error| error.to_string())?;
        let owner = name.to_owned();
        let spec = EndpointSpec { id: None, name: name.to_owned(), network, owner, settings };
        let created = self.one(Request::CreateEndpoint(spec)).map_err(|error| error.to_string())?;
        match created.as_slice() {
            [Created::Endpoint(id)] => Ok(*id),
            other => panic!("not an endpoint: {other:?}"),
        }
    }

    /// An endpoint that has joined.
    pub(crate) fn joined(&mut self, name: &str, network: &str, sandbox: SandboxId) -> EndpointId {
        let form = EndpointForm { dns_names: vec![name.to_owned()], ..EndpointForm::default() };
        let endpoint = self.endpoint(name, self.id(network), form).expect("an endpoint");
        self.one(Request::Join { endpoint, sandbox }).expect("joins");
        endpoint
    }

    pub(crate) fn get(&self, endpoint: EndpointId) -> &Endpoint {
        self.model.endpoint(&endpoint).expect("an endpoint")
    }

    pub(crate) fn publish(
        &mut self,
        sandbox: SandboxId,
        ports: &[(&str, &str, &str)],
    ) -> Result<Vec<String>, String> {
        let update = SandboxUpdate { publish: Some(mappings(ports)), ..SandboxUpdate::default() };
        self.one(Request::UpdateSandbox(sandbox, update)).map_err(|error| error.to_string())?;
        Ok(self.bindings(sandbox))
    }

    /// The bindings of a sandbox: `tcp 0.0.0.0 80-80 -> 80`.
    pub(crate) fn bindings(&self, sandbox: SandboxId) -> Vec<String> {
        let ports = &self.model.sandbox(&sandbox).expect("a sandbox").ports;
        let text = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let line = |binding: &cnm::PortBinding| {
            let (host, inside) = (&binding.host, &binding.container);
            let address = text(binding.host_address);
            format!("{} {address} {}-{} -> {}", binding.proto, host.start(), host.end(), inside.start())
        };
        ports.iter().map(line).collect()
    }
}

pub(crate) fn network(name: &str, subnets: &[&str], change: impl FnOnce(&mut NetworkForm)) -> NetworkSpec {
    let pool = |subnet: &&str| PoolForm { subnet: (*subnet).to_owned(), ..PoolForm::default() };
    let v6 = subnets.iter().any(|subnet| subnet.contains(':'));
    let pools = subnets.iter().map(pool).collect();
    let mut form = NetworkForm { name: name.to_owned(), v6: Some(v6), pools, ..NetworkForm::default() };
    change(&mut form);
    NetworkSpec::parse(form).expect("a valid network")
}

pub(crate) fn sandbox(owner: &str) -> SandboxSpec {
    SandboxSpec {
        id: None,
        owner: owner.to_owned(),
        namespace: Namespace::Own,
        dns: cnm::DnsSettings { hostname: owner.to_owned(), ..cnm::DnsSettings::default() },
        publish: Vec::new(),
        exposed: Vec::new(),
    }
}

pub(crate) fn mappings(ports: &[(&str, &str, &str)]) -> Vec<PortMapping> {
    let parse = |(container, address, host): &(&str, &str, &str)| {
        let form = PortForm {
            container: (*container).to_owned(),
            host_address: (*address).to_owned(),
            host: (*host).to_owned(),
        };
        PortMapping::parse(&form).expect("a mapping")
    };
    ports.iter().map(parse).collect()
}
