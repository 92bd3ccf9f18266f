//! The socket against the kernel, and the readers against arbitrary bytes.

use proptest::prelude::*;

use super::attribute::{Attributes, Writer};
use super::message::{CREATE, EXCLUSIVE, append, messages};
use super::*;
use crate::netns::leave_host;

/// An `RTM_NEWLINK` for a link of this kind, which may or may not exist.
fn link_add(name: &str, kind: &str) -> Request {
    let mut writer = Writer::new(&[0; 16]);
    writer.put_text(libc::IFLA_IFNAME, name);
    writer.nest(libc::IFLA_LINKINFO, |info| {
        info.put_text(libc::IFLA_INFO_KIND, kind);
    });
    Request { kind: libc::RTM_NEWLINK, flags: CREATE | EXCLUSIVE, payload: writer.finish() }
}

fn links(socket: &mut Socket) -> usize {
    let request = Request { kind: libc::RTM_GETLINK, flags: 0, payload: vec![0; 16] };
    socket.dump(&request).expect("dump links").len()
}

fn alone(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("a namespace of the test's own");
            test();
        });
    });
}

#[test]
fn each_acknowledgement_of_a_batch_belongs_to_its_message() {
    alone(|| {
        let mut socket = Socket::open(Protocol::Route).expect("open");
        let batch = [link_add("one", "bridge"), link_add("one", "bridge"), link_add("two", "bridge")];
        let outcomes = socket.exchange(&batch).expect("exchange");
        let errnos: Vec<_> = outcomes.iter().map(|o| o.result.as_ref().err().map(Refusal::errno)).collect();
        assert_eq!(errnos, [None, Some(libc::EEXIST), None]);
    });
}

#[test]
fn a_refusal_carries_the_words_of_the_kernel() {
    alone(|| {
        let mut socket = Socket::open(Protocol::Route).expect("open");
        let error = socket.request(&link_add("one", "no-such-kind")).expect_err("an unknown kind");
        let refusal = error.refusal().expect("a refusal").clone();
        assert_eq!((refusal.errno(), refusal.text()), (libc::EOPNOTSUPP, Some("Unknown device type")));
        assert_eq!(error.to_string(), "Operation not supported (os error 95): Unknown device type");
    });
}

#[test]
fn more_requests_than_fit_in_one_send_are_all_answered() {
    alone(|| {
        let mut socket = Socket::open(Protocol::Route).expect("open");
        let before = links(&mut socket);
        let batch: Vec<_> = (0..BATCH + 10).map(|n| link_add(&format!("br{n}"), "bridge")).collect();
        let outcomes = socket.exchange(&batch).expect("exchange");
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
        assert_eq!(links(&mut socket), before + batch.len());
    });
}

#[test]
fn nothing_waits_on_a_socket_without_messages() {
    alone(|| {
        let socket = Socket::open(Protocol::Route).expect("open");
        assert!(!socket.try_receive(&mut Vec::new()).expect("try"));
    });
}

#[test]
fn what_is_written_is_read_back() {
    let mut writer = Writer::new(&[7; 3]);
    writer.put_u8(1, 9).put_text(2, "tombolo").nest(3, |inner| {
        inner.put_be32(4, 0x0102_0304).put_ip(5, "fd00::1".parse().expect("an address"));
    });
    let bytes = writer.finish();
    let found: Vec<_> = Attributes::after(&bytes, 3).collect();
    assert_eq!(found.iter().map(|a| a.kind).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((found[0].u8(), found[1].text()), (Some(9), Some("tombolo")));
    let inner: Vec<_> = found[2].nested().collect();
    assert_eq!((inner[0].be32(), inner[0].value), (Some(0x0102_0304), &[1, 2, 3, 4][..]));
    assert_eq!(inner[1].ip(), "fd00::1".parse().ok());
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        for message in messages(&bytes).flatten() {
            drop(message.acknowledgement());
        }
        for attribute in Attributes::new(&bytes) {
            attribute.nested().for_each(drop);
            let _ = (attribute.text(), attribute.ip(), attribute.u32(), attribute.be64());
        }
    }

    #[test]
    fn appended_requests_are_read_back(
        requests in prop::collection::vec((4u16.., any::<u16>(), prop::collection::vec(any::<u8>(), 0..64)), 0..8),
    ) {
        let mut bytes = Vec::new();
        for (kind, flags, payload) in &requests {
            append(&mut bytes, &Request { kind: *kind, flags: *flags, payload: payload.clone() }, 0, 1);
        }
        let found: Vec<_> = messages(&bytes)
            .map(|m| m.map(|m| (m.kind, m.flags, m.payload.to_vec())))
            .collect::<Result<_, _>>()
            .expect("whole messages");
        prop_assert_eq!(found, requests);
    }
}
