//! The resolver of sandboxes: real sockets in real namespaces, a fake server upstream.

#[path = "dns/machine.rs"]
mod machine;

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::base::iana::Rtype;
use linux::mount::{self, Reach, Tree};
use linux::netns::Netns;
use linux::nfnl::{Family, Nfnl, Table};
use machine::{By, Machine, Upstream, ask, query, run, udp_client};

#[test]
fn names_are_answered_and_others_are_asked_of_the_hosts_servers() {
    run(async |machine: &mut Machine| {
        let upstream = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        machine.resolv_conf("nameserver 127.0.0.1\n");
        machine.join("server", &["alias", "0123456789ab"]);
        machine.serve().await;
        for by in [By::Udp, By::Tcp] {
            for name in ["server", "SERVER", "alias", "0123456789ab", "server.web", "alias.WEB"] {
                assert_eq!(machine.ask(by, name, Rtype::A).await, "NOERROR 10.1.0.3", "{name}");
                assert_eq!(machine.ask(by, name, Rtype::AAAA).await, "NOERROR", "{name}");
                let others =
                    [Rtype::MX, Rtype::TXT, Rtype::SRV, Rtype::HTTPS, Rtype::NS, Rtype::SOA, Rtype::ANY];
                for kind in others {
                    assert_eq!(machine.ask(by, name, kind).await, "NOERROR", "{name} {kind}");
                }
            }
            let pointer = machine.ask(by, "3.0.1.10.in-addr.arpa", Rtype::PTR).await;
            assert_eq!(pointer, "NOERROR server.web.");
            assert_eq!(upstream.asked(), 0, "our names are our business");
            assert_eq!(machine.ask(by, "example.com", Rtype::A).await, "NOERROR 192.0.2.1");
            assert_eq!(machine.ask(by, "nobody", Rtype::A).await, "NOERROR 192.0.2.1");
            assert_eq!(machine.ask(by, "missing.example.com", Rtype::A).await, "NXDOMAIN");
            assert_eq!(machine.ask(by, "1.2.0.192.in-addr.arpa", Rtype::PTR).await, "NOERROR");
            assert_eq!(machine.ask(by, "_http._tcp.server", Rtype::SRV).await, "NOERROR");
            assert_eq!(upstream.take_asked(), 5, "ports have no names here");
        }
        machine.leave("server");
        assert_eq!(
            machine.ask(By::Udp, "server", Rtype::A).await,
            "NOERROR 192.0.2.1",
            "as soon as it has left"
        );
    });
}

#[test]
fn what_is_too_long_for_udp_is_asked_again_by_tcp() {
    run(async |machine: &mut Machine| {
        let _server1 = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        machine.resolv_conf("nameserver 127.0.0.1\n");
        for number in 0..40 {
            machine.join(&format!("server{number}"), &["all"]);
        }
        machine.serve().await;
        assert_eq!(machine.ask(By::Udp, "all", Rtype::A).await, "NOERROR truncated");
        let all = machine.ask(By::Tcp, "all", Rtype::A).await;
        assert_eq!(all.split(' ').count(), 41, "{all}");
        let again = machine.ask(By::Tcp, "all", Rtype::A).await;
        assert_ne!(all, again, "another address comes first");
        assert_eq!(machine.ask(By::Udp, "big.example.com", Rtype::A).await, "NOERROR truncated");
        assert_eq!(machine.ask(By::Tcp, "big.example.com", Rtype::A).await.split(' ').count(), 101);
    });
}

#[test]
fn the_next_server_is_asked_when_one_fails() {
    run(async |machine: &mut Machine| {
        let first = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        let second = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 2), "192.0.2.2");
        machine.resolv_conf("nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
        machine.serve().await;
        for by in [By::Udp, By::Tcp] {
            assert_eq!(machine.ask(by, "example.com", Rtype::A).await, "NOERROR 192.0.2.1");
            assert_eq!((first.take_asked(), second.take_asked()), (1, 0));
            first.fails(true);
            assert_eq!(machine.ask(by, "refused.example.com", Rtype::A).await, "NOERROR 192.0.2.2");
            assert_eq!(machine.ask(by, "servfail.example.com", Rtype::A).await, "NOERROR 192.0.2.2");
            assert_eq!((first.take_asked(), second.take_asked()), (2, 2));
            second.fails(true);
            assert_eq!(machine.ask(by, "servfail.example.com", Rtype::A).await, "SERVFAIL");
            first.fails(false);
            second.fails(false);
            assert_eq!((first.take_asked(), second.take_asked()), (1, 1));
        }
    });
}

