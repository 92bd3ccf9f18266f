//! Messages: a query read, a reply written. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cnm::Family;
use cnm::names::{Answer, Question};
use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::{AdditionalBuilder, AnswerBuilder, PushError};
use domain::base::{Message, MessageBuilder, Name, StaticCompressor, ToName};
use domain::rdata::{A, Aaaa, Ptr};

/// How long an answer of ours may be remembered, in seconds. Asking again costs
/// microseconds; an address that was given to somebody else costs more.
const TTL: u32 = 5;

/// The longest reply by UDP to somebody who does not say what they can take (RFC 1035 §4.2.1).
const UDP_PLAIN: usize = 512;
/// The longest reply by UDP to anybody.
pub(super) const UDP_MOST: u16 = 4096;
/// The longest message by TCP.
pub(super) const TCP_MOST: usize = u16::MAX as usize;
/// The size of an OPT record without options (RFC 6891 §6.1.2).
const OPT: usize = 11;

/// What came in.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one answer; a box would be allocated for each")]
pub(super) enum Asked<'a> {
    /// A question.
    Question(Query<'a>),
    /// Something that is answered with an error and nothing else.
    Wrong(Vec<u8>),
    /// Something that must not be answered.
    Nothing,
}

/// A question and what its answer must respect.
#[derive(Debug)]
pub(super) struct Query<'a> {
    message: &'a Message<[u8]>,
    kind: Kind,
    name: Text,
    /// What the client can take by UDP, if it says so.
    edns: Option<u16>,
}

/// By what a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Reads what a process in a sandbox sent.
pub(super) fn read(bytes: &[u8]) -> Asked<'_> {
    let Ok(message) = Message::from_slice(bytes) else { return Asked::Nothing };
    if message.header().qr() {
        return Asked::Nothing;
    }
    if message.header().opcode() != Opcode::QUERY {
        return Asked::Wrong(error(message, Rcode::NOTIMP));
    }
    let Ok(question) = message.sole_question() else {
        return Asked::Wrong(error(message, Rcode::FORMERR));
    };
    if question.qclass() != Class::IN {
        return Asked::Wrong(error(message, Rcode::REFUSED));
    }
    let kind = match question.qtype() {
        Rtype::A => Kind::Addresses(Family::V4),
        Rtype::AAAA => Kind::Addresses(Family::V6),
        Rtype::PTR => reverse(question.qname()).map_or(Kind::Other, Kind::Names),
        _ => Kind::Other,
    };
    let name = Text::of(question.qname());
    Asked::Question(Query { message, kind, name, edns: message.opt().map(|opt| opt.udp_payload_size()) })
}

/// What is asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Addresses(Family),
    Names(IpAddr),
    Other,
}

/// A name in lower case, without the final dot, where it is read.
#[derive(Clone, Copy, Debug)]
struct Text {
    bytes: [u8; 255],
    len: usize,
}

impl Text {
    /// A name with a dot or anything but ASCII inside a label is nobody's: it stays empty.
    fn of(name: &impl ToName) -> Self {
        let mut text = Self { bytes: [0; 255], len: 0 };
        for label in name.iter_labels().filter(|label| !label.is_root()) {
            let label = label.as_slice();
            let after = text.len + label.len() + usize::from(text.len > 0);
            let is_plain = label.iter().all(|byte| byte.is_ascii() && *byte != b'.');
            let Some(place) = text.bytes.get_mut(text.len..after).filter(|_| is_plain) else {
                return Self { len: 0, ..text };
            };
            let place = if text.len > 0 {
                place[0] = b'.';
                &mut place[1..]
            } else {
                place
            };
            place.copy_from_slice(label);
            place.make_ascii_lowercase();
            text.len = after;
        }
        text
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Query<'_> {
    pub(super) fn question(&self) -> Question<'_> {
        match self.kind {
            Kind::Addresses(family) => Question::Addresses(family, self.name.as_str()),
            Kind::Names(address) => Question::Names(address),
            Kind::Other => Question::Other(self.name.as_str()),
        }
    }

    /// The reply, or none if somebody else has to be asked. Addresses start at
    /// another one every `turn`.
    pub(super) fn reply(&self, answer: &Answer<'_>, transport: Transport, turn: usize) -> Option<Vec<u8>> {
        let rcode = match answer {
            Answer::AskUpstream => return None,
            Answer::NoSuchName => Rcode::NXDOMAIN,
            Answer::Addresses(_) | Answer::Name(_) | Answer::Empty => Rcode::NOERROR,
        };
        let limit = limit(transport, self.edns);
        let whole = self.write(rcode, limit, |reply| self.push(answer, turn, reply));
        // Too long: nothing but the hint to ask again by TCP.
        let reply = whole.or_else(|_| {
            self.write(rcode, limit, |reply| {
                reply.header_mut().set_tc(true);
                Ok(())
            })
        });
        Some(reply.unwrap_or_else(|_| error(self.message, rcode)))
    }

