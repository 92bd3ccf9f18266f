//! Engines that come and go while containers ask for names without end.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Place, until};

/// Containers that ask, and how long each waits between two questions: a thousand a second together.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(4);
/// When a question is asked again, and how often within the patience of glibc's first try, five seconds.
const RETRY: Duration = Duration::from_millis(50);
const TRIES: usize = 100;
/// So many questions are answered before an engine goes.
const FLOW: usize = 500;

/// A question for `web` with this id.
fn question(id: u16) -> Vec<u8> {
    let rest = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x00\x00\x01\x00\x01";
    [&id.to_be_bytes()[..], rest].concat()
}

/// What a client has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Questions that were asked more than once.
    again: usize,
    lost: usize,
    /// The longest time without an answer.
    gap: Duration,
}

/// Asks until told to end, and counts answers.
fn ask(socket: &UdpSocket, end: &AtomicBool, answered: &AtomicUsize) -> Seen {
    let (mut seen, mut last, mut id) = (Seen::default(), Instant::now(), 0_u16);
    while !end.load(Ordering::SeqCst) {
        id = id.wrapping_add(1);
        let tries = (1..=TRIES).find(|_| is_answered(socket, id));
        match tries {
            None => seen.lost += 1,
            Some(tries) => {
                answered.fetch_add(1, Ordering::SeqCst);
                seen.again += usize::from(tries > 1);
                seen.gap = seen.gap.max(last.elapsed());
                last = Instant::now();
            }
        }
        thread::sleep(PAUSE);
    }
    seen
}

fn is_answered(socket: &UdpSocket, id: u16) -> bool {
    let mut reply = [0; 512];
    // A socket that is refused fails here: that is a lost try, too.
    if socket.send(&question(id)).is_err() {
        return false;
    }
    let until = Instant::now() + RETRY;
    while let Ok(len) = socket.recv(&mut reply) {
        // An address: header, question and one record.
        if reply[..2] == id.to_be_bytes() && reply[3] & 0x0f == 0 && len == question(id).len() + 16 {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
    }
    false
}

#[test]
fn no_question_is_lost_that_is_asked_again() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    let (end, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let name = format!("client{number}");
        machine.docker(&format!("run -d --name {name} --network site busybox sleep 1000")).ok()?;
        let socket = machine.sender(Place::In(&name), "127.0.0.11:53")?;
        socket.set_read_timeout(Some(RETRY))?;
        let (end, answered) = (Arc::clone(&end), Arc::clone(&answered));
        clients.push(thread::spawn(move || ask(&socket, &end, &answered)));
    }
    let flows = || {
        let before = answered.load(Ordering::SeqCst);
        until("questions to be answered", || (answered.load(Ordering::SeqCst) >= before + FLOW).then_some(()))
    };
    for _ in 0..2 {
        flows()?;
        machine.kill_engine()?;
        machine.start_engine()?;
        flows()?;
        machine.stop_engine()?;
        machine.start_engine()?;
    }
    flows()?;
    end.store(true, Ordering::SeqCst);
    for client in clients {
        let seen = client.join().ok().context("a client does not panic")?;
        eprintln!("{seen:?}");
        ensure!(seen.lost == 0, "{seen:?}");
    }
    Ok(())
}
