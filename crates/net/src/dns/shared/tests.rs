//! What is shared is right for all who share it.

use domain::base::iana::{Class, OptRcode, OptionCode, Rcode, Rtype};
use domain::base::message_builder::AdditionalBuilder;
use domain::base::opt::UnknownOptData;
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, MessageBuilder, Name, Serial, Ttl};
use domain::rdata::{A, AllRecordData, Cname, Ns, Soa};
use proptest::prelude::*;

use super::*;

type Text = Name<Vec<u8>>;

fn name(text: &str) -> Text {
    Name::from_chars(text.chars()).expect("a name")
}

/// How somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dns) struct How {
    id: u16,
    cd: bool,
    ad: bool,
    dnssec: bool,
    edns: Option<u16>,
    option: Option<u16>,
}

const CLIENT: How = How { id: 7, cd: false, ad: false, dnssec: false, edns: None, option: None };

fn finish(mut message: AdditionalBuilder<Vec<u8>>, how: How) -> Vec<u8> {
    if let Some(size) = how.edns {
        message
            .opt(|opt| {
                opt.set_udp_payload_size(size);
                opt.set_dnssec_ok(how.dnssec);
                if let Some(code) = how.option {
                    let code = OptionCode::from_int(code);
                    opt.push(&UnknownOptData::new(code, [9; 8].to_vec()).expect("short"))?;
                }
                Ok(())
            })
            .expect("room");
    }
    message.finish()
}

pub(in crate::dns) fn query(text: &str, kind: Rtype, how: How) -> Vec<u8> {
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(how.id);
    message.header_mut().set_rd(true);
    message.header_mut().set_cd(how.cd);
    message.header_mut().set_ad(how.ad);
    let mut question = message.question();
    question.push((name(text), kind)).expect("room");
    finish(question.additional(), how)
}

/// What a server says.
#[derive(Clone, Debug)]
struct Says {
    rcode: Rcode,
    tc: bool,
    addresses: Vec<u32>,
    alias: Option<u32>,
    /// Its time to live, and its minimum.
    soa: Option<(u32, u32)>,
    servers: Vec<u32>,
}

const FOUND: Says = Says {
    rcode: Rcode::NOERROR,
    tc: false,
    addresses: Vec::new(),
    alias: None,
    soa: None,
    servers: Vec::new(),
};

fn says(query: &[u8], says: &Says, how: How) -> Vec<u8> {
    let query = Message::from_slice(query).expect("a message");
    let owner = query.sole_question().expect("a question").into_qname();
    let mut message = MessageBuilder::new_vec().start_answer(query, says.rcode).expect("room");
    message.header_mut().set_tc(says.tc);
    message.header_mut().set_aa(true);
    let ttl = Ttl::from_secs;
    if let Some(left) = says.alias {
        message.push((owner, Class::IN, ttl(left), Cname::new(name("other.test")))).expect("room");
    }
    for left in &says.addresses {
        message.push((owner, Class::IN, ttl(*left), A::from_octets(192, 0, 2, 1))).expect("room");
    }
    let mut message = message.authority();
    if let Some((left, minimum)) = says.soa {
        let times = [ttl(1), ttl(2), ttl(3), ttl(minimum)];
        let [refresh, retry, expire, minimum] = times;
        let soa = Soa::new(name("ns.test"), name("me.test"), Serial(1), refresh, retry, expire, minimum);
        message.push((name("test"), Class::IN, ttl(left), soa)).expect("room");
    }
    for left in &says.servers {
        message.push((name("test"), Class::IN, ttl(*left), Ns::new(name("ns.test")))).expect("room");
    }
    finish(message.additional(), how)
}

/// A reply to a question about an address that may be kept so long.
pub(in crate::dns) fn found(query: &[u8], left: u32) -> Reply {
    let ask = Ask::read(query).expect("a question");
    let reply = says(query, &Says { addresses: vec![left], ..FOUND }, CLIENT);
    Reply::read(&ask.subject, &reply).expect("a reply")
}

fn life(said: &Says) -> u64 {
    let query = query("web.test", Rtype::A, CLIENT);
    let ask = Ask::read(&query).expect("a question");
    Reply::read(&ask.subject, &says(&query, said, CLIENT)).expect("a reply").life().as_secs()
}

#[test]
fn a_reply_is_kept_as_long_as_its_shortest_record_says() {
    assert_eq!(life(&Says { addresses: vec![60, 30, 90], ..FOUND }), 30);
    assert_eq!(life(&Says { addresses: vec![60], alias: Some(5), ..FOUND }), 5);
    assert_eq!(life(&Says { addresses: vec![60], servers: vec![7], ..FOUND }), 7);
    assert_eq!(life(&Says { addresses: vec![60, 0], ..FOUND }), 0);
    assert_eq!(life(&Says { addresses: vec![604_800], ..FOUND }), 86_400);
    assert_eq!(life(&Says { addresses: vec![0x8000_0000], ..FOUND }), 0, "RFC 2181 §8");
}

