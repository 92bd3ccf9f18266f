//! Endpoints as users ask for them.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use thiserror::Error;

use crate::{EndpointSettings, Family, Link, LinkTarget, Mac, Network, access::AllowError, driver::bridge};

/// What a user wrote about the endpoint of one network; what is empty was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointForm {
    pub v4: String,
    pub v6: String,
    /// Its stack speaks no IPv6: a wish for an address of it means nothing.
    pub no_v6: bool,
    pub link_local: Vec<String>,
    pub mac: String,
    pub aliases: Vec<String>,
    /// All names it shall answer to where the network resolves names, the container's first.
    pub dns_names: Vec<String>,
    /// Those that do not fit the network are left out: names where it resolves none, owners where it does.
    pub links: Vec<Link>,
    pub driver_options: BTreeMap<String, String>,
    pub gateway_priority: i32,
}

/// All that is wrong with the settings of an endpoint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", Listed(problems))]
pub struct InvalidEndpointError {
    pub problems: Vec<EndpointProblem>,
}

/// What is wrong with one setting. The texts are Docker's where it has any.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EndpointProblem {
    #[error("user-specified IP address is supported on user-defined networks only")]
    AddressOnPredefined,
    #[error("network-scoped aliases are only supported for user-defined networks")]
    AliasOnPredefined,
    #[error("invalid {family} address: {text}")]
    Address { family: Family, text: String },
    #[error("invalid link-local IP address: {text}")]
    LinkLocal { text: String },
    #[error("no configured subnet contains IP address {address}")]
    Outside { address: IpAddr },
    #[error("invalid MAC address {text:?}")]
    Mac { text: String },
    #[error("{driver} interfaces do not support custom mac address assignment")]
    CustomMac { driver: &'static str },
    #[error("invalid network interface name {name:?}: 1 to 15 characters without '/' or blanks")]
    Interface { name: String },
    #[error(
        "unrecognised network interface sysctl '{text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
    )]
    Sysctl { text: String },
    #[error(transparent)]
    Allow(AllowError),
    #[error("unknown option {option:?} of an endpoint")]
    UnknownOption { option: String },
}

struct Listed<'a>(&'a [EndpointProblem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::list(f, "invalid endpoint settings:", self.0)
    }
}

impl EndpointSettings {
    /// Checks what a user wrote about an endpoint of `network`; all problems at once.
    ///
    /// Names are kept only where the network resolves any.
    pub fn parse(form: EndpointForm, network: &Network) -> Result<Self, InvalidEndpointError> {
        let mut problems = Vec::new();
        let predefined = network.is_predefined();
        let wants_address = !form.v4.is_empty() || !form.v6.is_empty() || !form.link_local.is_empty();
        if predefined && wants_address {
            problems.push(EndpointProblem::AddressOnPredefined);
        }
        if predefined && !form.aliases.is_empty() {
            problems.push(EndpointProblem::AliasOnPredefined);
        }
        let v4 = address(&form.v4, Family::V4, network, &mut problems);
        let v6 = address(&form.v6, Family::V6, network, &mut problems).filter(|_| !form.no_v6);
        let mut link_local = Vec::new();
        for text in form.link_local {
            match text.parse::<IpAddr>().ok().filter(is_link_local) {
                Some(IpAddr::V6(_)) if form.no_v6 => {}
                Some(address) => link_local.push(address),
                None => problems.push(EndpointProblem::LinkLocal { text }),
            }
        }
        let mac = mac(&form.mac, &mut problems);
        if let Some(upper) = network.upper().filter(|upper| mac.is_some() && !upper.kind.has_mac()) {
            problems.push(EndpointProblem::CustomMac { driver: upper.kind.name() });
        }
        bridge::check_endpoint_options(&form.driver_options, &mut problems);
        if !problems.is_empty() {
            return Err(InvalidEndpointError { problems });
        }
        Ok(Self {
            v4: v4.and_then(|address| if let IpAddr::V4(address) = address { Some(address) } else { None }),
            v6: v6.and_then(|address| if let IpAddr::V6(address) = address { Some(address) } else { None }),
            no_v6: form.no_v6,
            link_local,
            mac,
            aliases: form.aliases,
            dns_names: if predefined { Vec::new() } else { crate::names::distinct(form.dns_names) },
            links: form.links.into_iter().filter(|link| fits(link, predefined)).collect(),
            driver_options: form.driver_options,
            gateway_priority: form.gateway_priority,
        })
    }
}

const fn fits(link: &Link, predefined: bool) -> bool {
    match link.target {
        LinkTarget::Owner(_) => predefined,
        LinkTarget::Name(_) => !predefined,
    }
}

fn address(
    text: &str,
    family: Family,
    network: &Network,
    problems: &mut Vec<EndpointProblem>,
) -> Option<IpAddr> {
    if text.is_empty() {
        return None;
    }
    let Some(address) = text.parse().ok().filter(|address| Family::of(address) == family) else {
        problems.push(EndpointProblem::Address { family, text: text.to_owned() });
        return None;
    };
    let within = network.ipam.subnets(family).iter().any(|subnet| subnet.pool.contains(&address));
    if !network.is_predefined() && !within {
        problems.push(EndpointProblem::Outside { address });
    }
    Some(address)
}

fn mac(text: &str, problems: &mut Vec<EndpointProblem>) -> Option<Mac> {
    if text.is_empty() {
        return None;
    }
    let mac = text.parse::<Mac>().ok().filter(|mac| mac.bytes()[0] & 1 == 0 && mac.bytes() != &[0; 6]);
    if mac.is_none() {
        problems.push(EndpointProblem::Mac { text: text.to_owned() });
    }
    mac
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
