//! One contract, two kernels: what holds on the fake holds on Linux.

use cnm::Proto;
use cnm::apply::{Extent, Kernel, apply, reconcile};
use cnm::nft::{Set, Value};
use cnm::plan::{Op, plan};
use cnm::state::{Bridge, Key, Netns, Ns, Object, Route, State, Veth, veth_name};

use crate::states::*;
use crate::worlds::{Subject, on_both, on_linux};

/// All that is ours, without what is kept.
fn seen(kernel: &mut Subject<'_>, expected: &State) -> State {
    let mut state = kernel.observe(Extent::All(expected)).expect("observe");
    state.retain(|key, _| !matches!(key, Key::Sysctl(_)));
    state
}

#[track_caller]
pub(crate) fn assert_seen(kernel: &mut Subject<'_>, expected: &State) {
    let mut wanted = expected.clone();
    wanted.retain(|key, _| !matches!(key, Key::Sysctl(_)));
    assert_eq!(seen(kernel, expected), wanted);
}

#[track_caller]
pub(crate) fn go(kernel: &mut Subject<'_>, from: &State, to: &State) {
    apply(kernel, from, to).unwrap_or_else(|failed| panic!("{failed}: {}", chain(&failed)));
    assert_seen(kernel, to);
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[test]
fn what_was_asked_for_is_there_and_then_is_not() {
    on_both(|kernel| {
        let (nothing, all) = (State::new(), everything());
        go(kernel, &nothing, &all);
        assert_eq!(kernel.observe(Extent::All(&all)).expect("observe"), all);
        assert_eq!(reconcile(kernel, &all), Ok(0));
        go(kernel, &all, &nothing);
    });
}

#[test]
fn one_part_comes_and_goes_beside_the_others() {
    on_both(|kernel| {
        let (mut state, bridged) = (State::new(), bridged());
        go(kernel, &state, &bridged);
        state.extend(bridged);
        for part in [joined(1), published(), joined(2)] {
            let more: State = state.clone().into_iter().chain(part.clone()).collect();
            apply(kernel, &State::new(), &part).expect("create");
            assert_seen(kernel, &more);
            apply(kernel, &part, &State::new()).expect("delete");
            assert_seen(kernel, &state);
            apply(kernel, &State::new(), &part).expect("create again");
            state = more;
        }
        assert_seen(kernel, &state);
    });
}

#[test]
fn only_what_is_asked_for_is_seen() {
    on_both(|kernel| {
        go(kernel, &State::new(), &everything());
        for (key, object) in everything() {
            let one = State::from([(key, object)]);
            assert_eq!(kernel.observe(Extent::Only(&one)).expect("observe"), one);
        }
    });
}

#[test]
fn what_can_change_in_place_does() {
    let bridges = [
        Bridge { mtu: 1400, ..bridge() },
        Bridge { mac: mac(9), ..bridge() },
        Bridge { route_localnet: false, ..bridge() },
    ];
    let pairs =
        [Veth { mtu: 1400, ..veth(1) }, Veth { isolated: true, ..veth(1) }, Veth { master: None, ..veth(1) }];
    let web = published().into_iter().find(|(key, _)| matches!(key, Key::Publish(Set::Publish(_), _)));
    let elsewhere = vec![Value::Addr(ip("10.1.0.12")), Value::Port(81)];
    let mut changes = vec![
        (Key::Route(Ns::Sandbox(sandbox(1)), net("0.0.0.0/0")), route("10.1.0.12")),
        (web.expect("a published port").0, Object::Element(elsewhere)),
    ];
    changes.extend(bridges.map(|bridge| (Key::Bridge("br-1".to_owned()), Object::Bridge(bridge))));
    changes.extend(pairs.map(|veth| (Key::Veth(endpoint(1)), Object::Veth(veth))));
    on_both(|kernel| {
        let all = everything();
        go(kernel, &State::new(), &all);
        for (key, object) in &changes {
            let to = with(all.clone(), key.clone(), object.clone());
            assert!(plan(&all, &to).ops().all(|op| matches!(op, Op::Change { .. })), "{key}");
            go(kernel, &all, &to);
            go(kernel, &to, &all);
        }
    });
}

#[test]
fn links_too_small_for_ipv6_are_made_all_the_same() {
    on_both(|kernel| {
        let mut small = everything();
        small.retain(
            |key, _| !matches!(key, Key::Addr(_, _, net) | Key::Route(_, net) if net.addr().is_ipv6()),
        );
        small.insert(Key::Bridge("br-1".to_owned()), Object::Bridge(Bridge { mtu: 1000, ..bridge() }));
        for n in [1, 2] {
            small.insert(Key::Veth(endpoint(n)), Object::Veth(Veth { mtu: 1000, ..veth(n) }));
        }
        go(kernel, &State::new(), &small);
        go(kernel, &small, &everything());
        go(kernel, &everything(), &State::new());
    });
}

#[test]
fn what_cannot_change_in_place_is_made_anew_with_all_on_it() {
    let renamed = (Ns::Sandbox(sandbox(1)), "eth7".to_owned());
    let ns = Ns::Sandbox(sandbox(1));
    let mut elsewhere: State = everything();
    elsewhere.retain(
        |key, _| !matches!(key, Key::LinkSysctl(on, ..) | Key::Addr(on, ..) | Key::Route(on, _) if *on == ns),
    );
    elsewhere.insert(Key::Veth(endpoint(1)), Object::Veth(Veth { peer: renamed, ..veth(1) }));
    let replaced = [
        with(everything(), Key::Veth(endpoint(1)), Object::Veth(Veth { mac: mac(0x77), ..veth(1) })),
        with(
            everything(),
            Key::Bridge("br-1".to_owned()),
            Object::Bridge(Bridge { network: cnm::NetworkId::new([0xdd; 32]), ..bridge() }),
        ),
        elsewhere,
    ];
    on_both(|kernel| {
        let all = everything();
        go(kernel, &State::new(), &all);
        for to in &replaced {
            go(kernel, &all, to);
            go(kernel, to, &all);
        }
    });
}

#[track_caller]
fn check_stranger(kernel: &mut Subject<'_>, name: &str, before: &State) {
    go(kernel, &State::new(), before);
    kernel.0.add_stranger_link(name);
    let failed = apply(kernel, before, &everything()).expect_err("in the way");
    assert_eq!((failed.cause.refusal().errno, failed.left_behind), (17, vec![]));
    assert_seen(kernel, before);
    assert!(kernel.0.has_stranger_link(name));
}

#[test]
fn a_stranger_in_the_way_fails_the_change_and_survives_it() {
    on_both(|kernel| {
        check_stranger(kernel, "br-1", &State::new());
    });
    on_both(|kernel| {
        check_stranger(kernel, &veth_name(&endpoint(1)), &bridged());
    });
}

#[test]
fn a_port_in_the_way_fails_the_change_before_anything_else_is_done() {
    on_both(|kernel| {
        kernel.0.bind_stranger_port(Proto::Tcp, ip("127.0.0.1"), 8005);
        let failed = apply(kernel, &State::new(), &everything()).expect_err("in the way");
        assert_eq!(failed.cause.refusal().errno, 98);
        assert_eq!(failed.cause.key(), Some(&port(Proto::Tcp, "0.0.0.0", 8000, 8010)));
        assert_eq!(failed.left_behind, vec![]);
        assert_seen(kernel, &State::new());
    });
}

#[test]
fn what_is_lost_comes_back() {
    on_both(|kernel| {
        let all = everything();
        go(kernel, &State::new(), &all);
        for key in all.keys().filter(|key| !matches!(key, Key::Port { .. })) {
            kernel.0.lose(key);
            let steps = reconcile(kernel, &all).unwrap_or_else(|errors| panic!("{key}: {errors:?}"));
            assert!(steps > 0, "{key} was not missed");
            assert_seen(kernel, &all);
        }
    });
}

#[test]
fn a_restart_sees_what_is_there() {
    on_linux(|machine| {
        let mut all = everything();
        apply(machine, &State::new(), &all).expect("create");
        all.retain(|key, _| !matches!(key, Key::Port { .. }));
        let mut restarted = machine.restarted();
        assert_eq!(restarted.observe(Extent::All(&all)).expect("observe"), all);
        assert_eq!(reconcile(&mut restarted, &all), Ok(0));
        all.retain(|key, _| matches!(key, Key::Sysctl(_)));
        reconcile(&mut restarted, &all).expect("nothing is left that was not asked for");
        assert_eq!(restarted.observe(Extent::All(&all)).expect("observe"), all);
    });
}

#[test]
fn many_hands_do_not_disturb_one_another() {
    on_linux(|machine| {
        apply(machine, &State::new(), &bridged()).expect("create");
        std::thread::scope(|scope| {
            for n in 1..=8 {
                let mut host = machine.host.clone();
                scope.spawn(move || {
                    for _ in 0..3 {
                        apply(&mut host, &State::new(), &joined(n)).expect("create");
                        assert_eq!(host.observe(Extent::Only(&joined(n))).expect("observe"), joined(n));
                        apply(&mut host, &joined(n), &State::new()).expect("delete");
                    }
                    apply(&mut host, &State::new(), &joined(n)).expect("create");
                });
            }
        });
        let all: State = (1..=8).flat_map(joined).chain(bridged()).collect();
        assert_eq!(machine.observe(Extent::All(&all)).expect("observe"), all);
    });
}

#[test]
fn two_engines_leave_one_another_alone() {
    on_linux(|machine| {
        let all = bridge_alone();
        apply(machine, &State::new(), &all).expect("create");
        let mut other = machine.another();
        assert_eq!(other.observe(Extent::All(&all)).expect("observe"), State::new());
        let failed = apply(&mut other, &State::new(), &all).expect_err("in the way");
        assert_eq!((failed.cause.refusal().errno, failed.left_behind), (17, vec![]));
        assert_eq!(machine.observe(Extent::All(&all)).expect("observe"), all);
    });
}

/// What is refused, with which number, is the same on both kernels.
#[track_caller]
fn check_refused(before: &State, key: Key, object: Object, errno: i32) {
    let one = State::from([(key.clone(), object)]);
    on_both(|kernel| {
        go(kernel, &State::new(), before);
        let failed = apply(kernel, &State::new(), &one).expect_err("it cannot be done");
        assert_eq!((failed.cause.refusal().errno, failed.cause.key()), (errno, Some(&key)));
        assert_seen(kernel, before);
    });
}

#[test]
fn what_linux_refuses_the_fake_refuses() {
    let (nothing, inside) = (State::new(), Ns::Sandbox(sandbox(1)));
    let (link, masquerade) = (|name: &str| name.to_owned(), Set::Masquerade(cnm::Family::V4));
    let half = State::from([(Key::Netns(sandbox(1)), Object::Netns(Netns::Own))]);
    let on_link = Object::Route(Route { via: None, link: link("eth0") });
    check_refused(&half, Key::Veth(endpoint(1)), Object::Veth(veth(1)), 19);
    check_refused(&bridged(), Key::Veth(endpoint(1)), Object::Veth(veth(1)), 22);
    check_refused(&nothing, Key::Bridge(link("a-very-long-name")), Object::Bridge(bridge()), 34);
    check_refused(&half, Key::Addr(inside, link("eth0"), net("10.1.0.2/24")), Object::Addr, 19);
    check_refused(&half, Key::Route(inside, net("10.9.0.0/16")), on_link, 19);
    let reachable = without(everything(), &Key::Route(inside, net("0.0.0.0/0")));
    check_refused(&reachable, Key::Route(inside, net("0.0.0.0/0")), route("192.0.2.1"), 101);
    let reachable = without(everything(), &Key::Route(inside, net("::/0")));
    check_refused(&reachable, Key::Route(inside, net("::/0")), route("2001:db8::1"), 113);
    let overlapping = Key::Guard(masquerade, vec![Value::Net(net("10.1.0.0/16"))]);
    check_refused(&bridged(), overlapping.clone(), Object::Element(Vec::new()), 17);
    check_refused(&nothing, overlapping, Object::Element(Vec::new()), 2);
}

#[test]
fn what_is_not_there_cannot_be_deleted() {
    on_both(|kernel| {
        for (key, object) in everything() {
            // Settings stay. A pair may have vanished with a namespace a moment before.
            if matches!(key, Key::Sysctl(_) | Key::Veth(_)) {
                continue;
            }
            let plan = plan(&State::from([(key.clone(), object)]), &State::new());
            for step in &plan.steps {
                assert!(kernel.run(step).is_err(), "{key} was deleted");
            }
        }
    });
}
