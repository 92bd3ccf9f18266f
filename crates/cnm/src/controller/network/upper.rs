//! Networks on a link of the host: which link it is, and who is on it already.

use thiserror::Error;

use super::super::{Context, HostLink, Kind};
use crate::{
    Model, Network, NetworkId,
    driver::upper::{self, Config, Options, Parent, vlan},
};

/// Why a network cannot be on a link. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParentError {
    #[error("the requested parent interface {link} was not found on the Docker host")]
    NotFound { link: String },
    #[error("loopback interface is not a valid {driver} parent link")]
    Loopback { driver: &'static str },
    #[error("vlan id must be between 1-4094, received: {id}")]
    Vlan { id: String },
    #[error("cannot use mode passthru, macvlan network {other} is already using parent interface {link}")]
    Shared { other: String, link: String },
    #[error("macvlan network {other} is already using parent interface {link} in mode passthru")]
    Alone { other: String, link: String },
    #[error("network {other} is already using parent interface {link}")]
    Taken { other: String, link: String },
}

impl ParentError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::Loopback { .. } | Self::Vlan { .. } => Kind::Invalid,
            Self::Shared { .. } | Self::Alone { .. } | Self::Taken { .. } => Kind::Forbidden,
        }
    }
}

/// The links of the host that must be known for a decision about such a network: its parent, and what
/// that would be a VLAN of.
pub(crate) fn links(options: &Options) -> impl Iterator<Item = &str> {
    let parent = options.parent.as_deref();
    parent.into_iter().chain(parent.and_then(vlan).map(|(on, _)| on))
}

/// What a network with these options is on the host as it is.
pub(super) fn config(
    model: &Model,
    id: &NetworkId,
    options: &Options,
    context: &Context<'_>,
) -> Result<Config, ParentError> {
    let Some(link) = &options.parent else { return Ok(options.config(options.dummy(id))) };
    let parent = parent(link, options.kind, context)?;
    model.networks_on(parent.name()).try_for_each(|other| shares(other, options.kind, link))?;
    Ok(options.config(parent))
}

/// A link that is there, or the VLAN of one that is there.
fn parent(link: &str, kind: upper::Kind, context: &Context<'_>) -> Result<Parent, ParentError> {
    let links = &context.host.links;
    let not_found = || ParentError::NotFound { link: link.to_owned() };
    match (links.get(link), vlan(link)) {
        (Some(HostLink::Loopback), _) => Err(ParentError::Loopback { driver: kind.name() }),
        (Some(HostLink::Other), _) | (Some(HostLink::Ours), None) => Ok(Parent::Link(link.to_owned())),
        (None, None) => Err(not_found()),
        (None | Some(HostLink::Ours), Some((on, number))) => {
            let invalid = || ParentError::Vlan { id: number.to_owned() };
            match links.get(on) {
                None => Err(not_found()),
                Some(HostLink::Loopback) => Err(ParentError::Loopback { driver: kind.name() }),
                Some(HostLink::Ours | HostLink::Other) => {
                    let id = number.parse().ok().filter(|id| (1..=4094).contains(id)).ok_or_else(invalid)?;
                    Ok(Parent::Vlan { name: link.to_owned(), on: on.to_owned(), id })
                }
            }
        }
    }
}

/// Whether a network can share a link with another one: the kernel has either macvlan or ipvlan links on it.
fn shares(other: &Network, kind: upper::Kind, link: &str) -> Result<(), ParentError> {
    let Some(config) = other.upper() else { return Ok(()) };
    let (other, link) = (other.name.clone(), link.to_owned());
    match (config.kind, kind) {
        (upper::Kind::Macvlan(_), upper::Kind::Macvlan(_)) if kind.is_alone() => {
            Err(ParentError::Shared { other, link })
        }
        (upper::Kind::Macvlan(_), upper::Kind::Macvlan(_)) if config.kind.is_alone() => {
            Err(ParentError::Alone { other, link })
        }
        (upper::Kind::Macvlan(_), upper::Kind::Macvlan(_)) => Ok(()),
        (upper::Kind::Ipvlan(..), _) | (_, upper::Kind::Ipvlan(..)) => {
            Err(ParentError::Taken { other, link })
        }
    }
}
