//! What a network is to become.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{InvalidNetworkError, PoolForm, SubnetSpec, network::subnets};
use crate::{Family, controller::Kind};

/// What of a network becomes different, as a user wrote it; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkUpdateForm {
    pub v4: Option<bool>,
    pub v6: Option<bool>,
    /// Of families that are switched on.
    pub pools: Vec<PoolForm>,
    /// Options of the driver; `None` takes one back.
    pub options: BTreeMap<String, Option<String>>,
    /// `None` removes one.
    pub labels: BTreeMap<String, Option<String>>,
}

/// What of a network becomes different, checked as far as it can be without the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkUpdate {
    pub(crate) v4: Option<Switch>,
    pub(crate) v6: Option<Switch>,
    pub(crate) options: BTreeMap<String, Option<String>>,
    pub(crate) labels: BTreeMap<String, Option<String>>,
}

/// What becomes of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// The network has it, with these pools if it did not have it before.
    On(Vec<SubnetSpec>),
    Off,
}

/// Why an update makes no sense.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidUpdateError {
    #[error("subnet {subnet} is of a family that is not switched on: the subnets of a network stay")]
    Subnet { subnet: String },
    #[error(transparent)]
    Network(#[from] InvalidNetworkError),
}

impl InvalidUpdateError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Subnet { .. } => Kind::Invalid,
            Self::Network(error) => error.kind(),
        }
    }
}

impl NetworkUpdate {
    /// Checks what a user wrote.
    pub fn parse(form: NetworkUpdateForm) -> Result<Self, InvalidUpdateError> {
        let NetworkUpdateForm { v4, v6, pools, options, labels } = form;
        let (on4, on6) = (v4 == Some(true), v6 == Some(true));
        let is_of_other = |pool: &&PoolForm| if pool.subnet.contains(':') { !on6 } else { !on4 };
        if let Some(pool) = pools.iter().find(is_of_other) {
            return Err(InvalidUpdateError::Subnet { subnet: pool.subnet.clone() });
        }
        let (subnets4, subnets6) = subnets(&pools, on4, on6)?;
        let switch = |on: bool, subnets| if on { Switch::On(subnets) } else { Switch::Off };
        Ok(Self {
            v4: v4.map(|on| switch(on, subnets4)),
            v6: v6.map(|on| switch(on, subnets6)),
            options,
            labels,
        })
    }

    /// What becomes of a family.
    pub(crate) const fn switch(&self, family: Family) -> Option<&Switch> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    /// Whether pools are to be found for it.
    pub fn needs_pools(&self) -> bool {
        Family::BOTH.into_iter().any(|family| matches!(self.switch(family), Some(Switch::On(_))))
    }
}
