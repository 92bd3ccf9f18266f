//! Networks as users ask for them.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use ipnet::IpNet;
use thiserror::Error;

use super::template::{ConfigError, Template};
use crate::{
    Family, IpamDriver, NetworkId,
    controller::Kind,
    driver::{
        bridge::{OptionError, Options, parse_bool},
        upper,
    },
    ipam::SERIAL,
};

/// Longest name of a network, in bytes: what fits in one path component.
const NAME_MAX: usize = 255;
const ENABLE_V4: &str = "com.docker.network.enable_ipv4";
const ENABLE_V6: &str = "com.docker.network.enable_ipv6";
/// The IPAM driver that gives no addresses.
const NULL: &str = "null";

/// A network as a user wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkForm {
    pub name: String,
    /// `bridge` if empty.
    pub driver: String,
    /// On if absent.
    pub v4: Option<bool>,
    /// Off if absent.
    pub v6: Option<bool>,
    /// `default` if empty.
    pub ipam_driver: String,
    pub ipam_options: BTreeMap<String, String>,
    pub pools: Vec<PoolForm>,
    pub internal: bool,
    pub attachable: bool,
    /// The driver's if empty.
    pub scope: String,
    /// It is only what others are made with.
    pub config_only: bool,
    /// The network that it is made with ([`NetworkForm::fill_in`]); none if empty.
    pub config_from: String,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// One pool as a user wrote it; what is empty was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolForm {
    /// `10.1.0.0/24`, or `0.0.0.0/24` and `::/64` for any pool of that size.
    pub subnet: String,
    pub range: String,
    pub gateway: String,
    pub auxiliary: BTreeMap<String, String>,
}

/// A network to create, checked as far as it can be without the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSpec {
    pub(crate) id: Option<NetworkId>,
    pub(crate) name: String,
    pub(crate) driver: DriverSpec,
    pub(crate) v4: Vec<SubnetSpec>,
    pub(crate) v6: Vec<SubnetSpec>,
    pub(crate) ipam_driver: IpamDriver,
    pub(crate) ipam_options: BTreeMap<String, String>,
    pub(crate) internal: bool,
    pub(crate) attachable: bool,
    pub(crate) config_from: Option<String>,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// The driver of a network to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverSpec {
    Null,
    Host,
    Config(Template),
    Bridge(Options),
    Upper(upper::Options),
}

/// One pool to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetSpec {
    pub pool: PoolWish,
    pub range: Option<IpNet>,
    pub gateway: Option<IpAddr>,
    pub auxiliary: BTreeMap<String, IpAddr>,
}

impl SubnetSpec {
    /// Any pool, and nothing said of it.
    pub(crate) const ANY: Self =
        Self { pool: PoolWish::Any, range: None, gateway: None, auxiliary: BTreeMap::new() };
}

/// Which pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolWish {
    /// Any of the default pools, cut as configured.
    Any,
    /// Any part of the default pools with this prefix length.
    Length(u8),
    Exact(IpNet),
}

/// Why a network cannot be what the form says.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidNetworkError {
    #[error("invalid name: name is empty")]
    NameEmpty,
    #[error("invalid name: {name:?} is longer than {NAME_MAX} bytes or has control characters")]
    Name { name: String },
    // The blank at the end is Docker's.
    #[error("operation is not permitted on predefined {name} network ")]
    Predefined { name: String },
    #[error("could not find plugin {driver} in v1 plugin registry: plugin not found")]
    UnknownDriver { driver: String },
    #[error("only one instance of \"{driver}\" network is allowed")]
    OnlyOne { driver: String },
    #[error("IPv4 or IPv6 must be enabled")]
    NoFamily,
    #[error("driver-opt \"{option}\" is not a valid bool")]
    NotBool { option: String },
    #[error("unknown IPAM option {option:?}")]
    UnknownIpamOption { option: String },
    #[error("failed to parse IPAM option {option} value: {value:?} (not a boolean)")]
    IpamOption { option: &'static str, value: String },
    #[error("null ipam driver does not handle specific {what} requests")]
    NullIpam { what: &'static str },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{}", Listed(problems))]
    Ipam { problems: Vec<PoolProblem> },
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    UpperOption(#[from] upper::OptionError),
}

impl InvalidNetworkError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NameEmpty
            | Self::Name { .. }
            | Self::NoFamily
            | Self::NotBool { .. }
            | Self::UnknownIpamOption { .. }
            | Self::IpamOption { .. }
            | Self::NullIpam { .. }
            | Self::Ipam { .. }
            | Self::Option(_)
            | Self::UpperOption(_) => Kind::Invalid,
            Self::Predefined { .. } | Self::OnlyOne { .. } => Kind::Forbidden,
            Self::UnknownDriver { .. } => Kind::NotFound,
            Self::Config(error) => error.kind(),
        }
    }
}

