//! Mounts: the four ways to ask for one, and how they are shown.

use std::collections::BTreeSet;
use std::path::PathBuf;

use api::host_config::HostConfig;
use api::mount::{Mount, MountPoint as ApiMountPoint, VolumeDriver};
use api::{StringMap, StringSet};
use engine::{BindOptions, Inspect, MountKind, MountOrigin, MountPoint, MountSpec, Propagation, VolumeWish};

use crate::http::answer::Refusal;

/// All mounts of a request: `Binds`, `Mounts`, `Tmpfs`, and volumes of `Config` where nothing else is mounted.
pub(crate) fn mounts(host: &HostConfig, volumes: Option<&StringSet>) -> Result<Vec<MountSpec>, Refusal> {
    let mut mounts = Vec::new();
    for text in host.binds.iter().flatten() {
        mounts.push(bind(text)?);
    }
    for mount in host.mounts.iter().flatten() {
        mounts.push(self::mount(mount)?);
    }
    for (target, options) in host.tmpfs.iter().flatten() {
        mounts.push(tmpfs(target, options)?);
    }
    let taken: BTreeSet<String> = mounts.iter().map(|mount| mount.target.clone()).collect();
    let free = volumes.into_iter().flatten().map(|(target, _)| clean(target));
    mounts.extend(free.filter(|target| !taken.contains(target)).map(|target| MountSpec {
        target,
        kind: MountKind::anonymous(),
        read_only: false,
        origin: MountOrigin::Volume,
    }));
    for mount in &mut mounts {
        mount.target = clean(&mount.target);
        if let MountKind::Volume { create, .. } = &mut mount.kind
            && mount.origin != MountOrigin::Mount
        {
            create.driver.clone_from(&host.volume_driver);
        }
    }
    Ok(mounts)
}

/// Before API 1.44, what is mounted below a read-only bind stayed writable.
pub(crate) fn as_before_1_44(mounts: &mut [MountSpec]) {
    for mount in mounts {
        if let MountKind::Bind { options, .. } = &mut mount.kind {
            options.read_only_non_recursive = !options.read_only_force_recursive;
        }
    }
}

/// Adds the mounts of another container, for `VolumesFrom`: in the place of earlier ones from others and of
/// volumes that would be made up, but not of what was asked for by itself.
pub(crate) fn add_those_of(other: &Inspect, read_only: bool, mounts: &mut Vec<MountSpec>) {
    for asked in &other.spec.mounts {
        let yields = |mount: &MountSpec| matches!(mount.origin, MountOrigin::Volume | MountOrigin::From);
        if mounts.iter().any(|mount| mount.target == asked.target && !yields(mount)) {
            continue;
        }
        let point = other.mounts.iter().find(|point| point.destination == asked.target);
        let kind = match &asked.kind {
            MountKind::Volume { subpath, .. } => MountKind::Volume {
                name: point.and_then(|point| point.name.clone()),
                no_copy: true,
                subpath: subpath.clone(),
                create: VolumeWish::default(),
            },
            MountKind::Bind { source, options } => {
                let options = BindOptions { create_source: false, ..options.clone() };
                MountKind::Bind { source: source.clone(), options }
            }
            MountKind::Tmpfs { .. } => continue,
        };
        mounts.retain(|mount| mount.target != asked.target);
        mounts.push(MountSpec {
            target: asked.target.clone(),
            kind,
            read_only: read_only || asked.read_only,
            origin: MountOrigin::From,
        });
    }
}

/// A path without doubled or trailing slashes, `.` and `..`, as Go's `filepath.Clean` has it.
fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let start = if path.starts_with('/') { "/" } else { "" };
    format!("{start}{}", names.join("/"))
}

