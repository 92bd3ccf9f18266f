//! Files as block devices (loop(4)).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;

/// `LOOP_CTL_GET_FREE` and `LOOP_CONFIGURE` (Linux 5.8) of linux/loop.h.
const GET_FREE: libc::c_ulong = 0x4C82;
const CONFIGURE: libc::c_ulong = 0x4C0A;
/// `LO_FLAGS_AUTOCLEAR`: the device is free again when nobody has it mounted.
const AUTOCLEAR: u32 = 4;
/// Others may take the device that was free.
const ATTEMPTS: usize = 16;

/// A file as a block device. It stays one as long as this value, or a mount of it.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    _device: File,
}

impl LoopDevice {
    /// Makes a device of a file that can be read and written.
    pub fn attach(file: &File) -> io::Result<Self> {
        let control = File::options().read(true).write(true).open("/dev/loop-control")?;
        for _ in 0..ATTEMPTS {
            let number = answered(request(control.as_raw_fd(), GET_FREE, 0))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = File::options().read(true).write(true).open(&path)?;
            let config = Config::new(file.as_raw_fd());
            match answered(request(device.as_raw_fd(), CONFIGURE, (&raw const config) as libc::c_ulong)) {
                Ok(_) => return Ok(Self { path, _device: device }),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// `/dev/loop0`.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

fn request(fd: RawFd, request: libc::c_ulong, argument: libc::c_ulong) -> libc::c_int {
    // SAFETY: the requests take a number, or a pointer to the kernel's `struct loop_config`, which
    // the caller keeps alive and the kernel only reads.
    #[expect(unsafe_code, reason = "no library has these ioctls")]
    unsafe {
        libc::ioctl(fd, request, argument)
    }
}

fn answered(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// `struct loop_config` of linux/loop.h, with its `struct loop_info64`.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

#[repr(C)]
struct Info {
    numbers: [u64; 5],
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    names: [u8; 64 + 64 + 32],
    init: [u64; 2],
}

impl Config {
    fn new(fd: RawFd) -> Self {
        let info = Info {
            numbers: [0; 5],
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: AUTOCLEAR,
            names: [0; 160],
            init: [0; 2],
        };
        Self { fd: fd.unsigned_abs(), block_size: 0, info, reserved: [0; 8] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_the_kernels() {
        assert_eq!((size_of::<Info>(), size_of::<Config>()), (232, 304));
    }
}
