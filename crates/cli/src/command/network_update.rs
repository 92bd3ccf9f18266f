//! `network update`.

use std::collections::BTreeMap;

use api::network::{Ipam, IpamConfig, NetworkUpdateRequest};
use clap::Args;

use super::plan::{self, PlanOnly};
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::syntax::{Malformed, pairs};

const MTU: &str = "com.docker.network.driver.mtu";
const ICC: &str = "com.docker.network.bridge.enable_icc";

/// What was typed after `network update`.
#[derive(Args, Clone, Debug)]
pub(crate) struct NetworkUpdate {
    /// MTU of the bridge and of all interfaces, in bytes
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u32>,
    /// Let containers of the network reach one another
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    icc: Option<bool>,
    /// Set an option of the driver
    #[arg(short, long, value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// Take an option of the driver back
    #[arg(long, value_name = "NAME")]
    opt_rm: Vec<String>,
    /// Set a label
    #[arg(long, value_name = "NAME=VALUE")]
    label_add: Vec<String>,
    /// Remove a label
    #[arg(long, value_name = "NAME")]
    label_rm: Vec<String>,
    /// Give the network and its containers IPv4 addresses, or take them away
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    ipv4: Option<bool>,
    /// Give the network and its containers IPv6 addresses, or take them away
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    ipv6: Option<bool>,
    /// Subnets of a family that is switched on
    #[arg(long, value_name = "CIDR")]
    subnet: Vec<String>,
    #[command(flatten)]
    plan: PlanOnly,
    /// Name or id of a network
    network: String,
}

impl NetworkUpdate {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (network, plan) = (self.network.clone(), self.plan);
        let request = self.request()?;
        if plan.is_wanted() {
            let call = plan::call("network", "update").query("network", &network).json(&request);
            return plan.print(client, call).await;
        }
        client.done(Call::post(["networks", &network, "update"]).json(&request)).await?;
        Ok(())
    }

    fn request(self) -> Result<NetworkUpdateRequest, Malformed> {
        let subnets = self.subnet.into_iter().map(|subnet| IpamConfig { subnet, ..IpamConfig::default() });
        let config: Vec<_> = subnets.collect();
        let ipam = (!config.is_empty()).then(|| Ipam { config: Some(config), ..Ipam::default() });
        let mut options = changes("opt", &self.opt, self.opt_rm)?;
        let named = [(MTU, self.mtu.map(|mtu| mtu.to_string())), (ICC, self.icc.map(|icc| icc.to_string()))];
        options.extend(
            named
                .into_iter()
                .filter(|(_, value)| value.is_some())
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(NetworkUpdateRequest {
            enable_ipv4: self.ipv4,
            enable_ipv6: self.ipv6,
            ipam,
            options,
            labels: changes("label-add", &self.label_add, self.label_rm)?,
        })
    }
}

/// What is set and what is removed.
fn changes(
    flag: &str,
    set: &[String],
    removed: Vec<String>,
) -> Result<BTreeMap<String, Option<String>>, Malformed> {
    let set = pairs::strict(flag, set)?.into_iter().map(|(name, value)| (name, Some(value)));
    Ok(removed.into_iter().map(|name| (name, None)).chain(set).collect())
}
