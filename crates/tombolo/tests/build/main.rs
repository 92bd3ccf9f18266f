//! Images built from Dockerfiles, end to end.

mod context;
mod steps;
mod support;
