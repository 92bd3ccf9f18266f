//! Where the model meets Linux: the network service, DNS sockets, store, monitors.
//!
//! [`NetworkService`] is the one writer of the model. A change is decided by
//! `cnm`, applied by a [`host::Host`], made durable, published, answered.

mod announce;
pub mod dns;
mod entropy;
mod facts;
pub mod host;
mod lanes;
pub mod look;
mod overlap;
pub mod plugin;
mod pool;
mod predefined;
mod resolvers;
mod service;
mod splices;
mod store;
mod watch;
mod writer;

pub use cnm;
pub use overlap::Overlap;
pub use pool::NotDone;
pub use predefined::{DEFAULT_LINK, DefaultNetwork};
pub use service::{ChangeError, Config, NetworkService, Outcome, StartError};
pub use store::StoreError;

/// Joins an error and its causes with colons, once, where it leaves the program.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
