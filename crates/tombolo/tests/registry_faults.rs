//! Registries that break, lie and attack.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{
    Machine, Place,
    archive::{self, Tar},
    fake_registry::{FakeRegistry, Fault},
    until,
};

const ADDRESS: &str = "127.0.0.1:5000";

fn machine() -> Result<(Machine, FakeRegistry)> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    machine.start_engine()?;
    let fake = FakeRegistry::start(&machine, Place::Host, ADDRESS)?;
    Ok((machine, fake))
}

/// A shell, and a layer that cannot be compressed.
fn layers() -> Result<Vec<Vec<u8>>> {
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(400_000)
    .collect();
    Ok(vec![archive::shell()?, Tar::default().file("noise", noise).finish()])
}

fn blob(digest: &str) -> String {
    format!("/v2/app/blobs/{digest}")
}

/// What lies in the image store: layers, blobs, and what is not finished.
fn stored(machine: &Machine) -> Result<String> {
    let count = "for what in layers blobs/sha256 unfinished; do ls -A $HOME/data/image/$what | wc -l; done";
    Ok(machine.sh(count).ok()?.replace('\n', " "))
}

#[track_caller]
fn refused(machine: &Machine, tag: &str, text: &str) -> Result<()> {
    let output = machine.tombolo(&format!("pull {ADDRESS}/app:{tag}"));
    ensure!(output.code != 0 && output.stderr.contains(text), "{text}: {output:?}");
    until("the pull to leave nothing", || (stored(machine).ok()? == "0 0 0").then_some(()))
        .with_context(|| format!("{text}: {:?}", stored(machine)))
}

#[test]
fn what_breaks_off_goes_on_where_it_broke_off() -> Result<()> {
    let (machine, fake) = machine()?;
    let (digest, blobs) = fake.image("app", "1", &layers()?)?;
    let path = blob(&blobs[1]);
    fake.fail(&path, [Fault::CutAfter(150_000), Fault::Status(503, String::new())]);
    fake.fail(&blob(&blobs[0]), [Fault::Status(429, "Retry-After: 0\r\n".to_owned())]);
    fake.fail("/v2/app/manifests/1", [Fault::Status(500, String::new()), Fault::CutAfter(10)]);
    let pulled = machine.tombolo(&format!("pull {ADDRESS}/app:1")).ok()?;
    ensure!(
        pulled.contains("Retrying in 1 second") && pulled.contains(&format!("Digest: {digest}")),
        "{pulled}"
    );
    let asked = fake.asked();
    let ranges: Vec<_> = asked
        .iter()
        .filter(|asked| asked.line.ends_with(&path))
        .map(|asked| asked.headers.get("range").map(String::as_str))
        .collect();
    ensure!(ranges == [None, Some("bytes=150000-"), Some("bytes=150000-")], "{ranges:?}");
    ensure!(machine.docker(&format!("run --rm {ADDRESS}/app:1 /bin/cat /noise | wc -c")).ok()? == "400000");

    // The same layers under another tag are not fetched.
    let (_, more) =
        fake.image("app", "2", &[layers()?, vec![Tar::default().file("top", "x").finish()]].concat())?;
    let pulled = machine.docker(&format!("pull {ADDRESS}/app:2")).ok()?;
    ensure!(pulled.matches(": Already exists").count() == 2, "{pulled}");
    let fetched = fake.asked();
    ensure!(!fetched.iter().any(|asked| blobs.iter().any(|blob| asked.line.contains(blob.as_str()))));
    ensure!(fetched.iter().any(|asked| asked.line.contains(&more[2])));
    Ok(())
}

