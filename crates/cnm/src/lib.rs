//! The Container Network Model: pure, synchronous, deterministic.
