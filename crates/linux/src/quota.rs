//! Project quotas: how much one directory with all that is below may hold (quotactl(2)).
//!
//! ext4 and xfs have them if they are mounted with `prjquota`. A directory is given
//! a number, which what is made in it inherits; the number has a limit.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// `FS_XFLAG_PROJINHERIT` of linux/fs.h.
const INHERIT: u32 = 0x200;
/// `PRJQUOTA` of linux/quota.h.
const PROJECT: libc::c_uint = 2;
/// `Q_GETQUOTA` and `Q_SETQUOTA` of linux/quota.h.
const GET: libc::c_uint = 0x80_0007;
const SET: libc::c_uint = 0x80_0008;
/// `QIF_BLIMITS` of linux/quota.h.
const BLOCK_LIMITS: u32 = 1;
/// `QIF_DQBLKSIZE` of linux/quota.h.
const BLOCK: u64 = 1024;
/// Numbers below are left to whoever looks after the machine.
const FIRST_PROJECT: u32 = 1 << 24;

/// Why a directory has no limit.
#[derive(Debug, Error)]
pub enum QuotaError {
    #[error(
        "{} is on {file_system}, which has no project quotas here: ext4 and xfs have them when mounted with prjquota",
        path.display()
    )]
    NotSupported { path: PathBuf, file_system: String },
    #[error("cannot {step} of {}", path.display())]
    Io {
        step: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What a directory holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub used: u64,
    pub limit: u64,
}

/// Limits what a directory may hold. One that had no limit must be empty.
pub fn limit(directory: &Path, bytes: u64) -> Result<(), QuotaError> {
    limit_all(&[directory], bytes)
}

/// Limits what directories of one file system may hold together. Those that had no limit must be empty.
pub fn limit_all(directories: &[&Path], bytes: u64) -> Result<(), QuotaError> {
    let places = directories.iter().map(|path| Place::open(path)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = places.first() else { return Ok(()) };
    let known = first.attributes()?.project;
    let project = if known == 0 { first.free_project()? } else { known };
    first.set_limit(project, bytes)?;
    for place in &places {
        let attributes = place.attributes()?;
        let flags = attributes.flags | INHERIT;
        place.set_attributes(&Attributes { project, flags, ..attributes })?;
    }
    Ok(())
}

/// What a directory holds, if it has a limit.
pub fn usage(directory: &Path) -> Result<Option<Usage>, QuotaError> {
    let place = Place::open(directory)?;
    let project = match place.attributes() {
        Ok(attributes) => attributes.project,
        Err(QuotaError::NotSupported { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if project == 0 {
        return Ok(None);
    }
    let block = place.quota(project)?;
    let limit = block.hard_limit * BLOCK;
    Ok(Some(Usage { used: block.space, limit }).filter(|usage| usage.limit > 0))
}

/// Forgets the limit of a directory that is about to be removed. One without is fine.
pub fn forget(directory: &Path) -> Result<(), QuotaError> {
    match usage(directory) {
        Ok(Some(_)) => limit(directory, 0),
        Ok(None) | Err(QuotaError::NotSupported { .. }) => Ok(()),
        Err(QuotaError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// An open directory and what it is called.
struct Place {
    directory: File,
    path: PathBuf,
}

impl Place {
    fn open(path: &Path) -> Result<Self, QuotaError> {
        let failed = |source| QuotaError::Io { step: "open the directory", path: path.to_owned(), source };
        Ok(Self { directory: File::open(path).map_err(failed)?, path: path.to_owned() })
    }

    fn failed(&self, step: &'static str, source: io::Error) -> QuotaError {
        let path = self.path.clone();
        match source.raw_os_error() {
            Some(libc::ENOTTY | libc::EOPNOTSUPP | libc::ENOSYS | libc::ESRCH | libc::ENODEV) => {
                let found = crate::mount::file_system_of(&self.path);
                let file_system = found.unwrap_or_else(|_| "a file system".to_owned());
                QuotaError::NotSupported { path, file_system }
            }
            _ => QuotaError::Io { step, path, source },
        }
    }

    fn attributes(&self) -> Result<Attributes, QuotaError> {
        let mut attributes = Attributes::default();
        let request = libc::_IOR::<Attributes>(u32::from(b'X'), 31);
        // SAFETY: the structure is the kernel's `struct fsxattr`, which it fills.
        #[expect(unsafe_code, reason = "no library has this ioctl")]
        let result = unsafe { libc::ioctl(self.fd(), request, &raw mut attributes) };
        answered(result.into()).map_err(|error| self.failed("read the project", error))?;
        Ok(attributes)
    }

    fn set_attributes(&self, attributes: &Attributes) -> Result<(), QuotaError> {
        let request = libc::_IOW::<Attributes>(u32::from(b'X'), 32);
        // SAFETY: the structure is the kernel's `struct fsxattr`, which it reads.
        #[expect(unsafe_code, reason = "no library has this ioctl")]
        let result = unsafe { libc::ioctl(self.fd(), request, &raw const *attributes) };
        answered(result.into()).map_err(|error| self.failed("set the project", error))
    }

    /// A number that nothing counts for.
    fn free_project(&self) -> Result<u32, QuotaError> {
        loop {
            let mut bytes = [0; 4];
            rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
                .map_err(|errno| self.failed("choose a project", errno.into()))?;
            let project = FIRST_PROJECT | (u32::from_ne_bytes(bytes) >> 1);
            let block = self.quota(project)?;
            if block.space == 0 && block.nodes == 0 && block.hard_limit == 0 {
                return Ok(project);
            }
        }
    }

    fn quota(&self, project: u32) -> Result<Block, QuotaError> {
        let mut block = Block::default();
        match self.control(GET, project, &mut block) {
            // xfs has nothing to say of a number that nothing counts for.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Block::default()),
            Err(error) => Err(self.failed("read the quota", error)),
            Ok(()) => Ok(block),
        }
    }

    fn set_limit(&self, project: u32, bytes: u64) -> Result<(), QuotaError> {
        let limit = bytes.div_ceil(BLOCK);
        let mut block =
            Block { hard_limit: limit, soft_limit: limit, valid: BLOCK_LIMITS, ..Block::default() };
        self.control(SET, project, &mut block).map_err(|error| self.failed("set the quota", error))
    }

    /// quotactl_fd(2), of Linux 5.14.
    fn control(&self, command: libc::c_uint, project: u32, block: &mut Block) -> io::Result<()> {
        let command = (command << 8) | PROJECT;
        // SAFETY: the structure is the kernel's `struct if_dqblk`, which it reads or fills.
        #[expect(unsafe_code, reason = "no library has quotactl_fd")]
        let result = unsafe {
            libc::syscall(libc::SYS_quotactl_fd, self.fd(), command, project, std::ptr::from_mut(block))
        };
        answered(result)
    }

    fn fd(&self) -> RawFd {
        self.directory.as_raw_fd()
    }
}

fn answered(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct fsxattr` of linux/fs.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

/// `struct if_dqblk` of linux/quota.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    hard_limit: u64,
    soft_limit: u64,
    /// Bytes.
    space: u64,
    hard_node_limit: u64,
    soft_node_limit: u64,
    nodes: u64,
    time: u64,
    node_time: u64,
    valid: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_quotas_is_named() {
        let error = limit(Path::new("/proc/self"), 1 << 20).expect_err("proc has none");
        assert!(
            error.to_string().starts_with("/proc/self is on proc, which has no project quotas"),
            "{error}"
        );
        assert_eq!(usage(Path::new("/proc/self")).expect("no limit"), None);
    }
}
