//! Requests that nobody wrote: whatever is asked, the answer is yes, or no with a reason, and what was made can be
//! removed again.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::{BoxedStrategy, Union},
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use testkit::{Answer, Machine};

use crate::{furnished, unharmed};

/// How many requests are sent to each path.
const CASES: u32 = 250;

/// What a field holds when it is right.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    Number,
    Switch,
    Texts,
    TextMap,
    Set,
    /// Objects with these fields.
    One(Fields),
    Many(Fields),
    /// Objects with these fields by name.
    Named(Fields),
    /// Lists of objects with these fields by name.
    NamedMany(Fields),
}

type Fields = &'static [(&'static str, Shape)];

use Shape::{Many, Named, NamedMany, Number, One, Set, Switch, Text, TextMap, Texts};

const CONTAINER: Fields = &[
    ("Hostname", Text),
    ("Domainname", Text),
    ("User", Text),
    ("AttachStdin", Switch),
    ("ExposedPorts", Set),
    ("Tty", Switch),
    ("OpenStdin", Switch),
    ("Env", Texts),
    ("Cmd", Texts),
    ("Healthcheck", One(HEALTH)),
    ("Volumes", Set),
    ("WorkingDir", Text),
    ("Entrypoint", Texts),
    ("NetworkDisabled", Switch),
    ("MacAddress", Text),
    ("Labels", TextMap),
    ("StopSignal", Text),
    ("StopTimeout", Number),
    ("Shell", Texts),
    ("HostConfig", One(HOST)),
    ("HostConfig", One(HOST)),
    ("HostConfig", One(HOST)),
    ("NetworkingConfig", One(&[("EndpointsConfig", Named(ENDPOINT))])),
    ("Image", Text),
    ("Stranger", Text),
];
const HEALTH: Fields = &[("Test", Texts), ("Interval", Number), ("Timeout", Number), ("Retries", Number)];
const HOST: Fields = &[
    ("Binds", Texts),
    ("LogConfig", One(&[("Type", Text), ("Config", TextMap)])),
    ("NetworkMode", Text),
    ("PortBindings", NamedMany(&[("HostIp", Text), ("HostPort", Text)])),
    ("RestartPolicy", One(&[("Name", Text), ("MaximumRetryCount", Number)])),
    ("AutoRemove", Switch),
    ("VolumeDriver", Text),
    ("VolumesFrom", Texts),
    ("Mounts", Many(MOUNT)),
    ("CapAdd", Texts),
    ("CapDrop", Texts),
    ("CgroupnsMode", Text),
    ("Dns", Texts),
    ("DnsOptions", Texts),
    ("DnsSearch", Texts),
    ("ExtraHosts", Texts),
    ("GroupAdd", Texts),
    ("IpcMode", Text),
    ("Links", Texts),
    ("OomScoreAdj", Number),
    ("PidMode", Text),
    ("Privileged", Switch),
    ("PublishAllPorts", Switch),
    ("ReadonlyRootfs", Switch),
    ("SecurityOpt", Texts),
    ("StorageOpt", TextMap),
    ("Tmpfs", TextMap),
    ("UTSMode", Text),
    ("UsernsMode", Text),
    ("ShmSize", Number),
    ("Sysctls", TextMap),
    ("Runtime", Text),
    ("ConsoleSize", Texts),
    ("CpuShares", Number),
    ("Memory", Number),
    ("NanoCpus", Number),
    ("CgroupParent", Text),
    ("BlkioWeight", Number),
    ("CpuPeriod", Number),
    ("CpuQuota", Number),
    ("CpusetCpus", Text),
    ("CpusetMems", Text),
    ("Devices", Many(&[("PathOnHost", Text), ("PathInContainer", Text), ("CgroupPermissions", Text)])),
    ("DeviceCgroupRules", Texts),
    ("DeviceRequests", Many(&[("Driver", Text), ("Count", Number)])),
    ("MemoryReservation", Number),
    ("MemorySwap", Number),
    ("MemorySwappiness", Number),
    ("OomKillDisable", Switch),
    ("PidsLimit", Number),
    ("Ulimits", Many(&[("Name", Text), ("Soft", Number), ("Hard", Number)])),
    ("BlkioDeviceReadBps", Many(&[("Path", Text), ("Rate", Number)])),
    ("MaskedPaths", Texts),
    ("Init", Switch),
];
const MOUNT: Fields = &[
    ("Type", Text),
    ("Source", Text),
    ("Target", Text),
    ("ReadOnly", Switch),
    ("Consistency", Text),
    ("BindOptions", One(&[("Propagation", Text), ("NonRecursive", Switch)])),
    ("VolumeOptions", One(&[("NoCopy", Switch), ("Labels", TextMap), ("Subpath", Text)])),
    ("TmpfsOptions", One(&[("SizeBytes", Number), ("Mode", Number)])),
];
const ENDPOINT: Fields = &[
    ("IPAMConfig", One(&[("IPv4Address", Text), ("IPv6Address", Text), ("LinkLocalIPs", Texts)])),
    ("Links", Texts),
    ("Aliases", Texts),
    ("MacAddress", Text),
    ("DriverOpts", TextMap),
    ("GwPriority", Number),
    ("NetworkID", Text),
    ("IPAddress", Text),
];
const NETWORK: Fields = &[
    ("Driver", Text),
    ("Scope", Text),
    ("EnableIPv4", Switch),
    ("EnableIPv6", Switch),
    ("IPAM", One(&[("Driver", Text), ("Config", Many(POOL)), ("Options", TextMap)])),
    ("Internal", Switch),
    ("IPAM", One(&[("Config", Many(POOL))])),
    ("Attachable", Switch),
    ("Ingress", Switch),
    ("ConfigOnly", Switch),
    ("ConfigFrom", One(&[("Network", Text)])),
    ("Options", TextMap),
    ("Labels", TextMap),
];
const POOL: Fields = &[
    ("Subnet", Text),
    ("IPRange", Text),
    ("Gateway", Text),
    ("AuxiliaryAddresses", TextMap),
    ("Subnet", Text),
];
const CONNECT: Fields =
    &[("EndpointConfig", One(ENDPOINT)), ("EndpointConfig", One(ENDPOINT)), ("Container", Text)];
