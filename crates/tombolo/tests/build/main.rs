//! Images built from Dockerfiles, end to end.

mod context;
mod ours;
mod steps;
mod support;
