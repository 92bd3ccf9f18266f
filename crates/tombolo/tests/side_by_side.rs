//! Beside Debian's dockerd on one host: neither changes anything of the other's.

use std::process::Child;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{Machine, WIRE, until};

/// dockerd on the machine, with everything of its own below the machine's root.
struct Docker<'a> {
    machine: &'a Machine,
    engine: Option<Child>,
}

impl<'a> Docker<'a> {
    fn start(machine: &'a Machine) -> Result<Self> {
        machine.sh("for own in /opt /etc/docker; do mkdir -p $own; mount -t tmpfs tmpfs $own; done").ok()?;
        let mut docker = Self { machine, engine: None };
        docker.start_engine()?;
        Ok(docker)
    }

    fn socket(&self) -> String {
        format!("unix://{}/docker.sock", self.machine.root().display())
    }

    fn start_engine(&mut self) -> Result<()> {
        let (root, cgroup) = (self.machine.root().display(), self.machine.cgroup());
        let script = format!(
            "echo '{{}}' > {root}/daemon.json; mkdir -p {root}/docker
             PATH=$PATH:/usr/sbin:/sbin exec dockerd --data-root {root}/docker --exec-root {root}/dx \
             --pidfile {root}/dx.pid -H {} --config-file {root}/daemon.json --storage-driver vfs \
             --cgroup-parent /{cgroup} --live-restore >> {root}/docker.log 2>&1",
            self.socket()
        );
        self.engine = Some(self.machine.start_sh(&script)?);
        let answers = until("dockerd", || self.run("version").ok().ok());
        answers.with_context(|| self.machine.sh(&format!("tail -20 {root}/docker.log")).stdout)?;
        Ok(())
    }

    fn run(&self, words: &str) -> testkit::Output {
        self.machine.docker(&format!("-H {} {words}", self.socket()))
    }

    fn stop_engine(&mut self) -> Result<()> {
        let mut engine = self.engine.take().context("dockerd does not run")?;
        kill_process(Pid::from_child(&engine), Signal::TERM)?;
        engine.wait()?;
        Ok(())
    }
}

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        drop(self.run("rm -f $(docker ps -aq)"));
        drop(self.stop_engine());
    }
}

/// Rules and links of one side: all but our table and our links, or nothing but them.
fn theirs(machine: &Machine) -> Result<String> {
    let tables = "for t in $(nft list tables | sed 's/table //; s/ /:/g' | grep -v inet:tombolo); do \
                  nft -s list table $(echo $t | tr : ' '); done";
    let links = "ip -o link | grep -v -e 'alias tombolo:' -e ': wire' -e ': lo:'; ip -o -4 addr show docker0";
    Ok(format!("{}\n{}", machine.sh(tables).ok()?, machine.sh(links).ok()?))
}

fn ours(machine: &Machine) -> Result<String> {
    let table = machine.sh("nft -s list table inet tombolo").ok()?;
    let links = machine.sh("ip -o link | grep 'alias tombolo:'; ip -o addr show p0").ok()?;
    Ok(format!("{table}\n{links}"))
}

fn both_are_reached(machine: &Machine) -> Result<()> {
    for port in [8080, 8081] {
        let fetch = format!("curl -sS --max-time 5 http://{WIRE}:{port}/");
        ensure!(machine.outside(&fetch).ok().with_context(|| port.to_string())?.contains("It works"));
    }
    Ok(())
}

#[test]
fn neither_engine_changes_anything_of_the_others() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    let httpd = "busybox httpd -f -p 80 -h /var/www";
    machine.docker(&format!("run -d --name ours -p 8080:80 {httpd}")).ok()?;
    let mut docker = Docker::start(&machine)?;
    docker.run(&format!("load -i {}/busybox.tar", machine.root().display())).ok()?;
    docker.run(&format!("run -d --name theirs --restart always -p 8081:80 {httpd}")).ok()?;
    both_are_reached(&machine)?;

    let before = theirs(&machine)?;
    ensure!(before.contains("DOCKER") && before.contains("docker0"), "{before}");
    machine.docker("network create --ipv6 site").ok()?;
    machine.docker(&format!("run -d --name more --network site -p 9000-9010:9000-9010 {httpd}")).ok()?;
    machine.tombolo("network update --mtu 1400 --icc=false site").ok()?;
    both_are_reached(&machine)?;
    machine.kill_engine()?;
    machine.start_engine()?;
    machine.docker("rm -f more").ok()?;
    machine.docker("network rm site").ok()?;
    machine.tombolo("network check --repair").ok()?;
    let after = theirs(&machine)?;
    ensure!(after == before, "dockerd's side changed:\n{before}\n---\n{after}");
    both_are_reached(&machine)?;

    let before = ours(&machine)?;
    docker.run("network create --subnet 10.99.0.0/24 site").ok()?;
    docker.run(&format!("run -d --name more --network site -p 9000-9003:9000-9003 {httpd}")).ok()?;
    both_are_reached(&machine)?;
    // Its subnets are not ours to take.
    let refused = machine.docker("network create --subnet 10.99.0.0/25 over");
    ensure!(refused.stderr.contains("Pool overlaps"), "{refused:?}");
    docker.stop_engine()?;
    docker.start_engine()?;
    docker.run("rm -f more").ok()?;
    docker.run("network rm site").ok()?;
    let after = ours(&machine)?;
    ensure!(after == before, "our side changed:\n{before}\n---\n{after}");
    machine.tombolo("network check").ok()?;
    both_are_reached(&machine)?;
    machine.agree()
}

#[test]
fn what_dockerd_drops_of_ours_is_named() -> Result<()> {
    // dockerd switches forwarding on where it is off, and then drops what others forward.
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    machine.sh("sysctl -qw net.ipv4.ip_forward=0").ok()?;
    let docker = Docker::start(&machine)?;
    machine.start_engine()?;
    machine.load_busybox()?;
    machine.docker("run -d --name ours -p 8080:80 busybox httpd -f -p 80 -h /var/www").ok()?;
    let fetch = format!("curl -sS --max-time 5 http://{WIRE}:8080/");
    ensure!(machine.outside(&fetch).code != 0, "dockerd lets ours pass");
    let check = machine.tombolo("network check");
    ensure!(check.code == 1 && check.stdout.contains("table ip filter"), "{check:?}");
    ensure!(check.stdout.contains("let ours pass: iptables -I FORWARD -i p0 -j ACCEPT"), "{check:?}");
    // The same in nftables' words: what iptables takes depends on the kernel's modules.
    machine
        .sh("set -e
             nft insert rule ip filter FORWARD iifname p0 accept
             nft insert rule ip filter FORWARD oifname p0 ct status dnat accept
             nft insert rule ip filter FORWARD ct state established,related accept")
        .ok()?;
    ensure!(machine.outside(&fetch).ok()?.contains("It works"), "what the check says does not help");
    drop(docker);
    Ok(())
}
