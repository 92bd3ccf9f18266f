//! What strangers destroy is put back while the engine runs, and strangers keep what is theirs.

use std::net::{TcpListener, UdpSocket};

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Place, WIRE, udp, until};

/// A server on two networks and a client on one, with a stranger's table beside ours.
struct Site {
    machine: Machine,
    tcp: TcpListener,
    datagrams: UdpSocket,
    strangers: String,
}

const STRANGERS: &str = "table inet strangers {
    set bridges { type ifname; elements = { \"p0\" } }
    chain forward { type filter hook forward priority 10; policy accept; iifname \"p9\" drop; }
}
table ip nat {
    chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; }
}";

impl Site {
    fn new() -> Result<Self> {
        let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
        machine.sh(&format!("echo '{STRANGERS}' | nft -f -")).ok()?;
        machine.docker("network create --ipv6 site").ok()?;
        machine.docker("run -d --name web -p 80:8080 -p 90:9090/udp busybox sleep 1000").ok()?;
        machine.docker("network connect site web").ok()?;
        machine.docker("run -d --name client --network site busybox sleep 1000").ok()?;
        let tcp = machine.listen(Place::In("web"), "[::]:8080")?;
        let datagrams = machine.datagrams(Place::In("web"), "[::]:9090")?;
        let strangers = strangers(&machine)?;
        let site = Self { machine, tcp, datagrams, strangers };
        site.works()?;
        Ok(site)
    }

    /// Packets on every kind of way.
    fn works(&self) -> Result<()> {
        let Self { machine, tcp, datagrams, .. } = self;
        let (near, far) = (machine.address("web", "site")?, machine.address("web", "bridge")?);
        let six = machine.inspect("web")?["NetworkSettings"]["Networks"]["site"]["GlobalIPv6Address"].clone();
        let six = six.as_str().unwrap_or_default().to_owned();
        machine.tcp(Place::Outside, &format!("{WIRE}:80"), tcp)?;
        machine.tcp(Place::Host, "127.0.0.1:80", tcp)?;
        machine.tcp(Place::Host, &format!("{far}:8080"), tcp)?;
        machine.tcp(Place::In("client"), &format!("{near}:8080"), tcp)?;
        machine.tcp(Place::In("client"), &format!("[{six}]:8080"), tcp)?;
        udp(&machine.sender(Place::Outside, &format!("{WIRE}:90"))?, datagrams)?;
        machine.docker("exec client ping -c 1 -W 5 web").ok()?;
        machine.no_tcp(Place::Outside, &format!("{near}:8080"))?;
        machine.agree()
    }

    /// Destroys something, and waits for everything to be as it was.
    fn survives(&self, sabotage: &str, is_back: &str) -> Result<()> {
        self.machine.sh(sabotage).ok().context("the sabotage")?;
        let back = until("the repair", || (self.machine.sh(is_back).code == 0).then_some(()));
        back.and_then(|()| self.works())
            .with_context(|| format!("after {sabotage}\n{}", self.machine.engine_log()))?;
        ensure!(strangers(&self.machine)? == self.strangers, "after {sabotage}");
        Ok(())
    }

    fn link_of(&self, container: &str, network: &str) -> Result<String> {
        let mac =
            self.machine.inspect(container)?["NetworkSettings"]["Networks"][network]["EndpointID"].clone();
        let endpoint = mac.as_str().unwrap_or_default();
        let links =
            self.machine.sh(&format!("ip -o link | grep {endpoint} | cut -d: -f2 | cut -d@ -f1")).ok()?;
        Ok(links.trim().to_owned())
    }
}

fn strangers(machine: &Machine) -> Result<String> {
    machine.sh("nft list table inet strangers && nft list table ip nat").ok()
}

/// Rules, sets and maps, and nothing of the saboteur's. A connection that begins before may be
/// translated by half for as long as it lasts.
const TABLE_IS_BACK: &str = "nft list map inet tombolo publish4 | grep -q 'udp . 90' &&
    nft list set inet tombolo talk | grep -q p0 && nft list set inet tombolo bridges | grep -q p0 &&
    nft list chain inet tombolo forward | grep -q established &&
    ! nft list chain inet tombolo forward | grep -qx '[[:space:]]*drop'";

#[test]
fn our_table_is_put_back() -> Result<()> {
    let site = Site::new()?;
    let sabotages = [
        "nft delete table inet tombolo",
        "nft flush table inet tombolo",
        "nft flush map inet tombolo publish4",
        "nft flush chain inet tombolo forward",
        "nft add rule inet tombolo forward drop && nft flush set inet tombolo bridges",
    ];
    for sabotage in sabotages {
        site.survives(sabotage, TABLE_IS_BACK)?;
        site.survives(sabotage, TABLE_IS_BACK).context("the second time")?;
    }
    Ok(())
}

#[test]
fn a_flush_of_everything_takes_only_what_is_not_ours() -> Result<()> {
    let mut site = Site::new()?;
    site.strangers = String::new();
    site.machine.sh("nft flush ruleset").ok()?;
    until("the repair", || (site.machine.sh(TABLE_IS_BACK).code == 0).then_some(()))?;
    let tables = site.machine.sh("nft list tables").ok()?;
    ensure!(tables == "table inet tombolo", "{tables}");
    site.works()
}

#[test]
fn links_and_addresses_are_put_back() -> Result<()> {
    let site = Site::new()?;
    let (web, client) = (site.link_of("web", "site")?, site.link_of("client", "site")?);
    ensure!(!web.is_empty() && !client.is_empty(), "links show whose they are");
    let up = |link: &str| format!("ip link show {link} | grep -q 'state UP'");
    let p0 = "ip -o -4 addr show p0 | grep -q 172.17.0.1/24";
    site.survives(&format!("ip link del {web}"), &up(&web))?;
    site.survives(&format!("ip link del {client}"), &up(&client))?;
    site.survives("ip addr flush dev p0", p0)?;
    site.survives("ip link set p0 down", "ip link show p0 | grep -q ,UP")?;
    site.survives("ip link del p0", p0)?;
    site.survives(&format!("ip link set {web} nomaster"), &format!("ip link show {web} | grep -q master"))?;
    site.survives(&format!("ip link set {web} down"), &up(&web))
}

#[test]
fn what_goes_while_the_engine_is_dead_is_put_back_when_it_comes() -> Result<()> {
    let site = Site::new()?;
    let web = site.link_of("web", "site")?;
    for sabotage in ["nft delete table inet tombolo", "ip link del p0", &format!("ip link del {web}")] {
        site.machine.kill_engine()?;
        site.machine.sh(sabotage).ok()?;
        site.machine.start_engine()?;
        site.works().with_context(|| sabotage.to_owned())?;
        ensure!(strangers(&site.machine)? == site.strangers, "after {sabotage}");
    }
    Ok(())
}