#[test]
fn a_server_that_says_nothing_costs_patience_once() {
    run(async |machine: &mut Machine| {
        let silent = std::net::UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 1), 53)).expect("bind");
        let _server2 = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 2), "192.0.2.2");
        machine.resolv_conf("nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
        machine.serve().await;
        let started = Instant::now();
        assert_eq!(machine.ask(By::Udp, "example.com", Rtype::A).await, "NOERROR 192.0.2.2");
        assert!(started.elapsed() < Duration::from_secs(3));
        drop(silent);
        machine.resolv_conf("nameserver 127.0.0.9\nnameserver 127.0.0.8\n");
        machine
            .until("no server answers", async |machine| {
                machine.ask(By::Udp, "example.com", Rtype::A).await == "SERVFAIL"
            })
            .await;
    });
}

/// Waits until the server that says this is asked, and says so within a second of the change.
async fn is_asked_within_a_second(machine: &Machine, what: &str, last: u8) {
    let changed = Instant::now();
    let expected = format!("NOERROR 192.0.2.{last}");
    machine
        .until(what, async |machine| machine.ask(By::Udp, "example.com", Rtype::A).await == expected)
        .await;
    assert!(changed.elapsed() < Duration::from_secs(1), "{what}: {:?}", changed.elapsed());
}

#[test]
fn the_hosts_file_is_followed_whatever_becomes_of_it() {
    run(async |machine: &mut Machine| {
        let _server1 = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        let _server2 = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 2), "192.0.2.2");
        let path = machine.resolv_conf_path();
        let at = |name: &str| path.with_file_name(name);
        let (one, two) = ("nameserver 127.0.0.1\n", "nameserver 127.0.0.2\n");
        machine.resolv_conf(one);
        machine.serve().await;
        is_asked_within_a_second(machine, "at the start", 1).await;
        machine.resolv_conf(two);
        is_asked_within_a_second(machine, "written to", 2).await;
        fs::remove_file(&path).expect("remove");
        assert_eq!(machine.ask(By::Udp, "example.com", Rtype::A).await, "NOERROR 192.0.2.2");
        machine.resolv_conf(one);
        is_asked_within_a_second(machine, "made again", 1).await;
        fs::write(at("next"), two).expect("write");
        fs::rename(at("next"), &path).expect("rename");
        is_asked_within_a_second(machine, "renamed over", 2).await;
        fs::create_dir(at("run")).expect("made");
        fs::write(at("run/stub.conf"), one).expect("write");
        symlink("run/stub.conf", at("link")).expect("a link");
        fs::rename(at("link"), &path).expect("rename");
        is_asked_within_a_second(machine, "a link in its place", 1).await;
        fs::write(at("run/next"), two).expect("write");
        fs::rename(at("run/next"), at("run/stub.conf")).expect("rename");
        is_asked_within_a_second(machine, "the target replaced", 2).await;
        fs::write(at("other.conf"), one).expect("write");
        symlink(at("other.conf"), at("link")).expect("a link");
        fs::rename(at("link"), &path).expect("rename");
        is_asked_within_a_second(machine, "another link", 1).await;
        fs::write(at("mounted.conf"), two).expect("write");
        let tree = Tree::copy(&at("mounted.conf"), Reach::ThisMount).expect("a mount");
        tree.attach(&at("other.conf")).expect("mounted");
        is_asked_within_a_second(machine, "another file mounted over it", 2).await;
        fs::write(at("mounted.conf"), one).expect("write");
        is_asked_within_a_second(machine, "written to by its own name", 1).await;
        mount::unmount(&at("other.conf")).expect("unmount");
    });
}