/// What is wrong with one pool. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PoolProblem {
    #[error("invalid subnet {text}: invalid CIDR block notation")]
    Subnet { text: String },
    #[error("invalid subnet {subnet}: it should be {should}")]
    SubnetBits { subnet: IpNet, should: IpNet },
    #[error("invalid subnet {subnet}: it overlaps {other}, which is reserved for {what}")]
    Reserved { subnet: IpNet, other: IpNet, what: &'static str },
    #[error("invalid ip-range {text}: invalid CIDR block notation")]
    Range { text: String },
    #[error("invalid ip-range {range}: parent subnet is an {parent} block")]
    RangeFamily { range: IpNet, parent: Family },
    #[error("invalid ip-range {range}: CIDR block is bigger than its parent subnet {subnet}")]
    RangeBigger { range: IpNet, subnet: IpNet },
    #[error("invalid ip-range {range}: it should be {should}")]
    RangeBits { range: IpNet, should: IpNet },
    #[error("invalid ip-range {range}: parent subnet {subnet} doesn't contain ip-range")]
    RangeOutside { range: IpNet, subnet: IpNet },
    #[error("invalid {what} {text}: invalid address")]
    Address { what: String, text: String },
    #[error("invalid {what} {address}: parent subnet is an {parent} block")]
    AddressFamily { what: String, address: IpAddr, parent: Family },
    #[error("invalid {what} {address}: parent subnet {subnet} doesn't contain this address")]
    AddressOutside { what: String, address: IpAddr, subnet: IpNet },
    #[error("every ip-range or gateway must have a corresponding subnet")]
    NoSubnet,
}

struct Listed<'a>(&'a [PoolProblem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::list(f, "invalid network config:", self.0)
    }
}

impl NetworkSpec {
    /// Checks what a user wrote.
    pub fn parse(form: NetworkForm) -> Result<Self, InvalidNetworkError> {
        check_name(&form.name)?;
        let predefined = ["bridge", "host", "none", "default"].contains(&form.name.as_str())
            || form.name.starts_with("container:");
        if predefined {
            return Err(InvalidNetworkError::Predefined { name: form.name });
        }
        if form.config_only {
            return Self::config(form);
        }
        match form.driver.as_str() {
            "" | "bridge" => Self::bridge(form, false),
            "macvlan" => Self::upper(form, upper::Kind::Macvlan(Default::default())),
            "ipvlan" => Self::upper(form, upper::Kind::Ipvlan(Default::default(), Default::default())),
            "host" | "null" => Err(InvalidNetworkError::OnlyOne { driver: form.driver }),
            _ => Err(InvalidNetworkError::UnknownDriver { driver: form.driver }),
        }
    }

    /// The predefined network `bridge`, with the engine's settings.
    pub fn predefined_bridge(form: NetworkForm) -> Result<Self, InvalidNetworkError> {
        Self::bridge(NetworkForm { name: "bridge".to_owned(), ..form }, true)
    }

    /// The predefined network `host`.
    pub fn predefined_host() -> Self {
        Self::bare("host", DriverSpec::Host)
    }

    /// The predefined network `none`.
    pub fn predefined_none() -> Self {
        Self::bare("none", DriverSpec::Null)
    }

    /// The same with an identity that was chosen before.
    #[must_use]
    pub const fn with_id(mut self, id: NetworkId) -> Self {
        self.id = Some(id);
        self
    }

    pub(super) fn bare(name: &str, driver: DriverSpec) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            driver,
            v4: Vec::new(),
            v6: Vec::new(),
            ipam_driver: IpamDriver::Default,
            ipam_options: BTreeMap::new(),
            internal: false,
            attachable: false,
            config_from: None,
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    fn bridge(form: NetworkForm, default: bool) -> Result<Self, InvalidNetworkError> {
        let options = Options::parse(&form.options, default)?;
        options.check(form.internal)?;
        Self::addressed(form, DriverSpec::Bridge(options))
    }

    /// A network on a link of the host; on one that leads nowhere it is internal.
    fn upper(form: NetworkForm, default: upper::Kind) -> Result<Self, InvalidNetworkError> {
        let options = upper::Options::parse(&form.options, default)?;
        let internal = form.internal || options.parent.is_none();
        Self::addressed(NetworkForm { internal, ..form }, DriverSpec::Upper(options))
    }

