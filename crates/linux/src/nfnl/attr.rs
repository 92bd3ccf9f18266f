//! Netlink attributes: written with their lengths checked, read without trusting them.

use std::str;

use thiserror::Error;

/// Bytes that are not what the kernel's interface says they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed netlink bytes: {what}")]
pub struct Malformed {
    /// What was being read.
    pub what: &'static str,
}

pub(crate) const fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}

/// Marks an attribute whose payload is attributes (`NLA_F_NESTED`).
const NESTED: u16 = 0x8000;
/// The bits of an attribute's type that name it (`NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;

/// Attributes under construction.
///
/// An attribute's length has 16 bits. One that grows past them is remembered,
/// not truncated: whoever sends the bytes asks [`Writer::overflowed`] first.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    overflow: bool,
}

impl Writer {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether an attribute was too long since the last time this was asked.
    pub(crate) fn overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflow)
    }

    /// Bytes that are no attribute: a message header.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Replaces bytes written before, e.g. a length that is known only now.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn attr(&mut self, kind: u16, payload: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(payload);
        self.close(start);
    }

    pub(crate) fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NESTED);
        content(self);
        self.close(start);
    }

    /// A string with the terminating zero that the kernel expects.
    pub(crate) fn string(&mut self, kind: u16, text: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.close(start);
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    pub(crate) fn be64(&mut self, kind: u16, value: u64) {
        self.attr(kind, &value.to_be_bytes());
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        match u16::try_from(self.bytes.len() - start) {
            Ok(len) => self.patch(start, &len.to_ne_bytes()),
            Err(_) => self.overflow = true,
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr<'a> {
    pub(crate) kind: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Attr<'a> {
    pub(crate) fn nested(&self) -> Attrs<'a> {
        Attrs(self.payload)
    }

    /// The text up to the first zero.
    pub(crate) fn string(&self) -> Result<&'a str, Malformed> {
        let end = self.payload.iter().position(|byte| *byte == 0).unwrap_or(self.payload.len());
        str::from_utf8(&self.payload[..end]).map_err(|_| malformed("a name that is not UTF-8"))
    }

    pub(crate) fn be16(&self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array("a 16-bit number")?))
    }

    pub(crate) fn be32(&self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array("a 32-bit number")?))
    }

    pub(crate) fn be64(&self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array("a 64-bit number")?))
    }

    pub(crate) fn byte(&self) -> Result<u8, Malformed> {
        Ok(self.array::<1>("an 8-bit number")?[0])
    }

    pub(crate) fn array<const N: usize>(&self, what: &'static str) -> Result<[u8; N], Malformed> {
        self.payload.try_into().map_err(|_| malformed(what))
    }
}

/// The attributes in a stretch of bytes, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attrs<'a>(pub(crate) &'a [u8]);

impl<'a> Attrs<'a> {
    /// The first attribute of this kind.
    pub(crate) fn find(self, kind: u16) -> Result<Option<Attr<'a>>, Malformed> {
        for attr in self {
            let attr = attr?;
            if attr.kind == kind {
                return Ok(Some(attr));
            }
        }
        Ok(None)
    }

    fn split(&mut self) -> Result<Attr<'a>, Malformed> {
        let short = malformed("an attribute longer than what holds it");
        let (header, _) = self.0.split_first_chunk::<4>().ok_or(short)?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        let payload = self.0.get(4..len).ok_or(short)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Ok(Attr { kind, payload })
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let attr = self.split();
        if attr.is_err() {
            self.0 = &[];
        }
        Some(attr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.string(1, "tombolo");
        writer.nest(2, |nest| {
            nest.be32(3, 7);
            nest.attr(4, &[1, 2, 3]);
        });
        let read: Vec<_> = Attrs(writer.bytes()).collect::<Result<_, _>>().expect("well formed");
        assert_eq!(read[0].string(), Ok("tombolo"));
        assert_eq!(read[1].kind, 2);
        let inner: Vec<_> = read[1].nested().collect::<Result<_, _>>().expect("well formed");
        assert_eq!(inner[0].be32(), Ok(7));
        assert_eq!(inner[1].payload, [1, 2, 3]);
    }

    #[test]
    fn an_attribute_that_is_too_long_is_noticed() {
        let mut writer = Writer::default();
        writer.attr(1, &vec![0; 65_531]);
        assert!(!writer.overflowed());
        writer.attr(1, &vec![0; 65_532]);
        assert!(writer.overflowed());
        assert!(!writer.overflowed());
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        for bytes in [&[1][..], &[3, 0, 1, 0], &[0, 0, 0, 0], &[9, 0, 1, 0, 0, 0, 0, 0]] {
            assert!(Attrs(bytes).next().expect("an attribute").is_err(), "{bytes:?}");
        }
    }
}
