//! The mount API of Linux 5.2: file systems, binds, propagation, attributes.