#[test]
fn what_is_not_as_it_was_announced_is_refused_and_leaves_nothing() -> Result<()> {
    let (machine, fake) = machine()?;
    let (digest, blobs) = fake.image("app", "1", &layers()?)?;
    let path = blob(&blobs[1]);
    let layer = |fault: Fault| fake.fail(&path, [fault]);
    layer(Fault::Body(vec![7; 400_000]));
    refused(&machine, "1", "bytes, not the")?;
    layer(Fault::Claims(1 << 40));
    refused(&machine, "1", "bytes, not the")?;
    layer(Fault::Status(404, String::new()));
    refused(&machine, "1", "404 Not Found")?;
    let config = format!("/v2/app/manifests/{digest}");
    fake.fail(&config, [Fault::Body(b"{}".to_vec())]);
    let output = machine.tombolo(&format!("pull {ADDRESS}/app@{digest}"));
    ensure!(
        output.stderr.contains("the manifest of") && output.stderr.contains("has the digest"),
        "{output:?}"
    );
    fake.fail("/v2/app/manifests/1", [Fault::Body(vec![b' '; (4 << 20) + 1])]);
    refused(&machine, "1", "more than 4194304 bytes")?;

    // As many bytes as announced, and others.
    let (_, blobs) = fake.image("app", "lies", &[Tar::default().file("a", "a").finish()])?;
    let length = machine.sh(&format!("curl -s http://{ADDRESS}{} | wc -c", blob(&blobs[0]))).ok()?.parse()?;
    fake.fail(&blob(&blobs[0]), [Fault::Body(vec![7; length])]);
    refused(&machine, "lies", &format!("filesystem layer verification failed for digest {}", blobs[0]))?;
    machine.tombolo(&format!("pull {ADDRESS}/app:lies")).ok().map(drop)
}

#[test]
fn documents_that_mean_no_image_of_ours_are_refused() -> Result<()> {
    let (machine, fake) = machine()?;
    let layers = layers()?;
    let (image, _) = fake.image("app", "1", &layers)?;
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let index = "application/vnd.oci.image.index.v1+json";
    let entry = |media_type: &str, digest: &str, platform: &str| {
        let (os, architecture) = platform.split_once('/').expect("a platform");
        json!({ "mediaType": media_type, "digest": digest, "size": 1,
                "platform": { "os": os, "architecture": architecture } })
    };
    let ours = if cfg!(target_arch = "x86_64") { "linux/amd64" } else { "linux/arm64" };
    fake.index("app", "elsewhere", &[entry(manifest, &image, "linux/s390x")]);
    refused(&machine, "elsewhere", "no matching manifest for linux/")?;
    let mut digest = image.clone();
    for depth in 0..6 {
        digest = fake.index("app", &format!("deep{depth}"), &[entry(index, &digest, ours)]);
    }
    refused(&machine, "deep5", "nested too deep")?;
    let foreign = json!({
        "schemaVersion": 2, "mediaType": manifest,
        "config": fake.blob("app", "application/vnd.oci.image.config.v1+json", archive::configuration(&layers[..1])),
        "layers": [fake.blob("app", "application/vnd.oci.image.layer.nondistributable.v1.tar", layers[0].clone())],
    });
    fake.manifest("app", "foreign", manifest, foreign.to_string().into_bytes());
    refused(&machine, "foreign", "may not be kept in a registry")?;

    fake.index("app", "many", &[entry(manifest, &image, ours), entry(manifest, &image, "linux/s390x")]);
    let pulled = machine.docker(&format!("pull {ADDRESS}/app:many")).ok()?;
    ensure!(pulled.contains("Status: Downloaded newer image"), "{pulled}");
    let found = machine.call("GET", &format!("/distribution/{ADDRESS}/app:many/json"), "")?.ok()?;
    ensure!(
        found["Platforms"][1]["architecture"] == "s390x" && found["Descriptor"]["mediaType"] == index,
        "{found}"
    );
    let other = machine.docker(&format!("pull --platform linux/riscv64 {ADDRESS}/app:1")).ok()?;
    ensure!(other.contains("WARNING: image with reference"), "{other}");
    Ok(())
}

