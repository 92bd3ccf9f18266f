//! Text as Go's JSON encoder writes it.

/// Escapes as Go's encoder does (moby `jsonlog.ffjsonWriteJSONBytesAsString`):
/// what is not UTF-8 becomes U+FFFD, and what HTML or JavaScript would mind a number.
pub(super) fn escape(text: &[u8], bytes: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        let mut left = chunk.valid().as_bytes();
        while let Some(at) = left.iter().position(|byte| IS_SPECIAL[usize::from(*byte)]) {
            bytes.extend_from_slice(&left[..at]);
            left = &left[at + special(&left[at..], bytes)..];
        }
        bytes.extend_from_slice(left);
        for _ in chunk.invalid() {
            bytes.extend_from_slice(b"\\ufffd");
        }
    }
}

/// The bytes that do not stand for themselves, and the one that U+2028 and U+2029 begin with.
const IS_SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte < 0x20 || matches!(byte, 0x22 | 0x26 | 0x3c | 0x3e | 0x5c | 0xe2);
        byte += 1;
    }
    table
};

/// Writes the special letter that `left` begins with; how long it is there.
fn special(left: &[u8], bytes: &mut Vec<u8>) -> usize {
    let letter: &[u8] = match left {
        [0xe2, 0x80, 0xa8, ..] => b"\\u2028",
        [0xe2, 0x80, 0xa9, ..] => b"\\u2029",
        [b'"', ..] => b"\\\"",
        [b'\\', ..] => b"\\\\",
        [b'\n', ..] => b"\\n",
        [b'\r', ..] => b"\\r",
        [b'\t', ..] => b"\\t",
        [0xe2, ..] => &left[..1],
        [byte, ..] => {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            bytes.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return 1;
        }
        [] => return 0,
    };
    bytes.extend_from_slice(letter);
    if matches!(left, [0xe2, 0x80, 0xa8 | 0xa9, ..]) { 3 } else { 1 }
}
