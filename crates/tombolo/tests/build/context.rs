//! What a build copies from where to where, and what it cannot get at.

use std::fs;

use anyhow::{Result, ensure};
use testkit::archive::{Packing, Tar};

use crate::support::{build, lines, machine, post, post_archive, put};

#[test]
fn files_go_where_docker_puts_them() -> Result<()> {
    let machine = machine()?;
    let dockerfile = r#"FROM busybox
WORKDIR /w
COPY a one
COPY a /dir/
COPY a b.txt c.txt many/
COPY *.txt wild/
COPY dir tree
COPY dir/ /w/tree/
COPY . /all
COPY ["with blank", "/q/"]
COPY di?/su[a-b]/x .
RUN ln -s /real /linked && mkdir /real
COPY a /linked/
COPY dir/link /followed
"#;
    put(&machine, &[("x/Dockerfile", dockerfile), ("x/a", "A"), ("x/b.txt", "B"), ("x/c.txt", "C")])?;
    put(&machine, &[("x/dir/d", "D"), ("x/dir/sub/x", "X"), ("x/with blank", "Q")])?;
    machine.sh("ln -s d $HOME/x/dir/link; chmod 700 $HOME/x/dir; chmod 4755 $HOME/x/a").ok()?;
    build(&machine, "-t copied $HOME/x").ok()?;
    for (command, expected) in [
        ("cat /w/one /dir/a", "AA"),
        ("ls /w/many", "a\nb.txt\nc.txt"),
        ("ls /w/wild", "b.txt\nc.txt"),
        ("ls /w/tree", "d\nlink\nsub"),
        ("readlink /w/tree/link", "d"),
        ("stat -c '%a %u' /w/one /w/tree", "4755 0\n700 0"),
        ("cat '/q/with blank' /w/x /real/a /followed", "QXAD"),
        ("ls /all", "Dockerfile\na\nb.txt\nc.txt\ndir\nwith blank"),
    ] {
        let seen = machine.docker(&format!("run --rm copied {command}")).ok()?;
        ensure!(seen == expected, "{command}: {seen}");
    }
    for (line, expected) in [
        (
            "COPY nope /",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist",
        ),
        ("COPY ../x /", "COPY failed: forbidden path outside the build context: ../x ()"),
        (
            "COPY a b.txt /none",
            "COPY failed: When using COPY with more than one source file, the destination must be a directory and end with a /",
        ),
        ("COPY none* /", "COPY failed: no source files were specified"),
        ("COPY --from=127.0.0.1:1/nope a /", "invalid from flag value 127.0.0.1:1/nope: "),
        ("COPY https://example.org/x /", "COPY failed: source can't be a URL for COPY"),
        ("ADD https://example.org/x /", "ADD failed: this engine does not fetch https://example.org/x"),
        ("COPY --chown=who a /", "unable to find user who: no matching entries in passwd file"),
    ] {
        let text = format!("FROM busybox\n{line}\n");
        let told = post(&machine, "", &[("Dockerfile", &text), ("a", ""), ("b.txt", "")])?;
        let error = told.last().and_then(|line| line["error"].as_str()).unwrap_or_default();
        ensure!(error.contains(expected), "{line}: {error}");
    }
    Ok(())
}

#[test]
fn archives_are_unpacked_by_add_only() -> Result<()> {
    let machine = machine()?;
    let inner = Tar::default().dir("in/").file("in/side", "S").symlink("in/abs", "/etc/passwd").finish();
    for packing in Packing::ALL {
        let packed = packing.pack(&inner)?;
        let text = "FROM busybox\nRUN mkdir /x\nADD inner /x\nCOPY inner /y/\nADD Dockerfile /z/\n";
        let archive = Tar::default().file("Dockerfile", text).file("inner", &packed).finish();
        let told = post_archive(&machine, "t=added&nocache=1", &packing.pack(&archive)?)?;
        ensure!(lines(&told).contains("Successfully tagged added:latest"), "{told:?}");
        let seen =
            machine.docker("run --rm added sh -c 'cat /x/in/side; readlink /x/in/abs; ls /y /z'").ok()?;
        ensure!(seen == "S/etc/passwd\n/y:\ninner\n\n/z:\nDockerfile", "{seen}");
    }
    let answer = machine.upload("/build", b"BZh91AY&SY")?;
    ensure!(answer.status == 500 && answer.message().contains("compressed with bzip2"), "{answer:?}");
    Ok(())
}

