//! The keys that detach a terminal: `ctrl-p,ctrl-q`.

use super::Malformed;

/// Docker's default: ctrl-p, ctrl-q.
const DEFAULT: [u8; 2] = [16, 17];

/// Watches input for the keys that detach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were seen and held back.
    seen: usize,
}

impl DetachKeys {
    /// Reads the keys; an empty text is the default.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Ok(Self { keys: DEFAULT.to_vec(), seen: 0 });
        }
        let keys = text.split(',').map(key).collect::<Result<_, _>>()?;
        Ok(Self { keys, seen: 0 })
    }

    /// What of `input` is passed on, and whether the keys were completed.
    pub(crate) fn pass(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(input.len());
        for &byte in input {
            if byte == self.keys[self.seen] {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return (passed, true);
                }
                continue;
            }
            passed.extend_from_slice(&self.keys[..self.seen]);
            self.seen = usize::from(byte == self.keys[0]);
            if self.seen == 0 {
                passed.push(byte);
            }
        }
        (passed, false)
    }
}

/// One key: a character, or `ctrl-` with one of `a-z @ [ \ ] ^ _`.
fn key(text: &str) -> Result<u8, Malformed> {
    let unknown = || Malformed::new(format!("invalid detach keys: Unknown character: '{text}'"));
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
    fn check(keys: &str, pieces: &[&[u8]], passed: &[u8], is_detached: bool) {
        let mut keys = DetachKeys::parse(keys).expect("keys");
        let (mut all, mut ended) = (Vec::new(), false);
        for piece in pieces {
            let (output, end) = keys.pass(piece);
            all.extend(output);
            ended |= end;
        }
        assert_eq!((all.as_slice(), ended), (passed, is_detached));
    }

    #[test]
    fn keys_are_held_back_until_it_is_clear() {
        check("", &[b"ls\n"], b"ls\n", false);
        check("", &[b"a\x10", b"\x11"], b"a", true);
        check("", &[b"a\x10", b"b"], b"a\x10b", false);
        check("", &[b"\x10\x10\x11"], b"\x10", true);
        check("x", &[b"abx"], b"ab", true);
        check("ctrl-a,d", &[b"\x01c\x01d"], b"\x01c", true);
        assert!(DetachKeys::parse("ctrl-1").is_err());
        assert!(DetachKeys::parse("abc").is_err());
    }
}
