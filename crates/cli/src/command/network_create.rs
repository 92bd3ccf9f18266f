//! `network create`.

use std::net::IpAddr;

use api::network::{ConfigReference, Ipam, IpamConfig, NetworkCreateRequest, NetworkCreateResponse};
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;
use crate::syntax::{Malformed, pairs};

/// What was typed after `network create`.
#[derive(Args, Clone, Debug)]
pub(crate) struct NetworkCreate {
    /// Driver of the network
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
    driver: String,
    /// Options of the driver
    #[arg(short, long, value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// Set metadata on the network
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Subnets, such as 172.28.0.0/16 or fd00:1::/64
    #[arg(long, value_name = "CIDR")]
    subnet: Vec<String>,
    /// Take addresses of containers from a part of a subnet
    #[arg(long, value_name = "CIDR")]
    ip_range: Vec<String>,
    /// Gateways of the subnets
    #[arg(long, value_name = "IP")]
    gateway: Vec<String>,
    /// Addresses that are never given out
    #[arg(long, value_name = "NAME=IP")]
    aux_address: Vec<String>,
    /// Driver of the addresses
    #[arg(long, value_name = "DRIVER", default_value = "default")]
    ipam_driver: String,
    /// Options of that driver
    #[arg(long, value_name = "NAME=VALUE")]
    ipam_opt: Vec<String>,
    /// Give the network IPv4 addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    ipv4: Option<bool>,
    /// Give the network IPv6 addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    ipv6: Option<bool>,
    /// Lead nothing out of the network
    #[arg(long)]
    internal: bool,
    /// Let containers join a global network
    #[arg(long)]
    attachable: bool,
    /// Make it the ingress network of a swarm
    #[arg(long)]
    ingress: bool,
    /// Reach of the network
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    /// Make only a configuration for other networks
    #[arg(long)]
    config_only: bool,
    /// Use the configuration of another network
    #[arg(long, value_name = "NETWORK")]
    config_from: Option<String>,
    #[command(flatten)]
    plan: super::plan::PlanOnly,
    /// Name of the network
    #[arg(value_name = "NETWORK")]
    name: String,
}

impl NetworkCreate {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let plan = self.plan;
        let request = self.request()?;
        if plan.is_wanted() {
            return plan.print(client, super::plan::call("network", "create").json(&request)).await;
        }
        let call = Call::post(["networks", "create"]).json(&request);
        let NetworkCreateResponse { id, warning } = client.json(call).await?;
        if !warning.is_empty() {
            output::warn(&format!("WARNING: {warning}"));
        }
        output::line(&id)
    }

    pub(crate) fn request(self) -> Result<NetworkCreateRequest, Malformed> {
        let config = self.subnets()?;
        let options = pairs::optional_map(&self.ipam_opt);
        Ok(NetworkCreateRequest {
            driver: self.driver,
            scope: self.scope,
            enable_ipv4: self.ipv4,
            enable_ipv6: self.ipv6,
            ipam: Some(Ipam { driver: self.ipam_driver, options, config: Some(config) }),
            internal: self.internal,
            attachable: self.attachable,
            ingress: self.ingress,
            config_only: self.config_only,
            config_from: self.config_from.map(|network| ConfigReference { network }),
            options: Some(pairs::map(&self.opt)),
            labels: Some(pairs::map(&self.label)),
            name: self.name,
        })
    }

    /// Subnets, with the ranges, gateways and addresses that lie in them.
    fn subnets(&self) -> Result<Vec<IpamConfig>, Malformed> {
        if self.subnet.is_empty() && !(self.ip_range.is_empty() && self.gateway.is_empty()) {
            return Err(Malformed::new("every ip-range or gateway must have a corresponding subnet"));
        }
        let subnets = self.subnet.iter().map(|text| {
            Ok((Subnet::parse(text)?, IpamConfig { subnet: text.clone(), ..IpamConfig::default() }))
        });
        let mut subnets = subnets.collect::<Result<Vec<_>, Malformed>>()?;
        let home = |kind: &str, text: &str| -> Result<usize, Malformed> {
            let address = address_of(text)?;
            subnets
                .iter()
                .position(|(subnet, _)| subnet.contains(address))
                .ok_or_else(|| Malformed::new(format!("no matching subnet for {kind} {text}")))
        };
        let ranges = self
            .ip_range
            .iter()
            .map(|text| Ok((home("range", text)?, text)))
            .collect::<Result<Vec<_>, Malformed>>()?;
        let gateways = self
            .gateway
            .iter()
            .map(|text| Ok((home("gateway", text)?, text)))
            .collect::<Result<Vec<_>, Malformed>>()?;
        let aux = pairs::strict("aux-address", &self.aux_address)?;
        let aux = aux
            .into_iter()
            .map(|(name, text)| Ok((home("aux-address", &text)?, name, text)))
            .collect::<Result<Vec<_>, Malformed>>()?;
        for (index, text) in ranges {
            only_once(&mut subnets[index].1.ip_range, text, "ip ranges")?;
        }
        for (index, text) in gateways {
            only_once(&mut subnets[index].1.gateway, text, "gateways")?;
        }
        for (index, name, text) in aux {
            subnets[index].1.auxiliary_addresses.get_or_insert_default().insert(name, text);
        }
        Ok(subnets.into_iter().map(|(_, config)| config).collect())
    }
}

fn only_once(place: &mut String, text: &str, what: &str) -> Result<(), Malformed> {
    if !place.is_empty() {
        return Err(Malformed::new(format!(
            "cannot configure multiple {what} ({text}, {place}) on the same subnet"
        )));
    }
    text.clone_into(place);
    Ok(())
}

/// A subnet, to see what lies in it.
#[derive(Clone, Copy, Debug)]
struct Subnet {
    address: IpAddr,
    length: u8,
}

impl Subnet {
    fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed::new(format!("invalid subnet {text}: invalid CIDR address: {text}"));
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length: u8 = length.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if length <= most { Ok(Self { address, length }) } else { Err(wrong()) }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(subnet), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.length);
                u32::from(subnet).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(subnet), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.length);
                u128::from(subnet).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// The address of `10.0.0.1` or `10.0.0.0/24`.
fn address_of(text: &str) -> Result<IpAddr, Malformed> {
    let address = text.split('/').next().unwrap_or_default();
    address.parse().map_err(|_| Malformed::new(format!("invalid address: {text}")))
}
