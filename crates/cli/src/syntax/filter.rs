//! `--filter name=value`.

use api::filters::Filters;

use super::Malformed;

/// Reads filters.
pub(crate) fn parse(typed: &[String]) -> Result<Filters, Malformed> {
    let mut filters = Filters::default();
    for text in typed {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Malformed::new(format!("invalid argument {text:?} for \"-f, --filter\" flag: invalid filter '{text}': write name=value"))
        })?;
        filters.add(name.trim().to_lowercase(), value.trim());
    }
    Ok(filters)
}
