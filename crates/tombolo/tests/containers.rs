//! The life of containers: made, started, stopped, killed, waited for, removed; and what they are given.

use anyhow::{Result, ensure};
use testkit::{Machine, until};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");
/// Ends with 9 when it gets USR1, and does not listen to TERM.
const STUBBORN: &str =
    "busybox sh -c 'trap \"exit 9\" USR1; trap \"\" TERM; touch /up; while :; do sleep 0.05; done'";

fn state(machine: &Machine, container: &str, key: &str) -> Result<serde_json::Value> {
    Ok(machine.inspect(container)?["State"][key].clone())
}

fn until_up(machine: &Machine, container: &str) -> Result<()> {
    until("the program to begin", || {
        (machine.docker(&format!("exec {container} test -e /up")).code == 0).then_some(())
    })
}

#[test]
fn every_way_to_end_has_its_code() -> Result<()> {
    let machine = machine()?;
    for (client, flags, end, code) in [
        ("docker", "", "stop -t 1", 137),
        (OURS, "", "stop -s USR1", 9),
        ("docker", "--stop-signal USR1", "stop", 9),
        (OURS, "--stop-signal 10 --stop-timeout 1", "stop", 9),
        ("docker", "--stop-timeout 1", "stop", 137),
        (OURS, "", "kill", 137),
        ("docker", "", "kill -s USR1", 9),
        (OURS, "--init", "kill -s SIGUSR1", 9),
    ] {
        machine.docker(&format!("run -d --name one {flags} {STUBBORN}")).ok()?;
        until_up(&machine, "one")?;
        machine.sh(&format!("{client} {end} one")).ok()?;
        ensure!(machine.docker("wait one").ok()? == code.to_string(), "{flags} {end}");
        ensure!(state(&machine, "one", "Status")? == "exited" && state(&machine, "one", "Pid")? == 0);
        ensure!(machine.docker("stop one").ok()? == "one", "stopping what has ended is no error");
        let again = machine.docker("kill one");
        ensure!(again.code == 1 && again.stderr.contains("is not running"), "{again:?}");
        machine.docker("rm one").ok()?;
    }
    machine.docker("run -d --name two busybox sleep 1000").ok()?;
    let first = state(&machine, "two", "Pid")?;
    machine.docker("restart -t 0 two").ok()?;
    ensure!(state(&machine, "two", "Pid")? != first && state(&machine, "two", "Running")? == true);
    ensure!(machine.call("POST", "/containers/two/start", "")?.status == 304);
    let kept = machine.docker("rm two");
    let text = "cannot remove container \"/two\": container is running: stop the container before removing or force remove";
    ensure!(kept.code == 1 && kept.stderr.contains(text), "{kept:?}");
    machine.docker("pause two").ok()?;
    ensure!(machine.docker("ps --format {{.Status}}").ok()?.ends_with("(Paused)"));
    ensure!(machine.docker("exec two true").stderr.contains("is paused, unpause the container before exec"));
    ensure!(machine.docker("pause two").stderr.contains("is already paused"));
    machine.docker("unpause two").ok()?;
    ensure!(machine.docker("unpause two").stderr.contains("is not paused"));
    machine.docker("rename two three").ok()?;
    machine.docker("run -d --name two busybox sleep 1000").ok()?;
    let taken = machine.call("POST", "/containers/three/rename?name=two", "")?;
    ensure!(taken.status == 409, "{taken:?}");
    let taken = machine.call("POST", "/v1.51/containers/create?name=two", r#"{"Image":"busybox"}"#)?;
    ensure!(
        taken.status == 409
            && taken
                .message()
                .starts_with("Conflict. The container name \"/two\" is already in use by container \""),
        "{taken:?}"
    );
    machine.docker("rm -f two three").ok()?;
    ensure!(machine.docker("rm two").stderr.contains("No such container: two"));
    machine.stop_engine()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}

#[test]
fn a_life_is_told_in_its_order() -> Result<()> {
    let machine = machine()?;
    machine.docker("create --name one -l a=b busybox sleep 1000").ok()?;
    for words in ["start one", "pause one", "unpause one", "rename one other", "stop -t 0 other", "rm other"]
    {
        machine.docker(words).ok()?;
    }
    machine.docker("run --rm --name brief busybox sh -c 'exit 3'");
    let told = |filters: &str| {
        let words = "events --since 1h --until 0s --filter type=container --format '{{.Action}} {{.Actor.Attributes.name}}'";
        machine.docker(&format!("{words} {filters}"))
    };
    until("the end to be told", || told("").stdout.contains("destroy brief").then_some(()))?;
    let expected = "create one\nstart one\npause one\nunpause one\nrename other\nkill other\ndie other\nstop other\ndestroy other\n\
         create brief\nattach brief\nstart brief\ndie brief\ndestroy brief";
    ensure!(told("").ok()? == expected, "{}", told("").stdout);
    ensure!(told("--filter label=a=b --filter event=die").ok()? == "die other");
    let die = machine.docker("events --since 1h --until 0s --filter container=brief --filter event=die --format '{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.image}}'");
    ensure!(die.clone().ok()? == "3 busybox", "{die:?}");
    Ok(())
}

#[test]
fn a_process_gets_what_was_asked_for() -> Result<()> {
    let machine = machine()?;
    let table = [
        ("--user 1000:1001 --group-add 50 busybox id -G", "1001 50"),
        ("--user 1000 busybox id -u", "1000"),
        ("--user nobody busybox id -un", "nobody"),
        ("--user root:nogroup busybox id -g", "65534"),
        ("-e A=1 -e B= busybox sh -c 'echo $A${B-unset}'", "1"),
        ("-w /made/up busybox pwd", "/made/up"),
        (
            "--hostname inner busybox sh -c 'hostname; cat /etc/hostname; grep -c inner /etc/hosts'",
            "inner\ninner\n1",
        ),
        ("--entrypoint echo busybox a b", "a b"),
        ("--add-host db:192.0.2.7 busybox grep db /etc/hosts", "192.0.2.7\tdb"),
        (
            "--dns 192.0.2.53 --dns-search x.example busybox grep -E '^(nameserver|search)' /etc/resolv.conf",
            "nameserver 192.0.2.53\nsearch x.example",
        ),
        ("--init busybox sh -c '(sleep 0.1 &); sleep 0.4; ps -o stat,comm | grep -c Z'", "0"),
        ("--init busybox cat /proc/1/comm", "docker-init"),
        ("--pid host --privileged busybox sh -c 'test $$ -gt 2 && echo far'", "far"),
    ];
    for (words, expected) in table {
        for client in ["docker", OURS] {
            let output = machine.sh(&format!("{client} run --rm {words}"));
            ensure!(output.stdout == expected, "{expected} was expected: {output:?}");
        }
    }
    let stranger = machine.docker("run --rm --user stranger busybox true");
    ensure!(
        stranger.code == 125
            && stranger.stderr.contains("unable to find user stranger: no matching entries in passwd file"),
        "{stranger:?}"
    );
    machine.docker("run -d --name up -e A=1 -l role=x busybox sleep 1000").ok()?;
    let table = [
        ("-e B=2 up sh -c 'echo $A$B'", "12"),
        ("-w /tmp -u 1:2 up sh -c 'pwd; id -u; id -G'", "/tmp\n1\n2"),
        ("up sh -c 'echo $HOME'", "/root"),
    ];
    for (words, expected) in table {
        for client in ["docker", OURS] {
            let output = machine.sh(&format!("{client} exec {words}"));
            ensure!(output.stdout == expected, "{expected} was expected: {output:?}");
        }
    }
    ensure!(machine.inspect("up")?["ExecIDs"].is_null(), "none runs");
    machine.docker("exec -d up sh -c 'touch /done; exec sleep 1000'").ok()?;
    until("the exec", || (machine.docker("exec up test -e /done").code == 0).then_some(()))?;
    ensure!(machine.inspect("up")?["ExecIDs"].as_array().is_some_and(|all| all.len() == 1));
    Ok(())
}

#[test]
fn mounts_are_what_was_asked_for() -> Result<()> {
    let machine = machine()?;
    let dir = machine.root().join("src").display().to_string();
    machine.sh(&format!("mkdir -p {dir}/sub && echo hello > {dir}/file")).ok()?;
    let run = |words: &str| machine.docker(&format!("run --rm {words}"));
    ensure!(run(&format!("-v {dir}:/d busybox sh -c 'cat /d/file; echo new > /d/new'")).ok()? == "hello");
    ensure!(machine.sh(&format!("cat {dir}/new")).ok()? == "new");
    let refused = run(&format!("-v {dir}:/d:ro busybox touch /d/x"));
    ensure!(refused.stderr.contains("Read-only file system"), "{refused:?}");
    ensure!(run(&format!("-v {dir}/file:/etc/one:ro busybox cat /etc/one")).ok()? == "hello");
    run(&format!("-v {dir}/missing:/d busybox test -d /d")).ok()?;
    ensure!(machine.sh(&format!("test -d {dir}/missing")).code == 0, "-v makes what is missing");
    let missing = run(&format!("--mount type=bind,src={dir}/never,dst=/d busybox true"));
    let text =
        format!("invalid mount config for type \"bind\": bind source path does not exist: {dir}/never");
    ensure!(missing.code == 125 && missing.stderr.contains(&text), "{missing:?}");
    run("-v named:/data busybox sh -c 'echo kept > /data/f'").ok()?;
    ensure!(run("-v named:/other:ro busybox cat /other/f").ok()? == "kept");
    run("-v /anonymous busybox touch /anonymous/f").ok()?;
    machine.docker("run -d --name up -v /anonymous -v named:/n busybox sleep 1000").ok()?;
    let volumes = || machine.docker("volume ls -q").ok();
    ensure!(volumes()?.lines().count() == 2, "--rm took the first anonymous one: {}", volumes()?);
    ensure!(machine.docker("volume rm named").stderr.contains("volume is in use"));
    machine.docker("rm -fv up").ok()?;
    ensure!(volumes()? == "named");
    ensure!(run("-v named:/n busybox cat /n/f").ok()? == "kept");
    machine.docker("run -d --name up --mount type=volume,src=named,dst=/n,ro busybox sleep 1000").ok()?;
    let mount = machine.inspect("up")?["Mounts"][0].clone();
    ensure!(
        mount["Type"] == "volume"
            && mount["Name"] == "named"
            && mount["Destination"] == "/n"
            && mount["RW"] == false,
        "{mount}"
    );
    Ok(())
}

#[test]
fn ten_are_started_at_once_and_found_by_filters() -> Result<()> {
    let machine = machine()?;
    let script = "for i in 0 1 2 3 4 5 6 7 8 9; do docker run -d --name c-$i -l n=$i -l all busybox sleep 1000 & done; wait";
    ensure!(machine.sh(script).ok()?.lines().count() == 10);
    let mut addresses: Vec<String> =
        (0..10).map(|i| machine.address(&format!("c-{i}"), "bridge")).collect::<Result<_>>()?;
    addresses.sort();
    addresses.dedup();
    ensure!(addresses.len() == 10, "{addresses:?}");
    machine.docker("kill c-1 c-2").ok()?;
    machine.docker("wait c-1 c-2").ok()?;
    machine.docker("pause c-3").ok()?;
    machine.docker("create --name never busybox true").ok()?;
    let id = machine.docker("inspect -f {{.Id}} c-4").ok()?;
    let table = [
        ("-f status=exited".to_owned(), "c-1 c-2"),
        ("-f status=paused".to_owned(), "c-3"),
        ("-f status=created".to_owned(), "never"),
        ("-f exited=137".to_owned(), "c-1 c-2"),
        ("-f label=n=5".to_owned(), "c-5"),
        ("-f label=all -f status=running -f name=c-[6-7]".to_owned(), "c-6 c-7"),
        (format!("-f id={}", &id[..12]), "c-4"),
        ("-f since=c-9 -f name=never".to_owned(), "never"),
        ("-f ancestor=busybox -f name=^/c-8$".to_owned(), "c-8"),
        ("-f ancestor=nothing".to_owned(), ""),
        ("-f network=bridge -f name=c-9".to_owned(), "c-9"),
    ];
    for (filters, expected) in table {
        for client in ["docker", OURS] {
            let list =
                machine.sh(&format!("{client} ps -a {filters} --format '{{{{.Names}}}}' | sort | xargs"));
            ensure!(list.stdout == expected, "{filters}: {list:?}");
        }
    }
    machine.sh("docker ps -aq | xargs docker rm -f").ok()?;
    machine.agree()
}

#[test]
fn who_is_to_be_restarted_is() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name twice --restart on-failure:2 busybox false").ok()?;
    machine.docker("run -d --name fine --restart on-failure:2 busybox true").ok()?;
    machine.docker("run -d --name always --restart always busybox sleep 0.1").ok()?;
    let count = |name: &str| Ok::<_, anyhow::Error>(machine.inspect(name)?["RestartCount"].as_u64());
    until("the policy to give up", || {
        (count("twice").ok()? == Some(2) && state(&machine, "twice", "Status").ok()? == "exited")
            .then_some(())
    })?;
    ensure!(count("fine")? == Some(0) && state(&machine, "fine", "Status")? == "exited");
    until("restarts", || (count("always").ok()? >= Some(2)).then_some(()))?;
    machine.docker("stop always").ok()?;
    ensure!(state(&machine, "always", "Status")? == "exited");
    machine.docker("run -d --name killed --restart unless-stopped busybox sleep 1000").ok()?;
    let first = state(&machine, "killed", "Pid")?;
    machine.sh(&format!("kill -9 {first}")).ok()?;
    until("another life", || {
        let pid = state(&machine, "killed", "Pid").ok()?;
        (pid != first && pid != 0).then_some(())
    })?;
    machine.docker("kill killed").ok()?;
    ensure!(machine.docker("wait killed").ok()? == "137", "a kill by the user is the end");
    ensure!(state(&machine, "always", "Running")? == false);
    Ok(())
}

