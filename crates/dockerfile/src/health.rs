//! `HEALTHCHECK`.

use std::time::Duration;

use crate::error::Problem;
use crate::flags::Flags;
use crate::instruction::CommandLine;

/// How to ask a container whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healthcheck {
    /// Not at all, whatever the base image says.
    None,
    /// By a command. What is zero is left to the engine.
    Command {
        command: CommandLine,
        interval: Duration,
        timeout: Duration,
        start_period: Duration,
        start_interval: Duration,
        retries: u32,
    },
}

/// The shortest interval.
const SHORTEST: Duration = Duration::from_millis(1);

pub(crate) fn healthcheck(flags: Flags, text: &str) -> Result<Healthcheck, Problem> {
    let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match kind.to_ascii_uppercase().as_str() {
        "" => Err(Problem::NoArgument("HEALTHCHECK")),
        "NONE" if !rest.is_empty() => Err(Problem::NoneWithArguments),
        "NONE" => Ok(Healthcheck::None),
        "CMD" => {
            let known = ["interval", "timeout", "start-period", "start-interval", "retries"];
            let [interval, timeout, start_period, start_interval, retries] = flags.take(known, &[])?;
            let command = crate::command::command_line(rest)?;
            if matches!(&command, CommandLine::Exec(words) if words.is_empty()) {
                return Err(Problem::NoHealthCommand);
            }
            Ok(Healthcheck::Command {
                command,
                interval: duration("interval", &interval)?,
                timeout: duration("timeout", &timeout)?,
                start_period: duration("start-period", &start_period)?,
                start_interval: duration("start-interval", &start_interval)?,
                retries: number(&retries)?,
            })
        }
        other => Err(Problem::HealthType(other.to_owned())),
    }
}

/// Go's form: `1m30s`, `100ms`.
fn duration(flag: &'static str, text: &str) -> Result<Duration, Problem> {
    if matches!(text, "" | "0") {
        return Ok(Duration::ZERO);
    }
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|parsed| parsed.try_into().ok());
    match parsed {
        None => Err(Problem::Duration(text.to_owned())),
        Some(short) if short < SHORTEST && short > Duration::ZERO => Err(Problem::ShortInterval(flag)),
        Some(duration) => Ok(duration),
    }
}

fn number(text: &str) -> Result<u32, Problem> {
    if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| Problem::Retries(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Healthcheck, Problem> {
        let (flags, rest) = Flags::split(text, '\\');
        healthcheck(flags, rest)
    }

    #[test]
    fn health_checks_are_read() {
        assert_eq!(parse("none"), Ok(Healthcheck::None));
        let Ok(Healthcheck::Command { command, interval, timeout, retries, .. }) =
            parse("--interval=1m30s --timeout=100ms --retries=3 CMD curl -f x || exit 1")
        else {
            panic!("a command")
        };
        assert_eq!(command, CommandLine::Shell("curl -f x || exit 1".to_owned()));
        assert_eq!((interval.as_secs(), timeout.as_millis(), retries), (90, 100, 3));
        let exec = CommandLine::Exec(vec!["a".to_owned()]);
        assert!(matches!(parse("CMD [\"a\"]"), Ok(Healthcheck::Command { command, .. }) if command == exec));
    }

    #[test]
    fn others_are_refused() {
        for (text, expected) in [
            ("", "HEALTHCHECK requires at least one argument"),
            ("NONE x", "HEALTHCHECK NONE takes no arguments"),
            ("CMD", "Missing command after HEALTHCHECK CMD"),
            ("CMD []", "Missing command after HEALTHCHECK CMD"),
            ("GET /", "Unknown type \"GET\" in HEALTHCHECK (try CMD)"),
            ("--interval=x CMD a", "invalid duration \"x\""),
            ("--interval=-1s CMD a", "invalid duration \"-1s\""),
            ("--interval=1us CMD a", "Interval \"interval\" cannot be less than 1ms"),
            ("--retries=-1 CMD a", "invalid number of retries \"-1\""),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), expected, "{text}");
        }
    }
}
