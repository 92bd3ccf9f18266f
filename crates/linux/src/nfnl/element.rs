//! Elements of sets and maps.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::attr::{Attrs, Malformed, Writer, malformed};
use super::expr::{Counter, element_counter};
use super::rule::{COMMENT_MAX, comment_from_user_data, user_data_from_comment};
use super::set::{DataType, Set, milliseconds};
use super::uapi::{data, elem, list};
use super::value::{Concatenation, Type, Value, Verdict, decode, encode};

/// What an element is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementKey {
    /// A value or a concatenation.
    Exact(Vec<Value>),
    /// All values from the first to the last, both included.
    Range(Value, Value),
}

impl fmt::Display for ElementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(values) => Concatenation(values).fmt(f),
            Self::Range(from, to) if from == to => from.fmt(f),
            Self::Range(from, to) => write!(f, "{from}-{to}"),
        }
    }
}

/// What a map gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// A verdict.
    Verdict(Verdict),
    /// A value or a concatenation.
    Values(Vec<Value>),
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Values(values) => Concatenation(values).fmt(f),
        }
    }
}

/// An element of a set or a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// What it is found by.
    pub key: ElementKey,
    /// What the map gives, if it is one.
    pub data: Option<Datum>,
    /// When it expires, if not after the set's time, in whole milliseconds.
    pub timeout: Option<Duration>,
    /// A remark, shown by nft(8).
    pub comment: Option<String>,
}

impl Element {
    /// An element of a set, found by a value or a concatenation.
    pub fn new(key: impl Into<Vec<Value>>) -> Self {
        Self { key: ElementKey::Exact(key.into()), data: None, timeout: None, comment: None }
    }

    /// An element found by any value from `first` to `last`, both included.
    pub fn range(first: Value, last: Value) -> Self {
        Self { key: ElementKey::Range(first, last), data: None, timeout: None, comment: None }
    }

    /// Makes it an element of a map to values.
    #[must_use]
    pub fn to(mut self, values: impl Into<Vec<Value>>) -> Self {
        self.data = Some(Datum::Values(values.into()));
        self
    }

    /// Makes it an element of a map to verdicts.
    #[must_use]
    pub fn to_verdict(mut self, verdict: Verdict) -> Self {
        self.data = Some(Datum::Verdict(verdict));
        self
    }

    /// Lets it expire.
    #[must_use]
    pub fn expiring(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        match &self.data {
            Some(data) => write!(f, " : {data}"),
            None => Ok(()),
        }
    }
}

/// Why an element does not belong into a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ElementError {
    /// A key of other types than the set's, or a range where none can be, or the other way round.
    #[error("its key is not of the set's type")]
    Key,
    /// The range's end is before its start.
    #[error("its range ends before it starts")]
    Backwards,
    /// Data of other types than the map's, or data in a set, or none in a map.
    #[error("its data is not of the map's type")]
    Data,
    /// A comment longer than [`COMMENT_MAX`].
    #[error("its comment is longer than {COMMENT_MAX} bytes")]
    Comment,
}

/// What the kernel is told about an element.
struct Wire {
    start: Vec<u8>,
    /// The first value behind a range; none if the range goes to the highest value.
    end: Option<Vec<u8>>,
}

impl Element {
    fn wire(&self, set: &Set) -> Result<Wire, ElementError> {
        match (&self.key, set.key.types()) {
            (ElementKey::Exact(values), types) if !set.key.is_interval() && are(values, types) => {
                Ok(Wire { start: encode(values), end: None })
            }
            (ElementKey::Range(first, last), [kind])
                if set.key.is_interval() && first.kind() == *kind && last.kind() == *kind =>
            {
                let (start, last) = (alone(first), alone(last));
                if last < start {
                    return Err(ElementError::Backwards);
                }
                Ok(Wire { start, end: successor(last) })
            }
            _ => Err(ElementError::Key),
        }
    }

    /// Whether the element can be in the set.
    pub fn check(&self, set: &Set) -> Result<(), ElementError> {
        self.wire(set)?;
        if self.comment.as_ref().is_some_and(|comment| comment.len() > COMMENT_MAX) {
            return Err(ElementError::Comment);
        }
        match (&self.data, &set.data) {
            (None, None) | (Some(Datum::Verdict(_)), Some(DataType::Verdict)) => Ok(()),
            (Some(Datum::Values(values)), Some(DataType::Values(types))) if are(values, types) => Ok(()),
            _ => Err(ElementError::Data),
        }
    }