/// `/host:/inside[:mode]`, `volume:/inside[:mode]`, `/inside`.
fn bind(text: &str) -> Result<MountSpec, Refusal> {
    let invalid = || Refusal::invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(invalid()),
    };
    if target.is_empty() || (parts.len() > 1 && source.is_empty()) {
        return Err(invalid());
    }
    let mut read_only = false;
    let mut no_copy = false;
    let mut options = BindOptions { create_source: true, ..BindOptions::default() };
    for word in mode.split(',').filter(|word| !word.is_empty()) {
        match word {
            "ro" => read_only = true,
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            "nocopy" => no_copy = true,
            "follow" => options.follow = true,
            word => {
                options.propagation =
                    propagation(word).ok_or_else(|| Refusal::invalid(format!("invalid mode: {mode}")))?;
            }
        }
    }
    let kind = if source.starts_with('/') {
        MountKind::Bind { source: PathBuf::from(source), options }
    } else {
        MountKind::Volume {
            name: volume_name(source)?,
            no_copy,
            subpath: None,
            create: VolumeWish::default(),
        }
    };
    Ok(MountSpec { target: target.to_owned(), kind, read_only, origin: MountOrigin::Bind(text.to_owned()) })
}

/// The name of a volume; an empty one is none.
fn volume_name(name: &str) -> Result<Option<String>, Refusal> {
    let mut characters = name.chars();
    let Some(first) = characters.next() else { return Ok(None) };
    let others = characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if first.is_ascii_alphanumeric() && others && name.len() > 1 {
        return Ok(Some(name.to_owned()));
    }
    Err(Refusal::invalid(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )))
}

/// One of `HostConfig.Mounts`.
fn mount(mount: &Mount) -> Result<MountSpec, Refusal> {
    let Mount {
        r#type,
        source,
        target,
        read_only,
        consistency: _,
        bind_options: bind_options_given,
        volume_options,
        image_options: _,
        tmpfs_options,
    } = mount;
    let invalid =
        |what: &str| Refusal::invalid(format!("invalid mount config for type \"{}\": {what}", mount.r#type));
    if target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    if !target.starts_with('/') {
        return Err(invalid(&format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    let kind = match r#type.as_str() {
        "bind" if source.is_empty() => return Err(invalid("field Source must not be empty")),
        "bind" if !source.starts_with('/') => {
            return Err(invalid(&format!("invalid mount path: '{source}' mount path must be absolute")));
        }
        "bind" => {
            let options = bind_options(bind_options_given.clone().unwrap_or_default(), &invalid)?;
            MountKind::Bind { source: source.into(), options }
        }
        "volume" => volume(source, volume_options.clone().unwrap_or_default(), &invalid)?,
        "tmpfs" if !source.is_empty() => return Err(invalid("field Source must not be specified")),
        "tmpfs" => {
            let given = tmpfs_options.clone().unwrap_or_default();
            let size =
                u64::try_from(given.size_bytes).map_err(|_| invalid("tmpfs size must not be negative"))?;
            let options = given.options.unwrap_or_default().into_iter().map(|option| option.join("="));
            MountKind::Tmpfs {
                size: Some(size).filter(|size| *size != 0),
                mode: Some(given.mode).filter(|mode| *mode != 0),
                options: options.collect(),
            }
        }
        _ => return Err(invalid("mount type unknown")),
    };
    Ok(MountSpec { target: target.clone(), kind, read_only: *read_only, origin: MountOrigin::Mount })
}

/// How a bind mount behaves.
fn bind_options(
    given: api::mount::BindOptions,
    invalid: &dyn Fn(&str) -> Refusal,
) -> Result<BindOptions, Refusal> {
    let api::mount::BindOptions {
        propagation: text,
        non_recursive,
        create_mountpoint,
        read_only_non_recursive,
        read_only_force_recursive,
        id_map,
        follow,
    } = given;
    let propagation = match text.as_str() {
        "" => Propagation::default(),
        text => propagation(text).ok_or_else(|| invalid(&format!("invalid propagation: {text}")))?,
    };
    let id_map = Some(id_map).filter(|map| !map.is_empty()).map(|map| map.parse()).transpose();
    Ok(BindOptions {
        propagation,
        non_recursive,
        create_source: create_mountpoint,
        read_only_non_recursive,
        read_only_force_recursive,
        id_map: id_map.map_err(|error: engine::spec::ParseIdMapError| invalid(&error.to_string()))?,
        follow,
    })
}

/// A volume, and how it is made if there is none.
fn volume(
    source: &str,
    given: api::mount::VolumeOptions,
    invalid: &dyn Fn(&str) -> Refusal,
) -> Result<MountKind, Refusal> {
    let api::mount::VolumeOptions { no_copy, labels, subpath, driver_config } = given;
    let is_inside = |path: &String| {
        use std::path::Component::{CurDir, Normal};
        std::path::Path::new(path).components().all(|part| matches!(part, Normal(_) | CurDir))
    };
    let subpath = Some(subpath).filter(|path| !path.is_empty());
    if !subpath.as_ref().is_none_or(is_inside) {
        return Err(invalid("subpath must be a relative path within the volume"));
    }
    if subpath.is_some() && source.is_empty() {
        return Err(invalid("must not set Subpath when using anonymous volumes"));
    }
    let VolumeDriver { name: driver, options } = driver_config.unwrap_or_default();
    let create =
        VolumeWish { driver, options: options.unwrap_or_default(), labels: labels.unwrap_or_default() };
    Ok(MountKind::Volume { name: volume_name(source)?, no_copy, subpath, create })
}

/// One of `HostConfig.Tmpfs`: `size=64m,mode=1777,noexec`.
fn tmpfs(target: &str, text: &str) -> Result<MountSpec, Refusal> {
    let (mut size, mut mode, mut options, mut read_only) = (None, None, Vec::new(), false);
    let invalid = |option: &str| Refusal::invalid(format!("invalid tmpfs option {option:?}"));
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) if !value.ends_with('%') => {
                size = Some(bytes(value).ok_or_else(|| invalid(option))?);
            }
            Some(("mode", value)) => mode = Some(u32::from_str_radix(value, 8).map_err(|_| invalid(option))?),
            _ if option == "ro" => read_only = true,
            _ if option == "rw" => {}
            _ => options.push(option.to_owned()),
        }
    }
    let kind = MountKind::Tmpfs { size, mode, options };
    Ok(MountSpec { target: target.to_owned(), kind, read_only, origin: MountOrigin::Tmpfs(text.to_owned()) })
}

/// A size of tmpfs(5): a number with `k`, `m`, `g` or nothing.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn propagation(text: &str) -> Option<Propagation> {
    let all = [
        Propagation::Private,
        Propagation::Rprivate,
        Propagation::Shared,
        Propagation::Rshared,
        Propagation::Slave,
        Propagation::Rslave,
    ];
    all.into_iter().find(|propagation| propagation.name() == text)
}

