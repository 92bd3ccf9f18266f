//! Ports: exposed, wished for, and published.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use api::StringSet;
use api::container::PortSummary;
use api::host_config::{PortBinding as ApiBinding, PortMap};
use engine::cnm::spec::{PortForm, PortRemoval};
use engine::cnm::{HostPorts, PortBinding, PortMapping, Ports, Proto};

use crate::http::answer::Refusal;

/// Reads `{"80/tcp": {}}`.
pub(crate) fn exposed(ports: Option<StringSet>) -> Result<Vec<Ports>, Refusal> {
    ports.unwrap_or_default().keys().map(|text| Ports::parse(text).map_err(|error| refused(&error))).collect()
}

/// Reads `{"80/tcp": [{"HostPort": "8080"}]}`. An empty list means any free port, as Docker has it.
pub(crate) fn publish(ports: Option<PortMap>) -> Result<Vec<PortMapping>, Refusal> {
    let mut mappings = Vec::new();
    for (container, bindings) in ports.unwrap_or_default() {
        let bindings =
            bindings.filter(|list| !list.is_empty()).unwrap_or_else(|| vec![ApiBinding::default()]);
        for ApiBinding { host_ip, host_port } in bindings {
            let form = PortForm { container: container.clone(), host_address: host_ip, host: host_port };
            mappings.push(PortMapping::parse(&form).map_err(|error| refused(&error))?);
        }
    }
    Ok(mappings)
}

/// The same the other way round, port by port.
pub(crate) fn wished(mappings: &[PortMapping]) -> PortMap {
    let mut map = PortMap::new();
    for PortMapping { container, host_address, host } in mappings {
        let host_ip = host_address.map(|address| address.to_string()).unwrap_or_default();
        for (offset, inside) in (0..).zip(container.range.clone()) {
            let host_port = match host {
                HostPorts::Any => String::new(),
                HostPorts::Exact(range) => (range.start() + offset).to_string(),
                HostPorts::FirstFree(range) => format!("{}-{}", range.start(), range.end()),
            };
            let list = map.entry(name(inside, container.proto)).or_default().get_or_insert_default();
            list.push(ApiBinding { host_ip: host_ip.clone(), host_port });
        }
    }
    map
}

/// Reads `["8080/tcp"]`: what is to be published no longer.
pub(crate) fn withdraw(ports: &[String]) -> Result<Vec<PortRemoval>, Refusal> {
    ports.iter().map(|text| PortRemoval::parse(text).map_err(|error| refused(&error))).collect()
}

fn refused(error: &dyn std::error::Error) -> Refusal {
    Refusal::invalid(error.to_string())
}

/// Every port of a list of ranges, as `80/tcp`.
pub(crate) fn names(ports: &[Ports]) -> impl Iterator<Item = String> {
    ports.iter().flat_map(|ports| ports.range.clone().map(|port| name(port, ports.proto)))
}

fn name(port: u16, proto: Proto) -> String {
    format!("{port}/{proto}")
}

/// Each port of a published range with the port of the host that leads to it, if one does.
fn pairs(binding: &PortBinding) -> impl Iterator<Item = (u16, Option<u16>)> {
    let range: &RangeInclusive<u16> = &binding.container;
    let first = binding.is_of_host().then(|| *binding.host.start());
    range.clone().zip(0..).map(move |(inside, offset)| (inside, first.map(|first| first + offset)))
}

/// What `inspect` shows of the ports of a running container.
pub(crate) fn map(bindings: &[PortBinding], exposed: &[Ports]) -> PortMap {
    let mut map: PortMap = names(exposed).map(|name| (name, None)).collect();
    for binding in bindings {
        for (inside, outside) in pairs(binding) {
            let list = map.entry(name(inside, binding.proto)).or_default().get_or_insert_default();
            list.push(ApiBinding {
                host_ip: binding.host_address.to_string(),
                host_port: outside.map(|port| port.to_string()).unwrap_or_default(),
            });
        }
    }
    map
}

/// What a list shows of the ports of a container.
pub(crate) fn summary(bindings: &[PortBinding], exposed: &[Ports]) -> Vec<PortSummary> {
    let mut published: BTreeMap<(u16, Proto), Vec<PortSummary>> = BTreeMap::new();
    for binding in bindings {
        for (inside, outside) in pairs(binding) {
            let Some(public_port) = outside else { continue };
            published.entry((inside, binding.proto)).or_default().push(PortSummary {
                ip: binding.host_address.to_string(),
                private_port: inside,
                public_port,
                r#type: binding.proto.to_string(),
            });
        }
    }
    // A port that is open at the container's own address looks like one that is exposed.
    let open = bindings.iter().filter(|binding| !binding.is_of_host());
    let open = open.map(|binding| Ports { proto: binding.proto, range: binding.container.clone() });
    for ports in open.chain(exposed.iter().cloned()) {
        for port in ports.range.clone() {
            published.entry((port, ports.proto)).or_insert_with(|| {
                vec![PortSummary {
                    private_port: port,
                    r#type: ports.proto.to_string(),
                    ..PortSummary::default()
                }]
            });
        }
    }
    published.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(host: RangeInclusive<u16>, container: RangeInclusive<u16>) -> PortBinding {
        PortBinding { proto: Proto::Tcp, host_address: [0, 0, 0, 0].into(), host, container }
    }

    #[test]
    fn ranges_are_shown_port_by_port() {
        let exposed =
            [Ports { proto: Proto::Tcp, range: 80..=81 }, Ports { proto: Proto::Udp, range: 53..=53 }];
        let map = map(&[binding(8080..=8080, 80..=80)], &exposed);
        let text = serde_json::to_string(&map).expect("json");
        assert_eq!(
            text,
            r#"{"53/udp":null,"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"81/tcp":null}"#
        );
        let list = summary(&[binding(8000..=8001, 80..=81)], &exposed);
        let text = serde_json::to_string(&list).expect("json");
        assert_eq!(
            text,
            r#"[{"PrivatePort":53,"Type":"udp"},{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8000,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":81,"PublicPort":8001,"Type":"tcp"}]"#
        );
    }

    #[test]
    fn open_ports_have_no_port_of_the_host() {
        let open = [binding(PortBinding::OPEN, 80..=81)];
        let text = serde_json::to_string(&map(&open, &[])).expect("json");
        assert_eq!(
            text,
            r#"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""}],"81/tcp":[{"HostIp":"0.0.0.0","HostPort":""}]}"#
        );
        let text = serde_json::to_string(&summary(&open, &[])).expect("json");
        assert_eq!(text, r#"[{"PrivatePort":80,"Type":"tcp"},{"PrivatePort":81,"Type":"tcp"}]"#);
    }

    #[test]
    fn wishes_are_shown_as_they_are_read() {
        let text = r#"{"53/udp":[{"HostIp":"127.0.0.1","HostPort":"53"}],"80/tcp":[{"HostIp":"","HostPort":""},{"HostIp":"::1","HostPort":"1-9"}]}"#;
        let map: PortMap = serde_json::from_str(text).expect("json");
        let shown = wished(&publish(Some(map.clone())).expect("mappings"));
        assert_eq!(shown, map);
    }

    #[test]
    fn an_empty_list_is_any_port() {
        let map: PortMap = [("80/tcp".to_owned(), Some(Vec::new())), ("81/tcp".to_owned(), None)].into();
        assert_eq!(publish(Some(map)).expect("mappings").len(), 2);
        let map: PortMap = [("80/icmp".to_owned(), None)].into();
        let error = publish(Some(map)).expect_err("no such protocol");
        assert_eq!(error.message, "invalid port specification: \"80/icmp\"");
    }
}
