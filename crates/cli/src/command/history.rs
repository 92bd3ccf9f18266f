//! `history`: how an image came to be.

use api::image::ImageHistoryItem;
use clap::Args;

use super::ps::created;
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::table::{self, Format, Listing, Row};
use crate::units;

/// What was typed after `history`.
#[derive(Args, Clone, Debug)]
pub(crate) struct History {
    /// Print sizes and times for people
    #[arg(short = 'H', long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    human: bool,
    /// Do not shorten texts
    #[arg(long)]
    no_trunc: bool,
    #[command(flatten)]
    format: Format,
    /// Name or id of an image
    image: String,
}

const FIELDS: [(&str, &str); 6] = [
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

impl History {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::get(["images"]).at(self.image.split('/')).at(["history"]);
        let items: Vec<ImageHistoryItem> = client.json(call).await?;
        let when = if self.human { "CreatedSince" } else { "CreatedAt" };
        let columns = ["ID", when, "CreatedBy", "Size", "Comment"];
        let rows = items.iter().map(|item| self.row(item)).collect();
        table::print(Listing { fields: &FIELDS, columns: &columns, id: "ID" }, &self.format, rows)
    }

    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn row(&self, item: &ImageHistoryItem) -> Row {
        let id = if self.no_trunc { item.id.as_str() } else { units::short_id(&item.id) };
        let by = item.created_by.replace('\t', " ");
        let by = if self.no_trunc { by } else { units::ellipsis(&by, 45) };
        let size = if self.human { units::decimal(item.size as f64, 3) } else { item.size.to_string() };
        Row::default()
            .with("ID", if item.id == "<missing>" { "<missing>" } else { id })
            .with("CreatedSince", units::ago(item.created))
            .with("CreatedAt", created(item.created))
            .with("CreatedBy", by)
            .with("Size", size)
            .with("Comment", item.comment.as_str())
    }
}
