//! `build`: an image from a Dockerfile.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read};
use std::pin::Pin;

use api::host_config::Ulimit;
use api::progress::Progress;
use api::registry::CONFIG_HEADER;
use bytes::Bytes;
use clap::Args;
use futures_util::stream::{self, Stream, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};

use crate::client::{Call, Client, ClientError};
use crate::context::Context;
use crate::credentials::{self, Credentials};
use crate::failure::Failure;
use crate::output;
use crate::syntax::{limit, pairs, size};
use crate::transfer::{Screen, View};

/// Bytes by which an archive is known.
const HEAD: u64 = 512;
/// What an archive begins with, and where: tar, gzip, zstd.
const MAGIC: [(usize, &[u8]); 3] = [(257, b"ustar"), (0, &[0x1f, 0x8b]), (0, &[0x28, 0xb5, 0x2f, 0xfd])];

/// What was typed after `build`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Build {
    /// A name for the image, such as app:1
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<String>,
    /// The Dockerfile, or - for STDIN (default: Dockerfile in the context)
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// A build argument; NAME alone takes the value of ours
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// A label of the image
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// The last stage to build
    #[arg(long, value_name = "STAGE", default_value = "", hide_default_value = true)]
    target: String,
    /// Do not use what was built before
    #[arg(long)]
    no_cache: bool,
    /// Without effect: what the engine has built is found by itself
    #[arg(long, value_name = "IMAGE", value_delimiter = ',')]
    cache_from: Vec<String>,
    /// Look for newer base images
    #[arg(long)]
    pull: bool,
    /// Print the image's id only
    #[arg(short, long)]
    quiet: bool,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<String>,
    /// Platform of base images that do not say one
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[command(flatten)]
    steps: Steps,
    /// A directory, or - for an archive or a Dockerfile on STDIN
    path: String,
}

/// How commands are run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Containers of RUN")]
struct Steps {
    /// Network of the containers
    #[arg(long, value_name = "NETWORK", default_value = "", hide_default_value = true)]
    network: String,
    /// A line of /etc/hosts, such as name:198.51.100.7
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Remove the containers; --rm=false keeps them, stopped
    #[arg(long, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_default_value = true)]
    rm: bool,
    /// Always remove the containers
    #[arg(long)]
    force_rm: bool,
    /// Memory, such as 512m
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory and swap; -1 is no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "WEIGHT", default_value = "", hide_default_value = true)]
    cpu_shares: String,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS", default_value = "", hide_default_value = true)]
    cpu_period: String,
    /// CPU time in each period in microseconds
    #[arg(long, value_name = "MICROSECONDS", default_value = "", hide_default_value = true)]
    cpu_quota: String,
    /// CPUs in which to allow execution, such as 0-3
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    cpuset_cpus: String,
    /// Memory nodes in which to allow execution
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    cpuset_mems: String,
    /// The cgroup above the containers
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    cgroup_parent: String,
    /// Limits, such as nofile=1024:2048
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    /// Security options
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
}

