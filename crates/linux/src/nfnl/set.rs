//! Sets, maps and their elements.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::attr::{Attr, Attrs, Malformed, Writer, malformed};
use super::expr::{Counter, Expr};
use super::table::{Family, Table};
use super::uapi::{list, set};
use super::value::{Type, VALUE_MAX, types_from_number, types_number, types_size};

/// Why a set cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SetError {
    /// Values of this type do not sort as their bytes do.
    #[error("a set of intervals cannot have keys of type {0}, whose bytes do not sort as its values")]
    Unordered(Type),
    /// A key needs at least one part.
    #[error("a set needs at least one type in its key")]
    NoKey,
    /// The kernel's limit for keys and data is 64 bytes.
    #[error("a key or data of {0} bytes does not fit in the kernel's {VALUE_MAX}")]
    TooLong(usize),
}

/// What a set's elements are found by.
///
/// There is no such thing as intervals over a concatenation here: the kernel's
/// structure for them (pipapo) takes milliseconds for every deletion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    types: Vec<Type>,
    interval: bool,
}

impl Key {
    /// Exactly this value, or these values together (a concatenation): a hash
    /// table, whose operations cost the same at any size.
    pub fn exact(types: impl Into<Vec<Type>>) -> Result<Self, SetError> {
        let types = types.into();
        check_size(&types)?;
        Ok(Self { types, interval: false })
    }

    /// A range of values, found by any value in it (`flags interval`).
    pub fn interval(kind: Type) -> Result<Self, SetError> {
        if !kind.is_big_endian() {
            return Err(SetError::Unordered(kind));
        }
        Ok(Self { types: vec![kind], interval: true })
    }

    /// The parts of the concatenation, or one type.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// Whether elements are ranges.
    pub fn is_interval(&self) -> bool {
        self.interval
    }
}

fn check_size(types: &[Type]) -> Result<(), SetError> {
    match types_size(types) {
        0 => Err(SetError::NoKey),
        size if size > VALUE_MAX => Err(SetError::TooLong(size)),
        _ => Ok(()),
    }
}

/// What a map gives for a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    /// A verdict (`vmap`).
    Verdict,
    /// A value or a concatenation.
    Values(Vec<Type>),
}

/// A named set, or a map if it has data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set {
    /// Its name, unique in its table.
    pub name: String,
    /// What its elements are found by.
    pub key: Key,
    /// What it gives for a key, if it is a map.
    pub data: Option<DataType>,
    /// Elements may have a timeout of their own.
    pub timeouts: bool,
    /// The timeout of elements that have none of their own, in whole milliseconds.
    pub timeout: Option<Duration>,
    /// Every element counts the packets that found it.
    pub counters: bool,
    /// How many elements it may hold; none is no limit.
    pub size: Option<u32>,
}

impl Set {
    /// A set without timeouts, counters or limit.
    pub fn new(name: impl Into<String>, key: Key) -> Self {
        Self {
            name: name.into(),
            key,
            data: None,
            timeouts: false,
            timeout: None,
            counters: false,
            size: None,
        }
    }

    /// A map to a value or a concatenation.
    pub fn map(name: impl Into<String>, key: Key, data: impl Into<Vec<Type>>) -> Result<Self, SetError> {
        let data = data.into();
        check_size(&data)?;
        Ok(Self { data: Some(DataType::Values(data)), ..Self::new(name, key) })
    }

    /// A map to verdicts.
    pub fn verdict_map(name: impl Into<String>, key: Key) -> Self {
        Self { data: Some(DataType::Verdict), ..Self::new(name, key) }
    }

    /// Lets elements expire, after `default` if they do not say otherwise.
    #[must_use]
    pub fn with_timeouts(mut self, default: Option<Duration>) -> Self {
        self.timeouts = true;
        self.timeout = default;
        self
    }

    /// Lets every element count.
    #[must_use]
    pub fn with_counters(mut self) -> Self {
        self.counters = true;
        self
    }

    /// What nft(8) calls it.
    pub(crate) fn noun(&self) -> &'static str {
        if self.data.is_some() { "map" } else { "set" }
    }

    fn flags(&self) -> u32 {
        let flag = |on, flag| if on { flag } else { 0 };
        flag(self.key.interval, set::F_INTERVAL)
            | flag(self.data.is_some(), set::F_MAP)
            | flag(self.timeouts || self.timeout.is_some(), set::F_TIMEOUT)
    }

    /// `id` names the set in its batch.
    pub(crate) fn encode(&self, table: &Table, id: u32, out: &mut Writer) {
        out.string(set::TABLE, &table.name);
        out.string(set::NAME, &self.name);
        out.be32(set::FLAGS, self.flags());
        out.be32(set::KEY_TYPE, types_number(&self.key.types));
        out.be32(set::KEY_LEN, size32(&self.key.types));
        match &self.data {
            None => {}
            Some(DataType::Verdict) => {
                out.be32(set::DATA_TYPE, set::VERDICT);
                out.be32(set::DATA_LEN, VERDICT_LEN);
            }
            Some(DataType::Values(types)) => {
                out.be32(set::DATA_TYPE, types_number(types));
                out.be32(set::DATA_LEN, size32(types));
            }
        }
        out.nest(set::DESC, |out| {
            if let Some(size) = self.size {
                out.be32(set::DESC_SIZE, size);
            }
        });
        out.be32(set::ID, id);
        if let Some(timeout) = self.timeout {
            out.be64(set::TIMEOUT, milliseconds(timeout));
        }
        out.attr(set::USERDATA, &self.user_data());
        if self.counters {
            super::expr::set_counter(out);
        }
    }

    /// The byte orders, without which nft(8) lists link names as `""`.
    fn user_data(&self) -> Vec<u8> {
        let mut bytes = byte_order(set::UDATA_KEYBYTEORDER, &self.key.types);
        if let Some(DataType::Values(types)) = &self.data {
            bytes.extend(byte_order(set::UDATA_DATABYTEORDER, types));
        }
        bytes
    }
}