#[test]
fn that_there_is_none_is_kept_as_long_as_the_zone_says() {
    for rcode in [Rcode::NXDOMAIN, Rcode::NOERROR] {
        let none = Says { rcode, ..FOUND };
        assert_eq!(life(&none), 0, "without SOA nobody said how long");
        assert_eq!(life(&Says { servers: vec![60], ..none.clone() }), 0, "a referral");
        assert_eq!(life(&Says { soa: Some((600, 30)), ..none.clone() }), 30);
        assert_eq!(life(&Says { soa: Some((20, 300)), ..none.clone() }), 20);
        assert_eq!(life(&Says { soa: Some((20_000, 10_000)), ..none.clone() }), 3600);
        assert_eq!(life(&Says { soa: Some((600, 300)), alias: Some(9), ..none.clone() }), 9);
        assert_eq!(life(&Says { alias: Some(9), ..none }), 0);
    }
}

#[test]
fn what_is_cut_or_failed_is_not_kept() {
    let found = Says { addresses: vec![60], soa: Some((60, 60)), ..FOUND };
    assert_eq!(life(&Says { tc: true, ..found.clone() }), 0);
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::FORMERR, Rcode::NOTIMP] {
        assert_eq!(life(&Says { rcode, ..found.clone() }), 0, "{rcode}");
    }
}

#[test]
fn a_kind_that_looks_like_a_letter_is_no_letter() {
    let https = query("web.test", Rtype::from_int(u16::from(b'A')), CLIENT);
    let other = query("web.test", Rtype::from_int(u16::from(b'a')), CLIENT);
    let read = |query| Ask::read(query).expect("a question").subject;
    assert_ne!(read(&https), read(&other));
    let query = Message::from_slice(&https).expect("a message");
    let mut message = MessageBuilder::new_vec().start_answer(query, Rcode::NOERROR).expect("room");
    let data =
        UnknownRecordData::from_octets(Rtype::from_int(u16::from(b'A')), vec![0, 1, 0]).expect("short");
    message.push((name("web.test"), 60, data)).expect("room");
    let reply = Reply::read(&read(&https), message.as_slice()).expect("a reply");
    assert_eq!(reply.life(), Duration::from_secs(60));
    assert!(Reply::read(&read(&other), message.as_slice()).is_none());
}

#[test]
fn who_asks_the_same_asks_one_subject() {
    let subject = |text, kind, how| Ask::read(&query(text, kind, how)).map(|ask| ask.subject);
    let plain = subject("web.test", Rtype::A, CLIENT);
    assert!(plain.is_some());
    let sized = How { edns: Some(1232), ..CLIENT };
    for how in [How { id: 8, ..CLIENT }, sized, How { option: Some(COOKIE), ..sized }] {
        assert_eq!(subject("WEB.test", Rtype::A, how), plain, "{how:?}");
    }
    let dnssec = How { dnssec: true, ..sized };
    for how in [How { cd: true, ..CLIENT }, How { ad: true, ..CLIENT }, dnssec] {
        assert_ne!(subject("web.test", Rtype::A, how), plain, "{how:?}");
    }
    assert_ne!(subject("web.test", Rtype::AAAA, CLIENT), plain);
    assert_ne!(subject("wep.test", Rtype::A, CLIENT), plain);
    let subnet = How { option: Some(8), ..sized };
    assert_eq!(subject("web.test", Rtype::A, subnet), None, "its answer is for one network");
    assert_eq!(subject("web.test", Rtype::AXFR, CLIENT), None);
}

#[test]
fn cookies_stay_between_neighbours() {
    let how = How { edns: Some(1400), option: Some(COOKIE), dnssec: true, ..CLIENT };
    let came = query("Web.test", Rtype::A, how);
    let ask = Ask::read(&came).expect("a question");
    assert_eq!(ask.query(), query("Web.test", Rtype::A, How { option: None, ..how }));
}

