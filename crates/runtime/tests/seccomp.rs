//! Docker's profile, resolved and compiled; and frames that come in pieces.

use std::collections::BTreeSet;

use proptest::prelude::*;
use runtime::protocol::{Answer, Envelope, ProcessId, Request, VERSION, frame, stream};
use runtime::seccomp::{Cache, Profile, compile, default_profile};
use runtime::spec::capabilities;

/// Names that are allowed whatever the arguments, for these capabilities.
fn allowed(capabilities: &[&str]) -> BTreeSet<String> {
    let section = default_profile().resolve(&capabilities.iter().copied().collect()).expect("a section");
    let value = serde_json::to_value(&section).expect("JSON");
    let groups = value["syscalls"].as_array().expect("groups").clone();
    let plain =
        groups.iter().filter(|group| group["action"] == "SCMP_ACT_ALLOW" && group.get("args").is_none());
    plain
        .flat_map(|group| group["names"].as_array().expect("names").clone())
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn capabilities_open_their_calls() {
    let default = allowed(&capabilities::DEFAULT);
    for name in ["read", "execve", "chroot", "arch_prctl", "ptrace", "socketpair"] {
        assert!(default.contains(name), "{name}");
    }
    for name in
        ["mount", "clone3", "bpf", "reboot", "io_uring_setup", "keyctl", "add_key", "userfaultfd", "socket"]
    {
        assert!(!default.contains(name), "{name}");
    }
    let admin = allowed(&["CAP_SYS_ADMIN"]);
    for name in ["mount", "clone", "clone3", "unshare", "setns"] {
        assert!(admin.contains(name), "{name}");
    }
    assert!(!admin.contains("chroot") && allowed(&["CAP_BPF"]).contains("bpf"));
}

#[test]
fn a_program_is_compiled_once_and_fits() {
    let cache = Cache::default();
    let section = default_profile().resolve(&capabilities::DEFAULT.into_iter().collect()).expect("a section");
    let (one, two) = (cache.get(&section).expect("a program"), cache.get(&section).expect("a program"));
    assert!(std::sync::Arc::ptr_eq(&one, &two));
    assert!((500..4096).contains(&one.len()), "{} instructions", one.len());
    assert_eq!(compile(&section).expect("a program"), *one);
}

#[test]
fn profiles_that_cannot_be_used_are_refused() {
    let refused = |text: &str| {
        let profile = Profile::parse(text)?;
        compile(&profile.resolve(&BTreeSet::new())?).map(drop)
    };
    for (text, message) in [
        ("{", "decoding seccomp profile failed"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ERRNO"}]}"#,
            "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#,
            "the seccomp profile uses SCMP_ACT_NOTIFY, which is not supported",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_ARM"]}"#,
            "the seccomp profile is for none of the machine's architectures",
        ),
    ] {
        assert_eq!(refused(text).expect_err(text).to_string(), message);
    }
    let old = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"chmod","action":"SCMP_ACT_ERRNO"}]}"#;
    refused(old).expect("the form with one name");
}

proptest! {
    #[test]
    fn messages_come_back_however_they_are_cut(id in ".{0,40}", signal in any::<i32>(), cut in 0usize..80) {
        let request = Request::Kill { process: ProcessId::Exec(id), signal, all: false };
        let message = Envelope { version: VERSION, request };
        let bytes = frame::encode(&message).expect("a frame");
        let twice = [bytes.clone(), bytes].concat();
        let cut = cut.min(twice.len());
        let mut buffer = twice[..cut].to_vec();
        let mut got: Vec<Envelope> = Vec::new();
        got.extend(frame::decode(&mut buffer).expect("no error"));
        buffer.extend(&twice[cut..]);
        while let Some(next) = frame::decode(&mut buffer).expect("no error") {
            got.push(next);
        }
        prop_assert_eq!(got, vec![message.clone(), message]);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn no_bytes_upset_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut buffer = bytes.clone();
        drop(frame::decode::<Answer>(&mut buffer));
        if let Some(header) = bytes.first_chunk::<8>()
            && let Some((number, length)) = stream::parse(*header)
        {
            prop_assert_eq!(stream::header(number, length), *header);
        }
    }
}
