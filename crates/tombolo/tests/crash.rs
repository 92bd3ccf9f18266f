//! An engine that is killed at any moment: what was answered is true, what was not did not happen.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Place, WIRE};

/// How often the engine is killed.
const KILLS: u32 = 20;

/// One customer: makes, connects, disconnects and removes, and writes down what was begun and
/// what was answered. Two of them work at the same time.
const CUSTOMER: &str = r#"
n=0
did() { echo "begin $1" >> $LOG; shift; "$@" >/dev/null 2>&1; }
while :; do
    n=$((n+1))
    did "net $ME-$n" docker network create $ME-$n && echo "made net $ME-$n" >> $LOG
    did "run c$ME-$n" docker run -d --name c$ME-$n --network $ME-$n busybox sleep 1000 && echo "made run c$ME-$n" >> $LOG
    did "on c$ME-$n site" docker network connect site c$ME-$n && echo "made on c$ME-$n site" >> $LOG
    did "off c$ME-$n site" docker network disconnect site c$ME-$n && echo "made off c$ME-$n site" >> $LOG
    did "rm c$ME-$n" docker rm -f c$ME-$n && echo "made rm c$ME-$n" >> $LOG
    did "netrm $ME-$n" docker network rm $ME-$n && echo "made netrm $ME-$n" >> $LOG
done
"#;

/// A connection from outside, again and again, while engines come and go.
struct Traffic {
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
    served: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Traffic {
    fn start(machine: &Machine, server: TcpListener) -> Result<Self> {
        let [lost, served] = [0, 0].map(|zero| Arc::new(AtomicUsize::new(zero)));
        let stop = Arc::new(AtomicBool::new(false));
        let to: SocketAddr = format!("{WIRE}:80").parse()?;
        let (stopped, failed, passed) = (Arc::clone(&stop), Arc::clone(&lost), Arc::clone(&served));
        let client = machine.at(Place::Outside, move || {
            // A thread of this one's namespace.
            thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let went = TcpStream::connect_timeout(&to, Duration::from_secs(5)).is_ok();
                    if went { &passed } else { &failed }.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(5));
                }
            })
        })?;
        let stopped = Arc::clone(&stop);
        let accept = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                while server.accept().is_ok() {}
                thread::sleep(Duration::from_millis(1));
            }
        });
        Ok(Self { stop, lost, served, threads: vec![client, accept] })
    }

    fn end(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok().context("a thread panicked")?;
        }
        let (lost, served) = (self.lost.load(Ordering::Relaxed), self.served.load(Ordering::Relaxed));
        ensure!(lost == 0 && served > 0, "{lost} connections lost, {served} served");
        Ok(())
    }
}

#[test]
fn a_killed_engine_loses_nothing_and_leaves_nothing() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web -p 80:8080 busybox sleep 10000").ok()?;
    machine.docker("network connect site web").ok()?;
    let traffic = Traffic::start(&machine, machine.listen(Place::In("web"), "0.0.0.0:8080")?)?;
    for kill in 0..KILLS {
        let logs = work_until_killed(&machine, kill)?;
        machine.start_engine()?;
        machine.agree().with_context(|| format!("kill {kill}\n{logs}\n{}", machine.engine_log()))?;
        kept_its_word(&machine, &logs).with_context(|| format!("kill {kill}\n{logs}"))?;
        machine.sh("docker ps -aq --filter name=^c | xargs -r docker rm -f; docker network prune -f").ok()?;
        let names = names(&machine)?;
        ensure!(names.iter().map(String::as_str).eq(["bridge", "host", "none", "site", "web"]), "{names:?}");
    }
    traffic.end()?;
    machine.docker("rm -f web").ok()?;
    machine.docker("network rm site").ok()?;
    machine.stop_engine()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}

/// Lets two customers work, kills the engine at some moment, and tells what they wrote down.
fn work_until_killed(machine: &Machine, kill: u32) -> Result<String> {
    let root = machine.root().display().to_string();
    let mut customers = Vec::new();
    for me in ["a", "b"] {
        let script = format!("ME={me}{kill}; LOG={root}/{me}{kill}.log; {CUSTOMER}");
        customers.push(machine.start_sh(&script)?);
    }
    // Moments that spread over a round of the customers' work, the same in every run.
    let moment = Duration::from_millis(u64::from(200 + (kill * 137) % 900));
    thread::sleep(moment);
    machine.kill_engine()?;
    for mut customer in customers {
        customer.kill()?;
        customer.wait()?;
    }
    machine.sh(&format!("cat {root}/a{kill}.log {root}/b{kill}.log")).ok()
}

/// What was answered is so; what was begun and not answered may not be half done.
fn kept_its_word(machine: &Machine, log: &str) -> Result<()> {
    let there = names(machine)?;
    let answered: BTreeSet<_> = log.lines().filter_map(|line| line.strip_prefix("made ")).collect();
    let begun: BTreeSet<_> = log.lines().filter_map(|line| line.strip_prefix("begin ")).collect();
    for act in &answered {
        let (verb, what) = act.split_once(' ').context("an act")?;
        let undo = match verb {
            "net" => format!("netrm {what}"),
            "run" => format!("rm {what}"),
            "rm" | "netrm" => {
                ensure!(!there.contains(what), "{what} was removed");
                continue;
            }
            _ => continue,
        };
        ensure!(begun.contains(undo.as_str()) || there.contains(what), "{what} was made");
    }
    for act in answered.iter().filter_map(|act| act.strip_prefix("on ")) {
        let (container, network) = act.split_once(' ').context("an act")?;
        if !begun.contains(format!("off {act}").as_str()) {
            machine.address(container, network)?;
        }
    }
    Ok(())
}

/// The names of all networks and containers, sorted.
fn names(machine: &Machine) -> Result<BTreeSet<String>> {
    let names =
        machine.sh("docker network ls --format '{{.Name}}'; docker ps -a --format '{{.Names}}'").ok()?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// What an engine starts again when it begins was at times taken for something that belongs to nobody.
#[test]
fn what_is_started_again_at_the_beginning_keeps_its_network() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    for number in 1..=3 {
        machine.docker(&format!("run -d --name other-{number} busybox sleep 1000")).ok()?;
    }
    machine.docker("run -d --name web --restart always busybox sleep 1000").ok()?;
    for _ in 0..10 {
        machine.docker("stop -t 0 web").ok()?;
        machine.stop_engine()?;
        machine.start_engine()?;
        let state = testkit::until("an end of the restart", || {
            let state = machine.docker("inspect -f {{.State.Status}} web").ok().ok()?;
            (state != "restarting").then_some(state)
        })?;
        ensure!(state == "running", "{state}\n{}", machine.engine_log());
    }
    Ok(())
}
