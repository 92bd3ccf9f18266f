//! The bridge driver's options: from labels to what they mean.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Config, Egress, GatewayMode, PublishDefault};
use crate::{
    Family, NetworkId,
    access::{ALLOW, AllowError, allow_list},
    spec::EndpointProblem,
};

/// Longest name of a link, in bytes (IFNAMSIZ without its end, `linux/if.h`).
pub(crate) const LINK_NAME_MAX: usize = 15;
/// The bridge of the engine's default network.
const DEFAULT_LINK: &str = "p0";
/// In bytes: what Ethernet carries (RFC 894).
pub(super) const MTU: u32 = 1500;
/// In bytes: the least that IPv4 asks for (RFC 791); what a link may have (`ETH_MAX_MTU`).
const MTU_RANGE: std::ops::RangeInclusive<u32> = 68..=65_535;

const NAME: &str = "com.docker.network.bridge.name";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const ICC: &str = "com.docker.network.bridge.enable_icc";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const DEFAULT: &str = "com.docker.network.bridge.default_bridge";
const DRIVER_MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
const ENABLE_V4: &str = "com.docker.network.enable_ipv4";
const ENABLE_V6: &str = "com.docker.network.enable_ipv6";
const MODE_V4: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const MODE_V6: &str = "com.docker.network.bridge.gateway_mode_ipv6";
const INHIBIT_V4: &str = "com.docker.network.bridge.inhibit_ipv4";
const TRUSTED: &str = "com.docker.network.bridge.trusted_host_interfaces";
const SOURCE_V4: &str = "com.docker.network.host_ipv4";
const SOURCE_V6: &str = "com.docker.network.host_ipv6";
const ANNOUNCEMENTS: &str = "com.docker.network.advertise_addr_nmsgs";
const ANNOUNCEMENT_INTERVAL: &str = "com.docker.network.advertise_addr_ms";
const PUBLISH: &str = "tombolo.publish.default";
pub(crate) const EGRESS: &str = "tombolo.egress";
const PEERS: &str = "tombolo.peers";

/// An endpoint's option: the exact name of its interface.
pub(crate) const INTERFACE: &str = "com.docker.network.endpoint.ifname";
/// An endpoint's option: `net.ipv4.conf.IFNAME.name=value,…`.
pub(crate) const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// What the options of a bridge network say, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// All but the link's name, which may depend on the network's id.
    config: Config,
    link: Option<String>,
    /// What `enable_icc` and `tombolo.peers` say, each.
    talk: [Option<bool>; 2],
}

