//! What a client is told of a change to the network that was not made.

use std::{io, net::SocketAddr};

use crate::{Kind, cnm::apply::Refusal, cnm::state::Key, error::NetworkError};

/// How the text of a port begins that somebody else holds.
pub(super) const CANNOT_BIND: &str = "failed to bind host port";

impl From<net::ChangeError> for NetworkError {
    fn from(error: net::ChangeError) -> Self {
        let message = crate::chain(&error);
        match error {
            net::ChangeError::Refused(refused) => {
                Self::Refused { message, kind: crate::error::refusal(refused.kind()) }
            }
            net::ChangeError::NotDone(net::NotDone::Kernel(failed)) => {
                let known = failed.cause.key().and_then(|key| of_kernel(key, failed.cause.refusal()));
                known.unwrap_or(Self::Refused { message, kind: Kind::System })
            }
            net::ChangeError::NotDone(net::NotDone::Store { .. })
            | net::ChangeError::Facts(_)
            | net::ChangeError::Stopped => Self::Refused { message, kind: Kind::System },
        }
    }
}

/// What the kernel refuses because of what others have, or of what was asked for.
fn of_kernel(key: &Key, refusal: &Refusal) -> Option<NetworkError> {
    match key {
        // The words are Docker's.
        Key::Port { proto, address, first, .. } => {
            let (place, reason) = (SocketAddr::new(*address, *first), refusal.text.to_lowercase());
            let message = format!("{CANNOT_BIND} {place}/{proto}: {reason}");
            Some(NetworkError::Refused { message, kind: Kind::Refused })
        }
        Key::Bridge(name) if is(refusal, io::ErrorKind::AlreadyExists) => {
            let message = format!(
                "cannot create network ({name}): conflicts with a link of the host that has the same name and is not this engine's"
            );
            Some(NetworkError::Refused { message, kind: Kind::Forbidden })
        }
        Key::Netns(_) => Some(NetworkError::Namespace { reason: refusal.text.clone() }),
        Key::Bridge(_)
        | Key::Sysctl(_)
        | Key::Table
        | Key::Guard(..)
        | Key::Lower(_)
        | Key::Veth(_)
        | Key::Upper(_)
        | Key::LinkSysctl(..)
        | Key::Addr(..)
        | Key::Route(..)
        | Key::Publish(..) => None,
    }
}

fn is(refusal: &Refusal, kind: io::ErrorKind) -> bool {
    io::Error::from_raw_os_error(refusal.errno).kind() == kind
}
