//! Questions that others may ask, too, and replies that may be given to them. Pure.

use std::ops::Range;
use std::time::Duration;

use super::message::{Transport, UDP_MOST, limit};

/// Nanoseconds of a second.
const NANOS: u128 = 1_000_000_000;
/// Where the question begins (RFC 1035 §4.1.1).
const HEADER: usize = 12;
/// Types of records (RFC 1035 §3.2.2, RFC 6891, RFC 8945).
const SOA: u16 = 6;
const OPT: u16 = 41;
const TSIG: u16 = 250;
const ANY: u16 = 255;
/// Types that are no records but acts: TKEY, TSIG, and transfers of zones.
const ACTS: Range<u16> = 249..255;
/// The only option that a question may have: it is between two neighbours (RFC 7873), so it is left out.
const COOKIE: u16 = 10;
/// Response codes.
const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;
/// Bits of the header's third and fourth byte, and of OPT's flags.
const QR: u8 = 0x80;
const OPCODE: u8 = 0x78;
/// Only the zone's own server may say it.
const AA: u8 = 0x04;
const TC: u8 = 0x02;
const RD: u8 = 0x01;
const AD_CD: u8 = 0x30;
const DO: u8 = 0x80;
/// Where the numbers of records are: answer, authority, additional.
const COUNTS: [usize; 3] = [6, 8, 10];

/// The longest that a reply is kept (RFC 8767 §4 has more; those who wait for a change do not).
const LONGEST: u32 = 24 * 60 * 60;
/// The longest that "there is none" is kept (RFC 2308 §5).
const LONGEST_NEGATIVE: u32 = 60 * 60;

/// What is asked, whoever asks: its replies are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    /// As it travels, in lower case.
    name: Box<[u8]>,
    /// Type and class.
    kind: [u8; 4],
    /// Whether the server is to ask others; AD and CD.
    header: [u8; 2],
    /// Whether signatures are wanted.
    dnssec: bool,
}

impl Subject {
    /// The room that it takes.
    pub(super) fn len(&self) -> usize {
        self.name.len()
    }
}

/// A question with nothing in it that is only between its client and who answers.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    bytes: &'a [u8],
    /// As it came, with the letters' case.
    question: &'a [u8],
    edns: Option<u16>,
    pub(super) subject: Subject,
}

