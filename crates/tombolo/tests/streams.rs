//! What goes into containers and comes out of them: attach, exec, terminals, logs.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use testkit::{Machine, until};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");

/// A raw connection to a process, as clients have it after `101 UPGRADED`.
fn hijack(machine: &Machine, path: &str, body: &str) -> Result<UnixStream> {
    let socket = machine.socket();
    let mut stream = machine.within(move || UnixStream::connect(socket))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head)?;
    ensure!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    Ok(stream)
}

fn is_running(machine: &Machine, container: &str) -> Result<bool> {
    Ok(machine.inspect(container)?["State"]["Running"] == true)
}

#[test]
fn exit_codes_are_dockers() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name up busybox sleep 1000").ok()?;
    let table = [
        ("run --rm busybox true", 0),
        ("run --rm busybox false", 1),
        ("run --rm busybox sh -c 'exit 255'", 255),
        ("run --rm busybox /nope", 127),
        ("run --rm busybox nope", 127),
        ("run --rm busybox /etc/passwd", 126),
        ("run --rm --name up busybox true", 125),
        ("run --rm -w relative busybox true", 125),
        ("exec up true", 0),
        ("exec up sh -c 'exit 7'", 7),
        ("exec up nope", 127),
        ("exec up /etc/passwd", 126),
        ("exec up sh -c 'kill -9 $$'", 137),
        ("exec up sh -c 'kill -TERM $$'", 143),
        ("exec nobody true", 1),
        ("start -a nobody", 1),
    ];
    for (words, code) in table {
        for output in [machine.docker(words), machine.tombolo(words)] {
            ensure!(output.code == code, "{code} was expected: {output:?}");
        }
    }
    for client in ["docker", OURS] {
        let script = format!(
            "{client} run --name gone busybox sleep 1000 & pid=$!
            until docker kill gone 2>/dev/null; do sleep 0.05; done; wait $pid; code=$?
            docker rm gone >/dev/null; exit $code"
        );
        ensure!(machine.sh(&script).code == 137, "{client}");
    }
    ensure!(machine.docker("ps -aq").ok()?.lines().count() == 1, "what could not run was removed");
    Ok(())
}

#[test]
fn output_of_any_size_comes_through_unchanged() -> Result<()> {
    let machine = machine()?;
    let dir = machine.root().join("data-in");
    let dir = dir.display();
    machine
        .sh(&format!(
            "mkdir {dir} && head -c 38000000 /dev/urandom > {dir}/binary && base64 {dir}/binary > {dir}/text"
        ))
        .ok()?;
    machine.docker(&format!("run -d --name up -v {dir}:/in:ro busybox sleep 1000")).ok()?;
    let sum = |script: &str| machine.sh(&format!("{script} | sha256sum")).ok();
    let (text, binary) = (sum(&format!("cat {dir}/text"))?, sum(&format!("cat {dir}/binary"))?);
    let started = Instant::now();
    for client in ["docker", OURS] {
        ensure!(sum(&format!("{client} run --rm -v {dir}:/in:ro busybox cat /in/text"))? == text, "{client}");
        ensure!(sum(&format!("{client} exec up cat /in/binary"))? == binary, "{client}");
        let apart = format!("{client} exec up sh -c 'cat /in/binary >&2'");
        ensure!(sum(&format!("{apart} 2>&1 >/dev/null"))? == binary, "{client}: standard error");
        ensure!(sum(&format!("{client} exec -i up cat < {dir}/text"))? == text, "{client}: both ways");
        let ran = format!("{client} run --rm -i --log-driver none busybox cat < {dir}/binary");
        ensure!(sum(&ran)? == binary, "{client}: both ways");
    }
    // About 550 MB. What is quadratic, or waits for a timer, takes minutes.
    ensure!(started.elapsed() < Duration::from_secs(60), "it took {:?}", started.elapsed());
    Ok(())
}

#[test]
fn the_end_of_input_ends_input_only() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name up busybox sleep 1000").ok()?;
    let program = "sh -c 'cat >/dev/null; echo the end; echo of input >&2; exit 3'";
    for client in ["docker", OURS] {
        for words in ["run --rm -i busybox", "exec -i up"] {
            let output = machine.sh(&format!("echo in | {client} {words} {program}"));
            let got = (output.code, output.stdout.as_str(), output.stderr.as_str());
            ensure!(got == (3, "the end", "of input"), "{output:?}");
        }
        // Without -i there is no input, whatever the client has.
        for words in ["run --rm busybox", "exec up"] {
            let output = machine.sh(&format!("echo in | {client} {words} sh -c 'cat; echo nothing'"));
            ensure!(output.clone().ok()? == "nothing", "{output:?}");
        }
        // A process that does not read its input is not waited for.
        let output = machine.sh(&format!("head -c 3000000 /dev/zero | {client} run --rm -i busybox true"));
        ensure!(output.code == 0, "{output:?}");
    }
    Ok(())
}

