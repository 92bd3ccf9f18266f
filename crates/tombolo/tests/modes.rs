//! Which network stack a container has, and what does not go together.

use anyhow::{Result, ensure};
use testkit::{Machine, Place, WIRE, until};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

const SERVER: &str = "busybox httpd -f -p 8080 -h /var/www";

/// The links of a container, without loopback.
fn links(machine: &Machine, container: &str) -> Result<Vec<String>> {
    let links = machine.docker(&format!("exec {container} ip -o link")).ok()?;
    let names = links.lines().filter_map(|line| line.split(": ").nth(1));
    let names = names.map(|name| name.split('@').next().unwrap_or_default().to_owned());
    Ok(names.filter(|name| name != "lo").collect())
}

#[test]
fn every_mode_has_its_stack() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    for mode in ["bridge", "default", "p0", "site"] {
        machine.docker(&format!("run -d --name on-{mode} --network {mode} {SERVER}")).ok()?;
        ensure!(links(&machine, &format!("on-{mode}"))? == ["eth0"], "{mode}");
        let network = if mode == "site" { "site" } else { "bridge" };
        let address = machine.address(&format!("on-{mode}"), network)?;
        let page = machine.sh(&format!("curl -sS --max-time 5 http://{address}:8080/")).ok()?;
        ensure!(page.contains("It works"), "{mode}: {page}");
    }
    machine.docker("run -d --name on-none --network none busybox sleep 1000").ok()?;
    ensure!(links(&machine, "on-none")?.is_empty());
    machine.docker(&format!("run -d --name on-host --network host -p 80:80 {SERVER}")).ok()?;
    let page = machine.outside(&format!("curl -sS --max-time 5 http://{WIRE}:8080/")).ok()?;
    ensure!(page.contains("It works"), "host: {page}");
    ensure!(links(&machine, "on-host")?.contains(&"p0".to_owned()));
    let host_name = machine.sh("hostname").ok()?;
    ensure!(machine.docker("exec on-host hostname").ok()? == host_name);
    let ports = machine.inspect("on-host")?["NetworkSettings"]["Ports"].clone();
    ensure!(ports == serde_json::json!({}), "the host publishes nothing: {ports}");
    machine.agree()
}

#[test]
fn a_container_shares_the_stack_of_another() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker(&format!("run -d --name web -p 80:8080 --network site {SERVER}")).ok()?;
    let id = machine.docker("inspect -f {{.Id}} web").ok()?;
    for target in ["web", &id, &id[..12]] {
        let page =
            machine.docker(&format!("run --rm --network container:{target} busybox curl -sS 127.0.0.1:8080"));
        ensure!(page.ok()?.contains("It works"), "container:{target}");
    }
    machine.docker("run -d --name joiner --network container:web busybox sleep 1000").ok()?;
    for file in ["hostname", "hosts", "resolv.conf"] {
        let read = |container: &str| machine.docker(&format!("exec {container} cat /etc/{file}")).ok();
        ensure!(read("web")? == read("joiner")?, "/etc/{file} is the same");
    }
    machine.docker("restart -t 0 web").ok()?;
    let fetch = || machine.docker("exec joiner curl -sS --max-time 5 127.0.0.1:8080");
    ensure!(fetch().ok()?.contains("It works"), "the stack outlives a restart");
    machine.docker("stop -t 0 web").ok()?;
    ensure!(links(&machine, "joiner")? == ["eth0"], "the stack stays while somebody lives in it");
    machine.docker("start web").ok()?;
    ensure!(fetch().ok()?.contains("It works"), "the container comes back to its own stack");
    machine.agree()?;
    machine.docker("rm -f web").ok()?;
    let failed = machine.docker("restart -t 0 joiner");
    ensure!(
        failed.stderr.contains("joining network namespace of container: No such container: web"),
        "{failed:?}"
    );
    ensure!(machine.docker("inspect -f {{.State.Status}} joiner").ok()? == "exited");
    machine.docker("rm joiner").ok()?;
    machine.docker("network rm site").ok()?;
    machine.stop_engine()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}

