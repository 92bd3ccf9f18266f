//! How fast the resolver of a container answers: questions by UDP from inside, many at once.
//!
//! Once by a client of ours, which sees each answer's time and what the engine's processes needed of the
//! processors; once by DNS-OARC's dnsperf, which is other people's and asks from several sockets.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write,
    fs,
    net::UdpSocket,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use linux::netns::Netns;
use serde_json::json;

use crate::{
    docker::program,
    engine::{Engine, Publish},
    work::{Rounds, Work},
};

/// Where a container asks.
const RESOLVER: &str = "127.0.0.11:53";
/// How many questions a round asks.
const QUESTIONS: usize = 10_000;
/// How many of them wait for their answers at any time.
const AT_ONCE: usize = 32;
/// How dnsperf asks: sockets, and questions under way in all.
const DNSPERF: [&str; 4] = ["-c", "4", "-q", "64"];
/// An answer that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// The header of a question, without its id: one question, and others may be asked.
const HEADER: [u8; 10] = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];

impl Work {
    /// Asks for that many names, which one container answers to.
    pub(crate) fn names(&mut self, count: usize, rounds: Rounds) {
        let mut askers = BTreeMap::new();
        self.alternate(&format!("{count} names"), rounds, |engine, figures| {
            let who = engine.who;
            let asker = match askers.entry(who.to_string()) {
                Entry::Occupied(place) => place.into_mut(),
                Entry::Vacant(place) => place.insert(Asker::new(engine, count)?),
            };
            let before = engine.processor_time();
            let (took, mut waited) = ask(&asker.socket, count)?;
            let worked = engine.processor_time().saturating_sub(before);
            waited.sort_unstable();
            let (asked, p99) = (u32::try_from(waited.len())?, waited[waited.len() * 99 / 100]);
            figures.took(&format!("time per question, {count} names"), who, took / asked);
            figures.took(&format!("processor time per question, {count} names"), who, worked / asked);
            figures.took(&format!("p99 of {AT_ONCE} questions at once, {count} names"), who, p99);
            let each = asker.dnsperf(count)?;
            figures.took(&format!("time per question of dnsperf, {count} names"), who, each);
            Ok(())
        });
    }
}

/// Somebody inside a container beside one that answers to names.
#[derive(Debug)]
struct Asker {
    inside: Netns,
    socket: UdpSocket,
}

impl Asker {
    fn new(engine: &mut Engine, count: usize) -> Result<Self> {
        engine.client.post("/networks/create", &json!({ "Name": "bench", "CheckDuplicate": true }))?;
        let aliases: Vec<_> = (0..count).map(name).collect();
        let named = engine.create("bridge", Publish::Nothing)?;
        engine.start(&named)?;
        let connect = json!({ "Container": named, "EndpointConfig": { "Aliases": aliases } });
        engine.client.post("/networks/bench/connect", &connect)?;
        let asker = engine.create("bench", Publish::Nothing)?;
        engine.start(&asker)?;
        let inside = engine.inside(&asker)?;
        let connected = || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(RESOLVER)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok::<_, std::io::Error>(socket)
        };
        let socket = inside.enter(connected)??;
        Ok(Self { inside, socket })
    }

    /// Lets dnsperf ask for a second; returns its time per question.
    fn dnsperf(&self, count: usize) -> Result<Duration> {
        let names = Questions::new(count)?;
        let mut command = program("dnsperf");
        command.args(["-s", "127.0.0.11", "-l", "1", "-d"]).arg(&names.0).args(DNSPERF);
        let output =
            self.inside.enter(|| command.output())?.context("cannot start dnsperf: is it installed?")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let field = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
        let lost = field("Queries lost:").unwrap_or_default();
        ensure!(lost.starts_with("0 "), "dnsperf lost {lost}");
        let rate = field("Queries per second:").with_context(|| format!("dnsperf said:\n{text}"))?;
        Ok(Duration::from_secs_f64(1.0 / rate.parse::<f64>()?))
    }
}

/// A file with what dnsperf asks. Gone when it is dropped.
struct Questions(PathBuf);

impl Questions {
    fn new(count: usize) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tombolo-bench-names-{}", std::process::id()));
        let mut text = String::new();
        (0..count).try_for_each(|number| writeln!(text, "{} A", name(number)))?;
        fs::write(&path, text)?;
        Ok(Self(path))
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
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
