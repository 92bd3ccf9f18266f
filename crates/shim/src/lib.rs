//! The process that holds one container: OCI runtime, stdio, terminal, logs, exit status.
