//! `network`: ls, connect, disconnect, rm.

use api::network::{
    EndpointIpamConfig, EndpointSettings, Network, NetworkConnectRequest, NetworkDisconnectRequest,
};
use clap::Args;

use super::plan::{self, PlanOnly};
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;
use crate::syntax::{Malformed, filter, pairs};
use crate::table::{self, Format, Listing, Row};
use crate::units;

/// What was typed after `network ls`.
#[derive(Args, Clone, Debug)]
pub(crate) struct NetworkLs {
    /// Only networks that match, such as driver=bridge
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    #[command(flatten)]
    format: Format,
}

const FIELDS: [(&str, &str); 9] = [
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

impl NetworkLs {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::get(["networks"]).filters(&filter::parse(&self.filter)?);
        let mut networks: Vec<Network> = client.json(call).await?;
        networks.sort_by(|one, other| one.name.cmp(&other.name));
        let row = |network: &Network| {
            let id = if self.no_trunc { &network.id } else { units::short_id(&network.id) };
            Row::default()
                .with("ID", id)
                .with("Name", network.name.as_str())
                .with("Driver", network.driver.as_str())
                .with("Scope", network.scope.as_str())
                .with("IPv4", network.enable_ipv4.to_string())
                .with("IPv6", network.enable_ipv6.to_string())
                .with("Internal", network.internal.to_string())
                .with_labels(network.labels.as_ref())
                .with("CreatedAt", created(&network.created))
        };
        let rows = networks.iter().map(row).collect();
        let listing = Listing { fields: &FIELDS, columns: &["ID", "Name", "Driver", "Scope"], id: "ID" };
        table::print(listing, &self.format, rows)
    }
}

/// A time as Go prints it.
fn created(text: &str) -> String {
    let moment = text.parse::<jiff::Timestamp>().map(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC));
    moment
        .map_or_else(|_| text.to_owned(), |moment| moment.strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string())
}

/// What was typed after `network connect`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connect {
    /// Add a network-scoped alias for the container
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Options of the driver for this endpoint
    #[arg(long, value_name = "NAME=VALUE")]
    driver_opt: Vec<String>,
    /// The network with the highest priority has the default route
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_hyphen_values = true)]
    gw_priority: i64,
    /// IPv4 address, such as 172.30.100.104
    #[arg(long, default_value = "", hide_default_value = true)]
    ip: String,
    /// IPv6 address, such as 2001:db8::33
    #[arg(long, default_value = "", hide_default_value = true)]
    ip6: String,
    /// Add a link to another container
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    link: Vec<String>,
    /// Link-local addresses
    #[arg(long, value_name = "IP")]
    link_local_ip: Vec<String>,
    /// MAC address
    #[arg(long, value_name = "MAC", default_value = "", hide_default_value = true)]
    mac_address: String,
    #[command(flatten)]
    plan: PlanOnly,
    /// Name or id of a network
    network: String,
    /// Name or id of a container
    container: String,
}

impl Connect {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (network, plan) = (self.network.clone(), self.plan);
        if plan.is_wanted() {
            let call = plan::call("network", "connect").query("network", &network).json(&self.request()?);
            return plan.print(client, call).await;
        }
        let call = Call::post(["networks", &network, "connect"]).json(&self.request()?);
        client.done(call).await?;
        Ok(())
    }

    fn request(self) -> Result<NetworkConnectRequest, Malformed> {
        let some = |items: Vec<String>| Some(items).filter(|items| !items.is_empty());
        let ipam = EndpointIpamConfig {
            ipv4_address: self.ip,
            ipv6_address: self.ip6,
            link_local_ips: some(self.link_local_ip),
        };
        let options = pairs::strict("driver-opt", &self.driver_opt)?;
        let settings = EndpointSettings {
            ipam_config: Some(ipam),
            links: some(self.link),
            aliases: some(self.alias),
            mac_address: self.mac_address,
            driver_opts: Some(options).filter(|options| !options.is_empty()),
            gw_priority: self.gw_priority,
            ..EndpointSettings::default()
        };
        Ok(NetworkConnectRequest { container: self.container, endpoint_config: Some(settings) })
    }
}

/// What was typed after `network disconnect`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Disconnect {
    /// Also if the container is not there any more
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    plan: PlanOnly,
    /// Name or id of a network
    network: String,
    /// Name or id of a container
    container: String,
}

impl Disconnect {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let request = NetworkDisconnectRequest { container: self.container, force: self.force };
        if self.plan.is_wanted() {
            let call = plan::call("network", "disconnect").query("network", &self.network);
            return self.plan.print(client, call.json(&request)).await;
        }
        client.done(Call::post(["networks", &self.network, "disconnect"]).json(&request)).await?;
        Ok(())
    }
}

/// What was typed after `network rm`.
#[derive(Args, Clone, Debug)]
pub(crate) struct NetworkRm {
    /// A network that is not there is no error
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    plan: PlanOnly,
    /// Names or ids of networks
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

impl NetworkRm {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.plan.is_wanted() {
            for name in &self.networks {
                self.plan.print(client, plan::call("network", "remove").query("network", name)).await?;
            }
            return Ok(());
        }
        output::each(&self.networks, async |name| match client.done(Call::delete(["networks", name])).await {
            Err(error) if self.force && error.is_not_found() => Ok(String::new()),
            result => result.map(|_| name.to_owned()).map_err(Failure::from),
        })
        .await
    }
}
