//! Flags and file together.

use clap::Parser;

use super::*;

fn join(flags: &[&str], file: &str) -> Result<Settings, String> {
    let flags = Flags::try_parse_from(["daemon"].iter().chain(flags)).map_err(|error| error.to_string())?;
    let file = serde_json::from_str(file).map_err(|error| error.to_string())?;
    Settings::join(flags, file, Path::new("/f")).map_err(|error| engine::chain(&error))
}

#[test]
fn nothing_given_is_the_defaults() {
    let settings = join(&[], "{}").expect("settings");
    assert_eq!(settings.hosts, [Host::Unix("/run/tombolo/tombolo.sock".into())]);
    assert_eq!(settings.data_root, Path::new("/var/lib/tombolo"));
    assert_eq!(settings.network.bridge_name, "p0");
    assert!(settings.network.icc && !settings.network.ipv6);
    assert_eq!(settings.log.level, Level::Info);
}

#[test]
fn flags_and_file_complete_each_other() {
    let settings = join(
        &[
            "--icc=false",
            "--ipv6",
            "-H",
            "unix:///a",
            "-H",
            "fd://",
            "--dns",
            "9.9.9.9",
            "--log-opt",
            "max-size=1m",
        ],
        r#"{"mtu": 1400, "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}], "debug": true}"#,
    )
    .expect("settings");
    assert!(!settings.network.icc && settings.network.ipv6);
    assert_eq!(settings.hosts, [Host::Unix("/a".into()), Host::Systemd]);
    assert_eq!(settings.network.mtu, Some(1400));
    assert_eq!(settings.network.pools[0].to_string(), "base=10.0.0.0/8,size=24");
    assert_eq!(settings.log.level, Level::Debug);
    assert_eq!(settings.containers.log_opts["max-size"], "1m");
}

#[track_caller]
fn check_refused(flags: &[&str], file: &str, text: &str) {
    let error = join(flags, file).expect_err(text);
    assert!(error.contains(text), "{error}");
}

#[test]
fn one_place_only() {
    check_refused(
        &["--mtu", "1400"],
        r#"{"mtu": 1500}"#,
        "the following directives are specified both as a flag and in the configuration file: mtu: (from flag: 1400, from file: 1500)",
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    check_refused(&[], r#"{"storage-drivers": "x"}"#, "unknown field `storage-drivers`");
    check_refused(&["--nope"], "{}", "unexpected argument");
    check_refused(&["-H", "tcp://0.0.0.0:2375"], "{}", "without mutual TLS");
    check_refused(&["-H", "/var/run/x"], "{}", "invalid bind address");
    check_refused(&["--bip", "10.0.0.1"], "{}", "invalid address");
    check_refused(&["--bip", "10.0.0.1/33"], "{}", "invalid address");
    check_refused(&["--default-address-pool", "base=10.0.0.0/24,size=16"], "{}", "invalid argument");
    check_refused(&["--mtu", "1"], "{}", "invalid MTU 1");
    check_refused(&["--bridge-name", "a/b"], "{}", "invalid bridge name");
    check_refused(&["--live-restore=false"], "{}", "cannot be switched off");
    check_refused(&["--log-driver", "x"], "{}", "logger: no log driver named 'x' is registered");
    check_refused(&["--log-opt", "x"], "{}", "invalid log option");
    check_refused(&["--data-root", "x"], "{}", "data-root must be an absolute path");
    check_refused(&["--log-level", "loud"], "{}", "invalid value 'loud'");
}

#[test]
fn a_named_file_must_exist_and_be_json() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("daemon.json");
    assert_eq!(File::read(&path, false).expect("nothing"), File::default());
    assert!(File::read(&path, true).is_err());
    std::fs::write(&path, "{\"mtu\": }").expect("written");
    let error = File::read(&path, true).expect_err("no JSON");
    assert!(engine::chain(&error).contains("unable to configure the daemon with file"));
    std::fs::write(&path, " ").expect("written");
    assert_eq!(File::read(&path, true).expect("empty"), File::default());
}
