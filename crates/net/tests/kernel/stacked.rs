//! Links on links of the host, on both kernels.

use cnm::apply::{Extent, Kernel, apply, reconcile};
use cnm::driver::upper::{Kind, MacvlanMode};
use cnm::plan::{Op, plan};
use cnm::state::{Key, Lower, LowerKind, Netns, Ns, Object, Route, State, Upper};

use crate::contract::{assert_seen, go};
use crate::states::*;
use crate::worlds::{Subject, on_both};

fn upper(n: u8) -> Upper {
    Upper {
        lower: "wire".to_owned(),
        kind: Kind::Macvlan(MacvlanMode::Bridge),
        place: (Ns::Sandbox(sandbox(n)), "eth0".to_owned()),
        mac: Some(mac(0x20 + n)),
        mtu: None,
        up: true,
    }
}

/// A sandbox on the wire, whose default route is the wire.
fn on_wire(n: u8) -> State {
    let ns = Ns::Sandbox(sandbox(n));
    let route = Route { via: None, link: "eth0".to_owned() };
    State::from([
        (Key::Netns(sandbox(n)), Object::Netns(Netns::Own)),
        (Key::Upper(endpoint(n)), Object::Upper(upper(n))),
        (Key::Addr(ns, "eth0".to_owned(), net(&format!("10.7.0.{n}/24"))), Object::Addr),
        (Key::Addr(ns, "eth0".to_owned(), net(&format!("fd00:7::{n}/64"))), Object::Addr),
        (Key::Route(ns, net("0.0.0.0/0")), Object::Route(route.clone())),
        (Key::Route(ns, net("::/0")), Object::Route(route)),
    ])
}

fn with_wire(test: impl Fn(&mut Subject<'_>) + Sync) {
    on_both(|kernel| {
        kernel.0.add_stranger_link("wire");
        test(kernel);
        assert!(kernel.0.has_stranger_link("wire"));
    });
}

#[test]
fn sandboxes_on_one_wire_come_and_go() {
    with_wire(|kernel| {
        let nothing = State::new();
        go(kernel, &nothing, &on_wire(1));
        assert_eq!(reconcile(kernel, &on_wire(1)), Ok(0));
        let both: State = on_wire(1).into_iter().chain(on_wire(2)).collect();
        go(kernel, &on_wire(1), &both);
        for (key, object) in &both {
            let one = State::from([(key.clone(), object.clone())]);
            assert_eq!(kernel.observe(Extent::Only(&one)).expect("observe"), one);
        }
        go(kernel, &both, &on_wire(2));
        go(kernel, &on_wire(2), &on_wire(1));
        go(kernel, &on_wire(1), &nothing);
    });
}

#[test]
fn the_same_mac_can_be_had_again_at_once() {
    with_wire(|kernel| {
        for _ in 0..5 {
            go(kernel, &State::new(), &on_wire(1));
            go(kernel, &on_wire(1), &State::new());
        }
    });
}

#[test]
fn it_is_made_smaller_in_place_and_moved_to_another_kind_by_making_it_anew() {
    with_wire(|kernel| {
        let all = on_wire(1);
        let key = || Key::Upper(endpoint(1));
        go(kernel, &State::new(), &all);
        let small = with(all.clone(), key(), Object::Upper(Upper { mtu: Some(1400), ..upper(1) }));
        assert!(plan(&all, &small).ops().all(|op| matches!(op, Op::Change { .. })));
        go(kernel, &all, &small);
        let private = Upper { kind: Kind::Macvlan(MacvlanMode::Private), ..upper(1) };
        go(kernel, &small, &with(all, key(), Object::Upper(private)));
    });
}

#[test]
fn without_its_wire_it_is_not_made_and_nothing_is_left() {
    on_both(|kernel| {
        let failed = apply(kernel, &State::new(), &on_wire(1)).expect_err("there is no wire");
        assert!(failed.left_behind.is_empty(), "{failed:?}");
        assert_seen(kernel, &State::new());
    });
}

#[test]
fn what_was_lost_is_made_anew() {
    with_wire(|kernel| {
        let all = on_wire(1);
        go(kernel, &State::new(), &all);
        kernel.0.lose(&Key::Upper(endpoint(1)));
        let rest = State::from([(Key::Netns(sandbox(1)), Object::Netns(Netns::Own))]);
        assert_seen(kernel, &rest);
        assert_eq!(reconcile(kernel, &all), Ok(5));
        assert_seen(kernel, &all);
        kernel.0.lose(&Key::Netns(sandbox(1)));
        reconcile(kernel, &all).expect("repair");
        assert_seen(kernel, &all);
    });
}

/// What the kernel of a host may lack.
mod elsewhere {
    use super::*;

    /// A VLAN cannot be up on a link that is down, as a stranger's is here.
    fn lower(kind: LowerKind) -> State {
        let up = kind == LowerKind::Dummy;
        State::from([(Key::Lower("low".to_owned()), Object::Lower(Lower { kind, up }))])
    }

    #[test]
    #[ignore = "needs a kernel with vlan and dummy: runs in make test-vm"]
    fn links_for_others_to_be_on_come_and_go() {
        with_wire(|kernel| {
            for kind in [LowerKind::Vlan { on: "wire".to_owned(), id: 7 }, LowerKind::Dummy] {
                let mut on_it = on_wire(1);
                on_it.insert(
                    Key::Upper(endpoint(1)),
                    Object::Upper(Upper { lower: "low".to_owned(), ..upper(1) }),
                );
                let all: State = lower(kind.clone()).into_iter().chain(on_it).collect();
                go(kernel, &State::new(), &lower(kind.clone()));
                go(kernel, &lower(kind.clone()), &all);
                kernel.0.lose(&Key::Lower("low".to_owned()));
                reconcile(kernel, &all).expect("repair");
                assert_seen(kernel, &all);
                go(kernel, &all, &State::new());
            }
        });
    }
}
