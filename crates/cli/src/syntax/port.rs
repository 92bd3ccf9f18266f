//! Published and exposed ports: `8080:80`, `127.0.0.1:8000-8010:80-90/udp`, `[::1]::53/udp`, `80`.

use std::net::IpAddr;

use api::StringSet;
use api::host_config::{PortBinding, PortMap};

use super::Malformed;

/// Protocols of ports.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
/// Bindings that one flag may ask for: every port of one protocol.
const MOST: usize = 65_536;

/// What `-p` flags ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) exposed: StringSet,
    pub(crate) bindings: PortMap,
}

/// Reads all `-p` flags.
pub(crate) fn publish(flags: &[String]) -> Result<Published, Malformed> {
    let mut published = Published::default();
    for flag in flags {
        for (port, binding) in mappings(flag)? {
            published.exposed.insert(port.clone(), api::Empty {});
            let bindings = published.bindings.entry(port).or_default().get_or_insert_with(Vec::new);
            // A port may be published twice, but not twice in the same way.
            if !bindings.contains(&binding) {
                bindings.push(binding);
            }
        }
    }
    Ok(published)
}

/// Reads all `--expose` flags: `80`, `80/udp`, `8000-8010`.
pub(crate) fn expose(flags: &[String]) -> Result<Vec<String>, Malformed> {
    let mut ports = Vec::new();
    for flag in flags {
        if flag.contains(':') {
            return Err(Malformed::new(format!("invalid port format for --expose: {flag}")));
        }
        let (range, protocol) = split_protocol(flag)?;
        let invalid = |error: Malformed| {
            Malformed::new(format!("invalid range format for --expose: {flag}, error: {}", error.0))
        };
        let (first, last) = range_of(range).map_err(invalid)?;
        ports.extend((first..=last).map(|port| format!("{port}/{protocol}")));
    }
    Ok(ports)
}

/// What one `-p` flag asks for, port by port.
fn mappings(flag: &str) -> Result<Vec<(String, PortBinding)>, Malformed> {
    if flag.contains('=') {
        return long(flag);
    }
    let (parts, protocol) = split_protocol(flag)?;
    let (address, host, container) = split_parts(parts)?;
    Mapping { flag, address, host, container, protocol }.expand()
}

/// `target=80,published=8080,protocol=tcp,mode=host`.
fn long(flag: &str) -> Result<Vec<(String, PortBinding)>, Malformed> {
    let (mut host, mut container, mut protocol) = ("", "", "tcp");
    for field in flag.split(',') {
        match field.split_once('=') {
            Some(("target", value)) => container = value,
            Some(("published", value)) => host = value,
            Some(("protocol", value)) => protocol = value,
            Some(("mode", "host" | "ingress")) => {}
            _ => return Err(Malformed::new(format!("invalid field {field} in port specification {flag}"))),
        }
    }
    if container.is_empty() {
        return Err(Malformed::new(format!(
            "missing mandatory field \"target\" in port specification {flag}"
        )));
    }
    let protocol = protocol_of(protocol)?;
    Mapping { flag, address: String::new(), host, container, protocol }.expand()
}

struct Mapping<'a> {
    flag: &'a str,
    address: String,
    host: &'a str,
    container: &'a str,
    protocol: &'static str,
}

impl Mapping<'_> {
    fn expand(self) -> Result<Vec<(String, PortBinding)>, Malformed> {
        let Self { flag, address, host, container, protocol } = self;
        if container.is_empty() {
            return Err(Malformed::new(format!("no port specified: {flag}<empty>")));
        }
        let (first, last) =
            range_of(container).map_err(|_| Malformed::new(format!("invalid containerPort: {container}")))?;
        let one = |port: u16, host_port: String| {
            (format!("{port}/{protocol}"), PortBinding { host_ip: address.clone(), host_port })
        };
        if host.is_empty() {
            return Ok((first..=last).map(|port| one(port, String::new())).collect());
        }
        let (from, to) = range_of(host).map_err(|_| Malformed::new(format!("invalid hostPort: {host}")))?;
        if first == last && from != to {
            // The engine chooses a free one of the range.
            return Ok(vec![one(first, host.to_owned())]);
        }
        if last - first != to - from {
            return Err(Malformed::new(format!(
                "invalid ranges specified for container and host Ports: {container} and {host}"
            )));
        }
        let pairs = (first..=last).zip(from..=to).take(MOST);
        Ok(pairs.map(|(port, host_port)| one(port, host_port.to_string())).collect())
    }
}

