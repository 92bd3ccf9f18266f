//! `network why` and `network exposure` against packets: what they say is so, and the reason is the right one.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Machine, Place, WIRE};

struct Site {
    machine: Machine,
    server: TcpListener,
    _inner: TcpListener,
}

impl Site {
    fn new() -> Result<Self> {
        let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
        machine.docker("network create --subnet 10.9.0.0/24 site").ok()?;
        machine.docker("network create -o com.docker.network.bridge.enable_icc=false apart").ok()?;
        machine.docker("network create --internal inner").ok()?;
        let run = |words: &str| machine.docker(&format!("run -d {words} busybox sleep 1000")).ok();
        run("--name web --network site -p 8080:80 -p 127.0.0.1:9090:90")?;
        run("--name client --network site")?;
        run("--name stranger")?;
        run("--name left --network apart")?;
        run("--name right --network apart")?;
        run("--name job --network inner")?;
        let server = machine.listen(Place::In("web"), "0.0.0.0:80")?;
        let inner = machine.listen(Place::In("web"), "127.0.0.1:90")?;
        Ok(Self { machine, server, _inner: inner })
    }

    /// What `why` says as a document, with the exit code that belongs to it.
    fn why(&self, from: &str, to: &str) -> Result<Value> {
        let output = self.machine.tombolo(&format!("network why --format json {from} {to}"));
        let said: Value = serde_json::from_str(&output.stdout)
            .with_context(|| format!("{}\n{}", output.stdout, output.stderr))?;
        let code = i32::from(said["Reachable"] != true);
        ensure!(output.code == code, "exit code {}: {said:#}", output.code);
        Ok(said)
    }

    /// Compares the reason, and what a packet says.
    fn is(&self, from: &str, to: &str, reason: &str) -> Result<()> {
        let said = self.why(from, to)?;
        ensure!(said["Reason"] == reason, "{from} to {to}: {reason} was expected: {said:#}");
        let place = match from {
            "host" => Place::Host,
            "outside" => Place::Outside,
            container => Place::In(container),
        };
        let Some(target) = said["Target"].as_str().filter(|target| !target.is_empty()) else { return Ok(()) };
        if reason == "reachable" {
            self.machine.tcp(place, target, &self.server).map(drop)
        } else {
            self.machine.no_tcp(place, target)
        }
    }
}

#[test]
fn why_names_the_first_thing_that_fails() -> Result<()> {
    let site = Site::new()?;
    site.is("client", "web:80", "reachable")?;
    site.is("client", &format!("{WIRE}:8080"), "reachable")?;
    site.is("stranger", "host:8080", "reachable")?;
    site.is("outside", &format!("{WIRE}:8080"), "reachable")?;
    site.is("host", "127.0.0.1:8080", "reachable")?;
    site.is("host", "web:80", "reachable")?;
    site.is("client", "web:81", "nobody-listens")?;
    site.is("client", "web:90", "listens-elsewhere")?;
    site.is("client", "nobody:80", "no-name")?;
    site.is("stranger", "10.9.0.2:80", "not-published")?;
    site.is("stranger", "web:80", "not-published")?;
    site.is("outside", "web:80", "not-published")?;
    site.is("outside", "10.9.0.77:80", "not-published")?;
    site.is("client", "10.9.0.77:80", "nobody")?;
    site.is("left", "right:80", "apart")?;
    site.is("job", "10.9.0.2:80", "no-gateway")?;
    let advice = site.why("stranger", "web:80")?["Advice"].clone();
    ensure!(advice == "the port is published: use port 8080 of any address of the host", "{advice}");
    Ok(())
}

#[test]
fn why_names_what_others_did() -> Result<()> {
    let site = Site::new()?;
    let published = format!("{WIRE}:8080");
    let Site { machine, .. } = &site;
    let wall = "chain inet wall fence { type filter hook forward priority 5; policy drop; }";
    machine.sh(&format!("nft 'add table inet wall; add {wall}'")).ok()?;
    site.is("outside", &published, "foreign-drop")?;
    let said = site.why("outside", &published)?;
    ensure!(said["Sentence"].as_str().is_some_and(|it| it.contains("table inet wall")), "{said:#}");
    // Where bridged frames pass the chains of forwarded packets, neighbours are cut off as well.
    let bridged = machine.sh("cat /proc/sys/net/bridge/bridge-nf-call-iptables").stdout == "1";
    site.is("client", "web:80", if bridged { "foreign-drop" } else { "reachable" })?;
    machine.sh("nft delete table inet wall").ok()?;
    site.is("outside", &published, "reachable")?;
    let key =
        machine.inspect("web")?["NetworkSettings"]["SandboxKey"].as_str().unwrap_or_default().to_owned();
    machine.sh(&format!("nsenter --net={key} ip route del default")).ok()?;
    site.is("outside", &published, "kernel")?;
    machine.tombolo("network check --repair").ok()?;
    site.is("outside", &published, "reachable")?;
    machine.docker("stop -t 0 web").ok()?;
    site.is("client", "web:80", "not-running")?;
    site.is("client", "10.9.0.2:80", "nobody")?;
    Ok(())
}

#[test]
fn a_probe_is_sent_from_where_the_client_is() -> Result<()> {
    let site = Site::new()?;
    let said = site.machine.tombolo("network why --probe client web:80");
    ensure!(said.code == 0 && said.stdout.contains("probe: somebody answered"), "{said:?}");
    let said = site.machine.tombolo("network why --probe client web:81");
    ensure!(said.code == 1 && said.stdout.contains("probe: Connection refused"), "{said:?}");
    ensure!(said.stdout.contains("nobody listens at port 81/tcp in web (nobody-listens)"), "{said:?}");
    Ok(())
}

#[test]
fn exposure_says_who_gets_where() -> Result<()> {
    let site = Site::new()?;
    let Site { machine, server, .. } = &site;
    let output = machine.tombolo("network exposure --format json");
    ensure!(output.code == 1, "8080 is open to everybody: {output:?}");
    let found: Value = serde_json::from_str(&output.stdout)?;
    let rows = found["Exposures"].as_array().context("no rows")?;
    let row = |container: &str, ports: &str| {
        let is_it = |row: &&Value| {
            let v4 = row["Address"].as_str().is_some_and(|address| address.contains('.'));
            row["Container"] == container && row["Ports"] == ports && v4
        };
        rows.iter().find(is_it).with_context(|| format!("{container} {ports} is not in {found:#}"))
    };
    let who = |row: &Value| ["Wire", "Host", "OtherNetworks", "SameNetwork"].map(|who| row[who] == true);
    ensure!(who(row("web", "8080")?) == [true; 4], "{found:#}");
    machine.tcp(Place::Outside, &format!("{WIRE}:8080"), server)?;
    ensure!(
        row("web", "8080")?["Warning"].as_str().is_some_and(|text| text.contains("127.0.0.1:8080:")),
        "{found:#}"
    );
    ensure!(who(row("web", "9090")?) == [false, true, false, false], "{found:#}");
    machine.no_tcp(Place::Outside, &format!("{WIRE}:9090"))?;
    ensure!(who(row("web", "")?) == [false, true, false, true], "{found:#}");
    ensure!(who(row("left", "")?) == [false, true, false, false], "{found:#}");
    ensure!(who(row("job", "")?) == [false, true, false, true], "{found:#}");
    let text = machine.tombolo("network exposure").stdout;
    ensure!(
        text.contains("wire, host, other networks, same network") && text.contains("warning: "),
        "{text}"
    );
    Ok(())
}