#[test]
fn a_question_under_way_is_asked_again_of_new_servers() {
    run(async |machine: &mut Machine| {
        let silent = std::net::UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 1), 53)).expect("bind");
        silent.set_nonblocking(true).expect("set");
        let silent = tokio::net::UdpSocket::from_std(silent).expect("registered");
        let server = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 2), "192.0.2.2");
        machine.resolv_conf("nameserver 127.0.0.1\n");
        machine.serve().await;
        let clients: Vec<_> = (0..20).map(|_| udp_client(machine.inside())).collect();
        let mut asked = tokio::task::JoinSet::new();
        for (number, client) in clients.into_iter().enumerate() {
            // Some ask the same.
            let name = format!("kept{}.example.com", number % 10);
            asked.spawn(async move { ask(&client, &name, Rtype::A).await });
        }
        for _ in 0..10 {
            silent.recv(&mut [0; 512]).await.expect("a question");
        }
        let changed = Instant::now();
        machine.resolv_conf("nameserver 127.0.0.2\n");
        while let Some(answer) = asked.join_next().await {
            assert_eq!(answer.expect("no panic"), "NOERROR 192.0.2.2");
        }
        assert!(changed.elapsed() < Duration::from_secs(1), "{:?}", changed.elapsed());
        assert_eq!(server.take_asked(), 10);
        assert_eq!(machine.ask(By::Udp, "kept0.example.com", Rtype::A).await, "NOERROR 192.0.2.2");
        assert_eq!(server.asked(), 0, "it is known of the new servers");
    });
}

#[test]
fn what_others_said_is_not_what_these_say() {
    run(async |machine: &mut Machine| {
        let _server1 = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        let _server2 = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 2), "192.0.2.2");
        machine.resolv_conf("nameserver 127.0.0.1\n");
        machine.serve().await;
        assert_eq!(machine.ask(By::Udp, "kept.example.com", Rtype::A).await, "NOERROR 192.0.2.1");
        machine.own_servers(&["127.0.0.1"]);
        let _inside = machine.upstream_inside(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.3");
        assert_eq!(machine.ask(By::Udp, "kept.example.com", Rtype::A).await, "NOERROR 192.0.2.3");
        machine.own_servers(&[]);
        machine.resolv_conf("nameserver 127.0.0.2\n");
        machine
            .until("the new server is believed", async |machine| {
                machine.ask(By::Udp, "kept.example.com", Rtype::A).await == "NOERROR 192.0.2.2"
            })
            .await;
    });
}

#[test]
fn servers_of_the_sandbox_are_asked_from_inside_it() {
    run(async |machine: &mut Machine| {
        let outside = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 53), "192.0.2.1");
        let inside = machine.upstream_inside(Ipv4Addr::new(127, 0, 0, 53), "192.0.2.53");
        machine.resolv_conf("nameserver 127.0.0.53\n");
        machine.own_servers(&["127.0.0.11", "127.0.0.53"]);
        machine.serve().await;
        for by in [By::Udp, By::Tcp] {
            for _ in 0..20 {
                assert_eq!(machine.ask(by, "example.com", Rtype::A).await, "NOERROR 192.0.2.53");
            }
            assert_eq!((inside.take_asked(), outside.asked()), (20, 0));
        }
        machine.own_servers(&["127.0.0.11"]);
        assert_eq!(machine.ask(By::Udp, "example.com", Rtype::A).await, "SERVFAIL", "never itself");
    });
}

#[test]
fn a_thousand_questions_at_once_are_all_answered() {
    run(async |machine: &mut Machine| {
        let upstream = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        machine.resolv_conf("nameserver 127.0.0.1\n");
        machine.join("server", &[]);
        machine.serve().await;
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..1000 {
            let socket = udp_client(machine.inside());
            let (name, expected) = match number % 2 {
                0 => ("server".to_owned(), "NOERROR 10.1.0.3"),
                _ => (format!("{number}.example.com"), "NOERROR 192.0.2.1"),
            };
            asked.spawn(async move { (ask(&socket, &name, Rtype::A).await, expected) });
        }
        while let Some(answer) = asked.join_next().await {
            let (answer, expected) = answer.expect("no panic");
            assert_eq!(answer, expected);
        }
        assert_eq!(upstream.asked(), 500);
    });
}

