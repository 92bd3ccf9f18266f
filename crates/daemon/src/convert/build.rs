//! From the parameters of `POST /build` to what is built.

use api::build::BuildCache;
use api::container::{ContainerConfig, ContainerCreateRequest};
use api::host_config::{HostConfig, Resources};
use api::version::Version;
use engine::BuildSpec;
use engine::image::{CachedStep, Reference};
use serde::de::DeserializeOwned;

use super::container::{self, Circumstances};
use crate::http::answer::Refusal;
use crate::http::query::Query;

/// What is built, and how it is told.
#[derive(Debug)]
pub(crate) struct WantedBuild {
    pub(crate) spec: BuildSpec,
    /// Only the image's id is told, unless something goes wrong.
    pub(crate) is_quiet: bool,
}

/// Reads the parameters.
pub(crate) fn wanted(query: &Query, version: Version, app: &crate::app::App) -> Result<WantedBuild, Refusal> {
    refuse_what_is_not_here(query)?;
    let asked = Circumstances { name: "", version, gateways: crate::route::gateways(app) };
    let container = container::wanted(request(query)?, &asked)?.spec;
    let names = query.all("t").filter(|name| !name.is_empty()).map(name).collect::<Result<_, _>>()?;
    let spec = BuildSpec {
        dockerfile: query.text("dockerfile").to_owned(),
        target: query.text("target").to_owned(),
        arguments: json(query, "buildargs")?,
        labels: json(query, "labels")?,
        names,
        no_cache: query.switch("nocache"),
        cache_from: json(query, "cachefrom")?,
        pulls: query.switch("pull"),
        source: None,
        keep_containers: !query.switch_or("rm", true) && !query.switch("forcerm"),
        platform: query.text("platform").to_owned(),
        container,
    };
    Ok(WantedBuild { spec, is_quiet: query.switch("q") })
}

/// What only BuildKit has, and what nobody should wonder about afterwards.
fn refuse_what_is_not_here(query: &Query) -> Result<(), Refusal> {
    match query.text("version") {
        "" | "1" => {}
        "2" => return Err(Refusal::invalid(NO_BUILDKIT)),
        other => return Err(Refusal::invalid(format!("invalid version {other:?}"))),
    }
    if !query.text("outputs").is_empty() {
        return Err(Refusal::invalid(NO_BUILDKIT));
    }
    if query.switch("squash") {
        return Err(Refusal::invalid("squash is only supported with experimental mode"));
    }
    match query.text("remote") {
        "" => Ok(()),
        "client-session" => Err(Refusal::invalid(NO_BUILDKIT)),
        address => Err(Refusal::not_implemented(&format!("building from the address {address}"))),
    }
}

/// Said to who wants BuildKit of us.
pub(crate) const NO_BUILDKIT: &str = "this engine has the classic builder only: set DOCKER_BUILDKIT=0, or let docker buildx run BuildKit in a container (docker buildx create --driver docker-container --use)";

fn name(text: &str) -> Result<Reference, Refusal> {
    let name: Reference = text.parse()?;
    if name.digest().is_some() {
        return Err(Refusal::invalid("build tag cannot contain a digest"));
    }
    Ok(name.or_latest())
}

/// What the containers of steps are like, as a request for one would say it.
fn request(query: &Query) -> Result<ContainerCreateRequest, Refusal> {
    let list =
        |key| query.all(key).filter(|text| !text.is_empty()).map(ToOwned::to_owned).collect::<Vec<_>>();
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let number = |key| query.number::<i64>(key).map(Option::unwrap_or_default);
    let resources = Resources {
        cpu_shares: number("cpushares")?,
        cpu_period: number("cpuperiod")?,
        cpu_quota: number("cpuquota")?,
        cpuset_cpus: query.text("cpusetcpus").to_owned(),
        cpuset_mems: query.text("cpusetmems").to_owned(),
        memory: number("memory")?,
        memory_swap: number("memswap")?,
        cgroup_parent: query.text("cgroupparent").to_owned(),
        ulimits: json(query, "ulimits")?,
        ..Resources::default()
    };
    let host_config = HostConfig {
        network_mode: query.text("networkmode").to_owned(),
        shm_size: number("shmsize")?,
        extra_hosts: some(list("extrahosts")),
        security_opt: some(list("securityopt")),
        resources,
        ..HostConfig::default()
    };
    Ok(ContainerCreateRequest {
        config: ContainerConfig::default(),
        host_config: Some(host_config),
        networking_config: None,
    })
}

/// A parameter in JSON; nothing is the zero value, as is `null`.
fn json<T: DeserializeOwned + Default>(query: &Query, key: &str) -> Result<T, Refusal> {
    let text = query.text(key);
    if text.is_empty() {
        return Ok(T::default());
    }
    let parsed: Result<Option<T>, _> = serde_json::from_str(text);
    parsed
        .map(Option::unwrap_or_default)
        .map_err(|error| Refusal::invalid(format!("error reading {key}: {error}")))
}

/// What a step of a build has made, as disk usage shows it.
pub(crate) fn cached(step: CachedStep) -> BuildCache {
    let CachedStep { image, parent, created_by, created, size, is_shared, is_needed } = step;
    BuildCache {
        id: image.to_string(),
        parents: parent.map(|parent| vec![parent.to_string()]),
        r#type: "regular".to_owned(),
        description: created_by,
        in_use: is_needed,
        shared: is_shared,
        size: i64::try_from(size).unwrap_or(i64::MAX),
        created_at: created,
        last_used_at: None,
        usage_count: 0,
    }
}
