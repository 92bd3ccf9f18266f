//! The oracle: random topologies on this kernel, and for each of them every packet that
//! `cnm::reach` predicts is sent, to see whether it arrives where and as it was said.
//!
//! A world is a machine of its own with a neighbour on a wire. Networks, sandboxes and
//! published ports come and go in it at random, and the service is started anew at times;
//! after each change all pairs are probed by TCP, UDP and ICMP, over IPv4 and IPv6. A world is
//! reproduced by its seed: `ORACLE_SEED=7 ORACLE_WORLDS=1 cargo nextest run -p net oracle`.
//! `ORACLE_LOOK='nft list ruleset'` runs a command on the machine where something went wrong.

mod dice;
mod forecast;
mod probe;
mod topology;
mod world;

use std::{env, thread};

use world::World;

/// How many worlds are made unless `ORACLE_WORLDS` says otherwise.
const WORLDS: u64 = 16;
/// So many at once: most of the time is waiting for packets that must not come.
const AT_ONCE: u64 = 4;
/// How often a world changes, and is probed.
const CHANGES: usize = 12;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Lives one world through; says what went otherwise than predicted.
fn live(seed: u64) -> (usize, Vec<String>) {
    let mut world = World::new(seed);
    let mut wrong = Vec::new();
    let mut sent = 0;
    for change in 0..CHANGES {
        world.change();
        let (probes, failures) = world.probe();
        sent += probes;
        if !failures.is_empty() {
            let mut told = format!("seed {seed}, change {change}: {}\n", world.told());
            failures.iter().take(12).for_each(|failure| told.push_str(&format!("  {failure}\n")));
            told.push_str(&world.look());
            wrong.push(told);
            break;
        }
    }
    world.end();
    (sent, wrong)
}

#[test]
fn packets_arrive_where_the_model_says() {
    let first = number("ORACLE_SEED").unwrap_or(1);
    let seeds: Vec<u64> = (first..first + number("ORACLE_WORLDS").unwrap_or(WORLDS)).collect();
    let mut sent = 0;
    let mut wrong = Vec::new();
    for some in seeds.chunks(usize::try_from(AT_ONCE).expect("a few")) {
        let begin = |seed: u64| (seed, thread::spawn(move || live(seed)));
        let lives: Vec<_> = some.iter().copied().map(begin).collect();
        for (seed, life) in lives {
            let (probes, failures) = life.join().unwrap_or_else(|_| panic!("world {seed} ended in a panic"));
            sent += probes;
            wrong.extend(failures);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
    assert!(sent > seeds.len() * CHANGES * 10, "only {sent} packets were sent");
}
