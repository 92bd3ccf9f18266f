//! nf_tables over netlink: tables, chains, rules, sets, maps and elements, one transaction per batch.
//!
//! ```no_run
//! use linux::nfnl::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let table = Table::new(Family::Inet, "example");
//! let ports = Key::exact([Type::InetProto, Type::InetService])?;
//! let ports = Set::map("ports", ports, [Type::Ipv4Addr, Type::InetService])?;
//! let dnat = Chain::base("dnat", Base::new(ChainType::Nat, Hook::Prerouting, -100));
//! let to = (ports.name.as_str(), NatTo::AddrPort);
//! let rule = Rule::new("dnat").addr_type(End::Destination, Is::Equal, AddrType::Local).nat_map(
//!     NatKind::Destination,
//!     Nfproto::Ipv4,
//!     &[Field::L4proto, Field::Dport],
//!     to,
//! );
//! let web = Element::new([Value::InetProto(6), Value::InetService(80)])
//!     .to([Value::Ipv4Addr([172, 17, 0, 2].into()), Value::InetService(8080)]);
//!
//! let mut batch = Batch::new();
//! batch.add_table(&table).add_set(&table, &ports).add_chain(&table, &dnat);
//! batch.add_rule(&table, &rule).add_elements(&table, &ports, &[web]);
//! Nfnl::open()?.commit(batch)?;
//! # Ok(())
//! # }
//! ```
//!
//! The words are those of nft(8), which can list what this module writes. Only
//! named sets are written: a rule never changes, what varies is elements.

mod attr;
mod batch;
mod element;
mod error;
mod event;
pub mod expr;
mod monitor;
mod rule;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod uapi;
mod value;

use rustix::net::sockopt;
use std::os::fd::AsFd;

pub use attr::Malformed;
pub use batch::Batch;
pub use element::{Datum, Element, ElementEntry, ElementError, ElementKey};
pub use error::{Action, CommitError, ListError, Object};
pub use event::{Change, Event, Generation};
pub use expr::{
    CmpOp, Counter, CtKey, Expr, FibResult, IcmpxCode, Limit, LimitUnit, LogTarget, LookupTo, MetaKey,
    NatKind, Nfproto, PayloadBase, Reg, RegRange, Reject, ct_state, ct_status, fib, nat_flags,
};
pub use monitor::{Monitor, MonitorError};
pub use rule::{AddrType, COMMENT_MAX, End, Field, Is, NatTo, Rule, RuleEntry};
pub use set::{AnySet, DataType, Key, Set, SetError};
pub use table::{Base, Chain, ChainType, Family, Hook, Policy, Table};
pub use value::{IFNAMSIZ, Type, Value, Verdict};

use attr::Writer;
use event::{body, decode_elements};
use monitor::is_overrun;
use uapi::{SUBSYS_NFTABLES, elem, msg, rule as rule_attr, set as set_attr};

use crate::netlink::message::{ACKNOWLEDGE, REQUEST, Reply, Request, append, messages};
use crate::netlink::{self, Protocol, Refusal, Socket};

/// A batch larger than this needs a larger send buffer than sockets have.
const LARGE: usize = 4 * 1024 * 1024;

/// How often elements are listed until none is there twice.
const LIST_TRIES: u32 = 20;

/// The rules of one network namespace.
#[derive(Debug)]
pub struct Nfnl {
    socket: Socket,
}

impl Nfnl {
    /// Opens the calling thread's network namespace.
    pub fn open() -> Result<Self, netlink::Error> {
        Ok(Self { socket: Socket::open(Protocol::Netfilter)? })
    }

