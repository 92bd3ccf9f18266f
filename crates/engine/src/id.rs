//! Identities of containers and of processes run in them: 32 random bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not an id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("invalid id {text:?}: 64 hexadecimal digits expected")]
pub struct ParseIdError {
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// A new one, drawn at random.
            ///
            /// # Panics
            /// If the kernel has no random bytes to give, which it always has.
            pub fn random() -> Self {
                loop {
                    let mut bytes = [0; 32];
                    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
                    let id = Self(bytes);
                    // A short id of digits alone would be taken for a number by scripts and host name checks.
                    if id.short().contains(|c: char| !c.is_ascii_digit()) {
                        return id;
                    }
                }
            }

            /// The id made of these bytes.
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
                let invalid = |_| ParseIdError { text: text.to_owned() };
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
    /// The identity of a container, for ever.
    ContainerId
);
id!(
    /// The identity of a process run in a container beside its first.
    ExecId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_text() {
        let id = ContainerId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.short().len(), 12);
        assert!(id.to_string().starts_with(&id.short()));
    }

    #[test]
    fn refuses_what_is_not_an_id() {
        for text in ["", "abc", &"g".repeat(64), &"a".repeat(65)] {
            assert!(text.parse::<ContainerId>().is_err(), "{text:?}");
        }
    }
}
