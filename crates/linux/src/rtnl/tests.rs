//! Routing netlink on the real kernel, each test in a namespace of its own.

use std::path::Path;

use ipnet::IpNet;

use super::*;
use crate::netns::leave_host;
use crate::sysctl;

mod upper;

/// Runs a test in a namespace of its own, with a socket there and a directory for more namespaces.
fn alone(test: impl FnOnce(&mut Rtnl, &Path) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("a namespace of the test's own");
            let directory = tempfile::tempdir().expect("a directory");
            test(&mut Rtnl::open().expect("a socket"), directory.path());
        });
    });
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a subnet")
}

fn mac(text: &str) -> MacAddr {
    text.parse().expect("an Ethernet address")
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn bridge(rtnl: &mut Rtnl, name: &str) -> Link {
    let add = LinkAdd { up: true, ..LinkAdd::new(name, LinkType::Bridge) };
    rtnl.link_add(&add).expect("a bridge")
}

fn veth(rtnl: &mut Rtnl, name: &str, peer: &str) -> Link {
    let peer = Peer { name: peer.to_owned(), address: None, netns: None };
    rtnl.link_add(&LinkAdd { up: true, ..LinkAdd::new(name, LinkType::Veth(peer)) }).expect("a veth")
}

fn inside(directory: &Path) -> (Netns, Rtnl) {
    let (netns, rtnl) = Netns::create_with(&directory.join("inside"), Rtnl::open).expect("a namespace");
    (netns, rtnl.expect("a socket"))
}

#[test]
fn one_call_makes_a_veth_with_all_that_belongs_to_it() {
    alone(|rtnl, directory| {
        let br = bridge(rtnl, "br-1");
        let (netns, mut within) = inside(directory);
        let peer = Peer {
            name: "eth0".to_owned(),
            address: Some(mac("02:00:00:00:00:02")),
            netns: Some(netns.as_fd()),
        };
        let made = rtnl
            .link_add(&LinkAdd {
                mtu: Some(1400),
                address: Some(mac("02:00:00:00:00:01")),
                alias: Some("tombolo:engine:endpoint".to_owned()),
                master: Some(br.index),
                up: true,
                group: Some(7),
                addr_gen: AddrGen::None,
                ..LinkAdd::new("veth1", LinkType::Veth(peer))
            })
            .expect("a veth");
        let other = within.link_by_name("eth0").expect("ask").expect("the peer");
        let expected = Link {
            index: made.index,
            name: "veth1".to_owned(),
            kind: LinkKind::Veth,
            up: true,
            lower_up: false,
            mtu: 1400,
            address: Some(mac("02:00:00:00:00:01")),
            alias: Some("tombolo:engine:endpoint".to_owned()),
            master: Some(br.index),
            peer: Some(other.index),
            peer_netns: rtnl.netns_id(netns.as_fd()).expect("ask"),
            group: 7,
            addr_gen: AddrGen::None,
            route_localnet: false,
            port: Some(PortFlags::default()),
        };
        assert!(expected.peer_netns.is_some());
        assert_eq!(made, expected);
        assert_eq!(rtnl.link_by_index(made.index).expect("ask"), Some(expected));
        assert_eq!((other.mtu, other.address, other.up), (1400, Some(mac("02:00:00:00:00:02")), false));
        let set = LinkSet { up: Some(true), addr_gen: Some(AddrGen::None), ..LinkSet::default() };
        within.link_set(other.index, &set).expect("up");
        let addresses = within.addr_list().expect("list");
        assert!(addresses.iter().all(|addr| addr.index != other.index), "{addresses:?}");
        assert!(rtnl.link_by_index(made.index).expect("ask").expect("there").lower_up);
        assert!(rtnl.addr_list().expect("list").iter().all(|addr| addr.index != made.index));
    });
}

#[test]
fn a_bridge_is_made_as_it_should_be() {
    alone(|rtnl, _| {
        let made = rtnl
            .link_add(&LinkAdd {
                mtu: Some(1400),
                address: Some(mac("02:00:00:00:00:01")),
                alias: Some("tombolo:engine:network".to_owned()),
                up: true,
                addr_gen: AddrGen::None,
                route_localnet: true,
                ..LinkAdd::new("br-1", LinkType::Bridge)
            })
            .expect("a bridge");
        assert_eq!((&made.kind, made.mtu, made.up), (&LinkKind::Bridge, 1400, true));
        assert_eq!((made.address, made.addr_gen), (Some(mac("02:00:00:00:00:01")), AddrGen::None));
        assert!(made.route_localnet);
        assert_eq!(sysctl::read("net/ipv4/conf/br-1/route_localnet").expect("read"), "1");
        assert_eq!(sysctl::read("net/ipv6/conf/br-1/addr_gen_mode").expect("read"), "1");
    });
}

#[test]
fn a_bridge_keeps_its_mtu_without_ports() {
    alone(|rtnl, _| {
        let add = LinkAdd { mtu: Some(1400), ..LinkAdd::new("br-1", LinkType::Bridge) };
        let br = rtnl.link_add(&add).expect("a bridge");
        let port = veth(rtnl, "veth1", "veth2");
        rtnl.link_set(port.index, &LinkSet { master: Some(br.index), ..LinkSet::default() }).expect("port");
        rtnl.link_del(port.index).expect("delete");
        assert_eq!(rtnl.link_by_index(br.index).expect("ask").expect("there").mtu, 1400);
    });
}

#[test]
fn a_link_in_the_way_is_left_alone() {
    alone(|rtnl, _| {
        let stranger = bridge(rtnl, "br-1");
        let add = LinkAdd { alias: Some("ours".to_owned()), ..LinkAdd::new("br-1", LinkType::Bridge) };
        let error = rtnl.link_add(&add).expect_err("in the way");
        assert!(error.is_exists());
        assert_eq!(chain(&error), "cannot add link br-1: File exists (os error 17)");
        assert_eq!(rtnl.link_by_name("br-1").expect("ask"), Some(stranger));
    });
}

#[test]
fn a_peer_in_the_way_is_left_alone_and_nothing_is_made() {
    alone(|rtnl, _| {
        let stranger = bridge(rtnl, "eth0");
        let peer = Peer { name: "eth0".to_owned(), address: None, netns: None };
        let add = LinkAdd { alias: Some("ours".to_owned()), ..LinkAdd::new("veth1", LinkType::Veth(peer)) };
        assert!(rtnl.link_add(&add).expect_err("in the way").is_exists());
        assert_eq!(rtnl.link_by_name("veth1").expect("ask"), None);
        assert_eq!(rtnl.link_by_name("eth0").expect("ask"), Some(stranger));
    });
}

#[test]
fn a_master_that_is_none_makes_nothing() {
    alone(|rtnl, _| {
        let peer = Peer { name: "eth0".to_owned(), address: None, netns: None };
        let add = LinkAdd { master: Some(4711), ..LinkAdd::new("veth1", LinkType::Veth(peer)) };
        let error = rtnl.link_add(&add).expect_err("no such master");
        assert_eq!(error.operation(), "add link veth1");
        assert_eq!(rtnl.link_by_name("veth1").expect("ask"), None);
    });
}

#[test]
fn a_link_changes_in_place() {
    alone(|rtnl, _| {
        let (br, port) = (bridge(rtnl, "br-1"), veth(rtnl, "veth1", "veth2"));
        let before = rtnl.link_by_index(port.index).expect("ask").expect("there");
        let flags = PortFlags { hairpin: true, isolated: true };
        let down = LinkSet { master: Some(br.index), up: Some(false), ..LinkSet::default() };
        rtnl.link_set(port.index, &down).expect("port");
        let set = LinkSet {
            name: Some("other".to_owned()),
            mtu: Some(1300),
            address: Some(mac("02:00:00:00:00:09")),
            alias: Some("ours".to_owned()),
            group: Some(3),
            route_localnet: Some(true),
            port: Some(flags),
            ..LinkSet::default()
        };
        rtnl.link_set(port.index, &set).expect("set");
        let expected = Link {
            name: "other".to_owned(),
            up: false,
            lower_up: false,
            mtu: 1300,
            address: set.address,
            alias: set.alias,
            master: Some(br.index),
            group: 3,
            route_localnet: true,
            port: Some(flags),
            ..before
        };
        let after = rtnl.link_by_name("other").expect("ask").expect("there");
        assert_eq!(Link { lower_up: false, ..after }, expected);
        let bare = LinkSet { alias: Some(String::new()), master: Some(0), ..LinkSet::default() };
        rtnl.link_set(port.index, &bare).expect("set");
        let after = rtnl.link_by_index(port.index).expect("ask").expect("there");
        assert_eq!((after.alias, after.master, after.port), (None, None, None));
    });
}

#[test]
fn links_are_listed_and_go() {
    alone(|rtnl, _| {
        let (one, two) = (bridge(rtnl, "br-1"), veth(rtnl, "veth1", "veth2"));
        let names = |rtnl: &mut Rtnl| {
            let links = rtnl.link_list().expect("list").into_iter();
            links.map(|link| link.name).filter(|name| name != "lo").collect::<Vec<_>>()
        };
        assert_eq!(names(rtnl), ["br-1", "veth2", "veth1"]);
        let bridges = rtnl.bridge_list().expect("list");
        assert_eq!(
            bridges,
            [one.clone()].map(|one| rtnl.link_by_index(one.index).expect("ask").expect("there"))
        );
        rtnl.link_del(two.index).expect("delete");
        assert_eq!(names(rtnl), ["br-1"]);
        rtnl.link_set(one.index, &LinkSet { group: Some(9), ..LinkSet::default() }).expect("group");
        rtnl.apply(&[link::link_del_group(9)]).expect("delete");
        assert_eq!(names(rtnl), <[&str; 0]>::default());
        let error = rtnl.link_del(two.index).expect_err("gone");
        assert!(error.is_gone());
        assert_eq!(error.to_string(), format!("cannot delete link {}", two.index));
    });
}

#[test]
fn addresses_of_both_families_come_and_go() {
    alone(|rtnl, _| {
        let br = bridge(rtnl, "br-1");
        for text in ["10.1.2.3/24", "fd00:1::3/64", "10.9.9.9/32"] {
            let add = AddrAdd { protocol: 116, ..AddrAdd::new(br.index, net(text)) };
            rtnl.addr_add(&add).expect("add");
        }
        let found: Vec<_> = rtnl.addr_list().expect("list").into_iter().filter(|a| !a.link_scope).collect();
        let texts: Vec<_> = found.iter().map(|addr| addr.net.to_string()).collect();
        assert_eq!(texts, ["10.1.2.3/24", "10.9.9.9/32", "fd00:1::3/64"]);
        assert_eq!(found[0].broadcast, "10.1.2.255".parse().ok());
        assert_eq!(found[1].broadcast, None);
        assert!(found.iter().all(|addr| addr.protocol == 116));
        assert!(found.iter().all(|addr| addr.permanent && !addr.tentative && addr.index == br.index));
        let again = rtnl.addr_add(&AddrAdd::new(br.index, net("10.1.2.3/24"))).expect_err("there");
        assert!(again.is_exists());
        rtnl.apply(&[addr::addr_replace(&AddrAdd::new(br.index, net("10.1.2.3/24")))]).expect("the same");
        for text in ["10.1.2.3/24", "fd00:1::3/64", "10.9.9.9/32"] {
            rtnl.addr_del(br.index, net(text)).expect("delete");
        }
        assert!(rtnl.addr_list().expect("list").iter().all(|addr| addr.link_scope));
        assert!(rtnl.addr_del(br.index, net("10.1.2.3/24")).expect_err("gone").is_gone());
    });
}

#[test]
fn an_address_is_local_once_it_is_in_use() {
    alone(|rtnl, _| {
        let br = bridge(rtnl, "br-1");
        for text in ["10.1.2.3/24", "fd00:1::3/64"] {
            let address = net(text).addr();
            assert!(!rtnl.is_local(address).expect("ask"));
            rtnl.addr_add(&AddrAdd::new(br.index, net(text))).expect("add");
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
            while !rtnl.is_local(address).expect("ask") {
                assert!(std::time::Instant::now() < deadline, "{address} is never used");
                std::thread::yield_now();
            }
        }
        assert!(!rtnl.is_local("10.1.2.4".parse().expect("an address")).expect("ask"));
    });
}

#[test]
fn routes_of_both_families_come_and_go() {
    alone(|rtnl, _| {
        let br = bridge(rtnl, "br-1");
        rtnl.addr_add(&AddrAdd::new(br.index, net("10.1.2.3/24"))).expect("add");
        rtnl.addr_add(&AddrAdd::new(br.index, net("fd00:1::3/64"))).expect("add");
        let ip = |text: &str| text.parse().expect("an address");
        let routes = [
            Route::default_via(ip("10.1.2.1"), br.index),
            Route { metric: 50, ..Route::via(net("192.0.2.0/24"), ip("10.1.2.1"), br.index) },
            Route::on_link(net("198.51.100.0/24"), br.index),
            Route { metric: 1024, ..Route::default_via(ip("fd00:1::1"), br.index) },
            Route { metric: 1024, ..Route::on_link(net("fd00:2::/64"), br.index) },
        ];
        for route in &routes {
            rtnl.route_add(route).expect("add");
        }
        let ours = |rtnl: &mut Rtnl| {
            let routes = rtnl.route_list().expect("list").into_iter();
            routes.filter(|route| route.protocol == RouteProtocol::Static).collect::<Vec<_>>()
        };
        let mut found = ours(rtnl);
        found.sort_by_key(|route| routes.iter().position(|wanted| wanted == route));
        assert_eq!(found, routes);
        assert!(rtnl.route_add(&routes[0]).expect_err("there").is_exists());
        for route in &routes {
            rtnl.route_del(route).expect("delete");
        }
        assert_eq!(ours(rtnl), []);
        assert!(rtnl.route_del(&routes[0]).expect_err("gone").is_gone());
    });
}

#[test]
fn the_words_of_the_kernel_are_in_the_error() {
    alone(|rtnl, _| {
        let br = bridge(rtnl, "br-1");
        let route = Route::default_via("192.0.2.1".parse().expect("an address"), br.index);
        let error = rtnl.route_add(&route).expect_err("a gateway that cannot be reached");
        let expected = format!(
            "cannot add route 0.0.0.0/0 via 192.0.2.1 on link {}: Network is unreachable (os error 101): \
             Nexthop has invalid gateway",
            br.index
        );
        assert_eq!(chain(&error), expected);
        assert_eq!(error.refusal().and_then(|refusal| refusal.text()), Some("Nexthop has invalid gateway"));
    });
}

#[test]
fn the_change_that_failed_is_named() {
    alone(|rtnl, _| {
        let br = bridge(rtnl, "br-1");
        let add = |text| addr::addr_add(&AddrAdd::new(br.index, net(text)));
        let changes = [add("10.0.0.1/24"), add("10.0.0.1/24"), add("10.0.0.2/24")];
        let outcomes = rtnl.apply_each(&changes).expect("exchange");
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        let error = rtnl.apply(&changes[1..]).expect_err("both are there");
        assert_eq!(error.operation(), format!("add address 10.0.0.1/24 to link {}", br.index));
    });
}

#[test]
fn neighbours_come_and_go() {
    alone(|rtnl, _| {
        let br = bridge(rtnl, "br-1");
        for text in ["10.1.2.9", "fd00:1::9"] {
            let neigh = Neigh {
                index: br.index,
                ip: text.parse().expect("an address"),
                address: mac("02:00:00:00:00:09"),
                permanent: true,
            };
            rtnl.neigh_add(&neigh).expect("add");
            assert!(rtnl.neigh_list().expect("list").contains(&neigh));
            rtnl.neigh_del(br.index, neigh.ip).expect("delete");
            assert!(!rtnl.neigh_list().expect("list").contains(&neigh));
        }
    });
}

#[test]
fn the_monitor_tells_what_happens() {
    alone(|rtnl, _| {
        let mut monitor = Monitor::open().expect("subscribe");
        let br = bridge(rtnl, "br-1");
        rtnl.addr_add(&AddrAdd::new(br.index, net("10.1.2.3/24"))).expect("add");
        rtnl.route_add(&Route::on_link(net("192.0.2.0/24"), br.index)).expect("add");
        rtnl.link_del(br.index).expect("delete");
        let mut until = |wanted: &dyn Fn(&Event) -> bool| {
            let events = monitor.by_ref().map(|event| event.expect("an event"));
            assert!(events.take(50).any(|event| wanted(&event)));
        };
        until(&|event| matches!(event, Event::Link(link) if link.name == "br-1"));
        until(&|event| matches!(event, Event::Addr(addr) if addr.net == net("10.1.2.3/24")));
        until(&|event| matches!(event, Event::Route(route) if route.destination == net("192.0.2.0/24")));
        until(&|event| matches!(event, Event::AddrGone(addr) if addr.net == net("10.1.2.3/24")));
        until(&|event| matches!(event, Event::LinkGone(link) if link.index == br.index));
    });
}

#[test]
fn a_monitor_that_was_not_read_says_that_it_missed_something() {
    alone(|rtnl, _| {
        let mut monitor = Monitor::open().expect("subscribe");
        rustix::net::sockopt::set_socket_recv_buffer_size(&monitor, 4096).expect("a small buffer");
        let br = bridge(rtnl, "br-1");
        for n in 0..64 {
            rtnl.addr_add(&AddrAdd::new(br.index, net(&format!("10.1.2.{n}/32")))).expect("add");
        }
        assert!(monitor.by_ref().take(100).any(|event| matches!(event, Ok(Event::Overrun))));
    });
}

#[test]
fn a_deletion_is_answered_when_the_link_is_unlisted() {
    alone(|rtnl, directory| {
        let reaper = Reaper::open().expect("a reaper");
        let (netns, mut within) = inside(directory);
        let mut answered_early = false;
        for _ in 0..5 {
            let peer = Peer { name: "eth0".to_owned(), address: None, netns: Some(netns.as_fd()) };
            let link = rtnl.link_add(&LinkAdd::new("veth1", LinkType::Veth(peer))).expect("a veth");
            reaper.link_del(link.index).expect("delete");
            answered_early |= reaper.is_busy();
            assert_eq!(rtnl.link_by_name("veth1").expect("ask"), None);
            assert_eq!(within.link_by_name("eth0").expect("ask"), None);
        }
        assert!(answered_early, "every answer waited for the system call");
        let error = reaper.link_del(4711).expect_err("no such link");
        assert_eq!(error.to_string(), "cannot delete link 4711");
    });
}

#[test]
fn many_delete_at_once() {
    alone(|rtnl, _| {
        let reaper = Reaper::open().expect("a reaper");
        let links: Vec<_> = (0..40).map(|n| veth(rtnl, &format!("a{n}"), &format!("b{n}")).index).collect();
        std::thread::scope(|scope| {
            for index in &links {
                let reaper = reaper.clone();
                scope.spawn(move || reaper.link_del(*index).expect("delete"));
            }
        });
        assert!(rtnl.link_list().expect("list").iter().all(|link| link.kind != LinkKind::Veth));
    });
}

#[test]
fn an_ethernet_address_is_six_bytes_in_hexadecimal() {
    assert_eq!(mac("02:42:ac:11:00:02").to_string(), "02:42:ac:11:00:02");
    for text in ["", "02:42", "02:42:ac:11:00:02:03", "2:42:ac:11:00:02", "0z:42:ac:11:00:02"] {
        assert!(text.parse::<MacAddr>().is_err(), "{text}");
    }
}
