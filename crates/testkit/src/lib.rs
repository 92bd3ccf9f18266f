//! For tests only: the scratch machine with an engine in it, its neighbours, and
//! images made on the spot.
//!
//! ```no_run
//! let machine = testkit::Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
//! machine.docker("run --rm busybox true")?;
//! # Ok::<(), anyhow::Error>(())
//! ```

#![expect(clippy::disallowed_methods, reason = "clients of the engine are programs, and tests start them")]

mod agreement;
pub mod archive;
mod call;
pub mod dns;
mod everything;
pub mod fake_registry;
pub mod images;
mod leftovers;
mod machine;
mod neighbours;
mod output;
mod place;
pub mod registry;
mod wait;

pub use call::Answer;
pub use everything::{Everything, difference};
pub use leftovers::{Leftovers, remove_group};
pub use machine::{Machine, OUTSIDE, OUTSIDE6, WIRE, WIRE6};
pub use neighbours::{FAR, FAR6, LAN, LAN6, PEER, PEER6};
pub use output::Output;
pub use place::{Place, udp};
pub use tar::EntryType;
pub use wait::until;
