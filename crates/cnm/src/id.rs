//! Identities: 32 random bytes for what is ours, 6 for a link.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not an id or a MAC address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("invalid {kind} {text:?}")]
pub struct ParseIdError {
    kind: &'static str,
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id made of these bytes; the caller draws them at random.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// All 32 bytes.
            pub const fn bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first twelve hexadecimal digits, as people type them.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..6])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; 32];
                let invalid = |_| ParseIdError { kind: $kind, text: text.to_owned() };
                hex::decode_to_slice(text, &mut bytes).map_err(invalid)?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id!(
    /// The identity of a network, for ever.
    NetworkId,
    "network id"
);
id!(
    /// The identity of an endpoint.
    EndpointId,
    "endpoint id"
);
id!(
    /// The identity of a sandbox.
    SandboxId,
    "sandbox id"
);

/// A link-layer address (EUI-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

impl Mac {
    /// A locally administered unicast address out of six random bytes
    /// (IEEE 802, bit 1 of the first octet set, bit 0 clear).
    pub const fn local(mut bytes: [u8; 6]) -> Self {
        bytes[0] = (bytes[0] | 0x02) & 0xfe;
        Self(bytes)
    }

    /// The one that belongs to an IPv4 address: Docker's prefix, and the address.
    pub const fn of_ipv4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }

    /// The address as it is, for what the kernel or a user says.
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// The six octets in transmission order.
    pub const fn bytes(&self) -> &[u8; 6] {
        &self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let invalid = || ParseIdError { kind: "MAC address", text: text.to_owned() };
        let mut octets = text.split([':', '-']);
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let octet = octets.next().filter(|octet| octet.len() == 2).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(octet, 16).map_err(|_| invalid())?;
        }
        if octets.next().is_some() { Err(invalid()) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for Mac {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}