const EXEC: Fields = &[
    ("User", Text),
    ("Privileged", Switch),
    ("Tty", Switch),
    ("ConsoleSize", Texts),
    ("AttachStdin", Switch),
    ("AttachStdout", Switch),
    ("DetachKeys", Text),
    ("Env", Texts),
    ("WorkingDir", Text),
    ("Cmd", Texts),
];

/// Texts that mean something somewhere, and some that mean nothing anywhere. None is a path that could be made.
const TEXTS: &[&str] = &[
    "",
    "a",
    "..",
    "/",
    "/x",
    "//x/../y",
    "0",
    "-1",
    "99999",
    "80/tcp",
    "80-90/udp",
    "0/tcp",
    "80/sctp",
    "8080",
    "90-80",
    "127.0.0.1",
    "::1",
    "fe80::1",
    "0.0.0.0",
    "10.5.0.9",
    "10.5.0.10",
    "10.5.0.300",
    "10.77.0.0/24",
    "10.77.0.7",
    "10.77.0.1/32",
    "fd00:7::/64",
    "fd00:7::5",
    "0.0.0.0/0",
    "224.0.0.1",
    "10.77.0.128/25",
    "host",
    "none",
    "bridge",
    "default",
    "site",
    "private",
    "container:idle",
    "container:nobody",
    "netns:/nope",
    "local",
    "macvlan",
    "null",
    "overlay",
    "json-file",
    "syslog",
    "max-size",
    "10m",
    "volume",
    "bind",
    "tmpfs",
    "shared",
    "data",
    "data:/y",
    "data:/y:ro,z",
    "data:/y:nope",
    "x:y:z:w",
    "no",
    "always",
    "on-failure",
    "ALL",
    "NET_ADMIN",
    "seccomp=unconfined",
    "no-new-privileges",
    "label=disable",
    "nofile",
    "net.ipv4.ip_forward",
    "size=1m",
    "mode=9",
    "rwm",
    "c 1:3 rwm",
    "/dev/null",
    "02:42:0a:00:00:07",
    "ff:ff:ff:ff:ff:ff",
    "SIGKILL",
    "ctrl-p,ctrl-q",
    "ctrl-",
    "host:10.0.0.1",
    "x:host-gateway",
    "idle:alias",
    "web:web",
    "A=b",
    "=b",
    "A",
    "0-1",
    "7-3",
    "CMD",
    "NONE",
    "com.docker.network.driver.mtu",
    "com.docker.network.bridge.enable_icc",
    "1500",
    "true",
    "nope",
    "ü\u{202e}🦀",
    "a\u{0}b",
    "a\nb",
    "root",
    "0:0",
    "4294967295:-1",
    "busybox",
    "sha256:00",
    "tombolo.",
    "1e9",
    "runc",
];
const NUMBERS: &[i64] = &[
    0,
    1,
    -1,
    2,
    7,
    100,
    512,
    1000,
    65_536,
    6 << 20,
    64 << 20,
    i64::MAX,
    i64::MIN,
    1 << 53,
    -1000,
    1_000_000_000,
];

