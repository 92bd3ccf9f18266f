//! Networks on a link of the host: macvlan and ipvlan, with packets.

use anyhow::{Result, ensure};
use testkit::{Machine, OUTSIDE, Place, WIRE};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// The wire's own subnets: a container is a neighbour of the machine's neighbours.
const SUBNETS: &str = "--subnet 198.51.100.0/24 --ip-range 198.51.100.128/25 --ipv6 --subnet 2001:db8::/64";

fn on_wire(machine: &Machine, options: &str) -> Result<()> {
    machine.docker(&format!("network create -d macvlan {SUBNETS} -o parent=wire {options} lan")).ok()?;
    Ok(())
}

fn run(machine: &Machine, name: &str, options: &str) -> Result<()> {
    machine.docker(&format!("run -d --name {name} --network lan {options} busybox sleep 1000")).ok()?;
    Ok(())
}

fn nothing_is_left(machine: &Machine) -> Result<()> {
    let left = machine.leftovers();
    ensure!(left.counts()["namespaces"] == 0, "{left:?}");
    machine.tombolo("network check").ok()?;
    Ok(())
}

#[test]
fn a_container_is_a_neighbour_on_the_wire() -> Result<()> {
    let machine = machine()?;
    on_wire(&machine, &format!("--gateway {OUTSIDE}"))?;
    run(&machine, "web", "--ip 198.51.100.50 --ip6 2001:db8::50")?;
    run(&machine, "shell", "")?;
    let web = machine.listen(Place::In("web"), "0.0.0.0:8080")?;
    let web6 = machine.listen(Place::In("web"), "[::]:8081")?;
    let outside = machine.listen(Place::Outside, "0.0.0.0:8082")?;
    machine.tcp(Place::Outside, "198.51.100.50:8080", &web)?;
    machine.tcp(Place::Outside, "[2001:db8::50]:8081", &web6)?;
    machine.tcp(Place::In("shell"), "198.51.100.50:8080", &web)?;
    machine.tcp(Place::In("shell"), &format!("{OUTSIDE}:8082"), &outside)?;
    // The kernel keeps the links on a link from the host itself.
    machine.no_tcp(Place::Host, "198.51.100.50:8080")?;
    let names = machine.docker("exec shell nslookup web").ok()?;
    ensure!(names.contains("198.51.100.50"), "{names}");
    let settings = &machine.inspect("shell")?["NetworkSettings"]["Networks"]["lan"];
    ensure!(settings["IPAddress"] == "198.51.100.128" && settings["Gateway"] == OUTSIDE, "{settings:#}");
    let route = machine.docker("exec shell ip route").ok()?;
    ensure!(route.contains(&format!("default via {OUTSIDE} dev eth0")), "{route}");
    machine.tombolo("network check").ok()?;
    Ok(())
}

#[test]
fn it_comes_and_goes_with_connect_and_a_new_engine() -> Result<()> {
    let machine = machine()?;
    on_wire(&machine, "")?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    machine.docker("network connect --ip 198.51.100.60 lan web").ok()?;
    let web = machine.listen(Place::In("web"), "0.0.0.0:8080")?;
    machine.tcp(Place::Outside, "198.51.100.60:8080", &web)?;
    machine.kill_engine()?;
    machine.tcp(Place::Outside, "198.51.100.60:8080", &web)?;
    machine.start_engine()?;
    machine.tcp(Place::Outside, "198.51.100.60:8080", &web)?;
    machine.tombolo("network check").ok()?;
    machine.docker("network disconnect lan web").ok()?;
    let links = machine.docker("exec web ip -o link").ok()?;
    ensure!(!links.contains("eth1"), "{links}");
    machine.docker("network connect lan web").ok()?;
    machine.docker("restart -t 0 web").ok()?;
    let links = machine.docker("exec web ip -o link").ok()?;
    ensure!(links.contains("eth1"), "{links}");
    machine.docker("rm -f web").ok()?;
    machine.docker("network rm lan").ok()?;
    nothing_is_left(&machine)
}

#[test]
fn without_a_gateway_everything_is_asked_for_on_the_link() -> Result<()> {
    let machine = machine()?;
    on_wire(&machine, "")?;
    run(&machine, "web", "")?;
    let route = machine.docker("exec web ip route").ok()?;
    ensure!(route.contains("default dev eth0"), "{route}");
    let settings = &machine.inspect("web")?["NetworkSettings"]["Networks"]["lan"];
    ensure!(settings["Gateway"] == "", "{settings:#}");
    Ok(())
}