#[test]
fn only_a_running_container_shares_its_stack() -> Result<()> {
    let machine = machine()?;
    machine.docker("create --name stopped busybox true").ok()?;
    machine.docker("create --name self --network container:self busybox true").ok()?;
    machine.docker("create --name of-stopped --network container:stopped busybox true").ok()?;
    machine.docker("create --name of-nobody --network container:nobody busybox true").ok()?;
    let table = [
        (
            "of-stopped",
            409,
            "cannot join network namespace of a non running container: container stopped is created",
        ),
        ("of-nobody", 500, "joining network namespace of container: No such container: nobody"),
        ("self", 500, "cannot join own network namespace"),
    ];
    for (container, status, text) in table {
        let answer = machine.call("POST", &format!("/containers/{container}/start"), "")?;
        ensure!((answer.status, answer.message()) == (status, text), "{container}: {answer:?}");
        ensure!(machine.inspect(container)?["State"]["Status"] == "created", "{container}");
    }
    machine.docker("run -d --name paused busybox sleep 1000").ok()?;
    machine.docker("pause paused").ok()?;
    machine.docker("run --rm --network container:paused busybox true").ok()?;
    Ok(())
}

#[test]
fn a_stack_that_somebody_else_made_is_joined_and_left_alone() -> Result<()> {
    let machine = machine()?;
    machine.sh("ip netns add theirs && ip -n theirs link add br7 type bridge").ok()?;
    machine.docker("run -d --name guest --network netns:/run/netns/theirs busybox sleep 1000").ok()?;
    ensure!(links(&machine, "guest")? == ["br7"]);
    machine.docker("rm -f guest").ok()?;
    ensure!(machine.sh("ip -n theirs -o link").ok()?.contains("br7"), "the stack is still there");
    for path in ["/run/netns/missing", "/etc/passwd"] {
        let refused = machine.docker(&format!("run --rm --network netns:{path} busybox true"));
        ensure!(refused.code == 125, "{refused:?}");
    }
    until("nothing to be left", || machine.docker("ps -aq").stdout.is_empty().then_some(()))
}

/// `POST /containers/create` with these settings, the status, and the text.
const NOT_TOGETHER: &[(&str, u16, &str)] = &[
    (
        r#""Hostname":"x","HostConfig":{"NetworkMode":"container:web"}"#,
        400,
        "conflicting options: hostname and the network mode",
    ),
    (
        r#""HostConfig":{"NetworkMode":"container:web","Links":["web:x"]}"#,
        400,
        "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    ),
    (
        r#""HostConfig":{"NetworkMode":"host","Links":["web:x"]}"#,
        400,
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    ),
    (
        r#""HostConfig":{"NetworkMode":"container:web","Dns":["192.0.2.1"]}"#,
        400,
        "conflicting options: dns and the network mode",
    ),
    (
        r#""HostConfig":{"NetworkMode":"container:web","ExtraHosts":["x:192.0.2.1"]}"#,
        400,
        "conflicting options: custom host-to-IP mapping and the network mode",
    ),
    (
        r#""HostConfig":{"NetworkMode":"container:web","PortBindings":{"80/tcp":[{"HostPort":"80"}]}}"#,
        400,
        "conflicting options: port publishing and the container type network mode",
    ),
    (
        r#""HostConfig":{"NetworkMode":"container:web","PublishAllPorts":true}"#,
        400,
        "conflicting options: port publishing and the container type network mode",
    ),
    (
        r#""ExposedPorts":{"80/tcp":{}},"HostConfig":{"NetworkMode":"container:web"}"#,
        400,
        "conflicting options: port exposing and the container type network mode",
    ),
    (
        r#""Hostname":"x","HostConfig":{"UTSMode":"host"}"#,
        400,
        "conflicting options: hostname and the UTS mode",
    ),
    (r#""HostConfig":{"NetworkMode":"container:"}"#, 400, "invalid container format container:<name|id>"),
    (
        r#""HostConfig":{"PortBindings":{"x/tcp":[{"HostPort":"80"}]}}"#,
        400,
        r#"invalid port specification: "x/tcp""#,
    ),
    (
        r#""HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"x"}]}}"#,
        400,
        r#"invalid port specification: "x""#,
    ),
    (
        r#""HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"70000"}]}}"#,
        400,
        r#"invalid port specification: "70000""#,
    ),
    (
        r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"IPAMConfig":{"IPv4Address":"172.17.0.9"}}}}"#,
        400,
        "invalid endpoint settings:\nuser-specified IP address is supported on user-defined networks only",
    ),
    (
        r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"Aliases":["x"]}}}"#,
        400,
        "invalid endpoint settings:\nnetwork-scoped aliases are only supported for user-defined networks",
    ),
    (
        r#""HostConfig":{"NetworkMode":"site"},"NetworkingConfig":{"EndpointsConfig":{"site":{"IPAMConfig":{"IPv4Address":"192.0.2.9"}}}}"#,
        400,
        "invalid endpoint settings:\nno configured subnet contains IP address 192.0.2.9",
    ),
    (
        r#""HostConfig":{"NetworkMode":"site"},"NetworkingConfig":{"EndpointsConfig":{"site":{"IPAMConfig":{"IPv4Address":"10.5.0.1"}}}}"#,
        403,
        "Address already in use",
    ),
];

