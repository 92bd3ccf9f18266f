//! Namespaces on the real kernel, each test on a thread of its own.

use super::*;
use crate::netlink::{Protocol, Socket};

fn alone(test: impl FnOnce(&Path) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("a namespace of the test's own");
            let directory = tempfile::tempdir().expect("a directory");
            test(directory.path());
        });
    });
}

#[test]
fn a_namespace_is_there_until_it_is_removed() {
    alone(|directory| {
        let path = directory.join("one");
        let made = Netns::create(&path).expect("create");
        let opened = Netns::open(&path).expect("open");
        assert!(made.same_as(&opened).expect("compare"));
        assert!(!made.same_as(&Netns::current().expect("current")).expect("compare"));
        Netns::remove(&path).expect("remove");
        assert_eq!(Netns::open(&path).expect_err("gone").kind(), io::ErrorKind::NotFound);
        assert!(!path.exists());
        Netns::remove(&path).expect("removing nothing is fine");
    });
}

#[test]
fn what_is_done_inside_happens_inside_and_the_caller_stays() {
    alone(|directory| {
        let before = Netns::current().expect("current");
        let (inside, socket) =
            Netns::create_with(&directory.join("one"), || Socket::open(Protocol::Route)).expect("create");
        socket.expect("a socket");
        let seen = inside.enter(|| Netns::current().expect("current")).expect("enter");
        assert!(inside.same_as(&seen).expect("compare"));
        assert!(before.same_as(&Netns::current().expect("current")).expect("compare"));
        Netns::remove(&directory.join("one")).expect("remove");
    });
}

#[test]
fn a_thread_knows_where_it_is() {
    let host = Netns::current().expect("current");
    assert!(host.is_current().expect("ask"));
    alone(|directory| {
        assert!(!host.is_current().expect("ask"));
        let inside = Netns::create(&directory.join("one")).expect("create");
        assert!(!inside.is_current().expect("ask"));
        assert!(inside.enter(|| inside.is_current().expect("ask")).expect("enter"));
        leave_host().expect("leave again");
        assert!(!host.is_current().expect("ask"));
    });
    assert!(host.is_current().expect("ask"));
}

#[test]
fn a_file_in_the_way_survives() {
    alone(|directory| {
        let path = directory.join("one");
        std::fs::write(&path, "a stranger's").expect("write");
        let error = Netns::create(&path).expect_err("in the way");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "a stranger's");
        assert_eq!(
            Netns::open(&path).expect_err("a file").to_string(),
            format!("cannot open network namespace {}", path.display())
        );
    });
}

#[test]
fn only_a_network_namespace_is_opened_as_one() {
    Netns::open(Path::new("/proc/self/ns/mnt")).expect_err("a mount namespace");
    Netns::open(Path::new("/proc/self/ns/net")).expect("a network namespace");
}

#[test]
fn a_namespace_that_is_held_outlives_its_path() {
    alone(|directory| {
        let path = directory.join("one");
        let inside = Netns::create(&path).expect("create");
        Netns::remove(&path).expect("remove");
        inside.enter(|| ()).expect("it is still there");
    });
}
