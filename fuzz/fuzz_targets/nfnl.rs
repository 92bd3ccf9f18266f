//! Reads arbitrary bytes as a datagram of nf_tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| linux::nfnl::read_anything(bytes));
