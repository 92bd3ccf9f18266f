//! `--link`, on the default network and on others.

use anyhow::{Result, ensure};
use testkit::{
    Machine,
    dns::{A, ask},
};

fn machine() -> Result<Machine> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine.load_busybox()?;
    Ok(machine)
}

/// The lines of a container's hosts file that name somebody.
fn hosts(machine: &Machine, container: &str, name: &str) -> Result<String> {
    machine.docker(&format!("exec {container} sh -c 'grep -w {name} /etc/hosts || true'")).ok()
}

#[test]
fn on_the_default_network_a_link_is_a_line_that_follows() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name db --hostname store1 busybox sleep 1000").ok()?;
    machine.docker("run -d --name web --link db:store busybox sleep 1000").ok()?;
    let address = machine.address("db", "bridge")?;
    ensure!(hosts(&machine, "web", "store")? == format!("{address}\tstore store1 db"));
    ensure!(machine.docker("inspect -f '{{json .HostConfig.Links}}' web").ok()? == "[\"/db:/web/store\"]");
    let variables = machine.docker("exec web env").ok()?;
    ensure!(!variables.contains("STORE"), "{variables}");
    machine.docker("exec web ping -c 1 store").ok()?;

    machine.docker("rename db base").ok()?;
    ensure!(hosts(&machine, "web", "store")? == format!("{address}\tstore store1 base"));
    machine.docker("stop -t 0 base").ok()?;
    ensure!(hosts(&machine, "web", "store")?.is_empty(), "it is not there");
    machine.docker("start base").ok()?;
    let address = machine.address("base", "bridge")?;
    ensure!(hosts(&machine, "web", "store")? == format!("{address}\tstore store1 base"));
    machine.docker("restart -t 0 web").ok()?;
    ensure!(hosts(&machine, "web", "store")? == format!("{address}\tstore store1 base"));
    Ok(())
}

#[test]
fn a_link_goes_without_its_containers() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name db busybox sleep 1000").ok()?;
    machine.docker("run -d --name web --link db:store --link db:data busybox sleep 1000").ok()?;
    machine.docker("rm --link /web/store").ok()?;
    ensure!(hosts(&machine, "web", "store")?.is_empty(), "it is there still");
    ensure!(!hosts(&machine, "web", "data")?.is_empty(), "the other went with it");
    ensure!(machine.docker("inspect -f '{{json .HostConfig.Links}}' web").ok()? == "[\"/db:/web/data\"]");
    machine.docker("restart -t 0 db").ok()?;
    ensure!(hosts(&machine, "web", "store")?.is_empty(), "it came back with the other's start");
    let refused = machine.docker("rm --link /web/store");
    ensure!(refused.stderr.contains("No such container: web/store"), "{refused:?}");
    let refused = machine.tombolo("rm --link db");
    let text = "Conflict, cannot remove the default link name of the container";
    ensure!(refused.code != 0 && refused.stderr.contains(text), "{refused:?}");
    machine.docker("stop -t 0 web").ok()?;
    machine.tombolo("rm --link web/data").ok()?;
    machine.docker("start web").ok()?;
    ensure!(hosts(&machine, "web", "data")?.is_empty(), "a start brought it back");
    ensure!(machine.docker("ps -q").ok()?.lines().count() == 2, "a container has gone");
    Ok(())
}

#[test]
fn a_link_to_nobody_is_refused() -> Result<()> {
    let machine = machine()?;
    let refused = machine.docker("create --link nobody busybox true");
    ensure!(
        refused.stderr.contains("could not get container for nobody: No such container: nobody"),
        "{refused:?}"
    );
    machine.docker("create --name db busybox sleep 1000").ok()?;
    let refused = machine.docker("run --rm --name web --link db:store busybox true");
    ensure!(
        refused.stderr.contains("Cannot link to a non running container: /db AS /web/store"),
        "{refused:?}"
    );
    machine.docker("run -d --name onhost --network host busybox sleep 1000").ok()?;
    let refused = machine.docker("create --link onhost busybox true");
    ensure!(refused.stderr.contains("host type networking can't be used with links"), "{refused:?}");
    Ok(())
}

#[test]
fn elsewhere_a_link_is_an_alias_for_one_container() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web --network site --link db:store busybox sleep 1000").ok()?;
    machine.docker("run -d --name other --network site busybox sleep 1000").ok()?;
    machine.docker("run -d --name db --network site --network-alias '*.shard' busybox sleep 1000").ok()?;
    let address = machine.address("db", "site")?;
    for name in ["store", "store.site", "one.shard", "a.b.shard.site"] {
        ensure!(ask(&machine, "web", name, A)?.records == [address.as_str()], "{name}");
    }
    ensure!(ask(&machine, "other", "store", A)?.records.is_empty(), "it is the other's");
    machine.docker("network disconnect site other").ok()?;
    machine.docker("network connect --link db:late site other").ok()?;
    ensure!(ask(&machine, "other", "late", A)?.records == [address.as_str()]);
    machine.kill_engine()?;
    machine.start_engine()?;
    ensure!(ask(&machine, "other", "late", A)?.records == [address.as_str()], "it was kept");
    Ok(())
}
