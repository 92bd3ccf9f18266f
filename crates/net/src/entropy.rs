//! Random bytes from the system.

/// Fills bytes for ids and MAC addresses.
///
/// # Panics
/// If the system has no randomness, which happens only before it is up.
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random bytes");
}

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}
