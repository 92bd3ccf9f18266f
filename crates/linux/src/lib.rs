//! The only crate with system calls: safe, synchronous, and ignorant of containers.
//!
//! One module per kernel interface. Nothing here knows what a network, an
//! endpoint or a container is: callers say *what*, this crate knows *how*.

pub mod announce;
pub mod cgroup;
pub mod claim;
pub mod conntrack;
pub mod datagram;
pub mod inotify;
pub mod loop_device;
pub mod mount;
pub mod netlink;
pub mod netns;
pub mod nfnl;
pub mod overlayfs;
pub mod pidfd;
pub mod port;
pub mod process;
pub mod pty;
pub mod quota;
pub mod root;
pub mod rtnl;
pub mod scratch;
pub mod seccomp;
pub mod sock_diag;
pub mod socket;
pub mod sysctl;
