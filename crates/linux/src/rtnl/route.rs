//! Routes of the main table, of both families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::netlink::Request;
use crate::netlink::attribute::{Attributes, Writer};
use crate::netlink::message::{CREATE, EXCLUSIVE, REPLACE};

use super::{Change, Rtnl, RtnlError};

/// The size of `struct rtmsg` (linux/rtnetlink.h).
const HEADER: usize = 12;

const MAIN: u8 = libc::RT_TABLE_MAIN;
const UNICAST: u8 = libc::RTN_UNICAST;
const SCOPE_UNIVERSE: u8 = libc::RT_SCOPE_UNIVERSE;
const SCOPE_LINK: u8 = libc::RT_SCOPE_LINK;
const SCOPE_NOWHERE: u8 = libc::RT_SCOPE_NOWHERE;

/// Who made a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteProtocol {
    /// The kernel, for a link's subnet.
    Kernel,
    /// Somebody at some boot (`ip route add` without more).
    Boot,
    /// An administrator, or we.
    Static,
    /// Anyone else, by the kernel's number.
    Other(u8),
}

impl RouteProtocol {
    fn number(self) -> u8 {
        match self {
            Self::Kernel => libc::RTPROT_KERNEL,
            Self::Boot => libc::RTPROT_BOOT,
            Self::Static => libc::RTPROT_STATIC,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            libc::RTPROT_KERNEL => Self::Kernel,
            libc::RTPROT_BOOT => Self::Boot,
            libc::RTPROT_STATIC => Self::Static,
            other => Self::Other(other),
        }
    }
}

/// A unicast route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destination; of length zero for the default route.
    pub destination: IpNet,
    /// The next hop; `None` if the destination is on the link itself.
    pub via: Option<IpAddr>,
    /// The link.
    pub index: Option<u32>,
    /// Of two routes, the smaller metric wins. Zero is the kernel's default,
    /// which for IPv6 it shows as 1024.
    pub metric: u32,
    /// The address to send from, if the route names one.
    pub source: Option<IpAddr>,
    /// Who made it.
    pub protocol: RouteProtocol,
}

impl Route {
    /// A static route over a link, without a next hop.
    pub fn on_link(destination: IpNet, index: u32) -> Self {
        Self {
            destination,
            via: None,
            index: Some(index),
            metric: 0,
            source: None,
            protocol: RouteProtocol::Static,
        }
    }

    /// A static route by way of a next hop that is reachable over the link.
    pub fn via(destination: IpNet, via: IpAddr, index: u32) -> Self {
        Self { via: Some(via), ..Self::on_link(destination, index) }
    }

    /// The default route of the next hop's family.
    pub fn default_via(via: IpAddr, index: u32) -> Self {
        Self::via(everywhere(via), via, index)
    }

    fn name(&self) -> String {
        let via = self.via.map(|via| format!(" via {via}")).unwrap_or_default();
        let link = self.index.map(|index| format!(" on link {index}")).unwrap_or_default();
        format!("route {}{via}{link}", self.destination)
    }
}

/// The destination of the default route of an address' family.
fn everywhere(family: IpAddr) -> IpNet {
    match family {
        IpAddr::V4(_) => IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
        IpAddr::V6(_) => IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
    }
}

/// Adds a route; one to the same destination with the same metric is in the way.
pub fn route_add(route: &Route) -> Change {
    Change::new(
        format!("add {}", route.name()),
        libc::RTM_NEWROUTE,
        CREATE | EXCLUSIVE,
        payload(route, SCOPE_UNIVERSE),
    )
}

/// Adds a route in place of one to the same destination with the same metric.
pub fn route_replace(route: &Route) -> Change {
    Change::new(
        format!("set {}", route.name()),
        libc::RTM_NEWROUTE,
        CREATE | REPLACE,
        payload(route, SCOPE_UNIVERSE),
    )
}

/// Deletes a route.
pub fn route_del(route: &Route) -> Change {
    Change::new(format!("delete {}", route.name()), libc::RTM_DELROUTE, 0, payload(route, SCOPE_NOWHERE))
}