#[test]
fn who_asks_is_told_to_the_registry_alone() -> Result<()> {
    let (machine, fake) = machine()?;
    let other = FakeRegistry::start(&machine, Place::Host, "127.0.0.1:5001")?;
    let layers = layers()?;
    let (_, blobs) = fake.image("app", "1", &layers)?;
    other.image("app", "1", &layers)?;
    machine.sh("mkdir -p $HOME/.docker").ok()?;
    let log_in = |entry: &str| {
        let config = format!(r#"{{"auths":{{"{ADDRESS}":{entry}}}}}"#);
        machine.sh(&format!("echo '{config}' > $HOME/.docker/config.json")).ok()
    };
    log_in(r#"{"auth":"bWU6c2VjcmV0"}"#)?;
    fake.guard("Basic bWU6c2VjcmV0", "Basic realm=\"x\"");
    let elsewhere = format!("http://127.0.0.1:5001{}", blob(&blobs[1]));
    fake.fail(&blob(&blobs[1]), [Fault::Redirect(elsewhere)]);
    machine.tombolo(&format!("pull {ADDRESS}/app:1")).ok()?;
    let seen = other.asked();
    ensure!(seen.len() == 1 && !seen[0].headers.contains_key("authorization"), "{seen:?}");

    // A server of tokens: with the password, then with an identity token.
    fake.put("/token", "application/json", br#"{"token":"good"}"#.to_vec());
    fake.guard("Bearer good", &format!("Bearer realm=\"http://{ADDRESS}/token\",service=\"tests\""));
    fake.asked();
    machine.docker(&format!("pull {ADDRESS}/app:1")).ok()?;
    let asked = fake.asked();
    let token = asked.iter().find(|asked| asked.line.contains("/token")).context("no token was asked for")?;
    let is_whole =
        token.line.contains("service=tests") && token.line.contains("scope=repository%3Aapp%3Apull");
    ensure!(is_whole && token.headers["authorization"] == "Basic bWU6c2VjcmV0", "{token:?}");
    // Who logs in gets the identity token, which is kept instead of the password.
    fake.put("/token", "application/json", br#"{"token":"good","refresh_token":"again"}"#.to_vec());
    let log_in =
        format!("echo secret | {} login -u me --password-stdin {ADDRESS}", env!("CARGO_BIN_EXE_tombolo"));
    ensure!(machine.sh(&log_in).ok()? == "Login Succeeded");
    let kept = machine.sh("cat $HOME/.docker/config.json").ok()?;
    ensure!(kept.contains(r#""identitytoken": "again""#) && !kept.contains("bWU6c2VjcmV0"), "{kept}");
    fake.asked();
    machine.tombolo(&format!("pull {ADDRESS}/app:1")).ok()?;
    let asked = fake.asked();
    let token = asked.iter().find(|asked| asked.line.contains("/token")).context("no token was asked for")?;
    ensure!(token.line == "POST /token" && !token.headers.contains_key("authorization"), "{token:?}");
    fake.guard("Bearer better", "Negotiate");
    let strange = machine.tombolo(&format!("pull {ADDRESS}/app:1"));
    ensure!(strange.stderr.contains("wants to know who asks"), "{strange:?}");
    Ok(())
}

#[test]
fn a_pull_that_ends_early_leaves_nothing() -> Result<()> {
    let (machine, fake) = machine()?;
    let (_, blobs) = fake.image("app", "1", &layers()?)?;
    let path = blob(&blobs[1]);
    let half = || stored(&machine).ok().filter(|stored| *stored != "0 0 0");
    let pull = format!("{} pull {ADDRESS}/app:1", env!("CARGO_BIN_EXE_tombolo"));
    // The client goes away.
    fake.fail(&path, [Fault::StallAfter(100_000)]);
    let mut client = machine.start_sh(&format!("exec {pull}"))?;
    until("the pull to begin", half)?;
    client.kill()?;
    client.wait()?;
    until("the pull to leave nothing", || half().is_none().then_some(()))?;
    // The engine goes away.
    fake.fail(&path, [Fault::StallAfter(100_000)]);
    let mut client = machine.start_sh(&format!("exec {pull}"))?;
    until("the pull to begin", half)?;
    machine.kill_engine()?;
    client.wait()?;
    machine.start_engine()?;
    ensure!(stored(&machine)? == "0 0 0", "{}", stored(&machine)?);
    // The disk is full.
    machine.sh("mount -t tmpfs -o size=256k tmpfs $HOME/data/image/unfinished").ok()?;
    refused(&machine, "1", "No space left on device")?;
    machine.sh("umount $HOME/data/image/unfinished").ok()?;
    machine.tombolo(&format!("pull {ADDRESS}/app:1")).ok().map(drop)
}

#[test]
fn a_mirror_is_asked_first_and_not_told_who_asks() -> Result<()> {
    let mirror = format!("http://{ADDRESS}");
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &["--registry-mirror", &mirror])?;
    machine.start_engine()?;
    let fake = FakeRegistry::start(&machine, Place::Host, ADDRESS)?;
    fake.image("library/mirrored", "latest", &layers()?)?;
    machine.sh(r#"mkdir -p $HOME/.docker; echo '{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6c2VjcmV0"}}}' > $HOME/.docker/config.json"#).ok()?;
    let ran = machine.tombolo("run --rm mirrored echo works");
    ensure!(ran.stderr.contains("latest: Pulling from library/mirrored") && ran.ok()? == "works");
    ensure!(fake.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
    ensure!(machine.docker("info").ok()?.contains(&mirror));
    Ok(())
}
