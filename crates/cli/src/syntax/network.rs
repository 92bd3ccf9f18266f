//! Networks to join: `--network name`, or `--network name=net,alias=web,ip=10.0.0.5,…`.

use std::collections::BTreeMap;

use api::StringMap;
use api::network::{EndpointIpamConfig, EndpointSettings};

use super::{Malformed, csv};

/// What is said of all endpoints by flags of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common<'a> {
    pub(crate) aliases: &'a [String],
    pub(crate) links: &'a [String],
    pub(crate) ip: &'a str,
    pub(crate) ip6: &'a str,
    pub(crate) link_local: &'a [String],
    pub(crate) mac: &'a str,
}

/// The network mode, and the settings of the endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks {
    pub(crate) mode: String,
    pub(crate) endpoints: BTreeMap<String, Option<EndpointSettings>>,
}

/// Reads all `--network` flags, with the flags that are about the first of them.
pub(crate) fn networks(flags: &[String], common: &Common) -> Result<Networks, Malformed> {
    let mut attachments = flags.iter().map(|flag| attachment(flag)).collect::<Result<Vec<_>, _>>()?;
    if attachments.is_empty() {
        attachments.push(("default".to_owned(), EndpointSettings::default()));
    }
    let (_, first) = attachments.first_mut().expect("never empty");
    common.give(first)?;
    let mode = attachments[0].0.clone();
    let mut endpoints = BTreeMap::new();
    for (name, settings) in attachments {
        let is_alone = is_not_a_network(&name);
        if is_alone && flags.len() > 1 {
            return Err(Malformed::new(format!(
                "conflicting options: cannot attach both user-defined and non-user-defined network-modes: {name}"
            )));
        }
        let is_plain = settings == EndpointSettings::default();
        if is_alone && !is_plain {
            return Err(Malformed::new(format!(
                "conflicting options: network mode {name} has no endpoint to give settings to"
            )));
        }
        if is_alone || (is_plain && flags.len() <= 1) {
            continue;
        }
        if endpoints.insert(name.clone(), Some(settings)).is_some() {
            return Err(Malformed::new(format!("network {name:?} is specified multiple times")));
        }
    }
    Ok(Networks { mode, endpoints })
}

/// Modes that are not networks.
fn is_not_a_network(mode: &str) -> bool {
    matches!(mode, "host" | "none") || mode.starts_with("container:") || mode.starts_with("netns:")
}

impl Common<'_> {
    fn give(&self, settings: &mut EndpointSettings) -> Result<(), Malformed> {
        let conflict = |flag: &str, field: &str| {
            Malformed::new(format!(
                "conflicting options: cannot specify both --{flag} and per-network {field}"
            ))
        };
        if !self.aliases.is_empty() {
            if settings.aliases.is_some() {
                return Err(conflict("network-alias", "alias"));
            }
            settings.aliases = Some(self.aliases.to_vec());
        }
        if !self.links.is_empty() {
            settings.links = Some(self.links.to_vec());
        }
        if !self.mac.is_empty() {
            if !settings.mac_address.is_empty() {
                return Err(conflict("mac-address", "MAC address"));
            }
            self.mac.clone_into(&mut settings.mac_address);
        }
        if !self.ip.is_empty() {
            let ipam = settings.ipam_config.get_or_insert_default();
            if !ipam.ipv4_address.is_empty() {
                return Err(conflict("ip", "IPv4 address"));
            }
            self.ip.clone_into(&mut ipam.ipv4_address);
        }
        if !self.ip6.is_empty() {
            let ipam = settings.ipam_config.get_or_insert_default();
            if !ipam.ipv6_address.is_empty() {
                return Err(conflict("ip6", "IPv6 address"));
            }
            self.ip6.clone_into(&mut ipam.ipv6_address);
        }
        if !self.link_local.is_empty() {
            let ipam = settings.ipam_config.get_or_insert_default();
            ipam.link_local_ips.get_or_insert_default().extend_from_slice(self.link_local);
        }
        Ok(())
    }
}

