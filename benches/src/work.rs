//! The work that both engines do, round by round, taking turns.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::archive::{self, Tar};

use crate::{
    bare::Bare,
    engine::{Engine, Publish, Who},
    figures::Figures,
    interrupt,
};

/// What a running container without ports holds; taken from what one with ports holds.
const PER_CONTAINER: &str = "memory per running container";

/// What a connect costs without an engine.
pub(crate) const BARE: &str = "bare connect and one write";

/// How often each engine does something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    pub(crate) tombolo: usize,
    pub(crate) docker: usize,
}

impl Rounds {
    /// The same for both.
    pub(crate) fn both(rounds: usize) -> Self {
        Self { tombolo: rounds, docker: rounds }
    }

    fn of(self, who: Who) -> usize {
        match who {
            Who::Tombolo => self.tombolo,
            Who::Docker => self.docker,
        }
    }
}

/// The engines at work, and what was measured so far.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) engines: Vec<Engine>,
    pub(crate) figures: Figures,
    /// What failed, as text. A benchmark goes on, so that one fault does not hide all figures.
    pub(crate) failures: Vec<String>,
    /// What is not called so is left out.
    filter: String,
}

impl Work {
    /// Nothing is measured yet.
    pub(crate) fn of(engines: Vec<Engine>, filter: &str) -> Self {
        Self { engines, figures: Figures::default(), failures: Vec::new(), filter: filter.to_owned() }
    }

    /// Lets the engines take turns at `round`; the one that begins alternates, so that none always
    /// follows the other. An engine that fails is swept and does not take part in further rounds.
    pub(crate) fn alternate(
        &mut self,
        name: &str,
        rounds: Rounds,
        mut round: impl FnMut(&mut Engine, &mut Figures) -> Result<()>,
    ) {
        if interrupt::came() || !name.contains(&self.filter) {
            return;
        }
        let started = Instant::now();
        let mut failed: Vec<Who> = Vec::new();
        for number in 0..rounds.tombolo.max(rounds.docker) {
            let count = self.engines.len();
            for turn in 0..count {
                let engine = &mut self.engines[(number + turn) % count];
                if number >= rounds.of(engine.who) || failed.contains(&engine.who) {
                    continue;
                }
                if let Err(error) = round(engine, &mut self.figures) {
                    failed.push(engine.who);
                    self.failures.push(format!("{}, {name}: {error:#}", engine.who));
                }
            }
        }
        for engine in &mut self.engines {
            if let Err(error) = engine.sweep() {
                self.failures.push(format!("{}, cleaning up after {name}: {error:#}", engine.who));
            }
        }
        crate::progress(&format!("{name}: {:.1} s", started.elapsed().as_secs_f64()));
    }

    /// What the engines hold before they have done anything.
    pub(crate) fn idle(&mut self) {
        self.alternate("idle", Rounds::both(1), |engine, figures| {
            figures.holds("memory when idle", engine.who, engine.memory());
            Ok(())
        });
    }

    /// Creates networks, joins a running container to them, parts it, and removes them.
    /// Beside it, as often, what the kernel and the disk alone need for a connect.
    pub(crate) fn networks(&mut self, rounds: Rounds, bare: &mut Bare) {
        let mut joiners = Joiners::default();
        self.alternate("networks", rounds, |engine, figures| {
            let who = engine.who;
            let container = joiners.of(engine)?;
            let create = json!({ "Name": "bench", "CheckDuplicate": true });
            let took = time(|| engine.client.post("/networks/create", &create))?;
            figures.took("network create", who, took);
            connect(engine, figures, &container, "bench", "")?;
            if who == Who::Tombolo {
                figures.took(BARE, who, bare.connect()?);
            }
            let took = time(|| engine.client.delete("/networks/bench"))?;
            figures.took("network remove", who, took);
            Ok(())
        });
    }

    /// Pulls an image of four layers, 12 MB and 1,200 files, from a registry on the engine's machine. What the
    /// registry has, the engine has pushed.
    pub(crate) fn pull(&mut self, rounds: Rounds) {
        const REGISTRY: &str = "127.0.0.1:5000";
        const NAME: &str = "127.0.0.1:5000/bench/app";
        let mut ready: Vec<Who> = Vec::new();
        self.alternate("pull", rounds, |engine, figures| {
            if !ready.contains(&engine.who) {
                engine.serve_registry(REGISTRY)?;
                let name = format!("{NAME}:1");
                engine.client.load(archive::docker(&[(&[&name], &layers())]))?;
                // Who pushes is nobody, in the body: the oldest clients' way.
                engine.client.post(&format!("/images/{NAME}/push?tag=1"), &json!({}))?;
                engine.client.delete(&format!("/images/{name}"))?;
                ready.push(engine.who);
            }
            let pull = format!("/images/create?fromImage={NAME}&tag=1");
            let took = time(|| engine.client.post(&pull, &Value::Null))?;
            figures.took("pull of 4 layers", engine.who, took);
            engine.client.delete(&format!("/images/{NAME}:1"))
        });
    }