    /// Writes the element as one or two items of a list.
    pub(crate) fn encode(&self, set: &Set, out: &mut Writer) -> Result<(), ElementError> {
        self.check(set)?;
        let wire = self.wire(set)?;
        out.nest(list::ELEM, |out| {
            key(&wire.start, out);
            match &self.data {
                Some(Datum::Verdict(verdict)) => out.nest(elem::DATA, |out| verdict.encode(out)),
                Some(Datum::Values(values)) => {
                    out.nest(elem::DATA, |out| out.attr(data::VALUE, &encode(values)));
                }
                None => {}
            }
            if let Some(timeout) = self.timeout {
                out.be64(elem::TIMEOUT, milliseconds(timeout));
            }
            if let Some(comment) = &self.comment {
                out.attr(elem::USERDATA, &user_data_from_comment(comment));
            }
        });
        encode_end(&wire, out);
        Ok(())
    }

    /// Writes only what finds the element, as deletion wants it.
    pub(crate) fn encode_key(&self, set: &Set, out: &mut Writer) -> Result<(), ElementError> {
        let wire = self.wire(set)?;
        out.nest(list::ELEM, |out| key(&wire.start, out));
        encode_end(&wire, out);
        Ok(())
    }
}

fn key(bytes: &[u8], out: &mut Writer) {
    out.nest(elem::KEY, |out| out.attr(data::VALUE, bytes));
}

fn encode_end(wire: &Wire, out: &mut Writer) {
    let Some(end) = &wire.end else { return };
    out.nest(list::ELEM, |out| {
        key(end, out);
        out.be32(elem::FLAGS, elem::F_INTERVAL_END);
    });
}

fn are(values: &[Value], types: &[Type]) -> bool {
    values.len() == types.len() && values.iter().zip(types).all(|(value, kind)| value.kind() == *kind)
}

fn alone(value: &Value) -> Vec<u8> {
    encode(std::slice::from_ref(value))
}

/// The next higher number of the same length; none behind the highest.
fn successor(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(bytes);
        }
    }
    None
}

fn predecessor(mut bytes: Vec<u8>) -> Vec<u8> {
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_sub(1);
        if *byte != 0xff {
            break;
        }
    }
    bytes
}

/// An element as the kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementEntry {
    /// The element.
    pub element: Element,
    /// What it counted, if elements of its set count.
    pub counter: Option<Counter>,
    /// How long it will still be there, if it expires.
    pub expires: Option<Duration>,
}

/// An element whose bytes nobody has made sense of yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawElement {
    key: Vec<u8>,
    verdict: Option<Verdict>,
    value: Option<Vec<u8>>,
    flags: u32,
    timeout: Option<Duration>,
    expires: Option<Duration>,
    counter: Option<Counter>,
    comment: Option<String>,
}

impl RawElement {
    /// Reads one item of a list.
    pub(crate) fn decode(attrs: Attrs<'_>) -> Result<Self, Malformed> {
        let mut raw = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind {
                elem::KEY => {
                    let value = attr.nested().find(data::VALUE)?.ok_or(malformed("a key without a value"))?;
                    value.payload.clone_into(&mut raw.key);
                }
                elem::DATA => {
                    raw.verdict = Verdict::decode(attr.nested())?;
                    raw.value = attr.nested().find(data::VALUE)?.map(|value| value.payload.to_vec());
                }
                elem::FLAGS => raw.flags = attr.be32()?,
                elem::TIMEOUT => raw.timeout = Some(Duration::from_millis(attr.be64()?)),
                elem::EXPIRATION => raw.expires = Some(Duration::from_millis(attr.be64()?)),
                elem::USERDATA => raw.comment = comment_from_user_data(attr.payload),
                elem::EXPR => raw.counter = element_counter(attr.nested())?,
                elem::EXPRESSIONS => {
                    for expr in attr.nested() {
                        raw.counter = element_counter(expr?.nested())?.or(raw.counter);
                    }
                }
                _ => {}
            }
        }
        Ok(raw)
    }

    /// The key's bytes, and false if they end a range: no two elements of a set have the same.
    fn place(&self) -> (&[u8], bool) {
        (&self.key, self.flags & elem::F_INTERVAL_END == 0)
    }

    fn entry(self, key: ElementKey, set: &Set) -> Result<ElementEntry, Malformed> {
        let data = match (&set.data, self.verdict, self.value) {
            (None, _, _) => None,
            (Some(DataType::Verdict), Some(verdict), _) => Some(Datum::Verdict(verdict)),
            (Some(DataType::Values(types)), _, Some(value)) => Some(Datum::Values(decode(types, &value)?)),
            _ => return Err(malformed("an element of a map without data of its type")),
        };
        // The kernel reports the set's timeout with every element that has none of its own.
        let timeout = self.timeout.filter(|timeout| set.timeout != Some(*timeout));
        let element = Element { key, data, timeout, comment: self.comment };
        Ok(ElementEntry { element, counter: self.counter, expires: self.expires })
    }
}