impl<'a> Ask<'a> {
    /// Reads a query; none if its answer might not be right for others.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let [.., one, two] = *bytes.first_chunk::<4>()?;
        let counts = [4, 6, 8].map(|at| number(bytes, at));
        if one & (QR | OPCODE | TC) != 0 || counts != [Some(1), Some(0), Some(0)] {
            return None;
        }
        let end = question_end(bytes)?;
        let question = &bytes[HEADER..end];
        if number(bytes, end - 4).is_none_or(|kind| ACTS.contains(&kind)) {
            return None;
        }
        let opt = match number(bytes, 10)? {
            0 => None,
            1 => Some(record(bytes, end).filter(|opt| opt.kind == OPT && only_a_cookie(bytes, opt))?),
            _ => return None,
        };
        if opt.as_ref().map_or(end, |opt| opt.data.end) != bytes.len() {
            return None;
        }
        let edns = opt.as_ref().and_then(|opt| number(bytes, opt.ttl - 2));
        let dnssec = opt.is_some_and(|opt| bytes[opt.ttl + 2] & DO != 0);
        let header = [one & RD, two & AD_CD];
        let (name, kind) = question.split_last_chunk()?;
        let subject = Subject { name: name.to_ascii_lowercase().into(), kind: *kind, header, dnssec };
        Some(Self { bytes, question, edns, subject })
    }

    /// The query to ask on behalf of all who ask the same.
    pub(super) fn query(&self) -> Vec<u8> {
        let end = HEADER + self.question.len();
        let mut query = self.bytes[..end].to_vec();
        query[10..HEADER].fill(0);
        self.push_opt(&mut query);
        query
    }

    /// What to say to who asks, by a reply of this age.
    pub(super) fn reply(&self, known: &Reply, age: Duration, transport: Transport) -> Vec<u8> {
        let seconds = u32::try_from(age.as_nanos().div_ceil(NANOS)).unwrap_or(u32::MAX);
        let whole = known.bytes.len() + 11 * usize::from(self.edns.is_some());
        let is_too_long = whole > limit(transport, self.edns);
        let end = HEADER + self.question.len();
        let mut reply = if is_too_long { known.bytes[..end].to_vec() } else { known.bytes.to_vec() };
        reply[..2].copy_from_slice(&self.bytes[..2]);
        reply[HEADER..end].copy_from_slice(self.question);
        if is_too_long {
            reply[2] |= TC;
            reply[6..HEADER].fill(0);
        } else {
            for at in &known.ttls {
                let place = &mut reply[*at..*at + 4];
                let left = ttl(place).saturating_sub(seconds);
                place.copy_from_slice(&left.to_be_bytes());
            }
        }
        self.push_opt(&mut reply);
        reply
    }

    /// Ends a message with an OPT record if the client has one.
    fn push_opt(&self, message: &mut Vec<u8>) {
        let Some(size) = self.edns else { return };
        let size = if message[2] & QR == 0 { size } else { UDP_MOST };
        let more = number(message, 10).unwrap_or(0).saturating_add(1);
        message[10..HEADER].copy_from_slice(&more.to_be_bytes());
        message.extend([0]);
        message.extend([OPT, size].map(u16::to_be_bytes).concat());
        message.extend([0, 0, if self.subject.dnssec { DO } else { 0 }, 0, 0, 0]);
    }
}

/// A reply that is right for all who ask its subject, without what is between neighbours.
#[derive(Debug)]
pub(super) struct Reply {
    bytes: Box<[u8]>,
    /// Where the records' times to live are.
    ttls: Box<[usize]>,
    /// How long it may be kept, in seconds; not at all, if it may not.
    life: u32,
}

impl Reply {
    /// Reads a server's reply; none if it is right for nobody but whom it was sent to.
    pub(super) fn read(subject: &Subject, bytes: &[u8]) -> Option<Self> {
        let [.., one, two] = *bytes.first_chunk::<4>()?;
        let end = question_end(bytes)?;
        let (name, kind) = bytes[HEADER..end].split_last_chunk()?;
        let is_ours = name.eq_ignore_ascii_case(&subject.name) && *kind == subject.kind;
        if one & (QR | OPCODE) != QR || number(bytes, 4)? != 1 || !is_ours {
            return None;
        }
        let sections = Sections::read(bytes, end)?;
        let mut kept = bytes[..sections.end].to_vec();
        kept[2] &= !AA;
        if sections.opt {
            let rest = number(&kept, 10)?.checked_sub(1)?;
            kept[10..HEADER].copy_from_slice(&rest.to_be_bytes());
        }
        let rcode = two & 0x0f;
        let may_keep = one & TC == 0 && matches!(rcode, NOERROR | NXDOMAIN);
        let life = if may_keep { sections.life(subject, rcode).unwrap_or(0) } else { 0 };
        Some(Self { bytes: kept.into(), ttls: sections.ttls.into(), life })
    }

    /// How long it may be kept; not at all, if it may not.
    pub(super) fn life(&self) -> Duration {
        Duration::from_secs(self.life.into())
    }

    /// The room that it takes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.ttls)
    }
}

/// What is behind the question of a reply.
#[derive(Debug)]
struct Sections {
    ttls: Vec<usize>,
    /// The shortest time to live.
    shortest: Option<u32>,
    /// The types of the answer's records.
    answer: Vec<u16>,
    /// How long it is true that there is none (RFC 2308 §5).
    negative: Option<u32>,
    /// Where what may be kept ends: before the OPT record.
    end: usize,
    opt: bool,
}

