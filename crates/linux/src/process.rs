//! Starting a program with exactly the descriptors it is given.
