//! Pseudo terminals: allocation, size, raw mode.
