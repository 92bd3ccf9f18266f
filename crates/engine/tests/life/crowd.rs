//! Many who want different things of the same containers at once.

use std::sync::Arc;

use engine::{EndpointSpec, Engine, Inspect, RemoveOptions, State, StopOptions};

use crate::{
    machine::{idle, in_machine},
    networks::make_network,
};

const NAMES: [&str; 3] = ["web", "db", "cache"];

/// A small generator (splitmix64), so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % u64::try_from(sides).expect("few")).expect("few")
    }
}

/// One thing somebody may want. Whether it is granted depends on the others; that it
/// leaves things in order does not.
async fn want_something(engine: &Arc<Engine>, dice: &mut Dice) {
    let name = NAMES[dice.roll(NAMES.len())];
    let network = ["front", "back"][dice.roll(2)];
    let now = StopOptions { signal: None, timeout: Some(0) };
    match dice.roll(12) {
        0..=2 => drop(engine.create(idle(name)).await),
        3 | 4 => drop(engine.start(name).await),
        5 => drop(engine.stop(name, now).await),
        6 => drop(engine.restart(name, now).await),
        7 | 8 => drop(engine.connect(name, network, EndpointSpec::default()).await),
        9 => drop(engine.disconnect(name, network, false).await),
        10 => drop(engine.rename(name, NAMES[dice.roll(NAMES.len())]).await),
        _ => drop(engine.remove(name, RemoveOptions { force: true, volumes: true }).await),
    }
}

/// What must be true of a container when nobody is at it.
#[track_caller]
fn check(engine: &Engine, inspect: &Inspect) {
    let model = engine.network().model();
    let owner = inspect.id.to_string();
    match &inspect.state {
        State::Running(_) => {
            let sandbox = inspect.network.sandbox.expect("one that runs has a sandbox");
            let joined = model.endpoints_of_sandbox(&sandbox).count();
            assert_eq!(joined, inspect.network.networks.len(), "{inspect:#?}");
            assert!(
                inspect.network.networks.values().all(|connection| connection.live.is_some()),
                "{inspect:#?}"
            );
        }
        State::Created { .. } | State::Exited(_) => {
            assert_eq!(model.sandboxes_of_owner(&owner).count(), 0, "{inspect:#?}");
        }
        state @ (State::Paused(_) | State::Restarting(_) | State::Removing(_) | State::Dead(_)) => {
            panic!("nobody asked for {state:?}")
        }
    }
    assert!(model.endpoints_of_owner(&owner).all(|endpoint| endpoint.name == inspect.name), "{inspect:#?}");
}

#[test]
fn a_crowd_leaves_things_in_order() {
    in_machine("crowd", |machine| async move {
        make_network(&machine, "front", "10.80.0.0/24").await;
        make_network(&machine, "back", "10.81.0.0/24").await;
        let people = (0..8).map(|seed| {
            let engine = Arc::clone(&machine.engine);
            async move {
                let mut dice = Dice(seed * 7);
                for _ in 0..80 {
                    want_something(&engine, &mut dice).await;
                }
            }
        });
        futures_util::future::join_all(people).await;
        for inspect in machine.engine.list() {
            check(&machine.engine, &inspect);
        }
        let machine = machine.reopen().await;
        for inspect in machine.engine.list() {
            check(&machine.engine, &inspect);
        }
        machine
    });
}
