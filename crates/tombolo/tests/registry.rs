//! Images from Debian's registry and to it: ours and Docker's command line, passwords, TLS.

use anyhow::{Context, Result, ensure};
use testkit::{
    Machine, Place,
    archive::{self, Tar},
    fake_registry::FakeRegistry,
    registry::{Guard, PASSWORD, USER},
};

const OPEN: &str = "localhost:5000";

fn machine() -> Result<Machine> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine.sh("mkdir -p $HOME/.docker").ok()?;
    Ok(machine)
}

/// How many there are below a directory of the image store.
fn count(machine: &Machine, what: &str) -> Result<usize> {
    Ok(machine.sh(&format!("ls -A $HOME/data/image/{what} | wc -l")).ok()?.parse()?)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
fn what_one_command_line_pushes_the_other_pulls() -> Result<()> {
    let machine = machine()?;
    let _registry = machine.registry(OPEN, Guard::default())?;
    machine.docker("tag busybox localhost:5000/team/box:1").ok()?;
    let id = machine.docker("image inspect -f '{{.Id}}' busybox").ok()?;
    let pushed = machine.docker("push localhost:5000/team/box:1").ok()?;
    let said = lines(&pushed);
    ensure!(said[0] == "The push refers to repository [localhost:5000/team/box]", "{pushed}");
    ensure!(said.iter().any(|line| line.ends_with(": Preparing")), "{pushed}");
    ensure!(said.iter().any(|line| line.ends_with(": Pushed")), "{pushed}");
    let last = said.last().context("a last line")?;
    ensure!(last.starts_with("1: digest: sha256:") && last.contains(" size: "), "{pushed}");
    let digest = last.split(' ').nth(2).context("a digest")?.to_owned();
    let again = machine.tombolo("push localhost:5000/team/box:1").ok()?;
    ensure!(again.contains(": Layer already exists") && again.ends_with(last), "{again}");

    machine.docker("rmi localhost:5000/team/box:1 busybox").ok()?;
    ensure!(count(&machine, "layers")? == 0 && count(&machine, "blobs/sha256")? == 0);
    let pulled = machine.tombolo("pull localhost:5000/team/box:1").ok()?;
    let said = lines(&pulled);
    ensure!(said[0] == "1: Pulling from team/box", "{pulled}");
    for step in ["Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete"] {
        ensure!(said.iter().any(|line| line.ends_with(&format!(": {step}"))), "{step}: {pulled}");
    }
    let end = [
        format!("Digest: {digest}"),
        "Status: Downloaded newer image for localhost:5000/team/box:1".to_owned(),
        "localhost:5000/team/box:1".to_owned(),
    ];
    ensure!(said.ends_with(&end.each_ref().map(String::as_str)), "{pulled}");
    let shown = machine.docker("image inspect -f '{{.Id}} {{json .RepoDigests}}' localhost:5000/team/box:1");
    ensure!(shown.ok()? == format!("{id} [\"localhost:5000/team/box@{digest}\"]"));
    ensure!(machine.docker("run --rm localhost:5000/team/box:1 echo works").ok()? == "works");

    let current = machine.docker("pull localhost:5000/team/box:1").ok()?;
    ensure!(current.contains("Status: Image is up to date for localhost:5000/team/box:1"), "{current}");
    let by_digest = machine.docker(&format!("pull localhost:5000/team/box@{digest}")).ok()?;
    ensure!(by_digest.contains(&format!("{digest}: Pulling from team/box")), "{by_digest}");
    Ok(())
}

#[test]
fn an_image_keeps_its_digest_in_another_registry() -> Result<()> {
    let machine = machine()?;
    let _registry = machine.registry(OPEN, Guard::default())?;
    let fake = FakeRegistry::start(&machine, Place::Host, "127.0.0.1:5001")?;
    let (digest, _) = fake.image("app", "1", &[archive::shell()?, Tar::default().file("x", "x").finish()])?;
    machine.docker("pull 127.0.0.1:5001/app:1").ok()?;
    machine.docker("tag 127.0.0.1:5001/app:1 localhost:5000/copy:1").ok()?;
    let pushed = machine.docker("push localhost:5000/copy:1").ok()?;
    ensure!(pushed.contains(&format!("1: digest: {digest} size: ")), "{pushed}");
    let found = machine.call("GET", "/distribution/localhost:5000/copy:1/json", "")?.ok()?;
    ensure!(found["Descriptor"]["digest"] == digest, "{found}");
    let refused = machine.docker("push --platform linux/s390x localhost:5000/copy:1");
    ensure!(refused.stderr.contains("not for linux/s390x"), "{refused:?}");
    Ok(())
}

#[test]
fn a_terminal_shows_a_bar_for_each_layer() -> Result<()> {
    let machine = machine()?;
    let fake = FakeRegistry::start(&machine, Place::Host, "127.0.0.1:5001")?;
    let (_, blobs) = fake.image("app", "1", &[archive::shell()?])?;
    let pull = format!("{} pull 127.0.0.1:5001/app:1", env!("CARGO_BIN_EXE_tombolo"));
    let shown = machine.sh(&format!("TERM=xterm script -qec '{pull}' /dev/null")).ok()?;
    let layer = &blobs[0]["sha256:".len()..][..12];
    ensure!(shown.contains(&format!("{layer}: Pull complete")) && shown.contains('\u{1b}'), "{shown:?}");
    ensure!(shown.contains("Status: Downloaded newer image for 127.0.0.1:5001/app:1"), "{shown:?}");
    Ok(())
}

#[test]
fn a_missing_image_is_pulled_when_a_container_wants_it() -> Result<()> {
    let machine = machine()?;
    let _registry = machine.registry(OPEN, Guard::default())?;
    machine.docker("tag busybox localhost:5000/box").ok()?;
    machine.docker("push -q localhost:5000/box").ok()?;
    let rid = |machine: &Machine| machine.docker("rmi -f localhost:5000/box busybox").ok();
    for client in [Machine::tombolo as fn(&Machine, &str) -> testkit::Output, Machine::docker] {
        rid(&machine)?;
        let refused = client(&machine, "run --rm --pull never localhost:5000/box true");
        ensure!(refused.code == 125 && refused.stderr.contains("No such image"), "{refused:?}");
        let ran = client(&machine, "run --rm localhost:5000/box echo hello");
        ensure!(ran.stderr.contains("Unable to find image 'localhost:5000/box:latest' locally"), "{ran:?}");
        ensure!(ran.stderr.contains("Status: Downloaded newer image"), "{ran:?}");
        ensure!(ran.ok()? == "hello");
        let again = client(&machine, "run --rm --pull always localhost:5000/box echo hello");
        ensure!(again.stderr.contains("Image is up to date"), "{again:?}");
        machine.docker("tag localhost:5000/box busybox").ok()?;
    }
    Ok(())
}

#[test]
fn repositories_of_a_registry_share_layers_and_all_tags_travel() -> Result<()> {
    let machine = machine()?;
    let _registry = machine.registry(OPEN, Guard::default())?;
    for name in ["one:a", "one:b", "two:a"] {
        machine.docker(&format!("tag busybox localhost:5000/{name}")).ok()?;
    }
    let pushed = machine.docker("push -a localhost:5000/one").ok()?;
    ensure!(pushed.contains("a: digest: ") && pushed.contains("b: digest: "), "{pushed}");
    let mounted = machine.tombolo("push localhost:5000/two:a").ok()?;
    ensure!(mounted.contains(": Mounted from one"), "{mounted}");
    machine.docker("rmi -f localhost:5000/one:a localhost:5000/one:b localhost:5000/two:a busybox").ok()?;
    let pulled = machine.docker("pull -a localhost:5000/one").ok()?;
    ensure!(pulled.contains("a: Pulling from one") && pulled.contains("b: Pulling from one"), "{pulled}");
    let names = machine.docker("images --format '{{.Repository}}:{{.Tag}}' localhost:5000/one").ok()?;
    ensure!(names == "localhost:5000/one:a\nlocalhost:5000/one:b", "{names}");
    let refused = machine.tombolo("pull -a localhost:5000/one:a");
    ensure!(refused.stderr.contains("tag can't be used with --all-tags/-a"), "{refused:?}");
    Ok(())
}

#[test]
fn what_is_not_there_is_refused_as_docker_does() -> Result<()> {
    let machine = machine()?;
    let _registry = machine.registry(OPEN, Guard::default())?;
    let create = |query: &str| machine.call("POST", &format!("/images/create?{query}"), "");
    let missing = create("fromImage=localhost:5000/none&tag=x")?;
    ensure!(missing.status == 404, "{missing:?}");
    ensure!(
        missing.message()
            == "manifest for localhost:5000/none:x not found: manifest unknown: manifest unknown",
        "{missing:?}"
    );
    let nobody = create("fromImage=localhost:5009/none&tag=x")?;
    ensure!(nobody.status == 500 && nobody.message().contains("Connection refused"), "{nobody:?}");
    ensure!(
        create("fromImage=A&tag=x")?.status == 400 && create("fromImage=a&tag=x&platform=//")?.status == 400
    );
    let push = machine.docker("push localhost:5000/none");
    ensure!(
        push.stderr.contains("An image does not exist locally with the tag: localhost:5000/none"),
        "{push:?}"
    );
    machine.docker("tag busybox localhost:5000/some:a").ok()?;
    let push = machine.docker("push localhost:5000/some:b");
    ensure!(push.stderr.contains("tag does not exist: localhost:5000/some:b"), "{push:?}");
    Ok(())
}

#[test]
fn a_registry_with_passwords_is_told_who_asks() -> Result<()> {
    let machine = machine()?;
    let _registry = machine.registry(OPEN, Guard { password: true, ..Guard::default() })?;
    machine.docker("tag busybox localhost:5000/box").ok()?;
    let refused = machine.docker("push localhost:5000/box");
    ensure!(refused.stderr.contains("no basic auth credentials"), "{refused:?}");
    let wrong = format!("echo wrong | docker login -u {USER} --password-stdin {OPEN}");
    let wrong = machine.sh(&wrong);
    ensure!(wrong.code != 0 && wrong.stderr.contains("401 Unauthorized"), "{wrong:?}");
    let ours = env!("CARGO_BIN_EXE_tombolo");
    for client in ["docker", ours] {
        let login = format!("echo {PASSWORD} | {client} login -u {USER} --password-stdin {OPEN}");
        ensure!(machine.sh(&login).ok()?.contains("Login Succeeded"));
        // What one has noted, the other shows.
        for user in ["docker", ours] {
            machine.sh(&format!("{user} push localhost:5000/box")).ok()?;
            machine.sh(&format!("{user} pull localhost:5000/box")).ok()?;
        }
        let out = machine.sh(&format!("{client} logout {OPEN}")).ok()?;
        ensure!(out == format!("Removing login credentials for {OPEN}"), "{out}");
        let refused = machine.tombolo("pull localhost:5000/box");
        ensure!(refused.stderr.contains("no basic auth credentials"), "{refused:?}");
    }
    let again = machine.tombolo(&format!("logout {OPEN}")).ok()?;
    ensure!(again == format!("Not logged in to {OPEN}"));
    Ok(())
}

#[test]
fn a_program_of_the_user_keeps_passwords() -> Result<()> {
    let machine = machine()?;
    let _registry = machine.registry(OPEN, Guard { password: true, ..Guard::default() })?;
    let helper = r#"mkdir -p $HOME/bin; cat > $HOME/bin/docker-credential-test <<'END'
#!/bin/sh
read -r input
case $1 in
get) cat $HOME/kept 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; };;
store) echo "$input" > $HOME/kept;;
erase) rm -f $HOME/kept;;
esac
END
chmod +x $HOME/bin/docker-credential-test
echo '{"credsStore":"test","detachKeys":"ctrl-a"}' > $HOME/.docker/config.json"#;
    machine.sh(helper).ok()?;
    let ours =
        |words: &str| machine.sh(&format!("PATH=$HOME/bin:$PATH {} {words}", env!("CARGO_BIN_EXE_tombolo")));
    machine.docker("tag busybox localhost:5000/box").ok()?;
    ensure!(ours("push localhost:5000/box").stderr.contains("no basic auth credentials"));
    ours(&format!("login -u {USER} -p {PASSWORD} {OPEN}")).ok()?;
    let kept = machine.sh("cat $HOME/kept $HOME/.docker/config.json").ok()?;
    ensure!(kept.contains(&format!("\"Username\":\"{USER}\"")) && kept.contains("ctrl-a"), "{kept}");
    ensure!(!machine.sh("cat $HOME/.docker/config.json").ok()?.contains("auth\""));
    ours("push localhost:5000/box").ok()?;
    ours(&format!("logout {OPEN}")).ok()?;
    ensure!(machine.sh("test -e $HOME/kept").code == 1);
    Ok(())
}

