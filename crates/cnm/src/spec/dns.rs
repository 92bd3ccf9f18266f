//! Further lines of /etc/hosts, as users write them.

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
}
