//! Instructions that only change what containers of an image are like.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use dockerfile::{CommandLine, ExpandError, Expander, Healthcheck, Instruction, Pair, ParseError, Step};
use image::{ImageConfig, Nothing};
use thiserror::Error;

use super::arguments::variable;
use crate::{ParseSignalError, Signal, cnm::Ports};

/// The shell of an image that names none.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Where programs are in an image that does not say.
pub(crate) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why an instruction changes nothing.
#[derive(Debug, Error)]
pub enum ChangeError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Expand(#[from] ExpandError),
    #[error("{word} is not a valid change command")]
    NotAChange { word: String },
    #[error("invalid containerPort: {port}")]
    Port { port: String },
    #[error(transparent)]
    Signal(#[from] ParseSignalError),
}

/// Applies instructions to a configuration, as `commit --change` and `import --change` do.
///
/// # Errors
/// If one of them is wrong, or is not of this kind.
pub fn change_config(config: &mut ImageConfig, instructions: &[&str]) -> Result<(), ChangeError> {
    let mut changing = Changing { config: config.clone(), has_own_command: false };
    for text in instructions {
        let step = Step::parse(text)?;
        let environment = changing.config.env.clone();
        let variables = |name: &str| variable(&environment, name);
        let expander = Expander::new('\\', &variables);
        let word = || text.split_whitespace().next().unwrap_or_default().to_lowercase();
        if changing.apply(&step.instruction.expanded(&expander)?)?.is_none() {
            return Err(ChangeError::NotAChange { word: word() });
        }
    }
    *config = changing.config;
    Ok(())
}

/// A configuration that is being changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changing {
    pub(crate) config: ImageConfig,
    /// Its command was set here, and not taken over from the base.
    pub(crate) has_own_command: bool,
}

impl Changing {
    /// Applies an instruction whose variables are filled in, and says what the history shows of
    /// it. `None` for one that does more than change the configuration.
    pub(crate) fn apply(&mut self, instruction: &Instruction) -> Result<Option<String>, ChangeError> {
        let config = &mut self.config;
        Ok(Some(match instruction {
            Instruction::Env(pairs) => {
                pairs.iter().for_each(|Pair { name, value }| set_variable(&mut config.env, name, value));
                format!("ENV{}", shown(pairs))
            }
            Instruction::Label(pairs) => {
                let pair = |pair: &Pair| (pair.name.clone(), pair.value.clone());
                config.labels.extend(pairs.iter().map(pair));
                format!("LABEL{}", shown(pairs))
            }
            Instruction::Expose(ports) => expose(config, ports)?,
            Instruction::Volume(paths) => {
                config.volumes.extend(paths.iter().map(|path| (path.clone(), Nothing {})));
                format!("VOLUME [{}]", paths.join(" "))
            }
            Instruction::User(user) => {
                config.user.clone_from(user);
                format!("USER {user}")
            }
            Instruction::Workdir(path) => {
                config.working_dir = joined(&config.working_dir, path);
                format!("WORKDIR {}", config.working_dir)
            }
            Instruction::Cmd(line) => {
                let words = self.words(line);
                let shown = format!("CMD {}", quoted(&words));
                self.config.cmd = Some(words);
                self.has_own_command = true;
                shown
            }
            Instruction::Entrypoint(line) => self.entrypoint(line),
            Instruction::Shell(words) => {
                config.shell = Some(words.clone());
                format!("SHELL [{}]", words.join(" "))
            }
            Instruction::StopSignal(signal) => {
                signal.parse::<Signal>()?;
                config.stop_signal = Some(signal.clone());
                format!("STOPSIGNAL {signal}")
            }
            Instruction::Healthcheck(check) => health(config, check),
            Instruction::OnBuild(trigger) => {
                config.on_build.get_or_insert_default().push(trigger.clone());
                format!("ONBUILD {trigger}")
            }
            Instruction::Add(_)
            | Instruction::Arg(_)
            | Instruction::Copy(_)
            | Instruction::Maintainer(_)
            | Instruction::Run(_) => return Ok(None),
        }))
    }

    /// The program and its arguments, with the image's shell where one is needed.
    pub(crate) fn words(&self, line: &CommandLine) -> Vec<String> {
        match line {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(text) => self.shell().into_iter().chain([text.clone()]).collect(),
        }
    }

    pub(crate) fn shell(&self) -> Vec<String> {
        let known = self.config.shell.clone().filter(|shell| !shell.is_empty());
        known.unwrap_or_else(|| SHELL.map(ToOwned::to_owned).into())
    }

    /// What the history shows of a step that runs nothing.
    pub(crate) fn no_operation(&self, what: &str) -> String {
        format!("{} #(nop) {what}", self.shell().join(" "))
    }

    /// A new entry point makes nothing of the base's command.
    fn entrypoint(&mut self, line: &CommandLine) -> String {
        let words = self.words(line);
        let shown = format!("ENTRYPOINT {}", quoted(&words));
        self.config.entrypoint = Some(words).filter(|words| !words.is_empty());
        if !self.has_own_command {
            self.config.cmd = None;
        }
        shown
    }
}