    /// Creates, starts, stops and removes containers with these published ports.
    pub(crate) fn containers(&mut self, network: &str, publish: Publish, rounds: Rounds) {
        let what = match publish {
            Publish::Nothing => network.to_owned(),
            Publish::Tcp(_) | Publish::Udp(_) | Publish::Single(_) => publish.to_string(),
        };
        self.alternate(&format!("containers, {what}"), rounds, |engine, figures| {
            let who = engine.who;
            let before = engine.memory();
            let started = Instant::now();
            let container = engine.create(network, publish)?;
            figures.took(&format!("create, {what}"), who, started.elapsed());
            let took = time(|| engine.start(&container))?;
            figures.took(&format!("start, {what}"), who, took);
            if publish.count() >= 100 {
                let bare = figures.median(PER_CONTAINER, who).unwrap_or_default();
                let held = engine.memory().saturating_sub(before + bare);
                figures.holds(&format!("memory of {publish}"), who, held);
            }
            let took = time(|| engine.stop_and_remove(&container))?;
            figures.took(&format!("stop+remove, {what}"), who, took);
            Ok(())
        });
    }

    /// Builds a small image, without and with what was built before.
    pub(crate) fn builds(&mut self, rounds: Rounds) {
        let dockerfile = "FROM busybox\nENV a=b\nCOPY Dockerfile /d/\nRUN echo built > /file\nWORKDIR /d\nCMD [\"true\"]\n";
        let context = Tar::default().file("Dockerfile", dockerfile).finish();
        self.alternate("builds", rounds, |engine, figures| {
            let who = engine.who;
            let took = time(|| engine.client.upload("/build?t=bench&nocache=1", &context))?;
            figures.took("build, cold", who, took);
            let took = time(|| engine.client.upload("/build?t=bench", &context))?;
            figures.took("build, warm", who, took);
            Ok(())
        });
    }

    /// What a running container costs the engine, over `count` of them.
    pub(crate) fn memory_per_container(&mut self, count: u16) {
        self.alternate("memory per container", Rounds::both(1), |engine, figures| {
            let before = engine.memory();
            for _ in 0..count {
                let container = engine.create("bridge", Publish::Nothing)?;
                engine.start(&container)?;
            }
            let held = engine.memory().saturating_sub(before) / u64::from(count);
            figures.holds(PER_CONTAINER, engine.who, held);
            Ok(())
        });
    }

    /// Joins a container to a network that has that many endpoints already.
    pub(crate) fn crowd(&mut self, endpoints: usize, rounds: Rounds) {
        let mut joiners = Joiners::default();
        self.alternate(&format!("crowd of {endpoints}"), rounds, |engine, figures| {
            if joiners.is_empty_for(engine) {
                let pool = json!({ "Config": [{ "Subnet": "10.99.0.0/16" }] });
                let create = json!({ "Name": "bench", "CheckDuplicate": true, "IPAM": pool });
                engine.client.post("/networks/create", &create)?;
                for _ in 0..endpoints {
                    let container = engine.create("bench", Publish::Nothing)?;
                    engine.start(&container)?;
                }
            }
            let container = joiners.of(engine)?;
            connect(engine, figures, &container, "bench", &format!(", {endpoints} endpoints"))
        });
    }
}

/// A running container of each engine, which is plugged here and there.
#[derive(Debug, Default)]
pub(crate) struct Joiners(BTreeMap<String, String>);

impl Joiners {
    /// Whether an engine has none yet.
    pub(crate) fn is_empty_for(&self, engine: &Engine) -> bool {
        !self.0.contains_key(&engine.who.to_string())
    }

    /// That of an engine.
    pub(crate) fn of(&mut self, engine: &mut Engine) -> Result<String> {
        let who = engine.who.to_string();
        if let Some(container) = self.0.get(&who) {
            return Ok(container.clone());
        }
        let container = engine.create("bridge", Publish::Nothing)?;
        engine.start(&container).context("no container to join with")?;
        self.0.insert(who, container.clone());
        Ok(container)
    }
}

/// Joins a running container to a network and parts it again.
pub(crate) fn connect(
    engine: &mut Engine,
    figures: &mut Figures,
    container: &str,
    network: &str,
    beside: &str,
) -> Result<()> {
    let body = json!({ "Container": container });
    let took = time(|| engine.client.post(&format!("/networks/{network}/connect"), &body))?;
    figures.took(&format!("network connect{beside}"), engine.who, took);
    let took = time(|| engine.client.post(&format!("/networks/{network}/disconnect"), &body))?;
    figures.took(&format!("network disconnect{beside}"), engine.who, took);
    Ok(())
}

/// How long something takes.
pub(crate) fn time<T>(act: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let started = Instant::now();
    act()?;
    Ok(started.elapsed())
}

/// Four layers of 300 files with 10 kB each, which do not compress.
fn layers() -> Vec<Vec<u8>> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let mut layer = |number: usize| {
        let mut file = |tar: Tar, file: usize| {
            let content: Vec<u8> = std::iter::repeat_with(&mut noise).take(10_000).collect();
            tar.file(&format!("layer{number}/file{file}"), content)
        };
        (0..300).fold(Tar::default().dir(&format!("layer{number}/")), &mut file).finish()
    };
    (0..4).map(&mut layer).collect()
}
