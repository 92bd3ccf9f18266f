//! Paths resolved inside a directory that they cannot leave (openat2, RESOLVE_IN_ROOT).