fn expose(config: &mut ImageConfig, ports: &[String]) -> Result<String, ChangeError> {
    for port in ports {
        let wrong = || ChangeError::Port { port: port.clone() };
        // What `-p` would publish where counts as well, as in Docker; only the container's side matters.
        let (_, inside) = port.rsplit_once(':').unwrap_or(("", port));
        let text = if inside.contains('/') { inside.to_owned() } else { format!("{inside}/tcp") };
        let parsed = Ports::parse(&text).map_err(|_| wrong())?;
        for number in parsed.range.clone() {
            config.exposed_ports.insert(format!("{number}/{}", parsed.proto), Nothing {});
        }
    }
    Ok(format!("EXPOSE {}", ports.join(" ")))
}

fn health(config: &mut ImageConfig, check: &Healthcheck) -> String {
    let nanoseconds = |time: &Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let (kept, shown) = match check {
        Healthcheck::None => {
            let test = vec!["NONE".to_owned()];
            (image::Healthcheck { test, ..image::Healthcheck::default() }, "HEALTHCHECK NONE".to_owned())
        }
        Healthcheck::Command { command, interval, timeout, start_period, start_interval, retries } => {
            let (kind, words) = match command {
                CommandLine::Shell(text) => ("CMD-SHELL", vec![text.clone()]),
                CommandLine::Exec(words) => ("CMD", words.clone()),
            };
            let test: Vec<_> = [kind.to_owned()].into_iter().chain(words).collect();
            let mut shown = format!("HEALTHCHECK {}", quoted(&test));
            let times = [
                ("interval", interval),
                ("timeout", timeout),
                ("start-period", start_period),
                ("start-interval", start_interval),
            ];
            for (name, time) in times.into_iter().filter(|(_, time)| !time.is_zero()) {
                // Nothing can go wrong when writing into a text.
                let _ok = write!(shown, " {name}={time:?}");
            }
            let kept = image::Healthcheck {
                test,
                interval: nanoseconds(interval),
                timeout: nanoseconds(timeout),
                start_period: nanoseconds(start_period),
                start_interval: nanoseconds(start_interval),
                retries: (*retries).into(),
            };
            (kept, shown)
        }
    };
    config.healthcheck = Some(kept);
    shown
}

pub(crate) fn set_variable(environment: &mut Vec<String>, name: &str, value: &str) {
    let text = format!("{name}={value}");
    let is_it = |entry: &&mut String| entry.split_once('=').is_some_and(|(known, _)| known == name);
    match environment.iter_mut().find(is_it) {
        Some(entry) => *entry = text,
        None => environment.push(text),
    }
}

/// An absolute path as it is, another one below `base`; without `.` and `..`.
pub(crate) fn joined(base: &str, path: &str) -> String {
    let mut clean = PathBuf::from("/");
    for component in Path::new("/").join(base).join(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean.display().to_string()
}

fn shown(pairs: &[Pair]) -> String {
    pairs.iter().map(|Pair { name, value }| format!(" {name}={value}")).collect()
}

/// Words as Go shows a list of texts.
fn quoted(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(instructions: &[&str]) -> ImageConfig {
        let mut config = ImageConfig {
            env: vec!["A=0".to_owned()],
            cmd: Some(vec!["base".to_owned()]),
            ..ImageConfig::default()
        };
        change_config(&mut config, instructions).expect("changes");
        config
    }

    fn texts(texts: &[&str]) -> Option<Vec<String>> {
        Some(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn instructions_change_what_they_say() {
        let config = changed(&[
            "ENV B=1 A=2",
            "LABEL k=v",
            "EXPOSE 80 53/udp 8000-8001",
            "VOLUME /data",
            "USER me",
            "WORKDIR /w",
            "WORKDIR ../x/./y",
            "STOPSIGNAL SIGUSR1",
            "HEALTHCHECK --interval=5s CMD true",
            "ONBUILD RUN x",
            "SHELL [\"/bin/bash\", \"-ec\"]",
            "CMD run it",
        ]);
        assert_eq!(config.env, ["A=2", "B=1"]);
        assert_eq!(
            config.exposed_ports.keys().collect::<Vec<_>>(),
            ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]
        );
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("me", "/x/y"));
        assert_eq!(config.cmd, texts(&["/bin/bash", "-ec", "run it"]));
        assert_eq!(config.on_build, texts(&["RUN x"]));
        assert_eq!(config.healthcheck.expect("one").interval, 5_000_000_000);
    }

    #[test]
    fn an_entry_point_forgets_the_command_of_the_base() {
        let config = changed(&["ENTRYPOINT [\"e\"]"]);
        assert_eq!((config.entrypoint, config.cmd), (texts(&["e"]), None));
        let config = changed(&["CMD [\"c\"]", "ENTRYPOINT e"]);
        assert_eq!((config.entrypoint, config.cmd), (texts(&["/bin/sh", "-c", "e"]), texts(&["c"])));
        assert_eq!(changed(&["ENTRYPOINT []"]).entrypoint, None);
    }

    #[test]
    fn others_are_refused() {
        let refused =
            |text: &str| change_config(&mut ImageConfig::default(), &[text]).expect_err(text).to_string();
        assert_eq!(refused("RUN ls"), "run is not a valid change command");
        assert_eq!(refused("EXPOSE x"), "invalid containerPort: x");
        assert_eq!(refused("NOPE"), "dockerfile parse error on line 1: unknown instruction: NOPE");
        assert_eq!(refused("STOPSIGNAL nope"), "invalid signal: nope");
    }
}
