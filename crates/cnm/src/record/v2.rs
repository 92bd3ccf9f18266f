//! Version 2 of networks: how they are reached from elsewhere. Never changed once released.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use super::v1::{Subnet, all};
use crate::{NetworkId, access::Allow, driver::bridge, model, spec};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    id: NetworkId,
    name: String,
    driver: Driver,
    v4: Vec<Subnet>,
    v6: Vec<Subnet>,
    #[serde(default, skip_serializing_if = "IpamDriver::is_default")]
    ipam_driver: IpamDriver,
    ipam_options: BTreeMap<String, String>,
    internal: bool,
    attachable: bool,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config_from: Option<String>,
    created: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Driver {
    Null,
    Host,
    Config(Config),
    Bridge(Bridge),
    Upper(upper::Upper),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum IpamDriver {
    #[default]
    Default,
    Null {
        v4: bool,
        v6: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    v4: Option<bool>,
    v6: Option<bool>,
    ipam_driver: String,
    pools: Vec<Pool>,
}

/// A pool as a user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    subnet: String,
    range: String,
    gateway: String,
    auxiliary: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bridge {
    link: String,
    mtu: u32,
    inter_container: bool,
    masquerade: bool,
    host_binding: Option<IpAddr>,
    interface_prefix: String,
    default: bool,
    gateway_v4: GatewayMode,
    gateway_v6: GatewayMode,
    trusted: Vec<String>,
    inhibit_v4: bool,
    source_v4: Option<Ipv4Addr>,
    source_v6: Option<Ipv6Addr>,
    announcement: Announcement,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publish: Option<bridge::PublishDefault>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow: Vec<Allow>,
    #[serde(default, skip_serializing_if = "is_default")]
    egress: bridge::Egress,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GatewayMode {
    Nat,
    Unprotected,
    Routed,
    Isolated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Announcement {
    count: u8,
    interval: u16,
}

/// Both directions between two structs with the same fields.
macro_rules! both {
    ($model:path, $record:ident, { $($field:ident),* $(,)? }) => {
        impl From<$model> for $record {
            fn from(value: $model) -> Self {
                let $model { $($field),* } = value;
                Self { $($field: $field.into()),* }
            }
        }

        impl From<$record> for $model {
            fn from($record { $($field),* }: $record) -> Self {
                Self { $($field: $field.into()),* }
            }
        }
    };
}

/// Both directions between two enums with the same plain variants.
macro_rules! variants {
    ($model:path, $record:ident { $($variant:ident),* }) => {
        impl From<$model> for $record {
            fn from(value: $model) -> Self {
                use $model as Model;
                match value {
                    $(Model::$variant => Self::$variant),*
                }
            }
        }

        impl From<$record> for $model {
            fn from(value: $record) -> Self {
                match value {
                    $($record::$variant => Self::$variant),*
                }
            }
        }
    };
}

mod upper;

both!(bridge::Config, Bridge, {
    link, mtu, inter_container, masquerade, host_binding, interface_prefix, default, gateway_v4, gateway_v6,
    trusted, inhibit_v4, source_v4, source_v6, announcement, publish, allow, egress,
});
both!(spec::PoolForm, Pool, { subnet, range, gateway, auxiliary });
both!(bridge::Announcement, Announcement, { count, interval });
variants!(bridge::GatewayMode, GatewayMode { Nat, Unprotected, Routed, Isolated });

impl From<model::Driver> for Driver {
    fn from(driver: model::Driver) -> Self {
        match driver {
            model::Driver::Null => Self::Null,
            model::Driver::Host => Self::Host,
            model::Driver::Config(template) => Self::Config(template.into()),
            model::Driver::Bridge(config) => Self::Bridge(config.into()),
            model::Driver::Upper(config) => Self::Upper(config.into()),
        }
    }
}

impl From<Driver> for model::Driver {
    fn from(driver: Driver) -> Self {
        match driver {
            Driver::Null => Self::Null,
            Driver::Host => Self::Host,
            Driver::Config(template) => Self::Config(template.into()),
            Driver::Bridge(config) => Self::Bridge(config.into()),
            Driver::Upper(config) => Self::Upper(config.into()),
        }
    }
}

impl From<spec::Template> for Config {
    fn from(template: spec::Template) -> Self {
        let spec::Template { v4, v6, ipam_driver, pools } = template;
        Self { v4, v6, ipam_driver, pools: all(pools) }
    }
}

impl From<Config> for spec::Template {
    fn from(config: Config) -> Self {
        let Config { v4, v6, ipam_driver, pools } = config;
        Self { v4, v6, ipam_driver, pools: all(pools) }
    }
}

impl IpamDriver {
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

impl From<model::IpamDriver> for IpamDriver {
    fn from(driver: model::IpamDriver) -> Self {
        match driver {
            model::IpamDriver::Default => Self::Default,
            model::IpamDriver::Null { v4, v6 } => Self::Null { v4, v6 },
        }
    }
}

impl From<IpamDriver> for model::IpamDriver {
    fn from(driver: IpamDriver) -> Self {
        match driver {
            IpamDriver::Default => Self::Default,
            IpamDriver::Null { v4, v6 } => Self::Null { v4, v6 },
        }
    }
}

impl From<model::Network> for Network {
    fn from(network: model::Network) -> Self {
        let model::Network { id, name, driver, ipam, internal, attachable, .. } = network;
        let model::Network { options, labels, config_from, created, .. } = network;
        let model::Ipam { driver: ipam_driver, v4, v6, options: ipam_options } = ipam;
        let (v4, v6, driver, ipam_driver) = (all(v4), all(v6), driver.into(), ipam_driver.into());
        Self {
            id,
            name,
            driver,
            v4,
            v6,
            ipam_driver,
            ipam_options,
            internal,
            attachable,
            options,
            labels,
            config_from,
            created,
        }
    }
}

impl From<Network> for model::Network {
    fn from(network: Network) -> Self {
        let Network { id, name, driver, v4, v6, ipam_driver, ipam_options, .. } = network;
        let Network { internal, attachable, options, labels, config_from, created, .. } = network;
        let (driver, ipam_driver) = (driver.into(), ipam_driver.into());
        let ipam = model::Ipam { driver: ipam_driver, v4: all(v4), v6: all(v6), options: ipam_options };
        Self { id, name, driver, ipam, internal, attachable, options, labels, config_from, created }
    }
}
