//! The sockets requests come by.

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::settings::Host;
use crate::systemd::{self, Inherit};

/// The group whose members may use the socket, if it exists.
const DEFAULT_GROUP: &str = "tombolo";

/// Why there is no socket.
#[derive(Debug, Error)]
pub(crate) enum SocketError {
    #[error("cannot listen on {path}")]
    Listen {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("no sockets found via socket activation: make sure the service was started by systemd")]
    NoneInherited,
    #[error("cannot take over the sockets of systemd")]
    Inherit(#[source] io::Error),
    #[error("there is no group {group}")]
    NoGroup { group: String },
}

/// A socket, and its path if it is ours to remove.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    pub(crate) path: Option<PathBuf>,
}

/// Opens all sockets, or none.
pub(crate) fn open(
    hosts: &[Host],
    group: Option<&str>,
    inherit: Inherit,
) -> Result<Vec<Socket>, SocketError> {
    let mut sockets = Vec::new();
    for host in hosts {
        match host {
            Host::Unix(path) => sockets.push(open_unix(path, group)?),
            Host::Systemd => sockets.extend(inherited(inherit)?),
        }
    }
    for socket in &sockets {
        socket.listener.set_nonblocking(true).map_err(SocketError::Inherit)?;
    }
    Ok(sockets)
}

fn inherited(inherit: Inherit) -> Result<Vec<Socket>, SocketError> {
    let listeners = systemd::sockets(inherit).map_err(SocketError::Inherit)?;
    if listeners.is_empty() {
        return Err(SocketError::NoneInherited);
    }
    Ok(listeners.into_iter().map(|listener| Socket { listener, path: None }).collect())
}

fn open_unix(path: &Path, group: Option<&str>) -> Result<Socket, SocketError> {
    let failed = |source| SocketError::Listen { path: path.display().to_string(), source };
    let id = match group {
        Some(group) => {
            let id = group_id(group).map_err(failed)?;
            Some(id.ok_or_else(|| SocketError::NoGroup { group: group.to_owned() })?)
        }
        None => group_id(DEFAULT_GROUP).unwrap_or_default(),
    };
    let listener = crate::http::listen(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    if let Some(id) = id {
        chown(path, Some(0), Some(id)).map_err(failed)?;
    }
    Ok(Socket { listener, path: Some(path.to_owned()) })
}

/// The number of a group, which may be given as a number.
fn group_id(group: &str) -> io::Result<Option<u32>> {
    if let Ok(id) = group.parse() {
        return Ok(Some(id));
    }
    let groups = std::fs::read_to_string("/etc/group")?;
    let id = |line: &str| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(group);
        fields.nth(1).filter(|_| is_it).and_then(|id| id.parse().ok())
    };
    Ok(groups.lines().find_map(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: i32) -> io::Result<std::os::fd::OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[test]
    fn the_socket_is_for_its_group_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("deep/engine.sock");
        let hosts = [Host::Unix(path.clone())];
        let sockets = open(&hosts, Some("0"), nothing).expect("a socket");
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(open(&hosts, None, nothing).is_err(), "one engine listens on it");
        drop(sockets);
        assert!(open(&hosts, None, nothing).is_ok(), "a stale socket is replaced");
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        let hosts = [Host::Systemd];
        let error = open(&hosts, None, nothing).expect_err("not started by systemd").to_string();
        assert!(error.contains("socket activation"), "{error}");
        let hosts = [Host::Unix("/proc/no/engine.sock".into())];
        assert!(open(&hosts, None, nothing).is_err());
        let error = open(&hosts, Some("no-such-group"), nothing).expect_err("no group").to_string();
        assert_eq!(error, "there is no group no-such-group");
    }
}
