//! Lists: as a table in the style of Go's tabwriter, as JSON, by a template, or only the ids.

use clap::Args;

use crate::failure::Failure;
use crate::output;
use crate::template::Template;
use crate::value::Value;

/// The least width of a column, with the space after it (docker/cli `formatter.Context`).
const LEAST: usize = 10;
/// The space between two columns.
const SPACE: usize = 3;
/// The member of a row that a template asks for labels with: `.Label "name"`.
const LABEL: &str = "Label";

/// How a list is printed.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Format {
    /// Only print ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.ID}}: {{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
}

/// What a kind of object has to show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing<'a> {
    /// The fields that a template may name, with the headings of their columns.
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// The fields of the table that is printed when nothing else is said.
    pub(crate) columns: &'a [&'a str],
    /// The field that `--quiet` prints.
    pub(crate) id: &'a str,
}

/// One line of a list: its fields, and its labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row(Vec<(String, Value)>);

impl Row {
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Labels, for `.Labels` and `.Label "name"`.
    pub(crate) fn with_labels(self, labels: Option<&api::StringMap>) -> Self {
        let pairs = || labels.into_iter().flatten();
        let shown: Vec<String> = pairs().map(|(name, value)| format!("{name}={value}")).collect();
        let map = pairs().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        self.with("Labels", shown.join(",")).with(LABEL, Value::Map(map))
    }

    fn json(mut self) -> String {
        self.0.retain(|(name, _)| name != LABEL);
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        Value::Map(self.0).compact()
    }
}

/// Prints a list.
pub(crate) fn print(listing: Listing, format: &Format, rows: Vec<Row>) -> Result<(), Failure> {
    output::print(&render(listing, format, rows)?)
}

/// The text of a list.
pub(crate) fn render(listing: Listing, format: &Format, rows: Vec<Row>) -> Result<String, Failure> {
    let wanted = match format.format.as_deref().map(str::trim) {
        None | Some("") if format.quiet => format!("{{{{.{}}}}}", listing.id),
        None | Some("" | "table") if format.quiet => format!("{{{{.{}}}}}", listing.id),
        None | Some("" | "table") => {
            let columns: Vec<String> =
                listing.columns.iter().map(|name| format!("{{{{.{name}}}}}")).collect();
            format!("table {}", columns.join("\t"))
        }
        Some("json" | "{{json .}}") => {
            return Ok(rows.into_iter().map(|row| row.json() + "\n").collect());
        }
        Some(text) => text.replace("\\t", "\t").replace("\\n", "\n"),
    };
    let Some(columns) = wanted.strip_prefix("table ") else {
        let template = Template::parse(&wanted)?;
        let lines = rows.into_iter().map(|row| Ok(template.fill(&Value::Map(row.0))? + "\n"));
        return lines.collect();
    };
    let template = Template::parse(columns.trim())?;
    let mut headings = Row::default();
    for (name, heading) in listing.fields {
        headings = headings.with(name, *heading);
    }
    let headings = headings.with(LABEL, Value::Map(Vec::new()));
    let lines = std::iter::once(headings).chain(rows).map(|row| template.fill(&Value::Map(row.0)));
    let text = lines.collect::<Result<Vec<_>, _>>()?.join("\n");
    Ok(tabulate(&text, LEAST))
}

/// Aligns what stands between tabs. What follows the last tab of a line has no width.
pub(crate) fn tabulate(text: &str, least: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for cells in &lines {
        for (index, cell) in cells.iter().take(cells.len().saturating_sub(1)).enumerate() {
            if widths.len() == index {
                widths.push(least);
            }
            widths[index] = widths[index].max(cell.chars().count() + SPACE);
        }
    }
    let mut output = String::new();
    for cells in lines {
        let last = cells.len() - 1;
        for (index, cell) in cells.iter().enumerate() {
            output.push_str(cell);
            if index < last {
                let missing = widths[index].saturating_sub(cell.chars().count());
                output.extend(std::iter::repeat_n(' ', missing));
            }
        }
        output.push('\n');
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: Listing = Listing {
        fields: &[("ID", "NETWORK ID"), ("Name", "NAME"), ("Labels", "LABELS")],
        columns: &["ID", "Name"],
        id: "ID",
    };

    #[track_caller]
    fn check(format: &str, is_quiet: bool, expected: &str) {
        let labels = [("role".to_owned(), "front".to_owned())].into();
        let rows = vec![
            Row::default().with("ID", "0123456789ab").with("Name", "web").with_labels(Some(&labels)),
            Row::default().with("ID", "ab").with("Name", "a-long-name").with_labels(None),
        ];
        let format =
            Format { quiet: is_quiet, format: Some(format.to_owned()).filter(|text| !text.is_empty()) };
        assert_eq!(render(LISTING, &format, rows).expect("a list"), expected);
    }

    #[test]
    fn lists_in_every_format() {
        check("", false, "NETWORK ID     NAME\n0123456789ab   web\nab             a-long-name\n");
        check("", true, "0123456789ab\nab\n");
        check("{{.Name}}={{.Label \"role\"}}", true, "web=front\na-long-name=\n");
        check(
            "table {{.Name}}\\t{{.ID}}",
            false,
            "NAME          NETWORK ID\nweb           0123456789ab\na-long-name   ab\n",
        );
        check(
            "json",
            false,
            "{\"ID\":\"0123456789ab\",\"Labels\":\"role=front\",\"Name\":\"web\"}\n{\"ID\":\"ab\",\"Labels\":\"\",\"Name\":\"a-long-name\"}\n",
        );
    }
}
