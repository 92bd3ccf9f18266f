//! The mark of our links: an alias that says whose they are and what for.

use std::str::FromStr;

use cnm::{EndpointId, NetworkId};
use linux::rtnl::{Link, RouteProtocol};

/// Who made our addresses and routes, as `ip` shows after `proto`: `t`. The
/// kernel and the routing daemons use others (/etc/iproute2/rt_protos).
pub(super) const PROTOCOL: u8 = b't';

/// Who made our routes.
pub(super) const ROUTE_PROTOCOL: RouteProtocol = RouteProtocol::Other(PROTOCOL);

/// What all aliases of one engine start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    prefix: String,
}

impl Mark {
    pub(super) fn new(engine: &str) -> Self {
        Self { prefix: format!("tombolo:{engine}:") }
    }

    /// The alias of a network's bridge.
    pub(super) fn of_network(&self, network: &NetworkId) -> String {
        format!("{}{network}", self.prefix)
    }

    /// The alias of an endpoint's links.
    pub(super) fn of_endpoint(&self, endpoint: &EndpointId) -> String {
        format!("{}{endpoint}", self.prefix)
    }

    /// The alias of a link that others are made on, of whichever networks.
    pub(super) fn of_lower(&self) -> String {
        format!("{}lower", self.prefix)
    }

    /// Whether a link is ours.
    pub(super) fn is_on(&self, link: &Link) -> bool {
        self.subject(link).is_some()
    }

    /// The network or endpoint that a link is for, if it is ours.
    pub(super) fn subject_of<T: FromStr>(&self, link: &Link) -> Option<T> {
        self.subject(link)?.parse().ok()
    }

    fn subject<'a>(&self, link: &'a Link) -> Option<&'a str> {
        link.alias.as_deref()?.strip_prefix(&self.prefix)
    }
}
