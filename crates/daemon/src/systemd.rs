//! What systemd is told, and the sockets it opened for us.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use sd_notify::NotifyState;
use tracing::warn;

/// Takes over a descriptor that this process was started with; `unsafe` for whoever implements it.
pub type Inherit = fn(i32) -> io::Result<OwnedFd>;

/// The sockets that systemd opened (`LISTEN_FDS`), which are then no longer its to give.
pub(crate) fn sockets(inherit: Inherit) -> io::Result<Vec<UnixListener>> {
    sd_notify::listen_fds()?.map(|number| inherit(number).map(UnixListener::from)).collect()
}

/// Requests are answered from now on.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The settings are read again.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "cannot tell systemd"),
    }
}

/// Nothing is answered any more.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot tell systemd");
    }
}
