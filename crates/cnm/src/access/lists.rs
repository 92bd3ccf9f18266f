//! Which lists hold for a port, and whom they let in.

use std::net::IpAddr;

use super::{ALLOW, Allow, Source, allow_list};
use crate::{Endpoint, Family, Model, Network, Ports, Proto, Sandbox, driver::bridge::LINK_NAME_MAX};

/// What is known of a client; what is not known is in no list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client<'a> {
    pub address: Option<IpAddr>,
    /// The link of the host that it comes by.
    pub link: Option<&'a str>,
}

/// The name of a link, in place: at most 15 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName([u8; LINK_NAME_MAX]);

impl LinkName {
    /// None if no link can have this name.
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; LINK_NAME_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self(bytes))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        let text = std::str::from_utf8(&self.0).unwrap_or_default();
        text.trim_end_matches('\0')
    }
}

/// The lists that hold for the ports of an endpoint.
#[derive(Debug)]
pub(crate) struct Lists<'a> {
    sandbox: &'a [Allow],
    endpoint: Vec<Allow>,
    network: &'a [Allow],
    local: &'a [Ports],
}

impl<'a> Lists<'a> {
    pub(crate) fn of(sandbox: &'a Sandbox, endpoint: &Endpoint, network: &'a Network) -> Self {
        let option = endpoint.settings.driver_options.get(ALLOW);
        Self {
            sandbox: &sandbox.access.allow,
            endpoint: option.and_then(|text| allow_list(text).ok()).unwrap_or_default(),
            network: network.bridge().map_or(&[], |config| &config.allow),
            local: &sandbox.access.local,
        }
    }

    /// Whether everybody reaches every port.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { sandbox, endpoint, network, local } = self;
        sandbox.is_empty() && endpoint.is_empty() && network.is_empty() && local.is_empty()
    }

    /// Who reaches a port by one family; none if that is everybody.
    ///
    /// Lists of the sandbox and of the endpoint count together, and before that of the
    /// network, which counts before the default.
    pub(crate) fn sources(&self, family: Family, proto: Proto, port: u16) -> Option<Vec<&Source>> {
        let has = |ports: &Ports| ports.proto == proto && ports.range.contains(&port);
        let of = |allow: &&Allow| allow.ports.as_ref().is_none_or(has);
        let own: Vec<_> = self.sandbox.iter().chain(&self.endpoint).filter(of).collect();
        let listed = if own.is_empty() { self.network.iter().filter(of).collect() } else { own };
        let sources: Vec<_> = if !listed.is_empty() {
            listed.into_iter().map(|allow| &allow.source).collect()
        } else if self.local.iter().any(has) {
            vec![&Source::Local]
        } else {
            return None;
        };
        let is_everybody = |source: &&&Source| matches!(source, Source::Net(net) if net.prefix_len() == 0 && Family::of(&net.addr()) == family);
        let fits =
            |source: &&Source| !matches!(source, Source::Net(net) if Family::of(&net.addr()) != family);
        match sources.iter().any(|source| is_everybody(&source)) {
            true => None,
            false => Some(sources.into_iter().filter(fits).collect()),
        }
    }
}

/// Whether any of the sources is the client's.
pub(crate) fn admits(model: &Model, sources: &[&Source], client: Client<'_>) -> bool {
    sources.iter().any(|source| match source {
        Source::Net(net) => client.address.is_some_and(|address| net.contains(&address)),
        Source::Link(name) => client.link == Some(name),
        Source::Local => client.address.is_some_and(|address| model.is_local(address)),
    })
}
