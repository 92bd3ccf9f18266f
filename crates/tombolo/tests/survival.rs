//! Containers outlive their engine: what runs goes on, what ends meanwhile is told as it was,
//! and a shim that is killed takes its container along cleanly.

#![expect(clippy::disallowed_methods, reason = "clients of the engine are programs, and tests start them")]

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use testkit::{Machine, until};

/// How often the engine is killed while containers begin and end.
const KILLS: u32 = 20;

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// The first process of a container, as the host counts it.
fn pid(machine: &Machine, container: &str) -> Result<i32> {
    let pid = machine.inspect(container)?["State"]["Pid"].as_i64().unwrap_or_default();
    ensure!(pid > 0, "{container} does not run");
    Ok(i32::try_from(pid)?)
}

fn signal(pid: i32, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(pid).context("no process")?, signal)?)
}

/// The shim of a container.
fn shim(machine: &Machine, container: &str) -> Result<i32> {
    let id = machine.inspect(container)?["Id"].as_str().unwrap_or_default().to_owned();
    let is_its = |command: &str| command.contains(" shim ") && command.contains(&id);
    let shims: Vec<_> = machine.processes().into_iter().filter(|(_, command)| is_its(command)).collect();
    ensure!(shims.len() == 1, "the shims of {container}: {shims:?}");
    Ok(i32::try_from(shims[0].0)?)
}

/// Waits for the end of a process that is another one's child.
fn wait_for_end(machine: &Machine, pid: i32) -> Result<()> {
    // One that has ended and is not yet waited for has no command line.
    let runs = |(other, command): &(u32, String)| i32::try_from(*other) == Ok(pid) && !command.is_empty();
    until("the end of a process", || (!machine.processes().iter().any(runs)).then_some(()))
}

fn state(machine: &Machine, container: &str) -> Result<(String, i64)> {
    let shown = machine.inspect(container)?;
    let status = shown["State"]["Status"].as_str().unwrap_or_default().to_owned();
    Ok((status, shown["State"]["ExitCode"].as_i64().unwrap_or(-1)))
}

fn is_empty(machine: &Machine) -> Result<()> {
    machine.stop_engine()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}\n{}", machine.engine_log());
    Ok(())
}