#[test]
fn what_many_ask_is_asked_once() {
    run(async |machine: &mut Machine| {
        let upstream = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        machine.resolv_conf("nameserver 127.0.0.1\n");
        machine.serve().await;
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let socket = udp_client(machine.inside());
            asked.spawn(async move { ask(&socket, "kept.example.com", Rtype::A).await });
        }
        while let Some(answer) = asked.join_next().await {
            assert_eq!(answer.expect("no panic"), "NOERROR 192.0.2.1");
        }
        for by in [By::Udp, By::Tcp] {
            assert_eq!(machine.ask(by, "Kept.Example.com", Rtype::A).await, "NOERROR 192.0.2.1");
        }
        assert_eq!(upstream.take_asked(), 1);
        machine.ask(By::Udp, "kept.example.com", Rtype::AAAA).await;
        machine.ask(By::Udp, "kept.example.com", Rtype::AAAA).await;
        assert_eq!(upstream.take_asked(), 2, "nobody said how long there is none");
        upstream.fails(true);
        for _ in 0..2 {
            assert_eq!(machine.ask(By::Udp, "servfail.example.com", Rtype::A).await, "SERVFAIL");
        }
        assert_eq!(upstream.take_asked(), 2, "a failure is not kept");
        machine.servers.stop(&machine.sandbox()).await;
        machine.serve().await;
        machine.ask(By::Udp, "kept.example.com", Rtype::A).await;
        assert_eq!(upstream.asked(), 1, "it ends with its sandbox");
    });
}

/// Asks as fast as it can, by turns what nobody answers and what is known, until told to
/// stop; returns how much it asked, and counts how much was refused.
fn flood(netns: &Netns, stop: &AtomicBool, refused: &AtomicUsize) -> usize {
    let connect = || {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(127, 0, 0, 11), 53))?;
        socket.set_nonblocking(true).map(|()| socket)
    };
    let socket = netns.enter(connect).expect("enter").expect("a socket");
    let (mut asked, mut reply) = (0, [0; 512]);
    while !stop.load(Ordering::SeqCst) {
        let name = if asked % 2 == 0 { format!("silent{asked}.example.com") } else { "flooder".to_owned() };
        if socket.send(&query(&name, Rtype::A)).is_ok() {
            asked += 1;
        }
        while socket.recv(&mut reply).is_ok() {
            refused.fetch_add(usize::from(reply[3] & 0x0f == 5), Ordering::SeqCst);
        }
    }
    asked
}

#[test]
fn who_asks_too_much_is_refused_and_others_are_answered() {
    run(async |machine: &mut Machine| {
        let _server = machine.upstream_on_host(Ipv4Addr::new(127, 0, 0, 1), "192.0.2.1");
        machine.resolv_conf("nameserver 127.0.0.1\n");
        machine.serve().await;
        let neighbour = machine.neighbour("flooder").await;
        let (flooder, stop) = (neighbour.try_clone().expect("another"), Arc::new(AtomicBool::new(false)));
        let (told, refused) = (Arc::clone(&stop), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&refused);
        let flooding = std::thread::spawn(move || flood(&flooder, &told, &count));
        let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
        // On a busy machine it takes a while until there is a flood.
        let is_flooded = || refused.load(Ordering::SeqCst) > 0 || begun.elapsed() > Duration::from_secs(20);
        for number in (0..).take_while(|number| *number < 200 || !is_flooded()) {
            let (name, expected) = match number % 2 {
                0 => ("client".to_owned(), "NOERROR 10.1.0.2"),
                _ => (format!("{number}.example.com"), "NOERROR 192.0.2.1"),
            };
            let started = Instant::now();
            assert_eq!(machine.ask(By::Udp, &name, Rtype::A).await, expected, "{name}");
            slowest = slowest.max(started.elapsed());
        }
        stop.store(true, Ordering::SeqCst);
        let (asked, refused) = (flooding.join().expect("no panic"), refused.load(Ordering::SeqCst));
        assert!(refused > 0, "{asked} questions are no flood");
        // Whoever had to wait for the other's silence would wait for seconds.
        assert!(slowest < Duration::from_secs(1), "{slowest:?} beside {asked} questions, {refused} refused");
        machine.remove_neighbour("flooder", neighbour).await;
    });
}

