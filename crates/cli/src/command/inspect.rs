//! `inspect`: everything about objects of any kind.

use clap::Args;

use crate::client::{Call, Client, ClientError};
use crate::failure::Failure;
use crate::output;
use crate::template::Template;
use crate::value::Value;

/// What was typed after `inspect`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Inspect {
    #[command(flatten)]
    what: InspectKind,
    /// Look only for objects of this type
    #[arg(long, value_name = "TYPE", value_parser = ["container", "image", "network", "volume"])]
    r#type: Option<String>,
}

/// What was typed after `network inspect` and others.
#[derive(Args, Clone, Debug)]
pub(crate) struct InspectKind {
    /// `json`, or a Go template such as '{{.State.Status}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show sizes, where there are some
    #[arg(short, long)]
    size: bool,
    /// More details, where there are some
    #[arg(short, long)]
    verbose: bool,
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// Kinds in the order in which they are looked for.
const KINDS: [&str; 4] = ["container", "image", "network", "volume"];

/// How what was found is shown.
enum Form {
    Pretty,
    /// One list on one line.
    Json,
    /// A line for each.
    Lines(Template),
}

impl Form {
    fn parse(format: &str) -> Result<Self, Failure> {
        match format {
            "" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            text => Ok(Self::Lines(Template::parse(text)?)),
        }
    }

    fn print(&self, found: Vec<Value>) -> Result<(), Failure> {
        match self {
            Self::Pretty => output::line(&Value::List(found).pretty())?,
            Self::Json => output::line(&Value::List(found).compact())?,
            Self::Lines(template) => {
                for value in found {
                    output::line(&template.fill(&value)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Inspect {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        match &self.r#type {
            Some(kind) => self.what.run(&[kind], client).await,
            None => self.what.run(&KINDS, client).await,
        }
    }
}

impl InspectKind {
    /// Looks for each name among objects of these kinds.
    pub(crate) async fn run(self, kinds: &[&str], client: &Client) -> Result<(), Failure> {
        let form = Form::parse(self.format.as_deref().unwrap_or_default())?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in &self.names {
            match self.find(name, kinds, client).await {
                Ok(value) => found.push(value),
                Err(failure) => failures.push(failure),
            }
        }
        form.print(found)?;
        let Some(last) = failures.pop() else { return Ok(()) };
        failures.iter().filter_map(Failure::text).for_each(|text| output::warn(&text));
        Err(last)
    }

    async fn find(&self, name: &str, kinds: &[&str], client: &Client) -> Result<Value, Failure> {
        let mut missing = None;
        for kind in kinds {
            match client.json(self.call(kind, name)).await {
                Err(error) if error.is_not_found() => missing = Some(error),
                result => return Ok(result?),
            }
        }
        match (kinds, missing) {
            ([_], Some(ClientError::Refused { status, message })) => {
                Err(ClientError::Refused { status, message }.into())
            }
            _ => Err(Failure::Said(format!("Error: No such object: {name}"))),
        }
    }

    fn call(&self, kind: &str, name: &str) -> Call {
        match kind {
            "container" => {
                Call::get(["containers", name.trim_start_matches('/'), "json"]).switch("size", self.size)
            }
            "image" => Call::get(["images"]).at(name.split('/')).at(["json"]),
            "network" => Call::get(["networks", name]).switch("verbose", self.verbose),
            _ => Call::get(["volumes", name]),
        }
    }
}