#[test]
fn many_are_attached_and_leave_as_they_like() -> Result<()> {
    let machine = machine()?;
    let cat = r#"{"Image":"busybox","OpenStdin":true,"Cmd":["sh","-c","cat; echo bye"]}"#;
    machine.call("POST", "/v1.51/containers/create?name=cat", cat)?.ok()?;
    let path = "/v1.51/containers/cat/attach?stream=1&stdin=1&stdout=1&stderr=1";
    // Before the start: nothing may be missed.
    let mut early = hijack(&machine, path, "")?;
    machine.docker("start cat").ok()?;
    let mut others = [hijack(&machine, path, "")?, hijack(&machine, path, "")?];
    let leaver = hijack(&machine, path, "")?;
    early.write_all(b"one\n")?;
    let mut frame = [0; 12];
    for stream in others.iter_mut().chain([&mut early]) {
        stream.read_exact(&mut frame)?;
        ensure!(frame == *b"\x01\0\0\0\0\0\0\x04one\n", "{frame:?}");
    }
    drop(leaver);
    others[0].write_all(b"two\n")?;
    for stream in others.iter_mut().chain([&mut early]) {
        stream.read_exact(&mut frame)?;
        ensure!(frame == *b"\x01\0\0\0\0\0\0\x04two\n", "{frame:?}");
    }
    let [first, second] = others;
    drop(first);
    ensure!(is_running(&machine, "cat")?, "who leaves does not end it: no StdinOnce");
    machine.docker("kill cat").ok()?;
    let mut rest = Vec::new();
    for mut stream in [second, early] {
        stream.read_to_end(&mut rest)?;
    }
    ensure!(rest.is_empty(), "{rest:?}");
    let logs = machine.docker("logs cat").ok()?;
    ensure!(logs == "one\ntwo", "{logs}");
    clients_die(&machine)
}

/// A client that goes away, or is killed, ends nothing.
fn clients_die(machine: &Machine) -> Result<()> {
    machine.docker("create --name loud busybox sh -c 'yes | head -c 9000000; echo; echo done'").ok()?;
    let path = "/v1.51/containers/loud/attach?stream=1&stdout=1&stderr=1";
    let mut reader = hijack(machine, path, "")?;
    let leaver = hijack(machine, path, "")?;
    machine.docker("start loud").ok()?;
    drop(leaver);
    let mut all = Vec::new();
    reader.read_to_end(&mut all)?;
    ensure!(all.ends_with(b"done\n"), "{} bytes", all.len());
    ensure!(machine.docker("wait loud").ok()? == "0");
    // The command line itself, killed: the container lives, and an exec dies on its own.
    let mut run = machine.start_sh("exec docker run --name long busybox sleep 1000")?;
    until("the container to run", || is_running(machine, "long").ok()?.then_some(()))?;
    run.kill()?;
    run.wait()?;
    let mut exec = machine.start_sh("exec docker exec long sleep 1001")?;
    let runs = || machine.docker("top long").stdout.contains("sleep 1001");
    until("the exec to run", || runs().then_some(()))?;
    exec.kill()?;
    exec.wait()?;
    ensure!(is_running(machine, "long")? && runs(), "both go on");
    Ok(())
}

/// Calls a client on a terminal of 33 rows and 77 columns, with what a person types.
fn on_terminal(machine: &Machine, typed: &str, words: &str) -> testkit::Output {
    machine.sh(&format!("{typed} | script -qec \"stty rows 33 cols 77; {words}\" /dev/null"))
}

#[test]
fn terminals_have_a_size_and_keys() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -dit --name shell busybox sh").ok()?;
    for client in ["docker", OURS] {
        let run = on_terminal(&machine, "true", &format!("{client} run --rm -it busybox stty size"));
        ensure!(run.clone().ok()?.contains("33 77"), "{run:?}");
        let exec = on_terminal(&machine, "true", &format!("{client} exec -it shell stty size"));
        ensure!(exec.clone().ok()?.contains("33 77"), "{exec:?}");
        let name = format!("kept-{}", client.len());
        let typed = format!(
            "(until docker exec {name} test -e /up 2>/dev/null; do sleep 0.05; done; printf '\\020\\021'; sleep 1)"
        );
        let run = format!("{client} run -it --name {name} busybox sh -c 'touch /up; exec sleep 1000'");
        let detached = on_terminal(&machine, &typed, &run);
        ensure!(detached.code == 0, "{detached:?}");
        ensure!(is_running(&machine, &name)?, "{client}: detaching ends nothing");
        let typed = "(sleep 0.5; printf xy; sleep 1)";
        let attach = format!("{client} attach --detach-keys x,y {name}");
        let detached = on_terminal(&machine, typed, &attach);
        ensure!(detached.stdout.contains("read escape sequence"), "{detached:?}");
        ensure!(is_running(&machine, &name)?, "{client}: detaching ends nothing");
    }
    machine.call("POST", "/v1.51/containers/shell/resize?h=44&w=55", "")?.ok()?;
    ensure!(machine.docker("exec shell sh -c 'stty size </dev/pts/0'").ok()? == "44 55");
    keys_by_api(&machine)
}

