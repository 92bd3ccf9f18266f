//! From a container to a process: the OCI spec, and the language spoken with the shim.
