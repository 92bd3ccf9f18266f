//! The kernel's answers in the words of `cnm`.

use std::error::Error;
use std::io;

use cnm::apply::Refusal;
use linux::netlink;

// Numbers of errno(3) for what the kernel would say, had it been asked.
const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;

/// The number and the words in an error of `linux`, wherever in the chain they are.
pub(super) fn refused(error: impl Error + 'static) -> Refusal {
    refusal_in(&error)
}

/// As [`refused`], of an error that is borrowed.
pub(super) fn refusal_in(error: &(dyn Error + 'static)) -> Refusal {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let by_netlink = error.downcast_ref::<netlink::Error>().and_then(netlink::Error::refusal);
        if let Some(refusal) = by_netlink.or_else(|| error.downcast_ref()) {
            return of_netlink(refusal);
        }
        if let Some(error) = error.downcast_ref() {
            return of_system(error);
        }
        cause = error.source();
    }
    Refusal { errno: EIO, text: error.to_string() }
}

fn of_netlink(refusal: &netlink::Refusal) -> Refusal {
    let text = refusal.text().map_or_else(|| words(refusal.errno()), str::to_owned);
    Refusal { errno: refusal.errno(), text }
}

fn of_system(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(errno) => Refusal { errno, text: words(errno) },
        None => Refusal { errno: EIO, text: error.to_string() },
    }
}

/// The system's words for a number, without the number.
fn words(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

fn of(errno: i32) -> Refusal {
    Refusal { errno, text: words(errno) }
}

/// There is no such object of ours.
pub(super) fn missing() -> Refusal {
    of(ENOENT)
}

/// There is no such link, or it is not ours.
pub(super) fn no_device() -> Refusal {
    of(ENODEV)
}

/// The namespace of the sandbox is not there.
pub(super) fn no_namespace() -> Refusal {
    of(EINVAL)
}

/// The operation does not fit the object.
pub(super) fn unsupported() -> Refusal {
    of(EINVAL)
}