/// The engine, too, knows the keys to detach by.
fn keys_by_api(machine: &Machine) -> Result<()> {
    machine.docker("run -dit --name cat busybox cat").ok()?;
    machine.docker("run -di --name plain busybox cat").ok()?;
    let query = "stream=1&stdin=1&stdout=1&stderr=1";
    for (keys, typed) in [("", &b"\x10\x11"[..]), ("&detachKeys=ctrl-a,z", b"\x01z")] {
        let mut stream = hijack(machine, &format!("/v1.51/containers/cat/attach?{query}{keys}"), "")?;
        stream.write_all(typed)?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest)?;
        ensure!(is_running(machine, "cat")?);
    }
    // Without a terminal they are bytes like others.
    let mut stream = hijack(machine, &format!("/v1.51/containers/plain/attach?{query}"), "")?;
    stream.write_all(b"\x10\x11")?;
    let mut frame = [0; 10];
    stream.read_exact(&mut frame)?;
    ensure!(frame == *b"\x01\0\0\0\0\0\0\x02\x10\x11", "{frame:?}");
    let bad = machine.call("POST", "/v1.51/containers/cat/attach?stream=1&detachKeys=ctrl-nope", "")?;
    ensure!(bad.status == 400 && bad.message().contains("ctrl-nope"), "{bad:?}");
    Ok(())
}

#[test]
fn logs_show_what_was_asked_for() -> Result<()> {
    let machine = machine()?;
    machine
        .docker("run --name two busybox sh -c 'for i in 1 2 3; do echo out $i; sleep 0.2; echo err $i >&2; sleep 0.2; done; printf end'")
        .ok()?;
    for logs in [machine.docker("logs two"), machine.tombolo("logs two")] {
        ensure!(logs.stdout == "out 1\nout 2\nout 3\nend", "{logs:?}");
        ensure!(logs.stderr == "err 1\nerr 2\nerr 3", "{logs:?}");
    }
    let stamped = machine.sh("docker logs -t two 2>&1").ok()?;
    ensure!(machine.sh(&format!("{OURS} logs -t two 2>&1")).ok()? == stamped);
    let mut times: Vec<&str> = stamped.lines().filter_map(|line| line.split(' ').next()).collect();
    ensure!(times.len() == 7 && times.is_sorted(), "{stamped}");
    ensure!(times.iter().all(|time| time.len() == 30 && time.ends_with('Z')), "{stamped}");
    let (third, fifth) = (times.remove(2), times.remove(3));
    let table = [
        ("--tail 2".to_owned(), "err 3\nend"),
        ("--tail 0".to_owned(), ""),
        ("-n 1".to_owned(), "end"),
        (format!("--since {third}"), "out 2\nerr 2\nout 3\nerr 3\nend"),
        (format!("--until {third}"), "out 1\nerr 1\nout 2"),
        (format!("--since {third} --until {fifth}"), "out 2\nerr 2\nout 3"),
        ("--since 1h --tail all".to_owned(), "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nend"),
        ("--until 1h".to_owned(), ""),
    ];
    for (flags, expected) in table {
        for client in ["docker", OURS] {
            let logs = machine.sh(&format!("{client} logs {flags} two 2>&1")).ok()?;
            ensure!(logs == expected, "{client} {flags}: {logs}");
        }
    }
    let none = machine.call("GET", "/v1.51/containers/two/logs", "")?;
    ensure!(
        (none.status, none.message()) == (400, "Bad parameters: you must choose at least one stream"),
        "{none:?}"
    );
    ensure!(machine.docker("logs nobody").stderr.contains("No such container: nobody"));
    machine.docker("run --name silent --log-driver none busybox echo hello").ok()?;
    let refused = machine.docker("logs silent");
    ensure!(
        refused.code == 1 && refused.stderr.contains("configured logging driver does not support reading"),
        "{refused:?}"
    );
    Ok(())
}