fn text() -> BoxedStrategy<Value> {
    let known = select(TEXTS).prop_map(str::to_owned);
    prop_oneof![9 => known, 1 => any::<String>(), 1 => (0..600_usize).prop_map(|length| "x".repeat(length))]
        .prop_map(Value::from)
        .boxed()
}

fn map(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let entry = (text(), value).prop_map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), value));
    vec(entry, 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())).boxed()
}

fn list(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    vec(value, 0..4).prop_map(Value::Array).boxed()
}

/// A value that is right, as far as its type goes.
fn right(shape: Shape) -> BoxedStrategy<Value> {
    match shape {
        Text => text(),
        Number => prop_oneof![select(NUMBERS), any::<i64>()].prop_map(Value::from).boxed(),
        Switch => any::<bool>().prop_map(Value::from).boxed(),
        Texts => list(text()),
        TextMap => map(text()),
        Set => map(Just(json!({})).boxed()),
        One(fields) => object(fields, 4),
        Many(fields) => list(object(fields, 4)),
        Named(fields) => map(object(fields, 4)),
        NamedMany(fields) => map(list(object(fields, 3))),
    }
}

/// A value that may be anything.
fn wrong() -> BoxedStrategy<Value> {
    let number = prop_oneof![Just(json!(1.5)), Just(json!(1e300)), Just(json!(u64::MAX)), Just(json!(-7))];
    let nested = Just(json!([[[{"a": [null]}]]]));
    prop_oneof![Just(Value::Null), right(Text), right(Number), right(Texts), right(TextMap), number, nested]
        .boxed()
}

/// An object with some of these fields, most of them right.
fn object(fields: Fields, most: usize) -> BoxedStrategy<Value> {
    let field = |(name, shape): &(&'static str, Shape)| {
        let (name, value) = (*name, prop_oneof![12 => right(*shape), 1 => wrong()]);
        value.prop_map(move |value| (name.to_owned(), value)).boxed()
    };
    let entry = Union::new(fields.iter().map(field));
    vec(entry, 0..=most).prop_map(|entries| Value::Object(entries.into_iter().collect())).boxed()
}

/// Sends the same requests in every run, and shrinks one that is answered badly.
fn each(bodies: BoxedStrategy<Value>, ask: impl Fn(&Value) -> Result<u16>) -> Result<BTreeMap<u16, u32>> {
    let config =
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let answered = std::cell::RefCell::new(BTreeMap::new());
    let ran = runner.run(&bodies, |body| {
        let status = ask(&body).map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        *answered.borrow_mut().entry(status).or_insert(0) += 1;
        Ok(())
    });
    match ran {
        Ok(()) => Ok(answered.into_inner()),
        Err(TestError::Fail(why, body)) => anyhow::bail!("{body}: {why}"),
        Err(TestError::Abort(why)) => anyhow::bail!("{why}"),
    }
}

/// Yes, or no with a reason.
fn sensible(answer: Answer) -> Result<Answer> {
    let is_refusal = (400..500).contains(&answer.status) || answer.status == 501;
    let is_sensible = (200..300).contains(&answer.status) || (is_refusal && !answer.message().is_empty());
    ensure!(is_sensible, "{answer:?}");
    Ok(answer)
}

