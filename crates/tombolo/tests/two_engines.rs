//! Two engines of ours: one for each network stack.

use anyhow::{Context, Result, ensure};
use testkit::{Machine, until};

/// The words that start another engine, with everything of its own.
fn other(machine: &Machine) -> String {
    let root = machine.root().display().to_string();
    let binary = env!("CARGO_BIN_EXE_tombolo");
    let places = format!("--data-root {root}/data2 --exec-root {root}/exec2 --pidfile {root}/2.pid");
    format!("{binary} daemon {places} -H unix://{root}/2.sock")
}

/// Starts another engine, and ends it again when it has answered.
fn starts(machine: &Machine, words: &str) -> Result<()> {
    let socket = format!("{}/2.sock", machine.root().display());
    let mut engine = machine.start_sh(&format!("exec {words} 2> {}/2.log", machine.root().display()))?;
    let ping = format!("curl -sS --unix-socket {socket} http://engine/_ping");
    let answers = until("the other engine", || machine.sh(&ping).ok().ok());
    engine.kill()?;
    engine.wait()?;
    answers.with_context(|| machine.sh(&format!("cat {}/2.log", machine.root().display())).stdout)?;
    Ok(())
}

#[test]
fn a_network_stack_has_one_engine() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine.docker("run -d --name web -p 8080:80 busybox sleep 1000").ok()?;
    let pid = machine.engine_pid().context("an engine")?;
    let rules = machine.sh("nft list ruleset").ok()?;

    let refused = machine.sh(&other(&machine));
    let text = format!("another engine (process {pid}) works on this network stack");
    ensure!(refused.ok().is_err_and(|error| error.to_string().contains(&text)), "the second engine starts");
    ensure!(machine.sh("nft list ruleset").ok()? == rules, "the second engine changed rules");
    machine.agree()?;

    starts(&machine, &format!("unshare -n {}", other(&machine))).context("on another network stack")?;
    ensure!(machine.sh("nft list ruleset").ok()? == rules, "an engine elsewhere changed rules");

    // Whoever is no engine keeps none from starting.
    machine.kill_engine()?;
    let squat = "import os,socket,time; os.setuid(65534); s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); \
                 s.bind(chr(0)+'tombolo/network'); s.listen(); print('up',flush=True); time.sleep(60)";
    let log = format!("{}/squat", machine.root().display());
    let script = format!("exec python3 -c \"{squat}\" > {log}");
    let mut squatter = machine.start_sh(&script)?;
    until("a squatter", || machine.sh(&format!("grep up {log}")).ok().ok())?;
    machine.start_engine()?;
    squatter.kill()?;
    squatter.wait()?;
    ensure!(machine.engine_log().contains("the network stack cannot be claimed"), "{}", machine.engine_log());

    machine.kill_engine()?;
    machine.start_engine().context("after SIGKILL")?;
    machine.agree()
}