#[test]
fn what_does_not_go_together_is_refused_in_dockers_words() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    for (settings, status, text) in NOT_TOGETHER {
        let body = format!(r#"{{"Image":"busybox",{settings}}}"#);
        let answer = machine.call("POST", "/v1.51/containers/create", &body)?;
        ensure!((answer.status, answer.message()) == (*status, *text), "{body}: {answer:?}");
    }
    ensure!(machine.docker("ps -aq").ok()?.lines().count() == 1, "nothing was created");
    Ok(())
}

/// Which network, whom to connect, the status, and the text.
const NOT_CONNECTED: &[(&str, &str, u16, &str)] = &[
    ("site", "nobody", 404, "No such container: nobody"),
    ("nowhere", "web", 404, "network nowhere not found"),
    (
        "site",
        "joiner",
        400,
        "container sharing network namespace with another container or host cannot be connected to any other network",
    ),
    (
        "site",
        "on-host",
        400,
        "container sharing network namespace with another container or host cannot be connected to any other network",
    ),
    (
        "host",
        "web",
        400,
        "cannot connect container to host network - container must be created in host network mode",
    ),
    (
        "none",
        "web",
        400,
        "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    ),
    (
        "site",
        "on-none",
        400,
        "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    ),
    ("bridge", "web", 403, "endpoint with name web already exists in network bridge"),
];

#[test]
fn networks_that_do_not_go_together_are_not_connected() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    machine.docker("run -d --name joiner --network container:web busybox sleep 1000").ok()?;
    machine.docker("run -d --name on-host --network host busybox sleep 1000").ok()?;
    machine.docker("run -d --name on-none --network none busybox sleep 1000").ok()?;
    for (network, container, status, text) in NOT_CONNECTED {
        let body = format!(r#"{{"Container":"{container}"}}"#);
        let answer = machine.call("POST", &format!("/networks/{network}/connect"), &body)?;
        ensure!((answer.status, answer.message()) == (*status, *text), "{network} {container}: {answer:?}");
    }
    let answer = machine.call("POST", "/networks/host/disconnect", r#"{"Container":"on-host"}"#)?;
    let text = "cannot disconnect container from host network - container was created in host network mode";
    ensure!((answer.status, answer.message()) == (400, text), "{answer:?}");
    let answer = machine.call("POST", "/networks/site/disconnect", r#"{"Container":"web"}"#)?;
    ensure!(
        answer.status == 500 && answer.message().ends_with("is not connected to network site"),
        "{answer:?}"
    );
    machine.agree()?;
    machine.docker("network disconnect none on-none").ok()?;
    machine.docker("network connect site on-none").ok()?;
    machine.agree()?;
    let address = machine.address("on-none", "site")?;
    let server = machine.listen(Place::In("on-none"), "0.0.0.0:80")?;
    machine.tcp(Place::Host, &format!("{address}:80"), &server)?;
    Ok(())
}
