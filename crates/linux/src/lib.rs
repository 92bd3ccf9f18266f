//! The only crate with system calls: safe, synchronous, and ignorant of containers.