impl Sections {
    fn read(bytes: &[u8], mut at: usize) -> Option<Self> {
        let (ttls, answer) = (Vec::new(), Vec::new());
        let mut read = Self { ttls, shortest: None, answer, negative: None, end: at, opt: false };
        for (section, place) in COUNTS.into_iter().enumerate() {
            for _ in 0..number(bytes, place)? {
                let record = record(bytes, at)?;
                at = record.data.end;
                // Names may refer to what is before them: only the last record can be left out.
                if read.opt || record.kind == TSIG {
                    return None;
                }
                if record.kind == OPT {
                    let is_plain = section == 2 && bytes[record.ttl..record.ttl + 2] == [0, 0];
                    read.opt = is_plain.then_some(true)?;
                    continue;
                }
                read.end = at;
                read.note(bytes, section, &record);
            }
        }
        (at == bytes.len()).then_some(read)
    }

    fn note(&mut self, bytes: &[u8], section: usize, record: &Record) {
        let left = ttl(&bytes[record.ttl..record.ttl + 4]);
        self.ttls.push(record.ttl);
        self.shortest = Some(self.shortest.map_or(left, |shortest| shortest.min(left)));
        if section == 0 {
            self.answer.push(record.kind);
        }
        if section == 1 && record.kind == SOA {
            self.negative =
                bytes[record.data.clone()].last_chunk::<4>().map(|minimum| ttl(minimum).min(left));
        }
    }

    /// How long the reply may be kept, if it may.
    fn life(&self, subject: &Subject, rcode: u8) -> Option<u32> {
        let kind = number(&subject.kind, 0)?;
        let is_found = self.answer.iter().any(|of| *of == kind || kind == ANY);
        let shortest = self.shortest?;
        match rcode == NOERROR && is_found {
            true => Some(shortest.min(LONGEST)),
            false => Some(self.negative?.min(shortest).min(LONGEST_NEGATIVE)),
        }
    }
}

/// A record in a message: where its parts are.
#[derive(Debug)]
struct Record {
    kind: u16,
    ttl: usize,
    data: Range<usize>,
}

fn record(bytes: &[u8], at: usize) -> Option<Record> {
    let at = name_end(bytes, at)?;
    let len = usize::from(number(bytes, at + 8)?);
    let data = at + 10..at + 10 + len;
    bytes.get(data.clone())?;
    Some(Record { kind: number(bytes, at)?, ttl: at + 4, data })
}

/// Whether an OPT record of a query is one we know, with no option but a cookie.
fn only_a_cookie(bytes: &[u8], opt: &Record) -> bool {
    let code = number(bytes, opt.data.start);
    let len = number(bytes, opt.data.start + 2).map(usize::from);
    let is_alone = opt.data.is_empty() || (code == Some(COOKIE) && len == Some(opt.data.len() - 4));
    bytes[opt.ttl..opt.ttl + 2] == [0, 0] && is_alone
}

/// Where the question ends, if its name is written out.
fn question_end(bytes: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        match *bytes.get(at)? {
            0 => return bytes.get(at + 4).map(|_| at + 5),
            len @ 1..=63 => at += 1 + usize::from(len),
            64.. => return None,
        }
    }
}

/// Where what follows a name begins.
fn name_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            64..=191 => return None,
            192.. => return Some(at + 2),
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// A time to live; with the highest bit it is none (RFC 2181 §8).
fn ttl(bytes: &[u8]) -> u32 {
    let seconds = bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    if seconds > i32::MAX.unsigned_abs() { 0 } else { seconds }
}

/// Reads arbitrary bytes as a question, as its reply, and gives it.
pub(super) fn read_anything(bytes: &[u8]) {
    let Some(ask) = Ask::read(bytes) else { return };
    let mut reply = ask.query();
    reply[2] |= QR;
    for bytes in [&reply, bytes] {
        if let Some(reply) = Reply::read(&ask.subject, bytes) {
            ask.reply(&reply, reply.life(), Transport::Udp);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