/// `sizeof(struct nft_verdict)`; the kernel ignores it for verdict maps.
const VERDICT_LEN: u32 = 16;

fn size32(types: &[Type]) -> u32 {
    u32::try_from(types_size(types)).unwrap_or(u32::MAX)
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `NFTNL_UDATA_SET_KEYBYTEORDER`: 1 is host order, 2 network order. For a
/// concatenation nft(8) writes 0 and looks at its parts.
fn byte_order(kind: u8, types: &[Type]) -> Vec<u8> {
    let order: u32 = match types {
        [alone] if alone.is_big_endian() => 2,
        [_] => 1,
        _ => 0,
    };
    let mut bytes = vec![kind, 4];
    bytes.extend(order.to_ne_bytes());
    bytes
}

/// A set as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnySet {
    /// One of a kind that this module can describe.
    Known(Set),
    /// Anonymous, of unknown types, of stateful objects, of concatenated
    /// intervals…: somebody else's.
    Foreign {
        /// Its name.
        name: String,
    },
}

impl AnySet {
    /// The set's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(set) => &set.name,
            Self::Foreign { name } => name,
        }
    }

    pub(crate) fn decode(family: Family, attrs: Attrs<'_>) -> Result<(Table, Self), Malformed> {
        let mut fields = Fields::default();
        for attr in attrs {
            fields.read(attr?)?;
        }
        let missing = malformed("a set without a name or a table");
        let (Some(table), Some(name)) = (fields.table, fields.name.clone()) else { return Err(missing) };
        let table = Table::new(family, table);
        let set = match fields.known() {
            Some(set) => Self::Known(Set { name, ..set }),
            None => Self::Foreign { name },
        };
        Ok((table, set))
    }
}

/// The attributes of a set.
#[derive(Default)]
struct Fields<'a> {
    table: Option<&'a str>,
    name: Option<String>,
    flags: u32,
    key: u32,
    data: u32,
    size: Option<u32>,
    timeout: Option<u64>,
    exprs: Vec<Expr>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, attr: Attr<'a>) -> Result<(), Malformed> {
        match attr.kind {
            set::TABLE => self.table = Some(attr.string()?),
            set::NAME => self.name = Some(attr.string()?.to_owned()),
            set::FLAGS => self.flags = attr.be32()?,
            set::KEY_TYPE => self.key = attr.be32()?,
            set::DATA_TYPE => self.data = attr.be32()?,
            set::TIMEOUT => self.timeout = Some(attr.be64()?).filter(|timeout| *timeout != 0),
            set::DESC => {
                if let Some(size) = attr.nested().find(set::DESC_SIZE)? {
                    self.size = Some(size.be32()?).filter(|size| *size != 0);
                }
            }
            set::EXPR => self.exprs.push(Expr::decode(attr.nested())?),
            set::EXPRESSIONS => {
                for expr in attr.nested() {
                    let expr = expr?;
                    if expr.kind == list::ELEM {
                        self.exprs.push(Expr::decode(expr.nested())?);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The set without its name, if this module can describe it.
    fn known(&self) -> Option<Set> {
        let known = set::F_INTERVAL | set::F_MAP | set::F_TIMEOUT;
        if self.flags & !known != 0 {
            return None;
        }
        let types = types_from_number(self.key)?;
        let key = match (self.flags & set::F_INTERVAL != 0, types.as_slice()) {
            (false, _) => Key::exact(types),
            (true, [kind]) => Key::interval(*kind),
            (true, _) => return None,
        };
        let data = match (self.flags & set::F_MAP != 0, self.data) {
            (false, _) => None,
            (true, set::VERDICT) => Some(DataType::Verdict),
            (true, number) => Some(DataType::Values(types_from_number(number)?)),
        };
        let counters = match self.exprs.as_slice() {
            [] => false,
            [expr] if expr.same(&Expr::Counter(Counter::default())) => true,
            _ => return None,
        };
        Some(Set {
            name: String::new(),
            key: key.ok()?,
            data,
            timeouts: self.flags & set::F_TIMEOUT != 0,
            timeout: self.timeout.map(Duration::from_millis),
            counters,
            size: self.size,
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.types.iter().enumerate() {
            let separator = if index == 0 { "" } else { " . " };
            write!(f, "{separator}{kind}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_the_kernel_would_refuse_or_be_slow_at_cannot_be_written() {
        assert_eq!(Key::interval(Type::Mark), Err(SetError::Unordered(Type::Mark)));
        assert_eq!(Key::interval(Type::Ifname), Err(SetError::Unordered(Type::Ifname)));
        assert_eq!(Key::exact([]), Err(SetError::NoKey));
        assert_eq!(Key::exact([Type::Ipv6Addr; 5]), Err(SetError::TooLong(80)));
        let key = Key::exact([Type::Ipv4Addr, Type::InetProto, Type::InetService]).expect("a key");
        assert_eq!(key.to_string(), "ipv4_addr . inet_proto . inet_service");
        assert_eq!(Set::map("m", key, []), Err(SetError::NoKey));
    }
}
