//! The directory one shim lives in: what it is told, and what it leaves behind.
//!
//! ```text
//! config.json    the OCI runtime spec
//! shim.json      what the OCI spec has no place for: [`Config`]
//! seccomp.bpf    the compiled system call filter, if there is one
//! shim.sock      where the shim listens
//! shim.pid       the shim's process
//! exit.json      how the first process ended: written and synced before anyone is told
//! shim.log       what the shim had to say about itself
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci_spec::runtime as oci;
use serde::{Deserialize, Serialize};

use crate::protocol::Exit;

pub const CONFIG: &str = "config.json";
pub const SHIM: &str = "shim.json";
pub const SECCOMP: &str = "seccomp.bpf";
pub const SOCKET: &str = "shim.sock";
pub const PID: &str = "shim.pid";
pub const EXIT: &str = "exit.json";
pub const LOG: &str = "shim.log";

/// What a shim is told beyond the OCI spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Gives the first process a standard input that clients write to.
    pub open_stdin: bool,
    /// Ends it when the first client that wrote to it ends its side.
    pub stdin_once: bool,
    pub log: Option<LogConfig>,
    /// Milliseconds an attached client may take nothing, its megabyte of
    /// buffer full and the container waiting, before it is cut off.
    pub patience_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { open_stdin: false, stdin_once: false, log: None, patience_ms: 30_000 }
    }
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    pub sink: Sink,
    /// Whether the container waits for a receiver that is slow; otherwise lines are lost.
    pub waits: bool,
    /// Bytes that wait for it at most.
    pub buffer: u64,
}

/// What takes output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sink {
    File(FileLog),
    Syslog(SyslogLog),
}

/// Files in Docker's json-file format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLog {
    pub path: PathBuf,
    /// Bytes of one file; `None`: without bound.
    pub max_size: Option<u64>,
    /// How many files there are at most, `path` and `path.1`, …; at least 1.
    pub max_files: u32,
    /// Whether all but the first are compressed: `path.1.gz`.
    pub compress: bool,
    /// What each line is marked with.
    pub attributes: BTreeMap<String, String>,
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyslogLog {
    pub address: SyslogAddress,
    /// Its number: 0 to 23.
    pub facility: u8,
    pub format: SyslogFormat,
    pub tag: String,
}

/// Where a syslog server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyslogAddress {
    /// A socket for datagrams, or a stream if it is none.
    Local(PathBuf),
    Stream(PathBuf),
    Udp(String),
    Tcp(String),
}

/// How a message looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyslogFormat {
    /// As syslog(3) writes it for the local server.
    Unix,
    Rfc3164,
    Rfc5424,
    /// The same with microseconds.
    Rfc5424Micro,
}

/// Writes what a shim needs into `dir`, which exists and is empty.
///
/// Nothing is synced: a container does not survive the machine.
pub fn write(dir: &Path, spec: &oci::Spec, config: &Config, filter: Option<&[u8]>) -> io::Result<()> {
    std::fs::write(dir.join(CONFIG), serde_json::to_vec(spec)?)?;
    std::fs::write(dir.join(SHIM), serde_json::to_vec(config)?)?;
    if let Some(filter) = filter {
        std::fs::write(dir.join(SECCOMP), filter)?;
    }
    Ok(())
}

/// Removes what an earlier run of the same container left in `dir`.
pub fn clear(dir: &Path) -> io::Result<()> {
    for name in [CONFIG, SHIM, SECCOMP, SOCKET, PID, EXIT, LOG] {
        match std::fs::remove_file(dir.join(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How the first process ended, if it has.
pub fn exit(dir: &Path) -> io::Result<Option<Exit>> {
    match std::fs::read(dir.join(EXIT)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes how the first process ended, so that it is whole or not there.
pub fn write_exit(dir: &Path, exit: &Exit) -> io::Result<()> {
    let partial = dir.join(format!("{EXIT}.new"));
    let mut file = std::fs::File::create(&partial)?;
    file.write_all(&serde_json::to_vec(exit)?)?;
    file.sync_all()?;
    std::fs::rename(&partial, dir.join(EXIT))?;
    std::fs::File::open(dir)?.sync_all()
}
