//! Reads arbitrary bytes as documents of registries: manifests, lists, configurations; and as names and platforms.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| image::read_anything(bytes));
