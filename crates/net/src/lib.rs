//! Where the model meets Linux: the network service, DNS sockets, store, monitors.

pub mod host;
