//! Reading and writing /proc/sys.
//!
//! Below `net/`, the files belong to the network namespace of the *calling
//! thread*; the functions with a [`Netns`] go there on a thread that ends.
//! Names have slashes (`net/ipv4/ip_forward`): a link's name may contain dots.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::netns::{Netns, NetnsError};

/// Why a kernel setting could not be read or written.
#[derive(Debug, Error)]
pub enum SysctlError {
    /// The name leads out of /proc/sys.
    #[error("invalid kernel setting {name}")]
    Name {
        /// The setting.
        name: String,
    },
    /// The file could not be read.
    #[error("cannot read kernel setting {name}")]
    Read {
        /// The setting.
        name: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot set kernel setting {name} to {value}")]
    Write {
        /// The setting.
        name: String,
        /// What it should have become.
        value: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The namespace could not be entered.
    #[error(transparent)]
    Enter(#[from] NetnsError),
}

impl SysctlError {
    /// The kind of the system's answer.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Name { .. } => io::ErrorKind::InvalidInput,
            Self::Read { source, .. } | Self::Write { source, .. } => source.kind(),
            Self::Enter(error) => error.kind(),
        }
    }
}

/// The value of a setting, without the line's end.
pub fn read(name: &str) -> Result<String, SysctlError> {
    let value = std::fs::read_to_string(path(name)?)
        .map_err(|source| SysctlError::Read { name: name.to_owned(), source })?;
    Ok(value.trim_end().to_owned())
}

/// Sets a setting.
pub fn write(name: &str, value: &str) -> Result<(), SysctlError> {
    std::fs::write(path(name)?, value).map_err(|source| SysctlError::Write {
        name: name.to_owned(),
        value: value.to_owned(),
        source,
    })
}

/// The values of settings in a namespace, in one visit.
pub fn read_in(netns: &Netns, names: &[&str]) -> Result<Vec<String>, SysctlError> {
    netns.enter(|| names.iter().map(|name| read(name)).collect())?
}

/// Sets settings in a namespace, in order and in one visit.
pub fn write_in(netns: &Netns, settings: &[(&str, &str)]) -> Result<(), SysctlError> {
    netns.enter(|| settings.iter().try_for_each(|(name, value)| write(name, value)))?
}

fn path(name: &str) -> Result<PathBuf, SysctlError> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !name.split('/').all(plain) || name.contains('\0') {
        return Err(SysctlError::Name { name: name.to_owned() });
    }
    Ok(PathBuf::from("/proc/sys").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::leave_host;

    #[test]
    fn a_setting_changes_in_its_namespace_only() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                leave_host().expect("a namespace of the test's own");
                let directory = tempfile::tempdir().expect("a directory");
                let inside = Netns::create(&directory.path().join("inside")).expect("create");
                let name = "net/ipv4/ip_forward";
                let here = read(name).expect("read");
                write_in(&inside, &[(name, "1")]).expect("write");
                assert_eq!(read_in(&inside, &[name]).expect("read"), ["1"]);
                assert_eq!(read(name).expect("read"), here);
                write(name, "1").expect("write");
                write(name, "0").expect("write");
                assert_eq!(read_in(&inside, &[name]).expect("read"), ["1"]);
            });
        });
    }

    #[test]
    fn a_name_does_not_lead_out() {
        for name in ["../self/environ", "net//ipv4", "/etc/passwd", "", "net/./ipv4"] {
            assert!(matches!(read(name), Err(SysctlError::Name { .. })), "{name}");
        }
        let error = read("net/no_such_setting").expect_err("no such setting");
        assert_eq!(error.to_string(), "cannot read kernel setting net/no_such_setting");
    }
}
