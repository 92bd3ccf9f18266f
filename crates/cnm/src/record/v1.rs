//! Version 1. Never changed once released. Networks are read only: they are written as version 2.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{
    EndpointId, Mac, NetworkId, SandboxId,
    access::{Access, Allow},
    driver::bridge,
    model,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    id: NetworkId,
    name: String,
    driver: Driver,
    v4: Vec<Subnet>,
    v6: Vec<Subnet>,
    ipam_options: BTreeMap<String, String>,
    internal: bool,
    attachable: bool,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    created: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Driver {
    Null,
    Host,
    Bridge {
        link: String,
        mtu: u32,
        inter_container: bool,
        masquerade: bool,
        host_binding: Option<IpAddr>,
        interface_prefix: String,
        default: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subnet {
    pool: IpNet,
    range: Option<IpNet>,
    gateway: Option<IpAddr>,
    auxiliary: BTreeMap<String, IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    id: SandboxId,
    owner: String,
    namespace: Namespace,
    hostname: String,
    domainname: String,
    servers: Vec<IpAddr>,
    search: Vec<String>,
    dns_options: Vec<String>,
    extra_hosts: Vec<(String, IpAddr)>,
    ports: Vec<PortBinding>,
    exposed: Vec<Ports>,
    /// Absent from records of ready ones, as from those that know no other.
    #[serde(default, skip_serializing_if = "is_false")]
    unready: bool,
    /// Absent where it is not so, as from records that do not know of it.
    #[serde(default, skip_serializing_if = "is_false")]
    follows_host: bool,
    /// Likewise.
    #[serde(default, skip_serializing_if = "is_false")]
    sees_networks: bool,
    /// Absent where everybody reaches every port, as from records that know of no lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow: Vec<Allow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    local: Vec<Ports>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Namespace {
    Own,
    Host,
    Path(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Proto {
    Tcp,
    Udp,
    Sctp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    first: u16,
    last: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    proto: Proto,
    range: Range,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortBinding {
    proto: Proto,
    host_address: IpAddr,
    host: Range,
    container: Range,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    id: EndpointId,
    name: String,
    network: NetworkId,
    owner: String,
    mac: Option<Mac>,
    v4: Option<Ipv4Net>,
    v6: Option<Ipv6Net>,
    settings: Settings,
    joined: Option<Joined>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_v6: bool,
    link_local: Vec<IpAddr>,
    mac: Option<Mac>,
    aliases: Vec<String>,
    dns_names: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    driver_options: BTreeMap<String, String>,
    gateway_priority: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    alias: String,
    target: LinkTarget,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LinkTarget {
    Name(String),
    Owner(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Joined {
    sandbox: SandboxId,
    interface: String,
    order: u32,
}

/// Both directions between a type of the model and its record, where the fields have
/// the same names. A new field does not compile until someone has dealt with it.
macro_rules! both {
    ($model:ident, $record:ident, { $($field:ident),* }) => {
        impl From<model::$model> for $record {
            fn from(model::$model { $($field),* }: model::$model) -> Self {
                Self { $($field: $field.into()),* }
            }
        }

        impl From<$record> for model::$model {
            fn from($record { $($field),* }: $record) -> Self {
                Self { $($field: $field.into()),* }
            }
        }
    };
}

both!(Subnet, Subnet, { pool, range, gateway, auxiliary });
both!(Ports, Ports, { proto, range });
both!(PortBinding, PortBinding, { proto, host_address, host, container });
both!(Link, Link, { alias, target });

impl From<model::LinkTarget> for LinkTarget {
    fn from(target: model::LinkTarget) -> Self {
        match target {
            model::LinkTarget::Name(name) => Self::Name(name),
            model::LinkTarget::Owner(owner) => Self::Owner(owner),
        }
    }
}

impl From<LinkTarget> for model::LinkTarget {
    fn from(target: LinkTarget) -> Self {
        match target {
            LinkTarget::Name(name) => Self::Name(name),
            LinkTarget::Owner(owner) => Self::Owner(owner),
        }
    }
}

impl From<model::EndpointSettings> for Settings {
    fn from(settings: model::EndpointSettings) -> Self {
        let model::EndpointSettings {
            v4,
            v6,
            no_v6,
            link_local,
            mac,
            aliases,
            dns_names,
            links,
            driver_options,
            gateway_priority,
        } = settings;
        let links = links.into_iter().map(Into::into).collect();
        Self { v4, v6, no_v6, link_local, mac, aliases, dns_names, links, driver_options, gateway_priority }
    }
}

impl From<Settings> for model::EndpointSettings {
    fn from(settings: Settings) -> Self {
        let Settings {
            v4,
            v6,
            no_v6,
            link_local,
            mac,
            aliases,
            dns_names,
            links,
            driver_options,
            gateway_priority,
        } = settings;
        let links = links.into_iter().map(Into::into).collect();
        Self { v4, v6, no_v6, link_local, mac, aliases, dns_names, links, driver_options, gateway_priority }
    }
}

/// Both directions between two enums with the same plain variants.
macro_rules! variants {
    ($name:ident { $($variant:ident),* }) => {
        impl From<model::$name> for $name {
            fn from(value: model::$name) -> Self {
                match value {
                    $(model::$name::$variant => Self::$variant),*
                }
            }
        }

        impl From<$name> for model::$name {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => Self::$variant),*
                }
            }
        }
    };
}

variants!(Proto { Tcp, Udp, Sctp });

impl From<RangeInclusive<u16>> for Range {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self { first: *range.start(), last: *range.end() }
    }
}

impl From<Range> for RangeInclusive<u16> {
    fn from(Range { first, last }: Range) -> Self {
        first..=last
    }
}

pub(super) fn all<A: Into<B>, B>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(Into::into).collect()
}

impl From<Network> for model::Network {
    fn from(network: Network) -> Self {
        let Network {
            id,
            name,
            driver,
            v4,
            v6,
            ipam_options,
            internal,
            attachable,
            options,
            labels,
            created,
        } = network;
        let ipam = model::Ipam {
            driver: model::IpamDriver::Default,
            v4: all(v4),
            v6: all(v6),
            options: ipam_options,
        };
        Self {
            id,
            name,
            driver: driver.into(),
            ipam,
            internal,
            attachable,
            options,
            labels,
            config_from: None,
            created,
        }
    }
}

impl From<Driver> for model::Driver {
    fn from(driver: Driver) -> Self {
        match driver {
            Driver::Null => Self::Null,
            Driver::Host => Self::Host,
            Driver::Bridge {
                link,
                mtu,
                inter_container,
                masquerade,
                host_binding,
                interface_prefix,
                default,
            } => Self::Bridge(bridge::Config {
                link,
                mtu,
                inter_container,
                masquerade,
                host_binding,
                interface_prefix,
                default,
                ..bridge::Config::new(String::new())
            }),
        }
    }
}

impl From<model::Sandbox> for Sandbox {
    fn from(sandbox: model::Sandbox) -> Self {
        let model::Sandbox { id, owner, namespace, dns, ports, exposed, ready, access } = sandbox;
        let model::DnsSettings { hostname, domainname, servers, search, options, .. } = dns;
        let model::DnsSettings { extra_hosts, follows_host, sees_networks, .. } = dns;
        Self {
            id,
            owner,
            namespace: namespace.into(),
            hostname,
            domainname,
            servers,
            search,
            dns_options: options,
            extra_hosts,
            ports: all(ports),
            exposed: all(exposed),
            unready: !ready,
            follows_host,
            sees_networks,
            allow: access.allow,
            local: all(access.local),
        }
    }
}

impl From<Sandbox> for model::Sandbox {
    fn from(sandbox: Sandbox) -> Self {
        let Sandbox {
            id,
            owner,
            namespace,
            hostname,
            domainname,
            servers,
            search,
            dns_options: options,
            extra_hosts,
            ports,
            exposed,
            unready,
            follows_host,
            sees_networks,
            allow,
            local,
        } = sandbox;
        let dns = model::DnsSettings {
            hostname,
            domainname,
            servers,
            search,
            options,
            extra_hosts,
            follows_host,
            sees_networks,
        };
        let (ports, exposed, ready) = (all(ports), all(exposed), !unready);
        let (namespace, access) = (namespace.into(), Access { allow, local: all(local) });
        Self { id, owner, namespace, dns, ports, exposed, ready, access }
    }
}

impl From<model::Namespace> for Namespace {
    fn from(namespace: model::Namespace) -> Self {
        match namespace {
            model::Namespace::Own => Self::Own,
            model::Namespace::Host => Self::Host,
            model::Namespace::Path(path) => Self::Path(path),
        }
    }
}

impl From<Namespace> for model::Namespace {
    fn from(namespace: Namespace) -> Self {
        match namespace {
            Namespace::Own => Self::Own,
            Namespace::Host => Self::Host,
            Namespace::Path(path) => Self::Path(path),
        }
    }
}

impl From<model::Endpoint> for Endpoint {
    fn from(endpoint: model::Endpoint) -> Self {
        let model::Endpoint { id, name, network, owner, mac, v4, v6, settings, attachment } = endpoint;
        let joined = match attachment {
            model::Attachment::Detached => None,
            model::Attachment::Joined { sandbox, interface, order } => {
                Some(Joined { sandbox, interface, order })
            }
        };
        Self { id, name, network, owner, mac, v4, v6, settings: settings.into(), joined }
    }
}

impl From<Endpoint> for model::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        let Endpoint { id, name, network, owner, mac, v4, v6, settings, joined } = endpoint;
        let attachment = match joined {
            None => model::Attachment::Detached,
            Some(Joined { sandbox, interface, order }) => {
                model::Attachment::Joined { sandbox, interface, order }
            }
        };
        Self { id, name, network, owner, mac, v4, v6, settings: settings.into(), attachment }
    }
}
