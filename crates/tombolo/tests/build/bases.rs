//! Bases that are elsewhere.

use anyhow::{Result, ensure};
use testkit::registry::{Guard, PASSWORD, USER};

use crate::support::{build, machine, post, put};

#[test]
fn a_base_that_is_not_here_is_pulled() -> Result<()> {
    let machine = machine()?;
    machine.sh("mkdir -p $HOME/.docker").ok()?;
    let _registry = machine.registry("localhost:5000", Guard { password: true, ..Guard::default() })?;
    machine.docker(&format!("login -u {USER} -p {PASSWORD} localhost:5000")).ok()?;
    machine.docker("tag busybox localhost:5000/base:1").ok()?;
    machine.docker("push localhost:5000/base:1").ok()?;
    machine.docker("rmi localhost:5000/base:1 busybox").ok()?;
    let dockerfile = "FROM localhost:5000/base:1\nCOPY --from=localhost:5000/base:1 /bin/busybox /again\n";
    put(&machine, &[("x/Dockerfile", dockerfile)])?;
    let denied = post(&machine, "", &[("Dockerfile", "FROM localhost:5000/base:1\n")])?;
    ensure!(
        denied.last().is_some_and(|line| line["error"].as_str().is_some_and(|error| error.contains("base")))
    );
    let told = build(&machine, "-t app $HOME/x").ok()?;
    for line in [
        "1: Pulling from base",
        "Status: Downloaded newer image for localhost:5000/base:1",
        "Successfully built",
    ] {
        ensure!(told.contains(line), "{line}: {told}");
    }
    ensure!(!build(&machine, "$HOME/x").ok()?.contains("Pulling from"));
    let told = build(&machine, "--pull $HOME/x").ok()?;
    ensure!(told.contains("Status: Image is up to date for localhost:5000/base:1"), "{told}");
    machine.docker("rmi -f app localhost:5000/base:1").ok()?;
    machine.docker("builder prune -af").ok()?;
    let told = machine.tombolo("build -t app $HOME/x").ok()?;
    ensure!(told.contains("Successfully tagged app:latest"), "{told}");
    let missing = post(&machine, "", &[("Dockerfile", "FROM 127.0.0.1:1/none\n")])?;
    ensure!(missing.last().is_some_and(|line| line["error"].as_str().is_some_and(|error| !error.is_empty())));
    Ok(())
}
