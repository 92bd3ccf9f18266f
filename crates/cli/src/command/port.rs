//! `port`: the published ports of a container.

use api::inspect::ContainerInspect;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `port`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Port {
    /// Name or id of a container
    container: String,
    /// A port of the container, such as 80/tcp
    port: Option<String>,
}

impl Port {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let container: ContainerInspect =
            client.json(Call::get(["containers", &self.container, "json"])).await?;
        let wanted = self.port.map(|port| if port.contains('/') { port } else { port + "/tcp" });
        let mut lines = Vec::new();
        let mut ports: Vec<_> = container.network_settings.ports.into_iter().flatten().collect();
        let number = |port: &str| port.split('/').next().and_then(|digits| digits.parse::<u16>().ok());
        ports.sort_by_key(|(port, _)| number(port));
        for (port, bindings) in &ports {
            for binding in bindings.iter().flatten() {
                let address = join(&binding.host_ip, &binding.host_port);
                match &wanted {
                    None => lines.push(format!("{port} -> {address}")),
                    Some(wanted) if wanted == port => lines.push(address),
                    Some(_) => {}
                }
            }
        }
        match wanted {
            Some(port) if lines.is_empty() => {
                let text = format!("no public port '{port}' published for {}", self.container);
                Err(Failure::Said(text))
            }
            _ => lines.iter().try_for_each(|text| output::line(text)),
        }
    }
}

/// Address and port, with brackets around an IPv6 address.
pub(crate) fn join(address: &str, port: &str) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