#[test]
fn certificates_are_believed_by_registry() -> Result<()> {
    let machine = machine()?;
    // Not on loopback: there certificates need no authority.
    let name = "198.51.100.1:5443";
    let _registry = machine.registry(name, Guard { tls: true, client: true, password: false })?;
    let etc = "mkdir -p $HOME/etc/up $HOME/etc/work && mount -t overlay overlay /etc \
               -o lowerdir=/etc,upperdir=$HOME/etc/up,workdir=$HOME/etc/work";
    machine.sh(etc).ok()?;
    machine.docker(&format!("tag busybox {name}/box")).ok()?;
    let stranger = machine.docker(&format!("push {name}/box"));
    ensure!(stranger.code != 0 && stranger.stderr.contains("invalid peer certificate"), "{stranger:?}");
    machine
        .sh(&format!("mkdir -p /etc/docker/certs.d/{name}; cp $HOME/tls/ca.crt /etc/docker/certs.d/{name}"))
        .ok()?;
    let nobody = machine.docker(&format!("push {name}/box"));
    ensure!(nobody.code != 0 && !nobody.stderr.contains("invalid peer certificate"), "{nobody:?}");
    machine.sh(&format!("cp $HOME/tls/client.cert /etc/docker/certs.d/{name}")).ok()?;
    let keyless = machine.docker(&format!("push {name}/box"));
    ensure!(keyless.stderr.contains("missing key"), "{keyless:?}");
    machine.sh(&format!("mkdir -p /etc/tombolo/certs.d/{name}; mv /etc/docker/certs.d/{name}/client.cert $HOME/tls/client.key /etc/tombolo/certs.d/{name}")).ok()?;
    machine.docker(&format!("push {name}/box")).ok()?;
    machine.tombolo(&format!("pull {name}/box")).ok()?;
    Ok(())
}

#[test]
fn only_loopback_and_named_registries_may_lack_tls() -> Result<()> {
    let mut machine = machine()?;
    let name = "198.51.100.1:5000";
    let _registry = machine.registry(name, Guard::default())?;
    machine.docker(&format!("tag busybox {name}/box")).ok()?;
    let refused = machine.docker(&format!("push {name}/box"));
    ensure!(refused.code != 0, "{refused:?}");
    for insecure in [name, "198.51.100.0/24"] {
        machine.stop_engine()?;
        machine.set_flags(&["--insecure-registry", insecure]);
        machine.start_engine()?;
        machine.docker(&format!("push {name}/box")).ok()?;
        ensure!(machine.docker("info").ok()?.contains(insecure));
    }
    Ok(())
}
