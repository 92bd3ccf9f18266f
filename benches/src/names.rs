//! How fast the resolver of a container answers: questions by UDP from inside, many at once.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::UdpSocket,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use linux::netns::Netns;
use serde_json::json;

use crate::{
    engine::Engine,
    work::{Rounds, Work},
};

/// Where a container asks.
const RESOLVER: &str = "127.0.0.11:53";
/// How many questions a round asks.
const QUESTIONS: usize = 10_000;
/// How many of them wait for their answers at any time.
const AT_ONCE: usize = 32;
/// An answer that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// The header of a question, without its id: one question, and others may be asked.
const HEADER: [u8; 10] = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];

impl Work {
    /// Asks for that many names, which one container answers to.
    pub(crate) fn names(&mut self, count: usize, rounds: Rounds) {
        let mut sockets = BTreeMap::new();
        self.alternate(&format!("{count} names"), rounds, |engine, figures| {
            let who = engine.who;
            let socket = match sockets.entry(who.to_string()) {
                Entry::Occupied(place) => place.into_mut(),
                Entry::Vacant(place) => place.insert(asker(engine, count)?),
            };
            let (took, mut waited) = ask(socket, count)?;
            waited.sort_unstable();
            let each = took / u32::try_from(waited.len())?;
            figures.took(&format!("time per question, {count} names"), who, each);
            figures.took(
                &format!("p99 of {AT_ONCE} questions at once, {count} names"),
                who,
                waited[waited.len() * 99 / 100],
            );
            crate::progress(&format!(
                "{who}, {count} names: {:.0} questions a second",
                1.0 / each.as_secs_f64()
            ));
            Ok(())
        });
    }
}

/// A socket inside a container beside one that answers to so many names.
fn asker(engine: &mut Engine, count: usize) -> Result<UdpSocket> {
    engine.client.post("/networks/create", &json!({ "Name": "bench", "CheckDuplicate": true }))?;
    let aliases: Vec<_> = (0..count).map(name).collect();
    let named = engine.create("bridge", 0)?;
    engine.start(&named)?;
    let connect = json!({ "Container": named, "EndpointConfig": { "Aliases": aliases } });
    engine.client.post("/networks/bench/connect", &connect)?;
    let asker = engine.create("bench", 0)?;
    engine.start(&asker)?;
    let state = engine.client.get(&format!("/containers/{asker}/json"))?;
    let pid = state["State"]["Pid"].as_u64().context("a running container without a process")?;
    let connected = || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(RESOLVER)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok::<_, std::io::Error>(socket)
    };
    Ok(Netns::open(&PathBuf::from(format!("/proc/{pid}/ns/net")))?.enter(connected)??)
}

/// Asks for the names in turn; returns how long all of it took, and each answer.
fn ask(socket: &UdpSocket, count: usize) -> Result<(Duration, Vec<Duration>)> {
    let questions: Vec<_> = (0..count).map(question).collect();
    let (started, mut sent) = (Instant::now(), Vec::with_capacity(QUESTIONS));
    let (mut waited, mut reply) = (Vec::with_capacity(QUESTIONS), [0; 512]);
    while waited.len() < QUESTIONS {
        while sent.len() < QUESTIONS.min(waited.len() + AT_ONCE) {
            let id = u16::try_from(sent.len())?.to_be_bytes();
            sent.push(Instant::now());
            socket.send(&[&id, questions[sent.len() % count].as_slice()].concat())?;
        }
        let len = socket.recv(&mut reply).context("an answer is lost")?;
        ensure!(len > 12 && reply[3] & 0x0f == 0 && reply[7] == 1, "a wrong answer: {:?}", &reply[..len]);
        let id = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
        waited.push(sent.get(id).context("an answer to no question")?.elapsed());
    }
    Ok((started.elapsed(), waited))
}

fn name(number: usize) -> String {
    format!("name{number:04}")
}

/// A question for an address, without its id.
fn question(number: usize) -> Vec<u8> {
    let name = name(number);
    let mut question = HEADER.to_vec();
    question.push(u8::try_from(name.len()).unwrap_or(63));
    question.extend(name.as_bytes());
    question.extend([0, 0, 1, 0, 1]);
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_for_an_address() {
        assert_eq!(question(7), b"\x01\0\0\x01\0\0\0\0\0\0\x08name0007\0\0\x01\0\x01");
    }
}
