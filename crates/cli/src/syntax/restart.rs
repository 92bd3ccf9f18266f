//! `--restart no|always|unless-stopped|on-failure[:times]`.

use api::host_config::RestartPolicy;

use super::Malformed;

/// Reads a restart policy; an empty text leaves it to the engine.
pub(crate) fn parse(text: &str) -> Result<RestartPolicy, Malformed> {
    let (name, times) = match text.split_once(':') {
        Some(("", _)) => {
            return Err(Malformed::new("invalid restart policy format: no policy provided before colon"));
        }
        Some((name, times)) => {
            let invalid =
                |_| Malformed::new("invalid restart policy format: maximum retry count must be an integer");
            (name, times.parse().map_err(invalid)?)
        }
        None => (text, 0),
    };
    Ok(RestartPolicy { name: name.to_owned(), maximum_retry_count: times })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        for (text, expected) in [
            ("no", Some(("no", 0))),
            ("on-failure:3", Some(("on-failure", 3))),
            ("unless-stopped", Some(("unless-stopped", 0))),
            ("on-failure:x", None),
            (":3", None),
        ] {
            let policy = parse(text).ok();
            let policy = policy.as_ref().map(|policy| (policy.name.as_str(), policy.maximum_retry_count));
            assert_eq!(policy, expected, "{text}");
        }
    }
}
