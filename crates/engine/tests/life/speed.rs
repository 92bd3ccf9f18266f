//! How long things take, in this build. `cargo bench` compares release builds with others.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use engine::{EndpointSpec, StopOptions};

use crate::{
    machine::{idle, in_machine},
    networks::make_network,
};

async fn timed<T>(times: &mut Vec<Duration>, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let value = work.await;
    times.push(begun.elapsed());
    value
}

#[test]
#[ignore = "prints figures instead of proving anything"]
fn figures() {
    in_machine("figures", |machine| async move {
        make_network(&machine, "front", "10.70.0.0/24").await;
        let mut all: [(&str, Vec<Duration>); 6] =
            ["create", "start", "connect", "disconnect", "kill", "remove"].map(|name| (name, Vec::new()));
        let [create, start, connect, disconnect, kill, remove] = &mut all;
        for _ in 0..30 {
            let engine = &machine.engine;
            let made = timed(&mut create.1, engine.create(idle("web"))).await.expect("a container");
            let id = made.id.to_string();
            timed(&mut start.1, engine.start(&id)).await.expect("a start");
            timed(&mut connect.1, engine.connect(&id, "front", EndpointSpec::default()))
                .await
                .expect("connected");
            timed(&mut disconnect.1, engine.disconnect(&id, "front", false)).await.expect("disconnected");
            let options = StopOptions { signal: Some(engine::Signal::KILL), timeout: Some(5) };
            timed(&mut kill.1, engine.stop(&id, options)).await.expect("stopped");
            timed(&mut remove.1, machine.remove(&id)).await;
        }
        for (name, mut times) in all {
            times.sort();
            println!(
                "{name:12} p50 {:>10.2?}  p90 {:>10.2?}",
                times[times.len() / 2],
                times[times.len() * 9 / 10]
            );
        }
        machine
    });
}
