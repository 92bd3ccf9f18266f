//! The stored form of values that have none of their own.

/// Ports as `80/tcp` or `8000-8010/udp`.
pub(crate) mod ports {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::cnm::Ports;

    pub(crate) fn serialize<S: Serializer>(ports: &[Ports], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ports.iter().map(super::text))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ports>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parse = |text: &String| {
            super::parse(text).ok_or_else(|| D::Error::custom(format!("not ports: {text:?}")))
        };
        texts.iter().map(parse).collect()
    }
}

/// Port mappings, field by field.
pub(crate) mod mappings {
    use std::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::cnm::{HostPorts, PortMapping};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        container: String,
        host_address: Option<IpAddr>,
        host: Host,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Host {
        Any,
        Exact(u16, u16),
        FirstFree(u16, u16),
    }

    pub(crate) fn serialize<S: Serializer>(
        mappings: &[PortMapping],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(mappings.iter().map(|mapping| Stored {
            container: super::text(&mapping.container),
            host_address: mapping.host_address,
            host: match &mapping.host {
                HostPorts::Any => Host::Any,
                HostPorts::Exact(range) => Host::Exact(*range.start(), *range.end()),
                HostPorts::FirstFree(range) => Host::FirstFree(*range.start(), *range.end()),
            },
        }))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PortMapping>, D::Error> {
        let stored = Vec::<Stored>::deserialize(deserializer)?;
        let mapping = |stored: Stored| {
            let container = super::parse(&stored.container)
                .ok_or_else(|| D::Error::custom(format!("not ports: {:?}", stored.container)))?;
            let host = match stored.host {
                Host::Any => HostPorts::Any,
                Host::Exact(first, last) => HostPorts::Exact(first..=last),
                Host::FirstFree(first, last) => HostPorts::FirstFree(first..=last),
            };
            Ok(PortMapping { container, host_address: stored.host_address, host })
        };
        stored.into_iter().map(mapping).collect()
    }
}

/// A point in time as RFC 3339.
pub(crate) mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The same where there may be none.
pub(crate) mod maybe_time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

use crate::cnm::{Ports, Proto};

/// `80/tcp`, `8000-8010/udp`.
fn text(ports: &Ports) -> String {
    let (first, last) = (ports.range.start(), ports.range.end());
    let proto = proto_name(ports.proto);
    if first == last { format!("{first}/{proto}") } else { format!("{first}-{last}/{proto}") }
}

/// The name of a protocol, as Docker writes it.
const fn proto_name(proto: Proto) -> &'static str {
    match proto {
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Sctp => "sctp",
    }
}

/// Reads what [`text`] writes; TCP is meant where no protocol is said.
pub(crate) fn parse(text: &str) -> Option<Ports> {
    let (range, proto) = text.split_once('/').unwrap_or((text, "tcp"));
    let proto = match proto.to_ascii_lowercase().as_str() {
        "tcp" => Proto::Tcp,
        "udp" => Proto::Udp,
        "sctp" => Proto::Sctp,
        _ => return None,
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && first > 0).then_some(Ports { proto, range: first..=last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_their_text() {
        for text_of in ["80/tcp", "8000-8010/udp", "5/sctp"] {
            assert_eq!(parse(text_of).map(|ports| text(&ports)).as_deref(), Some(text_of));
        }
        for wrong in ["", "0/tcp", "9-8/tcp", "80/icmp", "70000", "a/tcp"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
