//! `tombolo demo`: the main job, end to end, on a machine of its own.
//!
//! Everything happens in a scratch machine: a network and a mount namespace with
//! an engine, a neighbour on a wire, and an image made of the host's busybox.
//! No registry is asked, no packet leaves, and nothing is left.

mod story;
mod traffic;

use anyhow::{Context, Result, ensure};
use testkit::{Machine, OUTSIDE, WIRE, until};

use story::Story;
use traffic::Traffic;

/// The page that the demonstration's server serves.
const PAGE: &str = "<h1>It works.</h1>";

/// Tells the story and does what it says.
///
/// # Errors
/// The first step that fails.
pub(crate) fn run() -> Result<()> {
    let binary = std::env::current_exe().context("cannot find this program")?;
    let mut story = Story::new(Machine::without_engine(binary, &[])?);
    story.say(
        "A scratch machine: its own network and mounts, one neighbour on a wire. Nothing here is the host's.",
    );
    containers(&mut story)?;
    networks(&mut story)?;
    modes(&mut story)?;
    lives(&mut story)?;
    end(&mut story)
}

fn containers(story: &mut Story) -> Result<()> {
    story.step("start the engine", |machine| {
        machine.start_engine()?;
        let bridge = machine.sh("ip -o -4 addr show p0 | awk '{ print $4 }'").ok()?;
        Ok(format!("it made the default network: bridge p0 with {bridge}"))
    })?;
    story.step("load an image from an archive", |machine| {
        machine.load_busybox()?;
        machine.tombolo("images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'").ok()
    })?;
    story.step("run a web server, port 80 of the host to its 8080", |machine| {
        machine.tombolo("run -d --name web -p 80:8080 busybox httpd -f -p 8080 -h /var/www").ok()?;
        machine.tombolo("ps --format '{{.Names}}: {{.Status}}, {{.Ports}}'").ok()
    })?;
    story.step("run a shell beside it", |machine| {
        machine.tombolo("run -dit --name shell busybox sh").ok()?;
        machine.tombolo("exec shell ip -o -4 addr show eth0").ok().map(|line| squeeze(&line))
    })?;
    story.step("fetch the page by address", |machine| {
        let address = address(machine, "web", "bridge")?;
        fetch(machine, "shell", &format!("http://{address}:8080/"))?;
        Ok(format!("shell asked {address}:8080 and got the page"))
    })?;
    story.step("fetch it from outside through the published port", |machine| {
        let page = machine.outside(&format!("curl -sS --max-time 5 http://{WIRE}/")).ok()?;
        ensure!(page == PAGE, "the neighbour got {page:?}");
        let rule = machine.sh("nft list map inet tombolo publish4 | grep -o 'tcp [.] 80 : [0-9. ]*'").ok()?;
        Ok(format!("{OUTSIDE} asked {WIRE}:80; the kernel's map says: {}", squeeze(&rule)))
    })
}

fn networks(story: &mut Story) -> Result<()> {
    story.step("make a network and connect both while they run", |machine| {
        machine.tombolo("network create site").ok()?;
        machine.tombolo("network connect site web").ok()?;
        machine.tombolo("network connect site shell").ok()?;
        Ok(format!(
            "web is {} there, shell {}",
            address(machine, "web", "site")?,
            address(machine, "shell", "site")?
        ))
    })?;
    story.step("fetch the page by name", |machine| {
        fetch(machine, "shell", "http://web:8080/")?;
        machine.tombolo("exec shell cat /etc/resolv.conf").ok().map(|text| {
            let server = text.lines().find(|line| line.starts_with("nameserver"));
            format!("the resolver inside answered: {}", server.unwrap_or_default())
        })
    })?;
    story.step("disconnect the shell", |machine| {
        machine.tombolo("network disconnect site shell").ok()?;
        let answer = machine.tombolo("exec shell curl -sS --max-time 1 http://web:8080/");
        ensure!(answer.code != 0, "the name still leads somewhere: {}", answer.stdout);
        Ok("the name means nothing to it any more".to_owned())
    })
}

fn modes(story: &mut Story) -> Result<()> {
    story.step("run a process in the web server's network (container: mode)", |machine| {
        let fetch = "run --rm --network container:web busybox curl -sS --max-time 5 http://127.0.0.1:8080/";
        let page = machine.tombolo(fetch).ok()?;
        ensure!(page == PAGE, "it got {page:?}");
        Ok("it found the page on its own loopback".to_owned())
    })?;
    story.step("run one in the host's network (host mode)", |machine| {
        let links = machine.tombolo("run --rm --network host busybox ls /sys/class/net").ok()?;
        ensure!(links.split_whitespace().any(|link| link == "wire"), "it saw {links}");
        Ok(format!("it sees the host's links: {}", links.split_whitespace().collect::<Vec<_>>().join(" ")))
    })?;
    story.step("run one with no network (none mode)", |machine| {
        let links = machine.tombolo("run --rm --network none busybox ls /sys/class/net").ok()?;
        ensure!(links.trim() == "lo", "it saw {links}");
        Ok("it sees lo and nothing else".to_owned())
    })
}

fn lives(story: &mut Story) -> Result<()> {
    story.step("stop the web server and start it again", |machine| {
        let before = address(machine, "web", "site")?;
        machine.tombolo("stop -t 1 web").ok()?;
        machine.tombolo("start web").ok()?;
        let after = address(machine, "web", "site")?;
        ensure!(before == after, "it was {before} and is {after}");
        Ok(format!("it kept its address {after}"))
    })?;
    story.step("kill the engine while the neighbour keeps fetching", |machine| {
        let traffic = Traffic::start(machine, &format!("http://{WIRE}/"))?;
        traffic.wait_for(20)?;
        machine.kill_engine()?;
        traffic.wait_for(20)?;
        machine.start_engine()?;
        traffic.wait_for(20)?;
        let (good, bad) = traffic.stop()?;
        ensure!(bad == 0, "{bad} of {} fetches failed", good + bad);
        let status = machine.tombolo("ps --format '{{.Names}} {{.Status}}'").ok()?;
        Ok(format!("{good} fetches, none failed; the new engine found {}", status.replace('\n', ", ")))
    })
}

fn end(story: &mut Story) -> Result<()> {
    story.step("remove everything and stop the engine", |machine| {
        machine.tombolo("rm -f web shell").ok()?;
        machine.tombolo("network rm site").ok()?;
        machine.stop_engine()?;
        Ok("containers, network and engine are gone".to_owned())
    })?;
    story.step("count what is left", |machine| {
        let left = until("the machine to be empty", || {
            let left = machine.leftovers();
            left.is_empty().then_some(left)
        });
        let left = left.or_else(|_| anyhow::bail!("left behind: {:#?}", machine.leftovers()))?;
        let counts: Vec<_> = left.counts().iter().map(|(what, count)| format!("{count} {what}")).collect();
        Ok(counts.join(", "))
    })?;
    story.finish();
    Ok(())
}

/// A container's IPv4 address on a network.
fn address(machine: &Machine, container: &str, network: &str) -> Result<String> {
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    machine.tombolo(&format!("inspect -f '{format}' {container}")).ok()
}

/// Fetches the page from inside a container.
fn fetch(machine: &Machine, from: &str, url: &str) -> Result<()> {
    let page = machine.tombolo(&format!("exec {from} curl -sS --max-time 5 {url}")).ok()?;
    ensure!(page == PAGE, "{from} got {page:?} from {url}");
    Ok(())
}

/// One blank between words.
fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
