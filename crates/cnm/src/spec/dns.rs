//! Names that users give to others: further lines of /etc/hosts, and links.

use std::net::IpAddr;

use thiserror::Error;

/// Why `--add-host` is refused. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExtraHostError {
    #[error("bad format for add-host: {text:?}")]
    Format { text: String },
    #[error("invalid IP address in add-host: {address:?}")]
    Address { address: String },
    #[error("unable to derive the IP value for host-gateway")]
    NoHostGateway,
}

/// Parses `name:address` or `name=address`; the address `host-gateway` means all of `gateways`.
pub fn extra_host(text: &str, gateways: &[IpAddr]) -> Result<Vec<(String, IpAddr)>, ExtraHostError> {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    let (name, address) = parts
        .filter(|(name, address)| {
            !name.is_empty() && !address.is_empty() && !name.contains(char::is_whitespace)
        })
        .ok_or_else(|| ExtraHostError::Format { text: text.to_owned() })?;
    if address == "host-gateway" {
        let lines: Vec<_> = gateways.iter().map(|gateway| (name.to_owned(), *gateway)).collect();
        return if lines.is_empty() { Err(ExtraHostError::NoHostGateway) } else { Ok(lines) };
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address = bare.parse().map_err(|_| ExtraHostError::Address { address: address.to_owned() })?;
    Ok(vec![(name.to_owned(), address)])
}

/// Why `--link` is refused. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LinkError {
    #[error("empty string specified for links")]
    Empty,
    #[error("bad format for links: {text}")]
    Format { text: String },
}

/// Parses `name`, `name:alias`, or `/name:/owner/alias` as `inspect` shows it, into name and alias.
pub fn link(text: &str) -> Result<(&str, &str), LinkError> {
    if text.is_empty() {
        return Err(LinkError::Empty);
    }
    let bad = || LinkError::Format { text: text.to_owned() };
    let (name, alias) = text.split_once(':').unwrap_or((text, text));
    let (name, alias) = match (name.strip_prefix('/'), alias.strip_prefix('/')) {
        (Some(name), Some(path)) => (name, path.rsplit('/').next().unwrap_or(path)),
        _ => (name, alias),
    };
    let is_good = !name.is_empty() && !alias.is_empty() && !alias.contains([':', '/']);
    is_good.then_some((name, alias)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let gateways = ["172.17.0.1".parse().expect("an address"), "fd00::1".parse().expect("an address")];
        let got = match extra_host(text, &gateways) {
            Ok(lines) => {
                lines.iter().map(|(name, address)| format!("{address} {name}")).collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn takes_both_separators_and_the_gateway() {
        check("web:10.0.0.1", "10.0.0.1 web");
        check("web=10.0.0.1", "10.0.0.1 web");
        check("web:::1", "::1 web");
        check("web=[fe80::1]", "fe80::1 web");
        check("up:host-gateway", "172.17.0.1 up, fd00::1 up");
        check("web", "bad format for add-host: \"web\"");
        check(":10.0.0.1", "bad format for add-host: \":10.0.0.1\"");
        check("web:10.0.0", "invalid IP address in add-host: \"10.0.0\"");
    }

    #[track_caller]
    fn check_link(text: &str, expected: &str) {
        let got = match link(text) {
            Ok((name, alias)) => format!("{name} as {alias}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn links_are_read_as_docker_reads_them() {
        check_link("db", "db as db");
        check_link("db:store", "db as store");
        check_link("/db:/web/store", "db as store");
        check_link("", "empty string specified for links");
        check_link(":store", "bad format for links: :store");
        check_link("db:", "bad format for links: db:");
        check_link("a:b:c", "bad format for links: a:b:c");
    }
}
