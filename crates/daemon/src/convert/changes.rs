//! `--change`: instructions of a Dockerfile that need no build.

use engine::image::{ImageConfig, Nothing};

use crate::http::answer::Refusal;

/// Applies one instruction.
pub(crate) fn apply(config: &mut ImageConfig, instruction: &str) -> Result<(), Refusal> {
    let instruction = instruction.trim();
    let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
    let rest = rest.trim();
    let word = word.to_ascii_uppercase();
    if rest.is_empty() {
        return Err(Refusal::invalid(format!("{word} requires at least one argument")));
    }
    match word.as_str() {
        "CMD" => config.cmd = Some(command(rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(rest)),
        "ENV" => pairs(rest, "ENV")?.into_iter().for_each(|(name, value)| set_env(config, &name, &value)),
        "LABEL" => config.labels.extend(pairs(rest, "LABEL")?),
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                let invalid = |_| Refusal::invalid(format!("invalid port specification: \"{port}\""));
                engine::cnm::Ports::parse(&port).map_err(invalid)?;
                config.exposed_ports.insert(port, Nothing::default());
            }
        }
        "VOLUME" => {
            let paths =
                json_list(rest).unwrap_or_else(|| rest.split_whitespace().map(ToOwned::to_owned).collect());
            config.volumes.extend(paths.into_iter().map(|path| (path, Nothing::default())));
        }
        "USER" => rest.clone_into(&mut config.user),
        "WORKDIR" => rest.clone_into(&mut config.working_dir),
        "STOPSIGNAL" => {
            rest.parse::<engine::Signal>()?;
            config.stop_signal = Some(rest.to_owned());
        }
        "ONBUILD" => config.on_build.get_or_insert_default().push(rest.to_owned()),
        unknown => return Err(Refusal::invalid(format!("{unknown} is not a valid change command"))),
    }
    Ok(())
}

/// `["a", "b"]`, or a text for the shell.
fn command(text: &str) -> Vec<String> {
    json_list(text).unwrap_or_else(|| ["/bin/sh", "-c", text].map(ToOwned::to_owned).into())
}

fn json_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

fn set_env(config: &mut ImageConfig, name: &str, value: &str) {
    let is_it = |entry: &String| entry.split_once('=').is_some_and(|(known, _)| known == name);
    config.env.retain(|entry| !is_it(entry));
    config.env.push(format!("{name}={value}"));
}

/// `a=b c="d e"`, or the old `a b`.
fn pairs(text: &str, word: &str) -> Result<Vec<(String, String)>, Refusal> {
    let words = words(text);
    if let Some((name, value)) = text.split_once(char::is_whitespace).filter(|(name, _)| !name.contains('='))
    {
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |text: String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    };
    let syntax = || {
        Refusal::invalid(format!("Syntax error - can't find = in {text:?}. Must be of the form: name=value"))
    };
    let pairs: Option<Vec<_>> = words.into_iter().map(pair).collect();
    pairs.filter(|pairs| !pairs.is_empty()).ok_or_else(|| match word {
        "ENV" => Refusal::invalid("ENV must have two arguments"),
        _ => syntax(),
    })
}

/// Words between blanks; quotes keep blanks, a backslash keeps what follows.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut has_word) = (Vec::new(), String::new(), None, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) => word.extend(characters.next()),
            (c, Some(open)) if c == open => quote = None,
            (c @ ('"' | '\''), None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                if std::mem::take(&mut has_word) {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (c, _) => word.push(c),
        }
        has_word = true;
    }
    if has_word {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_change_an_image() {
        let mut config = ImageConfig::default();
        for instruction in [
            "CMD [\"a\", \"b\"]",
            "entrypoint run it",
            "ENV A=1 B=\"x y\"",
            "ENV A 2 3",
            "LABEL k=v",
            "EXPOSE 80 53/udp",
            "VOLUME /data",
            "USER me",
            "WORKDIR /w",
            "STOPSIGNAL SIGUSR1",
        ] {
            apply(&mut config, instruction).expect(instruction);
        }
        assert_eq!(config.cmd, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(config.entrypoint.as_deref().and_then(<[_]>::last).map(String::as_str), Some("run it"));
        assert_eq!(config.env, ["B=x y", "A=2 3"]);
        assert_eq!(config.exposed_ports.keys().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
    }

    #[test]
    fn others_are_refused() {
        let refused = |text: &str| apply(&mut ImageConfig::default(), text).expect_err(text).message;
        assert_eq!(refused("RUN ls"), "RUN is not a valid change command");
        assert_eq!(refused("CMD"), "CMD requires at least one argument");
        assert_eq!(refused("ENV A"), "ENV must have two arguments");
        assert_eq!(refused("EXPOSE x"), "invalid port specification: \"x/tcp\"");
    }
}
