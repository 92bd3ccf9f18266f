//! Connections that are no HTTP, or not to the end: whoever holds one holds nobody else, and what it cost comes back.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use testkit::{Machine, archive, until};

use crate::{furnished, unharmed};

/// How long somebody else's request may take while connections are abused.
const AT_ONCE: Duration = Duration::from_secs(5);
/// How many connections one client holds.
const MANY: usize = 200;

/// Connects and says something; the connection stays open.
fn open(machine: &Machine, said: &[u8]) -> Result<UnixStream> {
    let (socket, said) = (machine.socket(), said.to_vec());
    let connect = move || -> std::io::Result<UnixStream> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(&said)?;
        Ok(stream)
    };
    Ok(machine.within(connect)?)
}

/// What the engine has open.
fn descriptors(machine: &Machine) -> Result<usize> {
    let pid = machine.engine_pid().context("no engine")?;
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Kilobytes of memory that the engine has.
fn memory(machine: &Machine) -> Result<u64> {
    let pid = machine.engine_pid().context("no engine")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Somebody else is served, and soon.
fn others_are_served(machine: &Machine) -> Result<()> {
    let begun = Instant::now();
    machine.call("GET", "/containers/web/json", "")?.ok()?;
    let made = machine.call("POST", "/containers/create", r#"{"Image":"busybox","Cmd":["true"]}"#)?.ok()?;
    machine.call("DELETE", &format!("/containers/{}", made["Id"].as_str().unwrap_or_default()), "")?.ok()?;
    ensure!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    Ok(())
}

fn descriptors_return(machine: &Machine, before: usize) -> Result<()> {
    until("the engine to close what it opened", || {
        descriptors(machine).is_ok_and(|now| now <= before).then_some(())
    })
    .with_context(|| format!("{before} before, now {:?}", descriptors(machine)))
}

/// The status of the answer to bytes that end the connection.
fn status(machine: &Machine, said: &[u8]) -> Result<String> {
    let mut stream = open(machine, &[])?;
    let mut answer = Vec::new();
    // The engine may hang up on what it does not want to read.
    let talked = stream.write_all(said).and_then(|()| stream.read_to_end(&mut answer));
    if let Err(error) = talked {
        let hung_up = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        ensure!(hung_up.contains(&error.kind()), "{error}");
        stream.read_to_end(&mut answer).ok();
    }
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// A request with a body that comes in chunks.
fn chunked(path: &str, chunks: &str) -> Vec<u8> {
    let head = "Host: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{chunks}").into_bytes()
}

#[test]
fn what_is_no_http_ends_with_the_connection() -> Result<()> {
    let (machine, before) = furnished()?;
    let open = descriptors(&machine)?;
    let head =
        "POST /networks/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json";
    let flood = |count: usize, length: usize| {
        let lines: String = (0..count).map(|n| format!("X-{n}: {}\r\n", "x".repeat(length))).collect();
        format!("GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n")
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nonsense", b"nonsense\r\n\r\n".to_vec(), "400"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), "400"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), ""),
        ("a header that is none", b"GET /info HTTP/1.1\r\nHost x\r\n\r\n".to_vec(), "400"),
        ("a length that is none", format!("{head}\r\nContent-Length: x\r\n\r\n{{}}").into_bytes(), "400"),
        ("a negative length", format!("{head}\r\nContent-Length: -1\r\n\r\n{{}}").into_bytes(), "400"),
        (
            "two lengths",
            format!("{head}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}").into_bytes(),
            "400",
        ),
        ("a chunk of no size", chunked("/networks/create", "zz\r\n{}\r\n0\r\n\r\n"), "400"),
        ("a chunk larger than memory", chunked("/networks/create", "fffffffffffffffff\r\n{}"), "400"),
        ("a chunk without its end", chunked("/networks/create", "2\r\n{}xx0\r\n\r\n"), "400"),
        ("many headers", flood(10_000, 1).into_bytes(), "431"),
        ("long headers", flood(20, 100_000).into_bytes(), "431"),
        (
            "a long path",
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20)).into_bytes(),
            "431",
        ),
        (
            "an absolute path of another",
            b"GET http://[::bad/info HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            "400",
        ),
    ];
    let mut others = Vec::new();
    for (what, said, expected) in cases {
        match status(&machine, &said) {
            // Where the engine hangs up before all is written, the answer may be lost.
            Ok(status) if status == expected || (status.is_empty() && said.len() > 100_000) => {}
            other => others.push(format!("{what}: {other:?}, not {expected}")),
        }
    }
    ensure!(others.is_empty(), "{}", others.join("\n"));
    descriptors_return(&machine, open)?;
    unharmed(&machine, &before)
}

#[test]
fn a_body_that_is_too_large_costs_nothing_for_long() -> Result<()> {
    let (machine, before) = furnished()?;
    let body = format!(r#"{{"Name":"{}"}}"#, "x".repeat(17 << 20));
    let deep = format!(r#"{{"Name":{}"#, "[".repeat(4 << 20));
    let mut seen = Vec::new();
    for _ in 0..6 {
        let answer = machine.call("POST", "/networks/create", &body)?;
        ensure!(answer.status == 413 && answer.message().contains("too large"), "{}", answer.status);
        let answer = machine.call("POST", "/networks/create", &deep)?;
        ensure!(answer.status == 400 && !answer.message().is_empty(), "{}", answer.status);
        seen.push(memory(&machine)?);
    }
    ensure!(seen[5] < seen[1] + (24 << 10), "memory grows: {seen:?} kB");
    unharmed(&machine, &before)
}

#[test]
fn who_says_half_and_waits_holds_nobody() -> Result<()> {
    let (machine, before) = furnished()?;
    let opened = descriptors(&machine)?;
    let archive = archive::docker(&[(&["half:latest"], &[archive::shell()?])]);
    let length = archive.len();
    let loading = format!("POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    let halves: [(&str, Vec<u8>, usize); 5] = [
        ("nothing", Vec::new(), MANY),
        ("half a line", b"POST /netwo".to_vec(), MANY),
        ("half a head", b"POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-".to_vec(), MANY),
        (
            "half a body",
            b"POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"Name\":".to_vec(),
            MANY,
        ),
        ("half an archive", [loading.as_bytes(), &archive[..length / 2]].concat(), 20),
    ];
    for (what, said, count) in halves {
        let held = (0..count).map(|_| open(&machine, &said)).collect::<Result<Vec<_>>>()?;
        until("all connections", || {
            descriptors(&machine).is_ok_and(|now| now >= opened + count).then_some(())
        })?;
        others_are_served(&machine).context(what)?;
        if what == "half an archive" {
            machine.upload("/images/load", &archive)?.ok()?;
            machine.docker("rmi half").ok()?;
        }
        drop(held);
        descriptors_return(&machine, opened).context(what)?;
        others_are_served(&machine).context(what)?;
    }
    until("what was not finished to go", || {
        (machine.sh("ls -A $HOME/data/image/unfinished").stdout.is_empty()).then_some(())
    })?;
    unharmed(&machine, &before)
}