#[test]
fn a_process_in_the_sandbox_may_itself_serve_port_53() {
    run(async |machine: &mut Machine| {
        machine.resolv_conf("");
        machine.join("server", &[]);
        machine.serve().await;
        let own = Upstream::start(machine.inside(), Ipv4Addr::UNSPECIFIED, "192.0.2.99");
        assert_eq!(machine.ask(By::Udp, "server", Rtype::A).await, "NOERROR 10.1.0.3");
        assert_eq!(machine.ask(By::Tcp, "server", Rtype::A).await, "NOERROR 10.1.0.3");
        let to_own = udp_client(machine.inside());
        to_own.connect((Ipv4Addr::LOCALHOST, 53)).await.expect("connect");
        assert_eq!(ask(&to_own, "server", Rtype::A).await, "NOERROR 192.0.2.99");
        assert_eq!(own.asked(), 1);
    });
}

#[test]
fn what_is_no_question_does_not_stop_the_server() {
    run(async |machine: &mut Machine| {
        machine.join("server", &[]);
        machine.serve().await;
        let client = udp_client(machine.inside());
        for bytes in [&b""[..], b"x", &[0xff; 4000], &[0; 12], &[0xc0; 64]] {
            client.send(bytes).await.expect("send");
        }
        let mut connection = machine.tcp_client().await;
        tokio::io::AsyncWriteExt::write_all(&mut connection, &[0, 3, 1, 2, 3]).await.expect("send");
        assert_eq!(machine.ask(By::Udp, "server", Rtype::A).await, "NOERROR 10.1.0.3");
        assert_eq!(machine.ask(By::Tcp, "server", Rtype::A).await, "NOERROR 10.1.0.3");
    });
}

/// Whether a question brings neither an answer nor an error.
async fn is_silent(client: &tokio::net::UdpSocket) -> bool {
    tokio::time::timeout(Duration::from_millis(300), ask(client, "server", Rtype::A)).await.is_err()
}

fn is_redirected(machine: &Machine) -> bool {
    let mut nfnl = machine.inside().enter(Nfnl::open).expect("enter").expect("a socket");
    nfnl.tables().expect("list").contains(&Table::new(Family::Ip, "tombolo_dns"))
}

#[test]
fn a_server_ends_and_another_takes_over() {
    run(async |machine: &mut Machine| {
        machine.join("server", &[]);
        machine.serve().await;
        machine.serve().await;
        let client = udp_client(machine.inside());
        assert_eq!(ask(&client, "server", Rtype::A).await, "NOERROR 10.1.0.3");
        machine.restart().await;
        assert!(is_silent(&client).await, "a client that is not refused asks again");
        machine.serve().await;
        assert_eq!(ask(&client, "server", Rtype::A).await, "NOERROR 10.1.0.3", "from the same port");
        machine.servers.stop(&machine.sandbox()).await;
        assert!(!machine.servers.holds(&machine.sandbox()));
        assert!(is_silent(&client).await);
        assert!(is_redirected(machine));
        machine.serve().await;
        machine.servers.withdraw(&machine.sandbox()).await.expect("withdraw");
        assert!(!is_redirected(machine));
        assert_eq!(ask(&client, "server", Rtype::A).await, "Connection refused (os error 111)");
        machine.servers.withdraw(&machine.sandbox()).await.expect("nothing to do");
        machine.serve().await;
        assert_eq!(ask(&client, "server", Rtype::A).await, "NOERROR 10.1.0.3", "by what was withdrawn");
        machine.servers.withdraw(&machine.sandbox()).await.expect("withdraw");
        machine.servers.stop(&machine.sandbox()).await;
        assert!(!machine.servers.holds(&machine.sandbox()), "nothing of a sandbox that ends is kept");
    });
}

#[test]
fn what_is_no_namespace_has_no_resolver() {
    run(async |machine: &mut Machine| {
        for (path, text) in [
            ("/nowhere", "cannot open network namespace /nowhere"),
            ("/etc/hostname", "cannot open network namespace /etc/hostname"),
        ] {
            let served = machine.servers.serve(machine.sandbox(), std::path::Path::new(path)).await;
            assert_eq!(served.expect_err("no namespace").to_string(), text);
            assert!(!machine.servers.holds(&machine.sandbox()));
        }
        machine.serve().await;
    });
}
