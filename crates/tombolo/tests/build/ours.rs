//! Our own command line builds; and what builds have made before, counted and removed.

use anyhow::{Result, ensure};

use crate::support::{build, machine, put};

#[test]
fn our_command_line_builds() -> Result<()> {
    let machine = machine()?;
    let files = [
        ("x/Dockerfile", "FROM busybox\nARG A\nRUN echo $A $B\nCOPY . /all\n"),
        ("x/.dockerignore", "**/*.log\n!sub/keep.log\nDockerfile*\n.dockerignore\n"),
        ("x/sub/a.log", ""),
        ("x/sub/keep.log", ""),
        ("elsewhere", "FROM busybox\nRUN echo else; exit 9\n"),
    ];
    put(&machine, &files)?;
    let told = machine.tombolo("build -t ours --iidfile $HOME/id --build-arg A=given $HOME/x").ok()?;
    ensure!(told.starts_with("Step 1/4 : FROM busybox\n") && told.contains("\ngiven\n"), "{told}");
    ensure!(told.ends_with("Successfully tagged ours:latest"), "{told}");
    ensure!(machine.tombolo("run --rm ours find /all -type f").ok()? == "/all/sub/keep.log");
    let id = machine.sh("cat $HOME/id").ok()?;
    ensure!(machine.tombolo("image build -q --build-arg A=given $HOME/x").ok()? == id);

    let failed = machine.tombolo("build -f $HOME/elsewhere $HOME/x");
    ensure!(failed.code == 9 && failed.stdout.contains("\nelse\n"), "{failed:?}");
    ensure!(failed.stderr.contains("The command '/bin/sh -c echo else; exit 9' returned a non-zero code: 9"));
    for (command, expected) in [
        ("printf 'FROM busybox\\nRUN echo alone\\n' | tombolo build -", "\nalone\n"),
        ("printf 'FROM busybox\\nCOPY sub /s\\n' | tombolo build -f - $HOME/x", "COPY sub /s"),
        ("tar -C $HOME/x -c . | tombolo build --build-arg A=tar -", "\ntar\n"),
        ("tar -C $HOME -cz x elsewhere | tombolo build --rm=false -f x/Dockerfile -", "Successfully built"),
    ] {
        let program = env!("CARGO_BIN_EXE_tombolo");
        let told = machine.sh(&command.replace("tombolo build", &format!("{program} build"))).ok()?;
        ensure!(told.contains(expected), "{command}: {told}");
    }
    for (words, expected) in [
        ("$HOME/nowhere", "unable to prepare context: "),
        ("https://example.org/x.git", "the engine fetches no context from"),
        ("-f $HOME/none $HOME/x", "unable to read the Dockerfile"),
        ("$HOME/x/sub", "Cannot locate specified Dockerfile: Dockerfile"),
    ] {
        let failed = machine.tombolo(&format!("build {words}"));
        ensure!(failed.code == 1 && failed.stderr.contains(expected), "{words}: {failed:?}");
    }
    Ok(())
}

#[test]
fn what_was_built_before_is_counted_and_removed() -> Result<()> {
    let machine = machine()?;
    let dockerfile =
        "FROM busybox\nRUN head -c 100000 /dev/zero > /one\nRUN head -c 200000 /dev/zero > /two\nENV a=b\n";
    put(&machine, &[("x/Dockerfile", dockerfile)])?;
    let hits =
        || -> Result<usize> { Ok(build(&machine, "-t app $HOME/x").ok()?.matches("Using cache").count()) };
    let cache = || -> Result<Vec<(bool, u64)>> {
        let usage = machine.call("GET", "/system/df", "")?.ok()?;
        ensure!(usage["Images"].as_array().is_some_and(|images| images.len() <= 2), "{usage}");
        let steps = usage["BuildCache"].as_array().cloned().unwrap_or_default();
        let size = |step: &serde_json::Value| step["Size"].as_u64().unwrap_or_default();
        Ok(steps.iter().map(|step| (step["Shared"] == true, size(step))).collect())
    };
    ensure!(hits()? == 0);
    ensure!(cache()? == [(true, 100_000), (true, 200_000)], "{:?}", cache()?);
    let told = machine.docker("builder prune -f").ok()?;
    ensure!(told.contains("Total reclaimed space: 0B"), "{told}");
    ensure!(hits()? == 3, "an image was built on them");
    machine.docker("builder prune -af").ok()?;
    ensure!(cache()?.is_empty());
    ensure!(machine.docker("run --rm app ls /one /two").ok()? == "/one\n/two");
    machine.docker("rmi app").ok()?;
    machine.docker("builder prune -af").ok()?;

    ensure!(hits()? == 0);
    machine.docker("rmi app").ok()?;
    let sizes: Vec<_> =
        cache()?.into_iter().filter(|(is_shared, _)| !is_shared).map(|(_, size)| size).collect();
    ensure!(sizes.iter().sum::<u64>() == 300_000, "{sizes:?}");
    let kept = machine.tombolo("builder prune --force --reserved-space 100kB").ok()?;
    ensure!(kept.contains("Total reclaimed space: 200kB"), "{kept}");
    let told = machine.tombolo("builder prune --force").ok()?;
    ensure!(told.contains("Total reclaimed space: 100kB") && cache()?.is_empty(), "{told}");
    ensure!(machine.sh("ls $HOME/data/image/layers | wc -l").ok()? == "1", "only that of busybox");
    Ok(())
}
