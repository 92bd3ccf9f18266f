//! A container as it is stored.
//!
//! Every record carries a version; a field that is added raises it, unless it may be absent, and
//! [`Stored::read`] knows every version there ever was.

mod fields;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use fields::{mappings, maybe_time, parse, ports, time};

use crate::{
    ContainerId, ContainerSpec, EndpointSpec, Health, State,
    cnm::{EndpointId, NetworkId, SandboxId},
    error::StoreError,
};

/// The version this engine writes.
const VERSION: u32 = 1;

/// All that is known of a container that must outlive the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) id: ContainerId,
    pub(crate) name: String,
    #[serde(with = "time")]
    pub(crate) created: Timestamp,
    #[serde(with = "shared")]
    pub(crate) spec: Arc<ContainerSpec>,
    /// `sha256:…`; absent where the root is a directory.
    pub(crate) image: Option<String>,
    pub(crate) state: State,
    /// Absent where nothing tests it, and in records of engines before this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<Health>,
    pub(crate) restart_count: u32,
    /// It was stopped on purpose: no policy starts it again, not even at the engine's start.
    pub(crate) stopped: bool,
    /// It has been started once, so that it has its files.
    pub(crate) has_started: bool,
    /// By the network's name, or what the user wrote where there is no such network yet.
    pub(crate) connections: BTreeMap<String, ConnectionRecord>,
    /// The sandbox it lives in while it runs: its own, or that of another container.
    pub(crate) sandbox: Option<SandboxId>,
    /// Volumes by the target they are mounted on.
    pub(crate) volumes: BTreeMap<String, VolumeUse>,
}

/// One connection to one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionRecord {
    pub(crate) spec: EndpointSpec,
    pub(crate) network: Option<NetworkId>,
    /// The endpoint that keeps its addresses, once there is one.
    pub(crate) endpoint: Option<EndpointId>,
    /// Later connections have greater ones. All that a container was created with have none, so that
    /// they are in the order of their names.
    #[serde(default, skip_serializing_if = "is_first")]
    pub(crate) order: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_first(order: &u32) -> bool {
    *order == 0
}

/// A volume that a container mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VolumeUse {
    /// The volume's id. The first engines stored its name, which was its id.
    #[serde(alias = "name")]
    pub(crate) id: String,
    /// It was made up for this container and goes with it.
    pub(crate) anonymous: bool,
}

impl Record {
    /// The order of a connection that is made now.
    pub(crate) fn next_order(&self) -> u32 {
        let last = self.connections.values().map(|connection| connection.order).max();
        last.map_or(1, |last| last.saturating_add(1))
    }

    /// A container that was just made.
    pub(crate) fn new(name: &str, spec: ContainerSpec) -> Self {
        Self {
            id: ContainerId::random(),
            name: name.to_owned(),
            created: Timestamp::now(),
            spec: Arc::new(spec),
            image: None,
            state: State::default(),
            health: None,
            restart_count: 0,
            stopped: false,
            has_started: false,
            connections: BTreeMap::new(),
            sandbox: None,
            volumes: BTreeMap::new(),
        }
    }
}

/// A record with its version, as it lies on disk.
#[derive(Serialize)]
pub(crate) struct Stored<'a> {
    version: u32,
    record: &'a Record,
}

/// What can be told of a record whatever its version.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
    record: serde_json::Value,
}

impl Stored<'_> {
    /// A record as it is written.
    pub(crate) fn bytes(record: &Record) -> Vec<u8> {
        serde_json::to_vec(&Stored { version: VERSION, record }).expect("a record is JSON")
    }

    /// A record as it was written, by this engine or an older one.
    pub(crate) fn read(id: &str, bytes: &[u8]) -> Result<Record, StoreError> {
        let damaged = |source| StoreError::Damaged { id: id.to_owned(), source };
        let versioned: Versioned = serde_json::from_slice(bytes).map_err(damaged)?;
        match versioned.version {
            VERSION => serde_json::from_value(versioned.record).map_err(damaged),
            version => Err(StoreError::Version { id: id.to_owned(), version }),
        }
    }
}

/// A specification behind an `Arc`, stored as itself.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::ContainerSpec;

    pub(super) fn serialize<S: Serializer>(
        spec: &Arc<ContainerSpec>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        ContainerSpec::serialize(spec, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<ContainerSpec>, D::Error> {
        ContainerSpec::deserialize(deserializer).map(Arc::new)
    }
}

#[cfg(test)]
mod tests;