    /// An error for a question that could not be answered.
    pub(super) fn failure(&self, rcode: Rcode) -> Vec<u8> {
        self.write(rcode, UDP_PLAIN, |_| Ok(())).unwrap_or_else(|_| error(self.message, rcode))
    }

    fn write(
        &self,
        rcode: Rcode,
        limit: usize,
        records: impl FnOnce(&mut Reply) -> Result<(), PushError>,
    ) -> Result<Vec<u8>, PushError> {
        let target = StaticCompressor::new(Vec::with_capacity(UDP_PLAIN));
        let mut builder = MessageBuilder::from_target(target).expect("a vector has room for a header");
        builder.set_push_limit(limit - OPT);
        let mut reply = builder.start_answer(self.message, rcode)?;
        reply.header_mut().set_ra(true);
        records(&mut reply)?;
        let mut reply = reply.additional();
        reply.clear_push_limit();
        if self.edns.is_some() {
            reply.opt(|opt| {
                opt.set_udp_payload_size(UDP_MOST);
                Ok(())
            })?;
        }
        Ok(finish(reply))
    }

    fn push(&self, answer: &Answer<'_>, turn: usize, reply: &mut Reply) -> Result<(), PushError> {
        let question = self.message.sole_question().expect("it was read");
        let owner = question.qname();
        match answer {
            Answer::Addresses(addresses) => {
                let first = turn % addresses.len().max(1);
                for address in addresses[first..].iter().chain(&addresses[..first]) {
                    match address {
                        IpAddr::V4(address) => reply.push((owner, TTL, A::new(*address)))?,
                        IpAddr::V6(address) => reply.push((owner, TTL, Aaaa::new(*address)))?,
                    }
                }
            }
            Answer::Name(name) => {
                // A name that cannot be written (a label of over 63 bytes) is left out.
                if let Ok(name) = Name::<Vec<u8>>::from_chars(name.chars()) {
                    reply.push((owner, TTL, Ptr::new(name)))?;
                }
            }
            Answer::Empty | Answer::NoSuchName | Answer::AskUpstream => {}
        }
        Ok(())
    }
}

/// The longest reply to somebody who can take so much by UDP, if they say it.
pub(super) fn limit(transport: Transport, edns: Option<u16>) -> usize {
    match (transport, edns) {
        (Transport::Tcp, _) => TCP_MOST,
        (Transport::Udp, Some(size)) => usize::from(size.min(UDP_MOST)).max(UDP_PLAIN),
        (Transport::Udp, None) => UDP_PLAIN,
    }
}

type Target = StaticCompressor<Vec<u8>>;
type Reply = AnswerBuilder<Target>;

fn finish(reply: AdditionalBuilder<Target>) -> Vec<u8> {
    reply.finish().into_target()
}

/// An error with the header of the query and nothing else.
fn error(message: &Message<[u8]>, rcode: Rcode) -> Vec<u8> {
    let mut reply = MessageBuilder::new_vec();
    let header = reply.header_mut();
    header.set_id(message.header().id());
    header.set_opcode(message.header().opcode());
    header.set_rd(message.header().rd());
    header.set_qr(true);
    header.set_ra(true);
    header.set_rcode(rcode);
    reply.finish()
}

/// The address whose name is asked for (RFC 1035 §3.5, RFC 3596 §2.5); none for a part of one.
fn reverse(name: &impl ToName) -> Option<IpAddr> {
    let labels: Vec<_> = name.iter_labels().map(|label| label.as_slice().to_ascii_lowercase()).collect();
    let (labels, zone) = labels.split_at_checked(labels.len().checked_sub(3)?)?;
    let parts = labels.iter().rev().map(|label| str::from_utf8(label).ok());
    match zone {
        [zone, arpa, root] if zone == b"in-addr" && arpa == b"arpa" && root.is_empty() => {
            let octets: Option<Vec<u8>> = parts.map(|part| part?.parse().ok()).collect();
            Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets?).ok()?).into())
        }
        [zone, arpa, root] if zone == b"ip6" && arpa == b"arpa" && root.is_empty() => {
            let digit = |part: &str| (part.len() == 1).then(|| u128::from_str_radix(part, 16).ok())?;
            let digits: Option<Vec<u128>> = parts.map(|part| digit(part?)).collect();
            let digits: [u128; 32] = digits?.try_into().ok()?;
            Some(Ipv6Addr::from(digits.iter().fold(0, |address, digit| address << 4 | digit)).into())
        }
        _ => None,
    }
}