#[test]
fn logs_are_followed_until_the_container_ends() -> Result<()> {
    let machine = machine()?;
    let file = machine.root().join("followed").display().to_string();
    for client in ["docker", OURS] {
        machine
            .docker("run -d --name talker busybox sh -c 'i=0; until test -e /stop; do i=$((i+1)); echo $i; sleep 0.01; done; echo last'")
            .ok()?;
        let mut follower = machine.start_sh(&format!("{client} logs -f talker > {file}"))?;
        let mut tail = machine.start_sh(&format!("{client} logs -f --tail 1 talker > {file}.tail"))?;
        let lines = || machine.sh(&format!("wc -l < {file}")).stdout.parse::<u32>().unwrap_or(0);
        until("lines", || (lines() > 20).then_some(()))?;
        // The container's end may take the exec along before it has ended by itself.
        let asked = machine.docker("exec talker touch /stop");
        ensure!([0, 137].contains(&asked.code), "{asked:?}");
        ensure!(follower.wait()?.success() && tail.wait()?.success(), "{client}");
        let logs = machine.docker("logs talker").ok()?;
        ensure!(logs.ends_with("\nlast"), "{logs}");
        ensure!(machine.sh(&format!("cat {file}")).ok()? == logs, "{client}");
        ensure!(logs.ends_with(&machine.sh(&format!("cat {file}.tail")).ok()?), "{client}");
        // What does not run is read to its end: it is not waited for a later start.
        ensure!(machine.sh(&format!("{client} logs -f talker")).ok()? == logs, "{client}");
        machine.docker("rm talker").ok()?;
        machine.docker("create --name talker busybox echo hello").ok()?;
        ensure!(machine.sh(&format!("{client} logs -f talker")).ok()?.is_empty(), "{client}");
        machine.docker("start -a talker").ok()?;
        ensure!(machine.sh(&format!("{client} logs -f talker")).ok()? == "hello", "{client}");
        machine.docker("rm talker").ok()?;
    }
    Ok(())
}

#[test]
fn full_logs_are_rotated_and_still_followed() -> Result<()> {
    let machine = machine()?;
    machine
        .docker("create --name busy --log-opt max-size=10k --log-opt max-file=3 busybox sh -c 'seq 1 1000; until test -e /go; do sleep 0.05; done; seq 1001 1100'")
        .ok()?;
    let log = machine.docker("inspect -f {{.LogPath}} busy").ok()?;
    machine.docker("start busy").ok()?;
    let file = machine.root().join("followed").display().to_string();
    let mut follower = machine.start_sh(&format!("docker logs -f --tail 10 busy > {file}"))?;
    let seen = || machine.sh(&format!("head -n 1 {file}")).stdout;
    until("the follower to begin", || (!seen().is_empty()).then_some(()))?;
    machine.docker("exec busy touch /go").ok()?;
    ensure!(follower.wait()?.success());
    let followed = machine.sh(&format!("cat {file}")).ok()?;
    let numbers: Vec<u32> = followed.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(
        numbers.last() == Some(&1100) && numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{followed}"
    );
    let sizes = machine.sh(&format!("stat -c %s {log} {log}.1 {log}.2")).ok()?;
    let sizes: Vec<u64> = sizes.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(sizes.iter().all(|size| *size < 11_000), "{sizes:?}");
    ensure!(machine.sh(&format!("test -e {log}.3")).code == 1);
    let kept = machine.docker("logs busy").ok()?;
    let numbers: Vec<u32> = kept.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(numbers.first() > Some(&1) && numbers.last() == Some(&1100), "{kept}");
    ensure!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{kept}");
    ensure!(machine.docker("logs --tail 300 busy").ok()?.lines().count() == 300.min(numbers.len()));
    machine.docker("rm busy").ok()?;
    ensure!(machine.sh(&format!("ls {log}*")).code != 0, "they are removed with their container");
    Ok(())
}

#[test]
fn who_asks_for_the_end_three_times_is_let_go() -> Result<()> {
    let machine = machine()?;
    for client in ["docker", OURS] {
        let name = format!("deaf-{}", client.len());
        let run = format!("{client} run --name {name} busybox sh -c \"trap '' TERM; echo up; sleep 1000\"");
        let asked = format!(
            "{run} >/dev/null & client=$!
            until docker logs {name} 2>/dev/null | grep -q up; do sleep 0.05; done
            while kill -TERM $client 2>/dev/null; do sleep 0.2; done
            wait $client; echo ended $?"
        );
        let said = machine.sh(&asked);
        ensure!(said.stdout.trim() == "ended 1", "{client}: {said:?}");
        ensure!(said.stderr.contains("got 3 SIGTERM/SIGINTs, forcefully exiting"), "{client}: {said:?}");
        ensure!(is_running(&machine, &name)?, "{client}: the container lives");
    }
    Ok(())
}
