//! What things cost. Run with `--run-ignored only --no-capture`, on a quiet machine.

#![expect(clippy::print_stdout, reason = "figures are for people to read")]

use std::time::{Duration, Instant};

use cnm::apply::{Extent, Kernel, apply};
use cnm::nft::{Set, Value};
use cnm::state::{Key, Netns, Ns, Object, Route, State, Veth};
use cnm::{EndpointId, Family, Proto, SandboxId};

use crate::states::{bridged, ip, net, port, veth};
use crate::worlds::{Machine, on_linux};

/// Prints the median and the ninth decile.
fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    println!("{what}: p50 {:?}, p90 {:?}", times[times.len() / 2], times[times.len() * 9 / 10]);
}

fn ids(n: u16) -> (SandboxId, EndpointId) {
    let [high, low] = n.to_be_bytes();
    let mut bytes = [0x5a; 32];
    (bytes[0], bytes[1]) = (high, low);
    (SandboxId::new(bytes), EndpointId::new(bytes))
}

/// One endpoint with its sandbox, of IPv4 alone.
fn endpoint_up(n: u16) -> State {
    let ((sandbox, endpoint), [high, low]) = (ids(n), n.to_be_bytes());
    let ns = Ns::Sandbox(sandbox);
    let mac = cnm::Mac::new([2, 0, 0, 1, high, low]);
    let pair = Veth { peer: (ns, "eth0".to_owned()), mac, ..veth(1) };
    let route = Route { via: Some(ip("10.1.0.1")), link: "eth0".to_owned() };
    State::from([
        (Key::Netns(sandbox), Object::Netns(Netns::Own)),
        (Key::Veth(endpoint), Object::Veth(pair)),
        (Key::Addr(ns, "eth0".to_owned(), net(&format!("10.1.{}.{low}/16", high + 1))), Object::Addr),
        (Key::Route(ns, net("0.0.0.0/0")), Object::Route(Route { ..route })),
    ])
}

fn timed(machine: &mut Machine, from: &State, to: &State) -> Duration {
    let start = Instant::now();
    apply(machine, from, to).expect("apply");
    start.elapsed()
}

#[test]
#[ignore = "a measurement"]
fn endpoints() {
    on_linux(|machine| {
        let nothing = State::new();
        apply(machine, &nothing, &bridged()).expect("create");
        let each = || (0..500).map(endpoint_up);
        let mut up: Vec<_> = each().map(|state| timed(machine, &nothing, &state)).collect();
        print("endpoint up, 0 to 99 there", &mut up[..100]);
        print("endpoint up, 400 to 499 there", &mut up[400..]);
        let all: State = each().flatten().chain(bridged()).collect();
        let start = Instant::now();
        assert_eq!(machine.observe(Extent::All(&all)).expect("observe"), all);
        println!("{} objects observed in {:?}", all.len(), start.elapsed());
        let mut down: Vec<_> = each().map(|state| timed(machine, &state, &nothing)).collect();
        print("endpoint down", &mut down);
    });
}

#[test]
#[ignore = "a measurement"]
fn connections() {
    on_linux(|machine| {
        apply(machine, &State::new(), &bridged()).expect("create");
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for n in 0..100 {
            let all = endpoint_up(n);
            let (namespace, rest) = all.into_iter().partition(|(key, _)| matches!(key, Key::Netns(_)));
            apply(machine, &State::new(), &namespace).expect("create");
            up.push(timed(machine, &State::new(), &rest));
            down.push(timed(machine, &rest, &State::new()));
        }
        print("connect", &mut up);
        print("disconnect", &mut down);
    });
}

#[test]
#[ignore = "a measurement"]
fn endpoints_in_parallel() {
    on_linux(|machine| {
        apply(machine, &State::new(), &bridged()).expect("create");
        for threads in [1, 2, 4, 8] {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let mut host = machine.host.clone();
                    scope.spawn(move || {
                        for n in (thread..400).step_by(threads.into()) {
                            apply(&mut host, &State::new(), &endpoint_up(n)).expect("create");
                        }
                    });
                }
            });
            println!("{threads} threads: {:.0} endpoints per second", 400.0 / start.elapsed().as_secs_f64());
            let start = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let mut host = machine.host.clone();
                    scope.spawn(move || {
                        for n in (thread..400).step_by(threads.into()) {
                            apply(&mut host, &endpoint_up(n), &State::new()).expect("delete");
                        }
                    });
                }
            });
            println!("{threads} threads: {:.0} deletions per second", 400.0 / start.elapsed().as_secs_f64());
        }
    });
}

#[test]
#[ignore = "a measurement"]
fn published_ports() {
    on_linux(|machine| {
        apply(machine, &State::new(), &bridged()).expect("create");
        let publish = |first: u16, last: u16| -> State {
            let one = |n: u16| {
                let key = vec![Value::Proto(Proto::Tcp), Value::Port(n)];
                let data = vec![Value::Addr(ip("10.1.0.11")), Value::Port(n)];
                let element = (Key::Publish(Set::Publish(Family::V4), key), Object::Element(data));
                [element, (port(Proto::Tcp, "0.0.0.0", n, n), Object::Port)]
            };
            (first..=last).flat_map(one).collect()
        };
        let thousand = publish(10_000, 10_999);
        println!("1,000 ports up: {:?}", timed(machine, &State::new(), &thousand));
        let mut times: Vec<_> =
            (20_000..20_100).map(|n| timed(machine, &State::new(), &publish(n, n))).collect();
        print("one port up with 1,000 there", &mut times);
        println!("1,000 ports down: {:?}", timed(machine, &thousand, &State::new()));
        let range = State::from([(port(Proto::Tcp, "0.0.0.0", 30_000, 39_999), Object::Port)]);
        println!("10,000 ports in a range: {:?}", timed(machine, &State::new(), &range));
    });
}