fn gone(machine: &Machine, path: &str) -> Result<()> {
    let answer = machine.call("DELETE", path, "")?;
    ensure!(answer.status < 300, "{path}: {answer:?}");
    Ok(())
}

/// What was made of each answer: both sorts must occur, or the test tells nothing.
fn both(answered: &BTreeMap<u16, u32>, made: u16) -> Result<()> {
    let refused: u32 = answered.iter().filter(|(status, _)| **status >= 400).map(|(_, count)| count).sum();
    let taken = answered.get(&made).copied().unwrap_or_default();
    ensure!(taken > CASES / 50 && refused > CASES / 50, "{answered:?}");
    Ok(())
}

/// `body` with these fields where it has none of its own.
fn with(body: &Value, fields: Value) -> String {
    let mut whole: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
    whole.extend(body.as_object().cloned().unwrap_or_default());
    Value::Object(whole).to_string()
}

#[test]
fn random_containers_are_made_or_refused() -> Result<()> {
    let (machine, before) = furnished()?;
    let answered = each(object(CONTAINER, 4), |body| {
        let body = with(body, json!({"Image": "busybox", "Cmd": ["true"]}));
        let answer = sensible(machine.call("POST", "/containers/create", &body)?)?;
        if answer.status == 201 {
            let id = answer.body["Id"].as_str().context("an id")?;
            machine.inspect(id)?;
            gone(&machine, &format!("/containers/{id}?force=1&v=1"))?;
        }
        Ok(answer.status)
    })?;
    both(&answered, 201)?;
    for volume in machine.docker("volume ls -q").ok()?.lines().filter(|name| *name != "data") {
        gone(&machine, &format!("/volumes/{volume}"))?;
    }
    unharmed(&machine, &before)
}

#[test]
fn random_networks_are_made_or_refused() -> Result<()> {
    let (machine, _) = furnished()?;
    // The first network with IPv6 turns forwarding on, which stays.
    machine.docker("network create --ipv6 sixth").ok()?;
    machine.docker("network rm sixth").ok()?;
    let before = machine.everything()?;
    let answered = each(object(NETWORK, 4), |body| {
        let answer = machine.call("POST", "/networks/create", &with(body, json!({"Name": "new"})))?;
        let answer = sensible(answer)?;
        if answer.status == 201 {
            let id = answer.body["Id"].as_str().context("an id")?;
            machine.network(id)?;
            gone(&machine, &format!("/networks/{id}"))?;
        }
        Ok(answer.status)
    })?;
    both(&answered, 201)?;
    unharmed(&machine, &before)
}

#[test]
fn random_connections_are_made_or_refused() -> Result<()> {
    let (machine, before) = furnished()?;
    machine.docker("network create --subnet 10.6.0.0/24 second").ok()?;
    machine.docker("run -d --name box busybox sleep 10000").ok()?;
    let answered = each(object(CONNECT, 2), |body| {
        let body = with(body, json!({"Container": "box"}));
        let answer = sensible(machine.call("POST", "/networks/second/connect", &body)?)?;
        if answer.status == 200 {
            let name = serde_json::from_str::<Value>(&body)?["Container"].clone();
            let leave = json!({"Container": name, "Force": true}).to_string();
            sensible(machine.call("POST", "/networks/second/disconnect", &leave)?)?;
        }
        Ok(answer.status)
    })?;
    both(&answered, 200)?;
    machine.docker("rm -f box").ok()?;
    machine.docker("network rm second").ok()?;
    unharmed(&machine, &before)
}

#[test]
fn random_execs_are_made_or_refused() -> Result<()> {
    let (machine, before) = furnished()?;
    machine.docker("run -d --name box busybox sleep 10000").ok()?;
    let answered = each(object(EXEC, 4), |body| {
        let body = with(body, json!({"Cmd": ["true"]}));
        let answer = sensible(machine.call("POST", "/containers/box/exec", &body)?)?;
        if answer.status == 201 {
            let id = answer.body["Id"].as_str().context("an id")?;
            sensible(machine.call("GET", &format!("/exec/{id}/json"), "")?)?;
        }
        Ok(answer.status)
    })?;
    both(&answered, 201)?;
    machine.docker("rm -f box").ok()?;
    unharmed(&machine, &before)
}
