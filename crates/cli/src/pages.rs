//! Completions and manual pages, made of the tree of commands.

use std::fs;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use crate::args;
use crate::failure::Failure;
use crate::output;

/// Prints the completions for a shell.
pub(crate) fn completion(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::tree(), "tombolo", &mut script);
    output::print_bytes(&script)
}

/// Writes `tombolo.1`, `tombolo-run.1`, `tombolo-network-create.1`, ….
pub(crate) fn manual(directory: &Path) -> Result<(), Failure> {
    let shown = directory.display();
    fs::create_dir_all(directory).map_err(Failure::file(format!("cannot create {shown}")))?;
    let mut tree = args::tree();
    tree.build();
    page(&tree, directory)
}

fn page(command: &Command, directory: &Path) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = directory.join(format!("{name}.1"));
    let mut text = Vec::new();
    let write =
        clap_mangen::Man::new(command.clone()).render(&mut text).and_then(|()| fs::write(&path, &text));
    write.map_err(Failure::file(format!("cannot write {}", path.display())))?;
    command.get_subcommands().try_for_each(|below| page(below, directory))
}