/// Why an option is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OptionError {
    #[error("failed to parse {option} value: {value:?} ({reason})")]
    Value { option: String, value: String, reason: &'static str },
    #[error("unknown option {option:?} of the bridge driver")]
    Unknown { option: String },
    #[error("gateway mode 'isolated' can only be used for an internal network")]
    Isolated,
    #[error("options {one} and {other} of the bridge driver contradict each other")]
    Contradiction { one: &'static str, other: &'static str },
    #[error("invalid {option}: {problem}")]
    Allow { option: &'static str, problem: AllowError },
    #[error("an internal network leads nowhere: {EGRESS} cannot be 'internet'")]
    Egress,
    #[error("option {option} of the bridge driver cannot be {value:?}: it is the engine's own word")]
    Unsupported { option: String, value: String },
}

impl Options {
    /// Parses all options; `default` is the engine's own word on whether this is its default network.
    pub fn parse(labels: &BTreeMap<String, String>, default: bool) -> Result<Self, OptionError> {
        let config = Config { default, ..Config::new(String::new()) };
        let mut options = Self { config, link: None, talk: [None; 2] };
        labels.iter().try_for_each(|(option, value)| options.set(option, value))?;
        options.settle()?;
        Ok(options)
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), OptionError> {
        let invalid =
            |reason| OptionError::Value { option: option.to_owned(), value: value.to_owned(), reason };
        let boolean = || parse_bool(value).ok_or_else(|| invalid("not a boolean"));
        let mode = || gateway_mode(value).ok_or_else(|| invalid("unknown gateway mode"));
        let config = &mut self.config;
        match option {
            NAME => self.link = Some(link_name(value).ok_or_else(|| invalid("not a name of a link"))?),
            MASQUERADE => config.masquerade = boolean()?,
            ICC => self.talk[0] = Some(boolean()?),
            PEERS => self.talk[1] = Some(peers(value).ok_or_else(|| invalid("neither any nor isolated"))?),
            PUBLISH => {
                let default = PublishDefault::named(value);
                config.publish = Some(default.ok_or_else(|| invalid("not all, lan or localhost"))?);
            }
            EGRESS => {
                config.egress = Egress::named(value).ok_or_else(|| invalid("not any, internet or none"))?
            }
            ALLOW => {
                let list = allow_list(value);
                config.allow = list.map_err(|problem| OptionError::Allow { option: ALLOW, problem })?;
            }
            HOST_BINDING => config.host_binding = Some(value.parse().map_err(|_| invalid("not an address"))?),
            DRIVER_MTU => config.mtu = mtu(value).ok_or_else(|| invalid("not a size from 68 to 65535"))?,
            PREFIX => {
                config.interface_prefix = prefix(value).ok_or_else(|| invalid("not a prefix of links"))?
            }
            DEFAULT if boolean()? == config.default => {}
            // What is wanted of a family is the network's own field: these only supply it.
            ENABLE_V4 | ENABLE_V6 => {}
            MODE_V4 => config.gateway_v4 = mode()?,
            MODE_V6 => config.gateway_v6 = mode()?,
            INHIBIT_V4 => config.inhibit_v4 = boolean()?,
            TRUSTED => config.trusted = links(value).ok_or_else(|| invalid("not names of links"))?,
            SOURCE_V4 => config.source_v4 = Some(value.parse().map_err(|_| invalid("not an IPv4 address"))?),
            SOURCE_V6 => config.source_v6 = Some(value.parse().map_err(|_| invalid("not an IPv6 address"))?),
            ANNOUNCEMENTS => {
                config.announcement.count =
                    number(value, 0..=3).ok_or_else(|| invalid("must be in the range 0 to 3"))?
            }
            ANNOUNCEMENT_INTERVAL => {
                config.announcement.interval =
                    number(value, 100..=2000).ok_or_else(|| invalid("must be in the range 100 to 2000"))?
            }
            DEFAULT => {
                return Err(OptionError::Unsupported { option: option.to_owned(), value: value.to_owned() });
            }
            _ => return Err(OptionError::Unknown { option: option.to_owned() }),
        }
        Ok(())
    }

    /// What several options say together.
    fn settle(&mut self) -> Result<(), OptionError> {
        match self.talk {
            [Some(icc), Some(peers)] if icc != peers => {
                return Err(OptionError::Contradiction { one: ICC, other: PEERS });
            }
            [icc, peers] => self.config.inter_container = icc.or(peers).unwrap_or(true),
        }
        if self.config.publish == Some(PublishDefault::Localhost) && self.config.host_binding.is_some() {
            return Err(OptionError::Contradiction { one: HOST_BINDING, other: PUBLISH });
        }
        Ok(())
    }

    /// Checks what only the whole network shows.
    pub(crate) fn check(&self, internal: bool) -> Result<(), OptionError> {
        if internal && self.config.egress == Egress::Internet {
            return Err(OptionError::Egress);
        }
        let is_isolated = |family| self.config.gateway_mode(family) == GatewayMode::Isolated;
        let isolated = Family::BOTH.into_iter().any(is_isolated);
        if isolated && !internal { Err(OptionError::Isolated) } else { Ok(()) }
    }

    /// Whether a network needs a gateway's address that nobody named: for the bridge, or for default routes.
    pub(crate) fn needs_gateway(&self, family: Family, internal: bool) -> bool {
        let config = &self.config;
        let is_isolated = config.gateway_mode(family) == GatewayMode::Isolated;
        !is_isolated && (config.has_gateway(family) || !internal)
    }

    /// The configuration of the network `id`.
    pub(crate) fn config(&self, id: &NetworkId) -> Config {
        let Self { config, link, talk: _ } = self.clone();
        let own = || if config.default { DEFAULT_LINK.to_owned() } else { format!("br-{}", id.short()) };
        let link = link.unwrap_or_else(own);
        Config { link, ..config }
    }
}

/// Whether a user said how endpoints are made known.
pub(crate) fn asks_for_announcements(options: &BTreeMap<String, String>) -> bool {
    [ANNOUNCEMENTS, ANNOUNCEMENT_INTERVAL].iter().any(|option| options.contains_key(*option))
}

/// An option that is not what it was and has to be, and why. All others can change while endpoints are there.
pub(crate) fn fixed(
    (old, old_options): (&Config, &BTreeMap<String, String>),
    (new, new_options): (&Config, &BTreeMap<String, String>),
) -> Option<(&'static str, &'static str)> {
    const NAMES: &str = "interfaces keep their names";
    const PORTS: &str = "ports have been published by it";
    const FAMILIES: &str = "families are switched on and off by themselves";
    let said = |option| old_options.get(option) != new_options.get(option);
    let all = [
        (old.link != new.link, NAME, NAMES),
        (old.interface_prefix != new.interface_prefix, PREFIX, NAMES),
        (old.host_binding != new.host_binding, HOST_BINDING, PORTS),
        (old.publish != new.publish, PUBLISH, PORTS),
        (old.gateway_v4 != new.gateway_v4, MODE_V4, PORTS),
        (old.gateway_v6 != new.gateway_v6, MODE_V6, PORTS),
        (said(ENABLE_V4), ENABLE_V4, FAMILIES),
        (said(ENABLE_V6), ENABLE_V6, FAMILIES),
    ];
    all.into_iter().find(|(differs, ..)| *differs).map(|(_, option, reason)| (option, reason))
}

fn gateway_mode(text: &str) -> Option<GatewayMode> {
    use GatewayMode::{Isolated, Nat, Routed, Unprotected};
    let known = [Nat, Unprotected, Routed, Isolated].into_iter().find(|mode| mode.name() == text);
    if text.is_empty() { Some(Nat) } else { known }
}

/// Whether endpoints may talk to one another.
fn peers(text: &str) -> Option<bool> {
    match text {
        "any" => Some(true),
        "isolated" => Some(false),
        _ => None,
    }
}

/// `eth0:eth1`.
fn links(text: &str) -> Option<Vec<String>> {
    text.split(':').filter(|name| !name.is_empty()).map(link_name).collect()
}

fn number<T: std::str::FromStr + PartialOrd>(text: &str, range: std::ops::RangeInclusive<T>) -> Option<T> {
    text.parse().ok().filter(|number| range.contains(number))
}

/// The spellings that Docker takes for a boolean (Go's `strconv.ParseBool`).
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A name the kernel takes for a new link (`dev_valid_name`, net/core/dev.c) and that
/// stands for no other thing in `/proc/sys/net`.
pub(crate) fn link_name(text: &str) -> Option<String> {
    let bad =
        |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || byte.is_ascii_control();
    let fits = (1..=LINK_NAME_MAX).contains(&text.len()) && !text.bytes().any(bad);
    let taken = [".", "..", "lo", "all", "default"].contains(&text);
    (fits && !taken && !text.contains('%')).then(|| text.to_owned())
}

pub(crate) fn mtu(text: &str) -> Option<u32> {
    match text.parse().ok()? {
        0 => Some(MTU),
        mtu => MTU_RANGE.contains(&mtu).then_some(mtu),
    }
}

/// A prefix that leaves room for a number of four digits.
pub(crate) fn prefix(text: &str) -> Option<String> {
    link_name(text).filter(|prefix| prefix.len() <= LINK_NAME_MAX - 4)
}

/// Checks the options of an endpoint; adds what is wrong to `problems`.
pub(crate) fn check_endpoint_options(
    options: &BTreeMap<String, String>,
    problems: &mut Vec<EndpointProblem>,
) {
    for (option, value) in options {
        match option.as_str() {
            INTERFACE if link_name(value).is_some() => {}
            INTERFACE => problems.push(EndpointProblem::Interface { name: value.clone() }),
            SYSCTLS => {
                let bad = value.split(',').filter(|text| sysctl(text).is_none());
                problems.extend(bad.map(|text| EndpointProblem::Sysctl { text: text.to_owned() }));
            }
            ALLOW => problems.extend(allow_list(value).err().map(EndpointProblem::Allow)),
            _ => problems.push(EndpointProblem::UnknownOption { option: option.clone() }),
        }
    }
}

/// The sysctls of an interface that an endpoint's options ask for: name with the
/// interface in place, value. Each part of the name may itself contain dots.
pub fn sysctls(options: &BTreeMap<String, String>, interface: &str) -> Vec<(String, String)> {
    let texts = options.get(SYSCTLS).into_iter().flat_map(|value| value.split(','));
    let parsed = texts.filter_map(sysctl);
    parsed.map(|(start, end, value)| (format!("{start}.{interface}.{end}"), value.to_owned())).collect()
}

/// `net.X.Y.IFNAME.Z=V` as `net.X.Y`, `Z`, `V`.
fn sysctl(text: &str) -> Option<(&str, &str, &str)> {
    let (name, value) = text.split_once('=')?;
    let (start, end) = name.split_once(".IFNAME.")?;
    let mut parts = start.split('.');
    let known = parts.next() == Some("net") && ["ipv4", "ipv6", "mpls"].contains(&parts.next()?);
    let plain = |part: &str| !part.is_empty() && !part.contains(['/', '.', ' ']);
    (known && plain(parts.next()?) && parts.next().is_none() && plain(end)).then_some((start, end, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(option: &str, value: &str, expected: &str) {
        let labels = BTreeMap::from([(option.to_owned(), value.to_owned())]);
        let got = match Options::parse(&labels, false) {
            Ok(options) => format!("{:?}", options.config(&NetworkId::new([0xab; 32]))),
            Err(error) => error.to_string(),
        };
        assert!(got.contains(expected), "{got}");
    }

    #[test]
    fn takes_what_it_knows_and_refuses_the_rest() {
        check(NAME, "web0", "link: \"web0\"");
        check(ICC, "false", "inter_container: false");
        check(ICC, "f", "link: \"br-abababababab\"");
        check(MASQUERADE, "0", "masquerade: false");
        check(HOST_BINDING, "::1", "host_binding: Some(::1)");
        check(DRIVER_MTU, "9000", "mtu: 9000");
        check(DRIVER_MTU, "0", "mtu: 1500");
        check(PREFIX, "net", "interface_prefix: \"net\"");
        check(
            ICC,
            "maybe",
            "failed to parse com.docker.network.bridge.enable_icc value: \"maybe\" (not a boolean)",
        );
        check(NAME, "much-too-long-a-name", "not a name of a link");
        check(NAME, "a/b", "not a name of a link");
        check(NAME, "lo", "not a name of a link");
        check(DRIVER_MTU, "67", "not a size");
        check(HOST_BINDING, "localhost", "not an address");
        check(MODE_V4, "routed", "gateway_v4: Routed");
        check(MODE_V4, "nat-unprotected", "gateway_v4: Unprotected");
        check(MODE_V6, "isolated", "gateway_v6: Isolated");
        check(MODE_V6, "", "gateway_v6: Nat");
        check(MODE_V4, "bridged", "gateway_mode_ipv4 value: \"bridged\" (unknown gateway mode)");
        check(INHIBIT_V4, "true", "inhibit_v4: true");
        check(TRUSTED, "eth0:eth1", "trusted: [\"eth0\", \"eth1\"]");
        check(TRUSTED, "a b", "not names of links");
        check(SOURCE_V4, "198.51.100.9", "source_v4: Some(198.51.100.9)");
        check(SOURCE_V4, "::1", "not an IPv4 address");
        check(SOURCE_V6, "2001:db8::9", "source_v6: Some(2001:db8::9)");
        check(ANNOUNCEMENTS, "0", "announcement: Announcement { count: 0, interval: 1000 }");
        check(ANNOUNCEMENTS, "4", "must be in the range 0 to 3");
        check(ANNOUNCEMENT_INTERVAL, "100", "announcement: Announcement { count: 3, interval: 100 }");
        check(ANNOUNCEMENT_INTERVAL, "99", "must be in the range 100 to 2000");
        check(PUBLISH, "lan", "publish: Some(Lan)");
        check(PUBLISH, "wan", "tombolo.publish.default value: \"wan\" (not all, lan or localhost)");
        check(EGRESS, "none", "egress: None");
        check(EGRESS, "some", "(not any, internet or none)");
        check(PEERS, "isolated", "inter_container: false");
        check(PEERS, "any", "inter_container: true");
        check(PEERS, "none", "(neither any nor isolated)");
        check(ALLOW, "10.0.0.0/8,wg0", "allow: [Allow { ports: None, source: Net(10.0.0.0/8) }, Allow");
        check(ALLOW, "10.0.0.1/8", "invalid tombolo.publish.allow: invalid source 10.0.0.1/8: it should be");
        check(DEFAULT, "true", "cannot be \"true\"");
        check("com.docker.network.bridge.colour", "blue", "unknown option");
        check("colour", "blue", "unknown option \"colour\" of the bridge driver");
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let parse = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
            Options::parse(&labels.collect(), false)
        };
        assert!(parse(&[(ICC, "false"), (PEERS, "isolated")]).is_ok());
        assert_eq!(
            parse(&[(ICC, "true"), (PEERS, "isolated")]),
            Err(OptionError::Contradiction { one: ICC, other: PEERS })
        );
        assert!(parse(&[(HOST_BINDING, "127.0.0.1"), (PUBLISH, "lan")]).is_ok());
        assert!(parse(&[(HOST_BINDING, "127.0.0.1"), (PUBLISH, "localhost")]).is_err());
        let internet = parse(&[(EGRESS, "internet")]).expect("options");
        assert_eq!((internet.check(true), internet.check(false)), (Err(OptionError::Egress), Ok(())));
    }

    #[test]
    fn sysctls_name_their_interface() {
        let of = |text: &str| sysctls(&BTreeMap::from([(SYSCTLS.to_owned(), text.to_owned())]), "eth1");
        let one = ("net.ipv4.conf.eth1.log_martians".to_owned(), "1".to_owned());
        assert_eq!(of("net.ipv4.conf.IFNAME.log_martians=1"), vec![one]);
        for bad in [
            "net.ipv4.conf.eth0.x=1",
            "kernel.x.y.IFNAME.z=1",
            "net.ipv4.conf.IFNAME.x",
            "net.ipv4.IFNAME.x=1",
        ] {
            assert_eq!(of(bad), vec![], "{bad}");
        }
    }
}