#[test]
fn ends_without_an_engine_are_told_as_they_were() -> Result<()> {
    let machine = machine()?;
    let run =
        |flags: &str, script: &str| machine.docker(&format!("run -d {flags} busybox sh -c '{script}'")).ok();
    let ends = "trap \"exit 7\" USR1; while :; do sleep 0.05; done";
    run("--name coded", ends)?;
    run("--name killed", "sleep 1000")?;
    run("--name passing --rm", ends)?;
    run("--name again --restart on-failure", ends)?;
    run("--name stays", "sleep 1000")?;
    let pids = [
        ("coded", Signal::USR1),
        ("killed", Signal::KILL),
        ("passing", Signal::USR1),
        ("again", Signal::USR1),
    ];
    let pids = pids.map(|(name, signal)| pid(&machine, name).map(|pid| (pid, signal)));
    let stays = pid(&machine, "stays")?;

    machine.kill_engine()?;
    let before = Timestamp::now();
    for ended in pids {
        let (pid, how) = ended?;
        signal(pid, how)?;
        wait_for_end(&machine, pid)?;
    }
    let after = Timestamp::now();
    // Were ends timed by the engine that hears of them, they would be later than this.
    thread::sleep(Duration::from_millis(300));
    machine.start_engine()?;

    for (name, code) in [("coded", 7), ("killed", 137)] {
        ensure!(
            state(&machine, name)? == ("exited".to_owned(), code),
            "{name}: {:?}",
            state(&machine, name)?
        );
        let shown = machine.inspect(name)?;
        let finished: Timestamp = shown["State"]["FinishedAt"].as_str().context("no time")?.parse()?;
        ensure!(
            before <= finished && finished <= after + Duration::from_millis(250),
            "{name} ended {finished}, not {before}..{after}"
        );
        ensure!(machine.docker(&format!("wait {name}")).ok()?.trim() == code.to_string());
        ensure!(
            shown["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == "",
            "{name} keeps its address"
        );
    }
    until("the removal of what was run with --rm", || machine.inspect("passing").is_err().then_some(()))?;
    until("the restart", || (state(&machine, "again").ok()?.0 == "running").then_some(()))?;
    ensure!(machine.inspect("again")?["RestartCount"] == 1);
    ensure!(pid(&machine, "stays")? == stays, "it was started again");
    machine.agree()?;
    machine.docker("rm -f coded killed again stays").ok()?;
    is_empty(&machine)
}

#[test]
fn logs_have_every_line_once() -> Result<()> {
    let machine = machine()?;
    let script = "i=0; while :; do i=$((i+1)); echo $i; echo $i >&2; usleep 2000; done";
    machine.docker(&format!("run -d --name talks busybox sh -c '{script}'")).ok()?;
    let lines = |machine: &Machine| -> Result<usize> {
        Ok(machine.sh("docker logs talks 2>/dev/null").ok()?.lines().count())
    };
    for _ in 0..4 {
        let before = lines(&machine)?;
        machine.kill_engine()?;
        // It talks to nobody for a while.
        thread::sleep(Duration::from_millis(200));
        machine.start_engine()?;
        until("more lines", || (lines(&machine).ok()? > before + 20).then_some(()))?;
    }
    machine.docker("stop -t 0 talks").ok()?;
    for stream in ["2>/dev/null", "2>&1 >/dev/null"] {
        let said = machine.sh(&format!("docker logs talks {stream}")).ok()?;
        let numbers: Vec<usize> = said.lines().map(str::parse).collect::<Result<_, _>>()?;
        let wanted: Vec<usize> = (1..=numbers.len()).collect();
        ensure!(numbers == wanted && numbers.len() > 100, "{stream}: {} lines", numbers.len());
    }
    machine.docker("rm talks").ok()?;
    is_empty(&machine)
}

/// A docker command that goes on until the engine lets go of it.
fn client(machine: &Machine, words: &str) -> Result<Child> {
    let mut command = Command::new("docker");
    command.args(words.split(' ')).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    machine.spawn(command)
}

/// Waits until a client that was waiting has been told.
fn ends(mut client: Child, what: &str) -> Result<()> {
    until(what, || client.try_wait().ok().flatten()).map(drop).inspect_err(|_| drop(client.kill()))
}

/// Attaches to the container that says what it hears.
fn echoes(machine: &Machine) -> Result<()> {
    let mut command = Command::new("docker");
    command.args(["attach", "echoes"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = machine.spawn(command)?;
    // An attached client whose input ends is let go.
    let mut input = client.stdin.take().context("no input")?;
    input.write_all(b"hello\n")?;
    let mut heard = [0; 6];
    client.stdout.take().context("no output")?.read_exact(&mut heard)?;
    ensure!(&heard == b"hello\n");
    input.write_all(b"and good-bye\n")?;
    drop(input);
    let is_logged = || machine.docker("logs echoes").stdout.contains("good-bye").then_some(());
    until("the last words of a client", is_logged)?;
    client.kill()?;
    client.wait()?;
    Ok(())
}

#[test]
fn attached_clients_are_let_go_and_containers_are_not() -> Result<()> {
    let machine = machine()?;
    for is_polite in [true, false] {
        machine.docker("run -d -i --name echoes busybox cat").ok()?;
        machine.docker("run -d -t --name asks busybox sh").ok()?;
        let first = pid(&machine, "echoes")?;
        let words = ["attach echoes", "logs -f echoes", "exec -i echoes cat", "wait echoes", "events"];
        let clients = words.map(|words| client(&machine, words).map(|client| (words, client)));
        until("the exec to run", || machine.docker("top echoes").stdout.matches("cat").nth(1).map(drop))?;
        if is_polite { machine.stop_engine() } else { machine.kill_engine() }?;
        for client in clients {
            let (words, client) = client?;
            ends(client, words)?;
        }
        machine.start_engine()?;

        ensure!(pid(&machine, "echoes")? == first, "it was started again");
        echoes(&machine)?;
        machine.docker("exec asks stty -F /dev/pts/0 size").ok()?;
        ensure!(machine.docker("exec asks echo again").ok()? == "again");
        machine.docker("pause asks").ok()?;
        machine.kill_engine()?;
        machine.start_engine()?;
        ensure!(state(&machine, "asks")?.0 == "paused");
        machine.docker("unpause asks").ok()?;
        machine.docker("stop -t 1 asks").ok()?;
        machine.docker("rm -f echoes asks").ok()?;
    }
    is_empty(&machine)
}

#[test]
fn a_killed_shim_takes_its_container_along() -> Result<()> {
    let machine = machine()?;
    for is_watched in [true, false] {
        let script = "sleep 1001 & sleep 1002 & wait";
        machine.docker(&format!("run -d --name web -p 80:80 busybox sh -c '{script}'")).ok()?;
        machine.docker("run -d --name gone --rm busybox sleep 1003").ok()?;
        let shims = [shim(&machine, "web")?, shim(&machine, "gone")?];
        if !is_watched {
            machine.kill_engine()?;
        }
        for pid in shims {
            signal(pid, Signal::KILL)?;
        }
        if !is_watched {
            machine.start_engine()?;
        }
        until("the end to be noticed", || (state(&machine, "web").ok()?.0 == "exited").then_some(()))?;
        ensure!(state(&machine, "web")?.1 == 137);
        until("the removal", || machine.inspect("gone").is_err().then_some(()))?;
        let left = machine.processes();
        ensure!(left.is_empty(), "{left:?}");
        let left = machine.leftovers();
        ensure!(
            left.cgroups.is_empty() && left.mounts.iter().all(|mount| !mount.contains("overlay")),
            "{left:#?}"
        );
        machine.agree()?;
        // Neither its port nor its name nor its root is held by anybody.
        machine.docker("start web").ok()?;
        ensure!(machine.docker("exec web echo here").ok()? == "here");
        machine.docker("rm -f web").ok()?;
    }
    is_empty(&machine)
}

/// Begins and ends containers in every way, for ever.
const CUSTOMER: &str = r"
n=0
while :; do
    n=$((n+1)); c=$ME-$n
    docker create --name $c -v $c-data:/data busybox sh -c 'trap : TERM; sleep 1000 & wait'
    docker start $c
    docker exec $c true
    docker pause $c; docker unpause $c
    docker restart -t 1 $c
    docker stop -t 1 $c
    docker start $c
    docker kill $c
    docker run --rm --name $c-once busybox true
    docker rename $c $c-old
    docker rm -f -v $c-old; docker volume rm $c-data
done >/dev/null 2>&1
";

#[test]
fn kills_in_the_midst_of_beginnings_and_ends_leave_nothing() -> Result<()> {
    let machine = machine()?;
    for kill in 0..KILLS {
        let customers = ["a", "b"].map(|me| machine.start_sh(&format!("ME={me}{kill}; {CUSTOMER}")));
        // Moments that spread over a round of the customers' work, the same in every run.
        thread::sleep(Duration::from_millis(u64::from(150 + (kill * 211) % 1400)));
        machine.kill_engine()?;
        for customer in customers {
            let mut customer = customer?;
            customer.kill()?;
            customer.wait()?;
        }
        machine.start_engine()?;
        settles(&machine).with_context(|| format!("kill {kill}\n{}", machine.engine_log()))?;
    }
    is_empty(&machine)
}

/// What runs can be entered, what does not has nothing, and all of it can be removed.
fn settles(machine: &Machine) -> Result<()> {
    machine.agree()?;
    let listed = machine.docker("ps -a --format {{.Names}}={{.State}}").ok()?;
    for line in listed.lines() {
        let (name, state) = line.split_once('=').context("a state")?;
        match state {
            "running" => drop(machine.docker(&format!("exec {name} true")).ok()?),
            "paused" => drop(machine.docker(&format!("unpause {name}")).ok()?),
            "created" | "exited" => drop(machine.docker(&format!("start {name}")).ok()?),
            // Run with --rm, it goes by itself.
            "removing" => {}
            other => anyhow::bail!("{name} is {other}"),
        }
    }
    machine.sh("docker ps -aq | xargs -r docker rm -f -v; docker volume prune -af").ok()?;
    until("all to be gone", || machine.docker("ps -aq").stdout.is_empty().then_some(()))?;
    let left = machine.leftovers();
    let is_clean = left.cgroups.is_empty() && left.processes.is_empty() && left.namespaces.is_empty();
    ensure!(is_clean && left.mounts.iter().all(|mount| !mount.contains("overlay")), "{left:#?}");
    Ok(())
}
