//! The process that holds one container: OCI runtime, stdio, terminal, logs, exit status.
//!
//! Started by the engine as `tombolo shim --bundle <dir>`, it detaches, creates
//! the container, and then serves requests from one thread and one poll(2)
//! until it is told to delete the container. It survives the engine.
//!
//! ```text
//! launch ── create ──► Container (libcontainer) ── pipes or terminal ──► Process
//!    │                                                                    │
//!    └──► Server: poll { socket, SIGCHLD, clients, stdio } ◄──────────────┘
//!            │                                   │
//!            └─ exit.json, before anyone is told └─ json-file log, attached clients
//! ```

mod cleanup;
mod connection;
mod container;
mod launch;
mod log;
mod process;
mod server;
mod stats;

pub use launch::main;

use runtime::protocol::{Failure, FailureKind};

/// Joins an error and its causes: here a failure leaves for the engine.
fn failure(kind: FailureKind, error: &dyn std::error::Error) -> Failure {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let message = causes.fold(error.to_string(), |text, cause| {
        // Some libraries print their source themselves.
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    });
    Failure { kind, message }
}

/// What failed, in front of why.
fn failed(what: &str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure { kind: FailureKind::Other, message: format!("{what}: {error}") }
}