/// One `--network` flag.
fn attachment(flag: &str) -> Result<(String, EndpointSettings), Malformed> {
    let mut settings = EndpointSettings::default();
    if !flag.contains('=') || flag.starts_with("netns:") || flag.starts_with("container:") {
        return Ok((flag.to_owned(), settings));
    }
    let mut name = String::new();
    let mut options = StringMap::new();
    for field in csv::fields(flag)? {
        let (key, value) = field.split_once('=').ok_or_else(|| {
            Malformed::new(format!("invalid field {field} in network: must be a key=value pair"))
        })?;
        let value = value.trim();
        let mut ipam = settings.ipam_config.take();
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => value.clone_into(&mut name),
            "alias" => settings.aliases.get_or_insert_default().push(value.to_owned()),
            "ip" => value.clone_into(&mut ipam.get_or_insert_default().ipv4_address),
            "ip6" => value.clone_into(&mut ipam.get_or_insert_default().ipv6_address),
            "mac-address" => value.clone_into(&mut settings.mac_address),
            "link-local-ip" => link_local(ipam.get_or_insert_default(), value),
            "driver-opt" => {
                let (option, value) = value.split_once('=').ok_or_else(|| {
                    Malformed::new(format!("invalid key value pair format in driver options: {value}"))
                })?;
                options.insert(option.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
            "gw-priority" => {
                let invalid = |_| Malformed::new(format!("invalid gw-priority: {value}"));
                settings.gw_priority = value.parse().map_err(invalid)?;
            }
            other => return Err(Malformed::new(format!("invalid field key {other}"))),
        }
        settings.ipam_config = ipam;
    }
    if name.is_empty() {
        return Err(Malformed::new("network name is required: write name=NETWORK"));
    }
    settings.driver_opts = Some(options).filter(|options| !options.is_empty());
    Ok((name, settings))
}

fn link_local(ipam: &mut EndpointIpamConfig, address: &str) {
    ipam.link_local_ips.get_or_insert_default().push(address.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str], common: &Common) -> Result<Networks, Malformed> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        networks(&flags, common)
    }

    #[test]
    fn a_plain_name_is_only_the_mode() {
        for (flags, mode) in [
            (&[][..], "default"),
            (&["web"], "web"),
            (&["container:a=b"], "container:a=b"),
            (&["netns:/x"], "netns:/x"),
        ] {
            let networks = read(flags, &Common::default()).expect("a network");
            assert_eq!((networks.mode.as_str(), networks.endpoints.len()), (mode, 0));
        }
    }

    #[test]
    fn settings_in_the_long_form() {
        let flag = "name=web,alias=a,alias=b,ip=10.0.0.5,ip6=fd00::5,link-local-ip=169.254.1.1,mac-address=02:00:00:00:00:01,driver-opt=com.docker.network.endpoint.sysctls=net.x=1,gw-priority=7";
        let networks = read(&[flag, "other"], &Common::default()).expect("networks");
        assert_eq!(networks.mode, "web");
        let web = networks.endpoints["web"].as_ref().expect("settings");
        assert_eq!(web.aliases.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
        let ipam = web.ipam_config.as_ref().expect("addresses");
        assert_eq!((ipam.ipv4_address.as_str(), ipam.ipv6_address.as_str()), ("10.0.0.5", "fd00::5"));
        assert_eq!(web.gw_priority, 7);
        assert_eq!(
            web.driver_opts.as_ref().expect("options")["com.docker.network.endpoint.sysctls"],
            "net.x=1"
        );
        assert_eq!(networks.endpoints["other"], Some(EndpointSettings::default()));
    }

    #[test]
    fn a_field_in_quotes_may_have_commas() {
        let flag = r#"name=web,"driver-opt=com.docker.network.endpoint.sysctls=net.x=1,net.y=2""#;
        let networks = read(&[flag], &Common::default()).expect("a network");
        let options = networks.endpoints["web"].as_ref().and_then(|web| web.driver_opts.as_ref());
        assert_eq!(options.expect("options")["com.docker.network.endpoint.sysctls"], "net.x=1,net.y=2");
        assert!(read(&[r#"name=web,"alias=x"#], &Common::default()).is_err());
    }

    #[test]
    fn flags_are_about_the_first_network() {
        let aliases = ["w".to_owned()];
        let common = Common { aliases: &aliases, ip: "10.0.0.9", ..Common::default() };
        let networks = read(&["web"], &common).expect("a network");
        let web = networks.endpoints["web"].as_ref().expect("settings");
        assert_eq!(web.ipam_config.as_ref().expect("addresses").ipv4_address, "10.0.0.9");
        assert!(read(&["name=web,ip=10.0.0.1"], &common).is_err());
        assert!(read(&["host"], &common).is_err());
    }

    #[test]
    fn what_cannot_be_meant() {
        for flags in [&["web", "web"][..], &["web", "host"], &["alias=x"], &["name=a,nope=1"], &["name=a,b"]]
        {
            assert!(read(flags, &Common::default()).is_err(), "{flags:?}");
        }
    }
}
