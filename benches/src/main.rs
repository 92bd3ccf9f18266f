//! The distribution's dockerd and our engine on the same work, in one run.
//!
//! Each engine has a scratch machine of its own and is spoken to through the Engine API. They take
//! turns, so that whatever else the machine does meets both. `make bench` runs this; the
//! figures are printed and written to `target/bench.json`.

mod bare;
mod client;
mod docker;
mod engine;
mod figures;
mod interrupt;
mod names;
mod process;
mod scale;
mod targets;
mod work;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

use crate::{
    bare::Bare,
    engine::{Disk, Engine, Publish},
    figures::Figures,
    targets::{TARGETS, Verdict},
    work::{Rounds, Work},
};

/// Compares the distribution's dockerd with our engine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Few rounds, and dockerd never with 1,000 ports: a look, no figures
    #[arg(long)]
    quick: bool,
    /// Measure one engine alone
    #[arg(long)]
    only: Option<Only>,
    /// How often the quick operations are done; the slow ones are done less often
    #[arg(long, default_value_t = 20, conflicts_with = "quick")]
    repeat: usize,
    /// Do only the work whose name contains this text: `networks`, `names`, `crowd`…
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
    /// Keep the engines' data in memory instead of on the disk
    #[arg(long)]
    in_memory: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    Ours,
    Docker,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            failures.iter().for_each(|failure| progress(&format!("failed: {failure}")));
            ExitCode::FAILURE
        }
        Err(error) => {
            progress(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints and writes; returns what failed on the way.
fn run(arguments: &Arguments) -> Result<Vec<String>> {
    interrupt::listen()?;
    let started = Instant::now();
    let program = std::env::current_exe()?;
    let disk = if arguments.in_memory { None } else { Some(Disk::beside(&program)?) };
    let engines = engines(arguments.only, &program, disk.as_ref())?;
    let mut work = Work::of(engines, &arguments.filter);
    let mut versions = Vec::new();
    for engine in &mut work.engines {
        let version = engine.version()?;
        versions.push(format!("{} {version}", engine.who));
    }
    progress(&format!("{}, {}", versions.join(", "), machine()));
    let mut bare = Bare::new(disk.as_ref().map(|disk| disk.directory("bare")).transpose()?.as_deref())?;
    measure(&mut work, &mut bare, arguments);
    ensure!(!interrupt::came(), "interrupted");
    let verdicts: Vec<Verdict> = TARGETS.iter().map(|target| target.judge(&work.figures)).collect();
    print(&work.figures, &verdicts);
    let report = json!({
        "engines": versions,
        "machine": machine(),
        "seconds": started.elapsed().as_secs(),
        "rows": work.figures.json(),
        "targets": verdicts.iter().map(Verdict::json).collect::<Value>(),
        "failures": work.failures,
    });
    let path = target(&program).join("bench.json");
    fs::write(&path, format!("{report:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    progress(&format!("{:.0} s; figures in {}", started.elapsed().as_secs_f64(), path.display()));
    if !work.failures.is_empty() {
        work.engines.iter().for_each(last_words);
    }
    Ok(work.failures)
}

/// Starts what is to be compared.
fn engines(only: Option<Only>, program: &Path, disk: Option<&Disk>) -> Result<Vec<Engine>> {
    let directory = |name| disk.map(|disk| disk.directory(name)).transpose();
    let mut engines = Vec::new();
    if only != Some(Only::Docker) {
        let tombolo = program.with_file_name("tombolo");
        engines.push(Engine::tombolo(&tombolo, directory("tombolo")?.as_deref())?);
    }
    if only != Some(Only::Ours) {
        engines.push(Engine::docker(directory("dockerd")?.as_deref())?);
    }
    Ok(engines)
}

/// All the work there is.
fn measure(work: &mut Work, bare: &mut Bare, arguments: &Arguments) {
    let repeat = if arguments.quick { 5 } else { arguments.repeat.max(1) };
    let some = |part: usize| repeat.div_ceil(part);
    work.idle();
    work.memory_per_container(10);
    work.networks(Rounds::both(repeat), bare);
    work.pull(Rounds::both(some(2)));
    work.containers("none", Publish::Nothing, Rounds::both(repeat));
    work.containers("bridge", Publish::Nothing, Rounds::both(repeat));
    work.containers("bridge", Publish::Tcp(1), Rounds::both(repeat));
    work.containers("bridge", Publish::Tcp(100), Rounds { tombolo: some(2), docker: some(4) });
    // dockerd takes half a minute to start and more than a minute to remove each.
    let docker = if arguments.quick { 0 } else { some(20) };
    work.containers("bridge", Publish::Tcp(1000), Rounds { tombolo: some(2), docker });
    work.builds(Rounds::both(repeat));
    work.names(10, Rounds::both(repeat));
    work.names(1000, Rounds::both(repeat));
    scale(work, repeat, arguments.quick);
}

/// What is to stay flat, most of it with our engine alone: dockerd would need hours.
fn scale(work: &mut Work, repeat: usize, quick: bool) {
    let ours = Rounds { tombolo: repeat, docker: 0 };
    work.crowd(0, Rounds::both(repeat));
    work.crowd(100, if quick { ours } else { Rounds::both(repeat) });
    if !quick {
        work.crowd(1000, ours);
    }
    work.beside_ports(10_000, ours);
    work.containers("bridge", Publish::Udp(10_000), Rounds { tombolo: repeat.div_ceil(4), docker: 0 });
    work.connections(1, Rounds::both(repeat));
    work.connections(10_000, ours);
    work.many_networks(500);
}

/// What an engine that failed has logged last.
fn last_words(engine: &Engine) {
    let log = engine.log();
    let lines: Vec<&str> = log.lines().rev().take(20).collect();
    progress(&format!("{} logged last:", engine.who));
    lines.iter().rev().for_each(|line| progress(line));
}

/// The machine in words, without its name.
fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let numbers = kernel.trim().split(['-', '+']).next().unwrap_or_default().to_owned();
    format!("{cores} cores, Linux {numbers}")
}

/// The build directory: the program is in a profile's folder below it.
fn target(program: &Path) -> PathBuf {
    program.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn print(figures: &Figures, verdicts: &[Verdict]) {
    println!("{figures}");
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
}

/// Says how far it is.
#[expect(clippy::print_stderr, reason = "progress goes where it does not disturb the figures")]
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}
