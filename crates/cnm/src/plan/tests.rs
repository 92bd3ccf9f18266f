//! What a plan is made of, in cases that are easily done wrong.

use super::*;
use crate::{
    EndpointId, Mac, Proto, SandboxId,
    nft::{Digest, Set, Value, skeleton},
    state::{Netns, Route, Veth},
};

const INSIDE: Ns = Ns::Sandbox(SandboxId::new([0xaa; 32]));

fn net(text: &str) -> IpNet {
    text.parse().expect("a network")
}

fn veth(n: u8, master: Option<&str>) -> (Key, Object) {
    let veth = Veth {
        master: master.map(str::to_owned),
        peer: (INSIDE, format!("eth{n}")),
        mac: Mac::new([2, 0, 0, 0, 0, n]),
        mtu: 1500,
        isolated: false,
        hairpin: false,
        up: true,
    };
    (Key::Veth(EndpointId::new([n; 32])), Object::Veth(veth))
}

fn addr(n: u8, text: &str) -> (Key, Object) {
    (Key::Addr(INSIDE, format!("eth{n}"), net(text)), Object::Addr)
}

fn route(n: u8, via: &str) -> (Key, Object) {
    let route = Route { via: via.parse().ok(), link: format!("eth{n}") };
    (Key::Route(INSIDE, net("0.0.0.0/0")), Object::Route(route))
}

fn netns() -> (Key, Object) {
    (Key::Netns(SandboxId::new([0xaa; 32])), Object::Netns(Netns::Own))
}

fn table(digest: Digest) -> (Key, Object) {
    (Key::Table, Object::Table(digest))
}

fn port(to: u8) -> (Key, Object) {
    let key = vec![Value::Proto(Proto::Tcp), Value::Port(80)];
    let data = vec![Value::Addr([10, 0, 0, to].into()), Value::Port(80)];
    (Key::Publish(Set::Publish(crate::Family::V4), key), Object::Element(data))
}

/// Compares steps, each with its operations joined by commas.
#[track_caller]
fn check(from: &[(Key, Object)], to: &[(Key, Object)], expected: &[&str]) {
    let (from, to) = (from.iter().cloned().collect(), to.iter().cloned().collect());
    let steps = plan(&from, &to).steps;
    let texts: Vec<_> =
        steps.iter().map(|step| step.ops().iter().map(Op::summary).collect::<Vec<_>>()).collect();
    assert_eq!(texts.iter().map(|ops| ops.join(", ")).collect::<Vec<_>>(), expected);
}

#[test]
fn a_default_route_moves_to_another_link_in_place() {
    let one = [netns(), veth(0, None), addr(0, "10.0.0.2/24"), route(0, "10.0.0.1")];
    let two = [
        netns(),
        veth(0, None),
        addr(0, "10.0.0.2/24"),
        veth(1, None),
        addr(1, "10.0.1.2/24"),
        route(1, "10.0.1.1"),
    ];
    let there = [
        "create link veth0101010101",
        "create address 10.0.1.2/24 of eth1 in sandbox aaaaaaaaaaaa, change route to 0.0.0.0/0 in sandbox aaaaaaaaaaaa",
    ];
    check(&one, &two, &there);
    let back = ["delete link veth0101010101", "create route to 0.0.0.0/0 in sandbox aaaaaaaaaaaa"];
    check(&two, &one, &back);
}

#[test]
fn a_route_leaves_before_the_address_it_leans_on() {
    let before =
        [netns(), veth(0, None), addr(0, "10.0.0.2/24"), addr(0, "169.254.0.2/16"), route(0, "10.0.0.1")];
    let after =
        [netns(), veth(0, None), addr(0, "10.0.0.3/24"), addr(0, "169.254.0.2/16"), route(0, "10.0.0.1")];
    let expected = ["delete route to 0.0.0.0/0 in sandbox aaaaaaaaaaaa, \
                     delete address 10.0.0.2/24 of eth0 in sandbox aaaaaaaaaaaa, \
                     create address 10.0.0.3/24 of eth0 in sandbox aaaaaaaaaaaa, \
                     create route to 0.0.0.0/0 in sandbox aaaaaaaaaaaa"];
    check(&before, &after, &expected);
}

#[test]
fn what_vanishes_is_not_deleted() {
    let all = [netns(), veth(0, None), addr(0, "10.0.0.2/24"), route(0, "10.0.0.1")];
    let expected = ["delete link veth0000000000", "delete network namespace of sandbox aaaaaaaaaaaa"];
    check(&all, &[], &expected);
    check(&[table(Digest::DAMAGED), port(2)], &[], &["delete table inet tombolo"]);
}

#[test]
fn a_damaged_table_is_replaced_with_its_elements_in_one_transaction() {
    let before = [table(Digest::DAMAGED), port(2), netns()];
    let after = [table(skeleton().digest()), port(2), netns()];
    let expected =
        ["delete table inet tombolo, create table inet tombolo, create element tcp . 80 of publish4"];
    check(&before, &after, &expected);
}

#[test]
fn a_port_leads_elsewhere_without_a_gap() {
    let digest = skeleton().digest();
    let expected = ["change element tcp . 80 of publish4"];
    check(&[table(digest), port(2)], &[table(digest), port(3)], &expected);
}

#[test]
fn a_link_goes_back_to_its_bridge_in_place() {
    let bridge = crate::state::Bridge {
        network: crate::NetworkId::new([1; 32]),
        mac: Mac::new([2; 6]),
        mtu: 1500,
        route_localnet: true,
        up: true,
    };
    let bridge = (Key::Bridge("p0".into()), Object::Bridge(bridge));
    let (out, within) = (veth(0, None), veth(0, Some("p0")));
    check(
        &[bridge.clone(), out, netns()],
        &[bridge.clone(), within.clone(), netns()],
        &["change link veth0000000000"],
    );
    let gone = ["delete link veth0000000000", "delete bridge p0"];
    check(&[bridge, within, netns()], &[netns()], &gone);
}
