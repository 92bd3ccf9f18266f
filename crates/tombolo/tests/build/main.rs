//! Images built from Dockerfiles, end to end.

mod bases;
mod context;
mod ours;
mod steps;
mod support;
