//! How long it takes; the bound is loose because this is a debug build on a busy machine.
//!
//! Most of it is not computing but waiting: with version 1 control groups the
//! library writes a process into `cgroup.procs` once per controller, and the
//! first such write after a pause waits for an RCU grace period (about 10 ms
//! here), as does every exec. A process born inside its group would not wait.

use std::time::{Duration, Instant};

use runtime::bundle::Config;
use runtime::protocol::ProcessId;

use crate::machine::in_machine;

#[test]
fn a_container_comes_and_goes_quickly() {
    in_machine("speed", |machine| async move {
        let mut all = Vec::new();
        for _ in 0..20 {
            let begun = Instant::now();
            let client = machine.created(&machine.spec("true"), &Config::default()).await;
            let created = begun.elapsed();
            client.start().await.expect("start");
            client.wait(ProcessId::Init).await.expect("wait");
            let ended = begun.elapsed();
            client.delete().await.expect("delete");
            all.push((begun.elapsed(), created, ended));
        }
        all.sort();
        let (total, created, ended) = all[all.len() / 2];
        println!(
            "create {created:?}, start and end {:?}, delete {:?}, all {total:?}",
            ended - created,
            total - ended
        );
        assert!(total < Duration::from_millis(500), "{total:?}");
    });
}