/// `ip:host:container`, `ip::container`, `host:container`, `container`; an IPv6 address stands in brackets or not.
fn split_parts(text: &str) -> Result<(String, &str, &str), Malformed> {
    let parts: Vec<&str> = text.rsplitn(3, ':').collect();
    match parts.as_slice() {
        [container] => Ok((String::new(), "", container)),
        [container, host] => Ok((String::new(), host, container)),
        [container, host, address] => {
            let plain = address.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(address);
            if !plain.is_empty() && plain.parse::<IpAddr>().is_err() {
                return Err(Malformed::new(format!("invalid IP address: {plain}")));
            }
            Ok((plain.to_owned(), host, container))
        }
        _ => Err(Malformed::new(format!("invalid port specification: {text}"))),
    }
}

fn split_protocol(text: &str) -> Result<(&str, &'static str), Malformed> {
    match text.split_once('/') {
        None => Ok((text, "tcp")),
        Some((ports, protocol)) => Ok((ports, protocol_of(protocol)?)),
    }
}

fn protocol_of(text: &str) -> Result<&'static str, Malformed> {
    let text = text.to_ascii_lowercase();
    let known = PROTOCOLS.iter().find(|protocol| **protocol == text);
    known.copied().ok_or_else(|| Malformed::new(format!("invalid proto: {text}")))
}

/// `80`, or `80-90`.
fn range_of(text: &str) -> Result<(u16, u16), Malformed> {
    let wrong = || Malformed::new(format!("invalid port range: {text:?}"));
    let port = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_plain).ok_or_else(wrong)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first <= last { Ok((first, last)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(flag: &str, expected: &[(&str, &str, &str)]) {
        let published = publish(&[flag.to_owned()]).expect(flag);
        let bindings: Vec<(&str, &str, &str)> = published
            .bindings
            .iter()
            .flat_map(|(port, bindings)| {
                bindings
                    .iter()
                    .flatten()
                    .map(move |one| (port.as_str(), one.host_ip.as_str(), one.host_port.as_str()))
            })
            .collect();
        assert_eq!(bindings, expected, "{flag}");
        assert!(published.exposed.keys().eq(published.bindings.keys()));
    }

    #[test]
    fn ports_in_every_form() {
        check("80", &[("80/tcp", "", "")]);
        check("8080:80", &[("80/tcp", "", "8080")]);
        check("8080:80/UDP", &[("80/udp", "", "8080")]);
        check(":80", &[("80/tcp", "", "")]);
        check("127.0.0.1::80", &[("80/tcp", "127.0.0.1", "")]);
        check("127.0.0.1:8080:80/sctp", &[("80/sctp", "127.0.0.1", "8080")]);
        check("[::1]:53:53/udp", &[("53/udp", "::1", "53")]);
        check("2001:db8::1:8080:80", &[("80/tcp", "2001:db8::1", "8080")]);
        check("8000-8002:80", &[("80/tcp", "", "8000-8002")]);
        check("8000-8001:80-81", &[("80/tcp", "", "8000"), ("81/tcp", "", "8001")]);
        check("80-81", &[("80/tcp", "", ""), ("81/tcp", "", "")]);
        check("target=80,published=8080,protocol=udp,mode=host", &[("80/udp", "", "8080")]);
    }

    #[test]
    fn one_port_in_two_places() {
        let flags = ["8080:80", "8081:80", "8080:80"].map(str::to_owned);
        assert_eq!(publish(&flags).expect("ports").bindings["80/tcp"].as_ref().expect("bindings").len(), 2);
    }

    #[test]
    fn what_is_no_port() {
        for (flag, text) in [
            ("8080:", "no port specified: 8080:<empty>"),
            ("x", "invalid containerPort: x"),
            ("x:80", "invalid hostPort: x"),
            ("70000:80", "invalid hostPort: 70000"),
            ("80/icmp", "invalid proto: icmp"),
            ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
            ("90-80", "invalid containerPort: 90-80"),
            ("nope:80:80", "invalid IP address: nope"),
            ("published=80", "missing mandatory field \"target\" in port specification published=80"),
        ] {
            assert_eq!(publish(&[flag.to_owned()]).expect_err(flag).0, text);
        }
    }

    #[test]
    fn exposed_ports() {
        let ports = |flag: &str| expose(&[flag.to_owned()]);
        assert_eq!(ports("80").expect("a port"), ["80/tcp"]);
        assert_eq!(ports("53-54/udp").expect("ports"), ["53/udp", "54/udp"]);
        assert_eq!(ports("80:80").expect_err("no port").0, "invalid port format for --expose: 80:80");
    }
}
