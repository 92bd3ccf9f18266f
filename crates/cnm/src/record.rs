//! The stored form of networks, sandboxes and endpoints: a version, and plain fields.
//!
//! The model may change as it likes; what is on disk may not. A field that is changed
//! raises the version in the same commit, and so does a new one, unless it is absent from
//! a record that says nothing by it. A committed file of every version is read by a test.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Delta, Endpoint, EndpointId, Model, Network, NetworkId, Sandbox, SandboxId};

mod v1;
mod v2;

/// A stored network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum NetworkRecord {
    #[serde(rename = "1")]
    V1(v1::Network),
    #[serde(rename = "2")]
    V2(v2::Network),
}

/// A stored sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum SandboxRecord {
    #[serde(rename = "1")]
    V1(v1::Sandbox),
}

/// A stored endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum EndpointRecord {
    #[serde(rename = "1")]
    V1(v1::Endpoint),
}

/// Every version is read, the last one is written.
macro_rules! convert {
    ($entity:ident, $record:ident { $($old:ident)*; $last:ident }) => {
        impl From<&$entity> for $record {
            fn from(entity: &$entity) -> Self {
                Self::$last(entity.clone().into())
            }
        }

        impl From<$record> for $entity {
            fn from(record: $record) -> Self {
                match record {
                    $($record::$old(record) => record.into(),)*
                    $record::$last(record) => record.into(),
                }
            }
        }
    };
}

convert!(Network, NetworkRecord { V1; V2 });
convert!(Sandbox, SandboxRecord { ; V1 });
convert!(Endpoint, EndpointRecord { ; V1 });

/// Why stored entities make no model.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    #[error("endpoint {endpoint} is on network {network}, which does not exist")]
    NoNetwork { endpoint: EndpointId, network: NetworkId },
    #[error("endpoint {endpoint} has joined sandbox {sandbox}, which does not exist")]
    NoSandbox { endpoint: EndpointId, sandbox: SandboxId },
    #[error("{what} is held twice")]
    Twice { what: &'static str },
}

impl Model {
    /// The model with all that was stored.
    pub fn load(
        networks: impl IntoIterator<Item = NetworkRecord>,
        sandboxes: impl IntoIterator<Item = SandboxRecord>,
        endpoints: impl IntoIterator<Item = EndpointRecord>,
    ) -> Result<Self, LoadError> {
        let mut all = Delta::default();
        networks.into_iter().for_each(|record| all.put_network(record.into()));
        sandboxes.into_iter().for_each(|record| all.put_sandbox(record.into()));
        endpoints.into_iter().for_each(|record| all.put_endpoint(record.into()));
        all.endpoints.values().flatten().try_for_each(|endpoint| check(&all, endpoint))?;
        let model = Self::default().apply(&all);
        match model.held_twice() {
            Some(what) => Err(LoadError::Twice { what }),
            None => Ok(model),
        }
    }
}

fn check(all: &Delta, endpoint: &Arc<Endpoint>) -> Result<(), LoadError> {
    let Endpoint { id, network, .. } = &**endpoint;
    if !all.networks.contains_key(network) {
        return Err(LoadError::NoNetwork { endpoint: *id, network: *network });
    }
    match endpoint.sandbox() {
        Some(sandbox) if !all.sandboxes.contains_key(sandbox) => {
            Err(LoadError::NoSandbox { endpoint: *id, sandbox: *sandbox })
        }
        _ => Ok(()),
    }
}
