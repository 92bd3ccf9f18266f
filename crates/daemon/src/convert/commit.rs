//! What an image of a container is told about itself.

use std::collections::BTreeMap;

use api::container::{ContainerConfig, HealthConfig};
use engine::image::{Healthcheck, ImageConfig, Nothing};

/// What of a container's configuration is an image's, too.
pub(crate) fn image_config(config: ContainerConfig) -> ImageConfig {
    let set = |names: Option<api::StringSet>| -> BTreeMap<String, Nothing> {
        names.unwrap_or_default().into_keys().map(|name| (name, Nothing::default())).collect()
    };
    ImageConfig {
        user: config.user,
        exposed_ports: set(config.exposed_ports),
        env: config.env.unwrap_or_default(),
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        volumes: set(config.volumes),
        working_dir: config.working_dir,
        labels: config.labels.unwrap_or_default(),
        stop_signal: Some(config.stop_signal).filter(|signal| !signal.is_empty()),
        stop_timeout: config.stop_timeout,
        healthcheck: config.healthcheck.map(health),
        shell: config.shell,
        on_build: config.on_build,
        args_escaped: config.args_escaped,
    }
}

fn health(health: HealthConfig) -> Healthcheck {
    let HealthConfig { test, interval, timeout, start_period, start_interval, retries } = health;
    Healthcheck { test: test.unwrap_or_default(), interval, timeout, start_period, start_interval, retries }
}

/// Fills in from a container what a request leaves open (moby `daemon/commit.go`, `merge`).
pub(crate) fn merge(asked: &mut ImageConfig, container: ImageConfig) {
    let or = |asked: &mut String, container: String| {
        if asked.is_empty() {
            *asked = container;
        }
    };
    or(&mut asked.user, container.user);
    or(&mut asked.working_dir, container.working_dir);
    asked.exposed_ports.extend(container.exposed_ports);
    asked.volumes.extend(container.volumes);
    let name = |text: &String| text.split_once('=').map_or(text.as_str(), |(name, _)| name).to_owned();
    let own: Vec<String> = asked.env.iter().map(name).collect();
    asked.env.extend(container.env.into_iter().filter(|text| !own.contains(&name(text))));
    for (label, value) in container.labels {
        asked.labels.entry(label).or_insert(value);
    }
    if asked.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if asked.cmd.as_ref().is_none_or(Vec::is_empty) {
            asked.cmd = container.cmd;
        }
        asked.entrypoint = asked.entrypoint.take().or(container.entrypoint);
    }
    asked.healthcheck = asked.healthcheck.take().or(container.healthcheck);
    asked.stop_signal = asked.stop_signal.take().or(container.stop_signal);
    asked.stop_timeout = asked.stop_timeout.or(container.stop_timeout);
    asked.shell = asked.shell.take().or(container.shell);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_wins() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut asked = ImageConfig { env: words(&["A=asked"]), ..ImageConfig::default() };
        let container = ImageConfig {
            env: words(&["PATH=/bin", "A=own"]),
            cmd: Some(words(&["sh"])),
            working_dir: "/w".to_owned(),
            ..ImageConfig::default()
        };
        merge(&mut asked, container);
        assert_eq!(asked.env, ["A=asked", "PATH=/bin"]);
        assert_eq!((asked.cmd, asked.working_dir.as_str()), (Some(words(&["sh"])), "/w"));
    }
}