    /// Carries out a batch: all of it or nothing. An empty one is carried out by doing nothing.
    pub fn commit(&mut self, mut batch: Batch) -> Result<(), CommitError> {
        if let Some(error) = batch.take_broken() {
            return Err(error);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(batch.len()).expect("a batch has fewer than 2^32 messages");
        let begin = self.socket.sequence(count + 2);
        let bytes = datagram(&batch, begin, begin + 1 + count);
        if bytes.len() > LARGE {
            // Without the privilege the send fails and says so.
            sockopt::set_socket_send_buffer_size_force(self.socket.as_fd(), bytes.len() + LARGE).ok();
        }
        self.socket.send(&bytes)?;
        self.verdict(&batch, begin)
    }

    /// Reads the answers to a batch. The kernel has carried it out when the send
    /// returns: all answers are there, one for every refused message, and an
    /// acknowledgement of the last one.
    fn verdict(&self, batch: &Batch, begin: u32) -> Result<(), CommitError> {
        let (mut buffer, mut acknowledged, mut refused) = (Vec::new(), false, None);
        loop {
            match self.socket.try_receive(&mut buffer) {
                Ok(true) => {}
                Ok(false) => break,
                // More refusals than the buffer holds; the first is there.
                Err(error) if is_overrun(&error) => continue,
                Err(error) => return Err(error.into()),
            }
            for message in messages(&buffer) {
                let message = message?;
                let index = message.sequence.wrapping_sub(begin) as usize;
                match message.acknowledgement()? {
                    Some(_) if index > batch.len() => {}
                    Some(Ok(())) => acknowledged = true,
                    Some(Err(refusal)) => refused = refused.or(Some((index, refusal))),
                    None => {}
                }
            }
        }
        match refused {
            Some((index, refusal)) => Err(refusal_of(batch, index, refusal)),
            None if acknowledged => Ok(()),
            None => Err(CommitError::Unanswered { messages: batch.len() }),
        }
    }

    /// The number of the rules' present state.
    pub fn generation(&mut self) -> Result<Generation, ListError> {
        let what = || "generation of the rules".to_owned();
        let request = request(msg::GETGEN, 0, Writer::default());
        let replies =
            self.socket.request(&request).map_err(|source| ListError::Kernel { what: what(), source })?;
        for reply in replies {
            if let Event::Generation(generation) = decode(&reply, what)? {
                return Ok(generation);
            }
        }
        Err(ListError::Malformed { what: what(), source: attr::malformed("an answer without a generation") })
    }

    /// All tables of all families.
    pub fn tables(&mut self) -> Result<Vec<Table>, ListError> {
        let events = self.list(request(msg::GETTABLE, 0, Writer::default()), || "tables".to_owned())?;
        Ok(events.into_iter().filter_map(|event| event.table().cloned()).collect())
    }

    /// The chains of a table; none if it is not there.
    pub fn chains(&mut self, table: &Table) -> Result<Vec<Chain>, ListError> {
        let get = request(msg::GETCHAIN, table.family.number(), Writer::default());
        let events = self.list(get, || format!("chains of table {table}"))?;
        let chain = |event| {
            let Event::Chain { table: of, chain, .. } = event else { return None };
            (of == *table).then_some(chain)
        };
        Ok(events.into_iter().filter_map(chain).collect())
    }

    /// The rules of a table, those of one chain in their order; none if it is not there.
    pub fn rules(&mut self, table: &Table) -> Result<Vec<RuleEntry>, ListError> {
        let mut attrs = Writer::default();
        attrs.string(rule_attr::TABLE, &table.name);
        let get = request(msg::GETRULE, table.family.number(), attrs);
        let events = self.list(get, || format!("rules of table {table}"))?;
        let rule = |event| {
            let Event::Rule { table: of, rule, .. } = event else { return None };
            (of == *table).then_some(rule)
        };
        Ok(events.into_iter().filter_map(rule).collect())
    }

    /// The sets and maps of a table; none if it is not there.
    pub fn sets(&mut self, table: &Table) -> Result<Vec<AnySet>, ListError> {
        let mut attrs = Writer::default();
        attrs.string(set_attr::TABLE, &table.name);
        let get = request(msg::GETSET, table.family.number(), attrs);
        let events = match self.list(get, || format!("sets of table {table}")) {
            Err(ListError::Kernel { source, .. }) if is_missing(&source) => Vec::new(),
            events => events?,
        };
        let set = |event| {
            let Event::Set { table: of, set, .. } = event else { return None };
            (of == *table).then_some(set)
        };
        Ok(events.into_iter().filter_map(set).collect())
    }

    /// The elements of a set, sorted by their keys.
    pub fn elements(&mut self, table: &Table, set: &Set) -> Result<Vec<ElementEntry>, ListError> {
        let what = || format!("elements of {} {table} {}", set.noun(), set.name);
        let mut attrs = Writer::default();
        attrs.string(elem::LIST_TABLE, &table.name);
        attrs.string(elem::LIST_SET, &set.name);
        let get = request(msg::GETSETELEM, table.family.number(), attrs);
        let kernel = |source| ListError::Kernel { what: what(), source };
        let malformed = |source| ListError::Malformed { what: what(), source };
        // A hash table that grows while it is listed, as it does for some
        // milliseconds after many elements were added, shows some elements
        // twice and others not at all, and the kernel does not notice.
        for _ in 0..LIST_TRIES {
            let replies = self.socket.dump(&get).map_err(kernel)?;
            let mut raw = Vec::new();
            for reply in &replies {
                let (_, attrs) = body(&reply.payload).map_err(malformed)?;
                raw.extend(decode_elements(table.family, attrs).map_err(malformed)?.2);
            }
            if element::sort(&mut raw) {
                return element::entries(set, raw).map_err(malformed);
            }
        }
        Err(kernel(netlink::Error::Unsteady { tries: LIST_TRIES }))
    }

    fn list(&mut self, get: Request, what: impl Fn() -> String) -> Result<Vec<Event>, ListError> {
        let replies = self.socket.dump(&get).map_err(|source| ListError::Kernel { what: what(), source })?;
        replies.iter().map(|reply| decode(reply, &what)).collect()
    }
}

fn decode(reply: &Reply, what: impl Fn() -> String) -> Result<Event, ListError> {
    Event::decode(reply.kind, &reply.payload).map_err(|source| ListError::Malformed { what: what(), source })
}

fn is_missing(error: &netlink::Error) -> bool {
    error.refusal().is_some_and(|refusal| refusal.errno() == libc::ENOENT)
}

fn request(kind: u16, family: u8, attrs: Writer) -> Request {
    let mut payload = vec![family, 0, 0, 0];
    payload.extend(attrs.bytes());
    Request { kind: SUBSYS_NFTABLES << 8 | kind, flags: 0, payload }
}

/// The whole transaction: begin, the messages, end.
fn datagram(batch: &Batch, begin: u32, end: u32) -> Vec<u8> {
    let frame = |kind, attrs: &[u8]| {
        // The resource id of a batch is the subsystem, in network order.
        let mut payload = vec![0, 0];
        payload.extend(SUBSYS_NFTABLES.to_be_bytes());
        payload.extend(attrs);
        Request { kind, flags: 0, payload }
    };
    let mut attrs = Writer::default();
    if let Some(generation) = batch.generation() {
        attrs.be32(uapi::batch::GENID, generation);
    }
    let mut bytes = Vec::new();
    append(&mut bytes, &frame(uapi::batch::BEGIN, attrs.bytes()), REQUEST, begin);
    batch.append_to(&mut bytes, begin + 1, ACKNOWLEDGE);
    append(&mut bytes, &frame(uapi::batch::END, &[]), REQUEST, end);
    bytes
}

/// Names what was refused. The first message is the batch's beginning.
fn refusal_of(batch: &Batch, index: usize, refusal: Refusal) -> CommitError {
    let step = index.checked_sub(1).and_then(|index| batch.steps().get(index));
    match (step, batch.generation()) {
        (Some(step), _) => CommitError::Refused {
            action: step.action,
            object: step.object(refusal.offset()).into(),
            refusal,
        },
        (None, Some(read)) if refusal.errno() == libc::ERESTART => CommitError::Changed { read },
        (None, _) => CommitError::Batch { messages: batch.len(), refusal },
    }
}

/// Reads arbitrary bytes as a datagram of the kernel, with every reader of this module.
#[doc(hidden)]
pub fn read_anything(bytes: &[u8]) {
    let keys = [Key::exact([Type::Ifname, Type::Ipv4Addr]), Key::interval(Type::InetService)];
    for message in messages(bytes).map_while(Result::ok) {
        drop(Event::decode(message.kind, message.payload));
        let Ok((_, attrs)) = body(message.payload) else { continue };
        let Ok((_, _, mut raw)) = decode_elements(Family::Inet, attrs) else { continue };
        element::sort(&mut raw);
        for key in keys.iter().flatten() {
            drop(element::entries(&Set::new("", key.clone()), raw.clone()));
            drop(element::entries(&Set::verdict_map("", key.clone()), raw.clone()));
        }
    }
}
