//! What is typed, and what is sent for it: golden bodies without what is empty.

use clap::{Args, Command, FromArgMatches};
use serde_json::Value;

use super::*;

fn meant(line: &str) -> Result<Wanted, Malformed> {
    let tree = CreateFlags::augment_args(Command::new("run").disable_help_flag(true));
    let words = line.split(' ').filter(|word| !word.is_empty());
    let matches = tree.try_get_matches_from(std::iter::once("run").chain(words)).expect(line);
    wanted(CreateFlags::from_arg_matches(&matches).expect(line), false)
}

/// Leaves out what is empty, so that a body shows what was asked for.
fn lean(value: Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Number(number) if number.as_i64() == Some(0) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(items) => Some(Value::Array(items)).filter(|list| {
            list.as_array().is_some_and(|items| items.iter().any(|item| item.as_i64() != Some(0)))
        }),
        Value::Object(members) => {
            let sets = ["Volumes", "ExposedPorts", "EndpointsConfig"];
            let lean_member = |(key, value): (String, Value)| {
                let kept = if sets.contains(&key.as_str()) {
                    Some(value).filter(|value| !value.is_null())
                } else {
                    lean(value)
                };
                kept.map(|value| (key, value))
            };
            let members: serde_json::Map<String, Value> =
                members.into_iter().filter_map(lean_member).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        other @ (Value::Bool(true) | Value::Number(_) | Value::String(_)) => Some(other),
    }
}

#[track_caller]
fn check(line: &str, expected: &str) {
    let wanted = meant(line).expect(line);
    let body = lean(serde_json::to_value(&wanted.request).expect("JSON")).unwrap_or_default();
    let expected: Value = serde_json::from_str(expected).expect("JSON");
    let attached = ["AttachStdout", "AttachStderr"];
    let Value::Object(mut body) = body else { panic!("{line}: no object") };
    attached.iter().for_each(|name| drop(body.remove(*name)));
    if let Some(host) = body.get_mut("HostConfig").and_then(Value::as_object_mut) {
        // What every container has.
        host.retain(|name, value| {
            !matches!((name.as_str(), value.as_str()), ("NetworkMode", Some("default")))
        });
        host.retain(|name, _| name != "RestartPolicy" || line.contains("--restart"));
        if host.is_empty() {
            body.remove("HostConfig");
        }
    }
    assert_eq!(Value::Object(body), expected, "{line}");
}

#[track_caller]
fn refused(line: &str, expected: &str) {
    let error = meant(line).expect_err(line);
    assert!(error.0.contains(expected), "{line}: {error}");
}

#[test]
fn processes() {
    check("busybox", r#"{"Image":"busybox"}"#);
    check("busybox ls -l --name x", r#"{"Image":"busybox","Cmd":["ls","-l","--name","x"]}"#);
    check(
        "-it busybox sh",
        r#"{"Image":"busybox","Cmd":["sh"],"Tty":true,"OpenStdin":true,"StdinOnce":true,"AttachStdin":true}"#,
    );
    check(
        "-e A=1 -e B= -w /w -u 1:2 --entrypoint /bin/x -l a=b -l c --hostname h --domainname d busybox y",
        r#"{"Image":"busybox","Cmd":["y"],"Env":["A=1","B="],"WorkingDir":"/w","User":"1:2","Entrypoint":["/bin/x"],
            "Labels":{"a":"b"},"Hostname":"h","Domainname":"d"}"#,
    );
    check(
        "--init --group-add 5 --annotation x=y --stop-signal INT --stop-timeout 3 busybox",
        r#"{"Image":"busybox","StopSignal":"INT","StopTimeout":3,
            "HostConfig":{"Init":true,"GroupAdd":["5"],"Annotations":{"x":"y"}}}"#,
    );
    check("--rootfs /srv/root:O ls /", r#"{"Image":"rootfs:///srv/root:O","Cmd":["ls","/"]}"#);
    check("--rootfs /srv/root", r#"{"Image":"rootfs:///srv/root"}"#);
    check(
        "--health-cmd true --health-interval 5s --health-retries 3 busybox",
        r#"{"Image":"busybox","Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000,"Retries":3}}"#,
    );
}

#[test]
fn networks() {
    check(
        "-p 8080:80 -p 127.0.0.1:53:53/udp --expose 9000 -P busybox",
        r#"{"Image":"busybox","ExposedPorts":{"53/udp":{},"80/tcp":{},"9000/tcp":{}},
            "HostConfig":{"PublishAllPorts":true,"PortBindings":{
                "53/udp":[{"HostIp":"127.0.0.1","HostPort":"53"}],"80/tcp":[{"HostIp":"","HostPort":"8080"}]}}}"#,
    );
    check("--net host busybox", r#"{"Image":"busybox","HostConfig":{"NetworkMode":"host"}}"#);
    check(
        "--dns 10.0.0.1 --dns-search a.b --dns-option ndots:1 --add-host db:10.0.0.5 --add-host v6=[fd00::1] busybox",
        r#"{"Image":"busybox","HostConfig":{"Dns":["10.0.0.1"],"DnsSearch":["a.b"],"DnsOptions":["ndots:1"],
            "ExtraHosts":["db:10.0.0.5","v6:fd00::1"]}}"#,
    );
    let wanted =
        meant("--network name=web,alias=a --network other --ip 10.0.0.9 --mac-address 02:00:00:00:00:01 x");
    let networking = wanted.expect("a container").request.networking_config.expect("networks");
    let endpoints = networking.endpoints_config.expect("endpoints");
    let web = endpoints["web"].as_ref().expect("settings");
    assert_eq!(web.mac_address, "02:00:00:00:00:01");
    assert_eq!(web.ipam_config.as_ref().expect("addresses").ipv4_address, "10.0.0.9");
    assert!(endpoints.contains_key("other"));
}