/// What `inspect` and lists show: all but what `--tmpfs` asked for, which Docker shows among the settings only.
pub(crate) fn show(points: &[MountPoint], asked: &[MountSpec]) -> Vec<ApiMountPoint> {
    let is_tmpfs = |point: &&MountPoint| {
        asked
            .iter()
            .any(|mount| matches!(mount.origin, MountOrigin::Tmpfs(_)) && mount.target == point.destination)
    };
    let show = |point: &MountPoint| {
        let MountPoint { kind, name, source, destination, driver, mode, writable, propagation } = point;
        ApiMountPoint {
            r#type: (*kind).to_owned(),
            name: name.clone().unwrap_or_default(),
            source: source.display().to_string(),
            destination: destination.clone(),
            driver: driver.clone().unwrap_or_default(),
            mode: mode.clone(),
            rw: *writable,
            propagation: propagation.clone(),
        }
    };
    points.iter().filter(|point| !is_tmpfs(point)).map(show).collect()
}

/// The request's volumes and the anonymous ones of the image, as a set of paths.
pub(crate) fn volumes(mounts: &[MountSpec]) -> Option<StringSet> {
    let volumes = mounts.iter().filter(|mount| mount.origin == MountOrigin::Volume);
    let set: StringSet = volumes.map(|mount| (mount.target.clone(), api::Empty {})).collect();
    Some(set).filter(|set| !set.is_empty())
}

/// An empty map is none, as in Go.
pub(crate) fn some(map: StringMap) -> Option<StringMap> {
    Some(map).filter(|map| !map.is_empty())
}

#[cfg(test)]
mod tests;
