//! Routing netlink: links, addresses, routes, neighbours.
