//! Texts of mounts.

use super::*;

#[track_caller]
fn check(text: &str, target: &str, read_only: bool, kind: MountKind) {
    let mount = bind(text).expect(text);
    assert_eq!((mount.target.as_str(), mount.read_only, &mount.kind), (target, read_only, &kind), "{text}");
}

fn host(source: &str, propagation: Propagation) -> MountKind {
    let options = BindOptions { create_source: true, propagation, ..BindOptions::default() };
    MountKind::Bind { source: source.into(), options }
}

fn volume(name: Option<&str>, no_copy: bool) -> MountKind {
    MountKind::Volume { name: name.map(str::to_owned), no_copy, subpath: None, create: VolumeWish::default() }
}

#[test]
fn binds_are_read() {
    check("/a:/b", "/b", false, host("/a", Propagation::Rprivate));
    check("/a:/b:ro", "/b", true, host("/a", Propagation::Rprivate));
    check("/a:/b:ro,rslave", "/b", true, host("/a", Propagation::Rslave));
    check("/a:/b:z", "/b", false, host("/a", Propagation::Rprivate));
    check("data:/b", "/b", false, volume(Some("data"), false));
    check("data:/b:nocopy", "/b", false, volume(Some("data"), true));
    check("/b", "/b", false, volume(None, false));
}

#[test]
fn binds_that_make_no_sense_are_refused() {
    let error = |text: &str| bind(text).expect_err(text).message;
    assert_eq!(error("/a:/b:ro:x"), "invalid volume specification: '/a:/b:ro:x'");
    assert_eq!(error(":/b"), "invalid volume specification: ':/b'");
    assert_eq!(error("/a:"), "invalid volume specification: '/a:'");
    assert_eq!(error("/a:/b:fast"), "invalid mode: fast");
    assert!(error("a/b:/c").starts_with("create a/b: \"a/b\" includes invalid characters"));
}

#[test]
fn tmpfs_options_are_read() {
    let mount = tmpfs("/t", "size=64m,mode=1777,noexec,ro").expect("a mount");
    let kind =
        MountKind::Tmpfs { size: Some(64 << 20), mode: Some(0o1777), options: vec!["noexec".to_owned()] };
    assert_eq!((mount.kind, mount.read_only), (kind, true));
    assert!(tmpfs("/t", "size=lots").is_err());
    assert!(tmpfs("/t", "size=99999999999g").is_err());
    assert!(tmpfs("/t", "mode=9").is_err());
}

#[test]
fn mounts_are_checked() {
    let error = |r#type: &str, source: &str, target: &str| {
        let mount = Mount {
            r#type: r#type.to_owned(),
            source: source.to_owned(),
            target: target.to_owned(),
            ..Mount::default()
        };
        super::mount(&mount).expect_err(r#type).message
    };
    let prefix = "invalid mount config for type";
    assert_eq!(error("bind", "", "/t"), format!("{prefix} \"bind\": field Source must not be empty"));
    assert_eq!(error("bind", "/a", ""), format!("{prefix} \"bind\": field Target must not be empty"));
    assert_eq!(
        error("bind", "a", "/t"),
        format!("{prefix} \"bind\": invalid mount path: 'a' mount path must be absolute")
    );
    assert_eq!(error("nfs", "a", "/t"), format!("{prefix} \"nfs\": mount type unknown"));
}

#[test]
fn a_volume_of_the_image_yields_to_a_mount() {
    let host = HostConfig { binds: Some(vec!["/a:/data".to_owned()]), ..HostConfig::default() };
    let volumes: StringSet =
        [("/data", api::Empty {}), ("/more", api::Empty {})].map(|(k, v)| (k.to_owned(), v)).into();
    let mounts = mounts(&host, Some(&volumes)).expect("mounts");
    let targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
    assert_eq!(targets, ["/data", "/more"]);
}

#[test]
fn paths_are_cleaned_as_go_does() {
    for (path, cleaned) in
        [("/a//b/", "/a/b"), ("/a/./b/../c", "/a/c"), ("/..", "/"), ("/", "/"), ("a/", "a")]
    {
        assert_eq!(clean(path), cleaned, "{path}");
    }
}

#[test]
fn a_volume_is_made_as_its_mount_says() {
    let mount: Mount = serde_json::from_str(
        r#"{"Type":"volume","Source":"data","Target":"/d","VolumeOptions":{"Labels":{"a":"b"},
            "DriverConfig":{"Name":"local","Options":{"uid":"7"}},"Subpath":"x/y"}}"#,
    )
    .expect("a mount");
    let MountKind::Volume { create, subpath, .. } = super::mount(&mount).expect("a volume").kind else {
        panic!("no volume")
    };
    assert_eq!((create.driver.as_str(), create.options["uid"].as_str()), ("local", "7"));
    assert_eq!((create.labels["a"].as_str(), subpath.as_deref()), ("b", Some("x/y")));
    for (source, subpath) in [("data", "../x"), ("data", "/x"), ("", "x")] {
        let text = format!(
            r#"{{"Type":"volume","Source":"{source}","Target":"/d","VolumeOptions":{{"Subpath":"{subpath}"}}}}"#
        );
        super::mount(&serde_json::from_str(&text).expect("a mount")).expect_err(subpath);
    }
}
