//! Configurations: networks that are nothing but what other networks are made with.

use thiserror::Error;

use super::{
    DriverSpec, InvalidNetworkError, NetworkForm, NetworkSpec, PoolForm,
    network::{check_ipam, subnets},
};
use crate::{Model, Network, controller::Kind};

/// What networks are made with, besides options and labels. It is kept as the user wrote it:
/// each network that is made with it asks for addresses of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    pub v4: Option<bool>,
    pub v6: Option<bool>,
    pub ipam_driver: String,
    pub pools: Vec<PoolForm>,
}

/// Why a network cannot be a configuration, or be made with one. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    #[error(
        "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported."
    )]
    OperatorField,
    #[error("a configuration network cannot depend on another configuration network")]
    Nested,
    #[error(
        "user-specified configurations are not supported if the network depends on a configuration network"
    )]
    OwnConfiguration,
    #[error("network driver options are not supported if the network depends on a configuration network")]
    OwnOptions,
    #[error("configuration network {name:?} does not exist")]
    NotFound { name: String },
}

impl ConfigError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::OperatorField | Self::Nested | Self::OwnConfiguration | Self::OwnOptions => Kind::Forbidden,
            Self::NotFound { .. } => Kind::NotFound,
        }
    }
}

impl Template {
    /// The configuration of this name.
    pub(crate) fn find<'a>(model: &'a Model, name: &str) -> Result<(&'a Network, &'a Self), ConfigError> {
        let not_found = || ConfigError::NotFound { name: name.to_owned() };
        let network = model.network_by_name(name).ok_or_else(not_found)?;
        Ok((network, network.template().ok_or_else(not_found)?))
    }
}

impl NetworkForm {
    /// The form with all that the configuration says that it names; the same if it names none.
    ///
    /// # Errors
    /// If there is no such configuration, or the form says something of its own beside it.
    pub fn fill_in(self, model: &Model) -> Result<Self, ConfigError> {
        if self.config_from.is_empty() {
            return Ok(self);
        }
        if self.config_only {
            return Err(ConfigError::Nested);
        }
        let is_own_ipam = !["", "default"].contains(&self.ipam_driver.as_str())
            || !self.ipam_options.is_empty()
            || !self.pools.is_empty();
        let is_own_family = self.v4 == Some(false) || self.v6 == Some(true);
        if is_own_ipam || is_own_family || !self.labels.is_empty() {
            return Err(ConfigError::OwnConfiguration);
        }
        if !self.options.is_empty() {
            return Err(ConfigError::OwnOptions);
        }
        let (network, template) = Template::find(model, &self.config_from)?;
        let Template { v4, v6, ipam_driver, pools } = template.clone();
        Ok(Self {
            v4,
            v6,
            ipam_driver,
            pools,
            ipam_options: network.ipam.options.clone(),
            options: network.options.clone(),
            labels: network.labels.clone(),
            ..self
        })
    }
}

impl NetworkSpec {
    /// A configuration: its addresses are checked now, its options by the driver that is given them.
    pub(super) fn config(form: NetworkForm) -> Result<Self, InvalidNetworkError> {
        if form.internal || form.attachable || !form.scope.is_empty() {
            return Err(ConfigError::OperatorField.into());
        }
        check_ipam(&form)?;
        let NetworkForm { name, v4, v6, ipam_driver, ipam_options, pools, options, labels, .. } = form;
        subnets(&pools, v4.unwrap_or(true), v6.unwrap_or(false))?;
        let template = Template { v4, v6, ipam_driver, pools };
        Ok(Self { ipam_options, options, labels, ..Self::bare(&name, DriverSpec::Config(template)) })
    }
}
