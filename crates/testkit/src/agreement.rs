//! Whether all who know of an endpoint say the same: `inspect` of the container,
//! `inspect` of the network, and the kernel.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Machine;

/// Endpoints by network and container, as one of them sees it.
type View = BTreeMap<(String, String), Value>;

impl Machine {
    /// Compares what containers and networks show of one another, and what links there are.
    ///
    /// # Errors
    /// Where they differ, with both views.
    pub fn agree(&self) -> Result<()> {
        let (mut by_container, mut by_network) = (View::new(), View::new());
        for listed in array(self.call("GET", "/containers/json?all=1", "")?.ok()?) {
            let shown = self.inspect(text(&listed["Id"]))?;
            self.agrees_with_links(&shown)?;
            by_container.extend(view_of_container(&shown));
        }
        for listed in array(self.call("GET", "/networks", "")?.ok()?) {
            by_network.extend(view_of_network(&self.network(text(&listed["Id"]))?));
        }
        ensure!(by_container == by_network, "containers say {by_container:#?}\nnetworks say {by_network:#?}");
        self.agrees_with_host(&by_network)
    }

    /// The links inside a sandbox are those of the container's endpoints.
    fn agrees_with_links(&self, container: &Value) -> Result<()> {
        let settings = &container["NetworkSettings"];
        let key = text(&settings["SandboxKey"]);
        let is_shared = text(&container["HostConfig"]["NetworkMode"]).contains(':');
        let is_host = container["HostConfig"]["NetworkMode"] == "host";
        if key.is_empty() || is_shared || is_host || container["State"]["Running"] == false {
            return Ok(());
        }
        let script = format!("nsenter --net={key} ip -j addr");
        let links = array(serde_json::from_str(&self.sh(&script).ok()?)?);
        let mut held: Vec<_> = links.iter().filter(|link| link["ifname"] != "lo").map(link_line).collect();
        let shown = settings["Networks"].as_object().context("no networks")?.values();
        let mut said: Vec<_> = shown.filter(|shown| shown["MacAddress"] != "").map(connection_line).collect();
        held.sort();
        said.sort();
        ensure!(held == said, "{}: the kernel has {held:?}, inspect says {said:?}", container["Name"]);
        Ok(())
    }

    /// The host has as many links of endpoints as there are endpoints.
    fn agrees_with_host(&self, endpoints: &View) -> Result<()> {
        let links = array(serde_json::from_str(&self.sh("ip -j -d link").ok()?)?);
        let of_endpoint = |link: &&Value| {
            let alias = link["ifalias"].as_str().unwrap_or_default();
            alias.starts_with("tombolo:") && link["linkinfo"]["info_kind"] == "veth"
        };
        let held = links.iter().filter(of_endpoint).count();
        let wanted = endpoints.values().filter(|endpoint| endpoint["MacAddress"] != "").count();
        ensure!(held == wanted, "{held} links for {wanted} endpoints: {endpoints:#?}");
        Ok(())
    }
}

fn view_of_container(shown: &Value) -> View {
    let networks = shown["NetworkSettings"]["Networks"].as_object().into_iter().flatten();
    let joined = networks.filter(|(_, connection)| connection["EndpointID"] != "");
    let entry = |(_, connection): (&String, &Value)| {
        let endpoint = json!({
            "Name": text(&shown["Name"]).trim_start_matches('/'),
            "EndpointID": connection["EndpointID"],
            "MacAddress": connection["MacAddress"],
            "IPv4Address": net(connection, "IPAddress", "IPPrefixLen"),
            "IPv6Address": net(connection, "GlobalIPv6Address", "GlobalIPv6PrefixLen"),
        });
        ((text(&connection["NetworkID"]).to_owned(), text(&shown["Id"]).to_owned()), endpoint)
    };
    joined.map(entry).collect()
}

fn view_of_network(shown: &Value) -> View {
    let containers = shown["Containers"].as_object().into_iter().flatten();
    let id = text(&shown["Id"]);
    containers.map(|(container, endpoint)| ((id.to_owned(), container.clone()), endpoint.clone())).collect()
}

/// An address with its prefix length; empty without an address.
fn net(connection: &Value, address: &str, prefix: &str) -> String {
    match text(&connection[address]) {
        "" => String::new(),
        address => format!("{address}/{}", connection[prefix]),
    }
}

/// MAC address and networks of a link, but for those that the kernel or the user made link-local.
fn link_line(link: &Value) -> String {
    let addresses = array(link["addr_info"].clone());
    let global = addresses.iter().filter(|address| address["scope"] == "global");
    let mut nets: Vec<_> =
        global.map(|address| format!("{}/{}", text(&address["local"]), address["prefixlen"])).collect();
    nets.sort();
    format!("{} {}", text(&link["address"]), nets.join(" "))
}

fn connection_line(connection: &Value) -> String {
    let nets = [
        net(connection, "IPAddress", "IPPrefixLen"),
        net(connection, "GlobalIPv6Address", "GlobalIPv6PrefixLen"),
    ];
    let mut nets: Vec<_> = nets.into_iter().filter(|net| !net.is_empty()).collect();
    nets.sort();
    format!("{} {}", text(&connection["MacAddress"]), nets.join(" "))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn array(value: Value) -> Vec<Value> {
    if let Value::Array(values) = value { values } else { Vec::new() }
}
