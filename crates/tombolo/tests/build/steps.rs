//! Images built from Dockerfiles: what is told, what is made, what is found again, what is left.

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::until;

use crate::support::{build, lines, machine, masked, post, put};

#[test]
fn a_build_tells_what_docker_tells() -> Result<()> {
    let machine = machine()?;
    let dockerfile =
        "ARG base=busybox\nFROM ${base} AS first\nRUN echo out; echo err >&2\nFROM first\nENV a=b\n";
    put(&machine, &[("x/Dockerfile", dockerfile)])?;
    let told = build(&machine, "-t app -t other:1 --build-arg nope=1 $HOME/x").ok()?;
    let expected = "Step 1/5 : ARG base=busybox
Step 2/5 : FROM ${base} AS first
 ---> ID
Step 3/5 : RUN echo out; echo err >&2
 ---> Running in ID
out
\u{1b}[91merr
\u{1b}[0mRemoving intermediate container ID
 ---> ID
Step 4/5 : FROM first
 ---> ID
Step 5/5 : ENV a=b
 ---> ID
[Warning] One or more build-args [nope] were not consumed
Successfully built ID
Successfully tagged app:latest
Successfully tagged other:1";
    ensure!(masked(&told) == expected, "{}", masked(&told));

    let again = build(&machine, "$HOME/x").ok()?;
    ensure!(again.matches(" ---> Using cache\n").count() == 2, "{again}");
    ensure!(!again.contains("Running in"), "{again}");
    let quiet =
        machine.sh("DOCKER_BUILDKIT=0 docker build -q --iidfile $HOME/id $HOME/x 2>/dev/null").ok()?;
    let id = machine.docker("image inspect -f '{{.Id}}' app").ok()?;
    ensure!(quiet == id && machine.sh("cat $HOME/id").ok()? == id, "{quiet} {id}");
    let aux = post(&machine, "t=third", &[("Dockerfile", "FROM busybox\nLABEL x=y\n")])?;
    let ids: Vec<&Value> = aux.iter().filter_map(|line| line["aux"].get("ID")).collect();
    ensure!(ids.len() == 1 && ids[0].as_str().is_some_and(|id| id.starts_with("sha256:")), "{aux:?}");
    ensure!(machine.docker("images -q").ok()?.lines().count() == 4, "steps are not listed");
    ensure!(machine.docker("images -aq").ok()?.lines().count() > 4);
    ensure!(machine.docker("ps -aq").ok()?.is_empty());
    Ok(())
}

#[test]
fn what_changes_is_built_again_and_nothing_else() -> Result<()> {
    let machine = machine()?;
    let dockerfile =
        "FROM busybox\nARG v=1\nCOPY a b /d/\nRUN cat /d/a > /sum; echo $v >> /sum\nCMD cat /sum\n";
    put(&machine, &[("x/Dockerfile", dockerfile), ("x/a", "one"), ("x/b", ""), ("x/other", "")])?;
    let hits = |words: &str| -> Result<usize> {
        Ok(build(&machine, &format!("{words} -t app $HOME/x")).ok()?.matches("Using cache").count())
    };
    ensure!(hits("")? == 0);
    ensure!(hits("")? == 4);
    put(&machine, &[("x/other", "changed")])?;
    machine.sh("touch -d 2001-01-01 $HOME/x/a").ok()?;
    ensure!(hits("")? == 4, "times and other files do not count");
    ensure!(hits("--build-arg v=1")? == 4);
    ensure!(hits("--build-arg v=2")? == 2, "the command sees it");
    ensure!(machine.docker("run --rm app").ok()? == "one2");
    put(&machine, &[("x/a", "two")])?;
    ensure!(hits("")? == 1);
    ensure!(machine.docker("run --rm app").ok()? == "two1");
    machine.sh("chmod 600 $HOME/x/b").ok()?;
    ensure!(hits("")? == 1, "modes count");
    ensure!(hits("--no-cache")? == 0);
    machine.stop_engine()?;
    machine.start_engine()?;
    ensure!(hits("")? == 4, "the cache outlives the engine");
    Ok(())
}

/// What each instruction does, looked at from inside.
const EVERYTHING: &str = r#"
# escape=`
FROM busybox
MAINTAINER somebody <a@example.org>
ARG word=default
ENV A="x y" B=${word:-none} PATH=$PATH:/more
ENV OLD old form
LABEL "k"='v w' n=$B
WORKDIR /work
WORKDIR sub
COPY --chown=7:8 --chmod=640 file renamed
RUN id -u > who && `
    # a comment in between
    pwd > where
USER 1000:1000
RUN ["sh", "-c", "id -u > /tmp/uid"]
VOLUME ["/data"]
EXPOSE 80 53/udp
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5m CMD true
ENTRYPOINT ["sh", "-c"]
CMD ["echo $A $B $OLD $PWD"]
ONBUILD RUN echo triggered > /tmp/trigger
"#;

#[test]
fn every_instruction_does_what_it_says() -> Result<()> {
    let machine = machine()?;
    // The directive has to be the first line.
    put(&machine, &[("x/Dockerfile", EVERYTHING.trim_start()), ("x/file", "content")])?;
    build(&machine, "-t all --build-arg word=given --label 'extra=$A \"q\"' $HOME/x").ok()?;
    ensure!(machine.docker("run --rm all").ok()? == "x y given old form /work/sub");
    for (command, expected) in [
        ("cat who where", "0\n/work/sub"),
        ("stat -c '%u %g %a' renamed", "7 8 640"),
        ("cat /tmp/uid", "1000"),
        ("id -u", "1000"),
        ("env | grep -c '^PATH=.*:/more'", "1"),
    ] {
        let seen = machine.docker(&format!("run --rm all \"{command}\"")).ok()?;
        ensure!(seen == expected, "{command}: {seen}");
    }
    let shown = machine.call("GET", "/images/all/json", "")?.ok()?;
    let config = &shown["Config"];
    for (pointer, expected) in [
        ("/Labels/k", "\"v w\""),
        ("/Labels/n", "\"given\""),
        ("/Labels/extra", "\"$A \\\"q\\\"\""),
        ("/ExposedPorts", "{\"53/udp\":{},\"80/tcp\":{}}"),
        ("/StopSignal", "\"SIGINT\""),
        ("/Volumes", "{\"/data\":{}}"),
        ("/Healthcheck/Interval", "300000000000"),
        ("/Shell", "[\"/bin/sh\",\"-ec\"]"),
        ("/OnBuild", "[\"RUN echo triggered > /tmp/trigger\"]"),
    ] {
        let seen = config.pointer(pointer).map(ToString::to_string).unwrap_or_default();
        ensure!(seen == expected, "{pointer}: {seen}");
    }
    ensure!(shown["Author"] == "somebody <a@example.org>");
    let history = machine.docker("history --no-trunc --format '{{.CreatedBy}} {{.Size}}' all").ok()?;
    ensure!(history.contains("#(nop)  CMD [\"echo $A $B $OLD $PWD\"] 0B"), "{history}");
    ensure!(history.contains("|1 word=given /bin/sh -c id -u > who"), "{history}");

    put(&machine, &[("y/Dockerfile", "FROM all\nRUN test -e /tmp/trigger\n")])?;
    let told = build(&machine, "-t on $HOME/y").ok()?;
    ensure!(told.contains("# Executing 1 build trigger\n"), "{told}");
    ensure!(machine.docker("image inspect -f '{{json .Config.OnBuild}}' on").ok()? == "null");
    Ok(())
}

#[test]
fn stages_take_from_one_another() -> Result<()> {
    let machine = machine()?;
    let dockerfile = "FROM busybox AS tools
RUN mkdir /out && echo made > /out/file && chown 5:6 /out/file && ln -s file /out/link
FROM scratch AS small
COPY --from=tools /out /out
COPY --from=0 --chown=1:1 /out/file /mine
COPY --from=busybox /bin/busybox /bin/busybox
FROM small AS check
RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox stat -c '%u:%g' /out/file /mine; /bin/busybox cat /out/link\"]
FROM 127.0.0.1:1/to/be:found
";
    put(&machine, &[("x/Dockerfile", dockerfile)])?;
    let told = build(&machine, "--target check -t small $HOME/x").ok()?;
    ensure!(told.contains("\n5:6\n1:1\nmade\n") && !told.contains("127.0.0.1:1"), "{told}");
    ensure!(
        build(&machine, "--target SMALL $HOME/x").ok()?.contains("Step 6/6 : COPY --from=busybox"),
        "{told}"
    );
    let failed = build(&machine, "$HOME/x");
    ensure!(failed.code == 1 && failed.stdout.contains("127.0.0.1:1"), "{failed:?}");
    let failed = build(&machine, "--target none $HOME/x");
    ensure!(failed.stdout.contains("target stage \"none\" could not be found"), "{failed:?}");
    Ok(())
}

#[test]
fn a_step_runs_as_it_is_asked_to() -> Result<()> {
    let machine = machine()?;
    let dockerfile = "FROM busybox\nRUN ls /sys/class/net | tr '\\n' ' '; df /dev/shm | tail -1; grep extra /etc/hosts; env\n";
    put(&machine, &[("x/Dockerfile", dockerfile)])?;
    let words =
        "--network none --shm-size 1m --add-host extra:198.51.100.7 --memory 64m --build-arg http_proxy=p";
    let told = build(&machine, &format!("{words} $HOME/x")).ok()?;
    ensure!(told.contains("\nlo shm "), "{told}");
    ensure!(told.contains(" 1024 ") && told.contains("198.51.100.7"), "{told}");
    ensure!(told.contains("http_proxy=p"), "{told}");
    let history = machine.docker("history --no-trunc $(docker images -q | head -1)").ok()?;
    ensure!(!history.contains("http_proxy"), "{history}");
    put(
        &machine,
        &[("y/Dockerfile", "FROM busybox\nRUN <<EOF\necho one\necho two > /f\nEOF\nCOPY <<X /x\n$PATH\nX\n")],
    )?;
    build(&machine, "-t here $HOME/y").ok()?;
    ensure!(machine.docker("run --rm here cat /f /x").ok()?.starts_with("two\n/"));
    machine.docker("network create n").ok()?;
    put(&machine, &[("z/Dockerfile", "FROM busybox\nRUN nslookup name\n")])?;
    machine.docker("run -d --network n --name name busybox sleep 1000").ok()?;
    build(&machine, "--network n $HOME/z").ok()?;
    Ok(())
}

#[test]
fn a_failed_step_says_so_and_leaves_nothing() -> Result<()> {
    let machine = machine()?;
    let dockerfile = "FROM busybox\nENV x=y\nVOLUME /v\nRUN echo before; exit 7\n";
    let told = post(&machine, "", &[("Dockerfile", dockerfile)])?;
    let last = told.last().cloned().unwrap_or_default();
    let sentence = "The command '/bin/sh -c echo before; exit 7' returned a non-zero code: 7";
    ensure!(last["error"] == sentence && last["errorDetail"]["message"] == sentence, "{last}");
    ensure!(last["errorDetail"]["code"] == 7, "{last}");
    ensure!(lines(&told).contains("before\n"));
    let failed = post(&machine, "", &[("Dockerfile", "FROM busybox\nRUN [\"/nope\"]\n")])?;
    ensure!(failed.last().is_some_and(|last| last["error"].as_str().unwrap_or_default().contains("/nope")));
    ensure!(machine.docker("ps -aq").ok()?.is_empty() && machine.docker("volume ls -q").ok()?.is_empty());
    for place in ["snapshots", "unfinished"] {
        ensure!(machine.sh(&format!("ls -A $HOME/data/image/{place}")).ok()?.is_empty(), "{place}");
    }
    let kept = post(&machine, "rm=0", &[("Dockerfile", "FROM busybox\nRUN echo kept; exit 3\n")])?;
    ensure!(lines(&kept).contains("Running in"));
    let states = machine.docker("ps -a --format '{{.Status}}'").ok()?;
    ensure!(states.starts_with("Exited (3)"), "{states}");
    Ok(())
}

#[test]
fn who_goes_away_ends_the_build() -> Result<()> {
    let machine = machine()?;
    put(&machine, &[("x/Dockerfile", "FROM busybox\nRUN echo begun; sleep 1000\n")])?;
    let running = || machine.docker("ps -q").ok().ok().filter(|ids| !ids.is_empty());
    let gone = || machine.docker("ps -aq").ok().ok().filter(String::is_empty);
    let mut client = machine.start_sh("DOCKER_BUILDKIT=0 exec docker build $HOME/x")?;
    until("the step to run", running)?;
    client.kill()?;
    client.wait()?;
    until("the step to be gone", gone)?;

    let mut client = machine.start_sh("DOCKER_BUILDKIT=0 exec docker build $HOME/x")?;
    until("the step to run", running)?;
    machine.kill_engine()?;
    client.wait()?;
    machine.start_engine()?;
    until("the step to be gone", gone)?;
    for place in ["snapshots", "unfinished"] {
        ensure!(machine.sh(&format!("ls -A $HOME/data/image/{place}")).ok()?.is_empty(), "{place}");
    }
    ensure!(build(&machine, "-q $HOME/x --target none").code == 1, "the engine builds again");

    let mut client = machine.start_sh("DOCKER_BUILDKIT=0 exec docker build $HOME/x")?;
    until("the step to run", running)?;
    machine.stop_engine()?;
    client.wait()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}

#[test]
fn what_the_builder_does_not_do_is_refused() -> Result<()> {
    let machine = machine()?;
    for (query, status, text) in [
        ("version=2", 400, "DOCKER_BUILDKIT=0"),
        ("version=3", 400, "invalid version"),
        ("squash=1", 400, "experimental"),
        ("remote=https://example.org/x.git", 501, "building from the address"),
        ("remote=client-session", 400, "DOCKER_BUILDKIT=0"),
        ("buildargs=x", 400, "error reading buildargs"),
        ("t=BAD", 400, "must be lowercase"),
        ("dockerfile=nope", 500, "Cannot locate specified Dockerfile: nope"),
        ("memory=x", 400, "invalid syntax"),
        ("platform=linux/s390x", 200, "cannot be built here"),
    ] {
        let answer = machine.upload(
            &format!("/build?{query}"),
            &crate::support::context(&[("Dockerfile", "FROM busybox\n")]),
        )?;
        let said = format!("{} {}", answer.message(), answer.body);
        ensure!(answer.status == status && said.contains(text), "{query}: {answer:?}");
    }
    for (text, expected) in [
        ("FROM busybox\nNOPE\n", "dockerfile parse error on line 2: unknown instruction: NOPE"),
        ("# only\n", "file with no instructions"),
        ("FROM busybox\nRUN --mount=type=cache x\n", "the --mount option requires BuildKit"),
    ] {
        let answer = machine.upload("/build", &crate::support::context(&[("Dockerfile", text)]))?;
        ensure!(answer.status == 400 && answer.message().contains(expected), "{answer:?}");
    }
    for path in ["/session", "/grpc"] {
        ensure!(machine.call("POST", path, "")?.status == 404, "{path}");
    }
    Ok(())
}
