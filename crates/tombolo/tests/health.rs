//! Health checks, as clients ask for them and see them.

use anyhow::{Result, ensure};
use testkit::{Machine, until};

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");

fn machine() -> Result<Machine> {
    Machine::start(OURS)
}

fn until_it_is(machine: &Machine, container: &str, status: &str) -> Result<()> {
    until(status, || {
        let shown = machine.inspect(container).ok()?;
        (shown["State"]["Health"]["Status"] == status).then_some(())
    })
}

#[test]
fn clients_see_who_is_well() -> Result<()> {
    let machine = machine()?;
    for client in ["docker", OURS] {
        let run = |flags: &str| machine.sh(&format!("{client} run -d {flags} busybox sleep 1000")).ok();
        let often = "--health-interval 50ms --health-retries 1 --health-timeout 5s";
        run(&format!("--name web {often} --health-cmd 'test -e /well'"))?;
        run("--name slow --health-cmd true --health-interval 1h")?;
        run("--name plain --no-healthcheck")?;
        until_it_is(&machine, "web", "unhealthy")?;
        machine.docker("exec web touch /well").ok()?;
        until_it_is(&machine, "web", "healthy")?;
        let ps = |filter: &str| {
            machine
                .sh(&format!("{client} ps --filter {filter} --format '{{{{.Names}}}} {{{{.Status}}}}'"))
                .ok()
        };
        for (filter, name, said) in [
            ("healthy", "web", "(healthy)"),
            ("starting", "slow", "(health: starting)"),
            ("none", "plain", ""),
        ] {
            let shown = ps(&format!("health={filter}"))?;
            ensure!(
                shown.lines().count() == 1 && shown.starts_with(name) && shown.ends_with(said),
                "{shown}"
            );
        }
        let shown = machine.inspect("web")?;
        let check = &shown["Config"]["Healthcheck"];
        ensure!(check["Test"] == serde_json::json!(["CMD-SHELL", "test -e /well"]), "{check}");
        ensure!(
            check["Interval"] == 50_000_000 && check["Retries"] == 1 && check["Timeout"] == 5_000_000_000_i64
        );
        let log = &shown["State"]["Health"]["Log"][0];
        ensure!(
            log["ExitCode"].is_i64() && log["Output"] == "" && log["End"].as_str() > log["Start"].as_str()
        );
        ensure!(machine.inspect("plain")?["State"]["Health"].is_null());
        let health = |minor: u16| -> Result<serde_json::Value> {
            let all = machine.call("GET", &format!("/v1.{minor}/containers/json"), "")?.ok()?;
            let web = all.as_array().and_then(|all| all.iter().find(|one| one["Names"][0] == "/web"));
            Ok(web.map(|web| web["Health"].clone()).unwrap_or_default())
        };
        ensure!(health(52)? == serde_json::json!({"Status": "healthy", "FailingStreak": 0}));
        ensure!(health(51)?.is_null(), "it is since 1.52");
        machine.docker("rm -f web slow plain").ok()?;
    }
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    let machine = machine()?;
    let refused = |check: &str| -> Result<String> {
        let body = format!(r#"{{"Image":"busybox","Healthcheck":{check}}}"#);
        let answer = machine.call("POST", "/v1.50/containers/create", &body)?;
        ensure!(answer.status == 400, "{answer:?}");
        Ok(answer.message().to_owned())
    };
    ensure!(refused(r#"{"Interval":1}"#)? == "Interval in Healthcheck cannot be less than 1ms");
    ensure!(refused(r#"{"Retries":-1}"#)? == "Retries in Healthcheck cannot be negative");
    ensure!(refused(r#"{"Test":["true"]}"#)? == "Unknown healthcheck type 'true' (expected 'CMD')");
    Ok(())
}

#[test]
fn tests_go_on_after_the_engine_was_killed() -> Result<()> {
    let machine = machine()?;
    let check = "--health-interval 50ms --health-retries 1 --health-cmd 'test ! -e /ill'";
    machine.docker(&format!("run -d --name web {check} busybox sleep 1000")).ok()?;
    until_it_is(&machine, "web", "healthy")?;
    machine.kill_engine()?;
    machine.start_engine()?;
    ensure!(machine.inspect("web")?["State"]["Health"]["Status"] == "healthy", "it is as it was");
    machine.docker("exec web touch /ill").ok()?;
    until_it_is(&machine, "web", "unhealthy")?;
    machine.docker("rm -f web").ok()?;
    let left = machine.leftovers();
    ensure!(left.processes.is_empty() && left.cgroups.is_empty(), "{left:?}");
    Ok(())
}
