//! From a reference to a mounted root file system: content, layers, snapshots, archives.
