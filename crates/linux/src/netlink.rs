//! Blocking netlink sockets: requests, acknowledgements with the kernel's own words, multicast groups.