#[test]
fn storage_and_rights() {
    check(
        "-v /a:/b:ro -v data:/d -v /anon --tmpfs /t:size=1m --read-only busybox",
        r#"{"Image":"busybox","Volumes":{"/anon":{}},
            "HostConfig":{"Binds":["/a:/b:ro","data:/d"],"Tmpfs":{"/t":"size=1m"},"ReadonlyRootfs":true}}"#,
    );
    check(
        "--mount type=bind,src=/a,dst=/b,ro --device /dev/null:/dev/x:r busybox",
        r#"{"Image":"busybox","HostConfig":{
            "Mounts":[{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true}],
            "Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"r"}]}}"#,
    );
    check(
        "--cap-add NET_ADMIN --cap-drop ALL --privileged --security-opt no-new-privileges --pid host --ipc private --uts host --userns host --sysctl net.x=1 busybox",
        r#"{"Image":"busybox","HostConfig":{"CapAdd":["NET_ADMIN"],"CapDrop":["ALL"],"Privileged":true,
            "SecurityOpt":["no-new-privileges"],"PidMode":"host","IpcMode":"private","UTSMode":"host",
            "UsernsMode":"host","Sysctls":{"net.x":"1"}}}"#,
    );
}

#[test]
fn limits_and_life() {
    check(
        "-m 512m --memory-swap -1 --cpus 1.5 -c 512 --cpuset-cpus 0-1 --pids-limit 64 --ulimit nofile=10:20 --shm-size 1m --cgroup-parent /p busybox",
        r#"{"Image":"busybox","HostConfig":{"Memory":536870912,"MemorySwap":-1,"NanoCpus":1500000000,
            "CpuShares":512,"CpusetCpus":"0-1","PidsLimit":64,"ShmSize":1048576,"CgroupParent":"/p",
            "Ulimits":[{"Name":"nofile","Hard":20,"Soft":10}]}}"#,
    );
    check(
        "--restart on-failure:3 --log-driver json-file --log-opt max-size=1m busybox",
        r#"{"Image":"busybox","HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},
            "LogConfig":{"Type":"json-file","Config":{"max-size":"1m"}}}}"#,
    );
    check("--rm busybox", r#"{"Image":"busybox","HostConfig":{"AutoRemove":true}}"#);
}

#[test]
fn what_cannot_be_meant() {
    refused("", "an image is needed");
    refused("-p x busybox", "invalid containerPort: x");
    refused("-m lots busybox", "invalid size: 'lots'");
    refused("--rm --restart always busybox", "cannot specify both --restart and --rm");
    refused("--add-host db busybox", "bad format for add-host");
    refused("--add-host db:nope busybox", "invalid IP address in add-host");
    refused("--no-healthcheck --health-cmd x busybox", "--no-healthcheck conflicts");
    refused("--env-file /nonexistent busybox", "open /nonexistent");
    refused("--sysctl x busybox", "write name=value");
}
