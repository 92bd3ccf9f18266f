//! What a caller may ask for, already checked: there is no unchecked form of a
//! spec. A form is what a user wrote; parsing it gives a spec or every problem
//! it has.

use std::fmt;

use crate::{
    DnsSettings, EndpointId, EndpointSettings, Namespace, NetworkId, PortMapping, Ports, SandboxId,
    access::Allow,
};

mod dns;
mod endpoint;
mod network;
mod ports;
mod template;
mod update;

pub use self::{
    dns::{ExtraHostError, LinkError, extra_host, link},
    endpoint::{EndpointForm, EndpointProblem, InvalidEndpointError},
    network::{
        DriverSpec, InvalidNetworkError, NetworkForm, NetworkSpec, PoolForm, PoolProblem, PoolWish,
        SubnetSpec,
    },
    ports::{NotPublishedError, PortForm, PortMappingError, PortRemoval, are_published, coalesce},
    template::{ConfigError, Template},
    update::{InvalidUpdateError, NetworkUpdate, NetworkUpdateForm},
};

pub(crate) use self::update::Switch;

/// A sandbox to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSpec {
    /// Its identity; drawn at random if absent.
    pub id: Option<SandboxId>,
    /// Who it is for, opaque to the model.
    pub owner: String,
    pub namespace: Namespace,
    pub dns: DnsSettings,
    /// Ports to publish at once. Those that depend on the default host address of
    /// a network are better published by an update after joining.
    pub publish: Vec<PortMapping>,
    pub exposed: Vec<Ports>,
    pub ready: bool,
    /// Who reaches what is published; everybody if empty.
    pub allow: Vec<Allow>,
}

/// What of a sandbox becomes different; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxUpdate {
    pub dns: Option<DnsSettings>,
    /// All that is to be published from now on. What was published the same way
    /// keeps its host ports.
    pub publish: Option<Vec<PortMapping>>,
    pub exposed: Option<Vec<Ports>>,
    pub ready: Option<bool>,
    pub allow: Option<Vec<Allow>>,
}

/// An endpoint to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Its identity; drawn at random if absent.
    pub id: Option<EndpointId>,
    /// Unique on its network.
    pub name: String,
    pub network: NetworkId,
    /// Who it is for, opaque to the model.
    pub owner: String,
    pub settings: EndpointSettings,
}

/// Writes several problems as Docker does: one plain, more as a list.
fn list(f: &mut fmt::Formatter<'_>, title: &str, problems: &[impl fmt::Display]) -> fmt::Result {
    writeln!(f, "{title}")?;
    if let [problem] = problems {
        return write!(f, "{problem}");
    }
    let lines: Vec<_> = problems.iter().map(|problem| format!("* {problem}")).collect();
    f.write_str(&lines.join("\n"))
}
