//! A model that grows by requests, with a host that stands still.

use cnm::{
    Delta, Model, Namespace, PortMapping,
    controller::{Context, Created, Defaults, Host, Refused, Request, decide_all},
    spec::{NetworkForm, NetworkSpec, PoolForm, PortForm, SandboxSpec},
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
        let bridge = NetworkSpec::predefined_bridge(NetworkForm::default());
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
        ready: true,
        allow: Vec::new(),
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