/// Sorts elements by their keys, and says whether none is there twice.
///
/// An end and a start at the same key: the end belongs to the range before.
pub(crate) fn sort(raw: &mut [RawElement]) -> bool {
    raw.sort_unstable_by(|a, b| a.place().cmp(&b.place()));
    raw.windows(2).all(|pair| pair[0].place() != pair[1].place())
}

/// Makes sense of the sorted elements of a set.
pub(crate) fn entries(set: &Set, raw: Vec<RawElement>) -> Result<Vec<ElementEntry>, Malformed> {
    let mut entries = Vec::with_capacity(raw.len());
    let mut raw = raw.into_iter().filter(|raw| raw.flags & elem::F_CATCHALL == 0).peekable();
    while let Some(element) = raw.next() {
        let key = match (set.key.is_interval(), set.key.types()) {
            (false, types) => ElementKey::Exact(decode(types, &element.key)?),
            // nft(8) adds an end at zero that belongs to no range.
            (true, _) if element.flags & elem::F_INTERVAL_END != 0 => continue,
            (true, types) => {
                let next = raw.peek().map(|next| next.key.clone());
                let last = match next {
                    Some(behind) => predecessor(behind),
                    None => vec![0xff; element.key.len()],
                };
                let [first] = take_one(types, &element.key)?;
                let [last] = take_one(types, &last)?;
                ElementKey::Range(first, last)
            }
        };
        entries.push(element.entry(key, set)?);
    }
    Ok(entries)
}

fn take_one(types: &[Type], bytes: &[u8]) -> Result<[Value; 1], Malformed> {
    decode(types, bytes)?.try_into().map_err(|_| malformed("a range over a concatenation"))
}

#[cfg(test)]
mod tests {
    use super::super::set::Key;
    use super::*;

    fn port(port: u16) -> Value {
        Value::InetService(port)
    }

    fn ports() -> Set {
        Set::new("ports", Key::interval(Type::InetService).expect("a key"))
    }

    /// Writes ranges of ports and reads them back in whatever order the kernel lists them.
    #[track_caller]
    fn check(ranges: &[(u16, u16)], items: usize) {
        let mut out = Writer::default();
        let elements: Vec<_> =
            ranges.iter().map(|(first, last)| Element::range(port(*first), port(*last))).collect();
        for element in &elements {
            element.encode(&ports(), &mut out).expect("elements of the set");
        }
        let mut raw: Vec<_> = Attrs(out.bytes())
            .map(|item| RawElement::decode(item.expect("an item").nested()).expect("an element"))
            .collect();
        assert_eq!(raw.len(), items);
        raw.reverse();
        assert!(sort(&mut raw));
        let read = entries(&ports(), raw).expect("ranges");
        assert_eq!(read.into_iter().map(|entry| entry.element).collect::<Vec<_>>(), elements);
    }

    #[test]
    fn ranges_survive_the_way_the_kernel_keeps_them() {
        check(&[(80, 80)], 2);
        check(&[(80, 89), (90, 99), (200, 299)], 6);
        check(&[(0, 0), (1, 65_534), (65_535, 65_535)], 5);
        check(&[(0, 65_535)], 1);
        check(&[(30_000, 65_535)], 1);
    }

    #[test]
    fn what_does_not_fit_the_set_is_refused() {
        let exact = Set::new("exact", Key::exact([Type::InetService]).expect("a key"));
        let map = Set::verdict_map("map", Key::exact([Type::InetService]).expect("a key"));
        let check = |set: &Set, element: Element, error| assert_eq!(element.check(set), Err(error));
        check(&ports(), Element::new([port(80)]), ElementError::Key);
        check(&ports(), Element::range(port(81), port(80)), ElementError::Backwards);
        check(&exact, Element::range(port(80), port(80)), ElementError::Key);
        check(&exact, Element::new([Value::InetProto(6)]), ElementError::Key);
        check(&exact, Element::new([port(80), port(80)]), ElementError::Key);
        check(&exact, Element::new([port(80)]).to_verdict(Verdict::Drop), ElementError::Data);
        check(&map, Element::new([port(80)]), ElementError::Data);
        check(&map, Element::new([port(80)]).to([port(80)]), ElementError::Data);
    }
}
