//! Networks without addresses, with addresses one after the other, and networks made with a configuration.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Machine, Place};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

#[test]
fn a_network_without_addresses_is_a_wire() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipam-driver null wire").ok()?;
    let shown = machine.network("wire")?;
    let ipam = json!({"Driver": "null", "Options": null, "Config": [{"Subnet": "0.0.0.0/0"}]});
    ensure!(shown["IPAM"] == ipam && shown["EnableIPv4"] == true, "{shown:#}");
    for name in ["one", "two"] {
        machine
            .docker(&format!("run -d --name {name} --network wire --cap-add NET_ADMIN busybox sleep 1000"))
            .ok()?;
    }
    machine.agree()?;
    for (name, address) in [("one", "10.200.0.1"), ("two", "10.200.0.2")] {
        let inside = machine.docker(&format!("exec {name} ip -o addr show eth0")).ok()?;
        ensure!(!inside.contains("inet"), "{inside}");
        machine.docker(&format!("exec {name} ip addr add {address}/24 dev eth0")).ok()?;
    }
    let shown = machine.inspect("one")?["NetworkSettings"]["Networks"]["wire"].clone();
    ensure!(shown["IPAddress"] == "" && shown["Gateway"] == "" && shown["MacAddress"] != "", "{shown:#}");
    let server = machine.listen(Place::In("two"), "0.0.0.0:80")?;
    machine.tcp(Place::In("one"), "10.200.0.2:80", &server)?;
    machine.docker("stop -t 0 one").ok()?;
    machine.docker("start one").ok()?;
    let inside = machine.docker("exec one ip -o addr show eth0").ok()?;
    ensure!(!inside.contains("inet"), "{inside}");
    let refused = machine.docker("network create --ipam-driver null --subnet 10.1.0.0/24 bad");
    let text = "null ipam driver does not handle specific address pool requests";
    ensure!(refused.stderr.contains(text), "{refused:?}");
    let refused = machine.docker("run --network wire --ip 10.200.0.9 busybox true");
    ensure!(refused.stderr.contains("no configured subnet contains IP address"), "{refused:?}");
    Ok(())
}

#[test]
fn serial_addresses_come_back_late() -> Result<()> {
    let machine = machine()?;
    let option = "--ipam-opt com.docker.network.ipam.serial=true";
    machine.docker(&format!("network create --subnet 10.5.0.0/29 {option} site")).ok()?;
    let mut given = Vec::new();
    for _ in 0..6 {
        let address = machine.docker("run --rm --network site busybox hostname -i").ok()?;
        given.push(address.trim().to_owned());
    }
    ensure!(given == ["10.5.0.2", "10.5.0.3", "10.5.0.4", "10.5.0.5", "10.5.0.6", "10.5.0.2"], "{given:?}");
    let shown = machine.network("site")?;
    ensure!(shown["IPAM"]["Options"]["com.docker.network.ipam.serial"] == "true", "{shown:#}");
    let shown = machine.call("GET", "/v1.52/networks/site", "")?.ok()?;
    let status = &shown["Status"]["IPAM"]["Subnets"]["10.5.0.0/29"];
    ensure!(*status == json!({"IPsInUse": 3, "DynamicIPsAvailable": 5}), "{shown:#}");
    ensure!(machine.call("GET", "/v1.51/networks/site", "")?.ok()?["Status"].is_null());
    Ok(())
}

#[test]
fn a_container_without_ipv6_has_no_address_of_it() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 --subnet 10.5.0.0/24 --subnet fd05::/64 site").ok()?;
    machine.docker("network create --ipv6 later").ok()?;
    let off = "--sysctl net.ipv6.conf.all.disable_ipv6=1";
    machine.docker(&format!("run -d --name web --network site {off} -p 8080:80 busybox sleep 1000")).ok()?;
    machine.docker("network connect later web").ok()?;
    let inside = machine.docker("exec web sh -c 'ip addr; cat /etc/hosts'").ok()?;
    ensure!(!inside.contains("inet6") && !inside.contains("fd05::"), "{inside}");
    for network in ["site", "later"] {
        let shown = machine.inspect("web")?["NetworkSettings"]["Networks"][network].clone();
        ensure!(shown["GlobalIPv6Address"] == "" && shown["IPAddress"] != "", "{shown:#}");
    }
    machine.docker("run -d --name other --network site busybox sleep 1000").ok()?;
    let other = machine.inspect("other")?["NetworkSettings"]["Networks"]["site"].clone();
    ensure!(other["GlobalIPv6Address"] == "fd05::2", "the address is free: {other:#}");
    machine.docker("restart -t 0 web").ok()?;
    machine.tombolo("network check").ok()?;
    machine.agree()
}

