//! `events`: what happens, as it happens.

use api::event::Event;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;
use crate::syntax::{filter, time};
use crate::template::Template;
use crate::value::Value;

/// What was typed after `events`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Events {
    /// Only events that match, such as type=container or event=die
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `json`, or a Go template such as '{{.Type}} {{.Action}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show events since a time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show events until a time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Events {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let template = match self.format.as_deref() {
            None | Some("") => None,
            Some("json") => Some(Template::parse("{{json .}}")?),
            Some(text) => Some(Template::parse(text)?),
        };
        let call = Call::get(["events"])
            .query("since", &time::optional(self.since.as_deref())?)
            .query("until", &time::optional(self.until.as_deref())?)
            .filters(&filter::parse(&self.filter)?);
        let mut events = client.send(call).await?.lines::<Value>();
        while let Some(value) = events.next().await? {
            match &template {
                Some(template) => output::line(&template.fill(&value)?)?,
                None => output::line(&line(&value)?)?,
            }
        }
        Ok(())
    }
}

/// `time type action id (name=value, …)`.
fn line(value: &Value) -> Result<String, Failure> {
    let event: Event = serde_json::from_str(&value.compact()).map_err(crate::client::ClientError::Answer)?;
    let moment = Timestamp::from_nanosecond(event.time_nano.into()).unwrap_or_default();
    let moment = moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
    let facts: Vec<String> =
        event.actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    Ok(format!("{moment} {} {} {}{facts}", event.r#type, event.action, event.actor.id))
}
