//! Further neighbours of a scratch machine: one on a private network, and one that only a router
//! leads to.

use anyhow::{Context, Result};

use crate::{Machine, OUTSIDE, OUTSIDE6};

/// The machine's own addresses on its private network.
pub const LAN: &str = "192.168.77.1";
pub const LAN6: &str = "fd77::1";
/// Those of the neighbour there.
pub const PEER: &str = "192.168.77.2";
pub const PEER6: &str = "fd77::2";
/// Those of the neighbour behind the router (RFC 5737, RFC 3849).
pub const FAR: &str = "203.0.113.2";
pub const FAR6: &str = "2001:db8:f::2";

impl Machine {
    /// Joins the machine by the link `lan` to a peer on a private network, and by its first
    /// neighbour to one that is far away.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn lay_lan(&self) -> Result<()> {
        let script = format!(
            "set -e
            ip netns add peer
            ip link add lan type veth peer name lan netns peer
            ip addr add {LAN}/24 dev lan
            ip addr add {LAN6}/64 dev lan nodad
            ip link set lan up
            ip -n peer link set lo up
            ip -n peer addr add {PEER}/24 dev lan
            ip -n peer addr add {PEER6}/64 dev lan nodad
            ip -n peer link set lan up
            ip -n peer route add default via {LAN}
            ip -n peer -6 route add default via {LAN6}
            ip netns add far
            ip -n outside link add far type veth peer name far netns far
            ip -n outside addr add 203.0.113.1/24 dev far
            ip -n outside addr add 2001:db8:f::1/64 dev far nodad
            ip -n outside link set far up
            ip netns exec outside sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
            ip -n far link set lo up
            ip -n far addr add {FAR}/24 dev far
            ip -n far addr add {FAR6}/64 dev far nodad
            ip -n far link set far up
            ip -n far route add default via 203.0.113.1
            ip -n far -6 route add default via 2001:db8:f::1
            ip route add 203.0.113.0/24 via {OUTSIDE}
            ip -6 route add 2001:db8:f::/64 via {OUTSIDE6}"
        );
        self.sh(&script).ok().context("cannot lay a private network")?;
        Ok(())
    }
}
