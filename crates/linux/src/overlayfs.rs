//! Overlay mounts over any number of lower directories.