type Archive = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Build {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (archive, dockerfile) = self.context()?;
        let bar = bar(self.quiet);
        let sent = bar.clone();
        let archive = archive.inspect(move |piece| {
            if let Ok(piece) = piece {
                sent.inc(piece.len() as u64);
            }
        });
        let call = self.call()?.query("dockerfile", &dockerfile).archive(archive);
        let call = call.header(CONFIG_HEADER, credentials::header(&Credentials::read()?.all()?));
        let mut screen = Screen::new(if self.quiet { View::Nothing } else { View::Output });
        let mut lines = client.send(call).await?.lines::<Progress>();
        let mut image = None;
        while let Some(line) = lines.next().await? {
            bar.finish_and_clear();
            if !line.error.is_empty() {
                return Err(failure(line));
            }
            if let Some(id) = line.aux.as_ref().and_then(|facts| facts["ID"].as_str()) {
                image = Some(id.to_owned());
            } else if self.quiet {
                image = Some(line.stream.trim().to_owned());
                output::print(&line.stream)?;
            } else if line.stream.is_empty() {
                screen.show(line)?;
            } else {
                output::print(&line.stream)?;
            }
        }
        match (self.iidfile, image) {
            (Some(path), Some(id)) => {
                std::fs::write(&path, id).map_err(Failure::file(format!("cannot write {path}")))
            }
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// The archive, and the Dockerfile's name in it.
    fn context(&self) -> Result<(Archive, String), Failure> {
        if ["http://", "https://", "git://", "git@", "github.com/"].iter().any(|at| self.path.starts_with(at))
        {
            let text = format!(
                "the engine fetches no context from {}: fetch it first, then build the directory",
                self.path
            );
            return Err(Failure::Said(text));
        }
        if self.path != "-" {
            let context = Context::of(&self.path, self.file.as_deref())?;
            let name = context.dockerfile.clone();
            return Ok((Box::pin(context.pieces()), name));
        }
        if self.file.as_deref() == Some("-") {
            return Err(Failure::Typed(
                "invalid argument: can't use stdin for both build context and dockerfile".into(),
            ));
        }
        let failed = || Failure::file("failed to read context from STDIN");
        let mut first = Vec::new();
        io::stdin().lock().take(HEAD).read_to_end(&mut first).map_err(failed())?;
        if MAGIC.iter().any(|(at, magic)| first.get(*at..).is_some_and(|bytes| bytes.starts_with(magic))) {
            let begin = stream::once(async move { Ok(Bytes::from(first)) });
            let rest = stream::unfold(crate::stdio::input(), |mut input| async {
                input.recv().await.map(|piece| (Ok(piece), input))
            });
            return Ok((Box::pin(begin.chain(rest)), self.file.clone().unwrap_or_default()));
        }
        io::stdin().lock().read_to_end(&mut first).map_err(failed())?;
        let context = Context::alone(first);
        let name = context.dockerfile.clone();
        Ok((Box::pin(context.pieces()), name))
    }

    fn call(&self) -> Result<Call, Failure> {
        let mut call = Call::post(["build"])
            .switch("q", self.quiet)
            .switch("nocache", self.no_cache)
            .switch("pull", self.pull)
            .query("target", &self.target)
            .query("platform", &self.platform);
        for name in &self.tag {
            call = call.query("t", name);
        }
        if !self.build_arg.is_empty() {
            call = call.query("buildargs", &json(&arguments(&self.build_arg)));
        }
        if !self.label.is_empty() {
            call = call.query("labels", &json(&pairs::map(&self.label)));
        }
        if !self.cache_from.is_empty() {
            call = call.query("cachefrom", &json(&self.cache_from));
        }
        self.steps.add(call)
    }
}

impl Steps {
    fn add(&self, call: Call) -> Result<Call, Failure> {
        let bytes = |text: &Option<String>| -> Result<String, Failure> {
            Ok(text
                .as_deref()
                .map(size::parse_or_unlimited)
                .transpose()?
                .map(|size| size.to_string())
                .unwrap_or_default())
        };
        let mut call = call
            .query("rm", if self.rm { "1" } else { "0" })
            .switch("forcerm", self.force_rm)
            .query("networkmode", &self.network)
            .query("memory", &bytes(&self.memory)?)
            .query("memswap", &bytes(&self.memory_swap)?)
            .query("shmsize", &bytes(&self.shm_size)?)
            .query("cpushares", &self.cpu_shares)
            .query("cpuperiod", &self.cpu_period)
            .query("cpuquota", &self.cpu_quota)
            .query("cpusetcpus", &self.cpuset_cpus)
            .query("cpusetmems", &self.cpuset_mems)
            .query("cgroupparent", &self.cgroup_parent);
        for host in &self.add_host {
            call = call.query("extrahosts", host);
        }
        for option in &self.security_opt {
            call = call.query("securityopt", option);
        }
        if !self.ulimit.is_empty() {
            let limits =
                self.ulimit.iter().map(|text| limit::ulimit(text)).collect::<Result<Vec<Ulimit>, _>>()?;
            call = call.query("ulimits", &json(&limits));
        }
        Ok(call)
    }
}

/// `NAME=value`, or `NAME` for the value that it has here, if it has one.
fn arguments(typed: &[String]) -> BTreeMap<String, Option<String>> {
    let argument = |text: &String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.clone(), std::env::var(text).ok()),
    };
    typed.iter().map(argument).collect()
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists of them can be written")
}

/// Shows how much of the context was sent.
fn bar(is_quiet: bool) -> ProgressBar {
    if is_quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("Sending build context  {bytes}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// The exit code of a command that failed is ours.
fn failure(line: Progress) -> Failure {
    let code = line.error_detail.map_or(0, |detail| detail.code);
    let failure = Failure::from(ClientError::Late { message: line.error });
    match u8::try_from(code) {
        Ok(code) if code != 0 => failure.with_code(code),
        Ok(_) | Err(_) => failure,
    }
}