impl Rtnl {
    /// Adds a route.
    pub fn route_add(&mut self, route: &Route) -> Result<(), RtnlError> {
        self.apply(&[route_add(route)])
    }

    /// Deletes a route.
    pub fn route_del(&mut self, route: &Route) -> Result<(), RtnlError> {
        self.apply(&[route_del(route)])
    }

    /// Whether packets to this address stay in the namespace: it is one of its own
    /// and in use. An IPv6 address is listed shortly before that.
    pub fn is_local(&mut self, address: IpAddr) -> Result<bool, RtnlError> {
        let mut header = [0; HEADER];
        (header[0], header[1]) = match address {
            IpAddr::V4(_) => (libc::AF_INET as u8, 32),
            IpAddr::V6(_) => (libc::AF_INET6 as u8, 128),
        };
        let mut writer = Writer::new(&header);
        writer.put_ip(libc::RTA_DST, address);
        let request = Request { kind: libc::RTM_GETROUTE, flags: 0, payload: writer.finish() };
        match self.get(format!("find the route to {address}"), &request) {
            Ok(replies) => Ok(replies.iter().any(|reply| reply.payload.get(7) == Some(&libc::RTN_LOCAL))),
            Err(error) if error.refusal().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The unicast routes of the main table, of both families.
    pub fn route_list(&mut self) -> Result<Vec<Route>, RtnlError> {
        let request = Request { kind: libc::RTM_GETROUTE, flags: 0, payload: vec![0; HEADER] };
        let replies = self.dump("list routes", &request)?;
        let routes = replies.iter().filter(|reply| reply.kind == libc::RTM_NEWROUTE);
        Ok(routes.filter_map(|reply| read(&reply.payload)).collect())
    }
}

/// `scope` is that of a route via a next hop, or "any" for deletion.
fn payload(route: &Route, scope: u8) -> Vec<u8> {
    let mut header = [0; HEADER];
    header[0] = if route.destination.addr().is_ipv4() { libc::AF_INET as u8 } else { libc::AF_INET6 as u8 };
    header[1] = route.destination.prefix_len();
    header[4] = MAIN;
    header[5] = route.protocol.number();
    header[6] = if route.via.is_none() && scope == SCOPE_UNIVERSE { SCOPE_LINK } else { scope };
    header[7] = UNICAST;
    let mut writer = Writer::new(&header);
    if route.destination.prefix_len() > 0 {
        writer.put_ip(libc::RTA_DST, route.destination.network());
    }
    if let Some(via) = route.via {
        writer.put_ip(libc::RTA_GATEWAY, via);
    }
    if let Some(index) = route.index {
        writer.put_u32(libc::RTA_OIF, index);
    }
    if route.metric != 0 {
        writer.put_u32(libc::RTA_PRIORITY, route.metric);
    }
    if let Some(source) = route.source {
        writer.put_ip(libc::RTA_PREFSRC, source);
    }
    writer.finish()
}

/// The route in an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for other tables,
/// types (local, broadcast, multicast) and several next hops.
pub(super) fn read(payload: &[u8]) -> Option<Route> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
    let unspecified: IpAddr = match i32::from(header[0]) {
        libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let (mut table, mut destination) = (u32::from(header[4]), unspecified);
    let (mut via, mut index, mut metric, mut source) = (None, None, 0, None);
    for attribute in Attributes::after(payload, HEADER) {
        match attribute.kind {
            libc::RTA_TABLE => table = attribute.u32()?,
            libc::RTA_DST => destination = attribute.ip()?,
            libc::RTA_GATEWAY => via = attribute.ip(),
            libc::RTA_OIF => index = attribute.u32(),
            libc::RTA_PRIORITY => metric = attribute.u32()?,
            libc::RTA_PREFSRC => source = attribute.ip(),
            _ => {}
        }
    }
    if table != u32::from(MAIN) || header[7] != UNICAST || flags & libc::RTM_F_CLONED != 0 {
        return None;
    }
    let destination = IpNet::new(destination, header[1]).ok()?;
    Some(Route { destination, via, index, metric, source, protocol: RouteProtocol::from_number(header[5]) })
}