    fn addressed(form: NetworkForm, driver: DriverSpec) -> Result<Self, InvalidNetworkError> {
        let mut spec = Self::bare(&form.name, driver);
        check_ipam(&form)?;
        let v4 = family_wanted(form.v4, &form.options, ENABLE_V4)?.unwrap_or(true);
        let v6 = family_wanted(form.v6, &form.options, ENABLE_V6)?.unwrap_or(false);
        if !v4 && !v6 {
            return Err(InvalidNetworkError::NoFamily);
        }
        if form.ipam_driver == NULL {
            spec.ipam_driver = IpamDriver::Null { v4, v6 };
        } else {
            (spec.v4, spec.v6) = subnets(&form.pools, v4, v6)?;
        }
        Ok(Self {
            ipam_options: form.ipam_options,
            config_from: Some(form.config_from).filter(|name| !name.is_empty()),
            internal: form.internal,
            attachable: form.attachable,
            options: form.options,
            labels: form.labels,
            ..spec
        })
    }
}

fn check_name(name: &str) -> Result<(), InvalidNetworkError> {
    if name.trim().is_empty() {
        return Err(InvalidNetworkError::NameEmpty);
    }
    if name.len() > NAME_MAX || name.contains(char::is_control) {
        return Err(InvalidNetworkError::Name { name: name.to_owned() });
    }
    Ok(())
}

/// Checks who is to give addresses, and by which options.
pub(super) fn check_ipam(form: &NetworkForm) -> Result<(), InvalidNetworkError> {
    match form.ipam_driver.as_str() {
        "" | "default" => {}
        NULL => return check_null_ipam(form),
        driver => return Err(InvalidNetworkError::UnknownDriver { driver: driver.to_owned() }),
    }
    form.ipam_options.iter().try_for_each(|(option, value)| match option.as_str() {
        SERIAL if parse_bool(value).is_some() => Ok(()),
        SERIAL => Err(InvalidNetworkError::IpamOption { option: SERIAL, value: value.clone() }),
        _ => Err(InvalidNetworkError::UnknownIpamOption { option: option.clone() }),
    })
}

/// Where nobody gives addresses nothing can be said of them.
fn check_null_ipam(form: &NetworkForm) -> Result<(), InvalidNetworkError> {
    if let Some(option) = form.ipam_options.keys().next() {
        return Err(InvalidNetworkError::UnknownIpamOption { option: option.clone() });
    }
    let is_given = |text: fn(&PoolForm) -> &str| form.pools.iter().any(|pool| !text(pool).is_empty());
    let what = [
        ("address pool", is_given(|pool| &pool.subnet)),
        ("address subpool", is_given(|pool| &pool.range)),
        ("gateway", is_given(|pool| &pool.gateway)),
        ("auxiliary address", form.pools.iter().any(|pool| !pool.auxiliary.is_empty())),
    ];
    match what.iter().find(|(_, given)| *given) {
        Some((what, _)) => Err(InvalidNetworkError::NullIpam { what }),
        None => Ok(()),
    }
}

/// Whether a family is wanted: the request's own field, else the option.
fn family_wanted(
    field: Option<bool>,
    options: &BTreeMap<String, String>,
    option: &str,
) -> Result<Option<bool>, InvalidNetworkError> {
    if field.is_some() {
        return Ok(field);
    }
    let invalid = || InvalidNetworkError::NotBool { option: option.to_owned() };
    options.get(option).map(|value| parse_bool(value).ok_or_else(invalid)).transpose()
}

/// The subnets of both families, every problem collected; a family that is on and has none gets any.
pub(super) fn subnets(
    pools: &[PoolForm],
    v4: bool,
    v6: bool,
) -> Result<(Vec<SubnetSpec>, Vec<SubnetSpec>), InvalidNetworkError> {
    let mut problems = Vec::new();
    let parsed = pools.iter().filter_map(|form| subnet(form, v6, &mut problems));
    let (mut subnets4, mut subnets6) = (Vec::new(), Vec::new());
    for (family, subnet) in parsed {
        match family {
            Family::V4 => subnets4.push(subnet),
            Family::V6 => subnets6.push(subnet),
        }
    }
    if !problems.is_empty() {
        return Err(InvalidNetworkError::Ipam { problems });
    }
    Ok((or_any(v4, subnets4), or_any(v6, subnets6)))
}

fn or_any(wanted: bool, subnets: Vec<SubnetSpec>) -> Vec<SubnetSpec> {
    match (wanted, subnets.is_empty()) {
        (false, _) => Vec::new(),
        (true, false) => subnets,
        (true, true) => {
            vec![SubnetSpec::ANY]
        }
    }
}

