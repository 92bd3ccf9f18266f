//! Neighbours learn where an address is when it comes with another MAC address.

use anyhow::{Context, Result, ensure};
use testkit::{Machine, until};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// Has a neighbour remember who has an address, gives the address to another, and sees whom the neighbour reaches.
fn moved(machine: &Machine, old: &str, new: &str, address: &str) -> Result<()> {
    machine.docker(&format!("run -d --name old --network site {old} busybox sleep 1000")).ok()?;
    machine.docker(&format!("exec eve ping -c 1 -W 2 {address}")).ok()?;
    machine.sh(&format!("ping -c 1 -W 2 {address}")).ok()?;
    machine.docker("rm -f old").ok()?;
    machine.docker(&format!("run -d --name new --network site {new} busybox sleep 1000")).ok()?;
    // Without being told, both would send to the old MAC address for half a minute.
    machine.docker(&format!("exec eve ping -c 1 -W 1 {address}")).ok().context("a container")?;
    machine.sh(&format!("ping -c 1 -W 1 {address}")).ok().context("the host")?;
    machine.docker("rm -f new").ok()?;
    Ok(())
}

#[test]
fn who_remembers_an_address_is_told() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 --subnet 10.5.0.0/24 --subnet fd05::/64 site").ok()?;
    machine
        .docker("run -d --name eve --network site --ip 10.5.0.200 --ip6 fd05::200 busybox sleep 1000")
        .ok()?;
    let own = "--mac-address 02:11:22:33:44:55";
    let ip = "--ip 10.5.0.9";
    moved(&machine, &format!("{ip} {own}"), ip, "10.5.0.9").context("from a MAC of its own")?;
    moved(&machine, ip, &format!("{ip} {own}"), "10.5.0.9").context("to a MAC of its own")?;
    let (one, other) = ("--ip 10.5.0.20 --ip6 fd05::9", "--ip 10.5.0.21 --ip6 fd05::9");
    moved(&machine, one, other, "fd05::9").context("by IPv6")?;
    Ok(())
}

/// Counts announcements of an address until it has been quiet for a second; their distances in milliseconds.
const COUNT: &str = "
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
print('up', flush=True)
at = []
s.settimeout(8)
while True:
    try: f, sender = s.recvfrom(200)
    except TimeoutError: break
    if sender[2] == socket.PACKET_OUTGOING: continue
    arp = f[12:14] == b'\\x08\\x06' and f[28:32] == f[38:42]
    na = f[12:14] == b'\\x86\\xdd' and f[54] == 136 and f[58] == 0x20
    if arp or na:
        at.append((time.monotonic(), 'arp' if arp else 'na')); s.settimeout(1)
for kind in ('arp', 'na'):
    times = [t for t, k in at if k == kind]
    print(kind, len(times), round((times[-1] - times[0]) * 1000) if times else 0, flush=True)
";

/// What a container hears while another comes.
fn heard(machine: &Machine, options: &str) -> Result<Vec<(usize, u64)>> {
    machine.docker(&format!("network create --ipv6 {options} site")).ok()?;
    machine.docker("run -d --name eve --network site busybox sleep 1000").ok()?;
    let path = machine.root().join("count.py");
    let at = path.clone();
    machine.within(move || std::fs::write(at, COUNT))?;
    let key = machine.inspect("eve")?["NetworkSettings"]["SandboxKey"].clone();
    let key = key.as_str().context("a namespace")?.to_owned();
    let log = machine.root().join("count.log").display().to_string();
    let mut counter =
        machine.start_sh(&format!("exec nsenter --net={key} python3 {} > {log}", path.display()))?;
    until("a listener", || machine.sh(&format!("grep up {log}")).ok().ok())?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    counter.wait()?;
    let text = machine.sh(&format!("cat {log}")).ok()?;
    let numbers = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    let counts = text.lines().filter_map(numbers).collect();
    machine.docker("rm -f eve web").ok()?;
    machine.docker("network rm site").ok()?;
    Ok(counts)
}

#[test]
fn announcements_are_as_the_options_say() -> Result<()> {
    let machine = machine()?;
    let option = |count: u8, interval: u16| {
        let key = "com.docker.network.advertise_addr";
        format!("-o {key}_nmsgs={count} -o {key}_ms={interval}")
    };
    let counts = heard(&machine, &option(3, 200))?;
    let is_so = |(count, distance): &(usize, u64)| *count == 3 && (350..900).contains(distance);
    ensure!(counts.len() == 2 && counts.iter().all(is_so), "{counts:?}");
    ensure!(heard(&machine, &option(0, 100))? == [(0, 0), (0, 0)], "silence");
    ensure!(heard(&machine, "")? == [(0, 0), (0, 0)], "nobody can believe otherwise");
    Ok(())
}