#[test]
fn an_auxiliary_address_may_be_the_gateway() -> Result<()> {
    let machine = machine()?;
    let addresses = "--aux-address DefaultGatewayIPv4=10.5.0.254 --aux-address DefaultGatewayIPv6=fd05::fe";
    let create = "network create --ipv6 --subnet 10.5.0.0/24 --subnet fd05::/64";
    machine.docker(&format!("{create} {addresses} site")).ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    let routes = machine.docker("exec web sh -c 'ip route; ip -6 route'").ok()?;
    for route in ["default via 10.5.0.254", "default via fd05::fe"] {
        ensure!(routes.contains(route), "{route}: {routes}");
    }
    let bridge = machine.sh("ip -o addr | grep br-").ok()?;
    ensure!(bridge.contains("10.5.0.1/24") && bridge.contains("fd05::1/64"), "{bridge}");
    ensure!(!bridge.contains("10.5.0.254") && !bridge.contains("fd05::fe/"), "{bridge}");
    let shown = machine.inspect("web")?["NetworkSettings"]["Networks"]["site"].clone();
    ensure!(shown["Gateway"] == "10.5.0.254" && shown["IPv6Gateway"] == "fd05::fe", "{shown:#}");
    Ok(())
}

#[test]
fn networks_are_made_with_a_configuration() -> Result<()> {
    let machine = machine()?;
    let create = "network create --config-only --subnet 10.6.0.0/24 --label tier=front";
    machine.docker(&format!("{create} -o com.docker.network.driver.mtu=1400 base")).ok()?;
    let base = machine.network("base")?;
    ensure!(base["ConfigOnly"] == true && base["Driver"] == "null", "{base:#}");
    ensure!(base["IPAM"]["Config"] == json!([{"Subnet": "10.6.0.0/24"}]), "{base:#}");
    machine.docker("network create --config-from base site").ok()?;
    let site = machine.network("site")?;
    ensure!(site["ConfigFrom"] == json!({"Network": "base"}) && site["ConfigOnly"] == false, "{site:#}");
    ensure!(site["Labels"] == json!({"tier": "front"}), "{site:#}");
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    ensure!(machine.address("web", "site")?.starts_with("10.6.0."));
    let link = machine.docker("exec web ip link show eth0").ok()?;
    ensure!(link.contains("mtu 1400"), "{link}");
    machine.agree()?;

    let call = |method: &str, path: &str, body: &str| machine.call(method, path, body);
    let answer = call("DELETE", "/networks/base", "")?;
    let text = "configuration network \"base\" is in use";
    ensure!(answer.status == 403 && answer.message() == text, "{} {}", answer.status, answer.body);
    let answer = call("POST", "/networks/create", r#"{"Name":"x","ConfigFrom":{"Network":"nothing"}}"#)?;
    ensure!(answer.status == 404, "{} {}", answer.status, answer.body);
    let body = r#"{"Name":"x","Labels":{"a":"b"},"ConfigFrom":{"Network":"base"}}"#;
    let answer = call("POST", "/networks/create", body)?;
    ensure!(answer.status == 403, "{} {}", answer.status, answer.body);
    let answer = call("POST", "/networks/create", r#"{"Name":"x","ConfigOnly":true,"Internal":true}"#)?;
    ensure!(answer.status == 403, "{} {}", answer.status, answer.body);
    let refused = machine.docker("run --network base busybox true");
    ensure!(refused.stderr.contains("cannot create endpoint on configuration-only network"), "{refused:?}");

    machine.kill_engine()?;
    machine.start_engine()?;
    ensure!(machine.network("base")? == base, "after a restart");
    machine.docker("rm -f web").ok()?;
    machine.docker("network prune -f").ok()?;
    let left = machine.docker("network ls --format {{.Name}}").ok()?;
    ensure!(left.contains("base") && !left.contains("site"), "{left}");
    machine.docker("network rm base").ok()?;
    Ok(())
}