#[test]
fn what_is_too_long_for_one_client_is_cut_for_it() {
    let asked = query("web.test", Rtype::A, CLIENT);
    let ask = Ask::read(&asked).expect("a question");
    let said = Says { addresses: vec![60; 100], ..FOUND };
    let reply = Reply::read(&ask.subject, &says(&asked, &said, CLIENT)).expect("a reply");
    let told = |how, transport| {
        let query = query("web.test", Rtype::A, how);
        let bytes = Ask::read(&query).expect("a question").reply(&reply, Duration::ZERO, transport);
        let message = Message::from_octets(bytes).expect("a message");
        let counts = message.header_counts();
        assert_eq!(message.opt().is_some(), how.edns.is_some());
        (message.header().tc(), counts.ancount(), counts.arcount())
    };
    assert_eq!(told(CLIENT, Transport::Udp), (true, 0, 0));
    assert_eq!(told(CLIENT, Transport::Tcp), (false, 100, 0));
    assert_eq!(told(How { edns: Some(1232), ..CLIENT }, Transport::Udp), (true, 0, 1));
    assert_eq!(told(How { edns: Some(4096), ..CLIENT }, Transport::Udp), (false, 100, 1));
}

/// All records but OPT: their text, and their time to live.
fn records(bytes: &[u8]) -> Vec<(String, u32)> {
    let message = Message::from_slice(bytes).expect("a message");
    let records = message.iter().map(|record| record.expect("a record").0);
    let records = records.filter(|record| record.rtype() != Rtype::OPT);
    let text = records.map(|record| {
        let parsed = record.into_record::<AllRecordData<_, _>>().expect("known").expect("parsed");
        (format!("{} {}", parsed.owner(), parsed.data()), parsed.ttl().as_secs())
    });
    text.collect()
}

fn any_how() -> impl Strategy<Value = How> {
    let edns = prop::option::of(4096..=u16::MAX);
    (any::<u16>(), edns).prop_map(|(id, edns)| How { id, edns, ..CLIENT })
}

fn any_says() -> impl Strategy<Value = Says> {
    let ttl = || 0..100_000_u32;
    let many = || prop::collection::vec(ttl(), 0..4);
    let rcode = prop::sample::select(vec![Rcode::NOERROR, Rcode::NXDOMAIN]);
    let negative = prop::option::of((ttl(), ttl()));
    (rcode, many(), prop::option::of(ttl()), negative, many()).prop_map(
        |(rcode, addresses, alias, soa, servers)| Says { rcode, addresses, alias, soa, servers, ..FOUND },
    )
}

proptest! {
    /// Nobody is told that something is true for longer than its source said.
    #[test]
    fn a_shared_reply_is_the_servers_grown_older(
        said in any_says(),
        (first, second) in (any_how(), any_how()),
        server in any_how(),
        part in 0.0..1.0_f64,
    ) {
        let query1 = query("Web.test", Rtype::A, first);
        let query2 = query("wEB.test", Rtype::A, second);
        let (ask1, ask2) = (Ask::read(&query1).expect("one"), Ask::read(&query2).expect("two"));
        let came = says(&ask1.query(), &said, server);
        let reply = Reply::read(&ask1.subject, &came).expect("a reply");
        let age = reply.life().mul_f64(part);
        let told = ask2.reply(&reply, age, Transport::Udp);
        let message = Message::from_slice(&told).expect("a message");
        prop_assert!(message.is_answer(Message::from_slice(&query2).expect("a message")));
        prop_assert_eq!(message.header().id(), second.id);
        prop_assert_eq!(message.header().rcode(), said.rcode);
        prop_assert!(!message.header().aa());
        let qname = message.sole_question().expect("one").into_qname().to_string();
        prop_assert_eq!(qname, "wEB.test", "as it was asked");
        prop_assert_eq!(message.opt().map(|opt| opt.rcode(message.header())), second.edns.map(|_| OptRcode::from_rcode(said.rcode)));
        let (before, after) = (records(&came), records(&told));
        prop_assert_eq!(before.len(), after.len());
        for ((text1, ttl1), (text2, ttl2)) in before.iter().zip(&after) {
            prop_assert_eq!(text1.to_ascii_lowercase(), text2.to_ascii_lowercase());
            let left = Duration::from_secs((*ttl1).into()).saturating_sub(age);
            prop_assert!(Duration::from_secs((*ttl2).into()) <= left);
            prop_assert!(left - Duration::from_secs((*ttl2).into()) < Duration::from_secs(1));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_anything(&bytes);
    }

    #[test]
    fn no_mutation_makes_the_reader_panic(
        said in any_says(),
        how in any_how(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let asked = query("web.test", Rtype::A, how);
        let ask = Ask::read(&asked).expect("a question");
        for mut bytes in [asked.clone(), says(&asked, &said, how)] {
            for (at, to) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *to;
            }
            read_anything(&bytes);
            if let Some(reply) = Reply::read(&ask.subject, &bytes) {
                ask.reply(&reply, reply.life(), Transport::Tcp);
            }
        }
    }
}
