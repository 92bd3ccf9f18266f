//! The keys that detach a terminal: `ctrl-p,ctrl-q` unless the client says otherwise.

/// A key that cannot be typed; the text is Docker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    key: String,
}

impl std::fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unknown character: '{}'", self.key)
    }
}

impl std::error::Error for UnknownKey {}

/// Docker's default keys: ctrl-p, ctrl-q.
const DEFAULT: [u8; 2] = [16, 17];

/// Watches a terminal's input for the keys that detach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were seen and held back.
    seen: usize,
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`; an empty text is the default.
    ///
    /// # Errors
    /// The first key that is none.
    pub fn parse(text: &str) -> Result<Self, UnknownKey> {
        let keys = if text.is_empty() {
            DEFAULT.to_vec()
        } else {
            text.split(',').map(key).collect::<Result<_, _>>()?
        };
        Ok(Self { keys, seen: 0 })
    }

    /// What of `input` goes to the process, and whether the keys were completed.
    pub fn pass(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut output = Vec::with_capacity(input.len());
        for &byte in input {
            if byte == self.keys[self.seen] {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return (output, true);
                }
                continue;
            }
            output.extend_from_slice(&self.keys[..self.seen]);
            self.seen = usize::from(byte == self.keys[0] && self.keys.len() > 1);
            if self.seen == 0 {
                output.push(byte);
            }
        }
        (output, false)
    }
}

/// One key: a character, or `ctrl-` with one of `a-z @ [ \ ] ^ _`.
fn key(text: &str) -> Result<u8, UnknownKey> {
    let unknown = || UnknownKey { key: text.to_owned() };
    match text.as_bytes() {
        [character] => Ok(*character),
        [prefix @ .., letter] if prefix == b"ctrl-" => match letter {
            b'a'..=b'z' => Ok(letter - b'a' + 1),
            b'@' => Ok(0),
            b'['..=b'_' => Ok(letter - b'[' + 27),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &str, pieces: &[&[u8]], passed: &[u8], detached: bool) {
        let mut keys = DetachKeys::parse(keys).expect("keys");
        let (mut all, mut is_detached) = (Vec::new(), false);
        for piece in pieces {
            let (output, end) = keys.pass(piece);
            all.extend(output);
            is_detached = is_detached || end;
        }
        assert_eq!((all.as_slice(), is_detached), (passed, detached));
    }

    #[test]
    fn keys_are_held_back_until_it_is_clear() {
        check("", &[b"ls\n"], b"ls\n", false);
        check("", &[b"a\x10\x11b"], b"a", true);
        check("", &[b"a\x10", b"\x11"], b"a", true);
        check("", &[b"a\x10", b"b"], b"a\x10b", false);
        check("", &[b"\x10\x10\x11"], b"\x10", true);
        check("x", &[b"abx"], b"ab", true);
        check("ctrl-a,d", &[b"\x01c\x01d"], b"\x01c", true);
        check("ctrl-@", &[b"a\0"], b"a", true);
    }

    #[test]
    fn strange_keys_are_refused() {
        for text in ["ctrl-", "ctrl-1", "abc", "ctrl-p,", ",", "é"] {
            assert!(DetachKeys::parse(text).is_err(), "{text}");
        }
    }
}
