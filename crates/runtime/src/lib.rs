//! From a container to a process: the OCI spec, and the language spoken with the shim.
//!
//! [`spec`] turns what the engine wants of a container into the OCI document,
//! purely. [`seccomp`] does the same for system call filters. [`bundle`] is the
//! directory one shim lives in, [`protocol`] what is said over its socket, and
//! [`client`] the engine's end of it.

pub mod bundle;
pub mod client;
pub mod protocol;
pub mod seccomp;
pub mod spec;
pub mod user;

pub use oci_spec::runtime as oci;
