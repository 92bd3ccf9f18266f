//! The command line as a tree of commands, and how Go's flags are read by it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::command::Asked;

/// A container engine whose heart is a complete Container Network Model.
#[derive(Parser, Debug)]
#[command(name = "tombolo", version, propagate_version = false, max_term_width = 100)]
#[command(
    after_help = "First steps:\n  sudo tombolo daemon &                                  start the engine\n  tombolo load -i busybox.tar                            give it an image\n  tombolo run -d --name web -p 8080:80 busybox httpd -f  run a server\n  tombolo inspect web                                    see all of it\n\nSee `tombolo COMMAND --help` for an example of each command."
)]
pub(crate) struct Typed {
    /// Where the engine is: unix:///path or tcp://name:port
    #[arg(short = 'H', long, value_name = "HOST", env = "TOMBOLO_HOST", hide_env_values = true)]
    pub(crate) host: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Chosen,
}

/// All commands of this program. `daemon` and `demo` never come here: the first argument leads elsewhere.
#[derive(Subcommand, Debug)]
pub(crate) enum Chosen {
    #[command(flatten)]
    Asked(Box<Asked>),
    /// Print the completions for a shell
    #[command(after_help = "Example: tombolo completion bash > /etc/bash_completion.d/tombolo")]
    Completion {
        /// bash, zsh, fish, …
        shell: Shell,
    },
    /// Write the manual pages
    #[command(after_help = "Example: tombolo man --out /usr/local/share/man/man1")]
    Man {
        /// The directory for the pages
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Run the engine; see tombolo daemon --help
    Daemon,
    /// Show the main job, end to end, on a machine of its own
    Demo,
}

/// Reads the command line.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Typed, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = match with_values(tree()).try_get_matches_from(&args) {
        // The help is that of flags without values, which is shorter.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Err(tree().try_get_matches_from(&args).err().unwrap_or(error));
        }
        other => other?,
    };
    Typed::from_arg_matches(&matches)
}

/// All commands, with `--help` but without `-h`, which is a host name for `run`.
pub(crate) fn tree() -> Command {
    let styles = Styles::styled()
        .header(AnsiColor::Yellow.on_default().bold())
        .usage(AnsiColor::Yellow.on_default().bold())
        .literal(AnsiColor::Cyan.on_default().bold());
    with_help(Typed::command().styles(styles))
}

fn with_help(command: Command) -> Command {
    let help = Arg::new("help").long("help").action(ArgAction::Help).help("Print help");
    let command = command.disable_help_flag(true).disable_help_subcommand(true).arg(help);
    command.mut_subcommands(with_help)
}

/// Go's switches may have a value: `--rm=false`.
fn with_values(command: Command) -> Command {
    let with_value = |arg: Arg| {
        if !matches!(arg.get_action(), ArgAction::SetTrue) {
            return arg;
        }
        arg.action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(clap::builder::BoolishValueParser::new())
    };
    command.mut_args(with_value).mut_subcommands(with_values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        tree().debug_assert();
        with_values(tree()).debug_assert();
    }

    #[track_caller]
    fn check(line: &str, is_accepted: bool) {
        let args = line.split(' ').map(OsString::from);
        let parsed = parse(args);
        assert_eq!(parsed.is_ok(), is_accepted, "{line}: {:?}", parsed.err().map(|error| error.to_string()));
    }

    #[test]
    fn docker_commands_are_understood() {
        for line in [
            "tombolo run -it --rm busybox sh",
            "tombolo run -dit --name=web --net=host -h box busybox ls -l --net x",
            "tombolo container run --rm=false --init=true -e A=1 -e B busybox",
            "tombolo run --rootfs /srv/root:O ls /",
            "tombolo run --memory 512m --memory-swap -1 --pids-limit=-1 busybox",
            "tombolo -H unix:///x ps -aq --no-trunc -f name=x -n 3",
            "tombolo container ls -a",
            "tombolo exec -it web sh -c ls",
            "tombolo stop -t 5 a b",
            "tombolo logs -f --tail 5 -t web",
            "tombolo network create -d bridge --subnet 10.0.0.0/24 --ipv6=false -o a=b n",
            "tombolo network connect --ip 10.0.0.9 --alias a n c",
            "tombolo inspect -f {{.Id}} --type container web",
            "tombolo top web -o pid",
            "tombolo completion bash",
            "tombolo system df",
            "tombolo image inspect -f {{.Id}} busybox",
        ] {
            check(line, true);
        }
        for line in [
            "tombolo",
            "tombolo nope",
            "tombolo run --nope busybox",
            "tombolo rm",
            "tombolo run --rm=maybe x",
        ] {
            check(line, false);
        }
    }
}
