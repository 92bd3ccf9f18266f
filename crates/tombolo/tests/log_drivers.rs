//! Where output goes: files that are rotated and compressed, a syslog server, nowhere.

use std::{
    io::{BufRead, BufReader},
    os::unix::net::UnixDatagram,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Output, Place, until};

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");

#[track_caller]
fn says(output: &Output, text: &str) -> Result<()> {
    ensure!(output.code != 0 && output.stderr.contains(text), "{text:?} was expected: {output:?}");
    Ok(())
}

/// The numbers of the lines that are read.
fn numbers(output: &Output) -> Result<Vec<u32>> {
    output
        .clone()
        .ok()?
        .lines()
        .map(|line| Ok(line.split(' ').next().context("a number")?.parse()?))
        .collect()
}

#[test]
fn files_are_rotated_compressed_and_read_again() -> Result<()> {
    let machine = Machine::start_with(OURS, &["--log-driver", "local", "--log-opt", "max-size=4k"])?;
    let count = "busybox sh -c 'i=0; while [ $i -lt 300 ]; do echo $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1)); done'";
    machine.docker(&format!("run --name own {count}")).ok()?;
    let config = machine.inspect("own")?["HostConfig"]["LogConfig"].clone();
    ensure!(config["Type"] == "local" && config["Config"]["max-size"] == "4k", "{config}");
    ensure!(machine.inspect("own")?["LogPath"] == "", "what local keeps is for nobody else to read");
    let id = machine.docker("inspect -f {{.Id}} own").ok()?;
    let logs = machine.data_root().join("containers").join(&id).join("local-logs").display().to_string();
    let names = machine.sh(&format!("ls {logs}")).ok()?;
    let expected = ["", ".1.gz", ".2.gz", ".3.gz", ".4.gz"].map(|end| format!("container.log{end}"));
    ensure!(names.lines().eq(expected.iter()), "{names}");
    let all = numbers(&machine.docker("logs own"))?;
    ensure!(all.len() > 100 && all.last() == Some(&299) && all.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    ensure!(numbers(&machine.docker("logs --tail 90 own"))? == (210..300).collect::<Vec<_>>());
    let text = machine.docker("logs -t --tail 60 own").ok()?;
    let since = text.split(' ').next().context("a time")?.to_owned();
    ensure!(
        numbers(&machine.docker(&format!("logs --since {since} own")))?
            .ends_with(&(240..300).collect::<Vec<_>>())
    );
    // The engine's options are for its own driver.
    machine.docker(&format!("run --name other --log-driver json-file --log-opt max-size=4k --log-opt max-file=2 --log-opt compress=true {count}")).ok()?;
    let path = machine.inspect("other")?["LogPath"].as_str().context("a path")?.to_owned();
    let names = machine.sh(&format!("ls {path}*")).ok()?;
    ensure!(names == format!("{path}\n{path}.1.gz"), "{names}");
    // Somebody who follows sees every line, over all rotations.
    let slow = "sh -c 'i=0; while [ $i -lt 400 ]; do echo $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.02; done'";
    machine.docker(&format!("create --name live busybox {slow}")).ok()?;
    let out = machine.root().join("followed").display().to_string();
    let mut follower = machine.start_sh(&format!("docker start live && exec docker logs -f live > {out}"))?;
    machine.docker("start live").ok()?;
    ensure!(machine.docker("wait live").ok()? == "0");
    ensure!(follower.wait()?.success());
    let followed = numbers(&machine.sh(&format!("cat {out}")))?;
    ensure!(followed == (0..400).collect::<Vec<_>>(), "{} lines", followed.len());
    Ok(())
}

#[test]
fn lines_carry_what_was_chosen() -> Result<()> {
    let machine = Machine::start(OURS)?;
    let options = "--log-opt labels=role --log-opt env-regex=^A --log-opt tag={{.Name}}/{{.ImageName}}";
    machine
        .docker(&format!("run --name box -l role=db -l other=x -e A1=2 {options} busybox echo hello"))
        .ok()?;
    let path = machine.inspect("box")?["LogPath"].as_str().context("a path")?.to_owned();
    let line: serde_json::Value = serde_json::from_str(&machine.sh(&format!("cat {path}")).ok()?)?;
    ensure!(line["attrs"] == serde_json::json!({"A1": "2", "role": "db", "tag": "box/busybox"}), "{line}");
    ensure!(machine.docker("logs box").ok()? == "hello");
    Ok(())
}

#[test]
fn nothing_is_kept_where_nothing_is_asked_for() -> Result<()> {
    let machine = Machine::start(OURS)?;
    machine.docker("run --name quiet --log-driver none busybox echo hello").ok()?;
    for client in ["docker", OURS] {
        says(
            &machine.sh(&format!("{client} logs quiet")),
            "configured logging driver does not support reading",
        )?;
    }
    for (options, text) in [
        ("--log-driver journald", "logger: no log driver named 'journald' is registered"),
        ("--log-opt fast=yes", "unknown log opt 'fast' for json-file log driver"),
        ("--log-driver syslog --log-opt syslog-address=x", "unsupported syslog address"),
        ("--log-opt max-buffer-size=1m", "max-buffer-size option is only supported with 'mode=non-blocking'"),
    ] {
        says(&machine.docker(&format!("run --rm {options} busybox true")), text)?;
    }
    machine.docker("run --rm --log-opt mode=non-blocking --log-opt max-buffer-size=1m busybox true").ok()?;
    Ok(())
}

#[test]
fn a_syslog_server_is_told() -> Result<()> {
    let machine = Machine::start(OURS)?;
    let said = "busybox sh -c 'echo out; echo err >&2'";
    // A socket of the machine's own.
    let at = machine.root().join("log");
    let bound = at.clone();
    let server = machine.within(move || UnixDatagram::bind(bound))?;
    server.set_read_timeout(Some(Duration::from_secs(10)))?;
    let address = format!("--log-driver syslog --log-opt syslog-address=unixgram://{}", at.display());
    machine.docker(&format!("run --name one {address} --log-opt tag={{{{.Name}}}} {said}")).ok()?;
    let mut buffer = [0; 512];
    let mut heard = Vec::new();
    for _ in 0..2 {
        let length = server.recv(&mut buffer)?;
        heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    heard.sort();
    ensure!(
        heard[0].starts_with("<27>") && heard[0].ends_with("]: err\n") && heard[0].contains(" one["),
        "{heard:?}"
    );
    ensure!(heard[1].starts_with("<30>") && heard[1].ends_with("]: out\n"), "{heard:?}");
    says(&machine.docker("logs one"), "configured logging driver does not support reading")?;
    // By UDP and TCP.
    let server = machine.datagrams(Place::Host, "127.0.0.1:1514")?;
    let format = "--log-opt syslog-facility=local0 --log-opt syslog-format=rfc5424";
    machine
        .docker(&format!(
            "run --rm --log-driver syslog --log-opt syslog-address=udp://127.0.0.1:1514 {format} {said}"
        ))
        .ok()?;
    let length = server.recv(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    ensure!(text.starts_with("<134>1 ") || text.starts_with("<131>1 "), "{text}");
    let listener = machine.listen(Place::Host, "127.0.0.1:1515")?;
    let tcp = "--log-driver syslog --log-opt syslog-address=tcp://127.0.0.1:1515";
    machine
        .docker(&format!(
            "run -d --name two {tcp} busybox sh -c 'i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done'"
        ))
        .ok()?;
    let (client, _) = until("a client", || listener.accept().ok())?;
    client.set_nonblocking(false)?;
    let lines: Vec<String> = BufReader::new(client).lines().take(2000).collect::<std::io::Result<_>>()?;
    let last: Vec<&str> = lines.iter().filter_map(|line| line.rsplit(' ').next()).collect();
    ensure!(last.iter().zip(0..).all(|(line, number)| *line == number.to_string()) && last.len() == 2000);
    drop(listener);
    let refused = machine.docker(&format!("run --rm {tcp} busybox true"));
    says(&refused, "failed to initialize logging driver")?;
    Ok(())
}