#[test]
fn what_the_machine_decides_is_shown() -> Result<()> {
    let machine = machine()?;
    let hosts = machine.sh("readlink /proc/self/ns/cgroup").ok()?;
    for asked in ["", "--cgroupns host", "--cgroupns private", "--privileged"] {
        machine.docker(&format!("run -d --name box {asked} busybox sleep 1000")).ok()?;
        let shown = machine.inspect("box")?["HostConfig"]["CgroupnsMode"].clone();
        let own = machine.docker("exec box readlink /proc/1/ns/cgroup").ok()?;
        ensure!(shown == if own == hosts { "host" } else { "private" }, "{asked}: {shown} {own} {hosts}");
        machine.docker("rm -f box").ok()?;
    }
    Ok(())
}

/// A start does not change when a container last ended.
#[test]
fn the_last_end_stays_known() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name box busybox sleep 1000").ok()?;
    let finished = || -> Result<String> {
        Ok(machine.inspect("box")?["State"]["FinishedAt"].as_str().unwrap_or_default().to_owned())
    };
    ensure!(finished()? == "0001-01-01T00:00:00Z");
    machine.docker("stop -t 0 box").ok()?;
    let ended = finished()?;
    ensure!(!ended.starts_with("0001"));
    machine.docker("start box").ok()?;
    ensure!(finished()? == ended);
    machine.docker("pause box").ok()?;
    ensure!(finished()? == ended);
    machine.docker("unpause box").ok()?;
    machine.kill_engine()?;
    machine.start_engine()?;
    ensure!(finished()? == ended);
    machine.docker("restart -t 0 box").ok()?;
    ensure!(finished()? > ended);
    Ok(())
}
