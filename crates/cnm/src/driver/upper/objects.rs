//! The links, addresses and routes of networks on a link of the host.

use std::net::Ipv6Addr;

use super::{Config, Parent};
use crate::{
    Attachment, Endpoint, EndpointId, Model,
    driver::inside,
    state::{Key, Lower, LowerKind, Ns, Object, Upper},
};

/// What a network adds: the link that leads nowhere, if it is on one.
pub(crate) fn network_objects(config: &Config) -> Vec<(Key, Object)> {
    match &config.parent {
        Parent::Dummy(name) => vec![lower(name, LowerKind::Dummy)],
        Parent::Link(_) | Parent::Vlan { .. } => Vec::new(),
    }
}

/// The VLANs that networks of a model are on. Several networks may share one, whoever came first.
pub(crate) fn vlans(model: &Model) -> impl Iterator<Item = (Key, Object)> {
    model.uppers().filter_map(|config| match &config.parent {
        Parent::Vlan { name, on, id } => Some(lower(name, LowerKind::Vlan { on: on.clone(), id: *id })),
        Parent::Link(_) | Parent::Dummy(_) => None,
    })
}

fn lower(name: &str, kind: LowerKind) -> (Key, Object) {
    (Key::Lower(name.to_owned()), Object::Lower(Lower { kind, up: true }))
}

/// What an endpoint adds to its sandbox; nothing before it has joined one.
pub(crate) fn endpoint_objects(endpoint: &Endpoint, config: &Config) -> Vec<(Key, Object)> {
    let Attachment::Joined { sandbox, interface, .. } = &endpoint.attachment else { return Vec::new() };
    let ns = Ns::Sandbox(*sandbox);
    let upper = Upper {
        lower: config.parent.name().to_owned(),
        kind: config.kind,
        place: (ns, interface.clone()),
        mac: endpoint.mac,
        mtu: config.mtu,
        up: true,
    };
    let link_local = endpoint.mac.map_or_else(|| of_id(&endpoint.id), inside::eui64);
    let mut objects = vec![(Key::Upper(endpoint.id), Object::Upper(upper))];
    objects.extend(inside::objects(endpoint, (ns, interface), link_local));
    objects
}

/// A link-local address for who shares a MAC address with others (RFC 7217 asks for no more than that it
/// stays the same).
fn of_id(id: &EndpointId) -> Ipv6Addr {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&[0xfe, 0x80]);
    bytes[8..].copy_from_slice(&id.bytes()[..8]);
    Ipv6Addr::from(bytes)
}
