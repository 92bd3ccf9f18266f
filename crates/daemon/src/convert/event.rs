//! Events, and whether filters let them through.

use api::event::{Actor, Event as ApiEvent};
use api::filters::Filters;
use engine::Event;

/// The filters that events have.
pub(crate) const FILTERS: [&str; 16] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "label!",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
    "until",
];

/// An event as it travels; the API's version shapes it further.
pub(crate) fn event(event: Event) -> ApiEvent {
    let Event { time, kind, action, actor, attributes } = event;
    ApiEvent {
        r#type: kind.to_owned(),
        action,
        actor: Actor { id: actor, attributes },
        scope: "local".to_owned(),
        time: time.as_second(),
        time_nano: i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX),
        ..ApiEvent::default()
    }
}

/// Docker's rules (moby `daemon/events/filter.go`).
pub(crate) fn passes(filters: &Filters, event: &ApiEvent) -> bool {
    let attributes = &event.actor.attributes;
    let name = attributes.get("name").map(String::as_str).unwrap_or_default();
    let named = |key: &str| filters.prefix(key, &event.actor.id) || filters.prefix(key, name);
    action(filters, &event.action)
        && filters.exact("type", &event.r#type)
        && filters.exact("scope", &event.scope)
        && ["container", "daemon", "network", "node", "plugin", "secret", "service", "volume", "config"]
            .iter()
            .all(|key| named(key))
        && image(filters, event)
        && filters.accept_labels(attributes)
}

/// `exec_start` stands for `exec_start: ls`, too.
fn action(filters: &Filters, action: &str) -> bool {
    let plain = action.split(':').next().unwrap_or_default();
    let is_long = matches!(plain, "exec_create" | "exec_start" | "health_status");
    filters.exact("event", action) || (is_long && filters.exact("event", plain))
}

fn image(filters: &Filters, event: &ApiEvent) -> bool {
    let key = if event.r#type == "image" { "name" } else { "image" };
    let name = event.actor.attributes.get(key).map(String::as_str).unwrap_or_default();
    [event.actor.id.as_str(), name]
        .into_iter()
        .any(|text| filters.exact("image", text) || filters.exact("image", without_tag(text)))
}

/// `alpine` of `alpine:3`.
fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose_events() {
        let event = ApiEvent {
            r#type: "container".to_owned(),
            action: "exec_start: ls -l".to_owned(),
            scope: "local".to_owned(),
            actor: Actor {
                id: "0123456789ab".to_owned(),
                attributes: [("name", "web"), ("image", "alpine:3"), ("tier", "front")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            },
            ..ApiEvent::default()
        };
        #[track_caller]
        fn check(event: &ApiEvent, text: &str, expected: bool) {
            assert_eq!(passes(&Filters::parse(text).expect("filters"), event), expected, "{text}");
        }
        for (text, expected) in [
            ("{}", true),
            (r#"{"type":["container"]}"#, true),
            (r#"{"type":["network"]}"#, false),
            (r#"{"container":["web"]}"#, true),
            (r#"{"container":["0123"]}"#, true),
            (r#"{"container":["db"]}"#, false),
            (r#"{"event":["exec_start"]}"#, true),
            (r#"{"event":["exec_start: ls -l"]}"#, true),
            (r#"{"event":["exec_create"]}"#, false),
            (r#"{"image":["alpine"]}"#, true),
            (r#"{"image":["alpine:3"]}"#, true),
            (r#"{"image":["alpine:2"]}"#, false),
            (r#"{"label":["tier=front"]}"#, true),
            (r#"{"label":["tier=back"]}"#, false),
            (r#"{"label":["tier"],"type":["container","image"]}"#, true),
        ] {
            check(&event, text, expected);
        }
    }
}
