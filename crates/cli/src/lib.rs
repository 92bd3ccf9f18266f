//! The command line, over the API's types and a socket; it knows nothing of the engine.

pub mod client;
