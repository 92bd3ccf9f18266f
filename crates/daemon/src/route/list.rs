//! Which containers a list shows (moby `daemon/list.go`).

use api::filters::{FilterError, Filters};
use engine::{Inspect, State};

use crate::convert::{health, port, summary};
use crate::http::answer::Refusal;
use crate::http::query::Query;

const FILTERS: [&str; 16] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "label!",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

/// What a request wants to see.
#[derive(Debug)]
pub(crate) struct Wanted {
    all: bool,
    /// The newest so many, whatever their state; 0 is no limit.
    limit: usize,
    filters: Filters,
}

impl Wanted {
    pub(crate) fn read(query: &Query) -> Result<Self, Refusal> {
        let filters = query.filters(&FILTERS)?;
        check_values(&filters)?;
        let limit = query.number::<i64>("limit")?.unwrap_or_default();
        let all = query.switch("all") || filters.contains("status") || filters.contains("exited");
        Ok(Self { all, limit: usize::try_from(limit).unwrap_or_default(), filters })
    }

    /// Those of `containers`, the newest first, that are wanted.
    pub(crate) fn choose<'a>(&self, containers: &'a [Inspect]) -> Result<Vec<&'a Inspect>, Refusal> {
        let before = self.position("before", containers)?;
        let since = self.position("since", containers)?;
        let older = before.map_or(0, |position| position + 1);
        let newer = since.unwrap_or(containers.len());
        let between = containers.iter().take(newer).skip(older);
        let shown = |container: &&Inspect| {
            let is_shown = self.all || self.limit > 0 || container.state.alive().is_some();
            is_shown && self.passes(container)
        };
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        Ok(between.filter(shown).take(limit).collect())
    }

    /// Where the container of `before` or `since` is; the last one named counts.
    fn position(&self, key: &str, containers: &[Inspect]) -> Result<Option<usize>, Refusal> {
        let Some(term) = self.filters.get(key).last() else { return Ok(None) };
        let is_it = |container: &Inspect| {
            container.name == term.trim_start_matches('/') || container.id.to_string().starts_with(term)
        };
        let found = containers.iter().position(is_it);
        found.map(Some).ok_or_else(|| Refusal::not_found(format!("No such container: {term}")))
    }

    fn passes(&self, container: &Inspect) -> bool {
        let filters = &self.filters;
        let name = format!("/{}", container.name);
        filters.matches("id", &container.id.to_string())
            && (filters.matches("name", &name) || filters.matches("name", &container.name))
            && filters.accept_labels(&container.spec.labels)
            && filters.exact("status", container.state.status())
            && filters.exact("health", health::status(container))
            && filters.exact("is-task", "false")
            && self.has_exited(&container.state)
            && self.is_on_network(container)
            && self.has_ancestor(container)
            && self.has_volume(container)
            && self.has_port(container)
    }

    fn has_exited(&self, state: &State) -> bool {
        if !self.filters.contains("exited") {
            return true;
        }
        let code = if let State::Exited(exited) = state { Some(exited.code) } else { None };
        code.is_some_and(|code| self.filters.exact("exited", &code.to_string()))
    }

    fn is_on_network(&self, container: &Inspect) -> bool {
        !self.filters.contains("network")
            || container.network.networks.iter().any(|(name, connection)| {
                let id = connection.network.map(|id| id.to_string());
                self.filters.exact("network", name) || id.is_some_and(|id| self.filters.exact("network", &id))
            })
    }

    fn has_ancestor(&self, container: &Inspect) -> bool {
        if !self.filters.contains("ancestor") {
            return true;
        }
        let image = summary::image(&container.spec.root);
        let id = container.image_id.as_deref().unwrap_or_default();
        let digits = id.trim_start_matches("sha256:");
        self.filters.get("ancestor").any(|text| {
            text == image
                || format!("{text}:latest") == image
                || text == format!("{image}:latest")
                || text == id
                || (text.len() >= 12 && digits.starts_with(text.trim_start_matches("sha256:")))
        })
    }

    fn has_volume(&self, container: &Inspect) -> bool {
        !self.filters.contains("volume")
            || container.mounts.iter().any(|mount| {
                let source = mount.source.display().to_string();
                let names = [mount.name.as_deref().unwrap_or_default(), &source, &mount.destination];
                names.iter().any(|name| self.filters.exact("volume", name))
            })
    }

    fn has_port(&self, container: &Inspect) -> bool {
        let network = &container.network;
        let published = || port::summary(&network.bindings, &[]);
        let exposed = || port::names(&network.exposed).collect::<Vec<_>>();
        let is_published = !self.filters.contains("publish")
            || published().iter().any(|port| {
                let host = format!("{}/{}", port.public_port, port.r#type);
                self.has_port_in("publish", &host)
            });
        let is_exposed =
            !self.filters.contains("expose") || exposed().iter().any(|name| self.has_port_in("expose", name));
        is_published && is_exposed
    }

    /// Whether `80/tcp` is one of the filter's `80`, `80/tcp`, `80-90/tcp`.
    fn has_port_in(&self, key: &str, name: &str) -> bool {
        let Ok(port) = engine::cnm::Ports::parse(name) else { return false };
        self.filters
            .get(key)
            .filter_map(|text| engine::cnm::Ports::parse(text).ok())
            .any(|wanted| wanted.proto == port.proto && wanted.range.contains(port.range.start()))
    }
}

fn check_values(filters: &Filters) -> Result<(), FilterError> {
    let invalid = |key: &str, value: &str| FilterError::InvalidValue {
        key: key.to_owned(),
        values: vec![value.to_owned()],
    };
    if let Some(value) = filters.get("status").find(|value| !STATES.contains(value)) {
        return Err(invalid("status", value));
    }
    let healths = ["none", "starting", "healthy", "unhealthy"];
    if let Some(value) = filters.get("health").find(|value| !healths.contains(value)) {
        return Err(invalid("health", value));
    }
    if let Some(value) = filters.get("exited").find(|value| value.parse::<i32>().is_err()) {
        return Err(invalid("exited", value));
    }
    for key in ["publish", "expose"] {
        if let Some(value) = filters.get(key).find(|value| engine::cnm::Ports::parse(value).is_err()) {
            return Err(invalid(key, value));
        }
    }
    Ok(())
}
