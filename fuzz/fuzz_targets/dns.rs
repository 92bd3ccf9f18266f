//! Reads arbitrary bytes as a question to a sandbox's resolver, and as an answer from upstream.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| net::dns::read_anything(bytes));
