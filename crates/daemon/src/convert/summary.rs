//! What a list shows of a container.

use api::container::{ContainerSummary, HostConfigSummary, NetworkSettingsSummary};
use api::version::Version;
use engine::{Exited, Health, HealthStatus, Inspect, Root, State};
use jiff::Timestamp;

use super::{health, mount, network, port, time};

/// One line of a list, at `now`, as `version` has it.
pub(crate) fn summary(container: &Inspect, now: Timestamp, version: Version) -> ContainerSummary {
    let networks = container.network.networks.iter();
    let networks = networks.map(|(name, connection)| (name.clone(), network::connection(connection)));
    let (bindings, exposed): (&[_], &[_]) = match container.state.alive() {
        Some(_) => (&container.network.bindings, &container.network.exposed),
        None => (&[], &[]),
    };
    ContainerSummary {
        id: container.id.to_string(),
        names: vec![format!("/{}", container.name)],
        image: image(&container.spec.root),
        image_id: container.image_id.clone().unwrap_or_default(),
        image_manifest_descriptor: None,
        command: command(&container.path, &container.args),
        created: container.created.as_second(),
        ports: port::summary(bindings, exposed),
        size_rw: None,
        size_root_fs: None,
        labels: container.spec.labels.clone(),
        state: container.state.status().to_owned(),
        status: status(&container.state, container.health.as_ref(), now),
        host_config: HostConfigSummary {
            network_mode: container.spec.network.mode.to_string(),
            annotations: mount::some(container.spec.annotations.clone()),
        },
        network_settings: Some(NetworkSettingsSummary { networks: Some(networks.collect()) }),
        mounts: mount::show(&container.mounts, &container.spec.mounts),
        health: (version >= Version::v1(52)).then(|| health::summary(container)),
    }
}

/// The image as the user named it, or the directory.
pub(crate) fn image(root: &Root) -> String {
    match root {
        Root::Image(reference) => reference.clone(),
        Root::Directory { path, overlay } => {
            format!("{}{}{}", api::container::ROOTFS, path.display(), if *overlay { ":O" } else { "" })
        }
    }
}

/// The program and its arguments; those with blanks are quoted.
fn command(path: &str, args: &[String]) -> String {
    args.iter().fold(path.to_owned(), |text, arg| {
        if arg.contains(' ') { format!("{text} '{arg}'") } else { format!("{text} {arg}") }
    })
}

/// The state as a sentence (moby `State.String`).
fn status(state: &State, health: Option<&Health>, now: Timestamp) -> String {
    let ago = |then: Timestamp| time::human(now.as_second() - then.as_second());
    let ended = |exited: &Exited| format!("({}) {} ago", exited.code, ago(exited.finished));
    match state {
        State::Created { .. } => "Created".to_owned(),
        State::Running(running) => match health.map(|health| health.status) {
            None => format!("Up {}", ago(running.started)),
            Some(HealthStatus::Starting) => format!("Up {} (health: starting)", ago(running.started)),
            Some(status @ (HealthStatus::Healthy | HealthStatus::Unhealthy)) => {
                format!("Up {} ({})", ago(running.started), status.name())
            }
        },
        State::Paused(running) => format!("Up {} (Paused)", ago(running.started)),
        State::Restarting(exited) => format!("Restarting {}", ended(exited)),
        State::Exited(exited) => format!("Exited {}", ended(exited)),
        State::Removing(_) => "Removal In Progress".to_owned(),
        State::Dead(_) => "Dead".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use engine::Running;

    use super::*;

    #[test]
    fn states_are_sentences() {
        let second = |second| Timestamp::from_second(second).expect("a time");
        let running = Running { pid: 1, started: second(10), finished: None };
        let exited = Exited {
            code: 137,
            oom_killed: false,
            error: String::new(),
            started: second(10),
            finished: second(20),
        };
        let cases = [
            (State::default(), "Created"),
            (State::Running(running.clone()), "Up About a minute"),
            (State::Paused(running), "Up About a minute (Paused)"),
            (State::Exited(exited.clone()), "Exited (137) 55 seconds ago"),
            (State::Restarting(exited), "Restarting (137) 55 seconds ago"),
        ];
        for (state, expected) in cases {
            assert_eq!(status(&state, None, second(75)), expected);
        }
    }

    #[test]
    fn who_runs_is_said_to_be_well_or_not() {
        let started = Timestamp::from_second(10).expect("a time");
        let now = Timestamp::from_second(75).expect("a time");
        let running = Running { pid: 1, started, finished: None };
        let cases = [
            (HealthStatus::Starting, "Up About a minute (health: starting)"),
            (HealthStatus::Healthy, "Up About a minute (healthy)"),
            (HealthStatus::Unhealthy, "Up About a minute (unhealthy)"),
        ];
        for (known, expected) in cases {
            let health = Health { status: known, ..Health::default() };
            assert_eq!(status(&State::Running(running.clone()), Some(&health), now), expected);
            let paused = status(&State::Paused(running.clone()), Some(&health), now);
            assert_eq!(paused, "Up About a minute (Paused)");
        }
    }

    #[test]
    fn arguments_with_blanks_are_quoted() {
        let args = ["-c", "echo hi"].map(str::to_owned);
        assert_eq!(command("sh", &args), "sh -c 'echo hi'");
    }
}
