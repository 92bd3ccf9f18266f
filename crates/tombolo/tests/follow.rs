//! Files of the host that are bound alone and replaced there.

use anyhow::{Result, ensure};
use testkit::{Machine, until};

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");

#[test]
fn a_file_that_is_replaced_is_replaced_inside() -> Result<()> {
    let machine = Machine::start(OURS)?;
    let dir = machine.root().join("etc").display().to_string();
    machine
        .sh(&format!("mkdir -p {dir}/one {dir}/two && echo first > {dir}/conf && echo plain > {dir}/plain"))
        .ok()?;
    machine
        .sh(&format!(
            "echo a > {dir}/one/key; echo b > {dir}/two/key; ln -s one {dir}/now; ln -s now/key {dir}/link"
        ))
        .ok()?;
    let mounts = format!(
        "--mount type=bind,src={dir}/conf,dst=/etc/conf,readonly,bind-follow -v {dir}/plain:/etc/plain -v {dir}/link:/etc/key:ro,follow"
    );
    machine
        .tombolo(&format!(
            "run -d --name box {mounts} busybox sh -c 'exec 3< /etc/conf; touch /up; sleep 1000'"
        ))
        .ok()?;
    until("the program", || (machine.docker("exec box test -e /up").code == 0).then_some(()))?;
    let shows = |path: &str, text: &str| {
        until(&format!("{text} in {path}"), || {
            (machine.docker(&format!("exec box cat {path}")).stdout == text).then_some(())
        })
    };
    shows("/etc/key", "a")?;
    // As editors and `sed -i` do it.
    machine.sh(&format!("sed -i s/first/second/ {dir}/conf; sed -i s/plain/other/ {dir}/plain")).ok()?;
    shows("/etc/conf", "second")?;
    shows("/etc/plain", "plain")?;
    ensure!(machine.docker("exec box cat /proc/1/fd/3").ok()? == "first", "who has it open keeps it");
    ensure!(machine.docker("exec box sh -c 'echo x > /etc/conf'").stderr.contains("Read-only file system"));
    ensure!(
        machine.docker("exec box sh -c 'grep -c /etc/conf /proc/self/mountinfo'").ok()? == "1",
        "one mount"
    );
    // As Kubernetes does it: a directory behind a link.
    machine.sh(&format!("ln -s two {dir}/new && mv -T {dir}/new {dir}/now")).ok()?;
    shows("/etc/key", "b")?;
    machine.sh(&format!("rm {dir}/conf")).ok()?;
    machine.sh(&format!("echo third > {dir}/conf")).ok()?;
    shows("/etc/conf", "third")?;
    machine
        .sh(&format!("for i in $(seq 200); do echo $i > {dir}/next; mv {dir}/next {dir}/conf; done"))
        .ok()?;
    shows("/etc/conf", "200")?;
    machine.kill_engine()?;
    machine.sh(&format!("echo meanwhile > {dir}/next; mv {dir}/next {dir}/conf")).ok()?;
    machine.start_engine()?;
    shows("/etc/conf", "meanwhile")?;
    machine.docker("restart -t 0 box").ok()?;
    machine.sh(&format!("echo again > {dir}/next; mv {dir}/next {dir}/conf")).ok()?;
    shows("/etc/conf", "again")?;
    let refused =
        machine.tombolo(&format!("run --rm --mount type=bind,src={dir},dst=/d,bind-follow busybox true"));
    ensure!(refused.code != 0 && refused.stderr.contains("bind-follow is for single files"), "{refused:?}");
    machine.docker("rm -f box").ok()?;
    machine.stop_engine()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}