#[test]
fn what_is_ignored_is_not_sent() -> Result<()> {
    let machine = machine()?;
    let files = [
        ("x/Dockerfile", "FROM busybox\nCOPY . /all\n"),
        (
            "x/.dockerignore",
            "# no\n*.log\n!keep.log\n**/tmp\nDockerfile\n.dockerignore\nonly/*\n!only/this\n",
        ),
        ("x/a.log", ""),
        ("x/keep.log", ""),
        ("x/sub/b.log", ""),
        ("x/sub/tmp/deep", ""),
        ("x/only/this", ""),
        ("x/only/that", ""),
    ];
    put(&machine, &files)?;
    let expected = "/all/keep.log\n/all/only/this\n/all/sub/b.log";
    build(&machine, "-t ignored $HOME/x").ok()?;
    let seen = machine.docker("run --rm ignored sh -c 'find /all -type f | sort'").ok()?;
    ensure!(seen == expected, "{seen}");
    Ok(())
}

#[test]
fn a_hostile_context_gets_at_nothing() -> Result<()> {
    let machine = machine()?;
    let canary = machine.root().join("canary");
    let at = canary.clone();
    machine.within(move || fs::write(at, "untouched"))?;
    let path = canary.display().to_string();
    let dockerfile = |text: &str| Tar::default().file("Dockerfile", format!("FROM busybox\n{text}\n"));
    let climb = "../".repeat(12);
    for archive in [
        dockerfile("").file("../../canary", "x"),
        dockerfile("").symlink("out", "/").file(&format!("out{path}"), "x"),
        dockerfile("").hard_link("x", &format!("{climb}{}", &path[1..])),
        dockerfile("").symlink("d", &climb).file(&format!("d{path}"), "x"),
    ] {
        let answer = machine.upload("/build", &archive.finish())?;
        ensure!(answer.status == 500 && answer.message().contains("cannot unpack entry"), "{answer:?}");
    }
    // Links that lead out, followed by what reads and writes.
    let reads = dockerfile("COPY leak /leak").symlink("leak", &path);
    let told = post_archive(&machine, "", &reads.finish())?;
    let last = told.last().cloned().unwrap_or_default().to_string();
    ensure!(last.contains("stat leak: file does not exist"), "{last}");
    let itself = Tar::default().symlink("Dockerfile", &path).finish();
    let answer = machine.upload("/build", &itself)?;
    ensure!(answer.message().contains("Cannot locate specified Dockerfile"), "{answer:?}");
    let text = format!(
        "RUN ln -s {climb}{} /hole && ln -s / /root-link\nCOPY x /hole\nCOPY x /root-link{path}",
        &path[1..]
    );
    let told = post_archive(&machine, "t=hole", &dockerfile(&text).file("x", "overwritten").finish())?;
    ensure!(lines(&told).contains("Successfully built"), "{told:?}");
    ensure!(machine.docker(&format!("run --rm hole cat {path}")).ok()? == "overwritten");
    let up = post(&machine, "dockerfile=../../canary", &[("Dockerfile", "FROM busybox")]);
    ensure!(up.is_err());
    ensure!(machine.within(move || fs::read_to_string(canary))? == "untouched");
    ensure!(
        machine.sh("ls -A $HOME/data/image/unfinished $HOME/data/image/snapshots").ok()?.lines().count() == 3
    );
    Ok(())
}
