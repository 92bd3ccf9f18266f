//! Docker's texts for what does not go together.

use super::*;
use crate::spec::{BindOptions, MountOrigin, MountSpec, Ulimit};

fn busybox() -> ContainerSpec {
    ContainerSpec { root: Root::Image("busybox".to_owned()), ..ContainerSpec::default() }
}

#[track_caller]
fn refuses(change: impl FnOnce(&mut ContainerSpec), text: &str) {
    let mut spec = busybox();
    change(&mut spec);
    let error = check(&spec).expect_err(text);
    assert_eq!(error.to_string(), text);
}

#[track_caller]
fn refuses_joined(change: impl FnOnce(&mut ContainerSpec), text: &str) {
    let join = |spec: &mut ContainerSpec| {
        spec.network.mode = NetworkMode::Container("web".to_owned());
        change(spec);
    };
    refuses(join, text);
}

#[test]
fn a_plain_container_is_fine() {
    assert_eq!(check(&busybox()), Ok(()));
}

#[test]
fn names_are_words() {
    for name in ["web", "a1", "A_b.c-d"] {
        assert_eq!(check_name(name), Ok(()));
    }
    for name in ["", "a", "-web", "/web", "we b", "wéb"] {
        let text = format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        refuses(|spec| spec.name = Some(name.to_owned()), &text);
    }
    let longest = "x".repeat(NAME_MAX);
    assert_eq!(check_name(&longest), Ok(()));
    let longer = longest + "x";
    let text = format!("Invalid container name ({longer}), only 255 characters are allowed");
    refuses(|spec| spec.name = Some(longer.clone()), &text);
}

#[test]
fn a_joined_network_leaves_nothing_to_say() {
    refuses_joined(
        |s| s.hostname = Some("h".to_owned()),
        "conflicting options: hostname and the network mode",
    );
    refuses_joined(
        |s| s.network.links.push("db".to_owned()),
        "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    );
    refuses_joined(
        |s| s.network.dns.search.push("example".to_owned()),
        "conflicting options: dns and the network mode",
    );
    refuses_joined(
        |s| s.network.extra_hosts.push(("db".to_owned(), [10, 0, 0, 1].into())),
        "conflicting options: custom host-to-IP mapping and the network mode",
    );
    refuses_joined(
        |s| s.network.publish_all = true,
        "conflicting options: port publishing and the container type network mode",
    );
    refuses_joined(
        |s| s.network.exposed.extend(crate::record::parse("80/tcp")),
        "conflicting options: port exposing and the container type network mode",
    );
}

#[test]
fn limits_must_be_possible() {
    refuses(|s| s.limits.memory = Some(1), "Minimum memory limit allowed is 6MB");
    refuses(
        |s| s.limits.memory_swap = Some(1 << 30),
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    );
    refuses(
        |s| (s.limits.memory, s.limits.memory_swap) = (Some(1 << 30), Some(1 << 20)),
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    );
    refuses(
        |s| (s.limits.nano_cpus, s.limits.cpu_quota) = (Some(1), Some(1)),
        "Conflicting options: Nano CPUs and CPU Quota cannot both be set.",
    );
    refuses(
        |s| s.limits.ulimits.push(Ulimit { name: "nofile".to_owned(), soft: 2, hard: 1 }),
        "ulimit soft limit must be less than or equal to hard limit: 2 > 1",
    );
}

#[test]
fn mounts_have_places_of_their_own() {
    let bind = |target: &str| MountSpec {
        target: target.to_owned(),
        kind: MountKind::Bind { source: "/x".into(), options: BindOptions::default() },
        read_only: false,
        origin: MountOrigin::Mount,
    };
    refuses(|s| s.mounts = vec![bind("/a"), bind("/a/")], "Duplicate mount point: /a/");
    refuses(
        |s| s.mounts = vec![bind("a")],
        "invalid mount target, must be an absolute path in the container: a",
    );
    refuses(|s| s.mounts = vec![bind("/")], "invalid mount path: '/' must not be the root of the container");
}

#[test]
fn other_contradictions() {
    refuses(|s| s.root = Root::default(), "config cannot be empty in order to create a container");
    refuses(
        |s| (s.auto_remove, s.restart) = (true, RestartPolicy::Always),
        "can't create 'AutoRemove' container with restart policy",
    );
    refuses(
        |s| (s.namespaces.uts, s.hostname) = (NamespaceMode::Host, Some("h".to_owned())),
        "conflicting options: hostname and the UTS mode",
    );
    refuses(
        |s| {
            s.log.options.insert("size".to_owned(), "1".to_owned());
        },
        "unknown log opt 'size' for json-file log driver",
    );
    refuses(
        |s| s.command.workdir = "tmp".to_owned(),
        "the working directory 'tmp' is invalid, it needs to be an absolute path",
    );
}
