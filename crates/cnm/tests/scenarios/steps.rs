//! What the scenarios do with a world, one step at a time.

use std::net::IpAddr;

use cnm::{
    Endpoint, EndpointId, EndpointSettings, NetworkId, SandboxId,
    controller::{Created, Kind, Refused, Request},
    spec::{EndpointForm, EndpointSpec, NetworkSpec, SandboxUpdate},
};

use crate::world::{World, mappings, network, sandbox};

pub(crate) fn create(spec: NetworkSpec) -> Request {
    Request::CreateNetwork(spec)
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refused>, kind: Kind, text: &str) {
    let error = result.expect_err("refused");
    assert_eq!((error.to_string().as_str(), error.kind()), (text, kind));
}

impl World {
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
