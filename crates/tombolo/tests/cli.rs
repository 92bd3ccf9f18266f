//! Our command line against our engine, beside Docker's own.

use anyhow::{Result, ensure};
use testkit::{Machine, Output};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str) {
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (code, stdout),
        "{}: {}",
        output.command,
        output.stderr
    );
}

#[test]
fn exit_codes_and_streams_are_the_processs() -> Result<()> {
    let machine = machine()?;
    check(&machine.tombolo("run --rm busybox echo hello"), 0, "hello");
    let output = machine.tombolo("run --rm busybox sh -c 'echo out; echo err >&2; exit 7'");
    check(&output, 7, "out");
    assert_eq!(output.stderr, "err");
    check(&machine.tombolo("run --rm busybox nope"), 127, "");
    check(&machine.tombolo("run --rm busybox /etc"), 126, "");
    check(&machine.tombolo("run --rm nothere"), 125, "");
    check(&machine.tombolo("run --nope busybox"), 125, "");
    let binary = env!("CARGO_BIN_EXE_tombolo");
    check(&machine.sh(&format!("printf 'a\\nb' | {binary} run -i --rm busybox cat")), 0, "a\nb");
    machine.tombolo("run -dit --name shell busybox sh").ok()?;
    check(&machine.tombolo("exec shell sh -c 'exit 9'"), 9, "");
    check(&machine.sh(&format!("echo in | {binary} exec -i shell cat")), 0, "in");
    let not_found = machine.tombolo("exec shell nope");
    ensure!(not_found.code == 127, "{not_found:?}");
    ensure!(not_found.stdout.contains("exec: \"nope\": executable file not found in $PATH"), "{not_found:?}");
    let trap = "trap \"exit 5\" TERM; while :; do sleep 0.1; done";
    let script = format!(
        "{binary} run --rm --name loop busybox sh -c '{trap}' & pid=$!
        until {binary} exec loop true 2>/dev/null; do sleep 0.1; done; kill -TERM $pid; wait $pid"
    );
    check(&machine.sh(&script), 5, "");
    machine.tombolo("rm -f shell").ok()?;
    Ok(())
}

#[test]
fn a_terminal_is_one_and_ends_with_the_processs_code() -> Result<()> {
    let machine = machine()?;
    let binary = env!("CARGO_BIN_EXE_tombolo");
    let typed =
        format!("script -qec \"{binary} run --rm -it busybox sh -c 'tty; exit 3'\" /dev/null < /dev/null");
    let output = machine.sh(&typed);
    ensure!(output.code == 3 && output.stdout.contains("/dev/pts/0"), "{output:?}");
    let refused = machine.tombolo("run --rm -it busybox sh");
    ensure!(refused.code == 125 && refused.stderr.contains("the input device is not a TTY"), "{refused:?}");
    Ok(())
}

#[test]
fn what_is_printed_is_what_docker_prints() -> Result<()> {
    let machine = machine()?;
    machine.tombolo("network create --subnet 10.99.0.0/24 --label x=y site").ok()?;
    machine
        .tombolo("run -d --name web -l a=b -p 8080:80 -p 7000-7002:7000-7002 -v data:/d --network site --ip 10.99.0.9 busybox sleep 1000")
        .ok()?;
    let mut differences = Vec::new();
    for words in [
        "inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web",
        "inspect -f '{{json .Config}}{{json .NetworkSettings.Networks}}' web",
        "inspect -f '{{.Config.Cmd}} {{.Config.Volumes}} {{.HostConfig.CapAdd}} {{.State.Health}}' web",
        "inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.NetworkSettings.IPAddress}}' web",
        "inspect -f '{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{(index $c 0).HostPort}} {{end}}' web",
        "inspect web site",
        "image inspect busybox",
        "network ls",
        "network ls --format json",
        "ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.Ports}} {{.Mounts}} {{.Label \"a\"}}'",
        "ps --format 'table {{.Names}}\\t{{.Image}}\\t{{.Ports}}'",
        "ps -q",
        "images --format '{{.Repository}}|{{.Tag}}|{{.ID}}|{{.Size}}|{{.Digest}}'",
        "port web",
        "port web 80",
        "top web -o pid,comm",
        "volume ls",
        "history --no-trunc -q busybox",
        "inspect nope",
        "rm nope",
    ] {
        let (ours, docker) = (machine.tombolo(words), machine.docker(words));
        if (ours.code, &ours.stdout, &ours.stderr) != (docker.code, &docker.stdout, &docker.stderr) {
            differences.push((ours, docker));
        }
    }
    ensure!(differences.is_empty(), "{differences:#?}");
    machine.tombolo("rm -f web").ok()?;
    Ok(())
}