#[test]
fn modes_say_who_reaches_whom() -> Result<()> {
    let machine = machine()?;
    on_wire(&machine, "-o macvlan_mode=private")?;
    run(&machine, "one", "--ip 198.51.100.51")?;
    run(&machine, "two", "--ip 198.51.100.52")?;
    let one = machine.listen(Place::In("one"), "0.0.0.0:8080")?;
    machine.no_tcp(Place::In("two"), "198.51.100.51:8080")?;
    machine.tcp(Place::Outside, "198.51.100.51:8080", &one)?;
    let why = machine.tombolo("network why two 198.51.100.51:8080");
    ensure!(why.code == 1 && why.stdout.contains("(apart)"), "{why:?}");
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    let machine = machine()?;
    on_wire(&machine, "-o macvlan_mode=passthru")?;
    for (words, said) in [
        (
            "-d macvlan -o parent=nowhere x",
            "the requested parent interface nowhere was not found on the Docker host",
        ),
        (
            "-d macvlan -o parent=nowhere.7 x",
            "the requested parent interface nowhere.7 was not found on the Docker host",
        ),
        ("-d macvlan -o parent=wire.5000 x", "vlan id must be between 1-4094, received: 5000"),
        ("-d macvlan -o parent=lo x", "loopback interface is not a valid macvlan parent link"),
        (
            "-d macvlan -o parent=wire x",
            "macvlan network lan is already using parent interface wire in mode passthru",
        ),
        ("-d ipvlan -o parent=wire x", "network lan is already using parent interface wire"),
        ("-d macvlan -o macvlan_mode=star x", "requested macvlan mode 'star' is not valid"),
        ("-d ipvlan -o ipvlan_mode=l4 x", "requested ipvlan mode 'l4' is not valid"),
        ("-d macvlan -o colour=blue x", "unknown option \"colour\" of the macvlan driver"),
    ] {
        let refused = machine.docker(&format!("network create {words}"));
        ensure!(refused.code == 1 && refused.stderr.contains(said), "{words}: {refused:?}");
    }
    let networks = machine.docker("network ls -q").ok()?;
    ensure!(networks.lines().count() == 4, "{networks}");
    Ok(())
}

#[test]
fn published_ports_are_not_led_into_it() -> Result<()> {
    let machine = machine()?;
    on_wire(&machine, "")?;
    run(&machine, "web", "--ip 198.51.100.50 -p 8080:8080")?;
    let web = machine.listen(Place::In("web"), "0.0.0.0:8080")?;
    machine.no_tcp(Place::Outside, &format!("{WIRE}:8080"))?;
    machine.tcp(Place::Outside, "198.51.100.50:8080", &web)?;
    Ok(())
}

/// What the kernel of a host may lack.
mod elsewhere {
    use super::*;

    #[test]
    #[ignore = "needs a kernel with vlan and dummy: runs in make test-vm"]
    fn a_vlan_is_made_with_the_first_network_and_removed_with_the_last() -> Result<()> {
        let machine = machine()?;
        let has_link = |name: &str| machine.sh(&format!("ip link show {name}")).code == 0;
        machine.sh("ip -n outside link add link wire name wire.7 type vlan id 7; ip -n outside addr add 203.0.113.1/24 dev wire.7; ip -n outside link set wire.7 up").ok()?;
        machine.docker("network create -d macvlan --subnet 203.0.113.0/24 -o parent=wire.7 --gateway 203.0.113.1 lan").ok()?;
        machine.docker("network create -d macvlan --subnet 10.9.0.0/24 -o parent=wire.7 more").ok()?;
        run(&machine, "web", "--ip 203.0.113.50")?;
        let web = machine.listen(Place::In("web"), "0.0.0.0:8080")?;
        machine.tcp(Place::Outside, "203.0.113.50:8080", &web)?;
        machine.docker("rm -f web").ok()?;
        machine.docker("network rm lan").ok()?;
        ensure!(has_link("wire.7"));
        machine.docker("network rm more").ok()?;
        ensure!(!has_link("wire.7"));
        machine.sh("ip link add link wire name wire.8 type vlan id 8").ok()?;
        machine.docker("network create -d macvlan -o parent=wire.8 lan").ok()?;
        machine.docker("network rm lan").ok()?;
        ensure!(has_link("wire.8"), "it was there before");
        Ok(())
    }

    #[test]
    #[ignore = "needs a kernel with dummy: runs in make test-vm"]
    fn without_a_parent_it_is_internal() -> Result<()> {
        let machine = machine()?;
        machine.docker("network create -d macvlan lan").ok()?;
        run(&machine, "one", "")?;
        run(&machine, "two", "")?;
        let one = machine.listen(Place::In("one"), "0.0.0.0:8080")?;
        let address = machine.inspect("one")?["NetworkSettings"]["Networks"]["lan"]["IPAddress"].clone();
        machine.tcp(Place::In("two"), &format!("{}:8080", address.as_str().unwrap_or_default()), &one)?;
        let route = machine.docker("exec one ip route").ok()?;
        ensure!(!route.contains("default"), "{route}");
        Ok(())
    }

    #[test]
    #[ignore = "needs a kernel with ipvlan: runs in make test-vm"]
    fn ipvlan_containers_share_the_parents_mac() -> Result<()> {
        let machine = machine()?;
        machine
            .docker(&format!("network create -d ipvlan {SUBNETS} -o parent=wire --gateway {OUTSIDE} lan"))
            .ok()?;
        run(&machine, "one", "--ip 198.51.100.51")?;
        run(&machine, "two", "")?;
        let one = machine.listen(Place::In("one"), "0.0.0.0:8080")?;
        machine.tcp(Place::In("two"), "198.51.100.51:8080", &one)?;
        machine.tcp(Place::Outside, "198.51.100.51:8080", &one)?;
        let refused = machine.docker("run --network lan --mac-address 02:00:00:00:00:01 busybox true");
        let said = "ipvlan interfaces do not support custom mac address assignment";
        ensure!(refused.code == 125 && refused.stderr.contains(said), "{refused:?}");
        machine.tombolo("network check").ok()?;
        Ok(())
    }
}