/// One pool; none if it has problems, or is of IPv6 while IPv6 is off.
fn subnet(form: &PoolForm, v6: bool, problems: &mut Vec<PoolProblem>) -> Option<(Family, SubnetSpec)> {
    if form.subnet.is_empty() {
        return unnamed_subnet(form, problems);
    }
    let Ok(subnet) = form.subnet.parse::<IpNet>() else {
        problems.push(PoolProblem::Subnet { text: form.subnet.clone() });
        return None;
    };
    let family = Family::of(&subnet.addr());
    if family == Family::V6 && !v6 {
        return None;
    }
    if subnet != subnet.trunc() {
        problems.push(PoolProblem::SubnetBits { subnet, should: subnet.trunc() });
    }
    if subnet.addr().is_unspecified() && subnet.prefix_len() > 0 {
        let pool = PoolWish::Length(subnet.prefix_len());
        return unnamed_subnet(form, problems).map(|(_, spec)| (family, SubnetSpec { pool, ..spec }));
    }
    problems.extend(reserved(subnet));
    let range = Some(&form.range).filter(|text| !text.is_empty());
    let range =
        range.and_then(|text| parse_range(text, subnet).map_err(|problem| problems.push(problem)).ok());
    let gateway = Some(&form.gateway).filter(|text| !text.is_empty());
    let mut address = |what: String, text: &str| {
        parse_address(what, text, subnet).map_err(|problem| problems.push(problem)).ok()
    };
    let gateway = gateway.and_then(|text| address("gateway".to_owned(), text));
    let auxiliary = form.auxiliary.iter().filter_map(|(name, text)| {
        address(format!("auxiliary address {name}"), text).map(|address| (name.clone(), address))
    });
    Some((
        family,
        SubnetSpec { pool: PoolWish::Exact(subnet), range, auxiliary: auxiliary.collect(), gateway },
    ))
}

/// What no network of endpoints can be, with what it is for (RFC 6890).
const RESERVED: [(&str, &str); 6] = [
    ("0.0.0.0/8", "this host"),
    ("127.0.0.0/8", "loopback"),
    ("224.0.0.0/4", "multicast"),
    ("::/127", "loopback"),
    ("ff00::/8", "multicast"),
    ("fe80::/10", "link-local addresses"),
];

/// Why a subnet cannot be a pool. The link-local prefix as a whole can: it is what
/// every link has anyway.
fn reserved(subnet: IpNet) -> Option<PoolProblem> {
    let reserved = RESERVED.iter().map(|(net, what)| (net.parse::<IpNet>().expect("a network"), *what));
    let mut met = reserved.filter(|(other, _)| other.contains(&subnet) || subnet.contains(other));
    let allowed = subnet.to_string() == "fe80::/64";
    met.next().filter(|_| !allowed).map(|(other, what)| PoolProblem::Reserved { subnet, other, what })
}

/// A pool that the engine chooses: nothing in it can have been named.
fn unnamed_subnet(form: &PoolForm, problems: &mut Vec<PoolProblem>) -> Option<(Family, SubnetSpec)> {
    if !form.range.is_empty() || !form.gateway.is_empty() || !form.auxiliary.is_empty() {
        problems.push(PoolProblem::NoSubnet);
        return None;
    }
    Some((Family::V4, SubnetSpec::ANY))
}

fn parse_range(text: &str, subnet: IpNet) -> Result<IpNet, PoolProblem> {
    let range: IpNet = text.parse().map_err(|_| PoolProblem::Range { text: text.to_owned() })?;
    let parent = Family::of(&subnet.addr());
    if Family::of(&range.addr()) != parent {
        return Err(PoolProblem::RangeFamily { range, parent });
    }
    if range.prefix_len() < subnet.prefix_len() {
        return Err(PoolProblem::RangeBigger { range, subnet });
    }
    if range != range.trunc() {
        return Err(PoolProblem::RangeBits { range, should: range.trunc() });
    }
    if subnet.contains(&range) { Ok(range) } else { Err(PoolProblem::RangeOutside { range, subnet }) }
}

fn parse_address(what: String, text: &str, subnet: IpNet) -> Result<IpAddr, PoolProblem> {
    let Ok(address) = text.parse::<IpAddr>() else {
        return Err(PoolProblem::Address { what, text: text.to_owned() });
    };
    let parent = Family::of(&subnet.addr());
    if Family::of(&address) != parent {
        return Err(PoolProblem::AddressFamily { what, address, parent });
    }
    if subnet.contains(&address) {
        Ok(address)
    } else {
        Err(PoolProblem::AddressOutside { what, address, subnet })
    }
}