/// Whether `reply` answers `query`, which was sent with this id.
pub(super) fn answers(query: &[u8], id: u16, reply: &[u8]) -> bool {
    let (Ok(query), Ok(reply)) = (Message::from_slice(query), Message::from_slice(reply)) else {
        return false;
    };
    if reply.header().id() != id || !reply.header().qr() {
        return false;
    }
    // An error may come without the question.
    let bare = reply.header_counts().qdcount() == 0 && reply.header().rcode() != Rcode::NOERROR;
    bare || match (query.sole_question(), reply.sole_question()) {
        (Ok(asked), Ok(answered)) => asked == answered,
        _ => false,
    }
}

/// The id of a message that has one.
pub(super) fn id(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id))
}

/// Puts another id on a message.
pub(super) fn set_id(bytes: &mut [u8], id: u16) {
    if let Some(place) = bytes.first_chunk_mut() {
        *place = id.to_be_bytes();
    }
}

/// Whether a server could not or would not answer, so that another one may know.
pub(super) fn is_failure(reply: &[u8]) -> bool {
    Message::from_slice(reply)
        .is_ok_and(|reply| matches!(reply.header().rcode(), Rcode::SERVFAIL | Rcode::REFUSED))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A query as `dig` sends it.
    fn query(name: &str, kind: Rtype, edns: Option<u16>) -> Vec<u8> {
        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_id(7);
        message.header_mut().set_rd(true);
        let mut question = message.question();
        question.push((Name::<Vec<u8>>::from_chars(name.chars()).expect("a name"), kind)).expect("room");
        let mut additional = question.additional();
        if let Some(size) = edns {
            additional
                .opt(|opt| {
                    opt.set_udp_payload_size(size);
                    Ok(())
                })
                .expect("room");
        }
        additional.finish()
    }

    #[track_caller]
    fn check_question(name: &str, kind: Rtype, expected: Question<'_>) {
        let query = query(name, kind, None);
        let Asked::Question(read) = read(&query) else { panic!("no question") };
        assert_eq!(read.question(), expected);
    }

    #[test]
    fn questions_are_read() {
        let other = Question::Other;
        check_question("Web", Rtype::A, Question::Addresses(Family::V4, "web"));
        check_question("web.net1.", Rtype::AAAA, Question::Addresses(Family::V6, "web.net1"));
        check_question("we\\.b.net1", Rtype::A, Question::Addresses(Family::V4, ""));
        check_question(".", Rtype::NS, other(""));
        let long = [["a"; 63].concat().as_str(); 3].join(".") + "." + &"b".repeat(61);
        check_question(&long, Rtype::A, Question::Addresses(Family::V4, &long));
        let v4 = "10.1.2.3".parse().expect("an address");
        check_question("3.2.1.10.in-addr.ARPA", Rtype::PTR, Question::Names(v4));
        let v6 = "fd00::1".parse().expect("an address");
        let nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        check_question(nibbles, Rtype::PTR, Question::Names(v6));
        check_question("1.10.in-addr.arpa", Rtype::PTR, other("1.10.in-addr.arpa"));
        check_question("256.2.1.10.in-addr.arpa", Rtype::PTR, other("256.2.1.10.in-addr.arpa"));
        check_question("web", Rtype::MX, other("web"));
    }

    /// Records, truncation and rcode of the reply to a question with this answer.
    fn reply(
        query: &[u8],
        answer: &Answer<'_>,
        transport: Transport,
        turn: usize,
    ) -> (Vec<String>, bool, Rcode, usize) {
        let Asked::Question(read) = read(query) else { panic!("no question") };
        let bytes = read.reply(answer, transport, turn).expect("a reply");
        let reply = Message::from_slice(&bytes).expect("a message");
        assert!(reply.is_answer(Message::from_slice(query).expect("a message")));
        assert!(reply.header().ra());
        let records = reply.answer().expect("a section").into_records::<domain::rdata::AllRecordData<_, _>>();
        let records = records.map(|record| record.expect("a record").data().to_string()).collect();
        (records, reply.header().tc(), reply.header().rcode(), bytes.len())
    }

    fn addresses(count: u8) -> Answer<'static> {
        let addresses = (0..count).map(|last| Ipv4Addr::new(10, 0, 0, last).into());
        Answer::Addresses(addresses.collect::<Vec<_>>().leak())
    }

    #[test]
    fn replies_say_what_was_decided() {
        let a = query("web", Rtype::A, None);
        let (records, tc, rcode, _) = reply(&a, &addresses(3), Transport::Udp, 1);
        assert_eq!(
            (records.join(" ").as_str(), tc, rcode),
            ("10.0.0.1 10.0.0.2 10.0.0.0", false, Rcode::NOERROR)
        );
        let (records, _, rcode, _) = reply(&a, &Answer::Empty, Transport::Udp, 0);
        assert_eq!((records.len(), rcode), (0, Rcode::NOERROR));
        let (records, _, rcode, _) = reply(&a, &Answer::NoSuchName, Transport::Udp, 0);
        assert_eq!((records.len(), rcode), (0, Rcode::NXDOMAIN));
        let ptr = query("1.0.0.10.in-addr.arpa", Rtype::PTR, Some(1232));
        let name = Answer::Name("web.net1".to_owned());
        assert_eq!(reply(&ptr, &name, Transport::Udp, 0).0, ["web.net1."]);
        let too_long = Answer::Name("x".repeat(64));
        assert!(reply(&ptr, &too_long, Transport::Udp, 0).0.is_empty());
        assert!(
            matches!(read(&a), Asked::Question(read) if read.reply(&Answer::AskUpstream, Transport::Udp, 0).is_none())
        );
    }

    #[test]
    fn a_reply_that_is_too_long_for_udp_says_so() {
        let plain = query("web", Rtype::A, None);
        let (records, tc, _, len) = reply(&plain, &addresses(100), Transport::Udp, 0);
        assert_eq!((records.len(), tc), (0, true));
        assert!(len <= 512);
        assert_eq!(reply(&plain, &addresses(100), Transport::Tcp, 0).0.len(), 100);
        let edns = query("web", Rtype::A, Some(4096));
        let (records, tc, _, len) = reply(&edns, &addresses(100), Transport::Udp, 0);
        assert_eq!((records.len(), tc), (100, false));
        assert!(len <= 4096);
        let tiny = query("web", Rtype::A, Some(0));
        assert_eq!(reply(&tiny, &addresses(2), Transport::Udp, 0).0.len(), 2);
    }

    #[track_caller]
    fn check_wrong(change: impl FnOnce(&mut Vec<u8>), expected: Option<Rcode>) {
        let mut bytes = query("web", Rtype::A, None);
        change(&mut bytes);
        let rcode = match read(&bytes) {
            Asked::Wrong(reply) => Some(Message::from_slice(&reply).expect("a message").header().rcode()),
            Asked::Nothing => None,
            Asked::Question(query) => panic!("{query:?}"),
        };
        assert_eq!(rcode, expected);
    }

    #[test]
    fn what_is_no_question_is_refused_or_ignored() {
        check_wrong(|bytes| bytes.truncate(11), None);
        check_wrong(|bytes| bytes[2] |= 0x80, None);
        check_wrong(|bytes| bytes[2] |= 0x28, Some(Rcode::NOTIMP));
        check_wrong(|bytes| bytes[5] = 2, Some(Rcode::FORMERR));
        check_wrong(|bytes| bytes.truncate(14), Some(Rcode::FORMERR));
        check_wrong(|bytes| *bytes.last_mut().expect("a class") = 3, Some(Rcode::REFUSED));
    }

    #[test]
    fn only_the_answer_to_the_question_is_one() {
        let asked = query("web", Rtype::A, None);
        let Asked::Question(read) = read(&asked) else { panic!("no question") };
        let reply = read.reply(&addresses(1), Transport::Udp, 0).expect("a reply");
        assert!(answers(&asked, 7, &reply));
        assert!(!answers(&asked, 8, &reply));
        assert!(!answers(&asked, 7, &asked));
        assert!(!answers(&query("web", Rtype::AAAA, None), 7, &reply));
        assert!(!answers(&query("bew", Rtype::A, None), 7, &reply));
        assert!(answers(&query("WEB", Rtype::A, None), 7, &reply));
        assert!(!is_failure(&reply));
        assert!(is_failure(&read.failure(Rcode::SERVFAIL)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), turn: usize) {
            if let Asked::Question(query) = read(&bytes) {
                query.reply(&addresses(100), Transport::Udp, turn);
                query.failure(Rcode::SERVFAIL);
            }
            answers(&bytes, 0, &bytes);
        }

        #[test]
        fn no_mutation_of_a_query_makes_the_reader_panic(at: prop::sample::Index, to: u8, turn: usize) {
            let mut bytes = query("web.net1", Rtype::A, Some(1232));
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Asked::Question(query) = read(&bytes) {
                query.reply(&addresses(255), Transport::Tcp, turn);
            }
        }
    }
}
