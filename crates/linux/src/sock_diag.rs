//! Which ports are bound in a namespace, in one dump.
